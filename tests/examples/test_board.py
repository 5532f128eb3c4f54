"""What the report tells a board: scope, oversight, residual risk, plan, clauses, sources, sign-off."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import windtunnel as wt
from models.diagnostics import InputError
from models.load import LoadedScenario
from models.steps import DeskStep
from reports.board.clauses import clauses
from reports.board.oversight import oversight
from reports.board.page import FIXED, board
from reports.board.plan import plan
from reports.board.residual import residual
from reports.board.scope import scope
from reports.board.sources import CHOSEN, UNSAID, source_of, sources
from reports.json import read_findings
from reports.section import Section
from sim.run import Run
from verify.findings import Findings

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.fixture(scope="module")
def desk() -> LoadedScenario:
    return wt.load(SCENARIOS / "refund-desk", {"horizon": "2d", "faults": []})


@pytest.fixture(scope="module")
def findings(desk: LoadedScenario) -> Findings:
    return wt.verify(desk)


@pytest.fixture(scope="module")
def run(desk: LoadedScenario, findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("board") / "run"
    return wt.simulate(desk, folder, replications=2, workers=1, findings=findings)


def page_of(run: Run, folder: Path) -> str:
    return wt.report(run, read_findings(run), folder / "page.html").read_text(encoding="utf-8")


def cells(section: Section) -> dict[str, tuple[str, ...]]:
    return {row.head: tuple(str(cell) for cell in row.cells) for row in section.rows}


def test_the_scope_names_every_part_of_the_scenario(run: Run) -> None:
    told = " ".join(" ".join(row) for row in cells(scope(run.scenario, wt.assess(run).provenance)).values())
    of = run.scenario
    for name in (*of.agents, *of.desks, *of.chains, *of.workflows, *of.work, *of.endpoints, "policies/refunds.cedar"):
        assert name in told
    assert run.manifest.scenario_digest[:12] in told


def test_everything_that_can_stop_an_agent_is_told() -> None:
    for name in ("refund-desk", "model-upgrade", "incident-desk", "claims-multi-region"):
        scenario = wt.load(SCENARIOS / name).scenario
        heads = " | ".join(row.head for row in oversight(scenario).rows)
        for one in (*scenario.chains, *scenario.monitors):
            assert one in heads
        assert sum(r.roll_back is not None for r in scenario.rollouts.values()) == heads.count("rollout ")


def test_people_whom_cases_have_to_pass_and_guardrails_are_told() -> None:
    """What can stop an agent and is not told would be taken for not being there."""
    for name in ("refund-desk", "incident-desk", "claims-multi-region"):
        scenario = wt.load(SCENARIOS / name).scenario
        told = cells(oversight(scenario))
        for workflow in scenario.workflows.values():
            for step, one in workflow.steps.items():
                if isinstance(one, DeskStep):
                    assert f".{step}" in told[f"people of desk {one.desk}"][0]
        hands_over = [p for p in scenario.agents.values() for c in p.capabilities.values() if c.hand_off]
        assert sum(head.startswith("agent ") for head in told) == len(hands_over)
    steps = "workflows.refund.steps.by-hand"
    guarded = wt.load(
        SCENARIOS / "refund-desk",
        {
            "agents.refund-agent.capabilities.refund.guardrail": {"sensitivity": 0.8},
            f"{steps}.timeout": "4h",
        },
    ).scenario
    told = cells(oversight(guarded))
    assert told["guardrail of refund-agent refund"][0] == "80% of its wrong answers"
    assert told["people of desk care"][-1] == "not done within 4 h, the case expires"


def test_people_on_duty_are_those_of_all_shifts_together() -> None:
    shifts = [
        {"days": "daily", "hours": "08:00-18:00", "staff": 2},
        {"days": "daily", "hours": "12:00-22:00", "staff": 3},
        {"days": "daily", "hours": "20:00-24:00", "staff": 1},
    ]
    scenario = wt.load(SCENARIOS / "refund-desk", {"desks.finance.roster": shifts}).scenario
    [row] = [row for row in oversight(scenario).rows if row.head == "people of chain finance"]
    assert "finance: 5 at most on duty" in row.small


def test_what_happens_when_nobody_answers_is_the_chains_own() -> None:
    denies = wt.load(SCENARIOS / "refund-desk", {"faults": []}).scenario
    allows = wt.load(SCENARIOS / "refund-desk", {"chains.care.on-exhausted": "allow"}).scenario
    assert cells(oversight(denies))["people of chain care"][-1] == "the request is denied"
    assert cells(oversight(allows))["people of chain care"][-1] == "the request is approved"


def test_the_plan_is_that_of_the_rollouts_or_says_that_there_is_none(run: Run) -> None:
    [row] = plan(wt.load(SCENARIOS / "model-upgrade").scenario).rows
    assert "of the cases" not in str(row.cells)
    assert "% for" in str(row.cells[2])
    assert "then all" in str(row.cells[2])
    assert "wrong of" in str(row.cells[3])
    shadow = {"of": "policies", "path": "policies", "mode": "shadow", "at": "1d"}
    [beside] = plan(wt.load(SCENARIOS / "refund-desk", {"rollouts": {"beside": shadow}}).scenario).rows
    assert str(beside.cells[0]) == "nothing: the policies of policies are asked beside those that decide"
    assert str(beside.cells[3]) == "there is nothing to take back"
    assert plan(run.scenario).rows == ()
    assert "models no rollout" in plan(run.scenario).nothing


def test_a_declared_risk_is_as_its_check_found_it(run: Run, findings: Findings) -> None:
    outcomes = wt.assess(run)
    [name] = run.scenario.risks
    states = {"holds": "guarded", "violated": "unguarded", "undecided": "undecided"}
    for verdict, state in states.items():
        turned = tuple(replace(f, verdict=verdict) if f.check == "P205" else f for f in findings.findings)  # type: ignore[arg-type]
        told = cells(residual(run.scenario, replace(findings, findings=turned), outcomes, ()))
        assert told[name][1] == state
    assert cells(residual(run.scenario, None, outcomes, ()))[name][1] == "not verified"


def test_nothing_that_is_open_or_missed_is_left_out(run: Run, findings: Findings) -> None:
    outcomes = wt.assess(run)
    told = cells(residual(run.scenario, findings, outcomes, ("One thing.", "Another.")))
    for one in outcomes.objectives:
        assert (one.name in told) == (one.verdict != "pass")
    assert {row[2] for row in told.values()} >= {"One thing.", "Another."}


# --- clauses ----------------------------------------------------------------------------------------------------------


def test_every_clause_rests_on_a_section_of_the_report(run: Run, findings: Findings, tmp_path: Path) -> None:
    page = page_of(run, tmp_path)
    anchors = set(re.findall(r'<h2 id="([^"]+)"', page)) | {"verdict"}
    named = {anchor for row in clauses()["rows"] for anchor in row["sections"]}
    assert named <= anchors
    assert set(FIXED) <= anchors
    own = {one.anchor for one in board(run.scenario, findings, wt.assess(run), ()).all}
    assert own <= anchors


def test_the_mapping_is_dated_and_says_what_was_not_checked() -> None:
    data = clauses()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", data["date"])
    for one in data["frameworks"].values():
        assert one["version"]
        assert one["source"]
    assert "GOVERN" in data["frameworks"]["nist"]["unchecked"]
    text = str(data)
    assert "SR 11-7" not in text, "rescinded on 17 April 2026"
    assert all(row[name] is not None for row in data["rows"] for name in data["frameworks"])


def test_the_report_supports_and_never_complies(run: Run, tmp_path: Path) -> None:
    page = page_of(run, tmp_path)
    assert "supports" in page
    assert not re.search(r"\b(complies|comply|compliant|conforms|certified)\b", page, flags=re.I)


# --- sources ----------------------------------------------------------------------------------------------------------


def test_the_source_of_a_number_is_that_of_the_longest_path_above_it() -> None:
    given = {"desks": "a", "desks.care": "b", "desks.care.service": "c"}
    assert source_of("desks.care.service", given) == "c"
    assert source_of("desks.care.staff", given) == "b"
    assert source_of("desks.carer.staff", given) == "a"
    assert source_of("work.x", given) is None


def test_every_number_of_a_scenario_is_told_with_its_source_or_without() -> None:
    told = cells(sources(wt.load(SCENARIOS / "refund-desk").scenario))
    assert told["endpoints.model-api.latency"] == (
        "lognormal(median=6.7s, p95=21.5s)", "LLMDrift, GPT-4 (0314), measured on 1,000 rows",
    )  # fmt: skip
    assert told["desks.care.roster.0.staff"] == ("5", UNSAID)
    assert told["horizon"][1] == CHOSEN
    assert told["work.refunds.arrivals.by-hour"][0].startswith("0.75, 0.4, 0.25")
    assert not [path for path in told if path.startswith(("policies", "sources", "name"))]


def unsourced(name: str) -> str:
    """The text of a scenario without its sources."""
    return re.sub(r"(?m)^sources:\n(?:  .*\n)+", "", (SCENARIOS / name / "scenario.yaml").read_text())


def test_a_source_for_what_is_not_there_is_told_with_the_near_path(tmp_path: Path) -> None:
    text = unsourced("retry-storm")
    wrong = text.replace("variants:\n", "sources: {endpoints.model-servr.latency: a}\n\nvariants:\n")
    (tmp_path / "scenario.yaml").write_text(wrong)
    with pytest.raises(InputError, match=r"there is no `endpoints\.model-servr`") as refused:
        wt.load(tmp_path)
    assert "did you mean `endpoints.model-server.latency`?" in str(refused.value)
    (tmp_path / "scenario.yaml").write_text(text.replace("variants:\n", "sources: {horizon: ''}\n\nvariants:\n"))
    with pytest.raises(InputError, match="horizon"):
        wt.load(tmp_path)


def test_a_variant_may_take_out_what_has_a_source() -> None:
    assert wt.load(SCENARIOS / "refund-desk", variant="no-update").scenario.faults == ()


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_verdict_comes_first_and_who_signs_last(run: Run, tmp_path: Path) -> None:
    page = page_of(run, tmp_path)
    anchors = "scope objectives policies people oversight method residual-risk plan clauses sign-off appendix sources"
    order = ['aria-label="Verdict"', *(f'id="{anchor}"' for anchor in anchors.split())]
    places = [page.index(one) for one in order]
    assert places == sorted(places)
    for role in ("Prepared by", "Reviewed by (independent)", "Approved by", "Conditions", "Valid until"):
        assert role in page


def test_a_run_of_counts_alone_tells_a_board_the_same(desk: LoadedScenario, tmp_path: Path) -> None:
    counted = wt.simulate(desk, tmp_path / "run", replications=2, workers=1, volume="summary")
    page = wt.report(counted, None, tmp_path / "page.html").read_text(encoding="utf-8")
    for anchor in ("scope", "oversight", "residual-risk", "plan", "clauses", "sign-off", "sources"):
        assert f'id="{anchor}"' in page


def test_markup_in_a_scenario_is_inert(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>`\u202e[x](javascript:1)"
    text = unsourced("retry-storm")
    given = f'sources: {{horizon: "{hostile}"}}\nrisks: {{}}\n\nvariants:\n'
    (tmp_path / "scenario.yaml").write_text(text.replace("variants:\n", given))
    run = wt.simulate(wt.load(tmp_path, {"replications": 2}), tmp_path / "run", workers=1)
    page = wt.report(run, None, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "alert(1)" in page
    assert "<script" not in page
    assert "\u202e" not in page
