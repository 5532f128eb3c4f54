"""Arrival traces: real ones to the microsecond, and files that are none."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import traces
from models.diagnostics import InputError
from models.scenario import Trace
from models.traces import arrivals

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "traces"


def trace(column: str = "t", speed: float = 1.0) -> Trace:
    return Trace(kind="trace", file="x.csv", column=column, speed=speed)


def refused(data: bytes, column: str = "t") -> list[str]:
    with pytest.raises(InputError) as caught:
        arrivals(data, "x.csv", trace(column))
    return [str(fault) for fault in caught.value.diagnostics]


@pytest.mark.parametrize(("name", "rows"), [("code", 8819), ("conv", 19366)])
def test_the_public_azure_traces_are_read_to_the_microsecond(name: str, rows: int) -> None:
    path = DATA / f"AzureLLMInferenceTrace_{name}.csv"
    if not path.exists():
        pytest.skip("the shared data folder is absent")
    times = arrivals(path.read_bytes(), path.name, trace("TIMESTAMP"))
    with path.open() as stream:
        stamps = [row["TIMESTAMP"] for row in csv.DictReader(stream)]
    # Seven decimals in the file; six are kept.
    moments = [datetime.strptime(stamp[:26], "%Y-%m-%d %H:%M:%S.%f") for stamp in stamps]
    assert len(times) == rows
    assert list(times) == [(moment - moments[0]) // timedelta(microseconds=1) for moment in moments]


def test_twice_the_speed_is_half_the_time() -> None:
    assert arrivals(b"t\n0\n10\n20.5\n", "x.csv", trace(speed=2)) == (0, 5_000_000, 10_250_000)


def test_times_count_from_the_first_row() -> None:
    assert arrivals(b"t\n100\n100\n101.5\n", "x.csv", trace()) == (0, 0, 1_500_000)


@pytest.mark.parametrize(
    "rows",
    [
        b"2026-01-05T08:00:00Z\n2026-01-05T09:00:01+01:00\n",
        b"2026-01-05 08:00:00\n2026-01-05 08:00:01.0000000\n",
        b'"2026-01-05T08:00:00.5"\r\n2026-01-05T08:00:01.5\r\n',
        b"  7\n  8\n",
        b"7\n\n8\n\n",
    ],
)
def test_a_second_is_a_second_however_it_is_written(rows: bytes) -> None:
    assert arrivals(b"\xef\xbb\xbft\n" + rows, "x.csv", trace()) == (0, 1_000_000)


@given(st.lists(st.integers(0, 10**12), min_size=1).map(sorted), st.sampled_from(["seconds", "moments"]))
def test_what_is_written_is_what_is_read(times: list[int], form: str) -> None:
    epoch = datetime(2026, 1, 1)
    cells = [
        f"{t // 10**6}.{t % 10**6:06}" if form == "seconds" else str(epoch + timedelta(microseconds=t)) for t in times
    ]
    data = "\n".join(["id,t", *(f"{i},{cell}" for i, cell in enumerate(cells))]).encode()
    assert arrivals(data, "x.csv", trace()) == tuple(t - times[0] for t in times)


def test_a_faulty_row_is_shown_with_its_line_and_a_caret() -> None:
    help = "\n  help: expected seconds, such as `12.5`, as in the first row"
    assert refused(b"id,t\n1,5\n2,4\n3,soon\n4\n") == [
        "x.csv:3:3: `4` is before the row above it\n    3 | 2,4\n          ^\n  help: sort the rows by time",
        "x.csv:4:3: `soon` is not a time\n    4 | 3,soon\n          ^" + help,
        "x.csv:5:1: the row has no time\n    5 | 4\n        ^" + help,
    ]


def test_a_misspelt_column_gets_the_near_one() -> None:
    (fault,) = refused(b"TIMESTAMP,n\n5,1\n", "TIMESTAMPS")
    assert fault.startswith("x.csv:1:1: there is no column `TIMESTAMPS`")
    assert "did you mean `TIMESTAMP`?" in fault


REFUSED = {
    "no rows": (b"t\n", "the trace has no rows"),
    "empty": (b"", "there is no column `t`"),
    "first row": (b"t\nsoon\n", "`soon` is not a time"),
    "two kinds of time": (b"t\n5\n2026-01-05T08:00:00Z\n", "`2026-01-05T08:00:00Z` is not a time"),
    "zone and no zone": (b"t\n2026-01-05T08:00:00Z\n2026-01-05T08:00:00\n", "is not a time"),
    "not UTF-8": (b"t\n\xff\n", "byte 0xff is not UTF-8"),
    "open quote": (b't\n"5\n', "not CSV"),
    "huge field": (b"t\n" + b"9" * 200_000, "not CSV"),
    "negative": (b"t\n-5\n", "`-5` is not a time"),
    "too long": (b"t\n0\n99999999999999\n", "the trace is too long"),
    "far apart": (b"t\n0001-01-01T00:00:00\n9999-01-01T00:00:00\n", "the trace is too long"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_trace_is_refused(name: str) -> None:
    data, message = REFUSED[name]
    assert message in "\n".join(refused(data))


def test_only_so_many_faults_are_told() -> None:
    assert len(refused(b"t\n5\n" + b"x\n" * 1000)) == traces.FAULTS_MAX


def test_rows_beyond_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "ROWS_MAX", 3)
    assert arrivals(b"t\n1\n2\n3\n", "x.csv", trace()) == (0, 1_000_000, 2_000_000)
    assert "too many rows" in refused(b"t\n1\n2\n3\n4\n")[0]


@given(st.binary(max_size=100), st.sampled_from([b"", b"t\n", b"t,u\n5,1\n"]))
def test_any_bytes_are_a_trace_or_a_fault(data: bytes, head: bytes) -> None:
    try:
        times = arrivals(head + data, "x.csv", trace())
    except InputError:
        return
    assert times[0] == 0
    assert list(times) == sorted(times)
