"""The vectorised evaluator and cedarpy agree on every match and every error, well-typed or not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import cedarpy
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cedar import arithmetic, columns
from models.cedar.columns import Requests, condition, evaluate
from models.cedar.decision import matching
from models.cedar.load import policy_set

LONGS = (0, 1, -1, 2, 3, 3_037_000_500, 2**62, 2**63 - 1, -(2**63))
TEXTS = ("", "a", "ab", "aab", "b*", "é", "A")
UIDS = ('User::"a"', 'User::"b"', 'Team::"t"', 'Team::"u"', 'User::"missing"')
ACTIONS = ('Action::"x"', 'Action::"y"', 'Action::"group"')
NAMES = ("b", "n", "s", "e", "t", "r", "zz")

STORE: tuple[dict[str, Any], ...] = (
    {
        "uid": {"type": "User", "id": "a"},
        "attrs": {"n": 5, "s": "ab", "b": True, "e": {"__entity": {"type": "User", "id": "b"}}, "t": [1, "a"]},
        "parents": [{"type": "Team", "id": "t"}],
        "tags": {"a": 1, "ab": "x"},
    },
    {
        "uid": {"type": "User", "id": "b"},
        "attrs": {"n": "five", "r": {"n": 2**63 - 1, "r": {"s": "a"}}, "e": {"__entity": {"type": "User", "id": "c"}}},
        "parents": [],
    },
    {"uid": {"type": "Team", "id": "t"}, "attrs": {"b": False}, "parents": [{"type": "Team", "id": "u"}]},
    {"uid": {"type": "Team", "id": "u"}, "attrs": {}, "parents": [], "tags": {"a": [1, "a"]}},
    {"uid": {"type": "Action", "id": "x"}, "attrs": {}, "parents": [{"type": "Action", "id": "group"}]},
)  # fmt: skip


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


PATTERNS = st.lists(st.sampled_from(["a", "b", "*", r"\*", "é"]), max_size=5).map(lambda parts: f'"{"".join(parts)}"')


def _leaves(kind: str) -> st.SearchStrategy[str]:
    access = st.sampled_from([f"{base}.{name}" for base in ("context", "principal", "resource") for name in NAMES])
    literals: Mapping[str, st.SearchStrategy[str]] = {
        "bool": st.sampled_from(["true", "false"]),
        "long": st.sampled_from(LONGS).map(lambda value: f"({value})"),
        "string": st.sampled_from(TEXTS).map(_quoted),
        "entity": st.sampled_from(["principal", "resource", "action", *UIDS]),
        "set": st.sampled_from(['["a", 1]', "[1, 2, 1]", "[true]", "[[], [1]]", '[User::"a", Team::"u"]']),
        "record": st.sampled_from(["{n: 1}", '{"n": 1, "r": {s: "a"}}', "context", "context.r", "principal.r"]),
    }
    own = st.sampled_from([f"context.{NAMES[KINDS.index(kind)]}"])
    return st.one_of(literals[kind], own, own, access)


FORMS: Mapping[str, tuple[str, ...]] = {
    "bool": (
        *("and", "or", "not", "eq", "ne", "compare", "in", "is", "is in", "like"),
        *("has", "has deep", "contains", "all", "any", "empty", "has tag"),
    ),
    "long": ("arithmetic", "arithmetic", "negate"),
    "set": ("literal",),
    "record": ("record",),
}
KINDS = ("bool", "long", "string", "entity", "set", "record")


@st.composite
def expressions(draw: st.DrawFn, kind: str = "bool", depth: int = 4) -> str:
    """An expression mostly of a kind; one operand in twelve is of any kind."""
    if depth == 0 or draw(st.integers(0, 9)) < 2:
        return draw(_leaves(kind))

    def of(wanted: str) -> str:
        wanted = draw(st.sampled_from(KINDS)) if draw(st.integers(0, 11)) == 0 else wanted
        return f"({draw(expressions(wanted, depth - 1))})"

    choices = (*FORMS.get(kind, ()), "if", "attribute", "tag")
    form = draw(st.sampled_from(choices))
    any_kind = draw(st.sampled_from(KINDS))
    name = draw(st.sampled_from(NAMES))
    match form:
        case "and" | "or":
            return f"{of('bool')} {'&&' if form == 'and' else '||'} {of('bool')}"
        case "not":
            return f"!{of('bool')}"
        case "eq" | "ne":
            return f"{of(any_kind)} {'==' if form == 'eq' else '!='} {of(any_kind)}"
        case "compare":
            return f"{of('long')} {draw(st.sampled_from(['<', '<=', '>', '>=']))} {of('long')}"
        case "in":
            return f"{of('entity')} in {of(draw(st.sampled_from(['entity', 'set'])))}"
        case "is":
            return f"{of('entity')} is {draw(st.sampled_from(['User', 'Team', 'Action']))}"
        case "is in":
            return f"{of('entity')} is User in {of('entity')}"
        case "like":
            return f"{of('string')} like {draw(PATTERNS)}"
        case "has":
            return f"{of(draw(st.sampled_from(['entity', 'record'])))} has {name}"
        case "has deep":
            return f"{of(draw(st.sampled_from(['entity', 'record'])))} has {name}.{draw(st.sampled_from(NAMES))}"
        case "contains":
            return f"{of('set')}.contains({of(any_kind)})"
        case "all" | "any":
            return f"{of('set')}.contains{form.capitalize()}({of('set')})"
        case "empty":
            return f"{of('set')}.isEmpty()"
        case "has tag":
            return f"{of('entity')}.hasTag({of('string')})"
        case "tag":
            return f"{of('entity')}.getTag({of('string')})"
        case "arithmetic":
            return f"{of('long')} {draw(st.sampled_from(['+', '-', '*']))} {of('long')}"
        case "negate":
            return f"-{of('long')}"
        case "literal":
            return f"[{', '.join(of(draw(st.sampled_from(KINDS))) for _ in range(draw(st.integers(0, 3))))}]"
        case "record":
            return f"{{n: {of('long')}, {name}x: {of(any_kind)}}}"
        case "if":
            return f"if {of('bool')} then {of(kind)} else {of(kind)}"
        case _:
            return f"{of(draw(st.sampled_from(['entity', 'record'])))}.{name}"


SCOPES = st.sampled_from(["", " == {}", " in {}", " is User", " is Team in {}", " is User in {}"])


@st.composite
def policies(draw: st.DrawFn) -> str:
    """A policy with any scope and up to three clauses."""
    principal, resource = (draw(SCOPES).format(draw(st.sampled_from(UIDS))) for _ in range(2))
    action = draw(st.sampled_from(["", f" == {ACTIONS[0]}", f" in {ACTIONS[2]}", f" in [{', '.join(ACTIONS)}]"]))
    clauses = " ".join(
        f"{draw(st.sampled_from(['when', 'when', 'unless']))} {{ {draw(expressions())} }}"
        for _ in range(draw(st.integers(0, 3)))
    )
    effect = draw(st.sampled_from(["permit", "forbid"]))
    return f"{effect} (principal{principal}, action{action}, resource{resource}) {clauses};"


ENTITY_VALUES = st.sampled_from([{"__entity": {"type": "User", "id": name}} for name in ("a", "b", "missing")])
SHORT_TEXTS = st.sampled_from(TEXTS[:3])
ELEMENTS = st.one_of(st.sampled_from(LONGS[:3]), SHORT_TEXTS, st.booleans(), ENTITY_VALUES)
RECORDS = st.fixed_dictionaries(
    {}, optional={"n": st.sampled_from(LONGS), "s": SHORT_TEXTS, "r": st.fixed_dictionaries({"s": SHORT_TEXTS})}
)
FITTING: Mapping[str, st.SearchStrategy[Any]] = {
    "n": st.sampled_from(LONGS),
    "s": st.sampled_from(TEXTS),
    "b": st.booleans(),
    "e": ENTITY_VALUES,
    "t": st.lists(ELEMENTS, max_size=3),
    "r": RECORDS,
}
ANY_VALUE = st.one_of(*FITTING.values())
CONTEXTS = st.fixed_dictionaries({}, optional={k: st.one_of(v, v, v, v, v, ANY_VALUE) for k, v in FITTING.items()})
REQUESTS = st.fixed_dictionaries(
    {
        "principal": st.sampled_from(UIDS),
        "action": st.sampled_from(ACTIONS),
        "resource": st.sampled_from(UIDS),
        "context": CONTEXTS,
    }
)


def _objects(values: Sequence[Any]) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _whole_columns(requests: Sequence[Mapping[str, Any]]) -> Requests:
    """Each context attribute a column of objects, masked where it is absent."""
    context = {}
    for name in {name for request in requests for name in request["context"]}:
        absent = [name not in request["context"] for request in requests]
        values = [request["context"].get(name, 0) for request in requests]
        wrapped = np.empty(len(requests), dtype=object)
        for row, value in enumerate(values):
            wrapped[row] = value
        context[(name,)] = np.ma.masked_array(wrapped, mask=absent)
    uids = (_objects([request[part] for request in requests]) for part in ("principal", "action", "resource"))
    return Requests(len(requests), *uids, context)


def _assert_agreement(text: str, requests: Sequence[Mapping[str, Any]], asked: Requests) -> None:
    loaded = policy_set(text, entities=STORE)
    found = evaluate(loaded, asked)
    for row, request in enumerate(requests):
        matched, errored = matching(loaded, request)
        assert set(np.flatnonzero(found.matched[:, row])) == set(matched), (text, request)
        assert set(np.flatnonzero(found.errored[:, row])) == set(errored), (text, request)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(policies(), min_size=1, max_size=3), st.lists(REQUESTS, min_size=1, max_size=6))
def test_any_policies_on_any_requests_match_and_error_as_in_cedarpy(
    texts: list[str], requests: list[dict[str, Any]]
) -> None:
    _assert_agreement("\n".join(texts), requests, _whole_columns(requests))


TYPED_CONTEXTS = st.fixed_dictionaries(
    {"n": FITTING["n"], "b": FITTING["b"], "s": FITTING["s"]},
    optional={"r": st.fixed_dictionaries({"n": st.sampled_from(LONGS)}, optional={"s": st.sampled_from(TEXTS)})},
)


def _flat_columns(requests: Sequence[Mapping[str, Any]]) -> Requests:
    """Typed arrays by dotted path, as a simulator gives them."""
    contexts = [request["context"] for request in requests]
    records = [context.get("r") for context in contexts]
    longs = np.array([record["n"] if record else 0 for record in records], dtype=np.int64)
    texts = _objects([(record or {}).get("s", "") for record in records])
    return Requests(
        len(requests),
        requests[0]["principal"],
        requests[0]["action"],
        _objects([request["resource"] for request in requests]),
        {
            "n": np.array([context["n"] for context in contexts], dtype=np.int64),
            "b": np.array([context["b"] for context in contexts]),
            "s": np.array([context["s"] for context in contexts]),
            "r.n": np.ma.masked_array(longs, mask=[record is None for record in records]),
            "r.s": np.ma.masked_array(texts, mask=["s" not in (record or {}) for record in records]),
        },
    )


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(policies(), min_size=1, max_size=3),
    st.lists(st.tuples(st.sampled_from(UIDS), TYPED_CONTEXTS), min_size=1, max_size=6),
    st.sampled_from(UIDS),
    st.sampled_from(ACTIONS),
)
def test_typed_columns_by_path_match_and_error_as_in_cedarpy(
    texts: list[str], drawn: list[tuple[str, dict[str, Any]]], principal: str, action: str
) -> None:
    requests = [
        {"principal": principal, "action": action, "resource": resource, "context": context}
        for resource, context in drawn
    ]
    _assert_agreement("\n".join(texts), requests, _flat_columns(requests))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(LONGS), st.sampled_from(LONGS), st.sampled_from(["+", "-", "*"]))
def test_arithmetic_errs_exactly_outside_64_bits(left: int, right: int, operator: str) -> None:
    exact = {"+": left + right, "-": left - right, "*": left * right}[operator]
    fits = -(2**63) <= exact < 2**63
    text = (
        f"permit (principal, action, resource) when {{ (context.a) {operator} (context.b) == {exact if fits else 0} }};"
    )
    asked = Requests(1, UIDS[0], ACTIONS[0], UIDS[0], {"a": np.array([left]), "b": np.array([right])})
    found = evaluate(policy_set(text), asked)
    assert (found.matched[0, 0], found.errored[0, 0]) == (fits, not fits)


_SAMPLES = (
    ('permit (principal, action, resource) when { context.n * 3 > 5 };', {"n": 3_037_000_500}),
    ('permit (principal, action, resource) when { context.n * 4 > 5 };', {"n": 2**62}),
    ('permit (principal, action, resource) when { context has z && context.z };', {"n": 1}),
    ('permit (principal, action, resource) when { principal.n < 3 };', {}),
    ('permit (principal, action, resource) when { context.n <= 1 };', {"n": 1}),
    ('permit (principal, action, resource) when { -context.n < 0 };', {"n": -(2**63)}),
)  # fmt: skip


def _disagreements() -> int:
    count = 0
    for text, context in _SAMPLES:
        for principal in UIDS:
            request = {"principal": principal, "action": ACTIONS[0], "resource": UIDS[0], "context": context}
            loaded = policy_set(text, entities=STORE)
            found = evaluate(loaded, _whole_columns([request]))
            matched, errored = matching(loaded, request)
            count += (bool(found.matched[0, 0]), bool(found.errored[0, 0])) != (bool(matched), bool(errored))
    return count


@pytest.mark.parametrize(
    "mutant",
    [
        ("_ARITHMETIC", "mul", lambda left, right: (left * right, np.zeros(1, dtype=np.bool_))),
        ("_COMPARISONS", "less_eq", np.less),
        ("LONG_MIN", None, 0),
    ],
    ids=["overflow is no error", "<= is <", "negation of the least number"],
)
def test_a_wrong_operator_is_told(mutant: tuple[str, str | None, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    name, key, wrong = mutant
    assert _disagreements() == 0
    monkeypatch.setattr(arithmetic, name, wrong if key is None else {**getattr(arithmetic, name), key: wrong})
    assert _disagreements() > 0


EXTENSIONS = (
    'permit (principal, action, resource) when { context.when < datetime("2025-01-01") };',
    'permit (principal, action, resource) when { ip(context.s).isInRange(ip("10.0.0.0/8")) };',
    'permit (principal, action, resource) when { decimal("1.0") == decimal("1.00") && context.n > 1 };',
    'permit (principal, action, resource) when { context.n > 1 || context.when == duration("1h") };',
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(REQUESTS, min_size=1, max_size=5), st.sampled_from(["2024-05-01", "2026-05-01"]), st.booleans())
def test_extension_types_are_decided_by_cedarpy(requests: list[dict[str, Any]], day: str, there: bool) -> None:
    moment = {"__extn": {"fn": "datetime", "arg": day}}
    requests = [
        {**request, "context": {**request["context"], **({"when": moment} if there else {})}} for request in requests
    ]
    _assert_agreement("\n".join(EXTENSIONS), requests, _whole_columns(requests))


def test_only_what_needs_cedarpy_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Requests(3, UIDS[0], ACTIONS[0], UIDS[0], {"n": np.array([1, 2, 2]), "s": "10.0.0.1"})
    handed: list[int] = []
    original = cedarpy.is_authorized_batch

    def counted(requests: list[Any], *rest: Any) -> Any:
        handed.append(len(requests))
        return original(requests, *rest)

    monkeypatch.setattr(columns.cedarpy, "is_authorized_batch", counted)
    found = evaluate(
        policy_set("permit (principal, action, resource) when { context.n > 1 };\n" + EXTENSIONS[1]), asked
    )
    assert handed == [2], "one call, one request for each distinct row"
    assert found.matched.tolist() == [[False, True, True], [True, True, True]]


# Conditions


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(LONGS), st.sampled_from(TEXTS)), min_size=1, max_size=8))
def test_a_condition_holds_where_the_policy_of_it_matches(rows: list[tuple[int, str]]) -> None:
    text = 'context.n > 1 && context.s like "a*" || context.n * 4 < 0 // a comment at the end'
    context = {"n": np.array([n for n, _ in rows]), "s": _objects([s for _, s in rows])}
    asked = Requests(len(rows), UIDS[0], ACTIONS[0], UIDS[0], context)
    as_policy = evaluate(policy_set(f"permit (principal, action, resource) when {{ {text}\n}};"), asked)
    assert condition(text).holds(asked).tolist() == as_policy.matched[0].tolist()
    assert condition(text).errors(asked).tolist() == as_policy.errored[0].tolist()


def test_a_condition_tells_the_context_paths_it_reads() -> None:
    found = condition('context has user.tier && context.user.tier == "gold" || context.n + context.m > 1')
    assert found.paths == (("m",), ("n",), ("user", "tier"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("principal == User::\"a\"", "not `principal`"),
        ("context.a && action == Action::\"x\"", "not `action`"),
        ("context.n >", "unexpected token"),
        ("true } unless { false", "one condition"),
        ("true }; permit (principal, action, resource) when { true", "one condition"),
        ("(" * 200 + "true" + ")" * 200, "nested"),
        ("", "empty"),
        ("true //\n}; forbid (principal, action, resource) when { true //", "one condition"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_condition_over_the_context_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        condition(text)


# Columns that Cedar cannot read


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"n": np.array([1.5, 2.5])}, "no such values"),
        ({"n": np.array([1, 2, 3])}, r"shape \(3,\)"),
        ({"n": 2**63}, "64-bit"),
        ({"n": np.array([2**63, 1], dtype=np.uint64)}, "64 bits"),
        ({"n": None}, "no value for NoneType"),
        ({"r": 1, "r.n": 2}, "both a value and attributes at `r`"),
    ],
)
def test_a_column_that_is_no_cedar_value_is_refused(context: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(
            policy_set("permit (principal, action, resource);"), Requests(2, UIDS[0], ACTIONS[0], UIDS[0], context)
        )


def test_a_uid_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an entity uid"):
        evaluate(policy_set("permit (principal, action, resource);"), Requests(1, "User", ACTIONS[0], UIDS[0], {}))


def test_no_requests_have_no_matches() -> None:
    empty = Requests(0, UIDS[0], ACTIONS[0], UIDS[0], {"n": np.array([], dtype=np.int64)})
    assert evaluate(policy_set("permit (principal, action, resource);"), empty).matched.shape == (1, 0)
