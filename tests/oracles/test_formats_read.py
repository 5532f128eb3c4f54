"""JUnit, GitHub annotations and Markdown, read as their readers read them: what a user wrote is never obeyed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readers import Command, harmless, obeyed, shown, texts
from reports.formats.github import MESSAGE_MAX, MOST, SUMMARY_BYTES, github, summary
from reports.formats.junit import junit
from reports.formats.markdown import COMMENT_BYTES, document, inert, markdown
from reports.statements import Statement, Told
from reports.words import printable
from statements import HOSTILE, every_kind, hostile, told

MARKS = "`@#:/w.<>&[]()*_\\\n-+|!~ %12ab"
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=40), st.text(MARKS, min_size=1, max_size=30))

# --- JUnit ------------------------------------------------------------------------------------------------------------


def cases(of: Told) -> dict[str, ET.Element]:
    suites = ET.fromstring(junit(of))
    found = list(suites.iter("testcase"))
    for level in (suites, *suites.iter("testsuite")):
        assert int(level.attrib["tests"]) == len(found)
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(level.attrib[name]) == sum(case.find(tag) is not None for case in found)
    names = [case.attrib["name"] for case in found]
    assert len(set(names)) == len(names)
    return {case.attrib["classname"]: case for case in found}


def outcome(case: ET.Element) -> str:
    return next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")


def test_junit_reads_as_the_verdict() -> None:
    found = {rule: outcome(case) for rule, case in cases(told(*every_kind())).items()}
    assert found == {
        "windtunnel": "failure", "P101": "failure", "P201": "failure", "P204": "error", "replication": "error",
        "P104": "passed", "D401": "skipped", "P107": "skipped", "P105": "skipped", "P106": "skipped",
        "objective": "passed",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "exit_code", "read_as"),
    [("pass", 0, "passed"), ("fail", 1, "failure"), ("invalid", 2, "failure"), ("undecided", 3, "error")],
)
def test_junit_says_the_verdict_when_nothing_else_does(verdict: str, exit_code: int, read_as: str) -> None:
    found = cases(told(verdict=verdict, exit_code=exit_code))
    assert outcome(found["windtunnel"]) == read_as
    assert (exit_code == 0) == all(outcome(case) == "passed" for case in found.values())


def test_junit_tells_cases_of_one_name_apart() -> None:
    one = every_kind()[0]
    found = ET.fromstring(junit(told(one, one, one))).iter("testcase")
    names = [case.attrib["name"].removeprefix(f"P101 never-matches [{one.fingerprint}]") for case in found]
    assert names == ["verdict", "", " (2)", " (3)"]


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_any_text_is_xml(text: str) -> None:
    found = cases(hostile(text))
    assert found["P101"].attrib["file"]
    written = found["P101"].find("failure")
    assert written is not None
    assert (written.attrib["message"]) == printable(f"`{text}` ({text}:3) says {text}")


# --- GitHub annotations -----------------------------------------------------------------------------------------------


def commands(of: Told) -> list[Command]:
    return [command for line in re.split("\r\n|\r|\n", github(of)) if (command := obeyed(line))]


def test_the_runner_as_it_is_read_here_obeys_what_is_careless() -> None:
    assert [obeyed(line) is not None for line in ("::error::x", "  ::add-mask::x", "a ##[error]x", "a ::error::x")] == [
        True, True, True, False,
    ]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_only_our_annotations_are_obeyed_and_they_say_what_was_meant(text: str) -> None:
    found = commands(hostile(text))
    assert [command.name for command in found] == ["error"] * 4 + ["warning"] * 2 + ["notice"]
    first = found[0]
    assert first.message == printable(f"`{text}` ({text}:3) says {text}")
    assert first.properties["title"] == "P101 never-matches"
    assert "\x1b" not in github(hostile(text))


def test_annotations_stand_at_their_places() -> None:
    first, *_ = commands(told(*every_kind()))
    assert first == Command(
        "error", {"file": "p/a.cedar", "line": "3", "title": "P101 never-matches"}, "`a` can match nothing."
    )
    assert github(told(*every_kind())).splitlines()[-1] == "windtunnel: fail: One thing fails. (exit code 1)"


@pytest.mark.parametrize(("number", "shown"), [(MOST, MOST), (MOST + 1, MOST), (75, MOST)])
def test_a_runner_drops_no_annotation(number: int, shown: int) -> None:
    one, _, warning, *_ = every_kind()
    some = [replace(base, fingerprint=f"{n:016x}", message="m" * n) for base in (one, warning) for n in range(number)]
    found = commands(told(*some))
    for name in ("error", "warning"):
        of_level = [command for command in found if command.name == name]
        assert len(of_level) == shown
        if number > shown:
            assert of_level[-1].message == f"{number - shown + 1} more {name}s in the summary"


def test_a_failing_job_names_why_when_no_statement_does() -> None:
    assert commands(told(verdict="undecided", exit_code=3)) == [
        Command("error", {"title": "windtunnel"}, "undecided: One thing fails.")
    ]
    assert commands(told(verdict="pass", exit_code=0)) == []


def test_a_long_message_is_cut() -> None:
    (one,) = commands(told(replace(every_kind()[0], message="x" * 10 * MESSAGE_MAX)))
    assert len(one.message) == MESSAGE_MAX


# --- Markdown ---------------------------------------------------------------------------------------------------------


def test_the_reader_sees_what_is_careless() -> None:
    for careless in ("[a](b)", "<img src=x>", "@you", "a https://x.example", "#7", "~~x~~", "|a|\n|-|"):
        with pytest.raises(AssertionError):
            harmless(careless)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_harmless(text: str) -> None:
    of = hostile(text)
    harmless(markdown(of))
    page = shown(markdown(of))
    assert len(page.findall("h2")) == 1
    assert len(page.findall("h3")) == len({"fail", "open", "warn", "review", "info", "waived", "old", "gone", "pass"})
    assert len(list(page.iter("li"))) == len(of.reasons) + len(of.statements) - 1
    assert len(list(page.iter("pre"))) == len(of.statements) - 1


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_any_text_is_read_as_it_is(text: str) -> None:
    harmless(markdown(hostile(text)))
    harmless(inert(text))
    said = "".join(texts(shown(f"x{inert(text)}x"), code=True)).removesuffix("\n")
    plain = printable(text)
    assert said.replace("`", "") == f"x{plain}x".replace("`", "")


def test_a_comment_says_everything_that_matters() -> None:
    said = "".join(texts(shown(markdown(told(*every_kind()))), code=True))
    assert "Windtunnel: fail, desk" in said
    assert "Exit code 1. 2 failing, 2 undecided, 1 warning," in said
    for one in every_kind():
        if one.kind != "pass":
            assert one.message.replace("`", "") in said
            assert one.fingerprint in said
    assert "Waived: Known." in said
    assert said.index("P101") < said.index("P204") < said.index("P104") < said.index("Waived")


@pytest.mark.parametrize(("length", "limit"), [(300, COMMENT_BYTES), (4_000, SUMMARY_BYTES), (40, 3_000), (3, 400)])
def test_a_document_keeps_its_limit_and_counts_the_rest(length: int, limit: int) -> None:
    one, *_ = every_kind()
    some = [replace(one, fingerprint=f"{n:016x}", message=f"€ {n} <&> " * 20) for n in range(length)]
    out = document(told(*some), limit)
    assert len(out.encode()) <= limit
    harmless(out)
    listed = sum(f"{n:016x}" in out for n in range(length))
    left = re.search(r"([\d,]+) more statements? left out", out)
    assert listed + (int(left[1].replace(",", "")) if left else 0) == length
    assert left is not None


def test_notes_of_a_comment_are_sentences_told_whole() -> None:
    note = f"desk: it sets `name` and `{'x' * 300}`."
    few = Told("desk", "pass", 0, (), (), {"base": "main", "note 1": note})
    assert f"- desk: it sets <code>name</code> and <code>{'x' * 300}</code>.\n" in markdown(few)
    assert "<sub>base <code>main</code></sub>" in markdown(few)
    many = markdown(Told("desk", "pass", 0, (), (), {f"note {n}": f"That is {n}." for n in range(1, 31)}))
    assert ("- That is 20.\n" in many, "That is 21." in many, "- 10 more notes\n" in many) == (True, False, True)


def test_a_long_head_is_cut_too() -> None:
    long = Told("t" * 10, "fail", 1, tuple("reason " * 500 for _ in range(40)), every_kind(), {})
    assert len(document(long, 10_000).encode()) <= 10_000


def test_the_summary_of_a_step_is_the_comment_with_more_room() -> None:
    one: Statement = every_kind()[0]
    assert summary(told(one)) == markdown(told(one))
