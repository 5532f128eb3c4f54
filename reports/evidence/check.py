"""Whether a run is what its evidence says.

The statement is made anew from the run as it stands and compared with the one that is given, so that nothing in either
is trusted: no byte of the run, and no word of the statement, can differ without being told. The evidence names no path
that is opened.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from models.diagnostics import input_error, quoted
from reports.evidence.dsse import opened
from reports.evidence.statement import PREDICATE, PROOFS, REPORTS, TYPE, canonical, statement
from reports.evidence.write import SIGNED, UNSIGNED
from reports.verdict import FailOn
from sim.audit import audit
from sim.run import RUN_FILES, file_digest, open_run, versions
from verify.findings import Overall

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.run import Run

_OWN: Final = RUN_FILES | frozenset(REPORTS)
"""What is vouched for of the folder of a run. Nothing else is looked at, and a folder that holds more says so."""
_BYTES_MAX: Final = 64_000_000
_FAULTS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class EvidenceCheck:
    """What a check of evidence found. `faults` are sentences; `unchecked` says what was not looked at and why."""

    checked: tuple[str, ...]
    unchecked: tuple[str, ...]
    faults: tuple[str, ...]
    beside: tuple[str, ...] = ()
    """Names of what else lies in the folder: the evidence says nothing of it."""

    @property
    def result(self) -> Overall:
        """`fail` where something is not as the evidence says, `undecided` where something could not be checked."""
        return "fail" if self.faults else "undecided" if self.unchecked else "pass"


def check_evidence(
    given: Path, *, public_key: Path | None = None, replay: LoadedScenario | None = None, workers: int | None = None
) -> EvidenceCheck:
    """Check evidence, by its file or by the run folder that holds it, against the run folder that it lies in.

    `replay` is the scenario, to simulate with the run's seed again. Raises InputError where there is no evidence, no
    run, or what is there is neither.
    """
    file = _file(given)
    payload, unsigned, faults = _payload(file, public_key)
    told = _statement(payload, file)
    checked = [] if unsigned or public_key is None or faults else ["the signature"]
    unchecked = ["the signature: no --public-key is given"] if not unsigned and public_key is None else []
    if unsigned and public_key is not None:
        faults.append("the evidence is not signed, and a public key is given")
    faults += _files(told.get("subject"), file.parent)
    faults += audit(file.parent).faults
    if faults:
        return EvidenceCheck(tuple(checked), tuple(unchecked), tuple(dict.fromkeys(faults))[:_FAULTS_MAX])
    run = open_run(file.parent)
    found, own = _compared(told, run)
    checked += ["every file of the run", "the decision log's hash chains and roots"]
    (checked if own else unchecked).append(_JUDGED if own else _JUDGED_BY_OTHER)
    if replay is not None:
        found += _replayed(run, replay, workers)
        checked.append("the tables, by simulating again")
    return EvidenceCheck(tuple(checked), tuple(unchecked), tuple(found[:_FAULTS_MAX]), tuple(_beside(file)))


def _beside(evidence: Path) -> list[str]:
    own = {*_OWN, SIGNED, UNSIGNED, evidence.name}
    return sorted(path.name for path in evidence.parent.iterdir() if path.name not in own)


_JUDGED: Final = "the verdict and every test, judged again"
_JUDGED_BY_OTHER: Final = "the verdict and its tests: they were judged by another version of windtunnel"


def _file(given: Path) -> Path:
    if not given.is_dir():
        if given.is_file():
            return given
        raise input_error("there is no such file", str(given), "name the evidence, or the folder of its run")
    found = [given / name for name in (SIGNED, UNSIGNED) if (given / name).is_file()]
    if not found:
        raise input_error("holds no evidence", str(given), f"write it by `windtunnel evidence {given}`")
    return found[0]


def _payload(file: Path, public_key: Path | None) -> tuple[bytes, bool, list[str]]:
    """The statement's bytes, whether they are unsigned, and what is wrong with the signature."""
    try:
        if file.stat().st_size > _BYTES_MAX:
            raise input_error(f"is larger than {_BYTES_MAX // 1_000_000} MB", str(file))
        data = file.read_bytes()
    except OSError as error:
        raise input_error(f"cannot be read: {error.strerror}", str(file)) from None
    value = _json(data, file)
    if "payload" not in value:
        return data.removesuffix(b"\n"), True, []
    payload, fault = opened(value, public_key)
    return payload, False, [fault] if fault else []


def _json(data: bytes, file: Path) -> dict[str, Any]:
    try:
        value = json.loads(data, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise input_error(f"is not JSON: {type(error).__name__}", str(file)) from None
    if not isinstance(value, dict):
        raise input_error("is no evidence: expected an object", str(file))
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Raises ValueError where a key stands twice: readers differ in which of them counts."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _no_number(text: str) -> float:
    """Raises ValueError: JSON has no NaN and no infinity."""
    raise ValueError(text)


def _finite(text: str) -> float:
    """A number. Raises ValueError where it is too large for one."""
    return value if isfinite(value := float(text)) else _no_number(text)


def _statement(payload: bytes, file: Path) -> dict[str, Any]:
    value = _json(payload, file)
    if (value.get("_type"), value.get("predicateType")) != (TYPE, PREDICATE):
        raise input_error(f"is no in-toto statement with the predicate {PREDICATE}", str(file))
    if canonical(value) != payload:
        raise input_error("is not written as windtunnel writes it: keys in order, no spaces", str(file))
    return value


def _files(subjects: object, folder: Path) -> Iterator[str]:
    """What differs between the files of a run and the digests of a statement. Only a run's own files are opened."""
    if not isinstance(subjects, list) or not all(map(_is_subject, subjects)):
        yield "the statement's subjects are not as windtunnel writes them"
        return
    told = {one["name"]: one["digest"]["sha256"] for one in subjects}
    for name, digest in told.items():
        if name not in _OWN:
            if not _PROOF.fullmatch(name):
                yield f"{quoted(name)}: is in the evidence and no part of a run"
            continue
        try:
            found = file_digest(folder / name) if not (folder / name).is_symlink() else "that of a link"
        except OSError as error:
            yield f"{name}: cannot be read: {error.strerror}"
            continue
        if found != digest:
            yield f"{name}: sha256 is {found}, by the evidence it was {quoted(digest)}"
    present = {path.name for path in folder.iterdir()} & _OWN
    yield from (f"{name}: is no part of the evidence" for name in sorted(present - told.keys()))


_PROOF: Final = re.compile(re.escape(PROOFS) + r"[0-9a-f]{64}\.smt2")


def _is_subject(one: object) -> bool:
    digest = one.get("digest") if isinstance(one, dict) else None
    return (
        isinstance(one, dict)
        and isinstance(digest, dict)
        and all(isinstance(text, str) for text in (one.get("name"), digest.get("sha256")))
    )


def _compared(told: Mapping[str, Any], run: Run) -> tuple[list[str], bool]:
    """What differs from the statement on the run as it stands, and whether the verdict could be compared."""
    strange = "the statement has not the parts of one that windtunnel writes"
    predicate = told.get("predicate")
    fail_on = predicate.get("windtunnel_failOn") if isinstance(predicate, dict) else None
    if not isinstance(predicate, dict) or fail_on not in get_args(FailOn) or _JUDGED_BY not in predicate:
        return [strange], True
    now = statement(run, cast("FailOn", fail_on))
    own = predicate[_JUDGED_BY] == versions()["windtunnel"]
    faults = [] if told.keys() == now.keys() else [strange]
    if not _same(told, now, "subject"):
        faults.append("the statement's subjects are not those of the run")
    faults += [
        f"the statement's {quoted(key)} is not that of the run"
        for key in sorted(predicate.keys() | now["predicate"].keys())
        if not _same(predicate, now["predicate"], key) and (own or key not in _OF_JUDGEMENT)
    ]
    return faults, own


def _same(told: Mapping[str, Any], now: Mapping[str, Any], key: str) -> bool:
    """Whether both have the same at a key, or nothing. As it is written: to Python `true`, `1` and `1.0` are equal."""
    return canonical({key: told[key]} if key in told else {}) == canonical({key: now[key]} if key in now else {})


_JUDGED_BY: Final = "windtunnel_judgedBy"
_OF_JUDGEMENT: Final = frozenset(
    {
        *("result", "passedTests", "warnedTests", "failedTests"),
        *("windtunnel_undecidedTests", "windtunnel_verdict", _JUDGED_BY),
    }
)


def _replayed(run: Run, scenario: LoadedScenario, workers: int | None) -> Iterator[str]:
    """What another run of the same scenario and seed has otherwise."""
    from sim.simulate import simulate

    manifest = run.manifest
    if scenario.digest != manifest.scenario_digest:
        help = "give the files of then, with the same --variant and --set"
        raise input_error("is not the scenario of the run: its digest is another", str(scenario.path), help)
    with tempfile.TemporaryDirectory() as folder:
        again = simulate(
            scenario,
            Path(folder) / "run",
            replications=manifest.replications,
            seed=manifest.seed,
            workers=workers,
            volume=manifest.volume,
        ).manifest
    for name, digest in manifest.tables.items():
        if again.tables.get(name) != digest:
            yield f"{quoted(name)}: simulated again its sha256 is {again.tables.get(name)}, was {digest}"
    if again.roots != manifest.roots:
        yield "the roots of the decision log are others when simulated again"
