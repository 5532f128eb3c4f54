"""What agent frameworks do by default: retries and limits, each with its version and where that was read.

Every figure is read in the framework's own source or documentation, or measured by running it; `docs/presets.md` is
written from here. What a framework leaves to its user, or what could not be read, is absent, and said so in `absent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from models.retries import Retry

if TYPE_CHECKING:
    from models.steps import Task, Workflow

Framework = Literal[
    "langgraph-1.2.22",
    "temporal-1.35.0",
    "crewai-1.15.30",
    "openai-agents-0.24.0",
    "microsoft-agent-framework-1.23.0",
    "camunda-8.10",
]

READ: Final = "2026-11-23"
"""The day on which all sources were read."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One framework in one version."""

    title: str
    retry: Retry
    """What `retry: framework` means."""
    retried: str
    """Whose retries these are, and what of them the simulator does not tell apart."""
    limit: int | None
    """Task steps that a case may go through; None where the framework has no such limit."""
    limited: str
    """What the framework calls it, and what it does then."""
    calls: int | None
    """Model calls that one attempt of an agent may make, where going over it fails the agent; else None."""
    absent: str
    """What has no default, or could not be read."""
    sources: tuple[str, ...]


def _retry(**values: float | str) -> Retry:
    return Retry.model_validate({key.replace("_", "-"): value for key, value in values.items()})


PRESETS: Final[Mapping[Framework, Preset]] = {
    "langgraph-1.2.22": Preset(
        title="LangGraph",
        retry=_retry(attempts=3, backoff="500ms", factor=2.0, max_backoff="128s", jitter="added"),
        retried=(
            "A node is retried only where it has a `RetryPolicy`; these are that class's defaults. It retries "
            "connection errors and answers of 500 to 599 and not, say, a `ValueError`; here every failed attempt "
            "is retried."
        ),
        limit=10_006,
        limited=(
            "The recursion limit is 10007 supersteps, and a run that needs that many fails with "
            "`GraphRecursionError` at its end (measured by running it): 10006 can be completed."
        ),
        calls=None,
        absent="No time-out of a node (`TimeoutPolicy` has none by default).",
        sources=(
            "langgraph 1.2.22: `langgraph/types.py` `RetryPolicy`, `TimeoutPolicy`; `langgraph/pregel/_retry.py`; "
            "`langgraph/_internal/_config.py` `DEFAULT_RECURSION_LIMIT`",
        ),
    ),
    "temporal-1.35.0": Preset(
        title="Temporal (Python SDK)",
        retry=_retry(attempts="unlimited", backoff="1s", factor=2.0, max_backoff="100s"),
        retried=(
            "Every activity is retried so by default; workflows are not. `maximum_interval` is 100 times the "
            "first one where it is not given. The server adds no jitter."
        ),
        limit=None,
        limited="No limit of steps.",
        calls=None,
        absent="No time-out: Temporal asks its user for `start_to_close_timeout` or `schedule_to_close_timeout`.",
        sources=(
            "temporalio 1.35.0: `temporalio/common.py` `RetryPolicy`",
            "temporalio/temporal: `service/history/workflow/retry.go`",
            "<https://docs.temporal.io/encyclopedia/retry-policies>",
        ),
    ),
    "crewai-1.15.30": Preset(
        title="CrewAI",
        retry=_retry(attempts=3, backoff="0s"),
        retried=(
            "`max_retry_limit` 2: an agent begins its task anew at once, twice at most. Its counter is never set "
            "back, so that in CrewAI the tasks of one agent share the two; errors of `litellm` are not retried. "
            "Here each step has its own."
        ),
        limit=None,
        limited=(
            "No limit of tasks. After `max_iter`, 25 iterations within a task, an agent is made to answer; it goes on."
        ),
        calls=None,
        absent="No time-out (`max_execution_time` is none by default).",
        sources=(
            "crewai 1.15.30: `crewai/agent/core.py` `max_retry_limit`, `_check_execution_error`; "
            "`crewai/agents/agent_builder/base_agent.py` `max_iter`",
        ),
    ),
    "openai-agents-0.24.0": Preset(
        title="OpenAI Agents SDK",
        retry=Retry(),
        retried=(
            "The SDK makes one attempt: its retries of model calls are opt-in. The OpenAI client below it repeats "
            "a call twice by itself, after about 0.5 s and 1 s (up to a quarter less); give the step such a "
            "`retry` to have it."
        ),
        limit=10,
        limited=(
            "`max_turns` 10: the eleventh turn of a run fails with `MaxTurnsExceeded`. Each task step counts as a "
            "turn: a workflow here is one run. Give it a `limit` where its steps are runs of their own."
        ),
        calls=None,
        absent="No time-out of a run; the client's is 10 minutes for a call.",
        sources=(
            "openai-agents 0.24.0: `agents/run_config.py` `DEFAULT_MAX_TURNS`, `agents/run.py`, "
            "`agents/model_settings.py` `retry`",
            "openai 3.54.0: `openai/_constants.py`, `openai/_base_client.py`",
        ),
    ),
    "microsoft-agent-framework-1.23.0": Preset(
        title="Microsoft Agent Framework",
        retry=Retry(),
        retried="Workflows retry no step by themselves.",
        limit=100,
        limited=(
            "100 supersteps; a workflow that is not done then fails with `WorkflowConvergenceException`. After 40 "
            "rounds of tool calls within one request an agent is made to answer; it goes on."
        ),
        calls=None,
        absent="No time-out of a step. What the model's own client retries was not read.",
        sources=(
            "agent-framework-core 1.23.0: `agent_framework/_workflows/_const.py`, "
            "`agent_framework/_workflows/_runner.py`, `agent_framework/_tools.py` `DEFAULT_MAX_ITERATIONS`",
        ),
    ),
    "camunda-8.10": Preset(
        title="Camunda 8",
        retry=_retry(attempts=3, backoff="0s"),
        retried=(
            "A job has 3 tries, one after the other without delay; then there is an incident that waits for an "
            "operator. Here the step is then over by `on-failure`."
        ),
        limit=None,
        limited="No limit of steps. An agent makes 10 model calls, and fails at one more (`maxModelCalls`).",
        calls=10,
        absent="The time-out of a job is its worker's own.",
        sources=(
            "camunda/connectors: `connectors/agentic-ai/element-templates/versioned/"
            "agenticai-aiagent-job-worker-11.json`, the template of an AI agent for Camunda ^8.10: `retryCount`, "
            "`retryBackoff`, `data.limits.maxModelCalls`",
            "<https://docs.camunda.io/docs/8.4/components/connectors/use-connectors/outbound>: three times, "
            "without delays",
        ),
    ),
}
"""The frameworks, by the names that scenarios give."""


def retry_of(workflow: Workflow, task: Task) -> Retry | None:
    """What a task does after a failed attempt: its own `retry`, or its framework's; None where none is named."""
    if isinstance(task.retry, Retry):
        return task.retry
    return None if workflow.framework is None else PRESETS[workflow.framework].retry


def step_limit(workflow: Workflow) -> int | None:
    """Task steps that a case of a workflow may go through, one after the other; None for no limit."""
    if workflow.limit is not None or workflow.framework is None:
        return workflow.limit
    return PRESETS[workflow.framework].limit
