"""The reduction of wait-for graphs against a search over every set of nodes."""

from __future__ import annotations

from itertools import chain, combinations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sim.waits import Wait, deadlocked, knot, ring, waits_from

NODES = range(6)
"""The last ones never wait."""
WAITS = st.dictionaries(
    st.integers(0, 4),
    st.builds(Wait, st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple), st.booleans()),
)


def in_vain(group: frozenset[int], waits: dict[int, Wait]) -> bool:
    """Whether nobody in the group can go on, even if everybody else does: one target that stays is enough to hold up a
    wait for all; a wait for any is held up only by all of its targets."""
    return all(
        node in waits and (any if waits[node].every else all)(target in group for target in waits[node].targets)
        for node in group
    )


def brute_force(waits: dict[int, Wait]) -> set[int]:
    """The union of all groups that wait in vain."""
    groups = chain.from_iterable(combinations(NODES, size) for size in range(1, len(NODES) + 1))
    return set(chain.from_iterable(group for group in groups if in_vain(frozenset(group), waits)))


@settings(max_examples=600, deadline=None)
@given(WAITS)
@example({0: Wait((1, 5), True), 1: Wait((0,), True)})
@example({0: Wait((1, 5), False), 1: Wait((0,), True)})
@example({0: Wait((1, 2), False), 1: Wait((0,), True), 2: Wait((0,), True)})
def test_who_is_left_is_who_waits_in_vain(waits: dict[int, Wait]) -> None:
    assert deadlocked(waits) == brute_force(waits)


@settings(max_examples=400, deadline=None)
@given(WAITS, st.integers(0, 4))
def test_a_knot_has_those_who_wait_in_vain_for_each_other(waits: dict[int, Wait], start: int) -> None:
    ahead = {node: reached(node, waits) for node in waits}
    expected = {node for node in waits if node in ahead.get(start, ()) and start in ahead[node]}
    assert set(knot(start, waits_from(start, waits.get))) == expected


def reached(node: int, waits: dict[int, Wait]) -> set[int]:
    """The nodes that wait in vain and for which this one waits in the end."""
    stuck = brute_force(waits)
    found, left = set[int](), [node] if node in stuck else []
    while left:
        fresh = stuck.intersection(waits[left.pop()].targets) - found
        found |= fresh
        left += fresh
    return found


@settings(max_examples=400, deadline=None)
@given(WAITS, st.integers(0, 4))
def test_a_ring_of_waits_for_all_is_a_deadlock(waits: dict[int, Wait], start: int) -> None:
    found = ring(start, waits)
    if found:
        assert found[0] == start
        assert all(b in waits[a].targets for a, b in zip(found, [*found[1:], start], strict=True))
        assert set(found) <= brute_force(waits)


def test_a_wait_for_any_needs_all_of_its_targets_in_the_knot() -> None:
    """Two callers hold both slots of a pool, and each one's callee waits for a slot of it; a third holder at work
    would let all of them go on, so no ring alone tells a deadlock here."""
    slots = ("first", "second")
    waits = {
        "first": Wait(("callee 1",), True),
        "second": Wait(("callee 2",), True),
        "callee 1": Wait(slots, False),
        "callee 2": Wait(slots, False),
    }
    assert set(knot("callee 2", waits_from("callee 2", waits.get))) == set(waits)
    with_a_third = waits | {name: Wait((*slots, "at work"), False) for name in ("callee 1", "callee 2")}
    assert deadlocked(with_a_third) == set()
    assert knot("callee 2", waits_from("callee 2", with_a_third.get)) == []


def test_who_waits_behind_a_knot_is_in_none() -> None:
    waits = {0: Wait((1,), True), 1: Wait((0,), True), 2: Wait((0,), True)}
    assert deadlocked(waits) == {0, 1, 2}
    assert knot(2, waits_from(2, waits.get)) == []
    assert knot(0, waits_from(0, waits.get)) == [0, 1]
    assert ring(0, waits) == [0, 1]
