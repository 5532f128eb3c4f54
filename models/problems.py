"""What checks of a scenario share: where a problem is, and the faults that many keys may have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from models.diagnostics import Problem, near, quoted, suggestion
from models.scenario import Scenario

Keys = tuple[str | int, ...]
"""The place of a value in a scenario: keys and positions from the top."""


def no_time(keys: Keys, duration: int | None) -> Iterator[Problem]:
    """A duration that must not be zero and is."""
    if duration == 0:
        yield Problem(keys, f"{quoted(keys[-1])} is zero", "expected a duration above zero")


def repeated(names: Iterable[str]) -> Iterator[int]:
    """Positions of names that stand earlier in the list already."""
    seen: set[str] = set()
    for position, name in enumerate(names):
        if name in seen:
            yield position
        seen.add(name)


def or_near(word: str, names: Iterable[str]) -> str:
    """More of a help: the name that a word may misspell, if there is one."""
    close = near(word, names)
    return f", or did you mean {quoted(close)}?" if close else ""


def unknown(keys: Keys, name: str | None, known: Iterable[str], what: str) -> Iterator[Problem]:
    """A name that is none of the `known` ones; `what` is what such a name stands for, in the singular."""
    names = known if isinstance(known, Collection) else tuple(known)
    if name is not None and name not in names:
        yield Problem(keys, f"unknown {what} {quoted(name)}", suggestion(name, names, f"{what}s"))


def unknown_capability(scenario: Scenario, keys: Keys, agent: str, capability: str) -> Iterator[Problem]:
    """A pool that does not exist, or that has no such capability."""
    yield from unknown((*keys, "agent"), agent, scenario.agents, "agent")
    if agent in scenario.agents:
        known = scenario.agents[agent].capabilities
        if capability not in known:
            help = suggestion(capability, known, "capabilities")
            message = f"agent {quoted(agent)} has no capability {quoted(capability)}"
            yield Problem((*keys, "capability"), message, help)


def unknown_work(keys: Keys, name: str | None, known: Collection[str]) -> Iterator[Problem]:
    """A stream of cases that does not exist. Such a stream is `work`; its names have no plural of their own."""
    if name is not None and name not in known:
        yield Problem(keys, f"unknown work {quoted(name)}", suggestion(name, known, "streams of work"))
