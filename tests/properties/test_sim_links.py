"""Ways between sites: what is cut is what the partitions say, one direction at a time."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.links import Cut, Cuts, Way, flaps

SITES = range(4)
GROUPS = st.frozensets(st.sampled_from(SITES), min_size=1, max_size=3)
WHOLE = GROUPS.map(lambda sites: Cut(sites))
ONE_WAY = st.tuples(GROUPS, GROUPS).filter(lambda two: two[0].isdisjoint(two[1])).map(lambda two: Cut(*two))


@given(st.lists(WHOLE | ONE_WAY, max_size=4))
def test_a_way_is_open_where_no_partition_names_it(cuts: list[Cut]) -> None:
    board = Cuts()
    for cut in cuts:
        board.add(cut)
    closed = set()
    for cut in cuts:
        others = cut.towards or frozenset(SITES) - cut.sites
        closed |= set(product(cut.sites, others))
        if not cut.towards:
            closed |= set(product(others, cut.sites))
    for a, b in product(SITES, SITES):
        assert board.reaches(a, b) == ((a, b) not in closed)
        assert board.connected(a, b) == board.connected(b, a) == ({(a, b), (b, a)}.isdisjoint(closed))
    assert all(board.reaches(-1, site) and board.reaches(site, -1) for site in SITES)


@given(st.lists(WHOLE | ONE_WAY, min_size=1, max_size=4), st.data())
def test_a_partition_that_ends_takes_only_itself_away(cuts: list[Cut], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(range(len(cuts))))
    board, rest = Cuts(), Cuts()
    for number, cut in enumerate(cuts):
        board.add(cut)
        if number != gone:
            rest.add(cut)
    board.remove(cuts[gone])
    assert all(board.reaches(a, b) == rest.reaches(a, b) for a, b in product(SITES, SITES))


def test_a_cut_in_one_direction_leaves_the_other() -> None:
    board = Cuts()
    board.add(Cut(frozenset({0}), frozenset({1})))
    assert not board.reaches(0, 1)
    assert board.reaches(1, 0)
    assert board.reaches(0, 2)
    assert not board.connected(1, 0)


@given(st.integers(0, 50), st.integers(1, 300), st.integers(1, 40), st.integers(1, 40))
def test_flaps_are_down_then_up_within_the_fault(begin: int, lasts: int, down: int, up: int) -> None:
    cut = [any(a <= now < b for a, b in flaps(begin, begin + lasts, down, up)) for now in range(begin + lasts + 50)]
    for now, is_cut in enumerate(cut):
        assert is_cut == (begin <= now < begin + lasts and (now - begin) % (down + up) < down)


@given(st.lists(st.floats(0, 1), max_size=4))
def test_losses_of_a_way_are_independent(losses: list[float]) -> None:
    assert Way(losses).loss == pytest.approx(1 - math.prod(1 - loss for loss in losses))
