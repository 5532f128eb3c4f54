"""What drifts and monitors must satisfy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from models.diagnostics import Problem, quoted, suggestion
from models.laws import Chance, Choice, Law
from models.monitors import DDM, Cusum, Monitor
from models.problems import Keys, unknown
from models.scenario import Drift, Scenario, Trace

_KEY: Final = {"quality": "success", "latency": "factor", "cost": "factor", "format": "share", "contract": "share"}
"""The key that each kind of drift of a capability is told by."""
_INPUT: Final = ("work", "attribute", "to")
_KEYS: Final = ("agent", "capability", "success", "factor", "share", *_INPUT)


def check_drifts(scenario: Scenario) -> Iterator[Problem]:
    """A drift has the keys of its kind, and no other; what it changes can change so."""
    for position, fault in enumerate(scenario.faults):
        if not isinstance(fault, Drift):
            continue
        needed = _INPUT if fault.of == "input" else ("agent", "capability", _KEY[fault.of])
        for key in _KEYS:
            given = getattr(fault, key) not in (None, "")
            if key in needed and not given:
                yield Problem(("faults", position), f"a drift of {fault.of} needs `{key}`", f"add `{key}`", True)
            if given and key not in needed:
                message = f"a drift of {fault.of} has no use for `{key}`"
                yield Problem(("faults", position, key), message, f"drop it, or change `of: {fault.of}`", True)
        yield from _input(scenario, ("faults", position), fault)


def _input(scenario: Scenario, keys: Keys, drift: Drift) -> Iterator[Problem]:
    """An attribute that is drawn, and a law of its type."""
    work = scenario.work.get(drift.work or "")
    if work is None or drift.attribute is None:
        return
    law = work.attributes.get(drift.attribute)
    if law is None:
        message = f"work {quoted(drift.work or '')} has no attribute {quoted(drift.attribute)}"
        yield Problem((*keys, "attribute"), message, suggestion(drift.attribute, work.attributes, "attributes"))
    elif drift.to is not None and type(drift.to) is not type(law):
        message = f"the attribute is {_TYPES[type(law)]}, and this law gives {_TYPES[type(drift.to)]}"
        yield Problem((*keys, "to"), message, f"expected a law of the same type, as {quoted(law.text)}")
    if isinstance(work.arrivals, Trace) and drift.attribute in work.arrivals.attributes:
        message = f"the attribute {quoted(drift.attribute)} is read from a trace, so no law can change it"
        yield Problem((*keys, "attribute"), message, "let the trace change, or drop the drift")


_TYPES: Final = {Choice: "a text", Chance: "true or false", Law: "a whole number"}


def check_monitors(scenario: Scenario) -> Iterator[Problem]:
    """A monitor's detector can read what it watches, and its action has what it needs."""
    for name, monitor in scenario.monitors.items():
        keys: Keys = ("monitors", name)
        yield from unknown((*keys, "to"), monitor.to, scenario.desks, "desk")
        if (monitor.action == "route") != (monitor.to is not None):
            yield _to(keys, monitor)
        detector = monitor.detector
        if isinstance(detector, Cusum) and not detector.p0 < detector.p1:
            yield Problem((*keys, "detector", "p1"), "`p1` is not above `p0`", f"expected more than {detector.p0:g}")
        yield from _attribute(scenario, keys, monitor)
        yield from _refusals(scenario, keys, monitor)
        if isinstance(detector, Cusum | DDM) and monitor.watches in ("latency", "cost"):
            message = f"a {quoted(detector.kind)} reads labels of 0 and 1, and {monitor.watches} is a number"
            yield Problem((*keys, "detector", "kind"), message, "expected adwin, page-hinkley, psi or ks", True)


def _attribute(scenario: Scenario, keys: Keys, monitor: Monitor) -> Iterator[Problem]:
    """What is watched of the cases is there, and a detector can read it."""
    if (monitor.watches == "attribute") != (monitor.attribute is not None):
        if monitor.attribute is None:
            yield Problem(keys, "`watches: attribute` needs an attribute", "add `attribute`, its name", True)
        else:
            help = "set `watches: attribute`, or drop it"
            yield Problem((*keys, "attribute"), f"{monitor.watches} are no attribute", help, True)
    if monitor.attribute is None:
        return
    laws = [law for work in scenario.work.values() if (law := work.attributes.get(monitor.attribute)) is not None]
    if not laws:
        known = sorted({name for work in scenario.work.values() for name in work.attributes})
        message = f"no case has the attribute {quoted(monitor.attribute)}"
        yield Problem((*keys, "attribute"), message, suggestion(monitor.attribute, known, "attributes"))
    if any(isinstance(law, Choice) for law in laws):
        message = f"{quoted(monitor.attribute)} is a text, and detectors read numbers"
        yield Problem((*keys, "attribute"), message, "watch a whole number, or `true` and `false`")
    if isinstance(monitor.detector, Cusum | DDM) and any(isinstance(law, Law) for law in laws):
        message = (
            f"a {quoted(monitor.detector.kind)} reads labels of 0 and 1, and {quoted(monitor.attribute)} is a number"
        )
        yield Problem((*keys, "detector", "kind"), message, "expected adwin, page-hinkley, psi or ks", True)


def _refusals(scenario: Scenario, keys: Keys, monitor: Monitor) -> Iterator[Problem]:
    """A pool's requests are watched as a whole, and only a compromised agent is quarantined."""
    if monitor.watches == "refusals":
        if monitor.capability:
            message = "requests of all capabilities of the pool are watched"
            yield Problem((*keys, "capability"), message, "drop it, or watch something else", True)
        if monitor.action not in ("alert", "quarantine"):
            message = f"action `{monitor.action}` needs a capability, and refusals are of the pool"
            yield Problem((*keys, "action"), message, "expected `alert` or `quarantine`")
        if scenario.policies is None:
            yield Problem((*keys, "watches"), "without policies nothing is refused", "add `policies: {path: ...}`")
    elif not monitor.capability:
        yield Problem(keys, f"`watches: {monitor.watches}` needs a capability", "add `capability`", True)
    if monitor.action == "quarantine" and monitor.agent not in {attack.agent for attack in scenario.attacks.values()}:
        message = f"no attack strikes agent {quoted(monitor.agent)}"
        yield Problem((*keys, "action"), message, "add one to `attacks`, or set another action")


def _to(keys: Keys, monitor: Monitor) -> Problem:
    if monitor.to is None:
        return Problem(keys, "action `route` needs a desk", "add `to`, the desk's name", True)
    return Problem(
        (*keys, "to"), f"action `{monitor.action}` has no use for it", "set `action: route`, or drop it", True
    )
