"""One case's story, told from the tables of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from models.diagnostics import InputError, input_error
from sim.run import Run, table_file

if TYPE_CHECKING:
    import pandas as pd

_SECOND = 1_000_000


def moment(micros: int) -> str:
    """A time as days and the time of day: `3d 10:00:00.250`."""
    seconds, rest = divmod(micros, _SECOND)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"{day}d {hour:02}:{minute:02}:{second:02}.{rest // 1000:03}"


def span(micros: int) -> str:
    """A length of time in its two largest units: `2h 05m`, `3m 20s`, `1.250s`."""
    seconds = micros // _SECOND
    if seconds < 60:
        return f"{micros / _SECOND:.3f}s"
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02}s"
    if seconds < 86_400:
        return f"{seconds // 3600}h {seconds % 3600 // 60:02}m"
    return f"{seconds // 86_400}d {seconds % 86_400 // 3600:02}h"


def replay(run: Run, case: int, replication: int = 0) -> list[str]:
    """The story of a case, one line for each thing that happened, in order.

    Raises InputError where the run has no such case.
    """
    cases = _rows(run, "cases", case, replication)
    if len(cases) != 1:
        raise _no_such_case(run, case, replication)
    lines = _headline(cases.iloc[0].to_dict())
    told = [
        *_told(_rows(run, "events", case, replication), _event_line),
        *_told(_rows(run, "decisions", case, replication), _decision_line),
    ]
    # A decision is told before the events of its instant that it led to.
    order = sorted(range(len(told)), key=lambda n: (told[n][0], told[n][1], n))
    return lines + [f"{moment(told[n][0])}  {told[n][2]}" for n in order]


def _rows(run: Run, table: str, case: int, replication: int) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = table_file(run.folder, table)
    wanted = [("replication", "==", replication), ("case", "==", case)]
    try:
        rows: pd.DataFrame = pq.read_table(file, filters=wanted).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise input_error(f"is damaged: {str(error).splitlines()[0]}", str(file)) from None
    return rows


def _no_such_case(run: Run, case: int, replication: int) -> InputError:
    if replication >= run.manifest.replications:
        message = f"has no replication {replication}: they are 0 to {run.manifest.replications - 1}"
    else:
        cases = _count(run, replication)
        message = f"replication {replication} has no case {case}: they are 0 to {cases - 1}"
    return input_error(message, str(run.folder))


def _count(run: Run, replication: int) -> int:
    import pyarrow.parquet as pq

    table = pq.read_table(table_file(run.folder, "cases"), columns=["case"], filters=[("replication", "==", replication)])
    return int(table.num_rows)


def _headline(case: dict[str, Any]) -> list[str]:
    ended = case["ended"]
    lasted = "" if ended != ended else f" after {span(int(ended) - case['arrived'])}"
    attributes = ", ".join(f"{n[5:]} {_shown(v)}" for n, v in case.items() if n.startswith("attr.") and v == v)
    remarks = [
        "a wrong effect stands" if case["wrong"] else "",
        "should have been handed to a person" if case["missed_hand_off"] else "",
    ]
    head = f"case {case['case']} of {case['work']}, replication {case['replication']}: {case['outcome']}{lasted}"
    count = f"{case['attempts']} attempts, {case['hand_offs']} hand-offs, {case['approvals']} approvals"
    facts = [count, f"cost {case['cost'] / 1e6:.2f}", *filter(None, remarks)]
    return [head, *([f"  {attributes}"] if attributes else []), f"  {'; '.join(facts)}"]


def _shown(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _told(
    rows: pd.DataFrame, line: Callable[[dict[str, Any]], str]
) -> Iterator[tuple[int, int, str]]:
    decision = "decision" in rows.columns
    for row in rows.to_dict("records"):
        yield int(row["time"]), 0 if decision else _standing(row), line({str(k): v for k, v in row.items()})


def _standing(event: dict[Any, Any]) -> int:
    """Whether an event of a decision's instant stands before it: what led there does."""
    return -1 if event["kind"] in ("arrived", "entered", "locked", "answered", "exhausted", "finished", "unlocked") else 1


def _decision_line(row: dict[str, Any]) -> str:
    said = f"decision on {row['action']}: {row['decision']}"
    if row["enforced"] != row["decision"]:
        said += f", enforced {row['enforced']}"
    approved = f"; approved by {row['approvals']}" if row["approvals"] else ""
    return f"{said} ({row['reason']}){approved}"


def _event_line(row: dict[str, Any]) -> str:
    kind, place, detail = row["kind"], row["place"], row["detail"]
    value = None if row["value"] != row["value"] else int(row["value"])
    name = place.partition(":")[2] or place
    match kind:
        case "arrived":
            return "arrives"
        case "entered":
            return f"step {name}" + (f", visit {value}" if value and value > 1 else "")
        case "queued":
            return f"waits for {place}, number {value} in the queue"
        case "started":
            return f"served by {place}" + (f" after {span(value)}" if value else "")
        case "finished":
            return f"leaves {place} after {span(value or 0)}"
        case "abandoned":
            return f"gives up waiting for {place} after {span(value or 0)}"
        case "rejected":
            return f"turned away by {place}: the queue is full"
        case "attempt-failed":
            return f"attempt {value} by {place} fails: {detail}"
        case "attempt-wrong":
            return f"attempt {value} by {place} is wrong, and nobody notices"
        case "handed-off":
            return f"{place} hands the case to a person ({detail})"
        case "asked":
            return f"approval `{detail}` asked of {place or 'a desk that does not exist'}, level {value}"
        case "answered":
            return f"approval {detail} by {place}"
        case "bounced":
            return f"{place} sends the approval `{detail}` down a level, for the {_nth(value)} time"
        case "exhausted":
            return f"approval {detail}: nobody answered"
        case "blocked":
            return f"waits for {place}"
        case "locked":
            return f"takes {place}" + (f" after {span(value)}" if value else "")
        case "unlocked":
            return f"gives back {place}"
        case "deadlock":
            return f"deadlock of {value} cases: {detail}"
        case "resolved":
            return f"the deadlock is over: {detail}"
        case "ended":
            return f"ends: {detail}"
    return " ".join(part for part in (kind, place, detail) if part)


def _nth(value: int | None) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(value or 0, f"{value}th")
