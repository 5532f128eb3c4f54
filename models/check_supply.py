"""What work, queues, endpoints and the quality of answers must satisfy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from models.diagnostics import Problem, quoted, suggestion
from models.laws import Law
from models.problems import Keys, no_time, or_near
from models.scenario import Modulated, Scenario, Task, Trace, Work
from models.units import format_duration

STAYS_MAX: Final = 1_000_000
"""Stays of a modulated process in one replication at most, on the mean: more would not fit beside its cases."""
LOOKS_MAX: Final = 1_000_000
"""Looks of an autoscaler at its load in one replication at most."""
_ROUNDING: Final = 1e-6


def check_work(scenario: Scenario) -> Iterator[Problem]:
    """Arrivals in batches, and at rates that change."""
    for name, work in scenario.work.items():
        keys: Keys = ("work", name)
        if work.batch.support[0] < 0.5:
            yield Problem((*keys, "batch"), "a batch may have no case", "expected a law of numbers from 1 up")
        for key, law in (("deadline", work.deadline), ("withdrawal", work.withdrawal)):
            if law is not None and law.support[1] <= 0:
                yield Problem((*keys, key), f"{quoted(key)} is always zero", "expected a law of durations above zero")
        if work.on_deadline == "cancel" and work.deadline is None:
            yield Problem((*keys, "on-deadline"), "`on-deadline` without a `deadline`", "add `deadline`", True)
        if work.priority_from is not None:
            yield from _is_number(work, work.priority_from, (*keys, "priority-from"))
            if work.priority:
                message = "`priority-from` goes instead of `priority`"
                yield Problem((*keys, "priority"), message, "drop one of them", True)
        if isinstance(work.arrivals, Trace):
            yield from _whole_cases(work, work.arrivals, keys)
        if isinstance(work.arrivals, Modulated):
            for problem in _modulated(work.arrivals, scenario.horizon):
                yield problem._replace(keys=(*keys, "arrivals", *problem.keys))


def _is_number(work: Work, attribute: str, keys: Keys) -> Iterator[Problem]:
    """An attribute that must be of the work's cases, and a number."""
    law = work.attributes.get(attribute)
    if law is None:
        message, help = f"the cases have no attribute {quoted(attribute)}", f"add it to `work.{keys[1]}.attributes`"
        yield Problem(keys, message, help + or_near(attribute, work.attributes))
    elif not isinstance(law, Law):
        yield Problem(keys, f"{quoted(attribute)} is no number", "expected an attribute with a law of numbers")


def _whole_cases(work: Work, trace: Trace, keys: Keys) -> Iterator[Problem]:
    """Attributes of a trace that have a law, of cases that have a row each."""
    for attribute in trace.attributes:
        if attribute not in work.attributes:
            message = f"{quoted(attribute)} has no law that tells its type and the values that a row may have"
            help = f"add it to `work.{keys[1]}.attributes`{or_near(attribute, work.attributes)}"
            yield Problem((*keys, "arrivals", "attributes", attribute), message, help, True)
    if trace.attributes and work.batch.support[1] >= 1.5:
        message = "a trace that tells whole cases has one in each row"
        yield Problem((*keys, "batch"), message, "drop `batch`, or the trace's `attributes`", True)


def _modulated(arrivals: Modulated, horizon: int) -> Iterator[Problem]:
    """States as many everywhere, stays that take time, and chances that lead everywhere."""
    states = len(arrivals.rates)
    if len(arrivals.stays) != states:
        message = f"{states} rates, but {len(arrivals.stays)} stays"
        yield Problem(("stays",), message, "expected one of each for every state", True)
    for position, stay in enumerate(arrivals.stays):
        for problem in no_time(("stays",), stay):
            yield problem._replace(keys=("stays", position))
        if 0 < stay < horizon / STAYS_MAX:
            help = f"expected at least a millionth of the horizon, {format_duration(max(horizon // STAYS_MAX, 1))}"
            yield Problem(("stays", position), "stays this short are too many", help)
    if arrivals.to is not None:
        yield from _chances(arrivals.to, states)


def check_answers(scenario: Scenario) -> Iterator[Problem]:
    """Votes that can be lost or won, and checks that can stop something."""
    for name, pool in scenario.agents.items():
        for what, capability in pool.capabilities.items():
            keys: Keys = ("agents", name, "capabilities", what)
            if capability.vote is not None and capability.vote.of % 2 == 0:
                yield Problem((*keys, "vote", "of"), "a vote of an even number may be a tie", "expected an odd number")
            if capability.hedge is not None:
                yield from no_time((*keys, "hedge", "after"), capability.hedge.after)
                if capability.endpoint is None or not capability.calls:
                    yield Problem((*keys, "hedge"), "a hedge without a call", "add `endpoint`, or drop `hedge`", True)
            check, guardrail = capability.self_check, capability.guardrail
            if check is not None and check.sensitivity.chance == 0 and check.specificity == 1:
                yield Problem((*keys, "self-check"), "a check that stops nothing", "expected a sensitivity above 0")
            if guardrail is not None and guardrail.sensitivity == 0 and guardrail.specificity == 1:
                yield Problem((*keys, "guardrail"), "a check that stops nothing", "expected a sensitivity above 0")


def check_queues(scenario: Scenario) -> Iterator[Problem]:
    """Queues whose keys fit together."""
    for name, pool in scenario.agents.items():
        keys: Keys = ("agents", name, "queue")
        queue = pool.queue
        if (queue.order == "adaptive-lifo") != (queue.lifo_above is not None):
            has = "`adaptive-lifo` without" if queue.lifo_above is None else "without `order: adaptive-lifo`,"
            yield Problem(keys, f"{has} `lifo-above`", "expected both or none of them", True)
        if queue.when_full != "reject" and queue.capacity is None:
            message = "a queue without a `capacity` is never full"
            yield Problem((*keys, "when-full"), message, "add `capacity`, or drop `when-full`", True)


def check_bulkheads(scenario: Scenario) -> Iterator[Problem]:
    """Bulkheads of steps that are done by the pool."""
    for name, pool in scenario.agents.items():
        done_here = tuple(_steps_of(scenario, name)) if pool.bulkheads else ()
        most = pool.concurrency * (pool.replicas if pool.autoscale is None else pool.autoscale.most)
        for step, slots in pool.bulkheads.items():
            keys: Keys = ("agents", name, "bulkheads", step)
            if step not in done_here:
                help = suggestion(step, done_here, "steps of this pool")
                yield Problem(keys, f"{quoted(step)} is no step that the pool does", help, True)
            if slots > most:
                message = f"the pool has no more than {most} slots: {slots} of them hold nobody back"
                yield Problem(keys, message, "expected no more slots than the pool has")
        if pool.bulkheads and pool.queue.when_full == "block":
            message = "a pool with bulkheads cannot block: who is let in next would depend on both"
            yield Problem(("agents", name, "bulkheads"), message, "expected another `when-full`", True)


def _steps_of(scenario: Scenario, pool: str) -> Iterator[str]:
    """The steps that a pool does, as a first choice or a fallback, and the calls that it answers."""
    for name, workflow in scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            if isinstance(step, Task):
                if pool in (step.agent, *(fallback.agent for fallback in step.fallbacks)):
                    yield f"{name}.{step_name}"
                yield from (
                    f"{name}.{step_name}/{n}" for n, call in enumerate(step.calls_agents, 1) if call.agent == pool
                )


def check_endpoints(scenario: Scenario) -> Iterator[Problem]:
    """Curves of endpoints that have something to go by."""
    for name, endpoint in scenario.endpoints.items():
        keys: Keys = ("endpoints", name)
        if endpoint.retry_after is not None and endpoint.rate is None and endpoint.token_rate is None:
            message = "`retry-after` is told with a refusal, and nothing limits the calls"
            yield Problem((*keys, "retry-after"), message, "add `rate` or `token-rate`", True)
        if endpoint.retry_after == 0:
            yield from no_time((*keys, "retry-after"), 0)
        if endpoint.load_latency is not None and endpoint.concurrency is None:
            message = "`load-latency` goes by the share of `concurrency` that is taken, and there is none"
            yield Problem((*keys, "load-latency"), message, "add `concurrency`", True)
        degradation = endpoint.degradation
        if degradation is not None and degradation.latency is None and degradation.success is None:
            yield Problem((*keys, "degradation"), "it changes nothing", "expected `latency`, `success` or both", True)
        if degradation is not None and degradation.success is not None:
            over = next((factor for _, factor in degradation.success.points if factor > 1), None)
            if over is not None:
                message = f"an outage makes answers better: {over:g}"
                yield Problem((*keys, "degradation", "success"), message, "expected factors up to 1")


def check_tokens(scenario: Scenario) -> Iterator[Problem]:
    """Tokens that are told where they count, and count where they are told."""
    told = set()
    for name, pool in scenario.agents.items():
        for what, capability in pool.capabilities.items():
            keys: Keys = ("agents", name, "capabilities", what, "tokens")
            if capability.tokens is None:
                continue
            told.add(capability.endpoint)
            if capability.endpoint is None or not capability.calls:
                yield Problem(keys, "tokens without a call", "add `endpoint`, or drop `tokens`", True)
            for key, law in (("input", capability.tokens.input), ("output", capability.tokens.output)):
                if law.support[0] < 0:
                    yield Problem((*keys, key), "tokens may be fewer than none", "expected a law of numbers from 0 up")
            sources = (("input-from", capability.tokens.input_from), ("output-from", capability.tokens.output_from))
            for key, attribute in sources:
                if attribute is not None:
                    yield from _told_by(scenario, attribute, (*keys, key))
    for name, endpoint in scenario.endpoints.items():
        times, rate, prices = endpoint.per_token, endpoint.token_rate, endpoint.price_per_million
        given = {
            "per-token": times is not None,
            "token-rate": rate is not None,
            "price-per-million": prices is not None,
        }
        for key in (key for key, is_given in given.items() if is_given and name not in told):
            help = "add `tokens` to the capabilities that call it"
            yield Problem(("endpoints", name, key), "no capability that calls it tells its tokens", help, True)
        if endpoint.token_burst is not None and endpoint.token_rate is None:
            yield Problem(("endpoints", name, "token-burst"), "`token-burst` without a `token-rate`", "add it", True)


def _told_by(scenario: Scenario, attribute: str, keys: Keys) -> Iterator[Problem]:
    """An attribute that must be of some cases, and of all of those a number from 0 up."""
    laws = [work.attributes[attribute] for work in scenario.work.values() if attribute in work.attributes]
    if not laws:
        known = sorted({name for work in scenario.work.values() for name in work.attributes})
        yield Problem(
            keys, f"no case has the attribute {quoted(attribute)}", suggestion(attribute, known, "attributes")
        )
    elif not all(isinstance(law, Law) and law.support[0] >= 0 for law in laws):
        message = f"{quoted(attribute)} is not a number from 0 up in every stream of work"
        yield Problem(keys, message, "expected an attribute with a law of numbers from 0 up")


def check_scaling(scenario: Scenario) -> Iterator[Problem]:
    """Pools that scale between bounds that they start within."""
    for name, pool in scenario.agents.items():
        scale = pool.autoscale
        keys: Keys = ("agents", name, "autoscale")
        if scale is None:
            continue
        if not scale.least <= pool.replicas <= scale.most:
            message = f"{pool.replicas} replicas at the start are not between {scale.least} and {scale.most}"
            yield Problem(keys, message, "expected `least` <= `replicas` <= `most`", True)
        for problem in no_time(("every",), scale.every):
            yield problem._replace(keys=(*keys, "every"))
        if 0 < scale.every < scenario.horizon / LOOKS_MAX:
            least = format_duration(max(scenario.horizon // LOOKS_MAX, 1))
            help = f"expected at least a millionth of the horizon, {least}"
            yield Problem((*keys, "every"), "it looks too often", help)


def _chances(to: tuple[tuple[float, ...], ...], states: int) -> Iterator[Problem]:
    if len(to) != states or any(len(row) != states for row in to):
        yield Problem(("to",), "not a row for each state with a chance for each", f"expected {states} rows of {states}")
        return
    for state, row in enumerate(to):
        if row[state]:
            message, help = "a state does not come after itself", "lengthen its stay instead"
            yield Problem(("to", state, state), message, help)
        if abs(sum(row) - 1.0) > _ROUNDING:
            yield Problem(("to", state), f"the chances add up to {sum(row):g}", "expected 1")
    missing = [state for state in range(states) if len(_reached(to, state)) < states]
    if missing:
        what = quoted(f"to[{missing[0]}]")
        yield Problem(("to",), f"from {what} on, some states never come", "every state must lead to every other")


def _reached(to: tuple[tuple[float, ...], ...], start: int) -> set[int]:
    found, ahead = {start}, [start]
    while ahead:
        fresh = {after for after, chance in enumerate(to[ahead.pop()]) if chance > 0} - found
        found |= fresh
        ahead += fresh
    return found
