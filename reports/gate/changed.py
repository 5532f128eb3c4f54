"""What a change touches: the scenarios and the folders of policies to judge, and both versions of each as folders."""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from models.checkout import LINKS_MAX, Change, Tree
from models.diagnostics import Diagnostic, InputError, input_error, quoted
from models.load import SCENARIO_FILE
from models.reading import FILE_BYTES_MAX, parse_document

SCENARIOS_MAX: Final = 500
"""Scenarios of a repository that are looked at. An assumption."""

Kind = Literal["scenario", "policies"]
What = Literal["added", "removed", "changed", "unchanged"]

_NAMING: Final = frozenset({"path", "file", "schema", "entities", "invariants"})
"""Keys of a scenario that name a file or a folder."""
_OF_POLICIES: Final = (".cedar", ".cedarschema", ".json")


@dataclass(frozen=True, slots=True)
class Target:
    """A scenario or a folder of policies that is judged, and the changed files that it is read from."""

    path: str
    """The folder from the root of the repository; empty for the root itself."""
    kind: Kind
    change: What
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path or "."


@dataclass(frozen=True, slots=True)
class Named:
    """What a scenario file names: paths from the root of the repository, and those that leave it."""

    own: tuple[str, ...]
    """Read by the scenario itself."""
    rollouts: tuple[str, ...]
    """Policies that it rolls out in the course of a run: none that are verified."""
    variants: tuple[str, ...]
    """Read by its variants alone."""
    leaving: tuple[Diagnostic, ...]


def targets(base: Tree, head: Tree, changes: Sequence[Change], paths: Collection[str] = ()) -> tuple[Target, ...]:
    """What to judge of a change: all that it touches, or what it touches of some paths, and scenarios named by them.

    Paths are from the root of the repository. Raises InputError on those that neither version has.
    """
    for path in paths:
        if not base.below(path) and not head.below(path):
            raise input_error(
                f"neither version has {quoted(path)}", "PATHS", "a scenario, a folder of policies or above"
            )
    changed = [change.path for change in changes]
    links = _links(base, head)
    scenarios = dict(_scenarios(base, head, changed, links))
    used = {path for one in scenarios.values() for path in one.verified}
    found = [one.target for one in scenarios.values()]
    found += _policies(base, head, [*changed, *_led(links, changed)], used)
    if paths:
        found = [one for one in found if _asked(one, paths, scenarios[one.path].read if one.kind == "scenario" else ())]
    else:
        found = [one for one in found if one.change != "unchanged"]
    return tuple(sorted(found, key=lambda one: (one.path, one.kind)))


def _asked(target: Target, paths: Collection[str], names: Collection[str]) -> bool:
    """Whether a target is named, or a changed one that is below what is named or reads from it."""
    if target.path in paths:
        return True
    below = any(_within(target.path, path) for path in paths)
    reads = any(_within(name, path) for path in paths for name in names) or any(_is_read(path, names) for path in paths)
    own = target.kind == "policies" and any(_beside(path, f"{target.path}/x".lstrip("/")) for path in paths)
    return target.change != "unchanged" and (below or reads or own)


class _Links(NamedTuple):
    """The links of both versions: where each leads, and their paths in order."""

    goals: Mapping[str, Collection[str]]
    paths: Sequence[str]

    def below(self, name: str) -> Sequence[str]:
        """The links in a folder."""
        first, last = (bisect_left(self.paths, f"{name}{end}") for end in ("/", "0"))  # `0` comes after `/`
        return self.paths[first:last] if name else self.paths

    def ends(self, name: str) -> Iterator[str]:
        """Where a name leads by one link: its own, or one on the way to it."""
        for link in (name, *_above(name)):
            for goal in self.goals.get(link, ()):
                end = posixpath.normpath(posixpath.join(goal, name[len(link) + 1 :]))
                yield "" if end == "." else end


def _links(*trees: Tree) -> _Links:
    goals: dict[str, dict[str, None]] = {}
    for one in trees:
        for link, goal in one.links().items():
            goals.setdefault(link, {})[goal] = None
    return _Links(goals, sorted(goals))


def _reached(names: Iterable[str], links: _Links) -> tuple[str, ...]:
    """What is named, and what the links on the way to it, or below it, lead to."""
    found = dict.fromkeys(names)
    fresh = list(found)
    for _ in range(LINKS_MAX if links.paths else 0):
        ends = (end for name in fresh for one in (name, *links.below(name)) for end in links.ends(one))
        fresh = [end for end in dict.fromkeys(ends) if end not in found]
        found |= dict.fromkeys(fresh)
    return tuple(found)


def _led(links: _Links, changed: Sequence[str]) -> Iterator[str]:
    """Links to policies, schemas and entities that are not what they were, because what they lead to is not."""
    touched = frozenset(changed)
    for link in links.paths:
        if link.endswith(_OF_POLICIES) and not touched.isdisjoint(_reached((link,), links)):
            yield link


class _Reading(NamedTuple):
    """A scenario, with the files and folders that it reads, and those of them whose policies are verified with it."""

    target: Target
    read: tuple[str, ...]
    verified: tuple[str, ...]


def _scenarios(base: Tree, head: Tree, changed: Sequence[str], links: _Links) -> Iterator[tuple[str, _Reading]]:
    """Each scenario of either version by its folder."""
    files = sorted({path for one in (base, head) for path in one.entries if posixpath.basename(path) == SCENARIO_FILE})
    if len(files) > SCENARIOS_MAX:
        raise input_error("too many scenarios", head.name, f"at most {SCENARIOS_MAX} are looked at: name some")
    for file in files:
        folder = posixpath.dirname(file)
        sides = [named(one, file) for one in (base, head)]
        verified = _reached((name for one in sides for name in one.own), links)
        names = _reached((file, *verified, *(name for one in sides for name in one.rollouts)), links)
        touched = tuple(path for path in changed if _is_read(path, names) or any(_within(name, path) for name in names))
        there = file in base.entries, file in head.entries
        what: What = "changed" if all(there) else "added" if there[1] else "removed"
        yield folder, _Reading(Target(folder, "scenario", what if touched else "unchanged", touched), names, verified)


def _is_read(path: str, names: Iterable[str]) -> bool:
    """Whether a file is among those that are named, or goes with the policies that are."""
    for name in names:
        if _within(path, name):
            return True
        stem, suffix = posixpath.splitext(name)
        if suffix == ".cedar" and path.startswith(stem) and path.endswith(_OF_POLICIES) and _beside(path, name):
            return True
    return False


def _beside(path: str, other: str) -> bool:
    return posixpath.dirname(path) == posixpath.dirname(other)


def _policies(base: Tree, head: Tree, changed: Sequence[str], used: Collection[str]) -> Iterator[Target]:
    """Folders of policies that no scenario deploys. Of a folder that one does, those below it are no part."""
    folders: dict[str, list[str]] = {}
    for path in changed:
        direct = (name for name in used if name in (path, posixpath.dirname(path)) or not _within(path, name))
        if path.endswith(_OF_POLICIES) and not _is_read(path, direct):
            folders.setdefault(posixpath.dirname(path), []).append(path)
    for folder, files in folders.items():
        there = [any(_is_policy(path, folder) for path in one.below(folder)) for one in (base, head)]
        if any(there):
            what: What = "changed" if all(there) else "added" if there[1] else "removed"
            yield Target(folder, "policies", what, tuple(files))


def _is_policy(path: str, folder: str) -> bool:
    return path.endswith(".cedar") and posixpath.dirname(path) == folder


def _within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


# --- what a scenario names --------------------------------------------------------------------------------------------


def named(tree: Tree, file: str) -> Named:
    """The files and folders that a scenario names. None where it cannot be read: loading it tells why."""
    try:
        data = tree.read(file)
        if data is None or len(data) > FILE_BYTES_MAX:
            return Named((), (), (), ())
        document = parse_document(data.decode("utf-8-sig"), file)
    except (InputError, UnicodeDecodeError):
        return Named((), (), (), ())
    own: dict[str, None] = {}
    rollouts: dict[str, None] = {}
    variants: dict[str, None] = {}
    leaving = []
    for keys, text in _naming(document.value):
        goal = posixpath.normpath(posixpath.join(posixpath.dirname(file), text))
        if posixpath.isabs(text) or "\\" in text or goal == ".." or goal.startswith("../"):
            help = "in a gate a scenario names files of its repository alone"
            leaving.append(document.diagnostic(keys, f"{quoted(text)} leaves the repository", help))
        else:
            kept = {"variants": variants, "rollouts": rollouts}.get(str(keys[0]), own)
            kept["" if goal == "." else goal] = None
    return Named(tuple(own), tuple(rollouts), tuple(variants), tuple(leaving))


def _naming(value: Any, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str) and key.rpartition(".")[2] in _NAMING:
                yield (*keys, key), inner
            else:
                yield from _naming(inner, (*keys, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _naming(inner, (*keys, place))


# --- both versions as folders -----------------------------------------------------------------------------------------


def write_version(tree: Tree, target: Target, into: Path) -> None:
    """Write what a version of a target is read from. Raises InputError where it names what lies outside."""
    if target.kind == "policies":
        tree.write((path for path in tree.below(target.path) if _beside(path, f"{target.path}/x".lstrip("/"))), into)
        return
    file = posixpath.join(target.path, SCENARIO_FILE)
    names = named(tree, file)
    if names.leaving:
        raise InputError(*names.leaving)
    wanted = {file}
    for name in (*names.own, *names.rollouts, *names.variants):
        wanted.update(tree.below(name), _above(name))
        if name.endswith(".cedar"):
            wanted.update(path for path in tree.entries if _is_read(path, (name,)))
    tree.write(sorted(path for path in wanted if path in tree.entries), into)


def _above(name: str) -> Iterator[str]:
    """The folders that a path leads through, which may be links."""
    while name := posixpath.dirname(name):
        yield name


def here(faults: Iterable[Diagnostic], folder: Path) -> tuple[Diagnostic, ...]:
    """Faults of files that were written to a folder, by their paths in the repository."""
    before = f"{folder}/"

    def place(file: str) -> str:
        return posixpath.normpath(file.removeprefix(before)) if file.startswith(before) else file

    return tuple(replace(fault, file=place(fault.file)) for fault in faults)
