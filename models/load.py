"""From a scenario file to a `LoadedScenario`: the scenario, its policies, its traces, and where everything stands."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import escape as glob_escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.changes import changed, leads_nowhere
from models.check import check, check_untouched
from models.diagnostics import Diagnostic, InputError, Problem, near, quoted
from models.problems import Keys
from models.reading import DIAGNOSTICS_MAX, Document, read_bytes, read_document
from models.repair import Readable, readable
from models.requests import check_asked
from models.scenario import Policies, Scenario, Task, Trace, Work
from models.validation import explain, validate, version_fault
from models.variants import BASE, VARIANTS_MAX, chosen

if TYPE_CHECKING:
    from models.cedar.policies import PolicySet, Span
    from models.cedar.uids import Uid
    from models.traces import Rows

SCENARIO_FILE = "scenario.yaml"
POLICY_BYTES_MAX = 12_000_000
"""The largest policy, schema or entity file that is read."""


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario with everything it names.

    `inputs` maps each file it was read from, by its path relative to the scenario's folder, to the file's sha256; the
    scenario file itself is not among them. `traces` maps the name of a stream of work to its arrival times in
    microseconds, `columns` to the attributes that its trace tells, by row. `digest` is a sha256 over the scenario's
    values and `inputs`: comments and layout leave it as it is.
    """

    scenario: Scenario
    path: Path
    digest: str
    policies: PolicySet | None
    inputs: Mapping[str, str]
    traces: Mapping[str, tuple[int, ...]] = field(repr=False)
    columns: Mapping[str, Mapping[str, tuple[bool | int | str, ...]]] = field(repr=False)
    document: Document = field(repr=False, compare=False)
    rollouts: Mapping[str, PolicySet] = field(default_factory=dict)
    """The policy set of each rollout of policies."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What was changed in the file's values, by path; `scenario` and `digest` are those of the changed scenario."""
    variant: str | None = None
    """The variant of the file that it is, and which fields were set anew on top of it."""

    def locate(self, *keys: str | int) -> Span:
        """Where a key stands in the scenario file; the nearest one above it where it does not; line 1 otherwise."""
        from models.cedar.policies import Span

        place = self.document.place(keys, of_key=True)
        return Span(self.path.name, place.line, place.column)


def load(
    path: Path, changes: Mapping[str, Any] | None = None, variant: str = BASE, *, root: Path | None = None
) -> LoadedScenario:
    """Load a scenario file, or the `scenario.yaml` of a folder. Raises `InputError` with every fault.

    `variant` is one of those that the file has. `changes` maps paths such as `desks.finance.roster.0.staff` or
    `faults.0.at` to the values they take instead of the file's, or of the variant's. Places in policies are told by
    their path from `root`, the scenario's folder where none is given.
    """
    file = path / SCENARIO_FILE if path.is_dir() and path.name != SCENARIO_FILE else path
    read = read_document(file)
    own = chosen(read, variant)
    document = changed(changed(read, own, ("variants", variant, "set")), changes or {})
    policies = _Sets(root)
    judged, outside, faults = _whole(document, file, policies)
    if variant == BASE and not changes:
        faults += _of_variants(read, file, faults, policies) + _of_sources(document, judged.whole)
    if faults or judged.whole is None:
        raise InputError(*_in_order(faults, str(file)))
    whole = judged.whole if variant == BASE and not changes else _without_lost_sources(judged.whole)
    called = None if variant == BASE else f"{variant}, with {', '.join(changes)} set anew" if changes else variant
    changes = {**own, **(changes or {})}
    digest = _digest(whole, outside.inputs)
    times = {name: rows.times for name, rows in outside.traces.items()}
    columns = {name: rows.values for name, rows in outside.traces.items() if rows.values}
    return LoadedScenario(
        whole,
        file,
        digest,
        outside.policies,
        outside.inputs,
        times,
        columns,
        document,
        outside.rollouts,
        changes,
        called,
    )


class _Sets(dict[tuple[Policies, tuple[Any, ...]], "PolicySet"]):
    """Policy sets that are read, by what they were read for: most variants have those of the base."""

    def __init__(self, root: Path | None) -> None:
        super().__init__()
        self.root = root
        """From which places in policies are told; the scenario's folder where there is none."""


def _whole(document: Document, file: Path, policies: _Sets) -> tuple[_Judged, _Outside, list[Diagnostic]]:
    """What a document says, with what it names, and everything wrong with both."""
    judged = _judge(document)
    faults = [*document.faults, *judged.faults]
    outside = _outside(judged.readable, document, file.parent, policies) if judged.readable else _Outside()
    faults += outside.faults
    if judged.readable:
        faults += _diagnostics(document, check_asked(judged.readable, outside.policies, outside.rollouts))
    return judged, outside, faults


def _of_variants(read: Document, file: Path, known: Sequence[Diagnostic], policies: _Sets) -> list[Diagnostic]:
    """What is wrong with variants alone. What they change within a faulty part is not judged."""
    held = read.value.get("variants") if isinstance(read.value, dict) else None
    faults: list[Diagnostic] = []
    faulty = {(fault.line, fault.column) for fault in known}
    for name in islice(held if isinstance(held, dict) else (), VARIANTS_MAX):
        sound = {path: new for path, new in chosen(read, name).items() if not faulty & _along(read, path)}
        document = changed(read, sound, ("variants", name, "set"))
        own = {document.place(("variants", name, "set", path), of_key=True) for path in sound}
        faults += [_of(name, fault, own) for fault in _whole(document, file, policies)[2] if fault not in known]
    return faults


def _along(read: Document, path: str) -> set[tuple[int, int]]:
    """The places that a dotted path goes through."""
    parts = [int(part) if part.isascii() and part.isdigit() else part for part in path[:1000].split(".")]
    ways = [tuple(parts[:length]) for length in range(1, len(parts) + 1)]
    return {read.place(keys, of_key=of_key) for keys in ways for of_key in (False, True)}


def _of_sources(document: Document, scenario: Scenario | None) -> list[Diagnostic]:
    """What is wrong with the paths that sources are given for. In a variant they may lead to what it takes out."""
    wrong = _lost_sources(scenario) if scenario is not None else {}
    return [document.at(document.place(("sources", path), of_key=True), *why) for path, why in wrong.items()]


def _lost_sources(scenario: Scenario) -> dict[str, tuple[str, str]]:
    """The paths of sources that lead nowhere, and why."""
    dumped = scenario.dump() if scenario.sources else {}
    wrong = ((path, leads_nowhere(dumped, path)) for path in scenario.sources)
    return {path: why for path, why in wrong if why is not None}


def _without_lost_sources(scenario: Scenario) -> Scenario:
    lost = _lost_sources(scenario)
    kept = {path: source for path, source in scenario.sources.items() if path not in lost}
    return scenario.model_copy(update={"sources": kept}) if lost else scenario


def _of(variant: str, fault: Diagnostic, own: Collection[tuple[int, int]]) -> Diagnostic:
    """A fault of a variant; one that shows elsewhere than at its changes says whose it is."""
    if (fault.line, fault.column) in own:
        return fault
    return replace(fault, message=f"variant {quoted(variant)}: {fault.message}")


# --- the scenario file ------------------------------------------------------------------------------------------------


class _Judged(NamedTuple):
    """The scenario as it stands, or as it reads with its faulty parts replaced, and its faults."""

    whole: Scenario | None
    readable: Readable | None
    faults: list[Diagnostic]


def _judge(document: Document) -> _Judged:
    """What the document says, and everything wrong with it: parts without a faulty value are checked all the same."""
    wrong_version = version_fault(document)
    if wrong_version:
        return _Judged(None, None, [wrong_version])
    scenario, complaints = validate(document.value)
    if scenario is not None:
        return _Judged(scenario, Readable(scenario, (), False), _diagnostics(document, check(scenario)))
    despite = readable(document.value, complaints)
    unread = {(fault.line, fault.column) for fault in document.faults if fault.line}
    faults = [fault for fault in explain(document, complaints) if (fault.line, fault.column) not in unread]
    if despite:
        faults += _diagnostics(document, check_untouched(*despite))
    return _Judged(None, despite, faults)


def _diagnostics(document: Document, problems: Iterable[Problem]) -> list[Diagnostic]:
    return [
        document.diagnostic(problem.keys, problem.message, problem.help, of_key=problem.of_key)
        for problem in islice(problems, DIAGNOSTICS_MAX)
    ]


def _in_order(faults: Iterable[Diagnostic], main: str) -> list[Diagnostic]:
    """Each fault once, the scenario file's first, by place; a bounded number of them."""
    each = {(fault.file != main, fault.file, fault.line, fault.column, fault.message): fault for fault in faults}
    kept = [each[key] for key in sorted(each)]
    if len(kept) > DIAGNOSTICS_MAX:
        more = Diagnostic(f"and {len(kept) - DIAGNOSTICS_MAX} more faults", main)
        kept = [*kept[:DIAGNOSTICS_MAX], more]
    return kept


# --- what the scenario names ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Outside:
    """What other files hold, and their faults."""

    policies: PolicySet | None = None
    rollouts: Mapping[str, PolicySet] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    traces: Mapping[str, Rows] = field(default_factory=dict)
    faults: tuple[Diagnostic, ...] = ()


def _outside(read: Readable, document: Document, folder: Path, policies: _Sets) -> _Outside:
    scenario = _own_files(read)
    missing = {problem.keys: problem for problem in _missing_files(scenario, folder)}
    faults = _diagnostics(document, missing.values())
    inputs: dict[str, str] = {}
    sets: dict[Keys, PolicySet] = {}
    for keys, given in _named_policies(scenario):
        if not any(place[: len(keys)] == keys for place in missing):
            try:
                given = _completed(given, scenario.policies, folder)
                what = (given, tuple(_asked(scenario)))
                if what not in policies:
                    policies[what] = _policies(*what, folder, policies.root or folder)
                sets[keys] = policies[what]
                inputs |= _digests(_policy_files(given, folder), folder)
            except InputError as error:
                faults += [_from_here(fault, policies.root or folder) for fault in error.diagnostics]
    traces: dict[str, Rows] = {}
    for name, trace in _named_traces(scenario):
        if _trace_keys(name) not in missing:
            try:
                traces[name] = _trace(folder / trace.file, trace, scenario.work[name], folder, inputs)
            except InputError as error:
                faults += error.diagnostics
    rollouts = {str(keys[1]): found for keys, found in sets.items() if keys[0] == "rollouts"}
    return _Outside(sets.get(("policies",)), rollouts, dict(sorted(inputs.items())), traces, tuple(faults))


def _own_files(read: Readable) -> Scenario:
    """The scenario without files that it names only since a faulty part was replaced."""
    changes: dict[str, object] = {}
    if any(keys[0] == "policies" for keys in read.touched):
        changes["policies"] = None
    if any(keys[0] in ("policies", "rollouts") for keys in read.touched):
        changes["rollouts"] = {}
    works = {keys[1] for keys in read.touched if keys[0] == "work" and len(keys) > 1}
    if works or ("work",) in read.touched:
        kept = {} if ("work",) in read.touched else {k: v for k, v in read.scenario.work.items() if k not in works}
        changes["work"] = kept
    return read.scenario.model_copy(update=changes)


def _named_policies(scenario: Scenario) -> Iterator[tuple[Keys, Policies]]:
    """The policy sets to read, with the place that names each: the scenario's own, and those of rollouts."""
    if scenario.policies is not None:
        yield ("policies",), scenario.policies
        for name, rollout in scenario.rollouts.items():
            if rollout.path is not None:
                yield ("rollouts", name), Policies(path=rollout.path, profile=scenario.policies.profile)


def _completed(given: Policies, own: Policies | None, folder: Path) -> Policies:
    """The policies of a rollout, with the scenario's own schema and entities where they have none beside them."""
    from models.cedar.folder import entities_beside, schema_beside

    if own is None or given is own:
        return given
    new, old = folder / given.path, folder / own.path
    schema = None if schema_beside(new, folder) else own.schema_ or _named(schema_beside(old, folder), folder)
    entities = None if entities_beside(new, folder) else own.entities or _named(entities_beside(old, folder), folder)
    return given.model_copy(update={"schema_": schema, "entities": entities})


def _named(file: Path | None, folder: Path) -> str | None:
    return None if file is None else _relative(file, folder)


def _missing_files(scenario: Scenario, folder: Path) -> Iterator[Problem]:
    named: list[tuple[tuple[str, ...], str | None]] = []
    if scenario.policies is not None:
        given = scenario.policies
        yield from _missing(("policies", "path"), given.path, folder, folders=True)
        named += [(("policies", "schema"), given.schema_), (("policies", "entities"), given.entities)]
        named += [(("policies", "invariants"), given.invariants)]
    for name, rollout in scenario.rollouts.items():
        if rollout.path is not None:
            yield from _missing(("rollouts", name, "path"), rollout.path, folder, folders=True)
    named += [(_trace_keys(name), trace.file) for name, trace in _named_traces(scenario)]
    for keys, text in named:
        if text is not None:
            yield from _missing(keys, text, folder)


def _missing(keys: tuple[str, ...], text: str, folder: Path, *, folders: bool = False) -> Iterator[Problem]:
    path = folder / text
    try:
        if path.is_file() or (folders and path.is_dir()):
            return
        beside = sorted(entry.name for entry in islice(path.parent.iterdir(), 1000)) if path.parent.is_dir() else []
        what = "not a file" if path.exists() else "no such file or folder" if folders else "no such file"
    except (OSError, ValueError):  # a name too long, a NUL in it, a folder that may not be read
        beside, what = [], "not a path that can be read"
    close = near(path.name, beside)
    help = f"did you mean {quoted(close)}?" if close else "expected a path from the scenario file"
    yield Problem(keys, f"{what}: {quoted(text)}", help)


def _policies(given: Policies, asked: tuple[tuple[Uid, Uid, Uid], ...], folder: Path, root: Path) -> PolicySet:
    from models.cedar.load import load_policies  # cedarpy, only for scenarios with policies

    return load_policies(
        folder / given.path,
        schema=None if given.schema_ is None else folder / given.schema_,
        entities=None if given.entities is None else folder / given.entities,
        invariants=None if given.invariants is None else folder / given.invariants,
        profile=given.profile,
        root=root,
        asked=asked,
    )


def _asked(scenario: Scenario) -> Iterator[tuple[Uid, Uid, Uid]]:
    """The requests of a scenario's steps and attacks."""
    from models.cedar.uids import parse_uid

    named = [
        (step.agent, step.action, step.resource)
        for workflow in scenario.workflows.values()
        for step in workflow.steps.values()
        if isinstance(step, Task)
    ]
    named += [
        (attack.agent, action, attack.resource) for attack in scenario.attacks.values() for action in attack.actions
    ]
    for agent, action, resource in named:
        pool = scenario.agents.get(agent)
        if pool is not None and pool.principal and action and resource:
            yield parse_uid(pool.principal), parse_uid(action), parse_uid(resource)


def _policy_files(given: Policies, folder: Path) -> list[Path]:
    """The files a policy set is read from: those that are named, and every Cedar or JSON file that goes with them."""
    path = folder / given.path
    pattern = "*" if path.is_dir() else f"{glob_escape(path.stem)}*"
    beside = (path if path.is_dir() else path.parent).glob(pattern)
    found = {file for file in beside if file.suffix in (".cedar", ".cedarschema", ".json") and file.is_file()}
    named = (given.path, given.schema_, given.entities, given.invariants)
    found |= {folder / text for text in named if text is not None and (folder / text).is_file()}
    return sorted(found)


def _digests(files: Iterable[Path], folder: Path) -> dict[str, str]:
    return {_relative(file, folder): _sha256(read_bytes(file, POLICY_BYTES_MAX)) for file in files}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _relative(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()


def _from_here(fault: Diagnostic, folder: Path) -> Diagnostic:
    """A fault whose file is named from the scenario's folder, with the file as the user can open it."""
    file = folder / fault.file
    return replace(fault, file=str(file)) if file.exists() else fault


def _named_traces(scenario: Scenario) -> Iterator[tuple[str, Trace]]:
    for name, work in scenario.work.items():
        if isinstance(work.arrivals, Trace):
            yield name, work.arrivals


def _trace_keys(work: str) -> tuple[str, ...]:
    return ("work", work, "arrivals", "file")


def _trace(file: Path, trace: Trace, work: Work, folder: Path, inputs: dict[str, str]) -> Rows:
    from models.traces import FILE_BYTES_MAX, rows  # csv and decimal, only for scenarios with traces

    data = read_bytes(file, FILE_BYTES_MAX)
    inputs[_relative(file, folder)] = _sha256(data)
    return rows(data, str(file), trace, work.attributes)


def _digest(scenario: Scenario, inputs: Mapping[str, str]) -> str:
    # Keys keep their order: it numbers the parts of a scenario, so it decides their draws.
    content = {"scenario": scenario.dump(), "inputs": inputs}
    return _sha256(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
