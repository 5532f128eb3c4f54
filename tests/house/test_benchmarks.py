"""Every benchmark is run by `make bench` and told of in its README, so that no quoted figure is without its script."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py"))


def test_make_bench_runs_every_benchmark_and_the_readme_tells_of_it() -> None:
    bench = (ROOT / "Makefile").read_text().partition("\nbench:")[2].partition("\n\n")[0]
    told = (ROOT / "benchmarks" / "README.md").read_text()
    assert SCRIPTS
    for script in SCRIPTS:
        assert f"benchmarks/{script}" in bench
        assert f"`{script}`" in told
