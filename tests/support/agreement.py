"""The encoding beside cedarpy: of random policies at random requests, what the terms say and what a solver says."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import cedarpy

from models.cedar.types import RequestEnvironment
from models.cedar.uids import parse_uid
from points import pinned
from random_policies import Writer
from random_schemas import World, world
from random_sets import loaded
from random_stores import Inputs, Judgement, Oracle
from verify import term as t
from verify.encode import Encoder, Match
from verify.eval import evaluate
from verify.findings import Witness
from verify.query import BUDGETS, Analysis, Found, Unknown
from verify.term import subterms
from verify.world import interpretation

POLICIES, STORES, REQUESTS = 4, 2, 6
WILD = 0.08
"""Of the operands of a `wild` writer, the share that is of any type."""


def environment_of(witness: Witness) -> RequestEnvironment:
    return RequestEnvironment(parse_uid(witness.principal).type, witness.action, parse_uid(witness.resource).type)


class Encodings:
    """Policies as terms, in each environment."""

    def __init__(self, texts: Sequence[str], here: World, missing: bool) -> None:
        self._syntax = [cedarpy.policies_to_pst(text).static_policies["policy0"] for text in texts]
        self._here, self._missing = here, missing
        self._matches: dict[RequestEnvironment, list[Match]] = {}

    def matches(self, environment: RequestEnvironment) -> list[Match]:
        if environment not in self._matches:
            encoder = Encoder(self._here.schema, environment, self._missing, concrete=True)
            self._matches[environment] = [encoder.match(syntax) for syntax in self._syntax]
        return self._matches[environment]

    def judge(self, witness: Witness) -> Judgement:
        """What the terms say of a request."""
        meaning = interpretation(witness)
        matches = list(enumerate(self.matches(environment_of(witness))))
        return Judgement(
            frozenset(position for position, match in matches if evaluate(match.matches, meaning)),
            frozenset(position for position, match in matches if not evaluate(match.ok, meaning)),
        )


def agrees(chance: random.Random, wild: float = 0.0, missing: float = 0.0) -> Counter[str]:
    """Random policies on random requests: terms and cedarpy say the same. Counts what they say."""
    here = world(chance)
    writer, inputs = Writer(here, chance, wild), Inputs(here, chance)
    texts = [writer.policy(chance.choice((1, 2, 3))) for _ in range(POLICIES)]
    oracle, terms = Oracle(texts, here), Encodings(texts, here, missing > 0)
    said: Counter[str] = Counter()
    for _ in range(STORES):
        store = inputs.store(missing)
        requests = [inputs.request(store) for _ in range(REQUESTS)]
        for witness, truth in zip(requests, oracle.judge_all(requests), strict=True):
            assert terms.judge(witness) == truth, (here.text, texts, witness)
            said += Counter(matches=len(truth.matched), errs=len(truth.errored), requests=1)
    return said


def decided(chance: random.Random, wild: float = 0.0, missing: float = 0.0, points: int = 2) -> Counter[str]:
    """Asks whether a policy matches, and errs, at concrete requests; and whether it does not. Counts the answers."""
    here = world(chance)
    writer, inputs = Writer(here, chance, wild), Inputs(here, chance)
    texts = [writer.policy()]
    oracle = Oracle(texts, here)
    analysis = Analysis(loaded(texts, here, not wild), BUDGETS["low"], missing=missing > 0)
    counts: Counter[str] = Counter()
    for _ in range(points):
        witness = inputs.input(chance.choice(analysis.reach(0)), missing)
        environment, truth = environment_of(witness), oracle.judge(witness)
        matches, succeeds = analysis.matches(environment, 0), analysis.succeeds(environment, 0)
        if any(term.op == "leaf" and term.data.kind == "flag" for term in subterms(matches, succeeds)):
            counts["Unknown"] += 1  # a constructor of no literal, which strict validation refuses, is not encoded
            continue
        point = [*pinned([matches, succeeds], witness)]
        questions = (
            (matches, 0 in truth.matched, lambda case: 0 in case.matched),
            (t.not_(matches), 0 not in truth.matched, lambda case: 0 not in case.matched),
            (succeeds, 0 not in truth.errored, lambda case: 0 not in case.errored),
            (t.not_(succeeds), 0 in truth.errored, lambda case: 0 in case.errored),
        )
        for part, truly, accepts in questions:
            answer = analysis.solve(environment, [*point, part], accepts, "at a point")
            counts[type(answer).__name__] += 1
            if not isinstance(answer, Unknown):
                assert isinstance(answer, Found) == truly, (here.text, texts, witness, answer)
    assert wild or counts["Unknown"] <= counts.total() // 4
    return counts
