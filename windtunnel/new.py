"""`windtunnel new`: a small scenario to start from. It loads, verifies and passes as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from models.diagnostics import input_error

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")

_SCENARIO = """\
# yaml-language-server: $schema=scenario.schema.json
windtunnel: 1
name: {name}
description: Agents answer requests; costly ones wait for a person. Every number here is an assumption to replace.
start: 2026-01-05T00:00:00Z
horizon: 2d
warm-up: 2h
replications: 10
seed: 1

policies:
  path: policies

agents:
  helper:
    replicas: 2
    principal: Agent::"helper"
    capabilities:
      answer:
        service: lognormal(median=40s, p95=2m)
        success: 0.95

desks:
  supervisors:
    roster:
      - {{days: daily, hours: "00:00-24:00", staff: 2}}
    service: lognormal(median=3m, p95=10m)
    approves: 0.9

chains:
  supervisors:
    levels:
      - {{desk: supervisors}}

workflows:
  request:
    start: answer
    steps:
      answer:
        kind: task
        agent: helper
        capability: answer
        action: Action::"answer"
        resource: Inbox::"requests"
        retry: {{attempts: 3, backoff: 10s, jitter: full}}

work:
  requests:
    workflow: request
    arrivals: {{kind: poisson, rate: 40/h}}
    attributes:
      amount: lognormal(median=80, p95=600)

objectives:
  answered-in-an-hour:
    kind: case-share
    outcomes: [completed, denied]
    within: 1h
    at-least: 0.9
"""

_SCHEMA = """\
entity Agent;
entity Inbox;

action "answer" appliesTo {
  principal: [Agent],
  resource: [Inbox],
  context: { amount: Long },
};
"""

_POLICIES = """\
@id("helpers-answer")
permit (principal == Agent::"helper", action == Action::"answer", resource == Inbox::"requests");

@id("costly-answers") @escalate("supervisors") @timeout("4h") @severity("medium")
forbid (principal, action == Action::"answer", resource)
when { context.amount > 500 };
"""


def new_scenario(folder: Path) -> tuple[Path, ...]:
    """Write a starter scenario into a new folder and return the files. Raises `InputError` rather than overwrite."""
    from models.json_schema import schema_text

    if not _NAME.fullmatch(folder.name):
        raise input_error("the folder's name must be a scenario name", str(folder), "letters, digits, `-` and `_`")
    files = {
        folder / "scenario.yaml": _SCENARIO.format(name=folder.name),
        folder / "scenario.schema.json": schema_text(),
        folder / "policies" / "policies.cedar": _POLICIES,
        folder / "policies" / "policies.cedarschema": _SCHEMA,
    }
    try:
        folder.mkdir(parents=True, exist_ok=False)
        (folder / "policies").mkdir()
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise input_error("the folder exists already", str(folder), "name a new folder") from None
    except OSError as error:
        raise input_error(f"cannot write here: {error.strerror}", str(folder)) from None
    return tuple(files)
