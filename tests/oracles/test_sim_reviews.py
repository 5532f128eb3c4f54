"""Reviews: timelines worked by hand, and shares of M/M/1 desks by their Markov chains and busy periods."""

from __future__ import annotations

from itertools import pairwise
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from models.load import load
from reports.json import plain
from reports.outcomes import assess
from reports.sections import sections
from sim.compile import compile_plan
from sim.engine import Replication
from sim.replay import replay
from sim.rules import compile_rules
from sim.seats import Seats
from sim.simulate import simulate
from sim.stations import Job

LEVEL = 1e-3
MINUTE = 60_000_000
TEXT = """\
windtunnel: 1
name: reviews
start: 2026-01-05T00:00:00Z
horizon: {horizon}
replications: 2
policies: {{path: policies.cedar}}
agents:
  payer:
    principal: 'Agent::"payer"'
    replicas: 1000
    capabilities: {{draft: {{success: {success}, detected: 0}}, pay: {{}}}}
desks:
  clerk:
    roster: [{{days: daily, hours: "00:00-24:00", staff: {staff}}}]
    service: {service}
    review: {{{review}}}
  boss: {{roster: [{{days: daily, hours: "00:00-24:00", staff: 99}}], service: 1m{boss}}}
chains: {{board: {{levels: {levels}}}}}
workflows:
  flow:
    start: draft
    steps:
      draft: {{kind: task, agent: payer, capability: draft, next: pay}}
      pay: {{kind: task, agent: payer, capability: pay, action: 'Action::"pay"', resource: 'Till::"till"'}}
work:
  bills: {{workflow: flow, arrivals: {{{arrivals}}}}}
objectives:
  none-wrong: {{kind: count, of: wrong-approvals, at-most: 0}}
  looked-at: {{kind: review-share, desk: clerk, under: 30s, at-most: 0.5}}
"""
POLICIES = """\
@id("may") permit (principal, action, resource);
@id("ask") @escalate("board") forbid (principal, action, resource);
"""
DEFAULTS = {
    "horizon": "20000m",
    "success": "1",
    "staff": "1",
    "service": "exponential(mean=1m)",
    "boss": "",
    "levels": "[{desk: clerk}]",
    "arrivals": "kind: poisson, rate: 30/h",
}


def prepare(folder: Path, review: str, **keys: str) -> None:
    (folder / "scenario.yaml").write_text(TEXT.format(**(DEFAULTS | keys), review=review))
    (folder / "policies.cedar").write_text(POLICIES)


def events(folder: Path, review: str, number: int = 0, **keys: str) -> pd.DataFrame:
    prepare(folder, review, **keys)
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 5, number)
    replication.run()
    return replication.tables("", 5).events.to_pandas()


def of_kind(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    return rows[rows["kind"] == kind]


def agrees(hits: int, of: int, share: float) -> bool:
    return bool(stats.binomtest(hits, of, share).pvalue > LEVEL)


# --- by hand ----------------------------------------------------------------------------------------------------------

EVERY_10 = {"arrivals": "kind: renewal, rate: 6/h, cv: 0", "horizon": "81m"}


def told(rows: pd.DataFrame) -> list[tuple[float, str]]:
    """Minute and detail of every review."""
    found = of_kind(rows, "reviewed")
    return list(zip(found["time"] / MINUTE, found["detail"], strict=True))


def test_a_seat_tires_and_rests(tmp_path: Path) -> None:
    """One clerk, an item every 10 minutes, which take 10: never a rest. From the third on she is always wrong."""
    tired = "ought: 1, sensitivity: 1, specificity: 1, floor: 0, fatigue: {after: 2, loss: 1, rest: 5m}"
    rows = told(events(tmp_path, tired, service="10m", **EVERY_10))
    assert (
        rows == [(20, "right, seat 1"), (30, "right, seat 1"), *((n, "wrong, seat 1") for n in range(40, 90, 10))][:7]
    )
    rested = told(events(tmp_path, tired, service="5m", **EVERY_10))
    assert [what for _, what in rested] == ["right, seat 1"] * 7, "five minutes without work are a rest"
    nearly = told(events(tmp_path, tired, service="301s", **EVERY_10))
    assert [what for _, what in nearly] == ["right, seat 1"] * 2 + ["wrong, seat 1"] * 5


def test_work_goes_to_the_free_seat_with_the_lowest_number(tmp_path: Path) -> None:
    """Two clerks, 15 minutes a review, an item every 10: they take turns. A third is never needed."""
    rows = told(events(tmp_path, "ought: 1, sensitivity: 1, specificity: 1", service="15m", staff="3", **EVERY_10))
    assert rows == [(25, "right, seat 1"), (35, "right, seat 2"), (45, "right, seat 1"), (55, "right, seat 2"),
                    (65, "right, seat 1"), (75, "right, seat 2")]  # fmt: skip


def four_at_once(folder: Path, review: str) -> pd.DataFrame:
    """Four items come at 1:00 to one clerk."""
    keys = {
        "horizon": "119m",
        "service": "10m",
        "arrivals": "kind: renewal, rate: 1/h, cv: 0}, batch: 4, attributes: {",
    }
    return events(folder, review, **keys)


def test_a_queue_makes_for_errors(tmp_path: Path) -> None:
    """Behind the first there are none yet, for it starts as it comes; behind the others 2, 1 and 0."""
    rows = four_at_once(tmp_path, "ought: 0, sensitivity: 1, specificity: 1, floor: 0, load: {queue: 1, loss: 1}")
    assert told(rows) == [
        (70, "right, seat 1"), (80, "wrong, seat 1"), (90, "right, seat 1"), (100, "right, seat 1"),
    ]  # fmt: skip
    wrong = of_kind(rows, "wrong-approval")
    assert list(zip(wrong["time"] / MINUTE, wrong["place"], wrong["detail"], strict=True)) == [
        (80, "desk:clerk", "board")
    ]
    answered = of_kind(rows, "answered")
    assert list(answered["value"]) == [0, 1, 0, 0]


def test_a_long_queue_is_stamped_away(tmp_path: Path) -> None:
    """At 1:10 two wait behind the second: it is stamped in 30 s. Then one waits behind the third: looked at."""
    stamps = "ought: 0, sensitivity: 1, specificity: 1, rubber-stamp: {queue: 1, slope: 1, takes: 30s}"
    rows = four_at_once(tmp_path, stamps)
    assert told(rows) == [
        (70, "right, seat 1"), (70.5, "stamped, wrong, seat 1"), (80.5, "right, seat 1"), (90.5, "right, seat 1"),
    ]  # fmt: skip
    assert list(of_kind(rows, "reviewed")["value"]) == [10 * MINUTE, MINUTE // 2, 10 * MINUTE, 10 * MINUTE]
    assert list(of_kind(rows, "wrong-approval")["time"]) == [70.5 * MINUTE]


def test_a_stamp_is_never_sent_back(tmp_path: Path) -> None:
    """At the upper level every look sends back, to a boss who has no time. Three wait behind the first, which is looked
    at and sent back; the second is stamped, for two wait behind it and soon the first again."""
    review = "ought: 0, sensitivity: 1, specificity: 1, rubber-stamp: {queue: 0, slope: 1, takes: 30s}"
    keys = {"horizon": "72m", "service": "10m", "levels": "[{desk: boss, timeout: 1s}, {desk: clerk}]"}
    keys["arrivals"] = "kind: renewal, rate: 1/h, cv: 0}, batch: 4, attributes: {"
    rows = events(tmp_path, f"{review}}}\n    bounce-back: 1\n    queue: {{capacity: 99", **keys)
    assert [time / MINUTE for time in of_kind(rows, "bounced")["time"]] == [70 + 1 / 60]
    assert [what for _, what in told(rows)] == ["stamped, wrong, seat 1"] * 3


def test_all_who_are_asked_for_an_approval_are_asked_for_the_same(tmp_path: Path) -> None:
    """Clerks who answer, against bosses who are asked where clerks do not, and send half of it back once or twice."""
    review = "ought: 0.4, sensitivity: 1, specificity: 1"
    below = events(tmp_path, review, staff="99", horizon="2000m")
    levels = "[{desk: clerk, timeout: 1s}, {desk: boss}], bounces: 99"
    boss = f", bounce-back: 0.5, review: {{{review}}}"
    above = events(tmp_path, review, staff="99", horizon="2000m", levels=levels, boss=boss, service="1h")
    assert len(of_kind(above, "bounced")) > 500
    below, above = (of_kind(rows, "answered").set_index("case")["value"] for rows in (below, above))
    both = below.index.intersection(above.index)
    assert len(both) > 500
    assert (below[both] == above[both]).all()


def test_nobody_reviews_on_a_holiday(tmp_path: Path) -> None:
    """The first Tuesday of the year, in Auckland: from Monday 11:00 UTC on for a day."""
    keys = {"arrivals": "kind: renewal, rate: 1/h, cv: 0", "horizon": "2d", "service": "30m"}
    review = "ought: 1, sensitivity: 1, specificity: 1"
    prepare(tmp_path, f"{review}}}\n    timezone: Pacific/Auckland\n    queue: {{capacity: 99", **keys)
    text = (tmp_path / "scenario.yaml").read_text()
    (tmp_path / "scenario.yaml").write_text(text.replace("    queue:", "    holidays: [2026-01-06]\n    queue:"))
    loaded = load(tmp_path)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 5, 0)
    replication.run()
    hours = [minute / 60 for minute, _ in told(replication.tables("", 5).events.to_pandas())]
    assert hours[:10] == [n + 0.5 for n in range(1, 11)]
    assert hours[10] == 35.5, "back to work after a day, with what has waited"
    assert all(later - sooner == 0.5 for sooner, later in pairwise(hours[10:]))


@pytest.mark.parametrize(("wait", "kinds"), [("119m", ["answered"]), ("2h", ["exhausted"]), ("3h", ["exhausted"])])
def test_who_asks_alone_is_answered_only_once_a_batch_has_waited(tmp_path: Path, wait: str, kinds: list[str]) -> None:
    """What verification says (E503): a level's time-out that ends with the wait comes first."""
    keys = {"arrivals": "kind: renewal, rate: 0.1/h, cv: 0", "horizon": "19h", "service": "0s"}
    review = f"ought: 1, sensitivity: 1, specificity: 1}}\n    batch: {{size: 4, wait: {wait}"
    rows = events(tmp_path, review, levels="[{desk: clerk, timeout: 2h}]", **keys)
    assert list(rows.loc[rows["kind"].isin(["answered", "exhausted"]), "kind"]) == kinds


def test_other_work_tires_too(tmp_path: Path) -> None:
    """Each case is a step for the clerk and then a review by her. So the second review is her fourth piece of work."""
    tired = "ought: 1, sensitivity: 1, specificity: 1, floor: 0, fatigue: {after: 3, loss: 1, rest: 1h}"
    prepare(tmp_path, tired, service="1m", **EVERY_10)
    text = (tmp_path / "scenario.yaml").read_text()
    text = text.replace("kind: task, agent: payer, capability: draft, next", "kind: desk, desk: clerk, next")
    (tmp_path / "scenario.yaml").write_text(text)
    loaded = load(tmp_path)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 5, 0)
    replication.run()
    details = [what for _, what in told(replication.tables("", 5).events.to_pandas())]
    assert details[:3] == ["right, seat 1", "wrong, seat 1", "wrong, seat 1"]


# --- by formulas ------------------------------------------------------------------------------------------------------


def test_reviews_have_their_sensitivity_and_specificity(tmp_path: Path) -> None:
    rows = events(tmp_path, "ought: 0.6, sensitivity: 0.9, specificity: 0.8", staff="99")
    reviewed = len(of_kind(rows, "reviewed"))
    wrong = int(of_kind(rows, "reviewed")["detail"].str.startswith("wrong").sum())
    passed = len(of_kind(rows, "wrong-approval"))
    assert reviewed > 9000
    assert agrees(passed, reviewed, 0.4 * 0.2)
    assert agrees(wrong - passed, reviewed, 0.6 * 0.1)
    assert not agrees(passed, reviewed, 0.4 * 0.1), "specificity is not the sensitivity"
    assert agrees(int(of_kind(rows, "answered")["value"].sum()), reviewed, 0.6 * 0.9 + 0.4 * 0.2)


def test_stamps_have_their_most(tmp_path: Path) -> None:
    """Far more comes than one clerk can do, so that there are always more waiting than the slope needs."""
    review = "ought: 1, sensitivity: 1, specificity: 1, rubber-stamp: {queue: 5, slope: 0.5, most: 0.3, takes: 1s}"
    reviewed = of_kind(events(tmp_path, review, arrivals="kind: poisson, rate: 900/h", horizon="1500m"), "reviewed")
    late = reviewed[reviewed["time"] > 60 * MINUTE]
    assert agrees(int(late["detail"].str.startswith("stamped").sum()), len(late), 0.3)
    assert not agrees(int(late["detail"].str.startswith("stamped").sum()), len(late), 0.36)


def test_what_agents_spoilt_ought_not_to_be_granted(tmp_path: Path) -> None:
    perfect = events(tmp_path, "ought: unless-wrong, sensitivity: 1, specificity: 1", success="0.7", staff="99")
    spoilt = set(of_kind(perfect, "attempt-wrong")["case"])
    answers = of_kind(perfect, "answered")
    assert set(answers.loc[answers["value"] == 0, "case"]) == spoilt & set(answers["case"])
    assert len(spoilt) > 1000
    blind = events(tmp_path, "ought: unless-wrong, sensitivity: 1, specificity: 0", success="0.7", staff="99")
    assert set(of_kind(blind, "wrong-approval")["case"]) == spoilt & set(of_kind(blind, "answered")["case"])


def stationary(load: float, most: int) -> tuple[np.ndarray[Any, Any], float]:
    """M/M/1 whose items over `most` behind one that starts are stamped in no time: the law of the queue behind a
    review that is looked at, and the stamps for each of those.

    Arrivals within a review are geometric. With n waiting as it ends, the next starts with min(n - 1, most) behind it,
    after n - 1 - most stamps; with none waiting, with none behind it.
    """
    arrivals = [1 / (1 + load) * (load / (1 + load)) ** n for n in range(400)]
    moves = np.zeros((most + 1, most + 1))
    stamps = np.zeros(most + 1)
    for q in range(most + 1):
        for n, chance in enumerate(arrivals):
            behind = max(q + n - 1, 0)
            moves[q, min(behind, most)] += chance
            stamps[q] += chance * max(behind - most, 0)
    values, vectors = np.linalg.eig(moves.T)
    law = np.real(vectors[:, np.argmax(np.real(values))])
    law /= law.sum()
    return law, float(law @ stamps)


@pytest.mark.parametrize("most", [1, 4])
def test_stamps_and_errors_under_a_queue_are_those_of_the_chain(tmp_path: Path, most: int) -> None:
    """Reviews that are not stamped lose a tenth for each item behind them; they follow each other, so the shares are
    judged over replications."""
    review = (
        f"ought: 0, sensitivity: 1, specificity: 0.9, floor: 0, load: {{loss: 0.1}}, "
        f"rubber-stamp: {{queue: {most}, slope: 1, takes: 0s}}"
    )
    law, stamps = stationary(1.25, most)
    seen = []
    for number in range(20):
        reviewed = of_kind(
            events(tmp_path, review, number, arrivals="kind: poisson, rate: 75/h", horizon="1500m"), "reviewed"
        )
        stamped = reviewed["detail"].str.startswith("stamped")
        right = reviewed.loc[~stamped, "detail"].str.startswith("right")
        seen.append((stamped.mean(), right.mean()))
    stamped_share, accuracy = zip(*seen, strict=True)
    expected = 0.9 - 0.1 * float(law @ np.arange(most + 1))
    assert stats.ttest_1samp(stamped_share, stamps / (1 + stamps)).pvalue > LEVEL
    assert stats.ttest_1samp(accuracy, expected).pvalue > LEVEL
    _, wrong_stamps = stationary(1.125, most)
    assert stats.ttest_1samp(stamped_share, wrong_stamps / (1 + wrong_stamps)).pvalue < LEVEL
    assert stats.ttest_1samp(accuracy, 0.9 - 0.1 * float(law @ np.arange(1, most + 2))).pvalue < LEVEL, (
        "one more behind"
    )


def longer(load: float, k: int) -> float:
    """The chance that a busy period of M/M/1 serves at least k (Borel's law in its M/M/1 form, by Catalan numbers)."""
    less = sum(comb(2 * n - 2, n - 1) / n * load ** (n - 1) / (1 + load) ** (2 * n - 1) for n in range(1, k))
    return 1 - less


def tired_accuracy(load: float, after: int) -> float:
    """The n-th review of a busy period comes as often as busy periods have n: P(N >= n) (1 - load) of all reviews."""
    return sum((1 - load) * longer(load, n) * max(0.95 - 0.05 * max(n - after, 0), 0.5) for n in range(1, 400))


def test_fatigue_is_that_of_busy_periods(tmp_path: Path) -> None:
    """With the least of rests a seat begins anew in each busy period. Load 0.7."""
    review = "ought: 1, sensitivity: 0.95, specificity: 1, fatigue: {after: 2, loss: 0.05, rest: 1us}"
    accuracy = []
    for number in range(20):
        keys = {"arrivals": "kind: poisson, rate: 42/h", "horizon": "1500m"}
        accuracy.append(of_kind(events(tmp_path, review, number, **keys), "answered")["value"].mean())
    assert stats.ttest_1samp(accuracy, tired_accuracy(0.7, 2)).pvalue > LEVEL
    assert stats.ttest_1samp(accuracy, tired_accuracy(0.7, 4)).pvalue < LEVEL
    assert stats.ttest_1samp(accuracy, tired_accuracy(0.5, 2)).pvalue < LEVEL


def test_a_flawless_review_leaves_the_rest_of_the_log_alone(tmp_path: Path) -> None:
    """What is granted without a `review` is granted by reviewers who are always right; nothing else is drawn anew."""
    flawless = events(tmp_path, "ought: 1, sensitivity: 1, specificity: 1", horizon="500m")
    prepare(tmp_path, "", horizon="500m")
    text = (tmp_path / "scenario.yaml").read_text().replace("    review: {}\n", "")
    (tmp_path / "scenario.yaml").write_text(text)
    loaded = load(tmp_path)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 5, 0)
    replication.run()
    plain = replication.tables("", 5).events.to_pandas()
    columns = ["time", "kind", "case", "place", "value", "detail"]
    rest = flawless.loc[flawless["kind"] != "reviewed", columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, plain[columns])


# --- seats against a plain list ---------------------------------------------------------------------------------------


def test_seats_are_those_of_a_plain_list() -> None:
    rng = np.random.default_rng(3)
    seats, now = Seats(rest=7), 0
    busy: dict[Job, int] = {}
    history: dict[int, list[tuple[int, int]]] = {}
    for _ in range(3000):
        now += int(rng.integers(0, 5))
        if busy and rng.random() < 0.5:
            job = list(busy)[int(rng.integers(len(busy)))]
            seat = busy.pop(job)
            history[seat][-1] = (history[seat][-1][0], now)
            seats.give(job, now)
        else:
            job = Job(0, 0)
            seats.take(job, now)
            seat = min(set(range(len(busy) + 1)) - set(busy.values()))
            busy[job] = seat
            history.setdefault(seat, []).append((now, -1))
            begun = 1
            for (_, left), (began, _) in zip(history[seat][-2::-1], history[seat][::-1], strict=False):
                if began - left >= 7:
                    break
                begun += 1
            assert (seats.seat(job), seats.begun(job)) == (seat, begun)


# --- told -------------------------------------------------------------------------------------------------------------


def test_what_was_not_judged_is_no_count_of_none(tmp_path: Path) -> None:
    """Nothing says there what ought to be granted."""
    prepare(tmp_path, "ought: 0.5, sensitivity: 0.9, specificity: 0.8")
    file = tmp_path / "scenario.yaml"
    file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if "    review: " not in line))
    (desk,) = assess(simulate(load(tmp_path), tmp_path / "run", replications=2, workers=1)).reviews
    assert desk.reviews.estimate > 0
    assert not desk.judged
    assert not any(one.known for one in (desk.accuracy, desk.wrong_approvals, desk.wrong_refusals))


def test_the_report_tells_how_right_reviews_are(tmp_path: Path) -> None:
    stamps = "ought: 0.5, sensitivity: 0.9, specificity: 0.8, rubber-stamp: {queue: 2, slope: 0.2, takes: 20s}"
    prepare(tmp_path, stamps, horizon="3000m", arrivals="kind: poisson, rate: 66/h")
    run = simulate(load(tmp_path), tmp_path / "run", workers=1)
    outcomes = assess(run)
    (desk,) = outcomes.reviews
    rows = run.events()
    reviewed = of_kind(rows, "reviewed")
    share = reviewed.groupby("replication")["detail"].agg(lambda d: d.str.startswith("stamped").mean()).mean()
    assert desk.stamped.estimate == pytest.approx(share)
    right = reviewed.groupby("replication")["detail"].agg(lambda d: d.str.contains("right").mean()).mean()
    assert desk.accuracy.estimate == pytest.approx(right)
    passed = of_kind(rows, "wrong-approval").groupby("replication").size().mean()
    assert desk.wrong_approvals.estimate == passed
    refused = reviewed["detail"].str.contains("wrong").sum() / 2 - passed
    assert desk.wrong_refusals.estimate == refused
    granted = of_kind(rows, "answered").query("value == 1")
    brief = reviewed.merge(granted, on=["replication", "case"], suffixes=("", "_a"))
    brief = brief.groupby("replication")["value"].agg(lambda v: (v < 30_000_000).mean())
    assert desk.glances.estimate == pytest.approx(brief.mean())
    by_name = {objective.name: objective for objective in outcomes.objectives}
    assert by_name["none-wrong"].verdict == "fail"
    assert by_name["none-wrong"].interval.estimate == passed
    assert by_name["looked-at"].interval.estimate == pytest.approx(brief.mean())
    (section,) = [section for section in sections(outcomes) if section.anchor == "reviews"]
    assert section.rows[0].head == "clerk"
    assert plain(outcomes)["reviews"][0]["desk"] == "clerk"
    case = int(reviewed[reviewed["detail"].str.startswith("stamped, wrong")]["case"].iloc[0])
    number = int(reviewed[reviewed["detail"].str.startswith("stamped, wrong")]["replication"].iloc[0])
    story = "\n".join(str(line) for line in replay(run, case, number))
    assert "reviewed by desk:clerk in 20.000s: stamped, wrong, seat 1" in story
    assert "desk:clerk grants `board`, which it ought not" in story


def test_the_time_of_an_approval_is_that_of_its_own_review(tmp_path: Path) -> None:
    """Reviews that other answers cut short are no approvals; without a `review` the times are known all the same."""
    prepare(tmp_path, "", horizon="3000m", staff="9")
    text = (tmp_path / "scenario.yaml").read_text().replace("    review: {}\n", "    approves: 0.6\n")
    text = text.replace("  none-wrong: {kind: count, of: wrong-approvals, at-most: 0}\n", "")
    text = text.replace("chains: {", "chains: {other: {levels: [{desk: clerk}]}, ")
    (tmp_path / "scenario.yaml").write_text(text)
    (tmp_path / "policies.cedar").write_text(
        POLICIES + POLICIES.split("\n")[1].replace("board", "other").replace('"ask"', '"too"')
    )
    run = simulate(load(tmp_path), tmp_path / "run", workers=1)
    lasted: list[list[int]] = [[], []]
    last: dict[tuple[int, int], int] = {}
    for row in run.events().to_dict("records"):
        if row["place"] == "desk:clerk" and row["kind"] == "finished":
            last[row["replication"], row["case"]] = int(row["value"])
        if row["kind"] == "answered" and row["value"] == 1:
            lasted[row["replication"]].append(last[row["replication"], row["case"]])
    share = np.mean([np.mean([t < 30_000_000 for t in one]) for one in lasted])
    outcomes = assess(run)
    assert outcomes.objectives[0].interval.estimate == pytest.approx(share)
    # A grant at t counts unless the other chain has refused before: density .6 e^-t (1 - .4 (1 - e^-t)).
    theory = (0.6 * (1 - np.exp(-0.5)) + 0.2 * (1 - np.exp(-1))) / 0.8
    assert outcomes.objectives[0].interval.estimate == pytest.approx(theory, abs=0.03)
    assert not outcomes.reviews[0].judged
    assert "not told" in next(x for x in sections(outcomes) if x.anchor == "reviews").rows[0].cells
    assert [desk.desk for desk in outcomes.reviews] == ["clerk"], "no chain asks the boss"
