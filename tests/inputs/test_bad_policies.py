"""Bad policy sets on the command line: exit 2, the place, what to do; never a traceback, never a solver asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import cedarpy
import pytest

from models.cedar import faults
from verify import portfolio
from windtunnel.cli import exit_code
from windtunnel.new import new_scenario

SCHEMA = """
entity User = { level: Long };
entity Doc;
action view appliesTo { principal: User, resource: Doc, context: { n: Long, s: String } };
"""
GOOD = "permit (principal, action, resource) when { context.n > 1 };"
WHEN = "permit (principal, action, resource)\nwhen {{ {} }};"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good set and its schema. No solver may be asked."""

    def asked(*_: object) -> NoReturn:
        raise AssertionError("a solver is asked about bad input")

    for name in ("check", "refuted"):
        monkeypatch.setattr(portfolio, name, asked)
    (tmp_path / "good.cedar").write_text(GOOD)
    (tmp_path / "s.cedarschema").write_text(SCHEMA)
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = {
    "verify": ("verify", "{}", "--schema", "s.cedarschema"),
    "diff": ("diff", "good.cedar", "{}", "--schema", "s.cedarschema"),
    "query": ("query", "always-denies", "--policies", "{}", "--schema", "s.cedarschema"),
    "backtest": ("backtest", "{}", "--schema", "s.cedarschema", "--requests", "log.jsonl"),
}


def refused(capsys: pytest.CaptureFixture[str], words: Sequence[str]) -> str:
    code = exit_code([*words])
    said = capsys.readouterr()
    assert code == 2, said.out + said.err
    assert not re.search("Traceback|internal error", said.err)
    assert len(said.err) < 5_000, "the message does not repeat the file"
    return said.err


def command(name: str, file: str) -> list[str]:
    return [word.format(file) for word in COMMANDS[name]]


NAMED = (
    '@id("a") permit (principal, action, resource);\n@id("b") @timeout("{}") @escalate("{}")\n'
    "forbid (principal, action, resource);"
)
BAD = {
    "brackets": (WHEN.format("(" * 100 + "true" + ")" * 100), r":[12]:\d{2,3}: .*nested more than 90 deep"),
    "sets in sets": (WHEN.format("[" * 99 + "]" * 99 + ".isEmpty()"), r":[12]:\d{2,3}: .*nested more than 90 deep"),
    "negations": (WHEN.format("!(" * 100 + "true" + ")" * 100), r":[12]:\d{2,3}: .*nested more than 90 deep"),
    "a chain of 120": (WHEN.format(" || ".join(["context.n == 1"] * 120)), r":\d:\d+: .*limit of 100 levels"),
    "a chain of 100,000": (WHEN.format(" && ".join(["true"] * 100_000)), r":1:1: .*more than 1000 operators"),
    "no schema's attribute": (WHEN.format("context.m > 1"), r":2:\d+: .*`m`.*not found"),
    "no schema's type": ("permit (principal is Usr, action, resource);", r":1:\d+: .*`Usr`"),
    "no schema's action": ('permit (principal, action == Action::"veiw", resource);', r":1:\d+: .*veiw"),
    "another type": (WHEN.format("context.n == context.s"), r":2:\d+: .*not compatible"),
    "a duration without a unit": (NAMED.format("15", "desk"), r":2:\d+: .*`15` is not a duration"),
    "a duration of words": (NAMED.format("a while", "desk"), r":2:\d+: .*`a while` is not a duration"),
    "a chain without a name": (NAMED.format("15m", ""), r":2:\d+: .*names no chain"),
    "one name twice": (f'@id("a") {GOOD}\n@id("a") {GOOD}', r":2:1: the name `a` is taken by .*bad\.cedar:1:1"),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_policy_is_refused_by_every_command(
    files: Path, capsys: pytest.CaptureFixture[str], bad: str, name: str
) -> None:
    text, said = BAD[bad]
    (files / "bad.cedar").write_text(text)
    assert re.search(r"bad\.cedar" + said, refused(capsys, command(name, "bad.cedar"))), bad


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_is_not_text_is_refused_by_every_command(
    files: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (files / "bad.cedar").write_bytes(b'// first\n@id("\xe9t\xe9") ' + GOOD.encode())
    assert "bad.cedar:2:1: the file is not UTF-8 text" in refused(capsys, command(name, "bad.cedar"))


@pytest.mark.parametrize("file", ["s.cedarschema", "good.entities.json"])
def test_what_stands_beside_the_policies_is_text_too(
    files: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    (files / file).write_bytes(b"\xff\xfe")
    assert f"{file}:1:1: the file is not UTF-8 text" in refused(capsys, command("verify", "good.cedar"))


MEGABYTES = 10_000_000
LARGE = {
    "one string": (WHEN.format(f'context.s == "{"x" * MEGABYTES}"'), r":1:1: .*more than 50,000 characters"),
    "one pattern": (WHEN.format(f'context.s like "{"x*" * (MEGABYTES // 2)}"'), r":1:1: .*more than 50,000 characters"),
    "one annotation": (f'@doc("{"x" * MEGABYTES}")\n{GOOD}', r":1:1: .*more than 50,000 characters"),
    "a string without an end": (
        WHEN.format(f'context.s == "{"x" * MEGABYTES}'),
        r":1:1: .*more than 50,000 characters",
    ),
    "escaped quotes without an end": (
        WHEN.format('context.s == "' + '\\"' * 300_000),
        r":1:1: .*more than 50,000 characters",
    ),
    "nothing but brackets": ("(" * 1_000_000, r":[12]:\d{2,3}: .*nested more than 90 deep"),
    "more than the limit": (f"// {'x' * 12_000_000}\n{GOOD}", r".*larger than 12 MB"),
}


@pytest.mark.parametrize("large", LARGE)
def test_ten_megabytes_are_refused_before_cedar_reads_them(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, large: str
) -> None:
    """Work on them is bounded by their size: the splitter goes over the text once, and nobody else does."""
    text, said = LARGE[large]
    (files / "bad.cedar").write_text(text)
    parse = cedarpy.policies_to_pst

    def short(text: str) -> object:
        assert len(text) < faults.POLICY_CHARACTERS_MAX, "Cedar is given a text that is too long"
        return parse(text)

    monkeypatch.setattr(cedarpy, "policies_to_pst", short)
    assert re.search(r"bad\.cedar" + said, refused(capsys, command("verify", "bad.cedar")))


def test_ten_megabytes_of_comments_hurt_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good.cedar").write_text(f"// {'x' * MEGABYTES}\n{GOOD}")
    (tmp_path / "good.cedarschema").write_text(SCHEMA)
    assert exit_code(["verify", str(tmp_path / "good.cedar")]) == 0


@pytest.mark.parametrize("split", [False, True])
def test_a_set_has_so_many_policies_in_all_its_files(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, split: bool
) -> None:
    monkeypatch.setattr(faults, "POLICIES_MAX", 10)
    (files / "many").mkdir()
    (files / "many" / "a.cedar").write_text(f"{GOOD}\n" * (4 if split else 11))
    (files / "many" / "b.cedar").write_text(f"{GOOD}\n" * (7 if split else 0))
    place = r"b\.cedar:7:1" if split else r"a\.cedar:11:1"
    assert re.search(rf"{place}: the set has more than 10 policies", refused(capsys, command("verify", "many")))


@pytest.mark.long
def test_ten_megabytes_of_policies_are_too_many(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = "permit(principal,action,resource);\n"
    (files / "bad.cedar").write_text(short * (MEGABYTES // len(short)))
    assert "bad.cedar:10001:1: the set has more than 10,000 policies" in refused(capsys, command("verify", "bad.cedar"))


def test_the_largest_policy_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * (faults.POLICY_CHARACTERS_MAX - 200)
    (tmp_path / "good.cedar").write_text(WHEN.format(f'context.s == "{long}" && context.n > 1'))
    (tmp_path / "good.cedarschema").write_text(SCHEMA)
    assert exit_code(["verify", str(tmp_path / "good.cedar")]) == 0


def test_a_pattern_beyond_what_is_encoded_is_undecided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.cedar").write_text(WHEN.format(f'context.s like "{"x*" * 3_000}"'))
    (tmp_path / "good.cedarschema").write_text(SCHEMA)
    assert exit_code(["verify", str(tmp_path / "good.cedar")]) == 3
    assert "`like` with so long a pattern" in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_an_empty_set_passes_nothing(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "bad.cedar").write_text("// nothing yet\n")
    assert exit_code(command("verify", "bad.cedar")) == 3
    said = capsys.readouterr().out
    assert "Nothing was judged" in said
    assert "the policy set is empty: it denies everything" in said
    assert "is empty" in refused(capsys, ["query", "never-matches", *command("query", "bad.cedar")[2:]])


def test_an_empty_folder_is_refused(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "none").mkdir()
    assert "holds no `*.cedar` file" in refused(capsys, command("verify", "none"))


def test_a_chain_that_the_scenario_does_not_have_fails_at_its_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = tmp_path / "desk"
    new_scenario(desk)
    rules = desk / "policies" / "policies.cedar"
    rules.write_text(re.sub(r'@escalate\("(\w+)"\)', r'@escalate("\1x")', rules.read_text()))
    assert exit_code(["verify", str(desk)]) == 1
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert re.search(r"E501 unknown-desk: .*policies\.cedar:\d+\) asks the chain `\w+x`, which does not exist", said)
