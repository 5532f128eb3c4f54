"""Windtunnel: verify the policies of an agent fleet, simulate the fleet, report both.

import windtunnel as wt

scenario = wt.load("scenarios/incident-desk")
findings = wt.verify(scenario)
run = wt.simulate(scenario, findings=findings)
outcomes = wt.assess(run)
wt.report(run, findings, "report.html")
"""

from models.behaviours import behaviour
from windtunnel.api import (
    assess,
    backtest,
    compare,
    diff,
    evidence,
    export,
    frame,
    gate,
    load,
    open_run,
    query,
    recovery_map,
    report,
    resume,
    run_alone,
    simulate,
    size,
    sql,
    sweep,
    verify,
    verify_evidence,
)
from windtunnel.told import tell

__all__ = [
    "assess",
    "backtest",
    "behaviour",
    "compare",
    "diff",
    "evidence",
    "export",
    "frame",
    "gate",
    "load",
    "open_run",
    "query",
    "recovery_map",
    "report",
    "resume",
    "run_alone",
    "simulate",
    "size",
    "sql",
    "sweep",
    "tell",
    "verify",
    "verify_evidence",
]
__version__ = "0.1.0"
