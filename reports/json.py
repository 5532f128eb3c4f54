"""JSON of reports: `windtunnel.report/1`, and the findings kept beside a run.

JSON has no infinities: a bound that is not known is null.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from models.cedar.types import RequestEnvironment
from models.diagnostics import input_error
from reports.kept import NotKept
from sim.run import FINDINGS
from verify.findings import SCHEMA as FINDINGS_SCHEMA
from verify.findings import Clause, Edit, Finding, Findings, Location, PolicyRef, Proof, Role, Suggestion, Witness
from verify.json import to_json

if TYPE_CHECKING:
    from reports.assess import Assessed
    from reports.verdict import Verdict
    from sim.run import Run

SCHEMA: Final = "windtunnel.report/1"
FINDINGS_MAX: Final = 64 * 2**20
"""Bytes of a findings file that are read at most."""


def report_json(verdict: Verdict, findings: Findings | None, outcomes: Assessed | None) -> dict[str, Any]:
    """Verdict, findings and outcomes as plain JSON values; a part that was not asked for is null."""
    return {
        "schema": SCHEMA,
        "verdict": {
            "result": verdict.result,
            "reasons": list(verdict.reasons),
            "open": _open(findings, outcomes),
            "exit_code": verdict.exit_code,
        },
        "findings": to_json(findings) if findings is not None else None,
        "outcomes": plain(outcomes),
    }


def _open(findings: Findings | None, outcomes: Assessed | None) -> list[dict[str, str]]:
    """What is undecided, and why: replications by number, objectives by name, checks by identifier."""
    objectives = outcomes.objectives if outcomes else ()
    checks = findings.findings if findings else ()
    poisoned = outcomes.provenance.poisoned if outcomes else ()
    return [
        *({"replication": str(one.replication), "because": one.why} for one in poisoned),
        *({"objective": o.name, "because": o.open_because} for o in objectives if o.verdict == "undecided"),
        *({"check": f.check, "because": f.message} for f in checks if f.verdict == "undecided"),
    ]


def plain(value: Any) -> Any:
    """A value of frozen dataclasses, tuples, mappings and scalars as JSON values; what is not kept is null."""
    if isinstance(value, NotKept):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def findings_text(findings: Findings) -> str:
    """Findings as they are kept beside a run's tables, so that the run can be reported again."""
    return json.dumps(to_json(findings), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_findings(run: Run) -> Findings | None:
    """The findings kept with a run, None where nothing was verified.

    Raises `InputError` where the file is not the one that the run's manifest names, or cannot be read: a verdict
    without the findings could pass where the run failed.
    """
    path = run.folder / FINDINGS
    if run.manifest.findings is None:
        if path.exists():
            raise input_error("is no part of this run: its run.json says that nothing was verified", str(path), _AGAIN)
        return None
    try:
        if path.stat().st_size > FINDINGS_MAX:
            raise input_error(f"the file is larger than {FINDINGS_MAX} bytes", str(path))
        data = path.read_bytes()
    except FileNotFoundError:
        raise input_error("is missing, but run.json names it: the run was verified", str(path), _AGAIN) from None
    except OSError as error:
        raise input_error(f"cannot be read: {error.strerror}", str(path), _AGAIN) from None
    if (found := hashlib.sha256(data).hexdigest()) != run.manifest.findings:
        message = f"is not as it was written: its sha256 is {found}, by run.json it was {run.manifest.findings}"
        raise input_error(message, str(path), _AGAIN)
    return _parsed(data, path)


def _parsed(data: bytes, path: Path) -> Findings:
    try:
        return from_json(json.loads(data))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise input_error(f"holds no findings of this version ({FINDINGS_SCHEMA})", str(path), _AGAIN) from None


_AGAIN: Final = "verify and simulate again with `windtunnel run`"


def from_json(value: Mapping[str, Any]) -> Findings:
    """The inverse of `verify.json.to_json`, without the scripts. Raises ValueError, TypeError or KeyError."""
    if value["schema"] != FINDINGS_SCHEMA:
        raise ValueError(f"the schema is {value['schema']!r}")
    return Findings(tuple(map(_finding, value["findings"])), dict(value["checked"]))


def _finding(value: Mapping[str, Any]) -> Finding:
    if value["verdict"] not in ("violated", "holds", "undecided") or value["severity"] not in (
        "error",
        "warning",
        "info",
    ):
        raise ValueError("a finding's verdict or severity is unknown")
    witness, proof = value.get("witness"), value.get("proof")
    return Finding(
        check=str(value["check"]),
        name=str(value["name"]),
        severity=value["severity"],
        verdict=value["verdict"],
        policies=tuple(map(_reference, value["policies"])),
        message=str(value["message"]),
        location=_location(value["location"]),
        witness=_witness(witness) if witness else None,
        proof=Proof(str(proof["solver"]), str(proof["checked_by"]), str(proof["smt2_sha256"])) if proof else None,
        environment=str(value.get("environment", "")),
        environments=tuple(map(_environment, value.get("environments", ()))),
        because=tuple(map(_clause, value.get("because", ()))),
        reason=str(value.get("reason", "")),
        suggestion=_suggestion(value.get("suggestion")),
        subjects=int(value.get("subjects", 1)),
    )


def _reference(value: Mapping[str, Any]) -> PolicyRef:
    return PolicyRef(str(value["name"]), _location(value["location"]), str(value.get("mark", "")))


def _environment(value: Mapping[str, Any]) -> RequestEnvironment:
    return RequestEnvironment(str(value["principal"]), str(value["action"]), str(value["resource"]))


def _clause(value: Mapping[str, Any]) -> Clause:
    if value["role"] not in get_args(Role):
        raise ValueError("a clause's role is unknown")
    return Clause(
        role=value["role"],
        policy=str(value["policy"]),
        file=str(value["file"]),
        line=int(value["line"]),
        column=int(value["column"]),
        text=str(value["text"]),
        negated=bool(value["negated"]),
    )


def _suggestion(value: Mapping[str, Any] | None) -> Suggestion | None:
    if value is None:
        return None
    edits = (
        Edit(str(e["file"]), int(e["line"]), int(e["column"]), str(e["remove"]), str(e["insert"]))
        for e in value["edits"]
    )
    return Suggestion(tuple(edits), str(value["why"]))


def _location(value: Mapping[str, Any]) -> Location:
    return Location(str(value["file"]), int(value["line"]))


def _witness(value: Mapping[str, Any]) -> Witness:
    return Witness(
        principal=str(value["principal"]),
        action=str(value["action"]),
        resource=str(value["resource"]),
        context=dict(value["context"]),
        entities=tuple(map(dict, value["entities"])),
        approvals=tuple(map(str, value["approvals"])),
    )
