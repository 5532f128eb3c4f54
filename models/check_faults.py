"""What a fault that ends must satisfy: when it comes, and that it does something."""

from __future__ import annotations

from collections.abc import Iterator

from models.diagnostics import Problem, quoted
from models.faults import CertificateExpiry, ContractSkew
from models.problems import no_time, repeated
from models.scenario import (
    Absence,
    Crash,
    Hang,
    LoadSpike,
    Loss,
    OutageFault,
    Partition,
    Poisson,
    Renewal,
    Scenario,
    Slowdown,
    TimedFault,
    Weekly,
)


def check_timed(scenario: Scenario, fault: TimedFault) -> Iterator[Problem]:
    """What is wrong with a fault, keys from the fault on."""
    yield from _when(fault)
    match fault:
        case Partition():
            yield from _partition(fault)
        case OutageFault():
            if fault.severity == 0:
                yield Problem(("severity",), "an outage that fails no call", "expected a severity above 0")
        case Crash() | Hang():
            pool = scenario.agents.get(fault.agent)
            if pool is not None and (fault.replicas or 0) > pool.replicas:
                message = f"agent {quoted(fault.agent)} has fewer replicas: {pool.replicas}"
                yield Problem(("replicas",), message, "expected at most that, or no key for all of them")
        case Slowdown():
            if sum(place is not None for place in (fault.agent, fault.endpoint, fault.link)) != 1:
                message = "a `slowdown` needs one thing to strike"
                yield Problem((), message, "one of `agent`, `endpoint` and `link`", True)
        case CertificateExpiry():
            for index in repeated(fault.sites):
                message = f"site {quoted(fault.sites[index])} is named twice"
                yield Problem(("sites", index), message, "name it once")
        case Loss():
            if fault.loss == 0:
                yield Problem(("loss",), "a loss of nothing", "expected a loss above 0")
        case ContractSkew():
            if (fault.endpoint is None) == (fault.topic is None):
                yield Problem((), "a `contract-skew` needs one thing to strike", "one of `endpoint` and `topic`", True)
        case LoadSpike():
            work = scenario.work.get(fault.work)
            if work is not None and not isinstance(work.arrivals, Poisson | Weekly | Renewal):
                message = f"the arrivals of work {quoted(fault.work)} have no rate to multiply"
                yield Problem(("work",), message, "expected a stream with `poisson`, `weekly` or `renewal` arrivals")
        case Absence():
            pass


def _when(fault: TimedFault) -> Iterator[Problem]:
    """Either at a time for a while, or by chance."""
    given = [key for key in ("at", "lasts", "between", "repair") if getattr(fault, key) is not None]
    if given not in (["at", "lasts"], ["between", "repair"]):
        message = f"it has {' and '.join(f'`{key}`' for key in given)}" if given else "it does not say when it comes"
        yield Problem((), message, "expected `at` and `lasts`, or `between` and `repair`", True)
    yield from no_time(("lasts",), fault.lasts)
    for key, law in (("between", fault.between), ("repair", fault.repair)):
        if law is not None and law.support[1] <= 0:
            yield Problem((key,), f"{quoted(key)} is always zero", "expected a law of durations above zero")


def _partition(fault: Partition) -> Iterator[Problem]:
    for key, sites in (("sites", fault.sites), ("towards", fault.towards)):
        for index in repeated(sites):
            yield Problem((key, index), f"site {quoted(sites[index])} is named twice", "name it once")
    for index, site in enumerate(fault.towards):
        if site in fault.sites:
            yield Problem(("towards", index), f"site {quoted(site)} is cut off from itself", "leave it out of one list")
    if fault.flapping is not None:
        yield from no_time(("flapping", "down"), fault.flapping.down)
        yield from no_time(("flapping", "up"), fault.flapping.up)
