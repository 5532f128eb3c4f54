"""What claims-multi-region teaches: where decisions are cached and where data may go decides what a fault costs."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from models.load import load
from models.units import HOUR, MINUTE
from sim.run import Run
from sim.simulate import simulate

SCENARIO = Path(__file__).parents[2] / "scenarios" / "claims-multi-region"
DOWN, UP = 57 * HOUR, 57 * HOUR + 90 * MINUTE
"""When the EU's model is down."""

BY_HAND = """\
        on-failure: by-hand
      by-hand: {kind: desk, desk: by-hand, data: [health], next: pay}
"""
ABROAD = """\
        on-failure: abroad
      abroad: {kind: task, agent: virginia, capability: assess, data: [health], next: pay, on-failure: by-hand}
      by-hand: {kind: desk, desk: by-hand, data: [health], next: pay}
"""


def fly(folder: Path, name: str, text: str) -> Run:
    shutil.copytree(SCENARIO, folder / name)
    (folder / name / "scenario.yaml").write_text(text)
    return simulate(load(folder / name), folder / f"{name}.run", replications=2, workers=1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("claims")
    text = (SCENARIO / "scenario.yaml").read_text()
    caches = text[text.index("decision-points:") : text.index("agents:\n")]
    assert BY_HAND in text
    variants = {
        "as-it-is": text,
        "no-caches": text.replace(caches, ""),
        "abroad": text.replace(BY_HAND, ABROAD),
        "no-key": text.replace("idempotency-key: true", "idempotency-key: false"),
    }
    return {name: fly(folder, name, variant) for name, variant in variants.items()}


def unanswered(run: Run) -> int:
    """Decisions that failed closed because the partition kept the answer away."""
    return int((run.decisions()["reason"] == "unreachable: partition").sum())


def breaches(run: Run) -> Counter[str]:
    events = run.events()
    return Counter(events[events["kind"] == "residency-breach"]["place"])


def by_hand_minutes(run: Run) -> float:
    """Median time of the EU's claims that came while its model was down, without those for an adjuster."""
    cases = run.cases()
    hit = cases[(cases["work"] == "eu") & (cases["arrived"] >= DOWN) & (cases["arrived"] < UP)]
    done = hit[(hit["outcome"] == "completed") & (hit["attr.band"] != "large")]
    return float(((done["ended"] - done["arrived"]) / MINUTE).median())


def test_caches_answer_while_the_centre_is_mute(runs: dict[str, Run]) -> None:
    """All but a few questions that no cache had seen lately; the same cases, the same draws."""
    assert 0 < 3 * unanswered(runs["as-it-is"]) < unanswered(runs["no-caches"])
    assert (runs["as-it-is"].events()["kind"] == "stale-decision").sum() > 50


def test_health_data_stays_at_home_for_the_price_of_waiting_for_people(runs: dict[str, Run]) -> None:
    assert not breaches(runs["as-it-is"])
    abroad = breaches(runs["abroad"])
    assert set(abroad) == {"agent:virginia", "endpoint:model-us"}
    assert abroad["endpoint:model-us"] == 4 * abroad["agent:virginia"]
    assert by_hand_minutes(runs["as-it-is"]) > 10 * by_hand_minutes(runs["abroad"])


def test_the_broker_delivers_twice_what_the_partition_kept_its_word_of(runs: dict[str, Run]) -> None:
    """The sites tell it again; the key makes one booking of both, and without it there are as many second ones."""
    events = runs["as-it-is"].events()
    kinds = events["kind"].value_counts()
    again = events[(events["kind"] == "published") & (events["detail"] == "again")]
    kept = events[(events["kind"] == "back-pressure") & (events["detail"] == "partition")]
    assert len(kept) > 80
    assert set(kept["case"]) <= set(again["case"])
    assert kinds["effect-suppressed"] == len(again)
    assert "effect-repeated" not in kinds
    without = runs["no-key"].events()["kind"].value_counts()
    assert without["effect-repeated"] == len(again)
    assert without["effect"] == kinds["effect"]


def test_every_payment_is_booked(runs: dict[str, Run]) -> None:
    cases, events = runs["as-it-is"].cases(), runs["as-it-is"].events()
    booked = events[events["kind"] == "effect"][["replication", "case"]]
    paid = cases[cases["outcome"] == "completed"][["replication", "case"]]
    # But for those whose booking is under way at the end.
    assert len(set(map(tuple, paid.to_numpy())) - set(map(tuple, booked.to_numpy()))) <= 2
    assert "dead-letter" not in set(events["kind"])


def test_crashes_lose_no_claim(runs: dict[str, Run]) -> None:
    events = runs["as-it-is"].events()
    assert (events["kind"] == "crash").sum() > 20
    assert (events["kind"] == "replayed").sum() > 0
    assert not (runs["as-it-is"].cases()["outcome"] == "failed").any()
    assert not events[(events["kind"] == "attempt-failed") & (events["detail"] == "crash")].size
