"""A checkout is somebody else's: nothing of it is run, nothing outside of it is read, and what is odd is told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import windtunnel as wt
from models import checkout
from models.checkout import Change, Commit, Entry, Tree, changes, find, merge_base, resolve, tree
from models.diagnostics import InputError
from windtunnel.cli import exit_code

POLICY = '@id("may") permit (principal, action, resource);\n'


def git(root: Path, *words: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *names, *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "policies").mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    (root / "policies" / "a.cedar").write_text(POLICY)
    commit(root, "base")
    return root


def commit(root: Path, message: str) -> str:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)
    return git(root, "rev-parse", "HEAD")


def test_nothing_that_the_repository_names_is_run(repository: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    script.chmod(0o755)
    (repository / ".gitattributes").write_text("*.cedar filter=evil diff=evil\n*.txt filter=evil\n")
    (repository / "b.txt").write_text("b")
    commit(repository, "attributes")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in ("post-index-change", "post-checkout", "reference-transaction"):
        (hooks / hook).write_text(script.read_text())
        (hooks / hook).chmod(0o755)
    settings = {
        "core.fsmonitor": script, "core.hooksPath": hooks, "core.pager": script, "diff.external": script,
        "diff.evil.command": script, "diff.evil.textconv": script, "filter.evil.clean": script,
        "filter.evil.smudge": script, "filter.evil.process": script, "core.sshCommand": script,
    }  # fmt: skip
    for name, value in settings.items():
        git(repository, "config", name, str(value))
    mark.unlink(missing_ok=True)
    (repository / "policies" / "a.cedar").write_text("// another line\n" + POLICY)
    (repository / "b.txt").touch()
    gate = wt.gate("main", folder=repository, workers=1)
    assert [(one.target.path, one.target.files) for one in gate.targets] == [("policies", ("policies/a.cedar",))]
    assert not mark.exists()
    subprocess.run(["git", "status"], cwd=repository, capture_output=True, check=False)
    assert mark.exists()  # git itself would have run them: the test can say no


def test_the_environment_does_not_steer_git(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert find(repository / "policies") == repository


@pytest.mark.parametrize("goal", ["/etc/passwd", "../../secret.cedar", "../.."])
def test_a_link_that_leaves_the_repository_is_refused(repository: Path, goal: str) -> None:
    (repository.parent / "secret.cedar").write_text("forbid (principal, action, resource);")
    (repository / "policies" / "b.cedar").symlink_to(goal)
    before = wt.gate("main", folder=repository, workers=1)
    made = commit(repository, "link")
    after = wt.gate("main~1", made, folder=repository, workers=1)
    for gate in (before, after):
        assert gate.verdict.exit_code == 2
        assert "leaves the repository" in gate.verdict.reasons[0]


def test_links_within_the_repository_are_followed_and_copied(repository: Path, tmp_path: Path) -> None:
    (repository / "shared").mkdir()
    (repository / "shared" / "c.cedar").write_text(POLICY.replace("may", "might"))
    (repository / "policies" / "b.cedar").symlink_to("../shared/c.cedar")
    (repository / "more").symlink_to("shared")
    made = commit(repository, "links")
    for one in (tree(repository, Commit("x", made)), tree(repository, None)):
        into = tmp_path / ("commit" if one.commit else "working")
        one.write(one.entries, into)
        assert (into / "policies" / "b.cedar").read_text() == (repository / "shared" / "c.cedar").read_text()
        assert (into / "more" / "c.cedar").is_file()
        assert not any(path.is_symlink() for path in into.rglob("*"))


def test_a_ring_of_links_ends(repository: Path) -> None:
    (repository / "policies" / "b.cedar").symlink_to("c.cedar")
    (repository / "policies" / "c.cedar").symlink_to("b.cedar")
    gate = wt.gate("main", folder=repository, workers=1)
    assert gate.verdict.exit_code == 2
    assert "is a link that leads nowhere" in gate.verdict.reasons[0]


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a//x", "a\\x", "."])
def test_a_tree_with_a_path_that_leaves_it_is_not_written(repository: Path, tmp_path: Path, path: str) -> None:
    blob = git(repository, "rev-parse", "main:policies/a.cedar")
    hostile = Tree(repository, resolve(repository, "main", "--base"), {path: Entry(path, "file", blob)})
    with pytest.raises(InputError, match="is not a path in a folder"):
        hostile.write([path], tmp_path / "into")
    assert not (tmp_path / "x").exists()


SCENARIO = """\
windtunnel: 1
name: one
start: 2026-01-05T00:00:00Z
horizon: 1h
policies: {path: PATH}
"""


@pytest.mark.parametrize("path", ["../../secret", "/etc", "policies/../../../secret"])
def test_a_scenario_that_names_what_is_outside_is_refused_at_the_place(repository: Path, path: str) -> None:
    (repository / "desk").mkdir()
    (repository / "desk" / "scenario.yaml").write_text(SCENARIO.replace("PATH", path))
    gate = wt.gate("main", folder=repository, workers=1)
    assert gate.verdict.result == "invalid"
    assert gate.targets[0].faults[0].line == 5
    assert "leaves the repository" in gate.verdict.reasons[0]


def test_a_shallow_clone_says_how_to_get_the_base(repository: Path, tmp_path: Path) -> None:
    (repository / "policies" / "a.cedar").write_text("// more\n" + POLICY)
    commit(repository, "more")
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", f"file://{repository}", str(clone)], check=True, capture_output=True
    )
    with pytest.raises(InputError, match="the clone is shallow: fetch the base too"):
        resolve(clone, "main~1", "--base")


def test_the_change_is_that_since_it_went_its_own_way(repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "mine")
    (repository / "policies" / "b.cedar").write_text(POLICY.replace("may", "might"))
    commit(repository, "mine")
    git(repository, "checkout", "-q", "main")
    (repository / "policies" / "a.cedar").write_text("// gone on\n" + POLICY)
    commit(repository, "theirs")
    base, head = (resolve(repository, name, "--base") for name in ("main", "mine"))
    apart = merge_base(repository, base, head)
    assert apart is not None
    assert apart.id != base.id
    old, new = tree(repository, apart), tree(repository, head)
    assert changes(old, new) == (Change("policies/b.cedar", "added"),)
    gate = wt.gate("main", "mine", folder=repository, workers=1)
    assert gate.compared.id == apart.id
    assert "The base has gone on" in gate.notes[0]


def test_what_is_new_removed_and_touched_in_the_working_tree_is_told_apart(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.log\n")
    (repository / "kept.txt").write_text("kept")
    commit(repository, "more")
    (repository / "x.log").write_text("ignored")
    (repository / "new.txt").write_text("new")
    (repository / "policies" / "a.cedar").unlink()
    os.utime(repository / "kept.txt", (1, 1))  # touched, and the same
    (repository / ".gitignore").write_text("*.log\n# more\n")
    base = tree(repository, resolve(repository, "main", "--base"))
    assert changes(base, tree(repository, None)) == (
        Change(".gitignore", "changed"),
        Change("new.txt", "added"),
        Change("policies/a.cedar", "removed"),
    )


def test_what_is_too_large_is_refused(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "BYTES_MAX", 10)
    for one in (tree(repository, resolve(repository, "main", "--base")), tree(repository, None)):
        with pytest.raises(InputError, match="too large"):
            one.write(one.entries, tmp_path / "into")


def test_hostile_names_are_inert(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "p\x1b[31m\n::error::x\u202e"
    (repository / name).mkdir()
    (repository / name / "a.cedar").write_text(POLICY)
    folder = os.fsencode(repository) + b"/q\xff"
    Path(os.fsdecode(folder)).mkdir()
    Path(os.fsdecode(folder), "a.cedar").write_text(POLICY)
    monkeypatch.chdir(repository)
    for words in ([], ["--format", "json"]):
        exit_code(["gate", "--base", "main", "--workers", "1", *words])
        text = capsys.readouterr().out
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "\n::error" not in text
        text.encode("utf-8")
