"""A run that is counted as it goes: what its volume `summary` keeps instead of its cases, events and decisions.

Figures are counts and sums of whole numbers, by a name, what they are of, a key and a bucket; times go into the buckets
of `sim.buckets`. `docs/semantics.md` lists them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sim.buckets import buckets
from sim.logs import KIND_NAMES, NONE, PLACE, Kind
from sim.plan import OPEN, OUTCOME_NAMES, Outcome
from sim.tables import FIGURES

if TYPE_CHECKING:
    from sim.blocks import Figures
    from sim.logs import Log
    from sim.plan import Plan
    from sim.plans.summary import CaseSharePlan

Key = tuple[str, str, str, int]
"""(figure, of, key, bucket)."""
WINDOWS: Final = 200
"""Windows of arrival that goodput is counted in, as in reports of whole runs."""
_FAULTS: Final = frozenset(
    int(kind)
    for kind in (
        *(Kind.FAULT, Kind.OUTAGE, Kind.PARTITION, Kind.CRASH, Kind.HANG, Kind.SLOWDOWN, Kind.LOSS),
        *(Kind.CERTIFICATE_EXPIRY, Kind.ABSENCE, Kind.LOAD_SPIKE),
    )
)
_SUMS: Final = ("attempts", "tokens_in", "tokens_out", "cost", "cost_calls", "cost_tokens", "cost_people")
_FLAGS: Final = ("wrong", "hand_offs", "missed_hand_off", "approvals", "late")
"""Columns of cases that are told as the number of cases where they are not zero."""


class Summary:
    """The figures of one replication."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._found: Counter[Key] = Counter()
        self._desks = {f"desk:{name}" for name in plan.names.desks}
        self._waiting: Counter[tuple[str, int]] = Counter()
        """Items that wait at desks, by when they joined."""
        self._served: Counter[tuple[str, int]] = Counter()
        """Items that are worked on at desks, by when that began."""
        self._reviewed: dict[str, tuple[int, int]] = {}
        """Of each desk, whose item it has finished last, and how long that took."""

    def _add(self, figure: str, of: str, key: str, amount: int, bucket: int = -1) -> None:
        if amount:
            self._found[figure, of, key, bucket] += amount

    def _histogram(self, figure: str, of: str, key: str, values: npt.NDArray[np.int64]) -> None:
        numbers, counts = np.unique(buckets(values), return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            self._add(figure, of, key, count, number)

    # --- cases --------------------------------------------------------------------------------------------------------

    def take_cases(self, block: Figures) -> None:
        """Count cases that have ended, or that are open at the horizon. Those before the warm-up are not measured."""
        plan = self._plan
        self._throughput(block)
        measured = block["arrived"] >= plan.warm_up
        cases = {name: column[measured] for name, column in block.items()}
        is_open = np.isin(cases["outcome"], sorted(OPEN))
        time = cases["ended"] - cases["arrived"]
        for number, work in enumerate(plan.names.works):
            of_work = cases["work"] == number
            for outcome in np.unique(cases["outcome"][of_work]).tolist():
                chosen = of_work & (cases["outcome"] == outcome)
                self._count_cases(work, OUTCOME_NAMES[outcome], {n: c[chosen] for n, c in cases.items()})
                if outcome not in OPEN:
                    self._histogram("time", work, OUTCOME_NAMES[outcome], time[chosen])
                else:
                    self._histogram("age", work, OUTCOME_NAMES[outcome], plan.horizon - cases["arrived"][chosen])
            self._goodput(work, {n: c[of_work] for n, c in cases.items()})
        for objective in plan.summary.times:
            of = self._of(objective.work, cases) & ((cases["outcome"] == Outcome.COMPLETED) | is_open)
            judged = of & (plan.horizon - cases["arrived"] >= objective.at_most)
            self._add("objective", objective.name, "concerned", int(of.sum()))
            self._histogram("objective", objective.name, "ended", time[judged & ~is_open])
            self._histogram("objective", objective.name, "open", (plan.horizon - cases["arrived"])[judged & is_open])
        for share in plan.summary.shares:
            self._share(share, cases, is_open, time)

    def _throughput(self, block: Figures) -> None:
        """Cases that end after the warm-up, whenever they arrived."""
        ended = (block["ended"] >= self._plan.warm_up) & ~np.isin(block["outcome"], sorted(OPEN))
        for number, work in enumerate(self._plan.names.works):
            outcomes, counts = np.unique(block["outcome"][ended & (block["work"] == number)], return_counts=True)
            for outcome, count in zip(outcomes.tolist(), counts.tolist(), strict=True):
                self._add("ended", work, OUTCOME_NAMES[outcome], count)

    def _of(self, work: int, cases: Figures) -> npt.NDArray[np.bool_]:
        every: npt.NDArray[np.bool_] = np.ones(len(cases["work"]), bool) if work < 0 else cases["work"] == work
        return every

    def _count_cases(self, work: str, outcome: str, cases: Figures) -> None:
        self._add("cases", work, outcome, len(cases["work"]))
        for name in _SUMS:
            self._add(name, work, outcome, int(cases[name].sum()))
        for name in _FLAGS:
            self._add(name, work, outcome, int(np.count_nonzero(cases[name])))

    def _goodput(self, work: str, cases: Figures) -> None:
        width = self._plan.horizon / WINDOWS
        window = np.minimum((cases["arrived"] / width).astype(np.int64), WINDOWS - 1)
        right = (cases["wrong"] == 0) & (cases["late"] == 0)
        kept = {
            "arrived": np.ones(len(window), bool),
            "well": right & (cases["outcome"] == Outcome.COMPLETED),
            "unknown": right & (cases["outcome"] == Outcome.IN_FLIGHT),
        }
        for key, chosen in kept.items():
            for number, count in enumerate(np.bincount(window[chosen], minlength=WINDOWS).tolist()):
                self._add("goodput", work, key, count, number)

    def _share(
        self, plan: CaseSharePlan, cases: Figures, is_open: npt.NDArray[np.bool_], time: npt.NDArray[np.int64]
    ) -> None:
        """As the objective on whole tables counts: see `reports.objectives`."""
        of = self._of(plan.work, cases)
        hit = of & np.isin(cases["outcome"], sorted(plan.outcomes))
        if plan.wrong >= 0:
            hit &= (cases["wrong"] != 0) == bool(plan.wrong)
        unknown = of & (is_open if plan.bounds_above else cases["outcome"] == Outcome.IN_FLIGHT)
        self._add("objective", plan.name, "concerned", int(of.sum()))
        if plan.within >= 0:
            of &= self._plan.horizon - cases["arrived"] >= plan.within
            hit &= of & ~is_open & (time <= plan.within)
            unknown &= of & plan.bounds_above
        for key, chosen in (("judged", of), ("hit", hit), ("unknown", unknown)):
            self._add("objective", plan.name, key, int(chosen.sum()))

    # --- events -------------------------------------------------------------------------------------------------------

    def take_events(self, rows: npt.NDArray[Any], log: Log) -> None:
        """Count events, and follow who waits and works at desks."""
        if not len(rows):
            return
        order = np.argsort(rows["code"], kind="stable")
        codes, starts, counts = np.unique(rows["code"][order], return_index=True, return_counts=True)
        values = np.where(rows["value"] == NONE, 0, rows["value"])[order]
        sums = np.add.reduceat(values, starts)
        places = log.places.texts()
        for code, count, total in zip(codes.tolist(), counts.tolist(), sums.tolist(), strict=True):
            place, kind = places[code // PLACE], KIND_NAMES[code % PLACE]
            self._add("events", place, kind, count)
            if code % PLACE == Kind.ARRIVED:  # stands for `entered` too
                self._add("events", place, "entered", count)
            elif code % PLACE != Kind.ENDED:  # its value is the number of the outcome
                self._add("values", place, kind, total)
            if code % PLACE in _FAULTS:
                self._windows(place, kind, rows[rows["code"] == code])
        at_desk = np.isin(rows["code"] // PLACE, [n for n, text in enumerate(places) if text in self._desks])
        for time, code, case, value in rows[at_desk].tolist():
            place, kind = places[code // PLACE], code % PLACE
            self._at_desk(place, kind, time, value)
            if kind == Kind.FINISHED:
                self._reviewed[place] = case, value
            elif kind == Kind.ANSWERED and value == 1:
                self._granted(place, case, time)

    def _windows(self, place: str, kind: str, rows: npt.NDArray[Any]) -> None:
        for row in rows:
            if row["value"] != NONE:
                self._add("fault", place, kind, int(row["value"]) + 1, int(row["time"]))  # one more: zero is kept

    def _at_desk(self, place: str, kind: int, time: int, value: int) -> None:
        if kind == Kind.QUEUED:
            self._waiting[place, time] += 1
        elif kind == Kind.STARTED:
            _less(self._waiting, (place, time - value))
            self._wait(place, "started", time - value, value)
            self._served[place, time] += 1
        elif kind == Kind.ABANDONED:
            _less(self._waiting, (place, time - value))
            self._wait(place, "abandoned", time - value, value)
        elif kind == Kind.FINISHED:
            _less(self._served, (place, time - value))
            self._busy(place, time - value, time)

    def _granted(self, place: str, case: int, time: int) -> None:
        """An approval: the review behind it is what the desk has just finished."""
        reviewed, took = self._reviewed.get(place, (-1, 0))
        if case == reviewed and time >= self._plan.warm_up:
            for objective in self._plan.summary.reviews:
                if objective.place == place:
                    self._add("objective", objective.name, "judged", 1)
                    self._add("objective", objective.name, "hit", int(took < objective.under))

    def _wait(self, place: str, end: str, since: int, value: int) -> None:
        if since < self._plan.warm_up:
            return
        bucket = int(buckets(np.array([value]))[0])
        self._add("wait", place, end, 1, bucket)
        for objective in self._plan.summary.waits:
            if objective.place == place:
                self._add("objective", objective.name, "concerned", 1)
                if since <= self._plan.horizon - objective.at_most:
                    self._add("objective", objective.name, "ended" if end == "started" else "open", 1, bucket)

    def _busy(self, place: str, since: int, until: int) -> None:
        self._add("busy", place, "", max(until - max(since, self._plan.warm_up), 0))

    # --- decisions, and the end ---------------------------------------------------------------------------------------

    def take_decisions(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Count decisions by step, action, what policy says, what was done, and why."""
        for (_, _, step, action, decision, enforced, reason, *_), count in Counter(
            (0, 0, *row[2:7]) for row in rows
        ).items():
            self._add("decisions", step, json.dumps([action, decision, enforced, reason], ensure_ascii=False), count)

    def finish(self, after: Mapping[str, int]) -> None:
        """The horizon is there. What was added to columns of cases after their end, in blocks that were gone, is told
        apart: it is not known of which cases."""
        for (place, since), count in self._waiting.items():
            for _ in range(count):
                self._wait(place, "waiting", since, self._plan.horizon - since)
        for (place, since), count in self._served.items():
            for _ in range(count):
                self._busy(place, since, self._plan.horizon)
        for name, amount in after.items():
            self._add("after", "", name, amount)

    def table(self, replication: int) -> pa.Table:
        """The figures, sorted."""
        rows = sorted((*key, amount) for key, amount in self._found.items())
        columns = list(zip(*rows, strict=True)) or [()] * 5
        arrays = [pa.array([replication] * len(rows), pa.int32())]
        arrays += [pa.array(c, field.type) for c, field in zip(columns, list(FIGURES)[1:], strict=True)]
        return pa.Table.from_arrays(arrays, schema=FIGURES)


def _less(counts: Counter[tuple[str, int]], key: tuple[str, int]) -> None:
    """One less of a key, if there is one: who finds a free server never waits."""
    if counts[key] > 1:
        counts[key] -= 1
    else:
        del counts[key]
