"""The gate: what changes between two commits, whether it may, and what it does to the operation.

    refs --checkout--> trees --changed--> targets --diff, verify, simulate--> Judged --rules of the base--> Judgement

The rules are those of the base: a change cannot loosen what it is judged by. It is compared with the commit from which
it went its own way, so that what others have changed since is not held against it.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from models.checkout import Commit, Tree, changes, find, merge_base, resolve, tree
from models.diagnostics import Diagnostic, InputError, input_error, quoted
from models.gate_rules import RULES_FILE, GateRules, Limit, fault_at, read_rules
from models.load import SCENARIO_FILE, LoadedScenario, load
from reports import words
from reports.gate.assertions import lost
from reports.gate.changed import Target, here, targets, write_version
from reports.gate.exceptions import read_exceptions
from reports.gate.judge import Judged, Judgement, judgement, statements
from reports.statements import Statement
from sim.executors.base import Poisoned, pack
from sim.executors.pool import executor
from verify.findings import Findings

if TYPE_CHECKING:
    from models.cedar.policies import PolicySet
    from models.scenario import Scenario
    from models.waivers import Waiver
    from reports.gate.effect import Effect, PlacedLimit
    from verify.backtest import Backtest
    from verify.diff import Diff
    from verify.query import Effort

SCHEMA: Final = "windtunnel.gate/1"

FIELDS_DEEP: Final = 3
"""Names in a path of a field of the scenario that is told: `desks.finance.roster`."""

Advance = Callable[[int, int | None], None]
Step = Callable[[str], AbstractContextManager[Advance]]
"""Told what is begun; it shows signs of life, and takes how far it is where that is known."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the gate beside the refs."""

    paths: tuple[str | Path, ...] = ()
    """From the folder that the gate is asked in."""
    requests: Path | None = None
    replications: int | None = None
    workers: int | None = None
    behaviours: str | Path | None = None
    today: date | None = None
    """The day that waivers are judged by; None: the current one, in UTC."""


@dataclass(frozen=True)
class Gate:
    """A change, judged."""

    root: Path
    """Of the checkout; places are from it."""
    base: Commit
    compared: Commit
    """The commit that the head is compared with: where it went its own way from the base."""
    head: Commit | None
    """None: the working tree."""
    rules: GateRules
    waivers: tuple[Waiver, ...]
    """Those of the base."""
    targets: tuple[Judged, ...]
    said: tuple[tuple[Target, Statement], ...]
    """Every statement, with its target."""
    about: tuple[Statement, ...]
    """Of waivers that are out of date, are for something else, or waive nothing."""
    verdict: Judgement
    notes: tuple[str, ...]


def gate(
    start: Path,
    base: str,
    head: str | None = None,
    asked: Asked | None = None,
    *,
    step: Step | None = None,
) -> Gate:
    """Judge the change from one commit to another, or to the working tree, in the checkout that a folder is in.

    Raises InputError on refs, paths and rules that cannot be used. Faults of the head are part of its verdict.
    """
    asked = asked or Asked()
    root = find(start)
    of_base = resolve(root, base, "--base")
    of_head = None if head is None else resolve(root, head, "--head")
    apart = merge_base(root, of_base, of_head)
    compared = apart or of_base
    old, new = tree(root, compared), tree(root, of_head)
    own = old if compared.id == of_base.id else tree(root, of_base)
    text = own.read(RULES_FILE)
    rules = read_rules(text, f"{base}:{RULES_FILE}")
    if asked.replications is not None:
        rules = rules.model_copy(update={"replications": asked.replications})
    excepted = read_exceptions(own, rules, base)
    found = targets(old, new, changes(old, new), [_in_repository(root, start, path) for path in asked.paths])
    with _requests(own, rules, asked) as log:
        limits = tuple(_placed(limit, place, text, f"{base}:{RULES_FILE}") for place, limit in enumerate(rules.limit))
        work = _Work(old, new, rules, limits, asked, log, step or (lambda _: nullcontext(lambda _done, _total: None)))
        judged = tuple(work.judge(target) for target in found)
    said, about = excepted.applied(
        [(one.target, statement) for one in judged for statement in statements(one, rules)],
        asked.today or datetime.now(UTC).date(),
        [one.target for one in judged if one.base_faults],
    )
    notes = (*_of_commits(of_base, compared, apart), *_of_rules(own, new, rules))
    return Gate(
        root,
        of_base,
        compared,
        of_head,
        rules,
        excepted.waivers,
        judged,
        said,
        about,
        judgement(said, judged, about),
        notes,
    )


def _in_repository(root: Path, start: Path, path: str | Path) -> str:
    """A path from a folder as the repository has it. Raises InputError where it is in another place."""
    whole = Path(os.path.normpath(Path(os.path.realpath(start), path)))
    top = Path(os.path.realpath(root))
    if not whole.is_relative_to(top):
        raise input_error(f"{quoted(str(path))} is not in the repository", "PATHS")
    found = whole.relative_to(top)
    inside = found.parent if found.name == SCENARIO_FILE else found
    return "" if inside == Path() else inside.as_posix()


def _of_commits(base: Commit, compared: Commit, apart: Commit | None) -> Iterator[str]:
    if apart is None:
        yield "The clone does not say where the head went its own way: it is compared with the base itself."
    elif compared.id != base.id:
        yield f"The base has gone on: the head is compared with {compared.id[:12]}, where it went its own way."


def _of_rules(base: Tree, head: Tree, rules: GateRules) -> Iterator[str]:
    """Files of the gate that the change touches: the base's count. Then limits that are for no scenario there is."""
    for file in (RULES_FILE, rules.waivers, *filter(None, (rules.baseline, rules.requests))):
        path = posixpath.normpath(file)
        if base.read(path) != head.read(path):
            yield f"The change touches {quoted(path)}. The base's counts here, the new one from the next change on."
    files = (path for path in (*base.entries, *head.entries) if posixpath.basename(path) == SCENARIO_FILE)
    folders = {posixpath.dirname(path) for path in files}
    for limit in rules.limit:
        if not any(fnmatchcase(folder, limit.scenario) for folder in folders):
            why = f"{quoted(limit.scenario)} is no scenario's folder"
            yield f"The limit on {quoted(limit.measure)} limits nothing: {why}."


def _placed(limit: Limit, place: int, text: bytes | None, file: str) -> PlacedLimit:
    from reports.gate.effect import PlacedLimit

    side = "rise-at-most" if limit.rise_at_most else "fall-at-most"

    def fault(message: str, help: str) -> InputError:
        key = side if help.startswith("expected") else "measure"
        return fault_at(text, file, ("gate", "limit", place, key), message, help)

    return PlacedLimit(limit, fault)


class _Log(NamedTuple):
    """Recorded requests: the file that is read, and what it is called."""

    path: Path
    name: str


@contextmanager
def _requests(base: Tree, rules: GateRules, asked: Asked) -> Iterator[_Log | None]:
    """The log that is given, or the one that the rules name, as the base has it."""
    if asked.requests is not None or rules.requests is None:
        yield _Log(asked.requests, str(asked.requests)) if asked.requests else None
        return
    if (data := base.read(posixpath.normpath(rules.requests))) is None:
        raise input_error(f"the base has no {quoted(rules.requests)}", RULES_FILE, "a file from the repository's root")
    with tempfile.TemporaryDirectory(prefix="windtunnel-gate-") as folder:
        path = Path(folder, "requests.jsonl")
        path.write_bytes(data)
        try:
            yield _Log(path, rules.requests)
        except InputError as error:
            named = (replace(fault, file=rules.requests) for fault in error.diagnostics if fault.file == str(path))
            raise InputError(*named, *(fault for fault in error.diagnostics if fault.file != str(path))) from None


@dataclass(frozen=True)
class _Work:
    """What it takes to judge targets."""

    old: Tree
    new: Tree
    rules: GateRules
    limits: tuple[PlacedLimit, ...]
    asked: Asked
    log: _Log | None
    step: Step

    def judge(self, target: Target) -> Judged:
        if target.change in ("removed", "unchanged"):
            return Judged(target)
        with tempfile.TemporaryDirectory(prefix="windtunnel-gate-") as folder:
            sides = Path(folder, "base"), Path(folder, "head")
            return self._judged(target, *sides)

    def _judged(self, target: Target, base: Path, head: Path) -> Judged:
        before, base_faults = self._read(self.old, target, base) if target.change == "changed" else (None, ())
        now, faults = self._read(self.new, target, head)
        if now is None:
            return Judged(target, faults=faults, base_faults=base_faults)
        old, new = before.policies if before else None, now.policies
        diff = self._diff(old, new)
        with self.step(f"verifying {target.name}"):
            known, findings = self._findings(target, (base, before), (head, now))
        effect = self._effect(target, before, now)
        backtest = self._backtest(old, new)
        return Judged(
            target,
            now.loaded.scenario.name if now.loaded else "",
            diff=diff,
            findings=findings,
            base_findings=known,
            lost=tuple(lost(_of(before), _of(now), old, new)) if before else (),
            effect=effect,
            backtest=backtest,
            base_faults=base_faults,
            notes=tuple(_notes(target, before, now, base_faults)),
            other_entities=before is not None and _stores_differ(before, now),
        )

    def _diff(self, old: PolicySet | None, new: PolicySet | None) -> Diff | None:
        from models.cedar.pair import paired
        from verify.diff import diff

        if old is None or new is None or old.profile != new.profile:
            return None
        with self.step("comparing decisions"):
            return diff(*paired(old, new), effort=self.rules.effort, forbid=self.rules.forbid)

    def _read(self, source: Tree, target: Target, folder: Path) -> tuple[_Version | None, tuple[Diagnostic, ...]]:
        """A version of a target, or what is wrong with it, by paths in the repository."""
        folder.mkdir()
        try:
            write_version(source, target, folder)
            return version(folder, target, self.rules), ()
        except InputError as error:
            return None, here(error.diagnostics, folder)

    def _findings(
        self, target: Target, base: tuple[Path, _Version | None], head: tuple[Path, _Version]
    ) -> tuple[Findings | None, Findings]:
        """What verification says of both versions; side by side where there are workers for that."""
        effort = self.rules.effort
        before, now = base[1], head[1]
        if before is None or self.asked.workers == 1:
            return verified(before, effort) if before else None, verified(now, effort)
        jobs = [pack(verify_there, (folder, target, self.rules)) for folder in (base[0], head[0])]
        with executor(2) as running:
            found = {packed.key: result for packed, _, result in running.run((job, [0]) for job in jobs)}
        if poisoned := [result.why for result in found.values() if isinstance(result, Poisoned)]:
            raise RuntimeError(poisoned[0])
        return found[jobs[0].key], found[jobs[1].key]

    def _effect(self, target: Target, before: _Version | None, now: _Version) -> Effect | None:
        from reports.gate.effect import measure_effect

        base = before.loaded if before else None
        if now.loaded is None or (base and base.digest == now.loaded.digest):
            return None
        with self.step("simulating both versions" if base else "simulating what is new") as advance:
            return measure_effect(
                base,
                now.loaded,
                self.rules,
                limits=[one for one in self.limits if fnmatchcase(target.path, one.limit.scenario)],
                workers=self.asked.workers,
                behaviours=self.asked.behaviours,
                progress=advance,
            )

    def _backtest(self, old: PolicySet | None, new: PolicySet | None) -> Backtest | None:
        from models.cedar.recorded import read_requests
        from verify.backtest import backtest

        log = self.log
        if log is None or old is None or new is None:
            return None
        with self.step("deciding recorded requests"):
            return backtest(old, read_requests(log.path), new, file=log.name)


@dataclass(frozen=True, slots=True)
class _Version:
    """A target as it is in the base or in the head."""

    policies: PolicySet | None
    loaded: LoadedScenario | None = None


def version(folder: Path, target: Target, rules: GateRules) -> _Version:
    """The version of a target that is written to a folder. Raises InputError with its faults."""
    if target.kind == "scenario":
        loaded = load(folder / target.path / SCENARIO_FILE, root=folder)
        return _Version(loaded.policies, loaded)
    from models.cedar.load import load_policies

    return _Version(load_policies(folder / target.path, profile=rules.profile, root=folder))


def verified(one: _Version, effort: Effort) -> Findings:
    """What verification says of a version."""
    from verify.verify import verify

    return verify(one.policies, one.loaded, effort=effort)


def verify_there(job: tuple[Path, Target, GateRules], numbers: Sequence[int]) -> list[Findings]:
    """`verified`, as the work of an executor: the version is read again where it is done."""
    folder, target, rules = job
    return [verified(version(folder, target, rules), rules.effort) for _ in numbers]


def _of(one: _Version) -> Scenario | None:
    return one.loaded.scenario if one.loaded else None


def _notes(target: Target, before: _Version | None, now: _Version, base_faults: Sequence[Diagnostic]) -> Iterator[str]:
    if base_faults:
        yield f"The base cannot be read ({base_faults[0].message}): nothing is compared, and all that is found is new."
    elif before is None:
        yield "It is new: nothing is compared, and all that is found is new."
    elif target.kind == "policies":
        yield "No scenario has these as its own policies, so their operational effect was not measured."
    elif now.loaded and before.loaded and now.loaded.digest == before.loaded.digest:
        yield "Nothing that is simulated changes."
    if before and before.loaded and now.loaded:
        yield from _of_scenario(before.loaded.scenario, now.loaded.scenario)
    if before and _schemas_differ(before, now):
        yield (
            "The schema changes. Both versions decide the requests of either schema as Cedar does, and a rule that "
            "does not fit a request errs on it: that requests of a new shape are let through may be no change."
        )
    if before and _stores_differ(before, now):
        yield "Entities change. The diff is over every entity store, so it does not tell what that changes."
    if now.policies is None or (before and before.policies is None):
        yield "A version names no policies: no decisions are compared."


def _schemas_differ(before: _Version, now: _Version) -> bool:
    """Whether both versions have policies, and another schema that was given."""
    one, other = before.policies, now.policies
    return one is not None and other is not None and not other.schema_inferred and one.schema != other.schema


def _stores_differ(before: _Version, now: _Version) -> bool:
    """Whether both versions have policies, and other entities."""
    one, other = before.policies, now.policies
    return one is not None and other is not None and _stored(one) != _stored(other)


def _stored(policies: PolicySet) -> list[Mapping[str, Any]]:
    """The entities of a store but for the schema's actions, of which the diff tells."""
    return [one for one in policies.entities if one["uid"]["type"].rpartition("::")[2] != "Action"]


def _of_scenario(base: Scenario, head: Scenario) -> Iterator[str]:
    """Which fields of the scenario the change sets: they are what both versions are tested with."""
    if paths := list(dict.fromkeys(_fields(base.dump(), head.dump()))):
        yield f"The change is of the scenario, too: it sets {words.listed([quoted(path) for path in paths], 6)}."


def _fields(one: Any, other: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Paths of what differs, three names deep. Objectives are told by themselves, texts for readers not at all."""
    if one == other or path in (("description",), ("objectives",), ("sources",), ("variants",)):
        return
    if len(path) < FIELDS_DEEP and isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys((*one, *other)):
            yield from _fields(one.get(key), other.get(key), (*path, str(key)))
    else:
        yield ".".join(path)
