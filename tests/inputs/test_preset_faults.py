"""Frameworks and retries that cannot be used: what is wrong, at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.diagnostics import InputError
from models.load import load
from verify.verify import verify

GOOD = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 2d
endpoints: {api: {latency: 1s}}
agents: {pool: {capabilities: {work: {service: 1s, endpoint: api, calls: 2}}}}
workflows:
  flow:
    framework: langgraph-1.2.22
    start: job
    steps:
      job:
        kind: task
        agent: pool
        capability: work
        retry: framework
work: {stream: {workflow: flow, arrivals: {kind: poisson, rate: 1/s}}}
"""
OWN = "retry: {attempts: 2}"
FRAMEWORK = "    framework: langgraph-1.2.22\n"
UNLIMITED = "retry: {attempts: unlimited}\n        fallbacks: [{agent: pool, capability: work}]"


def faults(folder: Path, text: str) -> list[tuple[int, str, str]]:
    (folder / "scenario.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load(folder)
    return [(found.line, found.message, found.help) for found in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("good", "bad", "line", "message", "help"),
    [
        ("langgraph-1.2.22", "langraph-1.2.22", 9, "`langraph-1.2.22` is not known", "did you mean `langgraph-1.2.22`"),
        ("retry: framework", "retry: framewrok", 16, "`framewrok` is not allowed", "expected a mapping or `framework`"),
        ("retry: framework", "retry: {atempts: 3}", 16, "unknown key `atempts`", "did you mean `attempts`"),
        ("retry: framework", "retry: {attempts: 0}", 16, "`0` is out of range", "from 1 to 1,000 or `unlimited`"),
        ("retry: framework", "retry: {attempts: endless}", 16, "`endless` is not allowed", "or `unlimited`"),
        ("retry: framework", "retry: {attempts: unlimited, backoff: 0s}", 16, "without a wait", "above zero"),
        ("retry: framework", "retry: {backoff: 2s, max-backoff: 1s}", 16, "is below", "at least `backoff`"),
        ("retry: framework", UNLIMITED, 17, "after unlimited attempts", "a number of `attempts`"),
        (FRAMEWORK, "", 15, "the workflow names no framework", "such as `langgraph-1.2.22`"),
        (FRAMEWORK, FRAMEWORK + "    limit: 0\n", 10, "`0` is out of range", "from 1 to 1,000,000"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(tmp_path: Path, good: str, bad: str, line: int, message: str, help: str) -> None:
    assert GOOD.count(good) == 1
    found = faults(tmp_path, GOOD.replace(good, bad))
    assert len(found) == 1, found
    assert (found[0][0], message in found[0][1], help in found[0][2]) == (line, True, True), found


def test_a_framework_that_changes_nothing_is_a_fault(tmp_path: Path) -> None:
    """CrewAI limits no steps; without a `retry: framework` nothing would follow from its name."""
    text = GOOD.replace("langgraph-1.2.22", "crewai-1.15.30")
    (tmp_path / "scenario.yaml").write_text(text)
    assert load(tmp_path).scenario.workflows["flow"].framework == "crewai-1.15.30"
    ((line, message, _),) = faults(tmp_path, text.replace("retry: framework", OWN))
    assert (line, "no step says `retry: framework`" in message) == (9, True)


def test_an_agent_that_a_framework_stops_every_time_is_a_fault(tmp_path: Path) -> None:
    text = GOOD.replace("langgraph-1.2.22", "camunda-8.10")
    (tmp_path / "scenario.yaml").write_text(text.replace("calls: 2", "calls: 10"))
    load(tmp_path)
    ((line, message, _),) = faults(tmp_path, text.replace("calls: 2", "calls: 11"))
    assert (line, message) == (15, "`work` makes 11 calls, and Camunda 8 stops an agent after 10")


def test_a_cycle_needs_no_limit_of_its_own_under_one_of_the_workflow(tmp_path: Path) -> None:
    text = GOOD.replace("retry: framework", "next: job")
    (tmp_path / "scenario.yaml").write_text(text)
    load(tmp_path)
    assert any("go round" in message for _, message, _ in faults(tmp_path, text.replace(FRAMEWORK, "")))


def test_a_cycle_without_a_task_needs_its_own_limit_all_the_same(tmp_path: Path) -> None:
    loop = "        next: rest\n      rest: {kind: wait, duration: 1s, next: rest}\n"
    text = GOOD.replace("        retry: framework\n", loop)
    assert any("go round" in message for _, message, _ in faults(tmp_path, text))


@pytest.mark.parametrize(
    ("keys", "limit", "noted"),
    [
        ("", "", True),
        (", deadline: 1h", "", False),
        ("", ", deadline: 2h, on-deadline: cancel", False),
        ("", ", deadline: 2h", True),
        ("", ", withdrawal: 2h", False),
    ],
)
def test_attempts_without_an_end_are_noted(tmp_path: Path, keys: str, limit: str, noted: bool) -> None:
    text = GOOD.replace("langgraph-1.2.22", "temporal-1.35.0").replace("rate: 1/s}", "rate: 1/s}" + limit)
    text = text.replace("retry: framework", "retry: framework\n" + keys.replace(", ", " " * 8))
    (tmp_path / "scenario.yaml").write_text(text)
    found = verify(None, load(tmp_path))
    assert [("unlimited attempts of step `job` of `flow`" in note) for note in found.caveats] == [True] * noted
    assert found.verdict == "pass"
