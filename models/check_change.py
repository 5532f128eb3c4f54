"""What drifts and monitors must satisfy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from models.diagnostics import Problem, quoted
from models.monitors import DDM, Cusum, Monitor
from models.problems import Keys, unknown
from models.scenario import Drift, Scenario

_NEEDS: Final = {"quality": "success", "latency": "factor", "cost": "factor", "format": "share", "contract": "share"}
"""The key that each kind of drift is told by."""


def check_drifts(scenario: Scenario) -> Iterator[Problem]:
    """A drift has the key of its kind, and no other."""
    for position, fault in enumerate(scenario.faults):
        if not isinstance(fault, Drift):
            continue
        needed = _NEEDS[fault.of]
        values = {"success": fault.success, "factor": fault.factor, "share": fault.share}
        if values[needed] is None:
            yield Problem(("faults", position), f"a drift of {fault.of} needs `{needed}`", f"add `{needed}`", True)
        for key, value in values.items():
            if key != needed and value is not None:
                message = f"a drift of {fault.of} has no use for `{key}`"
                yield Problem(("faults", position, key), message, f"drop it, or change `of: {fault.of}`", True)


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
        if isinstance(detector, Cusum | DDM) and monitor.watches in ("latency", "cost"):
            message = f"a {quoted(detector.kind)} reads labels of 0 and 1, and {monitor.watches} is a number"
            yield Problem((*keys, "detector", "kind"), message, "expected adwin, page-hinkley, psi or ks", True)


def _to(keys: Keys, monitor: Monitor) -> Problem:
    if monitor.to is None:
        return Problem(keys, "action `route` needs a desk", "add `to`, the desk's name", True)
    return Problem(
        (*keys, "to"), f"action `{monitor.action}` has no use for it", "set `action: route`, or drop it", True
    )
