"""One case's story, told from the tables of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from models.diagnostics import InputError, input_error
from models.scenario import Scenario
from sim.run import Run, not_kept, table_file
from sim.sentences import counted, event_line, span
from sim.tables import KEPT

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


def calendar(scenario: Scenario, micros: int, zone: tzinfo | None = None) -> datetime:
    """A time of a run on the calendar, in the zone of the scenario's start unless another is given."""
    return (scenario.start.astimezone(UTC) + timedelta(microseconds=micros)).astimezone(zone or scenario.start.tzinfo)


def replay(run: Run, case: int, replication: int = 0) -> list[str]:
    """The story of a case, one line for each thing that happened, in order of the log.

    A line has the time since the start of the run, the date and time in the zone of the scenario's start, and at a desk
    what its own clock says. Raises InputError where the run has no such case, or keeps no events.
    """
    if "events" not in KEPT[run.manifest.volume]:
        raise not_kept(run.folder, "events", run.manifest.volume)
    cases = _rows(run, "cases", case, replication)
    if len(cases) != 1:
        raise _no_such_case(run, case, replication)
    lines = _headline(_record(cases.iloc[0].to_dict()))
    lines.append(f"  times are since the start of the run, then {run.scenario.start.tzname()} on the calendar")
    events, decisions = (_in_order(_rows(run, table, case, replication)) for table in ("events", "decisions"))
    lines += [_told(row, run.scenario) for row in _merged(events, decisions)]
    return lines


def _in_order(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [_record(row) for row in rows.sort_values("sequence").to_dict("records")]


def _told(row: dict[str, Any], scenario: Scenario) -> str:
    time = int(row["time"])
    line = _decision_line(row) if "decision" in row else event_line(row)
    return f"{moment(time)}  {calendar(scenario, time):%Y-%m-%d %H:%M:%S}  {line}{_at_desk(row, scenario)}"


def _at_desk(row: dict[str, Any], scenario: Scenario) -> str:
    """What the clock at the desk says, where the row is about one. The run's tables are not trusted to name one."""
    kind, _, name = row.get("place", "").partition(":")
    if kind != "desk" or name not in scenario.desks:
        return ""
    zone = scenario.desks[name].timezone
    return f" ({calendar(scenario, int(row['time']), ZoneInfo(zone)):%a %H:%M} {zone})"


def _record(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _merged(events: list[dict[str, Any]], decisions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Events and decisions in order of happening. The tables number them apart, so at one instant a decision is put
    behind what led to it: its step was entered, a lock was taken, its approvals were answered."""
    told = 0
    for decision in decisions:
        at = next((n for n in range(told, len(events)) if events[n]["time"] >= decision["time"]), len(events))
        here = next((n for n in range(at, len(events)) if events[n]["time"] > decision["time"]), len(events))
        asked = _cause(events[at:here], decision) + at
        yield from events[told:asked]
        told = asked
        yield decision
    yield from events[told:]


def _cause(events: list[dict[str, Any]], decision: dict[str, Any]) -> int:
    """How many of the events at a decision's instant come before it."""
    if decision["approvals"]:
        approvals = set(decision["approvals"].split(","))
        answers = (n for n, event in enumerate(events, 1) if _answers(event) in approvals)
        return max(answers, default=0)
    place = f"step:{decision['step']}"
    entered = (n for n, e in enumerate(events, 1) if e["kind"] == "entered" and e["place"] == place)
    cause = next(entered, 0)
    while cause < len(events) and events[cause]["kind"] in ("blocked", "locked"):
        cause += 1
    return cause


def _answers(event: dict[str, Any]) -> str | None:
    """The chain of an answer, if the event is one."""
    chain: str = event["detail"].partition(": ")[0]
    return chain if event["kind"] in ("answered", "exhausted") else None


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

    table = pq.read_table(
        table_file(run.folder, "cases"), columns=["case"], filters=[("replication", "==", replication)]
    )
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
    count = ", ".join(counted(case[name], name) for name in ("attempts", "hand_offs", "approvals"))
    facts = [count, f"cost {case['cost'] / 1e6:.2f}", *filter(None, remarks)]
    return [head, *([f"  {attributes}"] if attributes else []), f"  {'; '.join(facts)}"]


def _shown(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _decision_line(row: dict[str, Any]) -> str:
    asked, said, done, reason = row["action"], row["decision"], row["enforced"], row["reason"]
    by = f" by {row['policies']}" if "policies" in row else ""
    if said == done:
        approved = f"; approved by {row['approvals']}" if row["approvals"] else ""
        return f"decision on {asked}{by}: {said} ({reason}){approved}"
    if reason == "cached":
        return f"decision on {asked}{by}: {done}, a kept answer of other policies, though policy says {said}"
    fails = f"decision on {asked}: no answer ({reason}), so the decision point fails"
    if done == "allow":
        return f"{fails} open: goes on, though policy says {said}; a violation if the step succeeds"
    return f"{fails} closed: denied, though policy says {said}"
