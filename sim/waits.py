"""Who can never go on: the reduction of a wait-for graph with two kinds of waits.

A node waits for *all* of its targets (a lock's holder, the branches of a fork, the agent that was called) or for *any*
of them (the holders of a pool's slots, of a resource's units). A node that does not wait can go on, and in time gives
back what it holds. Repeatedly letting those go on whose waits can be satisfied leaves the deadlocked ones: each waits
for somebody who waits in vain, whatever the others do (Holt, "Some deadlock properties of computer systems", 1972: a
ring is a deadlock where all waits are for all; where some are for any, the deadlock is a knot).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import NamedTuple, TypeVar

Node = TypeVar("Node", bound=Hashable)


class Wait(NamedTuple):
    """What a node waits for: all of these, or any of them."""

    targets: tuple[Hashable, ...]
    every: bool


def waits_from(start: Node, wait_of: Callable[[Node], Wait | None]) -> dict[Node, Wait]:
    """The waits of all nodes that `start` waits for in the end, itself included; nodes that do not wait are left out.
    In order of discovery, breadth first."""
    found: dict[Node, Wait] = {}
    seen, reached = {start}, [start]
    for node in reached:
        wait = wait_of(node)
        if wait is not None:
            found[node] = wait
            fresh = [target for target in dict.fromkeys(wait.targets) if target not in seen]
            seen.update(fresh)  # type: ignore[arg-type]
            reached.extend(fresh)  # type: ignore[arg-type]
    return found


def deadlocked(waits: Mapping[Node, Wait]) -> set[Node]:
    """The nodes that can never go on. A target that is not among the nodes does not wait."""
    left = {node: _needed(wait) for node, wait in waits.items()}
    waiting_for: dict[Hashable, list[Node]] = {}
    for node, wait in waits.items():
        for target in dict.fromkeys(wait.targets):
            waiting_for.setdefault(target, []).append(node)
    free: list[Hashable] = [target for target in waiting_for if target not in waits]
    free += [node for node, count in left.items() if count <= 0]
    gone = {node for node, count in left.items() if count <= 0}
    while free:
        for node in waiting_for.get(free.pop(), ()):
            left[node] -= 1
            if left[node] <= 0 and node not in gone:
                gone.add(node)
                free.append(node)
    return {node for node in waits if node not in gone}


def _needed(wait: Wait) -> int:
    """How many different targets must go on before the node does. To wait for any of none is to wait for ever."""
    return len(set(wait.targets)) if wait.every else 1


def knot(start: Node, waits: Mapping[Node, Wait]) -> list[Node]:
    """The deadlocked nodes that `start` waits for and that wait for `start`, in the order of `waits`; empty where it is
    not deadlocked, or only waits behind a deadlock that is none of its own."""
    stuck = deadlocked(waits)
    if start not in stuck:
        return []
    ahead: dict[Hashable, list[Hashable]] = {
        node: [target for target in waits[node].targets if target in stuck] for node in stuck
    }
    behind: dict[Hashable, list[Hashable]] = {}
    for node, targets in ahead.items():
        for target in targets:
            behind.setdefault(target, []).append(node)
    members = _reached(start, ahead) & _reached(start, behind)
    return [node for node in waits if node in members]


def _reached(start: Hashable, ways: Mapping[Hashable, list[Hashable]]) -> set[Hashable]:
    """Where ways lead from `start`, which is among them only if one leads back."""
    found, left = set[Hashable](), list(ways.get(start, ()))
    while left:
        node = left.pop()
        if node not in found:
            found.add(node)
            left += ways.get(node, ())
    return found


def ring(start: Node, waits: Mapping[Node, Wait]) -> list[Node]:
    """A shortest way from `start` back to it along waits for all, `start` first; empty where there is none."""
    came: dict[Hashable, Node] = {}
    reached: list[Node] = [start]
    for node in reached:
        wait = waits.get(node)
        for target in wait.targets if wait is not None and (wait.every or len(wait.targets) == 1) else ():
            if target == start:
                return [*reversed(list(_back(node, start, came)))]
            if target not in came:
                came[target] = node
                reached.append(target)  # type: ignore[arg-type]
    return []


def _back(node: Node, start: Node, came: Mapping[Hashable, Node]) -> Iterator[Node]:
    while node != start:
        yield node
        node = came[node]
    yield start
