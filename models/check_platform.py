"""What the platform of a scenario must satisfy."""

from __future__ import annotations

from collections.abc import Iterator

from models.diagnostics import Problem, quoted
from models.problems import Keys, no_time
from models.scenario import Publish, Scenario, SitePoint, Topic


def check_links(scenario: Scenario) -> Iterator[Problem]:
    """A link goes from one site to another, and no two go the same way."""
    taken: dict[tuple[str, str], str] = {}
    for name, link in scenario.links.items():
        if link.from_ == link.to:
            yield Problem(("links", name, "to"), f"it leads from {quoted(link.to)} to itself", "name another site")
            continue
        ways = [(link.from_, link.to), *([(link.to, link.from_)] if link.both_ways else [])]
        other = next((taken[way] for way in ways if way in taken), None)
        if other is not None:
            message = f"link {quoted(other)} goes that way already"
            yield Problem(("links", name), message, "drop one, or set `both-ways: false` on both", True)
        taken |= dict.fromkeys(ways, name)


def check_points(scenario: Scenario) -> Iterator[Problem]:
    """One decision point a site, and somebody there who asks it."""
    taken: dict[str, str] = {}
    for name, point in scenario.decision_points.items():
        keys: Keys = ("decision-points", name)
        if point.site in taken:
            message = f"decision point {quoted(taken[point.site])} is at site {quoted(point.site)} already"
            yield Problem((*keys, "site"), message, "drop one of them")
        taken.setdefault(point.site, name)
        if not any(pool.site == point.site for pool in scenario.agents.values()):
            message = f"no agents are at site {quoted(point.site)}, so nobody asks it"
            yield Problem((*keys, "site"), message, "name a site of an agent pool, or drop the decision point")
        if point.cache is not None:
            yield from no_time((*keys, "cache", "for"), point.cache.for_)
        if point.propagation:
            yield from _propagation(scenario, keys, point)


def _propagation(scenario: Scenario, keys: Keys, point: SitePoint) -> Iterator[Problem]:
    """Policies come to a copy, and only where others come at all."""
    at: Keys = (*keys, "propagation")
    if point.cache is not None:
        message = "a decision point with a `cache` has no copy of the policies that new ones come to"
        yield Problem(at, message, "drop one of the two: `cache.for` is how long its answers are kept", True)
    if not any(rollout.of == "policies" and rollout.mode == "canary" for rollout in scenario.rollouts.values()):
        message = "no new policies are rolled out, so nothing comes to its copy"
        yield Problem(at, message, "add a rollout `of: policies`, or drop it", True)


def check_topics(scenario: Scenario) -> Iterator[Problem]:
    """Somebody publishes to each topic, no message begets messages without end, and what is lost is noticed."""
    steps = [step for workflow in scenario.workflows.values() for step in workflow.steps.values()]
    published = {step.topic for step in steps if isinstance(step, Publish)}
    for name, topic in scenario.topics.items():
        keys: Keys = ("topics", name)
        if name not in published:
            help = "add a step of the kind `publish`, or drop the topic"
            yield Problem(keys, f"nobody publishes to topic {quoted(name)}", help, True)
        yield from no_time((*keys, "acknowledge-within"), topic.acknowledge_within)
        yield from _lossy(keys, topic)
        if topic.capacity is None and topic.when_full != "block":
            yield Problem((*keys, "when-full"), "a topic without a `capacity` is never full", "add `capacity`", True)
        yield from _endless(scenario, keys, topic)


def _lossy(keys: Keys, topic: Topic) -> Iterator[Problem]:
    """A delivery that is lost on its way is only noticed when its acknowledgement is late."""
    away = topic.consumers.site is not None and topic.site is not None and topic.consumers.site != topic.site
    if away and topic.acknowledge_within is None:
        message = "the consumers are at another site, and a delivery that is lost would never be noticed"
        yield Problem((*keys, "consumers", "site"), message, "add `acknowledge-within` to the topic", True)
    if topic.consumers.site is not None and topic.site is None:
        message = "the consumers have a site and the topic has none, so no way lies between them"
        yield Problem((*keys, "consumers", "site"), message, "add `site` to the topic", True)


def _endless(scenario: Scenario, keys: Keys, topic: Topic) -> Iterator[Problem]:
    """Consumers that publish what leads to themselves again."""
    start = topic.consumers.workflow
    reached: dict[str, None] = {}
    waiting = [start] if start in scenario.workflows else []
    while waiting:
        at = waiting.pop()
        for name in (*scenario.consumers_of(at), *scenario.within(at)):
            if name not in reached:
                reached[name] = None
                waiting.append(name)
    if start in reached:
        message = f"what workflow {quoted(start)} publishes comes back to it, so one message begets others without end"
        help = "let its messages go to topics whose consumers publish nothing to this one"
        yield Problem((*keys, "consumers", "workflow"), message, help)
