"""Speed of policy verification, on generated sets in the style of agent policies.

Run: python benchmarks/verification.py [--sizes 10 100 1000] [--seed N]

Every measurement runs in a process of its own; times are CPU time of that process, all its threads counted, loading and
solving both, so a shared machine changes little. Peak memory is the resident set of that process.

What the generated sets assume (`written`): a fleet of agents calls tools. There are about sqrt(n) tools for n
policies, some three dozen for a thousand, each a Cedar action in one of three groups (read, write, spend). Four
owners write rules. Seven in ten rules are about one tool, the others about a group or about everything. Half are
permits: by team, by level of the agent, by tier of the amount, by region. A quarter forbid: over a hard cap, in
another region, on globs over the path or command. A quarter forbid and escalate to one of five chains, over a soft
cap or on risky arguments, with a time-out and a severity. Conditions are drawn from the same few vocabularies (teams,
tiers of amounts, globs), so rules overlap, repeat and cover each other as rules of several authors do: that is the
sharing. Nothing is arranged so that the checks come out clean.

The bars are those of the issue tracker: 100 policies below 15 s, 1,000 below 120 s, growth below n^1.5, the median of
single questions below 10 ms, 75 globs on one string below 5 s, one changed policy of 1,000 compared below 5 s.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import permutations

TEAMS = ["support", "payments", "platform", "growth", "risk", "legal"]
REGIONS = ["eu", "us", "apac"]
TIERS = [10, 50, 100, 500, 1_000, 5_000, 10_000]
PATHS = [
    "/etc/*",
    "*/.ssh/*",
    "*.env",
    "*credentials*",
    "/srv/app/*",
    "/opt/*",
    "*.pem",
    "/var/log/*",
    "*secret*",
]
COMMANDS = [
    "rm -rf *",
    "sudo *",
    "*curl *| sh*",
    "git push --force*",
    "*chmod 777*",
    "kubectl delete *",
    "*DROP TABLE*",
]
CHAINS = ["on-call", "finance", "security", "legal", "platform-lead"]
GROUPS = ["read", "write", "spend"]
OWNERS = ["payments", "security", "platform", "compliance"]

ENTITIES = """\
entity Team in [Team];
entity Agent in [Team] = { level: Long, region: String, vendor: Bool };
entity Account in [Team] = { tier: String, region: String, balance: Long, frozen: Bool };
action read, write, spend, any;
"""
CONTEXT = "{ amount: Long, path: String, command: String, note?: String, labels: Set<String>, hour: Long }"


def schema(tools: int) -> str:
    """The schema of a fleet with so many tools."""
    return ENTITIES + "".join(
        f'action tool{n} in ["{GROUPS[n % 3]}", "any"] appliesTo {{ principal: Agent, resource: Account, context: '
        f"{CONTEXT} }};\n"
        for n in range(tools)
    )


def written(count: int, seed: int) -> tuple[str, str]:
    """Policies and schema; the docstring above tells what is assumed."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    tools = max(3, round(1.15 * math.sqrt(count)))
    return "\n".join(_policy(chance, number, tools) for number in range(count)), schema(tools)


def _policy(chance: random.Random, number: int, tools: int) -> str:
    scope = chance.random()
    if scope < 0.7:
        action = f'action == Action::"tool{chance.randrange(tools)}"'
    elif scope < 0.93:
        action = f'action in Action::"{chance.choice(GROUPS)}"'
    else:
        action = "action"
    kind = chance.choice(["permit", "permit", "forbid", "ask"])
    notes = f'@id("rule-{number}") @owner("{chance.choice(OWNERS)}")'
    if kind == "ask":
        notes += (
            f' @escalate("{chance.choice(CHAINS)}") @timeout("{chance.choice([5, 15, 30, 60])}m")'
            f' @severity("{chance.choice(["low", "medium", "high"])}")'
        )
    principal = f'principal in Team::"{chance.choice(TEAMS)}"' if chance.random() < 0.4 else "principal"
    wanted = (_permitted if kind == "permit" else _forbidden)(chance)
    effect = "permit" if kind == "permit" else "forbid"
    return f"{notes}\n{effect} ({principal}, {action}, resource) when {{ {wanted} }};"


def _permitted(chance: random.Random) -> str:
    clauses = [
        f"context.amount <= {chance.choice(TIERS)}",
        f"principal.level >= {chance.randint(1, 5)}",
        "principal.region == resource.region",
        f'context.path like "{chance.choice(PATHS)}"',
        "!resource.frozen",
        f'resource in Team::"{chance.choice(TEAMS)}"',
        f'resource.tier == "{chance.choice(["gold", "silver", "basic"])}"',
        f'context.labels.contains("{chance.choice(["reviewed", "batch", "test"])}")',
        f"context.hour >= {chance.choice([6, 8, 9])} && context.hour < {chance.choice([17, 18, 22])}",
    ]
    return " && ".join(chance.sample(clauses, chance.choice([1, 2, 2, 3])))


def _forbidden(chance: random.Random) -> str:
    globs = " || ".join(f'context.command like "{glob}"' for glob in chance.sample(COMMANDS, chance.randint(1, 3)))
    clauses = [
        f"context.amount > {chance.choice(TIERS)}",
        f"context.amount > {chance.choice(TIERS)} && principal.level < {chance.randint(2, 5)}",
        "principal.region != resource.region",
        f'context.path like "{chance.choice(PATHS)}" && !(context.path like "{chance.choice(PATHS)}")',
        f"({globs})",
        "resource.frozen",
        "principal.vendor",
        f'context.labels.containsAny(["{chance.choice(["pii", "phi"])}", "secret"])',
        f"resource.balance - context.amount < {chance.choice([0, 100])}",
        f'context has note && context.note like "*{chance.choice(["urgent", "override"])}*"',
    ]
    return " && ".join(chance.sample(clauses, chance.choice([1, 1, 2])))


def stress(seed: int) -> tuple[str, str]:
    """Six shell rules with some 75 globs on one string, below a permit of everything."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    words = [
        "rm",
        "sudo",
        "curl",
        "chmod",
        "dd",
        "mkfs",
        "wget",
        "ssh",
        "nc",
        "eval",
        "passwd",
        "shadow",
        ".env",
        "key",
    ]
    shapes = ["*{} *", "{} *", "*{}*", "*{} -{}*", "*|*{}*", "*{}*{}*", "*; {}*", "*{}"]
    rules = ['@id("all") @owner("platform") permit (principal, action, resource);']
    for number, globs in enumerate([13, 13, 13, 12, 12, 12]):
        likes = (
            f'context.command like "{chance.choice(shapes).format(*chance.sample(words, 2))}"' for _ in range(globs)
        )
        ask = f'@escalate("on-call") @timeout("{number + 1}m")' if number % 2 else ""
        rules.append(
            f'@id("shell-{number}") @owner("security") {ask}\n'
            f"forbid (principal, action, resource) when {{ {' || '.join(likes)} }};"
        )
    return "\n".join(rules), schema(1)


def sprawling(principals: int = 40, actions: int = 43) -> tuple[str, str]:
    """A schema of some 5,000 lines with 1,720 request environments, and five policies that touch few of them."""
    lines = [
        f"entity Service{n} = {{\n  region: String,\n  owner: String,\n  budget: Long,\n  live: Bool\n}};"
        for n in range(principals)
    ]
    lines += [
        f"entity Store{n} in [Store{n}] = {{\n"
        + "".join(f"  field{k}: String,\n" for k in range(90))
        + "  size: Long\n};"
        for n in range(actions)
    ]
    everyone = ", ".join(f"Service{n}" for n in range(principals))
    lines += [
        f"action call{n} appliesTo {{\n  principal: [{everyone}],\n  resource: [Store{n}],\n  context: {{\n    amount: "
        "Long,\n    path: String\n  }\n};"
        for n in range(actions)
    ]
    rules = [
        f'@id("r{n}") permit (principal is Service{n}, action == Action::"call{n}", resource)\n'
        f"when {{ context.amount < {10 * n + 10} && resource.size > {n} }};"
        for n in range(4)
    ]
    rules.append(
        '@id("f") forbid (principal is Service0, action == Action::"call0", resource)\n'
        'when { context.path like "*.env" };'
    )
    return "\n".join(rules), "\n".join(lines)


# --- measurements, each in a process of its own -----------------------------------------------------------------------


def catalogue(policies: str, schema_text: str) -> dict[str, object]:
    """Loading a set and every check of it."""
    from models.cedar.load import policy_set
    from verify.json import to_json
    from verify.verify import verify

    began = time.process_time()
    loaded = policy_set(policies, schema_text)
    read = time.process_time()
    findings = verify(loaded)
    done = time.process_time()
    verdicts = [finding.verdict for finding in findings.findings]
    asked = dict(findings.checked["questions"])
    return {
        "seconds": done - began,
        "load": read - began,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "environments": len(loaded.schema.environments()),
        "findings": len(verdicts),
        "undecided": verdicts.count("undecided"),
        "questions": sum(asked.values()),
        "unsolved": 1 - (asked["solved"] + asked["unknown"]) / max(1, sum(asked.values())),
        "json": len(json.dumps(to_json(findings))) / 2**20,
    }


def single(policies: str, schema_text: str) -> dict[str, object]:
    """Single questions, each without any witness of another: does one policy imply another, do two overlap?"""
    from models.cedar.load import policy_set
    from verify import properties
    from verify.query import BUDGETS, Analysis

    loaded = policy_set(policies, schema_text)
    chance = random.Random(1)  # noqa: S311 - no secret
    took = []
    for _ in range(300):
        analysis = Analysis(loaded, BUDGETS["normal"])
        one, other = chance.sample(range(len(loaded.policies)), 2)
        if not (shared := analysis.touched(one, other)):
            continue
        ask = chance.choice([properties.matches_implies, properties.matches_disjoint])
        began = time.process_time()
        analysis.ask(*ask(analysis, shared[0], one, other))
        took.append(time.process_time() - began)
    cuts = statistics.quantiles(took, n=20)
    return {"median": statistics.median(took), "p95": cuts[-1], "count": len(took)}


def change(policies: str, schema_text: str) -> dict[str, object]:
    """The diff of a set in which one rule has another threshold, or another condition where it has none."""
    return _change(policies, policies.replace("context.amount > ", "context.amount > 1", 1), schema_text)


def broad(policies: str, schema_text: str) -> dict[str, object]:
    """The diff of a set to which a forbid is added that every request environment feels."""
    added = '@id("broad") forbid (principal, action, resource) when { context.amount > 77 };'
    return _change(policies, f"{policies}\n{added}", schema_text)


def _change(policies: str, changed: str, schema_text: str) -> dict[str, object]:
    from models.cedar.load import policy_set
    from verify.diff import diff

    old, new = policy_set(policies, schema_text), policy_set(changed, schema_text)
    began = time.process_time()
    found = diff(old, new)
    return {"seconds": time.process_time() - began, "differ": found.result != "equivalent"}


def naive(policies: str, schema_text: str) -> dict[str, object]:
    """What a first version of an analyser does: z3, for every ordered pair of policies in every environment of both
    whether one implies the other, and for every pair whether they overlap.

    It knows no union of rules, makes no witness and has no second solver.
    """
    import z3

    from models.cedar.load import policy_set
    from verify.ground import without_sets
    from verify.query import BUDGETS, Analysis
    from verify.smtlib import script
    from verify.term import not_
    from verify.wellformed import constraints

    loaded = policy_set(policies, schema_text)
    analysis = Analysis(loaded, BUDGETS["normal"])
    began, count = time.process_time(), 0
    for one, other in permutations(range(len(loaded.policies)), 2):
        for environment in analysis.touched(one, other):
            first, second = (analysis.matches(environment, i) for i in (one, other))
            for parts in ((first, not_(second)), (first, second)) if one < other else ((first, not_(second)),):
                lowered = without_sets(parts)
                solver = z3.Solver()
                solver.set("rlimit", 1_000_000)
                solver.from_string(script((*lowered, *constraints(lowered, loaded.schema)), "pair").text)
                solver.check()
                count += 1
    return {"seconds": time.process_time() - began, "count": count}


KINDS: dict[str, Callable[[str, str], dict[str, object]]] = {
    "catalogue": catalogue,
    "single": single,
    "change": change,
    "broad": broad,
    "naive": naive,
}


def measured(kind: str, texts: tuple[str, str]) -> dict[str, float]:
    """A measurement in a process of its own."""
    command = [sys.executable, __file__, "--measure", kind]
    done = subprocess.run(command, input=json.dumps(texts), check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program
    found: dict[str, float] = json.loads(done.stdout)
    return found


def told(name: str, found: dict[str, float]) -> None:
    print(
        f"{name}: {found['seconds']:.1f} s ({found['load']:.2f} s of it loading), {found['megabytes']:.0f} MB, "
        f"{found['environments']} environments, {found['findings']} findings ({found['undecided']} undecided), "
        f"{found['questions']:,} questions, {found['unsolved']:.0%} answered without a solver",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1_000])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--measure", choices=KINDS, help=argparse.SUPPRESS)
    chosen = options.parse_args(arguments)
    if chosen.measure:
        policies, schema_text = json.load(sys.stdin)
        print(json.dumps(KINDS[chosen.measure](policies, schema_text)))
        return
    times = {}
    for size in chosen.sizes:
        found = measured("catalogue", written(size, chosen.seed))
        times[size] = found["seconds"]
        told(f"{size} policies", found)
    for small, large in zip(chosen.sizes, chosen.sizes[1:], strict=False):
        print(f"growth {small} to {large}: n^{math.log(times[large] / times[small]) / math.log(large / small):.2f}")
    for kind, what in (("change", "one rule changed"), ("broad", "one rule added that all environments feel")):
        found = measured(kind, written(chosen.sizes[-1], chosen.seed))
        print(f"{chosen.sizes[-1]} policies, {what}: diff in {found['seconds']:.1f} s", flush=True)
    found = measured("single", written(100, chosen.seed))
    print(
        f"single questions: median {found['median'] * 1e3:.1f} ms, 95% {found['p95'] * 1e3:.1f} ms ({found['count']})"
    )
    told("75 globs on one string", measured("catalogue", stress(chosen.seed)))
    told("1,720 environments, 5 policies", measured("catalogue", sprawling()))
    found = measured("naive", written(100, chosen.seed))
    print(f"naive loop over all pairs of 100: {found['seconds']:.1f} s for {found['count']:,} questions", end="")
    print(f", {found['seconds'] / times[100]:.1f} times the catalogue" if 100 in times else "")


if __name__ == "__main__":
    main()
