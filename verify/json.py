"""Findings as JSON, `windtunnel.findings/1`, and their scripts as files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.cedar.types import RequestEnvironment
from models.diagnostics import input_error
from verify.findings import SCHEMA, Finding, Findings, PolicyRef, Proof, Witness


def to_json(findings: Findings) -> dict[str, Any]:
    """The findings as plain JSON values: the schema's name, the verdict, each finding, and what was checked."""
    return {
        "schema": SCHEMA,
        "verdict": findings.verdict,
        "findings": [finding_json(finding) for finding in findings.findings],
        "checked": dict(findings.checked),
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    """One finding as plain JSON values."""
    return {
        "id": finding.id,
        "check": finding.check,
        "name": finding.name,
        "severity": finding.severity,
        "verdict": finding.verdict,
        "policies": _policies(finding.policies),
        "subjects": finding.subjects,
        "message": finding.message,
        "environment": finding.environment,
        "environments": [environment_json(environment) for environment in finding.environments],
        "witness": witness_json(finding.witness),
        "location": asdict(finding.location),
        "because": [asdict(clause) for clause in finding.because],
        "reason": finding.reason,
        "suggestion": None if finding.suggestion is None else _lists(asdict(finding.suggestion)),
        "proof": proof_json(finding.proof),
    }


def environment_json(environment: RequestEnvironment) -> dict[str, str]:
    """A request environment: entity types by full name, the action as a uid."""
    return {"principal": environment.principal, "action": environment.action, "resource": environment.resource}


def witness_json(witness: Witness | None) -> dict[str, Any] | None:
    """A witness in Cedar's JSON."""
    return None if witness is None else _lists(asdict(witness))


def proof_json(proof: Proof | None) -> dict[str, Any] | None:
    """What stands behind a verdict."""
    if proof is None:
        return None
    return {
        "solver": proof.solver,
        "checked_by": proof.checked_by,
        "single_solver": proof.single_solver,
        "smt2_sha256": proof.smt2_sha256,
    }


def _policies(policies: Iterable[PolicyRef]) -> list[dict[str, Any]]:
    return [asdict(policy) for policy in policies]


def _lists(value: Any) -> Any:
    """Tuples as lists, at any depth."""
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


def write_scripts(scripts: Mapping[str, str], folder: Path) -> list[Path]:
    """Write scripts, by sha256, to `SHA256.smt2` in a folder, which is made where needed.

    Raises `InputError` where the folder cannot be made or written to.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for digest, text in sorted(scripts.items()):
            path = folder / f"{digest}.smt2"
            path.write_text(text, encoding="utf-8", newline="\n")
            written.append(path)
    except OSError as error:
        raise input_error(f"cannot be written: {error.strerror}", str(folder), "choose another folder") from None
    return written
