"""Scenarios that cannot be used: every fault at its place, with a caret and a help line, all at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from models.diagnostics import Diagnostic, InputError
from models.load import load

GOOD = """\
windtunnel: 1
name: demo
start: 2026-01-05T00:00:00Z
horizon: 2d
warm-up: 1h
policies: {path: rules.cedar, schema: rules.cedarschema}
sites:
  cloud: {}
endpoints:
  model:
    site: cloud
    latency: lognormal(median=2s, p95=5s)
    price: 0.003 USD
agents:
  line-1:
    site: cloud
    principal: Agent::"one"
    capabilities:
      triage:
        endpoint: model
        hand-off: {needed: 0.1, recall: 0.8, false-alarm: 0.1}
desks:
  second-line:
    timezone: Europe/Stockholm
    roster:
      - {days: mon-fri, hours: "08:00-17:00", staff: 3}
    service: 15m
locks:
  customer: {key: customer}
workflows:
  incident:
    start: triage
    steps:
      triage:
        kind: task
        agent: line-1
        capability: triage
        action: Action::"triage"
        resource: Queue::"incidents"
        acquire: [customer]
        next: check
        on-hand-off: people
      check:
        kind: choice
        arms:
          - {when: 'context.priority == "high"', next: people}
        otherwise: done
      people:
        kind: desk
        desk: second-line
        limit: 3
        next: check
      done:
        kind: end
work:
  incidents:
    workflow: incident
    arrivals: {kind: poisson, rate: 10/h}
    attributes:
      priority: choice(low=0.8, high=0.2)
      customer: choice(a=0.5, b=0.5)
      cost: 100
faults:
  - {kind: outage, endpoint: model, at: 6h, lasts: 30m}
monitors:
  quality:
    agent: line-1
    capability: triage
    detector: {kind: page-hinkley}
objectives:
  fast: {kind: case-time, at-most: 4h}
"""
POLICY = 'permit (principal is Agent, action == Action::"triage", resource) when { context.cost < 500 };\n'
SCHEMA = (
    "entity Agent, Queue;\n"
    'action "triage" appliesTo { principal: Agent, resource: Queue, context: { cost: Long, priority?: String } };\n'
)

Faults = Callable[..., list[Diagnostic]]


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    """The faults of a scenario: the good one with some texts replaced, or a whole text; and other files."""

    def told(*changes: tuple[str, str], text: str = GOOD, **files: str | None) -> list[Diagnostic]:
        for old, new in changes:
            assert text.count(old) >= 1, old
            text = text.replace(old, new, 1)
        (tmp_path / "scenario.yaml").write_text(text, encoding="utf-8")
        for name, content in {"rules.cedar": POLICY, "rules.cedarschema": SCHEMA, **files}.items():
            if content is not None:
                (tmp_path / name).write_text(content, encoding="utf-8")
        try:
            load(tmp_path)
        except InputError as error:
            return [
                fault.__class__(fault.message, Path(fault.file).name, *_place(fault)) for fault in error.diagnostics
            ]
        return []

    return told


def _place(fault: Diagnostic) -> tuple[int, int, str, str]:
    return fault.line, fault.column, fault.source, fault.help


def test_the_good_scenario_has_no_fault(faults: Faults) -> None:
    assert faults() == []


def test_an_unknown_key_is_shown_with_a_caret_and_the_known_ones(faults: Faults) -> None:
    (fault,) = faults(("    service: 15m", "    service: 15m\n    zzz: 1"))
    assert str(fault) == (
        "scenario.yaml:28:5: unknown key `zzz`\n"
        "   28 |     zzz: 1\n"
        "            ^\n"
        "  help: known keys here: `site`, `people`, `holidays`, `approves`, `bounce-back`, `review`, `queue`, `batch`, "
        "`cost-per-hour`"
    )


def test_a_part_that_is_empty_says_so(faults: Faults) -> None:
    work = GOOD[GOOD.index("work:\n") :]
    (fault,) = faults((work, "work: {}\n"))
    assert (fault.message, fault.help) == ("`work` is empty", "expected a mapping with at least one name")


def test_an_unknown_key_where_all_are_given_names_them(faults: Faults) -> None:
    (fault,) = faults(("customer: {key: customer}", "customer: {key: customer, count: 2, zzz: 1}"))
    assert fault.help == "all known keys are given already: `count`, `key`"


def test_a_fault_of_shape_hides_no_fault_of_another_part(faults: Faults) -> None:
    found = faults(
        ('    roster:\n      - {days: mon-fri, hours: "08:00-17:00", staff: 3}', "    roster: 3"),
        ("price: 0.003 USD", "price: 0.003 EUR"),
        ("site: cloud\n    principal", "site: clod\n    principal"),
        ("timezone: Europe/Stockholm", "timezone: Europe/Stokholm"),
    )
    assert [fault.message for fault in found] == [
        "`0.003 EUR` is not in USD",
        "unknown site `clod`",
        "`3` is not a list",
    ], "the time zone is of the part that is faulty: it is judged when that part is whole"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("policies: {path: rules.cedar, schema: rules.cedarschema}", "policies: {path: 3}"), "`3` is not a text"),
        (("desks:\n  second-line:", "desks: 3\nlocks2:\n  second-line:"), "`3` is not a mapping"),
        (("horizon: 2d", "horizon: two days"), "`two days` is not a duration"),
        (("  line-1:\n    site: cloud", "  line-1:\n    site: [cloud]"), "a list is not a text"),
    ],
)
def test_what_was_faulty_makes_nothing_else_look_wrong(faults: Faults, change: tuple[str, str], message: str) -> None:
    messages = [fault.message for fault in faults(change)]
    assert messages == ([message] if "locks2" not in change[1] else [message, "unknown key `locks2`"])


def test_a_misspelt_key_gets_the_near_one(faults: Faults) -> None:
    (fault,) = faults(("warm-up: 1h", "warmup: 1h"))
    assert str(fault) == (
        "scenario.yaml:5:1: unknown key `warmup`\n    5 | warmup: 1h\n        ^\n  help: did you mean `warm-up`?"
    )


def test_a_misspelt_mandatory_key_is_one_fault_not_two(faults: Faults) -> None:
    (fault,) = faults(("horizon: 2d", "horizn: 2d"))
    assert (fault.line, fault.column, fault.help) == (4, 1, "did you mean `horizon`?")


def test_a_wrong_unit_is_shown_under_the_value(faults: Faults) -> None:
    (fault,) = faults(("    service: 15m", "    service: 15 minutes"))
    assert str(fault) == (
        "scenario.yaml:27:14: `15 minutes` is not a duration\n"
        "   27 |     service: 15 minutes\n"
        "                     ^\n"
        "  help: expected a number with a unit (us, ms, s, m, h, d, w), such as `15m`, `1h30m` or `40ms`"
    )


def test_a_missing_key_is_shown_at_its_mapping(faults: Faults) -> None:
    (fault,) = faults(("    timezone: Europe/Stockholm\n", ""), ("    service: 15m\n", ""))
    assert str(fault) == (
        "scenario.yaml:23:3: missing key `service` in `second-line`\n"
        "   23 |   second-line:\n"
        "          ^\n"
        "  help: expected a law of durations, such as `lognormal(median=40ms, p95=90ms)`"
    )


def test_an_unknown_agent_gets_the_near_one(faults: Faults) -> None:
    (fault,) = faults(("        agent: line-1", "        agent: line1"))
    assert str(fault) == (
        "scenario.yaml:36:16: unknown agent `line1`\n"
        "   36 |         agent: line1\n"
        "                       ^\n"
        "  help: did you mean `line-1`?"
    )


def test_a_missing_policy_file_is_shown_where_it_is_named(faults: Faults) -> None:
    (fault,) = faults(("path: rules.cedar,", "path: ruls.cedar,"))
    assert str(fault) == (
        "scenario.yaml:6:18: no such file or folder: `ruls.cedar`\n"
        "    6 | policies: {path: ruls.cedar, schema: rules.cedarschema}\n"
        "                         ^\n"
        "  help: did you mean `rules.cedar`?"
    )


def test_a_cycle_without_a_limit_is_named(faults: Faults) -> None:
    (fault,) = faults(("        limit: 3\n", ""))
    assert (fault.line, fault.column) == (43, 7)
    assert fault.message == "steps go round without a `limit`: `check` -> `people` -> `check`"
    assert fault.help == "give one of them a `limit`"


def test_a_roster_that_is_never_staffed_is_a_fault(faults: Faults) -> None:
    (fault,) = faults(("days: mon-fri", "days: sat"))
    assert (fault.line, fault.column) == (25, 5)
    assert fault.message == "desk `second-line` is never staffed"
    assert fault.help == "no shift falls into the 2d from 2026-01-05T00:00:00+00:00"


def test_every_fault_of_a_file_is_told_at_once_in_order(faults: Faults) -> None:
    found = faults(
        ("warm-up: 1h", "warmup: 1h"),
        ("price: 0.003 USD", "price: 3 dollars"),
        ("staff: 3", "staff: 0"),
        ("        desk: second-line", "        desk: second-lin"),
        ("kind: poisson", "kind: poison"),
        ("    workflow: incident", "    workflow: incidents"),
        ("kind: case-time, at-most: 4h", "kind: case-time, at-most: 4h, at-most: 5h"),
    )
    assert [(fault.line, fault.message) for fault in found] == [
        (5, "unknown key `warmup`"),
        (13, "`3 dollars` is not an amount of money"),
        (26, "`0` is out of range"),
        (50, "unknown desk `second-lin`"),
        (57, "unknown workflow `incidents`"),
        (58, "unknown kind `poison`"),
        (71, "key `at-most` is given twice, first at line 71, column 27"),
    ]


def test_wrong_values_and_wrong_names_are_told_together(faults: Faults) -> None:
    found = faults(
        ("warm-up: 1h", "warmup: 1h"),
        ("staff: 3", "staff: 0"),
        ("at: 6h", "at: six"),
        ("        desk: second-line", "        desk: second-lin"),
        ("endpoint: model, at", "endpoint: modl, at"),
    )
    assert [fault.message for fault in found] == [
        "unknown key `warmup`",
        "`0` is out of range",
        "unknown desk `second-lin`",
        "unknown endpoint `modl`",
        "`six` is not a duration",
    ]


def test_what_does_not_fit_the_policies_is_told_with_the_other_faults(faults: Faults) -> None:
    found = faults(
        ("warm-up: 1h", "warmup: 1h"),
        ('Agent::"one"', 'Agnet::"one"'),
        ("staff: 3", "staff: 0"),
        ("context.priority ==", "context.priorty =="),
    )
    assert [(fault.line, fault.message) for fault in found] == [
        (5, "unknown key `warmup`"),
        (17, '`Action::"triage"` applies to no type `Agnet`'),
        (26, "`0` is out of range"),
        (46, "no case has the attribute `priorty`"),
    ]


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("cost: 100", "cost: 1 hundred", "`1 hundred`"),  # the request would lack `cost`
        ('principal: Agent::"one"', "principal: one", "`one`"),
        ("priority: choice(low=0.8, high=0.2)", "priority: choise(low=0.8, high=0.2)", "`choise"),
        ("policies: {path: rules.cedar,", "policies: {path: 5,", "`5`"),
        ('action: Action::"triage"', "action: triage", "`triage`"),
    ],
)
def test_requests_and_conditions_that_rest_on_a_faulty_part_are_not_judged(
    faults: Faults, good: str, bad: str, told: str
) -> None:
    (fault,) = faults((good, bad))
    assert told in fault.message


def test_a_faulty_step_hides_no_other_step(faults: Faults) -> None:
    found = faults(("limit: 3", "limit: none"), ("context.priority ==", "context.priorty =="))
    assert [(fault.line, fault.message) for fault in found] == [
        (46, "no case has the attribute `priorty`"),
        (51, "`none` is not a whole number"),
    ]


def test_what_a_faulty_value_hides_is_not_told_as_unknown(faults: Faults) -> None:
    (fault,) = faults(("  cloud: {}", "  cloud: 5"))
    assert fault.message == "`5` is not a mapping"


def test_cedars_own_message_and_line_come_with_the_other_faults(faults: Faults) -> None:
    found = faults(("warm-up: 1h", "warmup: 1h"), **{"rules.cedar": POLICY + "permit (principal, action;\n"})
    assert [(fault.file, fault.line) for fault in found] == [("scenario.yaml", 5), ("rules.cedar", 2)]


def test_a_policy_that_fails_strict_validation_is_a_fault(faults: Faults) -> None:
    (fault,) = faults(**{"rules.cedar": POLICY.replace("context.cost", "context.cots")})
    assert (fault.file, fault.line) == ("rules.cedar", 1)
    assert "cots" in fault.message


def test_a_newer_format_is_the_only_fault_told(faults: Faults) -> None:
    (fault,) = faults(("windtunnel: 1", "windtunnel: 2"), ("name: demo", "nam: demo"))
    assert (fault.line, fault.column) == (1, 13)
    assert "newer version" in fault.message


@pytest.mark.parametrize("text", ["- a\n", "just text\n", "5\n"])
def test_a_file_that_is_no_mapping_is_no_scenario(faults: Faults, text: str) -> None:
    (fault,) = faults(text=text)
    assert (fault.line, fault.column, fault.message) == (1, 1, "not a scenario")


# One change to the good scenario, and what must be said: a part of the message and a part of the help.
TYPES = {
    "text for a number": (
        ("staff: 3", 'staff: "3"'),
        "`3` is not a whole number",
        "a whole number from 1 to 1,000,000",
    ),
    "number for a text": (("name: demo", "name: 5"), "`5` is not a text", "a name:"),
    "mapping for a list": (("acquire: [customer]", "acquire: {a: 1}"), "a mapping is not a list", "a list of entries"),
    "list for a mapping": (("  cloud: {}", "  cloud: []"), "a list is not a mapping", "a mapping"),
    "nothing": (("horizon: 2d", "horizon:"), "missing value", "a duration, such as `15m`"),
    "out of range": (("needed: 0.1", "needed: 1.1"), "`1.1` is out of range", "a number from 0 to 1"),
    "not a number": (("needed: 0.1", "needed: .nan"), "`NaN` is not a finite number", "a number from 0 to 1"),
    "bad name": (("  cloud: {}", "  9cloud: {}"), "`9cloud` is not a name", "a name: a letter"),
    "bad attribute": (("      cost: 100", "      a..b: 100"), "`a..b` is not a name", "an attribute name"),
    "bad entity": (('Agent::"one"', "one"), "`one` is not allowed here", "a Cedar entity"),
    "unknown kind": (("kind: poisson", "kind: poison"), "unknown kind `poison`", "did you mean `poisson`?"),
    "unlike any kind": (("kind: poisson", "kind: zzz"), "unknown kind `zzz`", "known kinds: `mmpp`"),
    "no kind": (("kind: poisson, ", ""), "missing key `kind`", "known kinds: `mmpp`"),
    "unknown value": (
        ("zone: Europe/Stockholm\n", "zone: Europe/Stockholm\n    queue: {order: fif}\n"),
        "`fif` is not known here",
        "`fifo`",
    ),
    "unknown law": (("lognormal(", "lognorm("), "unknown law `lognorm`", "did you mean `lognormal`?"),
    "no zone": (("00:00:00Z", "00:00:00"), "is not a start", "a time with a zone"),
    "distant start": (("2026-01-05", "0001-01-05"), "is out of range", "a year from 1970"),
    "wrong constant": (
        ("        resource:", "        context: {a: 1.5}\n        resource:"),
        "not allowed",
        "`true` or `false`, a whole number or a text",
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_wrong_value_says_what_was_expected(faults: Faults, name: str) -> None:
    change, message, help = TYPES[name]
    (fault,) = faults(change)
    assert message in fault.message
    assert help in fault.help
    assert fault.source[fault.column - 1 :].strip(), "the caret stands under something"


MEANING = {
    "unknown step": (
        ("next: check\n        on", "next: chek\n        on"),
        "unknown step `chek`",
        "did you mean `check`?",
    ),
    "unknown start": (("start: triage", "start: triag"), "unknown step `triag`", "did you mean `triage`?"),
    "unknown capability": (
        ("        capability: triage", "        capability: triag"),
        "agent `line-1` has no capability `triag`",
        "did you mean `triage`?",
    ),
    "unknown desk": (("desk: second-line", "desk: first-line"), "unknown desk `first-line`", "second-line"),
    "unknown endpoint": (
        ("endpoint: model\n", "endpoint: modle\n"),
        "unknown endpoint `modle`",
        "did you mean `model`?",
    ),
    "unknown site": (("    site: cloud", "    site: clowd"), "unknown site `clowd`", "did you mean `cloud`?"),
    "unknown lock": (
        ("acquire: [customer]", "acquire: [costumer]"),
        "unknown lock `costumer`",
        "did you mean `customer`?",
    ),
    "unknown workflow": (
        ("workflow: incident", "workflow: incidnt"),
        "unknown workflow `incidnt`",
        "did you mean `incident`?",
    ),
    "unknown in a fault": (
        ("endpoint: model, at", "endpoint: modl, at"),
        "unknown endpoint `modl`",
        "did you mean `model`?",
    ),
    "unknown in a monitor": (
        ("  quality:\n    agent: line-1", "  quality:\n    agent: line-2"),
        "unknown agent `line-2`",
        "did you mean `line-1`?",
    ),
    "unknown in an objective": (
        ("kind: case-time, at", "kind: case-time, work: incident, at"),
        "unknown work `incident`",
        "did you mean `incidents`?",
    ),
    "unknown zone": (
        ("Europe/Stockholm", "Europe/Stokholm"),
        "unknown time zone `Europe/Stokholm`",
        "did you mean `Europe/Stockholm`?",
    ),
    "unreachable step": (("        otherwise: done\n", ""), "step `done` can never be reached", "`triage` reaches"),
    "limit leads back": (("limit: 3", "limit: 3\n        on-limit: check"), "`check` -> `people` -> `check`", ""),
    "no way to end": (
        ("        limit: 3", "        limit: 3\n        on-limit: people"),
        "once `people` is at its limit, the case can never end",
        "on-limit",
    ),
    "limit without use": (
        ("        limit: 3", "        on-limit: done"),
        "`on-limit` without a `limit`",
        "give the step a `limit`",
    ),
    "action, no resource": (('        resource: Queue::"incidents"\n', ""), "an `action` needs a `resource`", "add"),
    "action, no principal": (
        ('    principal: Agent::"one"\n', ""),
        "agent `line-1` has no `principal`",
        "add `principal` to `agents.line-1`",
    ),
    "action, no policies": (
        ("policies: {path: rules.cedar, schema: rules.cedarschema}\n", ""),
        "an `action` needs policies",
        "add",
    ),
    "no action": (('        action: Action::"triage"\n', ""), "`resource` without an `action`", "nothing is asked"),
    "no way for hand-offs": (("        on-hand-off: people\n", ""), "does not say where to", "add `on-hand-off`"),
    "no hand-offs": (
        ("        hand-off: {needed: 0.1, recall: 0.8, false-alarm: 0.1}\n", ""),
        "never hands off",
        "drop `on-hand-off`",
    ),
    "arm of neither": (
        ("""{when: 'context.priority == "high"', next: people}""", "{next: people}"),
        "an arm needs a `when` or a `share`",
        "exactly one",
    ),
    "arm of both": (("next: people}\n", "next: people, share: 0.5}\n"), "an arm has `when` and `share`", "exactly one"),
    "mixed arms": (
        ("        otherwise: done", "          - {share: 0.5, next: done}\n        otherwise: done"),
        "are mixed",
        "all `when`, or all `share`",
    ),
    "too many shares": (
        (
            """{when: 'context.priority == "high"', next: people}""",
            "{share: 0.7, next: people}\n          - {share: 0.5, next: done}",
        ),
        "the shares add up to 1.2",
        "at most 1",
    ),
    "warm-up": (("warm-up: 1h", "warm-up: 2d"), "the warm-up leaves nothing to measure", "less than the horizon, 2d"),
    "no horizon": (("horizon: 2d", "horizon: 0s"), "`horizon` is zero", "above zero"),
    "other currency": (
        ("0.003 USD", "0.003 EUR"),
        "`0.003 EUR` is not in USD",
        "give it in USD, or set `currency: EUR`",
    ),
    "fault too late": (("at: 6h", "at: 48h"), "the fault comes after the end of the run", "before the horizon, 2d"),
    "fault of no length": (("lasts: 30m", "lasts: 0s"), "`lasts` is zero", "above zero"),
    "fault named twice": (
        ("lasts: 30m}", "lasts: 30m, name: x}\n  - {kind: outage, endpoint: model, at: 9h, lasts: 1h, name: x}"),
        "fault `x` is named twice",
        "its own name",
    ),
    "key of a lock": (("key: customer", "key: custmer"), "has no attribute `custmer`", "did you mean `customer`?"),
    "lock never taken": (
        ("        acquire: [customer]\n", "        release: [customer]\n"),
        "no step of `incident` takes lock `customer`",
        "acquire",
    ),
    "lock named twice": (("[customer]", "[customer, customer]"), "lock `customer` is named twice", "once"),
    "deadlock without timeout": (
        ("objectives:", "deadlock: {resolution: timeout}\nobjectives:"),
        "needs a `timeout`",
        "add `timeout`",
    ),
    "deadlock without desk": (
        ("objectives:", "deadlock: {resolution: escalate}\nobjectives:"),
        "needs a `desk`",
        "add `desk`",
    ),
    "deadlock with too much": (
        ("objectives:", "deadlock: {resolution: abort, timeout: 1m}\nobjectives:"),
        "has no use for it",
        "drop `timeout`",
    ),
    "share without a bound": (("kind: case-time, at-most: 4h", "kind: case-share"), "needs one bound", "exactly one"),
    "share with two bounds": (
        ("kind: case-time, at-most: 4h", "kind: case-share, at-least: 0.1, at-most: 0.2"),
        "needs one bound",
        "exactly one",
    ),
    "clashing attributes": (
        ("      cost: 100", "      cost: 100\n      cost.unit: 3"),
        "`cost` cannot be a value and hold `cost.unit` too",
        "another name",
    ),
    "clash with the context": (
        ("        resource:", "        context: {cost: 3}\n        resource:"),
        "`cost` is an attribute of the case already",
        "another name",
    ),
    "approvals": (
        ("      cost: 100", "      cost: 100\n      approvals: 1"),
        "is filled in by the decision point",
        "another name",
    ),
    "severity over one": (
        ("    price: 0.003 USD", "    outages: {between: 1d, repair: 1h, severity: 2}"),
        "`2` is not a law of shares",
        "from 0 to 1",
    ),
    "idle weights": (
        ("kind: poisson, rate: 10/h", f"kind: weekly, rate: 10/h, by-weekday: {[0] * 7}"),
        "all weights are zero",
        "above zero",
    ),
    "condition": (('context.priority == "high"', "context.priority =="), "not a condition", "a Cedar condition"),
    "condition on nothing": (
        ("context.priority ==", "context.priorty =="),
        "no case has the attribute `priorty`",
        "did you mean `priority`?",
    ),
    "condition behind has": (
        ('context.priority == "high"', "context has vip && context.vip"),
        "no case has the attribute `vip`",
        "known attributes",
    ),
    "condition of wrong type": (
        ('context.priority == "high"', 'context.cost == "high"'),
        "the condition does not fit the cases of `incidents`",
        '"cost": Long',
    ),
    "condition on the principal": (
        ('context.priority == "high"', "principal == principal"),
        "not a condition",
        "a Cedar condition",
    ),
    "unknown action": (
        ('action: Action::"triage"', 'action: Action::"triag"'),
        'the schema has no action `Action::"triag"`',
        'did you mean `Action::"triage"`?',
    ),
    "unknown principal type": (('Agent::"one"', 'Agnt::"one"'), "applies to no type `Agnt`", "did you mean `Agent`?"),
    "wrong resource type": (
        ('Queue::"incidents"', 'Agent::"incidents"'),
        "does not apply to `Agent`",
        "known types for it: `Queue`",
    ),
    "context without attribute": (
        ("      cost: 100\n", ""),
        "needs the context attribute `cost`, a Long",
        "add it to `work.incidents.attributes`",
    ),
    "context of wrong type": (
        ("      cost: 100\n", "      cost: chance(p=0.5)\n"),
        "`cost` is Bool, and",
        "a law of numbers a Long",
    ),
}


@pytest.mark.parametrize("name", MEANING)
def test_a_scenario_that_has_no_one_meaning_says_why(faults: Faults, name: str) -> None:
    change, message, help = MEANING[name]
    found = faults(change)
    assert [fault for fault in found if message in fault.message and help in fault.help], "\n".join(map(str, found))
    for fault in found:
        assert fault.source[fault.column - 1 :].strip(), "the caret stands under something"


PARALLEL = """\
windtunnel: 1
name: demo
start: 2026-01-05T00:00:00Z
horizon: 2d
workflows:
  flow:
    start: split
    steps:
      split: {kind: parallel, branches: [left, right], join: meet}
      left: {kind: wait, duration: 1m, next: meet}
      right: {kind: wait, duration: 2m, next: meet}
      meet: {kind: wait, duration: 1s}
work:
  cases: {workflow: flow, arrivals: {kind: poisson, rate: 1/h}}
"""
BRANCHES = {
    "ends": ("1m, next: meet", "1m", "branch `left` completes the case at `left`, which has no `next`"),
    "misses": ("2m, next: meet", "2m, next: gone}\n      gone: {kind: end", "branch `right` never reaches the join"),
    "shared": ("1m, next: meet", "1m, next: right", "`left` leads into branch `right` of `split`, to `right`"),
    "twice": ("[left, right]", "[left, right, left]", "branch `left` is named twice"),
    "join": ("[left, right]", "[left, right, meet]", "branch `meet` is the join itself"),
    "back": ("2m, next: meet", "2m, limit: 2, next: split", "branch `right` leads back to `split`"),
    "entered": ("1s}", "1s, limit: 2, next: left}", "`meet` leads into branch `left` of `split`, to `left`"),
}


def test_parallel_branches_that_meet_are_no_fault(faults: Faults) -> None:
    assert faults(text=PARALLEL) == []


def test_a_branch_may_end_the_case_on_the_way(faults: Faults) -> None:
    left = (
        "left: {kind: choice, arms: [{share: 0.5, next: meet}], otherwise: stop}\n"
        "      stop: {kind: end, outcome: failed}"
    )
    assert faults(("left: {kind: wait, duration: 1m, next: meet}", left), text=PARALLEL) == []


@pytest.mark.parametrize("name", BRANCHES)
def test_parallel_branches_must_meet(faults: Faults, name: str) -> None:
    old, new, message = BRANCHES[name]
    found = faults((old, new), text=PARALLEL)
    assert message in [fault.message for fault in found], "\n".join(map(str, found))


def test_chains_that_lead_nowhere_are_left_to_verification(faults: Faults) -> None:
    chains = "chains:\n  a: {levels: [{desk: nobody}], then: b}\n  c: {levels: [{desk: second-line}], then: c}\n"
    assert faults(("objectives:", chains + "objectives:")) == []


@pytest.mark.parametrize("path", ["'a\\0b'", '"a\\0b"', "x" * 400, "/dev/zero", "..", "rules.cedar/x"])
def test_a_path_that_cannot_be_read_is_a_fault(faults: Faults, path: str) -> None:
    assert faults(("schema: rules.cedarschema", f"schema: {path}"))
