"""A real browser, and the pages that it is shown."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import windtunnel as wt
from reports.gate.page import write_gate
from reports.studies.page import write_study
from repository import FLOOD, fleet

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from reports.studies.study import Answered

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, headless. Where there is none the tests are skipped, on CI they fail."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing = f"no browser: none of {', '.join(NAMES)} is on the PATH"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    from playwright.sync_api import sync_playwright

    root = ["--no-sandbox"] if os.geteuid() == 0 else []  # its sandbox does not run as root
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=[*QUIET, *root])
        yield launched
        launched.close()


def _failing(folder: Path) -> Path:
    scenario = wt.load(SCENARIOS / "incident-desk", {"horizon": "4d"})
    findings = wt.verify(scenario)
    run = wt.simulate(scenario, folder / "run", replications=2, findings=findings, workers=1)
    return wt.report(run, findings, folder / "page.html")


def _passing(folder: Path) -> Path:
    scenario = wt.load(SCENARIOS / "model-upgrade")
    run = wt.simulate(scenario, folder / "run", replications=3, workers=1)
    return wt.report(run, None, folder / "page.html")


def _counted(folder: Path) -> Path:
    scenario = wt.load(SCENARIOS / "refund-desk", {"horizon": "3d", "faults": []})
    run = wt.simulate(scenario, folder / "run", replications=2, volume="summary", workers=1)
    return wt.report(run, None, folder / "page.html")


_SHORT = {"horizon": "1d", "warm-up": "2h", "faults": []}


def _compared(folder: Path) -> Path:
    desk = wt.load(SCENARIOS / "refund-desk", _SHORT)
    variants = {"base": {}, "one": {"desks.care.roster.0.staff": 1}}
    return _page(wt.compare(desk, variants, folder / "study", replications=4, workers=1))


def _swept(folder: Path) -> Path:
    desk = wt.load(SCENARIOS / "refund-desk", _SHORT)
    vary = {"desks.care.roster.0.staff": [1, 3], "desks.finance.roster.0.staff": [1, 2]}
    return _page(wt.sweep(desk, vary, folder / "study", replications=3, workers=1))


def _sized(folder: Path) -> Path:
    desk = wt.load(SCENARIOS / "refund-desk", _SHORT)
    until = "care-not-swamped <= 50%"
    found = wt.size(desk, "desks.care.roster.0.staff", until, folder / "study", replications_max=10, workers=1)
    return _page(found)


def _mapped(folder: Path) -> Path:
    storm = wt.load(SCENARIOS / "retry-storm")
    load, retry = "work.questions.arrivals.rate=0.25/s", "workflows.question.steps.answer.retry.attempts=1,3"
    return _page(wt.recovery_map(storm, load, retry, folder / "study", replications_max=8, workers=1))


def _gated(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    repository = fleet(folder / "repository")
    repository.branch("flood", policies=FLOOD)
    judged = wt.gate("main", "flood", folder=repository.root, workers=1, replications=3)
    return write_gate(folder / "gate.html", judged)


def _page(study: Answered) -> Path:
    return write_study(study.folder / "report.html", study)


PAGES: dict[str, Callable[[Path], Path]] = {
    "failing run": _failing,
    "passing run": _passing,
    "counted run": _counted,
    "compare": _compared,
    "sweep": _swept,
    "size": _sized,
    "recovery map": _mapped,
    "gate": _gated,
}


@pytest.fixture(scope="session")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a page by its name, once."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = PAGES[name](tmp_path_factory.mktemp("pages"))
        return made[name]

    return make
