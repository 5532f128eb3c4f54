"""Escalation chains against rosters and rules: what each check reports, and that a brute-force walk agrees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from models.load import LoadedScenario, load
from models.rosters import staffing
from models.units import DAY, HOUR, MINUTE
from verify.checks.windows import SPAN, Wait, looked_at, moment_text, unstaffed
from verify.findings import Edit, Finding
from verify.verify import verify

BASE: dict[str, Any] = {
    "windtunnel": 1,
    "name": "chains",
    "start": "2026-03-25T10:00:00Z",
    "horizon": "1d",
    "policies": {"path": "rules.cedar"},
    "agents": {"bot": {"principal": 'Agent::"bot"', "capabilities": {"act": {"service": "1s"}}}},
    "desks": {
        "office": {
            "timezone": "Europe/Stockholm",
            "roster": [{"days": "mon-fri", "hours": "08:00-17:00", "staff": 2}],
            "service": "5m",
        },
        "night": {"roster": [{"days": "daily", "hours": "00:00-24:00", "staff": 1}], "service": "5m"},
    },
    "workflows": {
        "w": {
            "start": "s",
            "steps": {
                "s": {
                    "kind": "task", "agent": "bot", "capability": "act",
                    "action": 'Action::"act"', "resource": 'Thing::"t"',
                }
            },
        }
    },
    "work": {"w": {"workflow": "w", "arrivals": {"kind": "poisson", "rate": "1/h"}}},
}  # fmt: skip
RULES = """
@id("base") permit(principal is Agent, action == Action::"act", resource is Thing);
@id("ask") @escalate("main"){} forbid(principal is Agent, action == Action::"act", resource is Thing)
when {{ context has big && context.big }};
"""


def scenario(tmp_path: Path, chains: Mapping[str, Any], timeout: str = "") -> LoadedScenario:
    (tmp_path / "rules.cedar").write_text(RULES.format(f' @timeout("{timeout}")' if timeout else ""))
    with (tmp_path / "scenario.yaml").open("w") as file:
        YAML().dump({**BASE, "chains": dict(chains)}, file)
    return load(tmp_path)


def found(loaded: LoadedScenario, check: str) -> dict[str, Finding]:
    """Findings of one check by the first element they are about; violated ones go first."""
    findings = verify(loaded.policies, loaded, checks=[check]).findings
    return {f.policies[0].name: f for f in sorted(findings, key=lambda f: f.verdict == "violated")}


def levels(*some: tuple[str, str] | str) -> list[dict[str, str]]:
    return [{"desk": one} if isinstance(one, str) else {"desk": one[0], "timeout": one[1]} for one in some]


def test_unknown_desks_and_chains_with_the_near_name(tmp_path: Path) -> None:
    loaded = scenario(
        tmp_path, {"mian": {"levels": levels("offise"), "then": "mian2"}, "fine": {"levels": levels("night")}}
    )
    findings = [f for f in verify(loaded.policies, loaded, checks=["E501"]).findings if f.verdict == "violated"]
    messages = "\n".join(f.message for f in findings)
    assert "did you mean `office`?" in messages
    assert "did you mean `mian`?" in messages
    assert {f.policies[0].name for f in findings} == {"mian", "ask"}
    assert found(loaded, "E501")["fine"].verdict == "holds"
    asked = next(f for f in findings if f.policies[0].name == "ask")
    assert asked.location.file == "rules.cedar"
    at_level = next(f for f in findings if "offise" in f.message)
    text = (tmp_path / "scenario.yaml").read_text().splitlines()
    assert "offise" in text[at_level.location.line - 1]


def test_who_is_on_duty_at_an_unknown_desk_is_undecided(tmp_path: Path) -> None:
    loaded = scenario(tmp_path, {"main": {"levels": levels("offise")}})
    assert found(loaded, "E503")["main"].verdict == "undecided"


def test_cycles(tmp_path: Path) -> None:
    short = ("office", "10m")
    loaded = scenario(
        tmp_path,
        {
            "main": {"levels": levels(short), "then": "a"},
            "a": {"levels": levels(short), "then": "b"},
            "b": {"levels": levels(short), "then": "a"},
            "own": {"levels": levels(short), "then": "own"},
            "fine": {"levels": levels(short), "then": "last"},
            "last": {"levels": levels("night")},
        },
    )
    verdicts = {name: finding.verdict for name, finding in found(loaded, "E502").items()}
    assert verdicts == dict.fromkeys(("main", "a", "b", "own"), "violated") | {"fine": "holds", "last": "holds"}
    assert "`a` -> `b` -> `a`" in found(loaded, "E502")["a"].message


def test_an_unstaffed_window_is_told_in_local_time_and_utc(tmp_path: Path) -> None:
    loaded = scenario(tmp_path, {"main": {"levels": levels(("office", "30m"))}})
    finding = found(loaded, "E503")["main"]
    assert finding.verdict == "violated"
    # A request that comes at 17:00 on Wednesday waits until 17:30; at 07:30 on Monday someone comes just too late.
    assert "comes at Wed 2026-03-25 17:00 Europe/Stockholm (Wed 16:00 UTC)" in finding.message
    assert moment_text(datetime(2026, 3, 25, tzinfo=UTC), 17 * HOUR, "UTC") == "Wed 2026-03-25 17:00 UTC"
    assert "2d14h" in finding.message
    assert "from Fri 2026-04-03 17:00" in finding.message or "from Fri 2026-03-27 17:00" in finding.message


@pytest.mark.parametrize(
    ("chain", "timeout", "verdict"),
    [
        (levels(("office", "30m"), "night"), "", "holds"),
        (levels(("office", "30m"), "night"), "20m", "violated"),
        (levels(("office", "30m"), "night"), "31m", "holds"),
        (levels("office"), "", "holds"),
        (levels("office"), "4h", "violated"),
        (levels(("office", "5d")), "", "holds"),
    ],
)
def test_a_rule_bounds_the_wait(tmp_path: Path, chain: Any, timeout: str, verdict: str) -> None:
    assert found(scenario(tmp_path, {"main": {"levels": chain}}, timeout), "E503")["main"].verdict == verdict


@pytest.mark.parametrize(
    ("chain", "timeout", "told", "untold"),
    [
        (levels(("office", "30m")), "10h", "within the 30m that the time-out of its level allows", "`ask`"),
        (levels(("office", "30m")), "30m", "within the 30m that the time-out of its level allows", "`ask`"),
        (levels(("office", "30m")), "20m", "within the 20m that `ask` (rules.cedar:3) allows", "level"),
        (levels(("office", "30m"), ("office", "1h")), "10h", "within the 1h30m that the time-outs of its", "`ask`"),
        (levels(("office", "30m"), "office"), "10h", "within the 10h that `ask` (rules.cedar:3) allows", "level"),
        (levels(("office", "30m")), "", "within the 30m that the time-out of its level allows", "`ask`"),
    ],
)
def test_the_bound_that_bites_is_named(tmp_path: Path, chain: Any, timeout: str, told: str, untold: str) -> None:
    message = found(scenario(tmp_path, {"main": {"levels": chain}}, timeout), "E503")["main"].message
    assert told in message
    assert untold not in message


def test_a_timeout_that_ends_as_a_desk_opens_is_told(tmp_path: Path) -> None:
    """Fifteen hours from 17:00 end at 08:00, when the first shift begins: it takes the request, on weekdays."""
    daily = {**BASE["desks"]["office"], "roster": [{"days": "daily", "hours": "08:00-17:00", "staff": 2}]}
    verdicts = {}
    for timeout in ("14h59m", "15h", "15h1m"):
        (tmp_path / "rules.cedar").write_text(RULES.format(""))
        with (tmp_path / "scenario.yaml").open("w") as file:
            chains = {"main": {"levels": levels(("day", timeout))}}
            YAML().dump({**BASE, "start": "2026-01-07T10:00:00Z", "desks": {"day": daily}, "chains": chains}, file)
        finding = found(load(tmp_path), "E503")["main"]
        verdicts[timeout] = finding.verdict, "by a shift that begins as that time ends" in finding.message
        if timeout == "14h59m":  # who comes at 17:01 is still taken
            assert (
                "from Wed 2026-01-07 17:00 Europe/Stockholm (Wed 16:00 UTC) until Wed 2026-01-07 17:01"
                in finding.message
            )
    assert verdicts == {"14h59m": ("violated", False), "15h": ("holds", True), "15h1m": ("holds", False)}


def test_the_chain_behind_is_asked_too(tmp_path: Path) -> None:
    chains = {"main": {"levels": levels(("office", "30m")), "then": "back"}, "back": {"levels": levels("night")}}
    findings = found(scenario(tmp_path, chains), "E503")
    assert {name: finding.verdict for name, finding in findings.items()} == {"main": "holds"}


@pytest.mark.parametrize("wait", [(0, 30 * MINUTE), (2 * HOUR, 5 * HOUR), (20 * HOUR, 3 * DAY)])
def test_windows_agree_with_a_walk_through_the_fortnight(tmp_path: Path, wait: tuple[int, int]) -> None:
    """The fortnight holds the change to summer time. Every ten minutes, and the edges of windows to the microsecond."""
    loaded = scenario(tmp_path, {"main": {"levels": levels("night")}})
    desk, start = loaded.scenario.desks["office"], loaded.scenario.start
    gaps = unstaffed([(desk, Wait(*wait))], start)
    steps = staffing(desk, start, SPAN + wait[1])

    def answered(came: int) -> bool:
        there = (came + wait[0], came + wait[1])
        ends = [begin for begin, _ in steps[1:]] + [SPAN + wait[1]]
        return any(s and b <= there[1] and e > there[0] for (b, s), e in zip(steps, ends, strict=True))

    edges = [edge + shift for gap in gaps for edge in gap for shift in (-1, 0) if 0 <= edge + shift < SPAN]
    for came in [*range(0, SPAN, 10 * MINUTE), *edges]:
        assert answered(came) != any(begin <= came < end for begin, end in gaps), timedelta(microseconds=came)


def with_holidays(tmp_path: Path, timeout: str, *days: str) -> LoadedScenario:
    """Somebody is on duty every day, Stockholm time, but on these days."""
    (tmp_path / "rules.cedar").write_text(RULES.format(""))
    daily = {**BASE["desks"]["office"], "roster": [{"days": "daily", "hours": "08:00-17:00", "staff": 2}]}
    desks = {"day": daily | {"holidays": list(days)}} if days else {"day": daily}
    with (tmp_path / "scenario.yaml").open("w") as file:
        YAML().dump({**BASE, "desks": desks, "chains": {"main": {"levels": levels(("day", timeout))}}}, file)
    return load(tmp_path)


@pytest.mark.parametrize("day", ["2026-04-03", "2026-12-25", "2029-12-25"])
def test_nobody_is_on_duty_on_a_holiday_however_far_ahead(tmp_path: Path, day: str) -> None:
    """Who may wait a day always meets somebody, but on a holiday: not from 17:00 the day before."""
    assert found(with_holidays(tmp_path, "24h"), "E503")["main"].verdict == "holds"
    finding = found(with_holidays(tmp_path, "24h", day), "E503")["main"]
    assert finding.verdict == "violated"
    eve = (datetime.fromisoformat(day) - timedelta(days=1)).strftime("%a %Y-%m-%d")
    of_day = datetime.fromisoformat(day).strftime("%a %Y-%m-%d")
    assert f"a request that comes at {eve} 17:00 Europe/Stockholm" in finding.message
    assert f"is 15h, from {eve} 17:00 Europe/Stockholm" in finding.message
    assert f"until {of_day} 08:00 Europe/Stockholm" in finding.message
    assert found(with_holidays(tmp_path, "39h", day), "E503")["main"].verdict == "holds"


def test_holidays_that_are_over_leave_the_windows_alone(tmp_path: Path) -> None:
    """Who comes at the start, 11:00 local time, and may wait 20 hours, meets nobody if that day is off."""
    assert found(with_holidays(tmp_path, "20h", "2026-03-24"), "E503")["main"].verdict == "holds"
    assert found(with_holidays(tmp_path, "20h", "2026-03-25"), "E503")["main"].verdict == "violated"


def test_a_wait_of_weeks_is_none_too_long_for_many_holidays(tmp_path: Path) -> None:
    """A month without anybody: who may wait four weeks finds nobody on the first days of it."""
    april = [f"2026-04-{day:02}" for day in range(1, 31)]
    assert found(with_holidays(tmp_path, "28d", *april), "E503")["main"].verdict == "violated"
    assert found(with_holidays(tmp_path, "31d", *april), "E503")["main"].verdict == "holds"


def test_windows_agree_with_a_walk_over_holidays(tmp_path: Path) -> None:
    loaded = with_holidays(tmp_path, "24h", "2026-03-29", "2026-04-03", "2026-04-06", "2026-05-01")
    desk, start = loaded.scenario.desks["day"], loaded.scenario.start
    span = looked_at([desk], start)
    assert span == SPAN + (datetime(2026, 5, 1, 22, tzinfo=UTC) - start) // timedelta(microseconds=1)
    steps = staffing(desk, start, span + 20 * HOUR)
    gaps = unstaffed([(desk, Wait(2 * HOUR, 20 * HOUR))], start)
    ends = [begin for begin, _ in steps[1:]] + [span + 20 * HOUR]
    for came in range(0, span, 10 * MINUTE):
        there = (came + 2 * HOUR, came + 20 * HOUR)
        met = any(s and b <= there[1] and e > there[0] for (b, s), e in zip(steps, ends, strict=True))
        assert met != any(begin <= came < end for begin, end in gaps), timedelta(microseconds=came)


@pytest.mark.parametrize(
    ("timeout", "wait", "verdict"),
    [("2h", "1h59m", "holds"), ("2h", "2h", "violated"), ("2h", "3h", "violated"), ("15h", "1h", "holds")],
)
def test_who_asks_alone_is_met_only_once_a_batch_has_waited(
    tmp_path: Path, timeout: str, wait: str, verdict: str
) -> None:
    """Somebody is always there; a time-out that ends with the wait comes first, for it was set before."""
    (tmp_path / "rules.cedar").write_text(RULES.format(""))
    night = {**BASE["desks"]["night"], "batch": {"size": 4, "wait": wait}}
    with (tmp_path / "scenario.yaml").open("w") as file:
        chains = {"main": {"levels": levels(("night", timeout))}}
        YAML().dump({**BASE, "desks": {"night": night}, "chains": chains}, file)
    finding = found(load(tmp_path), "E503")["main"]
    assert finding.verdict == verdict
    assert "on duty once it has gathered to a batch within the" in finding.message


def test_a_batch_that_gathers_until_the_desk_closes_waits_for_the_next_day(tmp_path: Path) -> None:
    """From 16:00 on, with an hour to gather: until 08:00 are 16 hours."""
    (tmp_path / "rules.cedar").write_text(RULES.format(""))
    daily = {**BASE["desks"]["office"], "roster": [{"days": "daily", "hours": "08:00-17:00", "staff": 2}]}
    verdicts = {}
    for timeout in ("15h30m", "16h"):
        with (tmp_path / "scenario.yaml").open("w") as file:
            desks = {"day": daily | {"batch": {"size": 4, "wait": "1h"}}}
            chains = {"main": {"levels": levels(("day", timeout))}}
            YAML().dump({**BASE, "start": "2026-01-07T10:00:00Z", "desks": desks, "chains": chains}, file)
        finding = found(load(tmp_path), "E503")["main"]
        verdicts[timeout] = finding.verdict
        if timeout == "15h30m":
            assert "comes at Wed 2026-01-07 16:00 Europe/Stockholm" in finding.message
            assert "until Wed 2026-01-07 16:30" in finding.message
    assert verdicts == {"15h30m": "violated", "16h": "holds"}


def test_levels_that_are_never_asked(tmp_path: Path) -> None:
    after = found(scenario(tmp_path, {"main": {"levels": levels("office", "night")}}), "E506")["main"]
    assert after.verdict == "violated"
    assert "level 1 has no timeout" in after.message
    late = found(scenario(tmp_path, {"main": {"levels": levels(("office", "1h"), "night")}}, "1h"), "E506")["main"]
    assert late.verdict == "violated"
    assert "reached after 1h" in late.message
    fine = found(scenario(tmp_path, {"main": {"levels": levels(("office", "1h"), "night")}}, "61m"), "E506")["main"]
    assert fine.verdict == "holds"


def test_a_full_queue_lets_the_next_level_be_asked(tmp_path: Path) -> None:
    bounded = {**BASE["desks"], "office": {**BASE["desks"]["office"], "queue": {"capacity": 3}}}
    (tmp_path / "rules.cedar").write_text(RULES.format(""))
    with (tmp_path / "scenario.yaml").open("w") as file:
        YAML().dump({**BASE, "desks": bounded, "chains": {"main": {"levels": levels("office", "night")}}}, file)
    assert found(load(tmp_path), "E506")["main"].verdict == "holds"


def test_automatic_approval(tmp_path: Path) -> None:
    chains = {"main": {"levels": levels(("night", "1h")), "on-exhausted": "allow"}, "b": {"levels": levels("night")}}
    findings = found(scenario(tmp_path, chains), "E507")
    assert (findings["main"].verdict, findings["main"].severity) == ("violated", "warning")
    assert findings["b"].verdict == "holds"


def test_a_scenario_without_policies_has_its_chains_checked(tmp_path: Path) -> None:
    plain = {key: value for key, value in BASE.items() if key != "policies"}
    step = {k: v for k, v in BASE["workflows"]["w"]["steps"]["s"].items() if k not in ("action", "resource")}
    plain["workflows"] = {"w": {"start": "s", "steps": {"s": step}}}
    with (tmp_path / "scenario.yaml").open("w") as file:
        YAML().dump({**plain, "chains": {"main": {"levels": levels("office", "night")}}}, file)
    findings = verify(None, load(tmp_path))
    assert findings.verdict == "fail"
    assert "policies" not in findings.checked


def test_a_chain_behind_that_approves_is_told_of_the_chain_before(tmp_path: Path) -> None:
    last = {"levels": levels(("night", "1h")), "on-exhausted": "allow"}
    chains = {"main": {"levels": levels(("night", "1h")), "then": "last"}, "last": last}
    findings = found(scenario(tmp_path, chains), "E507")
    assert {name: finding.verdict for name, finding in findings.items()} == {"main": "violated", "last": "violated"}
    assert "through `last`" in findings["main"].message


# --- edits ------------------------------------------------------------------------------------------------------------


def applied(folder: Path, edits: Iterable[Edit]) -> LoadedScenario:
    """The scenario with the edits made."""
    for edit in sorted(edits, key=lambda one: (one.file, one.line, one.column), reverse=True):
        lines = (folder / edit.file).read_text().split("\n")
        line, start = lines[edit.line - 1], edit.column - 1
        assert line.startswith(edit.remove, start)
        lines[edit.line - 1] = line[:start] + edit.insert + line[start + len(edit.remove) :]
        (folder / edit.file).write_text("\n".join(lines))
    return load(folder)


@pytest.mark.parametrize(
    ("check", "chains"),
    [
        ("E501", {"main": {"levels": levels("offise")}}),
        ("E501", {"main": {"levels": levels(("night", "1h"), "nihgt")}}),
        ("E501", {"main": {"levels": levels("night"), "then": "lsat"}, "last": {"levels": levels("night")}}),
        ("E501", {"mian": {"levels": levels("night")}}),
        ("E507", {"main": {"levels": levels(("night", "1h")), "on-exhausted": "allow"}}),
        ("E507", {"main": {"levels": levels(("night", "1h")), "then": "last"},
                  "last": {"levels": levels(("night", "1h")), "on-exhausted": "allow"}}),
    ],
)  # fmt: skip
def test_the_finding_is_gone_after_the_suggested_edits(tmp_path: Path, check: str, chains: Mapping[str, Any]) -> None:
    loaded = scenario(tmp_path, chains)
    before = [f for f in verify(loaded.policies, loaded, checks=[check]).findings if f.verdict == "violated"]
    assert before
    edits = {edit for finding in before if finding.suggestion for edit in finding.suggestion.edits}
    assert all(finding.suggestion for finding in before)
    after = applied(tmp_path, edits)
    assert not [f for f in verify(after.policies, after, checks=[check]).findings if f.verdict == "violated"]


def test_what_is_near_no_name_has_no_edit(tmp_path: Path) -> None:
    found_ = found(scenario(tmp_path, {"main": {"levels": levels("warehouse")}}), "E501")
    assert found_["main"].suggestion is None


@pytest.mark.parametrize("written", ["offise", "'offise'", '"offise"', '"of\\x66ise"'])
def test_a_name_is_edited_as_it_is_written(tmp_path: Path, written: str) -> None:
    scenario(tmp_path, {"main": {"levels": levels("offise")}})
    file = tmp_path / "scenario.yaml"
    file.write_text(file.read_text().replace("offise", written))
    suggestion = found(load(tmp_path), "E501")["main"].suggestion
    if "\\" in written:
        assert suggestion is None
    else:
        assert suggestion is not None
        (edit,) = suggestion.edits
        assert (edit.remove, edit.insert) == (written, written.replace("offise", "office"))
