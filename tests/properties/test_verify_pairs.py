"""Random pairs of policies: a counterexample replays and conforms to the schema, a proof survives random requests."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

import cedarpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cedar.types import RequestEnvironment
from mutations import mutants
from random_policies import Writer
from random_schemas import World, world
from random_sets import loaded
from random_stores import Inputs, Judgement, Oracle
from verify.findings import Witness
from verify.properties import PROPERTIES
from verify.query import BUDGETS, Analysis, Case, Found, Impossible

quick = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

REQUESTS_A_STORE = 50


def pair(chance: random.Random, here: World) -> list[str]:
    """A permit and another policy; half the time one that is a slip of the pen away from it."""
    writer = Writer(here, chance)
    first = writer.policy(effect="permit")
    changed = [mutant.text for mutant in mutants(first)] if chance.random() < 0.5 else []
    typed = [text for text in changed if cedarpy.validate_policies(text, here.handle).validation_passed]
    return [first, chance.choice(typed) if typed else writer.policy()]


def judged(
    here: World, oracle: Oracle, environment: RequestEnvironment, chance: random.Random, requests: int
) -> list[tuple[Witness, Judgement]]:
    """Random requests of an environment, and what cedarpy makes of the policies on them."""
    inputs = Inputs(here, chance)
    found: list[tuple[Witness, Judgement]] = []
    while len(found) < requests:
        store = inputs.store()
        some = [inputs.request(store, environment) for _ in range(REQUESTS_A_STORE)]
        found += zip(some, oracle.judge_all(some), strict=True)
    return found


def as_case(witness: Witness, judgement: Judgement) -> Case:
    """The case of a request that cedarpy alone has judged."""

    def judge(_: Witness) -> NoReturn:
        raise AssertionError("a question judges one request")

    return Case(witness, judgement.matched, judgement.errored, frozenset(), judge)


def asked(chance: random.Random, requests: int) -> Counter[str]:
    """Every property of a random pair in one environment. Counts the answers."""
    here = world(chance)
    texts = pair(chance, here)
    analysis, oracle = Analysis(loaded(texts, here), BUDGETS["low"]), Oracle(texts, here)
    environment = chance.choice(analysis.reach(0))
    known = judged(here, oracle, environment, chance, requests)
    counts: Counter[str] = Counter()
    for name, property in PROPERTIES.items():
        sets: Sequence[object] = chance.choice((((0,), (0, 1)), ((0, 1), (1,)), ((0,), (1,))))
        sides = (0, 1) if property.of == "policy" else sets
        question = property.question(analysis, environment, *sides[: property.sides])
        answer = analysis.ask(*question)
        counts[type(answer).__name__] += 1
        if isinstance(answer, Found):
            smallest = analysis.shrunk(environment, answer.case, question.accepts)
            for witness in (answer.case.witness, smallest):
                oracle.conforms(witness)
                assert question.accepts(as_case(witness, oracle.judge(witness))), (here.text, texts, name, witness)
        if isinstance(answer, Impossible):
            for witness, judgement in known:
                assert not question.accepts(as_case(witness, judgement)), (here.text, texts, name, witness)
    assert counts["Unknown"] <= counts.total() // 4
    return counts


@given(st.randoms(use_true_random=False))
@quick
def test_counterexamples_replay_and_proofs_survive_random_requests(chance: random.Random) -> None:
    asked(chance, 50)


@pytest.mark.long
@given(st.integers(0, 2**64))
@thorough
def test_counterexamples_replay_and_proofs_survive_a_thousand_random_requests(seed: int) -> None:
    asked(random.Random(seed), 1000)


def test_random_pairs_have_both_answers() -> None:
    counts = sum((asked(random.Random(seed), 50) for seed in range(8)), Counter())
    assert counts["Found"] > 20
    assert counts["Impossible"] > 20


def test_a_proof_that_is_wrong_does_not_survive() -> None:
    """What guards the guard: requests of a random pair break what is claimed of them where the claim is false."""
    broken = 0
    for seed in range(8):
        chance = random.Random(seed)
        here = world(chance)
        texts = pair(chance, here)
        analysis, oracle = Analysis(loaded(texts, here), BUDGETS["low"]), Oracle(texts, here)
        environment = chance.choice(analysis.reach(0))
        cases = [as_case(*one) for one in judged(here, oracle, environment, chance, 50)]
        for property in PROPERTIES.values():
            sides = (0, 1) if property.of == "policy" else ((0,), (1,))
            question = property.question(analysis, environment, *sides[: property.sides])
            if isinstance(analysis.ask(*question), Found):
                broken += any(map(question.accepts, cases))
    assert broken > 25
