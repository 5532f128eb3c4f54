"""A small run that tests of different purposes look at."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from models.load import LoadedScenario, load

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts what it puts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.pop("COLUMNS", None)  # what is printed is not wrapped, however wide the terminal of who tests is

# The same examples every time, on any machine: a failure is one for all, and a slow machine is none.
settings.register_profile("windtunnel", derandomize=True, deadline=None)
settings.load_profile("windtunnel")

SMALL = """\
windtunnel: 1
name: small
start: 2026-01-05T00:00:00Z
horizon: 600s
replications: 3
seed: 5
policies: {path: policies.cedar}
agents:
  pool: {principal: 'Agent::"a"', replicas: 2, capabilities: {work: {service: exponential(mean=9s)}}}
workflows:
  flow:
    start: step
    steps:
      step: {kind: task, agent: pool, capability: work, action: 'Action::"act"', resource: 'Thing::"thing"'}
work:
  stream: {workflow: flow, arrivals: {kind: poisson, rate: 4/min}, attributes: {n: "uniform(low=0, high=9)"}}
"""


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> LoadedScenario:
    """A queue with two outcomes of decisions."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "scenario.yaml").write_text(SMALL)
    policies = '@id("may") permit (principal, action, resource); @id("no") forbid (principal, action, resource) '
    (folder / "policies.cedar").write_text(policies + "when { context.n > 7 };")
    return load(folder)


@pytest.fixture(scope="session")
def flown(small: LoadedScenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its run folder, to read only."""
    from sim.simulate import simulate

    folder = tmp_path_factory.mktemp("flown") / "run"
    simulate(small, folder, workers=1)
    return folder


@pytest.fixture
def copy(flown: Path, tmp_path: Path) -> Path:
    """A copy of the run folder, to tamper with."""
    return Path(shutil.copytree(flown, tmp_path / "run"))
