"""How long the gate takes on a one-rule change of a generated set, and what of that goes into which part.

Run: python benchmarks/gate.py [--policies N] [--seed N] [--replications N] [--workers N]

The set is that of `verification.py`, whose docstring tells what it assumes, with one label for a set of them: a
case attribute is a text. A repository is made of it and of a scenario in which three pools of agents call six of the
tools, with five chains of escalation to three desks, for a day of some 1,400 cases. The change moves one rule that asks
people above a cap to a tool that is called. All is drawn from the seed, so every run judges the same change.

Times are wall-clock seconds of the command's work, from reading the repository to the statements, and change with the
machine. The bar is that of a merge: 200 policies below 60 s.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parent))

from verification import CHAINS, written

import windtunnel as wt

BAR_SECONDS = 60

POOLS = ["support", "payments", "risk"]
SCENARIO = """\
windtunnel: 1
name: fleet
start: 2026-01-05T00:00:00Z
horizon: 24h
warm-up: 2h
replications: 10
seed: 1
policies: {path: policies}
"""


def policies(count: int, seed: int) -> tuple[str, str]:
    """Policies and schema, with a label in place of a set of them."""
    text, schema = written(count, seed)
    text = re.sub(r'context\.labels\.contains\("(\w+)"\)', r'context.label == "\1"', text)
    text = re.sub(r'context\.labels\.containsAny\(\["(\w+)", "secret"\]\)', r'(context.label == "\1")', text)
    return text, schema.replace("labels: Set<String>", "label: String")


def scenario() -> str:
    """The scenario over these tools."""
    pools = [
        f"  {pool}: {{principal: 'Agent::\"{pool}\"', replicas: 6, "
        "capabilities: {call: {service: exponential(mean=40s)}}}"
        for pool in POOLS
    ]
    desks = [
        f'  {desk}: {{roster: [{{days: daily, hours: "00:00-24:00", staff: 3}}], service: exponential(mean=3m)}}'
        for desk in ("first", "second", "lead")
    ]
    chains = [
        f"  {chain}: {{levels: [{{desk: {('first', 'second', 'lead')[place % 3]}}}]}}"
        for place, chain in enumerate(CHAINS)
    ]
    steps = [
        f"      s{n}: {{kind: task, agent: {pool}, capability: call, action: 'Action::\"tool{2 * place + n}\"', "
        "resource: 'Account::\"main\"', context: {hour: 10}"
        for place, pool in enumerate(POOLS)
        for n in range(2)
    ]
    flows = [
        f"  {pool}:\n    start: s0\n    steps:\n{steps[2 * place]}, next: s1}}\n{steps[2 * place + 1]}}}"
        for place, pool in enumerate(POOLS)
    ]
    attributes = """\
      amount: lognormal(median=80, p95=2000)
      path: choice(report=0.7, ledger=0.3)
      command: choice(look=0.8, book=0.2)
      label: choice(reviewed=0.6, batch=0.3, pii=0.1)"""
    work = [
        f"  {pool}:\n    workflow: {pool}\n    arrivals: {{kind: poisson, rate: 20/h}}\n    attributes:\n{attributes}"
        for pool in POOLS
    ]
    parts = {"agents": pools, "desks": desks, "chains": chains, "workflows": flows, "work": work}
    return SCENARIO + "\n".join(f"{name}:\n" + "\n".join(lines) for name, lines in parts.items()) + "\n"


ENTITIES = (
    '[{"uid": {"type": "Account", "id": "main"}, "attrs": {"tier": "gold", "region": "eu", "balance": 100000, '
    '"frozen": false}, "parents": []}'
    + "".join(
        f', {{"uid": {{"type": "Agent", "id": "{pool}"}}, "attrs": {{"level": 4, "region": "eu", "vendor": false}}, '
        f'"parents": [{{"type": "Team", "id": "{pool}"}}]}}'
        for pool in POOLS
    )
    + "]"
)


def repository(folder: Path, count: int, seed: int) -> None:
    """A checkout with the set on `main`, and the change of one rule on `change`."""

    def git(*words: str) -> None:
        names = ("-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *names, *words], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607

    text, schema = policies(count, seed)
    (folder / "policies").mkdir()
    (folder / "policies" / "fleet.cedar").write_text(text)
    (folder / "policies" / "fleet.cedarschema").write_text(schema)
    (folder / "policies" / "entities.json").write_text(ENTITIES)
    (folder / "scenario.yaml").write_text(scenario())
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-q", "-m", "base")
    git("checkout", "-q", "-b", "change")
    (folder / "policies" / "fleet.cedar").write_text(changed(text))
    git("commit", "-q", "-a", "-m", "change")


def changed(text: str) -> str:
    """The set with the first rule that asks people above a cap, whatever else, moved to a tool that is called."""
    rules = text.split("\n@id")
    asks = re.compile(r"@escalate.*\n.*when \{ context\.amount > [0-9]+ \};")
    place = next(n for n, rule in enumerate(rules) if asks.search(rule))
    rules[place] = re.sub(r'action (==|in) Action::"\w+"', 'action == Action::"tool0"', rules[place])
    return "\n@id".join(rules)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policies", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replications", type=int, default=10)
    parser.add_argument("--workers", type=int, default=None)
    given = parser.parse_args()
    parts: dict[str, float] = {}

    @contextmanager
    def timed(part: str) -> Iterator[Callable[[int, int | None], None]]:
        began = perf_counter()
        yield lambda _done, _total: None
        parts[part] = parts.get(part, 0.0) + perf_counter() - began

    with tempfile.TemporaryDirectory() as folder:
        repository(Path(folder), given.policies, given.seed)
        began = perf_counter()
        gate = wt.gate(
            "main", "change", folder=folder, replications=given.replications, workers=given.workers, step=timed
        )
        seconds = perf_counter() - began
    print(f"{given.policies} policies, one rule changed: {seconds:.1f} s (bar for 200: {BAR_SECONDS} s)")
    for part, took in [*parts.items(), ("the rest", seconds - sum(parts.values()))]:
        print(f"  {part:32} {took:6.1f} s {took / seconds:6.1%}")
    print(f"verdict {gate.verdict.result}, exit code {gate.verdict.exit_code}")
    effect = gate.targets[0].effect
    for sentence in effect.sentences[:3] if effect else ():
        print(f"  {sentence.text}")


if __name__ == "__main__":
    main()
