"""Values of every kind: random conditions on extension values, sets of records, sets of sets.

What the terms say is what cedarpy says; what the solvers find is a request that cedarpy confirms; what they refute no
random request shows.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from verify.eval import evaluate
from verify.findings import Witness
from verify.query import BUDGETS, Analysis, Case, Found, Impossible, Unknown
from verify.world import interpretation

SCHEMA = """
type Row = { a: Long, b?: String };
type Part = { blocks: Set<ipaddr>, flags?: Set<Set<Bool>> };
entity Shade enum ["light", "dark"];
entity Team in [Team] tags Set<Row>;
entity Agent in [Team] { rows: Set<Row>, does: Set<Action>, shades: Set<Shade> } tags Set<Set<Long>>;
action work;
action go in [work] appliesTo {
  principal: [Agent], resource: [Team],
  context: {
    rows: Set<Row>, row: Row, nested: Set<Set<Long>>, inner: Set<Long>, k: Long,
    pairs: Set<{ a: Long, c: Set<Long> }>, deep: Set<Part>, part: Part, flags: Set<Set<Bool>>, teams: Set<Set<Team>>,
    blocks: Set<ipaddr>, one: ipaddr, other: ipaddr, at: datetime, since: datetime, wait: duration,
    price: decimal, prices: Set<decimal>, b: Bool
  }
};
"""
ATOMS = """
context.rows.contains(context.row)
context.pairs.contains({a: 1, c: [1, 2]})
context.pairs.contains({a: context.k, c: context.inner})
context.pairs.containsAny([{a: context.k + 9223372036854775807, c: [1]}, {a: 0, c: [context.k]}])
[{a: 1, c: context.inner}, {a: 2, c: [2]}].containsAll(context.pairs)
context.pairs.isEmpty()
context.rows == principal.rows
context.rows.containsAll(principal.rows)
context.rows.containsAny(principal.rows)
[context.row].containsAll(context.rows)
context.rows.isEmpty()
principal.rows.containsAny([context.row])
(if context.b then context.rows else principal.rows).contains(context.row)
(if context.b then [{a: 1}] else [{a: context.k}]).contains({a: 2})
resource.hasTag("x") && resource.getTag("x") == principal.rows
resource.hasTag("x") && resource.getTag("x").contains(context.row)
principal.hasTag("y") && principal.getTag("y").contains(context.inner)
principal.hasTag("y") && principal.getTag("y") == context.nested
context.nested.contains(context.inner)
context.nested.contains([context.k])
context.nested.contains([1, 2])
context.nested.containsAny([[context.k, 1], context.inner])
[[1], [context.k, 2]].containsAll(context.nested)
context.nested.isEmpty()
context.inner.contains(context.k)
context.inner.isEmpty()
[1, 2].containsAll(context.inner)
[[context.k + 9223372036854775807]].contains(context.inner)
context.flags.contains([context.b])
context.flags.containsAll([[true], [false], [true, false]])
[[true], [true, false]].containsAll(context.flags)
context.flags.isEmpty()
context.deep.contains(context.part)
context.part has flags && context.part.flags == context.flags
[context.part].containsAll(context.deep)
(if context.b then [context.one] else context.blocks).contains(ip("10.0.0.0/8"))
(if context.b then {a: 1, c: [1]} else {a: 2, c: context.inner}) == {a: context.k, c: context.inner}
context.deep.isEmpty()
context.teams.contains([resource])
context.teams.containsAny([[resource, Team::"t"], [Team::"u"]])
context.blocks.contains(context.one)
context.blocks.containsAny([context.other, ip("10.0.0.0/8")])
[ip("::1"), context.one].containsAll(context.blocks)
context.one.isInRange(context.other)
context.other.isInRange(ip("10.0.0.0/8"))
context.one == context.other
context.one.isIpv4() && context.other.isIpv6()
context.one.isLoopback()
context.other.isMulticast()
context.at.offset(context.wait) > context.since
context.at.durationSince(context.since) == context.wait
context.at.toDate() == context.since
context.at.toTime() <= duration("1h30m")
context.at < datetime("1969-12-31T23:59:59.999Z")
context.wait.toDays() == context.k
context.wait.toSeconds() < -1
context.wait > duration("-1ms")
context.price.lessThan(decimal("0.5"))
context.price.greaterThanOrEqual(decimal("-0.0001"))
context.prices.contains(context.price)
context.prices.containsAny([decimal("0.5"), decimal("-0.5")])
context.k * context.k == context.k
principal.does.contains(action)
Action::"work" in principal.does
action in principal.does
principal.does.isEmpty()
principal.shades.contains(Shade::"dark")
[Shade::"dark", Shade::"light"].containsAll(principal.shades)
principal.shades.containsAny([Shade::"light"])
""".strip().splitlines()


def extension(function: str, *texts: str) -> list[dict[str, Any]]:
    return [{"__extn": {"fn": function, "arg": text}} for text in texts]


def entity(type: str, id: str) -> dict[str, Any]:
    return {"__entity": {"type": type, "id": id}}


IPS = extension("ip", "0.0.0.0", "10.0.0.0/8", "10.1.0.0/16", "127.0.0.1", "::", "::1", "ff02::1", "224.0.0.9/4")
TIMES = extension("datetime", "1970-01-01", "1969-12-31T23:59:59.998Z", "2026-01-31T12:30:00Z", "0000-01-01")
WAITS = extension("duration", "0ms", "-1ms", "1d", "-1d2h", "106751991167d")
PRICES = extension("decimal", "0.0", "0.5", "-0.5", "-0.0001")


class World:
    """Random values of the schema above: few of each kind, so that they meet."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def some(self, make: Any) -> list[Any]:
        found: list[Any] = []
        for _ in range(self.chance.choice([0, 1, 1, 2])):
            value = make()
            if value not in found:
                found.append(value)
        return found

    def row(self) -> dict[str, Any]:
        return {"a": self.chance.randint(0, 2)} | ({"b": "x"} if self.chance.random() < 0.3 else {})

    def pair(self) -> dict[str, Any]:
        return {"a": self.chance.randint(0, 2), "c": self.numbers()}

    def rows(self) -> list[Any]:
        return self.some(self.row)

    def numbers(self) -> list[Any]:
        return sorted(self.some(lambda: self.chance.randint(0, 2)))

    def flags(self) -> list[Any]:
        return self.some(lambda: sorted(self.some(lambda: self.chance.random() < 0.5)))

    def blocks(self) -> list[Any]:
        return self.some(lambda: self.chance.choice(IPS))

    def part(self) -> dict[str, Any]:
        return {"blocks": self.blocks()} | ({"flags": self.flags()} if self.chance.random() < 0.7 else {})

    def teams(self) -> list[Any]:
        return self.some(lambda: entity("Team", self.chance.choice("tu")))

    def witness(self) -> Witness:
        pick = self.chance.choice
        context = {
            "rows": self.rows(), "row": self.row(), "nested": self.some(self.numbers), "inner": self.numbers(),
            "k": self.chance.randint(-1, 3), "pairs": self.some(self.pair), "flags": self.flags(),
            "deep": self.some(self.part), "part": self.part(),
            "teams": self.some(self.teams), "blocks": self.blocks(), "one": pick(IPS), "other": pick(IPS),
            "at": pick(TIMES), "since": pick(TIMES), "wait": pick(WAITS), "price": pick(PRICES),
            "prices": self.some(lambda: pick(PRICES)), "b": pick([True, False]),
        }  # fmt: skip
        does = self.some(lambda: entity("Action", pick(["go", "work"])))
        shades = self.some(lambda: entity("Shade", pick(["light", "dark"])))
        agent: dict[str, Any] = {"uid": {"type": "Agent", "id": "a"}, "parents": []}
        agent |= {"attrs": {"rows": self.rows(), "does": does, "shades": shades}}
        agent |= {"tags": {"y": self.some(self.numbers)} if pick([True, False]) else {}}
        tags = {"x": self.rows()} if pick([True, False]) else {}
        teams = [{"uid": {"type": "Team", "id": id}, "parents": [], "attrs": {}, "tags": tags} for id in "tu"]
        return Witness('Agent::"a"', 'Action::"go"', 'Team::"t"', context, (agent, *teams))


def written(chance: random.Random) -> str:
    parts = (f"{chance.choice(['', '', '!'])}({atom})" for atom in chance.sample(ATOMS, chance.randint(1, 4)))
    return f"permit(principal, action, resource) when {{ {chance.choice([' && ', ' && ', ' || ']).join(parts)} }};"


def _checked(seed: int, conditions: int, requests: int) -> set[type]:
    chance = random.Random(seed)
    policies = policy_set("\n".join(written(chance) for _ in range(conditions)), SCHEMA)
    about = Analysis(policies, BUDGETS["normal"])
    cases = [about.case(World(chance).witness()) for _ in range(requests)]
    _terms_agree(about, policies, cases)
    return {_answered(about, index, cases) for index in range(conditions)}


def _terms_agree(about: Analysis, policies: PolicySet, cases: list[Case]) -> None:
    (environment,) = policies.schema.environments()
    for case in cases:
        meaning = interpretation(case.witness)
        for policy in policies.policies:
            told = about.matches(environment, policy.index), about.succeeds(environment, policy.index)
            matches, ok = (evaluate(term, meaning) for term in told)
            assert matches == (policy.index in case.matched), (policy.text, case.witness)
            assert ok == (policy.index not in case.errored), (policy.text, case.witness)


def _answered(about: Analysis, index: int, cases: list[Case]) -> type:
    """Asks whether a policy can match, afresh: `ask` itself has cedarpy confirm what is found."""
    (environment,) = about.policies.schema.environments()
    fresh = Analysis(about.policies, BUDGETS["normal"])
    answer = fresh.ask(environment, [fresh.matches(environment, index)], lambda case: index in case.matched, "")
    assert not isinstance(answer, Unknown), (answer, about.policies.policies[index].text)
    if isinstance(answer, Impossible):
        assert not any(index in case.matched for case in cases), about.policies.policies[index].text
    elif isinstance(answer, Found):
        smallest = fresh.shrunk(environment, answer.case, lambda case: index in case.matched)
        assert index in fresh.case(smallest).matched
    return type(answer)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_conditions_on_any_values_mean_what_cedar_means(seed: int) -> None:
    _checked(seed, conditions=6, requests=40)


@pytest.mark.long
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_more_conditions_on_any_values_mean_what_cedar_means(seed: int) -> None:
    _checked(seed, conditions=6, requests=300)


def test_random_conditions_have_both_answers() -> None:
    assert set().union(*(_checked(seed, 8, 1) for seed in range(6))) == {Found, Impossible}


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ("context.nested.containsAny([{sets}]) && !context.nested.contains([context.k])", Found),
        ("context.nested.containsAny([{sets}]) && context.nested.containsAll([[1, 2, context.k]])", Found),
        ("[{sets}].containsAll(context.nested) && context.nested.contains([context.k])", Impossible),
        ("context.nested == [{sets}] && !context.nested.containsAny([[3, 2], [1, 1]])", Impossible),
        ("context.pairs == [{rows}] && !context.pairs.contains({{c: [1], a: 7}})", Impossible),
        ("context.pairs.containsAny([{rows}]) && [{rows}].containsAll(context.pairs)", Found),
    ],
)
def test_many_elements_that_are_sets_or_records_are_decided(condition: str, answer: type) -> None:
    """Where numbers grew with the square of the elements, these took minutes."""
    sets = ", ".join(f"[{number}, {number + 1}]" for number in range(30))
    rows = ", ".join(f"{{a: {number}, c: [1]}}" for number in range(30))
    text = f"permit(principal, action, resource) when {{ {condition.format(sets=sets, rows=rows)} }};"
    about = Analysis(policy_set(text, SCHEMA), BUDGETS["normal"])
    assert _answered(about, 0, []) is answer
