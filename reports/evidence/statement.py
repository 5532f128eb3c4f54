"""What a run is evidence of, as an in-toto Statement v1 with the predicate test-result v0.1.

Sources: in-toto/attestation, spec/v1/statement.md and spec/predicates/test-result.md. A run that is undecided has no
word there: its result is FAILED, since nobody may read it as a pass, and `windtunnel_verdict` says which it is. Fields
of our own have our name before them, as the specification asks of extensions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reports.assess import assess_run
from reports.json import read_findings
from reports.verdict import FailOn, judge
from sim.run import MANIFEST, file_digest, versions

if TYPE_CHECKING:
    from reports.assess import Assessed
    from reports.verdict import Verdict
    from sim.run import Run
    from verify.findings import Finding, Findings

TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://in-toto.io/attestation/test-result/v0.1"
REPORTS: Final = ("report.html", "report.pdf")
"""What `report` writes into the folder of a run."""
PROOFS: Final = "proofs/"
"""What stands before the digest in the name of an SMT-LIB script, which `verify --scripts` writes."""


def statement(run: Run, fail_on: FailOn = "error") -> dict[str, Any]:
    """The statement on a run as it stands in its folder: the same for the same bytes.

    Raises InputError where the findings are not those of the run.
    """
    findings = read_findings(run)
    outcomes = assess_run(run)
    verdict = judge(findings, outcomes, fail_on=fail_on)
    return {
        "_type": TYPE,
        "subject": list(_subjects(run, findings)),
        "predicateType": PREDICATE,
        "predicate": _predicate(run, findings, outcomes, verdict, fail_on),
    }


def canonical(value: Mapping[str, Any]) -> bytes:
    """A statement as it is written and signed: keys in order, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def _subjects(run: Run, findings: Findings | None) -> Iterator[dict[str, Any]]:
    """Every file of the run as it is now, then the proofs that its findings name."""
    names = [MANIFEST, *sorted(run.manifest.files), *(name for name in REPORTS if _is_file(run.folder / name))]
    yield from (_resource(name, file_digest(run.folder / name)) for name in names)
    proofs = {f.proof.smt2_sha256 for f in findings.findings if f.proof is not None} if findings else set()
    yield from (_resource(f"{PROOFS}{digest}.smt2", digest) for digest in sorted(proofs - {""}))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _resource(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest}}


def _predicate(
    run: Run, findings: Findings | None, outcomes: Assessed, verdict: Verdict, fail_on: FailOn
) -> dict[str, Any]:
    manifest = run.manifest
    tests = _tests(findings, outcomes)
    return {
        "result": _result(verdict, bool(tests["warned"])),
        "configuration": [
            _resource("scenario", manifest.scenario_digest),
            *(_resource(f"input/{name}", digest) for name, digest in sorted(manifest.inputs.items())),
        ],
        "passedTests": tests["passed"],
        "warnedTests": tests["warned"],
        "failedTests": tests["failed"],
        "windtunnel_undecidedTests": tests["undecided"],
        "windtunnel_verdict": verdict.result,
        "windtunnel_failOn": fail_on,
        "windtunnel_verified": findings is not None,
        "windtunnel_run": {
            "scenario": manifest.scenario,
            "variant": manifest.variant,
            "seed": manifest.seed,
            "replications": manifest.replications,
            "poisoned": [one.replication for one in manifest.poisoned],
            "volume": manifest.volume,
            "engine": manifest.engine,
            "versions": dict(manifest.versions),
        },
        "windtunnel_decisionLogRoots": list(manifest.roots),
        "windtunnel_judgedBy": versions()["windtunnel"],
    }


def _result(verdict: Verdict, warned: bool) -> str:
    if verdict.result != "pass":
        return "FAILED"
    return "WARNED" if warned else "PASSED"


def _tests(findings: Findings | None, outcomes: Assessed) -> dict[str, list[str]]:
    """Objectives and checks by what became of them. A name that stands for several has the worst of them."""
    told: dict[str, str] = {}
    words = {"pass": "passed", "fail": "failed", "undecided": "undecided"}
    _note(told, ((f"objective {one.name}", words[one.verdict]) for one in outcomes.objectives))
    _note(told, ((_name(one), _became(one)) for one in (findings.findings if findings else ())))
    return {word: sorted(name for name, became in told.items() if became == word) for word in _RANK}


_RANK: Final = {"passed": 0, "warned": 1, "undecided": 2, "failed": 3}


def _note(told: dict[str, str], found: Iterable[tuple[str, str]]) -> None:
    for name, became in found:
        if _RANK[became] >= _RANK[told.get(name, "passed")]:
            told[name] = became


def _name(finding: Finding) -> str:
    return f"{finding.check} {finding.name} {finding.id}"


def _became(finding: Finding) -> str:
    match finding.verdict, finding.severity:
        case "holds", _:
            return "passed"
        case "undecided", _:
            return "undecided"
        case _, "error":
            return "failed"
    return "warned"
