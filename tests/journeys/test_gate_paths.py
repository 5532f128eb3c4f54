"""What a change touches, however it is named: through links, and by the paths that are asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

import pytest

import windtunnel as wt
from models.checkout import Tree, changes, resolve, tree
from reports.gate.changed import targets
from repository import FLOOD, POLICIES, SCENARIO, SCHEMA, Repository, fleet

UNASKED = POLICIES.split('@id("over-cap")')[0]


def made(root: Path, files: dict[str, str], links: dict[str, str]) -> Repository:
    """A repository of these files, and of links by where they lead."""
    repository = Repository(root)
    repository.git("init", "-q", "-b", "main")
    for path, text in files.items():
        repository.write(path, text)
    for path, goal in links.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(goal)
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "base")
    return repository


def judged(repository: Repository, head: str, *paths: str) -> set[tuple[str, str, str]]:
    """The targets of a change: folder, kind, and what becomes of them."""
    old, new = sides(repository, head)
    return {(one.path, one.kind, one.change) for one in targets(old, new, changes(old, new), paths)}


def sides(repository: Repository, head: str) -> tuple[Tree, Tree]:
    root = repository.root
    return tree(root, resolve(root, "main", "--base")), tree(root, resolve(root, head, "--head"))


DESK = ("fleet/desk", "scenario", "changed")
LINKED = {
    "folder": ({"real/a.cedar": POLICIES}, {"fleet/policies": "../real"}, SCENARIO, "real/a.cedar"),
    "file": ({"real/a.txt": POLICIES}, {"fleet/policies/a.cedar": "../../real/a.txt"}, SCENARIO, "real/a.txt"),
    "twice": ({"b.txt": POLICIES}, {"fleet/policies/a.cedar": "../../a", "a": "b.txt"}, SCENARIO, "b.txt"),
    "on the way": (
        {"real/sub/a.cedar": POLICIES}, {"fleet/link": "../real"},
        SCENARIO.replace("../policies", "../link/sub"), "real/sub/a.cedar",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINKED)
def test_a_scenario_is_judged_where_what_it_reads_through_a_link_changes(name: str, tmp_path: Path) -> None:
    files, links, scenario, file = LINKED[name]
    repository = made(tmp_path, {**files, "fleet/desk/scenario.yaml": scenario}, links)
    repository.branch("unasked", **{file: UNASKED})
    assert DESK in judged(repository, "unasked")
    assert DESK in judged(repository, "unasked", "fleet")
    gate = wt.gate("main", "unasked", folder=tmp_path, workers=1, replications=2)
    assert "D404" in {statement.rule for _, statement in gate.said if statement.stands}
    assert [one.effect is not None for one in gate.targets if one.target.kind == "scenario"] == [True]


def test_a_scenario_file_that_is_a_link_is_judged_where_it_leads(tmp_path: Path) -> None:
    files = {"base.yaml": SCENARIO, "fleet/policies/a.cedar": POLICIES}
    repository = made(tmp_path, files, {"fleet/desk/scenario.yaml": "../../base.yaml"})
    repository.branch("dropped", **{"base.yaml": SCENARIO.split("objectives:")[0]})
    assert judged(repository, "dropped") == {DESK}


def test_policies_that_no_scenario_reads_are_judged_through_a_link(tmp_path: Path) -> None:
    files = {"text/a.txt": POLICIES, "pol/x.cedarschema": SCHEMA, "other/b.txt": "b"}
    repository = made(tmp_path, files, {"pol/a.cedar": "../text/a.txt", "pol/b.txt": "../other/b.txt"})
    repository.branch("unasked", **{"text/a.txt": UNASKED})
    repository.branch("beside", **{"other/b.txt": "c"})
    assert judged(repository, "unasked") == {("pol", "policies", "changed")}
    assert judged(repository, "beside") == set()


@pytest.mark.parametrize(("path", "found"), [("../../up/up/self/a", set()), ("../../up", {DESK})])
def test_links_in_a_circle_and_out_of_the_repository_end(path: str, found: set[object], tmp_path: Path) -> None:
    links = {"a": "b", "b": "a", "self": "self/x", "up": ".", "out": "../../etc", "root": "/etc"}
    scenario = SCENARIO.replace("../policies", path)
    repository = made(tmp_path, {"fleet/desk/scenario.yaml": scenario, "x.txt": "x"}, links)
    repository.branch("other", **{"x.txt": "y"})
    assert judged(repository, "other") == found  # `up` leads to all there is


@pytest.mark.parametrize("path", ["pol/a.cedar", "pol/x.cedarschema", "pol", ""])
def test_policies_are_judged_by_the_name_of_a_file_of_theirs(path: str, tmp_path: Path) -> None:
    files = {"pol/a.cedar": POLICIES, "pol/x.cedarschema": SCHEMA, "else/b.cedar": POLICIES}
    repository = made(tmp_path, files, {})
    repository.branch("unasked", **{"pol/a.cedar": UNASKED})
    assert judged(repository, "unasked", path) == {("pol", "policies", "changed")}
    assert judged(repository, "unasked", "else/b.cedar") == set()


def test_a_scenario_is_judged_by_the_name_of_any_file_that_it_reads(tmp_path: Path) -> None:
    repository = fleet(tmp_path / "repository")
    repository.branch("flood", policies=FLOOD)
    for path in ("fleet/policies/refunds.cedar", "fleet/policies/fleet.cedarschema", "fleet/policies", "fleet/desk"):
        assert judged(repository, "flood", path) == {DESK}
    assert judged(repository, "flood", "README.md") == set()


def test_policies_below_those_of_a_scenario_are_no_part_of_them(tmp_path: Path) -> None:
    """A folder is read without those below it: what lies there is judged by itself."""
    repository = fleet(tmp_path / "repository")
    repository.write("fleet/policies/team/b.cedar", POLICIES)
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "team")
    repository.branch("unasked", **{"fleet/policies/team/b.cedar": UNASKED})
    assert ("fleet/policies/team", "policies", "changed") in judged(repository, "unasked")
    gate = wt.gate("main", "unasked", folder=repository.root, workers=1, replications=2)
    assert gate.verdict.exit_code == 1


TRIED = {
    "variant": "variants:\n  next: {set: {policies.path: ../next}}\n",
    "rollout": "rollouts:\n  next: {of: policies, path: ../next, at: 2h}\n",
}


@pytest.mark.parametrize("name", TRIED)
def test_policies_that_a_scenario_only_tries_out_are_judged_by_themselves(name: str, tmp_path: Path) -> None:
    files = {"fleet/desk/scenario.yaml": SCENARIO + TRIED[name], "fleet/next/n.cedar": POLICIES}
    repository = made(tmp_path, {**files, "fleet/policies/a.cedar": POLICIES}, {})
    repository.branch("unasked", **{"fleet/next/n.cedar": UNASKED})
    alone = ("fleet/next", "policies", "changed")
    assert judged(repository, "unasked") == ({alone, DESK} if name == "rollout" else {alone})
    gate = wt.gate("main", "unasked", folder=repository.root, workers=1, replications=2)
    assert "D404" in {one.rule for target, one in gate.said if one.stands and target.path == "fleet/next"}


def test_a_submodule_that_a_scenario_reads_from_is_no_silent_pass(tmp_path: Path) -> None:
    """It is not looked into: where a commit moves it, nobody knows what the policies are."""
    scenario = SCENARIO.replace("../policies", "../module/policies")
    repository = made(tmp_path, {"fleet/desk/scenario.yaml": scenario, "x.txt": "x"}, {})
    for branch, commit in (("main", "1" * 40), ("moved", "2" * 40)):
        repository.git("checkout", "-q", "-B", branch)
        repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},fleet/module")
        repository.git("commit", "-q", "-m", branch)
    assert judged(repository, "moved") == {DESK}
    gate = wt.gate("main", "moved", folder=tmp_path, workers=1, replications=2)
    assert (gate.verdict.result, gate.verdict.exit_code) == ("invalid", 2)


def test_many_links_are_followed_one_by_one(tmp_path: Path) -> None:
    """What is asked of each is only where it leads: pairs of them would be a hundred million."""
    links = {f"l/{number}.cedar": "../to/a.txt" for number in range(3_000)} | {"to": "real"}
    files = {"real/a.txt": POLICIES, "fleet/desk/scenario.yaml": SCENARIO.replace("../policies", "../../l/7.cedar")}
    repository = made(tmp_path, files, links)
    repository.branch("unasked", **{"real/a.txt": UNASKED})
    old, new = sides(repository, "unasked")
    calls = 0

    def counted(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_name in ("ends", "_within")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        found = targets(old, new, changes(old, new))
    finally:
        sys.setprofile(before)
    assert DESK in {(one.path, one.kind, one.change) for one in found}
    assert calls < 100_000
