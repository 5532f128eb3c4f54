"""Tokens of calls: what they take and cost worked by hand, their laws, limits against a bucket kept in fractions."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.diagnostics import InputError
from models.load import load
from reports.outcomes import assess
from reports.sections import sections
from sim.compile import compile_plan
from sim.endpoints import Endpoints
from sim.engine import Replication
from sim.rules import compile_rules
from sim.simulate import simulate
from sim.token_use import TokenLimit

LEVEL = 1e-3
TEXT = """\
windtunnel: 1
name: tokens
start: 2026-01-05T00:00:00Z
horizon: {horizon}
replications: 3
endpoints: {{api: {{latency: {latency}, {endpoint}}}}}
agents: {{pool: {{replicas: 100, capabilities: {{ask: {{endpoint: api, {capability}}}}}}}}}
workflows: {{flow: {{start: s, steps: {{s: {{kind: task, agent: pool, capability: ask{step}}}}}}}}}
work: {{a: {{workflow: flow, arrivals: {{kind: renewal, rate: {rate}, cv: 0}}}}}}
"""
TOKENS = "tokens: {input: 100, output: 50}"


def write(folder: Path, **keys: str) -> None:
    given = {"horizon": "100s", "latency": "800ms", "endpoint": "price: 0 USD", "capability": TOKENS, "step": ""}
    (folder / "scenario.yaml").write_text(TEXT.format(**{**given, "rate": "1/s", **keys}))


def run(folder: Path, **keys: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    write(folder, **keys)
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 9, 0)
    replication.run()
    tables = replication.tables("", 0)
    cases = tables.cases.to_pandas()
    return cases[cases["outcome"] != "in-flight"], tables.events.to_pandas()


def test_tokens_take_their_time_and_cost_their_price(tmp_path: Path) -> None:
    """Two calls of 100 tokens in and 50 out: each .8 s + 100 x .1 ms + 50 x 12 ms = 1.41 s, and .01 USD + (100 x 3 + 50
    x 15) / 10^6 USD = .01105 USD."""
    endpoint = "price: 0.01 USD, per-token: {input: 100us, output: 12ms}, "
    endpoint += "price-per-million: {input: 3 USD, output: 15 USD}"
    cases, _ = run(tmp_path, endpoint=endpoint, capability=f"calls: 2, {TOKENS}")
    assert set(cases["ended"] - cases["arrived"]) == {2 * 1_410_000}
    assert set(cases["cost"]) == {2 * 11_050}
    assert (set(cases["tokens_in"]), set(cases["tokens_out"])) == ({200}, {100})


def test_each_call_of_each_attempt_counts(tmp_path: Path) -> None:
    endpoint = "price-per-million: {input: 1 USD, output: 1000000 USD}"
    step = ", retry: {attempts: 5, backoff: 0s}"
    capability = "calls: 3, success: 0.5, tokens: {input: 'uniform(low=0, high=9)', output: 2}"
    cases, _ = run(tmp_path, endpoint=endpoint, capability=capability, step=step)
    assert cases["attempts"].nunique() > 2
    assert (cases["tokens_out"] == cases["attempts"] * 3 * 2).all()
    assert (cases["cost"] == cases["tokens_out"] * 1_000_000 + cases["tokens_in"]).all()
    assert cases["tokens_in"].nunique() > 10


def test_tokens_follow_their_laws_and_are_independent(tmp_path: Path) -> None:
    """The lognormal fits of the Azure code trace: medians 1 469 and 13 tokens."""
    laws = "tokens: {input: 'lognormal(median=1469, sigma=1.3603)', output: 'lognormal(median=13, sigma=0.8473)'}"
    cases, _ = run(tmp_path, capability=laws, horizon="5000s")
    rng = np.random.default_rng(1)
    for column, median, sigma in (("tokens_in", 1469, 1.3603), ("tokens_out", 13, 0.8473)):
        spread = cases[column] + rng.uniform(-0.5, 0.5, len(cases))  # rounded to whole ones
        assert stats.kstest(spread, stats.lognorm(sigma, scale=median).cdf).pvalue > LEVEL
    assert stats.spearmanr(cases["tokens_in"], cases["tokens_out"]).pvalue > LEVEL


# --- limits -----------------------------------------------------------------------------------------------------------

CALLS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 60)), min_size=1, max_size=80)


@given(CALLS, st.integers(1, 50), st.sampled_from([1, 10, 100]))
def test_the_limit_is_a_bucket_that_is_filled_at_the_rate(calls: list[tuple[int, int]], burst: int, gap: int) -> None:
    limit = TokenLimit(float(gap), burst)
    level, now = Fraction(burst), 0
    accepted: list[tuple[int, int]] = []
    for wait, tokens in calls:
        now += wait
        level = min(Fraction(burst), level + Fraction(wait, gap))
        fits = tokens <= level
        assert limit.accepts(tokens, now) == fits
        if fits:
            level -= tokens
            accepted.append((now, tokens))
    for first, (start, _) in enumerate(accepted):
        taken = 0
        for end, tokens in accepted[first:]:
            taken += tokens
            assert taken <= Fraction(end - start, gap) + burst


def test_an_endpoint_takes_no_more_tokens_than_its_rate(tmp_path: Path) -> None:
    """600 tokens a minute, 300 at a time; calls of 150 every second: two at once, then one each 15 s. The bucket is
    full at 1 s: 1 and 2 s pass (it holds 300 - 150 + 10 - 150 = 10 then), the next when it holds 150, at 16 s."""
    endpoint = "token-rate: 600/min, token-burst: 300"
    cases, events = run(tmp_path, endpoint=endpoint)
    passed = (cases.loc[cases["outcome"] == "completed", "arrived"] / 1e6).tolist()
    assert passed == [1, 2, 16, 31, 46, 61, 76, 91]
    failed = events[events["kind"] == "attempt-failed"]
    assert set(failed["detail"]) == {"api: rate-limited"}
    refused = cases["outcome"] == "failed"
    assert not cases.loc[refused, ["tokens_in", "tokens_out", "cost"]].any().any()


def test_a_minutes_worth_comes_at_a_time_where_nothing_else_is_said(tmp_path: Path) -> None:
    cases, _ = run(tmp_path, endpoint="token-rate: 600/min", rate="1/s", latency="0s")
    passed = (cases.loc[cases["outcome"] == "completed", "arrived"] / 1e6).tolist()
    assert passed[:5] == [1, 2, 3, 4, 16]


def test_a_call_that_the_limit_on_requests_refuses_takes_no_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 10 s two requests are accepted by their own limit (burst 1), each of 150 tokens; the bucket of 300 gains
    17/s, so it is never short, unless calls refused for their number took from it."""
    endpoint = "rate: 6/min, burst: 1, token-rate: 1020/min, token-burst: 300"
    cases, _ = run(tmp_path, endpoint=endpoint, latency="0s")
    bare, _ = run(tmp_path, endpoint="rate: 6/min, burst: 1", latency="0s")
    assert cases["outcome"].tolist() == bare["outcome"].tolist()
    assert 0 < (bare["outcome"] == "completed").sum() < len(bare) / 2
    monkeypatch.setattr(Endpoints, "has_room", lambda *_: True)
    careless, _ = run(tmp_path, endpoint=endpoint, latency="0s")
    assert careless["outcome"].tolist() != bare["outcome"].tolist(), "the test can tell"


def test_the_report_tells_the_tokens_of_a_case(tmp_path: Path) -> None:
    write(tmp_path, capability="calls: 2, success: 1, tokens: {input: 'exponential(mean=1000)', output: 7}")
    outcomes = assess(simulate(load(tmp_path), tmp_path / "run", workers=1))
    (work,) = outcomes.tokens
    assert work.tokens_in.low < 2000 < work.tokens_in.high
    assert work.tokens_out.estimate == pytest.approx(14, rel=0.05)
    assert "tokens" in {section.anchor for section in sections(outcomes)}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"capability": "tokens: {input: -5, output: 1}"}, "fewer than none"),
        ({"capability": "calls: 0, tokens: {input: 5, output: 1}"}, "tokens without a call"),
        ({"capability": "calls: 1", "endpoint": "token-rate: 10/s"}, "tells its tokens"),
        ({"capability": "calls: 1", "endpoint": "per-token: {output: 1ms}"}, "tells its tokens"),
        ({"endpoint": "token-burst: 5"}, "without a `token-rate`"),
        ({"endpoint": "price-per-million: {input: 3 EUR}"}, "is not in USD"),
        ({"capability": f"{TOKENS}, guardrail: {{sensitivity: 1, cost: 1 EUR}}"}, "is not in USD"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, keys: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, **keys)
    assert any(message in diagnostic.message for diagnostic in caught.value.diagnostics)
