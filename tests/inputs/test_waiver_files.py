"""Faults of waivers and baselines are told all at once, each at its place, with what was expected."""

from __future__ import annotations

import json
from datetime import date

import pytest

from models.diagnostics import InputError
from models.waivers import DAYS_MAX, read_waivers
from reports.baseline import baseline_text, read_baseline
from reports.waivers import CHECKS
from statements import HOSTILE

GOOD = """windtunnel: 1
waivers:
  - fingerprint: 6ae11b4d1e0586d6
    check: P201
    scope: policies
    reason: Known.
    approver: R. Okafor
    created: 2026-11-02
    expires: 2027-01-31
"""


def faults(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(InputError) as caught:
        read_waivers(data, "w.yaml", CHECKS)
    return [f"{d.line}:{d.column}: {d.message} ({d.help})" for d in caught.value.diagnostics]


def test_a_good_file_is_read() -> None:
    (one,) = read_waivers(GOOD.encode(), "w.yaml", CHECKS)
    assert (one.fingerprint, one.check, one.scope) == ("6ae11b4d1e0586d6", "P201", "policies")
    assert (one.created, one.expires, one.file, one.line) == (date(2026, 11, 2), date(2027, 1, 31), "w.yaml", 3)
    assert read_waivers(b"windtunnel: 1\nwaivers: []\n", "w.yaml", CHECKS) == ()


def test_every_fault_is_told_at_once() -> None:
    text = """windtunnel: 1
waivers:
  - fingerprint: 6AE1
    chek: P201
    scope: ''
    reason: 7
    approver: R. Okafor
    created: 2026-02-30
    expires: soon
  - fingerprint: 6ae11b4d1e0586d6
    check: P999
    scope: policies
    reason: Known.
    approver: R. Okafor
    created: 2026-11-02
    expires: 2029-01-31
  - just a text
waiver: []
"""
    dates = "expected a day as `2027-01-31`"
    told = faults(text)
    assert [line.partition(" (")[0] for line in told] == [
        "3:18: `6AE1` is no fingerprint",
        "4:5: unknown key `chek`",
        "5:12: `` is not a text",
        "6:13: `7` is not a text",
        "8:14: `2026-02-30` is not a date",
        "9:14: `soon` is not a date",
        "11:12: unknown check `P999`",
        "16:14: expires 821 days after it is created",
        "17:5: `just a text` stands here",
        "18:1: unknown key `waiver`",
    ]
    assert "did you mean `check`?" in told[1]
    assert dates in told[4]
    assert "did you mean `P" in told[6] or "known checks" in told[6]
    assert f"at most {DAYS_MAX} days" in told[7]
    assert "did you mean `waivers`?" in told[9]


@pytest.mark.parametrize("key", ["fingerprint", "check", "scope", "reason", "approver", "created", "expires"])
def test_no_key_may_be_missing(key: str) -> None:
    lines = [line for line in GOOD.splitlines() if not line.lstrip("- ").startswith(f"{key}:")]
    text = "\n".join(lines) if key != "fingerprint" else GOOD.replace("fingerprint: 6ae11b4d1e0586d6\n    ", "")
    assert [line.partition(": ")[2] for line in faults(text)] == [f"missing key `{key}` (a waiver has no defaults)"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty (a file without waivers is `windtunnel: 1` and `waivers: []`)"),
        ("windtunnel: 2\nwaivers: []", "1:13: unknown version `2` (begin the file with `windtunnel: 1`)"),
        ("waivers: []", "missing key `windtunnel`"),
        ("windtunnel: 1", "missing key `waivers`"),
        ("windtunnel: 1\nwaivers: {}", "2:10: a mapping stands here (expected a list)"),
        ("- a", "stands here (expected a mapping"),
        (GOOD.replace("2027-01-31", "2026-11-01"), "9:14: expires before it is created, on 2026-11-02"),
        (GOOD + GOOD.partition("waivers:\n")[2], "10:18: waived already, at line 3"),
        (GOOD.replace("6ae11b4d1e0586d6", "1234567812345678"), "quote it"),
        (GOOD.replace("2027-01-31", "20270131"), "is not a date"),
        (GOOD + "    expires: 2030-01-01\n", "is given twice"),
        (b"\xff", "is not UTF-8"),
        ("a: [", "w"),
        ("x" * 2_000_000, "the file is too large"),
        (GOOD.replace("Known.", "x" * 3_000), "the reason is too long"),
    ],
)
def test_a_fault_says_what_was_expected(text: str | bytes, expected: str) -> None:
    assert any(expected in line for line in faults(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_breaks_the_reader(text: str) -> None:
    value = {"windtunnel": 1, "waivers": [{"fingerprint": text, "check": text, "reason": text, text: text}]}
    assert faults(json.dumps(value))


def test_a_year_is_not_too_long() -> None:
    assert read_waivers(GOOD.replace("2027-01-31", "2027-11-03").encode(), "w.yaml", CHECKS)
    assert faults(GOOD.replace("2027-01-31", "2027-11-04"))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"schema": "windtunnel.baseline/2", "statements": []}',
        b'{"schema": "windtunnel.baseline/1", "statements": [{}]}', b'{"schema": "windtunnel.baseline/1"}',
        b'{"schema": "windtunnel.baseline/1", "statements": [{"fingerprint": "x", "rule": "P101", "name": "", "kind": '
        b'"fail", "message": ""}]}',
        baseline_text([]).replace("[]", "7").encode(),
    ],
)  # fmt: skip
def test_what_is_no_baseline_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"b\.json"):
        read_baseline(data, "b.json")


def test_an_empty_baseline_is_one() -> None:
    assert read_baseline(baseline_text([]).encode(), "b.json") == {}
