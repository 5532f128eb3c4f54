"""Behaviours: a program that does what a capability does leaves the same bytes; others event by event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from models.diagnostics import InputError
from models.load import LoadedScenario, load
from sim.behaviours import with_behaviours
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules
from sim.run import Run, table_file
from sim.simulate import resume, simulate
from windtunnel.cli import app

TEXT = """\
windtunnel: 1
name: own
start: 2026-01-05T00:00:00Z
horizon: 4h
replications: 3
sites: {near: {}, far: {}}
endpoints: {api: {site: far, latency: exponential(mean=4s), concurrency: 3, rate: 20/min, price: 0.01 USD}}
agents:
  pool:
    site: near
    replicas: 3
    capabilities:
      work:
        BEHAVIOUR
        service: exponential(mean=20s)
        endpoint: api
        calls: 2
        success: "beta(alpha=3, beta=1)"
        detected: 0.5
        cost: 0.1 USD
        guardrail: {sensitivity: 0.6, specificity: 0.9}
      plain: {OTHER service: exponential(mean=9s)}
workflows:
  flow:
    start: work
    steps:
      work: {kind: task, agent: pool, capability: work, timeout: 1m, retry: {attempts: 3, backoff: 5s, jitter: full},
             idempotency-key: false, next: plain}
      plain: {kind: task, agent: pool, capability: plain, patience: 30s}
work:
  w: {workflow: flow, arrivals: {kind: poisson, rate: 150/h}, deadline: 2m, on-deadline: cancel,
      attributes: {size: "uniform(low=0, high=100)"}}
faults:
  - {kind: crash, agent: pool, replicas: 1, at: 1h, lasts: 10m}
  - {kind: hang, agent: pool, replicas: 2, at: 2h, lasts: 1m}
  - {kind: slowdown, agent: pool, factor: 3, at: 3h, lasts: 10m}
  - {kind: partition, sites: [far], at: 90m, lasts: 1m}
"""
FILE = """\
from windtunnel import behaviour

@behaviour("same")
def same(env, attempt):
    yield env.timeout(attempt.service())
    yield attempt.calls()

@behaviour("plainly")
def plainly(env, attempt):
    yield env.timeout(attempt.service())
"""


def loaded(
    folder: Path, behaviour: str = "behaviour: same", other: str = "behaviour: plainly,", text: str = TEXT
) -> LoadedScenario:
    (folder / "scenario.yaml").write_text(text.replace("BEHAVIOUR", behaviour).replace("OTHER", other))
    return load(folder)


def written(folder: Path, text: str = FILE) -> Path:
    (folder / "own.py").write_text(text)
    return folder / "own.py"


def tables(run: Run) -> dict[str, bytes]:
    return {name: table_file(run.folder, name).read_bytes() for name in ("cases", "events", "samples")}


def test_a_program_that_does_what_a_capability_does_leaves_the_same_bytes(tmp_path: Path) -> None:
    plain = simulate(loaded(tmp_path, "", ""), tmp_path / "plain", workers=1)
    own = simulate(loaded(tmp_path), tmp_path / "own", workers=1, behaviours=written(tmp_path))
    assert tables(own) == tables(plain)
    kinds = set(own.events()["kind"])
    assert {"crash", "hang", "slowdown", "guardrail-stopped", "effect-repeated", "case-late", "abandoned"} <= kinds
    reasons = set(own.events().query("kind == 'attempt-failed'")["detail"])
    assert {"timeout", "crash", "wrong", "api: partition", "api: rate-limited"} <= reasons


def test_one_that_does_something_else_does_not(tmp_path: Path) -> None:
    plain = simulate(loaded(tmp_path, "", ""), tmp_path / "plain", workers=1)
    hasty = FILE.replace("env.timeout(attempt.service())", "env.timeout(attempt.service() // 2)")
    own = simulate(loaded(tmp_path), tmp_path / "own", workers=1, behaviours=written(tmp_path, hasty))
    assert tables(own)["events"] != tables(plain)["events"]


def test_workers_and_a_resumed_run_give_the_same(tmp_path: Path) -> None:
    scenario, file = loaded(tmp_path), written(tmp_path)
    whole = simulate(scenario, tmp_path / "one", workers=1, behaviours=file)
    assert tables(simulate(scenario, tmp_path / "two", workers=2, behaviours=file)) == tables(whole)

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(scenario, tmp_path / "cut", workers=1, behaviours=file, progress=stop)
    with pytest.raises(InputError, match="`same` is not given"):
        resume(tmp_path / "cut", workers=1)
    assert tables(resume(tmp_path / "cut", workers=1, behaviours=file)) == tables(whole)


def test_a_summary_is_of_the_same_run(tmp_path: Path) -> None:
    """And attributes are the same where they are drawn by blocks."""
    body = FILE + "    return attempt.attributes['size'] < 50\n"
    scenario, file = loaded(tmp_path), written(tmp_path, body)
    runs = [
        simulate(scenario, tmp_path / volume, workers=1, behaviours=file, volume=volume)  # type: ignore[arg-type]
        for volume in ("events", "summary")
    ]
    first, second = (table_file(run.folder, "samples").read_bytes() for run in runs)
    assert first == second


def test_the_run_names_the_file_and_another_file_is_another_run(tmp_path: Path) -> None:
    scenario = loaded(tmp_path)
    first, _ = with_behaviours(scenario, written(tmp_path))
    other, file = with_behaviours(scenario, written(tmp_path, FILE + "# changed"))
    assert file is not None
    assert len({scenario.digest, first.digest, other.digest}) == 3
    assert other.inputs["own.py"] == file.digest != first.inputs["own.py"]
    written(tmp_path, "nonsense")
    assert set(file.functions()) == {"same", "plainly"}, "what it held when the run began"


SMALL = """\
windtunnel: 1
name: small
start: 2026-01-05T00:00:00Z
horizon: 1h
endpoints: {api: {latency: 2s, price: 1 USD}}
faults: [OUTAGE]
agents: {pool: {capabilities: {do: {behaviour: own, endpoint: api, calls: 2, detected: 0}}}}
workflows:
  flow: {start: do, steps: {do: {kind: task, agent: pool, capability: do, retry: {attempts: 2, backoff: 10s}LIMIT}}}
work: {w: {workflow: flow, arrivals: {kind: trace, file: one.csv, column: t}, attributes: {size: 7}}}
"""


def small(folder: Path, body: str, outage: str = "", limit: str = "") -> list[dict[str, Any]]:
    (folder / "scenario.yaml").write_text(SMALL.replace("OUTAGE", outage).replace("LIMIT", limit))
    (folder / "one.csv").write_text("t\n0\n")
    scenario = load(folder)
    source = f"import simpy\nfrom windtunnel import behaviour\n\n@behaviour('own')\ndef own(env, attempt):\n{body}\n"
    scenario, file = with_behaviours(scenario, written(folder, source))
    assert file is not None
    replication = Replication(compile_plan(scenario), compile_rules(scenario), 5, 0, behaviours=file.functions())
    replication.run()
    return replication.tables("", 5).events.to_pylist()


def told(events: list[dict[str, Any]]) -> list[tuple[float, str, str]]:
    kinds = ("started", "attempt-failed", "attempt-wrong", "ended")
    return [(row["time"] / 1e6, row["kind"], row["detail"]) for row in events if row["kind"] in kinds]


def test_what_it_returns_is_what_becomes_of_the_attempt(tmp_path: Path) -> None:
    """First too tired after 3 s; then, 10 s later, 2 x 2 s of calls and 5 s more; 7 is wrong, and nobody sees."""
    body = """\
    if attempt.number == 1:
        yield env.timeout("3s")
        return "tired"
    yield attempt.calls()
    yield env.simpy.timeout(5_000_000)
    return attempt.attributes["size"] > 7"""
    assert told(small(tmp_path, body)) == [
        (0, "started", ""),
        (3, "attempt-failed", "tired"),
        (13, "started", ""),
        (22, "attempt-wrong", ""),
        (22, "ended", "completed"),
    ]


def test_failed_calls_are_raised_in_it(tmp_path: Path) -> None:
    outage = "{kind: outage, endpoint: api, at: 0s, lasts: 30m}"
    uncaught = told(small(tmp_path, "    yield attempt.calls()", outage))
    assert [row[2] for row in uncaught] == ["", "api: outage", "", "api: outage", "failed"]
    body = """\
    from sim.behaviours import EndpointFailed
    try:
        yield attempt.calls()
    except EndpointFailed as failed:
        assert failed.reason == "api: outage"
        yield env.timeout("1m")"""
    assert told(small(tmp_path, body, outage))[-1] == (62, "ended", "completed")


def test_what_ends_the_attempt_closes_it(tmp_path: Path) -> None:
    body = f"""\
    try:
        yield env.timeout("30s")
    finally:
        with open({str(tmp_path / "closed")!r}, "a") as told:
            told.write(str(env.now) + " ")"""
    assert told(small(tmp_path, body, limit=", timeout: 8s"))[-1] == (26, "ended", "failed")
    assert (tmp_path / "closed").read_text() == "8000000 26000000 "


def test_its_draws_are_its_own_and_always_the_same(tmp_path: Path) -> None:
    body = """\
    first = [attempt.uniform(n) for n in (0, 1, 63)]
    yield env.timeout(1)
    assert first == [attempt.uniform(n) for n in (0, 1, 63)]
    assert len(set(first)) == 3 and all(0 < u < 1 for u in first)
    return str(first)"""
    events = small(tmp_path, body)
    drawn = [row["detail"] for row in events if row["kind"] == "attempt-failed"]
    assert len(set(drawn)) == 2, "each attempt has others"
    assert drawn == [row["detail"] for row in small(tmp_path, body) if row["kind"] == "attempt-failed"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    yield 5", "behaviour `own` yields int"),
        ("    yield env.timeout(-1)", "expected whole microseconds"),
        ("    yield attempt.calls()\n    yield attempt.calls()", "makes its calls twice"),
        ("    yield attempt.calls()\n    return 7", "returns int"),
        ("    return True", "is no generator"),
        ("    attempt.uniform(64)\n    yield", "from 0 to 63"),
        (
            "    try:\n        yield env.timeout('9d')\n    finally:\n        1 / 0",
            "as it is closed: ZeroDivisionError",
        ),
        ("    1 / 0\n    yield", "fails: ZeroDivisionError"),
    ],
)
def test_a_program_in_error_is_told_without_a_traceback(body: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(SMALL.replace("OUTAGE", "").replace("LIMIT", ", timeout: 1m"))
    (tmp_path / "one.csv").write_text("t\n0\n")
    source = f"from windtunnel import behaviour\n\n@behaviour('own')\ndef own(env, attempt):\n{body}\n"
    with pytest.raises(InputError) as raised:
        simulate(load(tmp_path), tmp_path / "run", replications=1, workers=1, behaviours=written(tmp_path, source))
    assert message in str(raised.value)


def test_files_and_names_are_checked(tmp_path: Path) -> None:
    scenario = loaded(tmp_path)
    for given, message in (
        (None, "behaviour `same` is not given"),
        (tmp_path / "none.py", "cannot read the file of behaviours"),
        ("no.such.module", "no file and no module `no.such.module`"),
        (written(tmp_path, FILE.replace('("same")', '("smae")')), "did you mean `smae`?"),
    ):
        with pytest.raises(InputError) as raised:
            with_behaviours(scenario, given)
        assert message in str(raised.value)
    with pytest.raises(InputError, match="fails: NameError"):
        with_behaviours(scenario, written(tmp_path, FILE + "nonsense"))
    with pytest.raises(InputError, match="the scenario names no behaviour"):
        with_behaviours(loaded(tmp_path, "", ""), written(tmp_path))
    with pytest.raises(InputError, match="nothing to vote on"):
        loaded(tmp_path, "behaviour: same", "behaviour: plainly, vote: {of: 3},")
    with pytest.raises(InputError, match="a behaviour ends with its caller"):
        loaded(tmp_path, text=TEXT.replace("    replicas: 3\n", "    replicas: 3\n    abandoned: serve\n"))


def test_the_command_line_takes_the_file_and_the_scenario_alone_runs_no_code(tmp_path: Path) -> None:
    loaded(tmp_path)
    marked = written(tmp_path, FILE + f"\nopen({str(tmp_path / 'was-run')!r}, 'w').close()\n")
    (tmp_path / "behaviours.py").write_text(marked.read_text())
    arguments = ["simulate", str(tmp_path), "--out", str(tmp_path / "run"), "--replications", "1", "--workers", "1"]
    refused = CliRunner().invoke(app, arguments)
    assert not (tmp_path / "was-run").exists()
    assert isinstance(refused.exception, InputError) or refused.exit_code == 2
    done = CliRunner().invoke(app, [*arguments, "--behaviours", str(marked)])
    assert done.exit_code in (0, 3), done.output
    assert (tmp_path / "was-run").exists()
