"""The action, the hooks and the jobs of docs/ci.md: every option that they use exists, and the action's script runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from windtunnel.cli import app
from windtunnel.options import WRITTEN, ToldFormat

ROOT = Path(__file__).parents[2]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
INPUT = re.compile(r"\$\{\{\s*inputs\.([a-z-]+)\s*\}\}")


def read(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def options_of(command: str) -> set[str]:
    return {option for parameter in COMMANDS[command].params for option in parameter.opts}


def checked(words: list[str]) -> None:
    """Refuse a command line of ours that names a command, an option or a format that there is not."""
    program, command, *rest = words
    assert program == "windtunnel"
    assert command in COMMANDS, command
    for position, word in enumerate(rest):
        if not word.startswith("--") or word == "--":
            continue
        name, equals, value = word.partition("=")
        assert name in options_of(command), f"{command} {name}"
        value = value if equals else rest[position + 1]
        if name == "--format":
            assert value in set(ToldFormat)
        if name == "--write":
            assert value.partition("=")[0] in WRITTEN


@pytest.mark.parametrize(
    "line",
    ["windtunnel gat", "windtunnel gate --bas x", "windtunnel gate --format sari", "windtunnel gate --write sari=x"],
)
def test_a_wrong_command_line_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        checked(shlex.split(line))


ACTION = read((ROOT / "action.yml").read_text())
STEPS = ACTION["runs"]["steps"]
(SCRIPT,) = (step for step in STEPS if step.get("id") == "gate")


def test_the_action_uses_only_what_it_declares() -> None:
    text = (ROOT / "action.yml").read_text()
    used = set(re.findall(r"inputs\.([a-z-]+)", text))
    assert used == set(ACTION["inputs"])
    assert ACTION["runs"]["using"] == "composite"
    assert all(step.get("shell") == "bash" for step in STEPS if "run" in step)
    assert all("description" in one for one in (*ACTION["inputs"].values(), *ACTION["outputs"].values()))
    outputs = set(re.findall(r"steps\.gate\.outputs\.([a-z-]+)", text))
    assert outputs == set(ACTION["outputs"]) == set(re.findall(r"([a-z-]+)=(?:\$code|%s)", SCRIPT["run"]))


def test_no_input_is_text_of_a_script() -> None:
    assert not [step["name"] for step in STEPS if "${{" in step.get("run", "")]
    assert {INPUT.fullmatch(value)[1] for value in SCRIPT["env"].values()} <= set(ACTION["inputs"])  # type: ignore[index]


def test_every_option_of_the_action_exists() -> None:
    said = re.findall(r"--[a-z-]+=?\S*", SCRIPT["run"].replace('"', ""))
    options = [word.rstrip(");") for word in said if word.strip() != "--"]
    assert len(options) == 7
    checked(["windtunnel", "gate", *(word.replace("$", "") for word in options)])


def test_the_hooks_are_sound() -> None:
    hooks = read((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["windtunnel-verify", "windtunnel-gate"]
    for hook in hooks:
        checked([*shlex.split(hook["entry"]), *hook.get("args", ())])
        assert (hook["language"], hook["pass_filenames"], hook["require_serial"]) == ("python", False, True)
        assert re.compile(hook["files"]).search("policies/a.cedar")


def blocks() -> Iterator[Any]:
    page = (ROOT / "docs" / "ci.md").read_text()
    yield from (read(text) for text in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))


def test_the_jobs_of_the_page_are_sound() -> None:
    by_key = {next(iter(block)): block for block in blocks()}
    assert set(by_key) == {"windtunnel", "name", "repos"}
    waivers, job = (block["windtunnel"] for block in blocks() if "windtunnel" in block)
    assert waivers == 1
    for line in job["script"]:
        checked(shlex.split(line))
    written = {
        word.partition("=")[2] for line in job["script"] for word in shlex.split(line) if word in line and "=" in word
    }
    assert written == {*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]}
    *_, step = by_key["name"]["jobs"]["gate"]["steps"]
    assert set(step["with"]) <= set(ACTION["inputs"])
    ids = {hook["id"]: hook for hook in read((ROOT / ".pre-commit-hooks.yaml").read_text())}
    for hook in by_key["repos"]["repos"][0]["hooks"]:
        checked([*shlex.split(ids[hook["id"]]["entry"]), *hook["args"]])


def test_the_waivers_of_the_page_are_waivers() -> None:
    from models.waivers import read_waivers
    from reports.waivers import CHECKS

    page = (ROOT / "docs" / "ci.md").read_text()
    text = next(t for t in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) if "waivers:" in t)
    assert len(read_waivers(text.encode(), "docs/ci.md", CHECKS)) == 1


def test_command_lines_of_the_page_exist() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    for line in re.findall(r"`(windtunnel [a-z-]+ [^`]*--[^`]*)`", page):
        checked(shlex.split(line))


SCHEMA = "entity A; entity B; action pay appliesTo { principal: [A], resource: [B], context: { n: Long } };\n"
PAY = 'principal is A, action == Action::"pay", resource is B'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a base and a change that does away with a rule that asks, in a folder of an odd name."""
    folder = tmp_path / "a checkout"
    (folder / "the policies").mkdir(parents=True)

    def git(*words: str) -> None:
        quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        who = ["-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(folder), *who, *words], check=True, env={**os.environ, **quiet})

    git("init", "-q", "-b", "main")
    (folder / "the policies" / "a.cedarschema").write_text(SCHEMA)
    permit, ask = (
        f'@id("pay") permit({PAY});\n',
        f'@id("ask") @escalate("people") forbid({PAY}) when {{ context.n > 9 }};',
    )
    (folder / "the policies" / "a.cedar").write_text(permit + ask)
    git("add", "-A")
    git("commit", "-q", "-m", "base")
    (folder / "the policies" / "a.cedar").write_text(permit)
    return folder


def run_action(checkout: Path, **inputs: str) -> tuple[int, dict[str, str], str]:
    """The gate's step of the action, as a runner runs it: exit code, outputs, what was printed."""
    program = checkout.parent / "bin"
    program.mkdir(exist_ok=True)
    (program / "windtunnel").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m windtunnel "$@"\n')
    (program / "windtunnel").chmod(0o755)
    out = checkout.parent / "outputs"
    out.write_text("")
    defaults = {name: one.get("default", "") for name, one in ACTION["inputs"].items()}
    values = {name.replace("_", "-"): text for name, text in inputs.items()}
    env = {key: INPUT.sub(lambda m: (defaults | values)[m[1]], text) for key, text in SCRIPT["env"].items()}
    env |= {"GITHUB_OUTPUT": str(out), "PATH": f"{program}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", SCRIPT["run"]],
        cwd=checkout, env={**os.environ, **env}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    lines = (line.partition("=") for line in out.read_text().splitlines())
    return done.returncode, {key: value for key, _, value in lines}, done.stdout + done.stderr


def test_the_action_judges_annotates_and_writes(checkout: Path) -> None:
    code, outputs, said = run_action(checkout, base="main", paths="the policies\n\n", junit_file="j.xml")
    assert code == 1, said
    assert outputs == {"exit-code": "1", "sarif-file": str(checkout / "windtunnel.sarif")}
    assert "::error file=the policies/a.cedar" in said
    assert "D404" in said
    assert [r["ruleId"] for r in json.loads((checkout / "windtunnel.sarif").read_text())["runs"][0]["results"]]
    assert "D404" in (checkout / "j.xml").read_text()


def test_a_hostile_branch_runs_nothing(checkout: Path) -> None:
    code, outputs, said = run_action(checkout, base="$(touch hacked); `touch hacked`", paths="--format=json")
    assert code == 2, said
    assert not (checkout / "hacked").exists()
    assert outputs["exit-code"] == "2"
