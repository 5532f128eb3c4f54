"""Extension types against Cedar: which texts make values, what the functions return, what errs.

Each function is encoded at unknown arguments, then evaluated, and given to both solvers, at boundary values.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cedar.schema import parse_schema
from models.cedar.types import RequestEnvironment
from verify import cvc5_backend, extensions, z3_backend
from verify import term as t
from verify.encode import Encoder
from verify.eval import evaluate
from verify.findings import Witness
from verify.literals import DAY, Ip, Literal, of_json, parse, to_json, write
from verify.smtlib import bits, ip_of, script
from verify.symbolic import Collection, Result, Scalar
from verify.world import interpretation

MIN, MAX = -(2**63), 2**63 - 1
UIDS = ('U::"u"', 'Action::"go"', 'U::"u"')
SCHEMA = parse_schema(
    str(
        cedarpy.Schema.from_str(
            "entity U; action go appliesTo { principal: U, resource: U, context: { "
            "decimal: decimal, decimal2: decimal, datetime: datetime, datetime2: datetime, duration: duration, "
            "duration2: duration, ip: ipaddr, ip2: ipaddr, s: String } };"
        )
    )
)
ENCODER = Encoder(SCHEMA, RequestEnvironment("U", 'Action::"go"', "U"), concrete=True)

TEXTS = {
    "decimal": "1.0 -0.5 0.0 922337203685477.5807 -922337203685477.5808 922337203685477.5808 -922337203685477.5809 "
    "00001.1000 1.00000 1. .1 +1.0 1 - --1.0 1.0\n 12345678901234567890123.4 \u0663.0 0000000000000000000000001.5",
    "duration": "1d 1h 1d2h3m4s5ms -1d  - 1 1ms1s 0ms -0d 9223372036854775807ms 9223372036854775808ms 1d1d 1m1ms "
    "-9223372036854775808ms -9223372036854775809ms 106751991167d 106751991168d -106751991167d7h12m55s808ms "
    "-106751991167d7h12m55s809ms 99999999999999999999999999d 18446744073709551616ms 000000000000000000000000001ms",
    "datetime": "1970-01-01 2024-02-29 2023-02-29 0000-01-01 0000-02-29 0001-01-01 9999-12-31 10000-01-01 1970-13-01 "
    "1970-01-00 1970-01-01T 1970-01-01T00:00:00 1970-01-01T00:00:00Z 1970-01-01T24:00:00Z 1970-01-01T23:59:60Z "
    "1970-01-01T00:00:00.000Z 1970-01-01T00:00:00.0Z 1970-01-01T00:00:00.001+0000 1970-01-01T00:00:00-2359 "
    "1970-01-01T00:00:00+2400 1970-01-01T00:00:00+0060 0000-01-01T00:00:00+2359 9999-12-31T23:59:59.999-2359 "
    "1900-02-29 1970-1-1 -1970-01-01 1970-01-01T00:00:00z 1970-01-01t00:00:00Z",
    "ip": "1.2.3.4 1.2.3.4/32 1.2.3.4/33 1.2.3.4/0 1.2.3.4/00 1.2.3.4/ 1.2.3 01.2.3.4 256.1.1.1 1.2.3.4.5 :: ::1 "
    "::1/128 ::1/129 1::/0 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1::2::3 "
    "1:2:3:4::5:6:7:8 :1 ::: 12345:: g:: ::1.2.3.4 ::1%e FF00:: ff00::/8 ::/08 ::/+8 /8 1.2.3.4/8/8 1.2.3.4/8\n "
    "0000:0000:0000:0000:0000:0000:0000:0000/128 1:0:0:2:0:0:0:3",
}
"""At and beyond the edges of Cedar's grammar and of 64 bits."""


def spread(*marks: int) -> list[int]:
    """Numbers around marks, within 64 bits."""
    near = {mark + step for mark in (*marks, *(-mark for mark in marks)) for step in (-1, 0, 1)}
    return sorted(number for number in {*near, MIN, MIN + 1, MAX - 1, MAX} if MIN <= number <= MAX)


BOUNDARY: dict[str, Sequence[Literal]] = {
    "decimal": spread(0, 10_000, 5),
    "datetime": spread(0, DAY, MAX // DAY * DAY, 62_167_219_200_000, 253_402_300_800_000),
    "duration": spread(0, 1_000, 60_000, 3_600_000, DAY, MAX // DAY * DAY, MAX // 1_000 * 1_000),
    "ip": [
        Ip(v6, address, prefix)
        for v6, width, firsts in (
            (False, 32, (0, 127 << 24, 126 << 24, 128 << 24, 224 << 24, 239 << 24, 240 << 24, 2**32 - 1)),
            (True, 128, (0, 1, 2, 127 << 24, 0xFF << 120, 0xFE << 120, 2**128 - 1)),
        )
        for address in firsts
        for prefix in (0, 3, 4, 7, 8, 9, width - 1, width)
    ],
}

METHODS = {
    "decimal": ("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"),
    "ip": ("isIpv4()", "isIpv6()", "isLoopback()", "isMulticast()", "isInRange"),
    "datetime": ("toDate()", "toTime()", "durationSince", "offset"),
    "duration": ("toMilliseconds()", "toSeconds()", "toMinutes()", "toHours()", "toDays()"),
}
OPERATORS = {"decimal": ("==",), "ip": ("==",), "datetime": ("==", "<", "<="), "duration": ("==", ">", ">=")}


class Function(NamedTuple):
    """An expression over values of the context."""

    text: str
    first: str
    second: str = ""


def functions() -> list[Function]:
    found = []
    for type, names in METHODS.items():
        for name in names:
            other = "" if name.endswith("()") else "duration" if name == "offset" else type
            key = other + "2" * (other == type)
            call = name if not other else f"{name}(context.{key})"
            found.append(Function(f"context.{type}.{call}", type, other))
        found += [Function(f"context.{type} {op} context.{type}2", type, type) for op in OPERATORS[type]]
    return found


@cache
def encoded(text: str) -> Result:
    policy = cedarpy.policies_to_pst(f"permit(principal, action, resource) when {{ {text} }};").static_policies[
        "policy0"
    ]
    (clause,) = policy.clauses
    return ENCODER.expression(clause.expr)


def term(result: Result) -> t.Term:
    assert isinstance(result.value, Scalar | Collection)
    return result.value.term


def context_of(function: Function, first: Literal, second: Literal | None) -> dict[str, Any]:
    context = {function.first: to_json(function.first, first)}
    if second is not None:
        key = function.second + "2" * (function.second == function.first)
        context[key] = to_json(function.second, second)
    return context


def cedar(condition: str, context: dict[str, Any]) -> tuple[bool, bool]:
    """Whether cedarpy says that a condition holds, and whether it evaluates."""
    policy = f"permit(principal, action, resource) when {{ {condition} }};"
    asked = {"principal": UIDS[0], "action": UIDS[1], "resource": UIDS[2], "context": context}
    answer = cedarpy.is_authorized(asked, policy, [])
    return answer.decision is cedarpy.Decision.Allow, not answer.diagnostics.errors


def quoted(text: str) -> str:
    return '"' + "".join(f"\\u{{{ord(character):x}}}" for character in text) + '"'


# --- texts ------------------------------------------------------------------------------------------------------------


def makes(function: str, text: str) -> Literal | None:
    try:
        return parse(function, text)
    except ValueError:
        return None


def _check_text(function: str, text: str) -> bool:
    """Compares with Cedar whether a text makes a value, and which."""
    value = makes(function, text)
    written = f"{function}({quoted(text)})"
    if value is None:
        assert cedar(f"{written} == {written}", {}) == (False, False), text
        return False
    assert of_json(to_json(function, value)) == value
    assert cedar(f"{written} == context.x", {"x": to_json(function, value)}) == (True, True), text
    literal = encoded(written)
    assert literal.ok is t.TRUE
    assert term(literal).data == value
    return True


@pytest.mark.parametrize("function", TEXTS)
def test_texts_make_values_as_in_cedar(function: str) -> None:
    told = {_check_text(function, text) for text in TEXTS[function].split(" ")}
    assert told == {True, False}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(TEXTS)), st.integers(0, 2**32))
def test_texts_with_a_slip_make_values_as_in_cedar(function: str, seed: int) -> None:
    chance = random.Random(seed)
    texts = TEXTS[function].split(" ")
    text = list(chance.choice(texts))
    for _ in range(chance.choice([1, 1, 2])):
        place = chance.randrange(len(text) + 1)
        text[place : place + chance.randint(0, 1)] = chance.choice(["", chance.choice("".join(texts))])
    _check_text(function, "".join(text))


@settings(max_examples=150, deadline=None)
@given(st.integers(MIN, MAX), st.integers(-70_000_000_000_000, 260_000_000_000_000))
def test_numbers_are_written_as_cedar_reads_them(number: int, moment: int) -> None:
    for function, value in (("decimal", number), ("duration", number), ("datetime", number), ("datetime", moment)):
        assert of_json(to_json(function, value)) == value
    assert parse("duration", write("duration", number)) == number
    since = f'context.datetime.durationSince(datetime("1970-01-01")) == duration("{moment}ms")'
    assert cedar(since, {"datetime": to_json("datetime", moment)}) == (True, True)


@settings(max_examples=150, deadline=None)
@given(st.booleans(), st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_addresses_are_written_as_cedar_reads_them(v6: bool, address: int, prefix: int) -> None:
    ip = Ip(True, address, prefix) if v6 else Ip(False, address >> 96, prefix % 33)
    assert parse("ip", write("ip", ip)) == ip
    assert ip_of(bits(ip)) == ip
    assert cedar(f"ip({quoted(write('ip', ip))}) == context.x", {"x": to_json("ip", ip)}) == (True, True)


# --- functions --------------------------------------------------------------------------------------------------------


def _check_function(function: Function, first: Literal, second: Literal | None) -> bool:
    """Compares with Cedar what a function returns at a point; whether it returns."""
    context = context_of(function, first, second)
    meaning = interpretation(Witness(*UIDS, context, ()))
    result = encoded(function.text)
    if not evaluate(result.ok, meaning):
        assert cedar(f"{function.text} == 0", context) == (False, False), (function, context)
        return False
    value, sort = evaluate(term(result), meaning), term(result).sort
    wanted = to_json(t.CONSTRUCTORS[sort], value) if sort in t.CONSTRUCTORS else value
    assert cedar(f"({function.text}) == context.wanted", context | {"wanted": wanted}) == (True, True), (
        function,
        context,
    )
    return True


def points(function: Function) -> list[tuple[Literal, Literal | None]]:
    seconds: Sequence[Literal | None] = BOUNDARY[function.second] if function.second else [None]
    return [*product(BOUNDARY[function.first], seconds)]


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.text)
def test_functions_return_what_cedar_returns(function: Function) -> None:
    some = points(function)
    returned = {_check_function(function, *point) for point in random.Random(1).sample(some, min(len(some), 150))}
    assert True in returned


@pytest.mark.long
@pytest.mark.parametrize("function", functions(), ids=lambda function: function.text)
def test_functions_return_what_cedar_returns_at_every_boundary(function: Function) -> None:
    returned = _check_everywhere(function)
    errs = any(name in function.text for name in ("toDate", "offset", "durationSince"))
    assert returned == ({True, False} if errs else {True})


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_functions_return_what_cedar_returns_anywhere(data: st.DataObject) -> None:
    function = data.draw(st.sampled_from(functions()))

    def some(type: str) -> Literal:
        near = st.sampled_from(BOUNDARY[type])
        if type != "ip":
            return data.draw(st.one_of(near, st.integers(MIN, MAX)))
        ip = data.draw(near)
        assert isinstance(ip, Ip)
        flip = data.draw(st.integers(0, 127 if ip.v6 else 31))
        return Ip(ip.v6, ip.address ^ 1 << flip, data.draw(st.integers(0, 128 if ip.v6 else 32)))

    _check_function(function, some(function.first), some(function.second) if function.second else None)


def _check_everywhere(function: Function) -> set[bool]:
    return {_check_function(function, *point) for point in points(function)}


@pytest.mark.parametrize(
    ("name", "wrong", "text"),
    [
        ("_truncated", lambda number, unit: t.div(number, unit), "context.duration.toDays()"),
        ("_to_time", lambda moment: Result(t.TRUE, Scalar(t.cast(moment, t.DURATION))), "context.datetime.toTime()"),
        ("_made", lambda number, sort: Result(t.TRUE, Scalar(t.cast(number, sort))), "context.datetime.toDate()"),
    ],
)
def test_a_wrong_function_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, wrong: Any, text: str) -> None:
    function = next(each for each in functions() if each.text == text)
    unary = dict(extensions._UNARY)
    if name == "_to_time":
        unary["to_time"] = (t.DATETIME, wrong)
    monkeypatch.setattr(extensions, "_UNARY", unary)
    monkeypatch.setattr(extensions, name, wrong)
    monkeypatch.setattr(sys.modules[__name__], "encoded", encoded.__wrapped__)
    with pytest.raises(AssertionError):
        _check_everywhere(function)


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.text)
def test_the_solvers_compute_as_the_terms_do(function: Function) -> None:
    """Told the arguments, neither solver finds another result."""
    result, some = encoded(function.text), points(function)
    for first, second in random.Random(2).sample(some, min(len(some), 6)):
        meaning = interpretation(Witness(*UIDS, context_of(function, first, second), ()))
        leaves = {leaf for leaf in t.subterms(result.ok, term(result)) if leaf.op == "leaf"}
        told = [t.eq(leaf, t.const(evaluate(leaf, meaning), leaf.sort)) for leaf in leaves]
        value = t.const(evaluate(term(result), meaning), term(result).sort)
        ok = t.boolean(evaluate(result.ok, meaning))
        for same, wanted in ((True, "sat"), (False, "unsat")):
            claim = t.and_(t.eq(result.ok, ok), t.eq(term(result), value))
            text = script([*told, claim if same else t.not_(claim)], function.text).text
            assert z3_backend.check(text, 10_000_000).status == wanted, text
            assert cvc5_backend.check(text, 2_000_000).status == wanted, text
