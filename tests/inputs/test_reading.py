"""YAML files as people and attackers write them: values, places, and every way a file cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import reading
from models.diagnostics import Diagnostic, InputError, near, quoted, suggestion
from models.reading import parse_document, read_document


def faults(text: str) -> list[Diagnostic]:
    """The faults of a text, whether its values can be read or not."""
    try:
        return list(parse_document(text, "s.yaml").faults)
    except InputError as error:
        return list(error.diagnostics)


def only(text: str) -> str:
    (fault,) = faults(text)
    return str(fault)


def test_values_are_those_of_yaml_1_2() -> None:
    text = (
        "no: NO\ndate: 2026-01-05\nclock: 1:30\nunder: 1_000\nzero: 0123\noctal: 0o17\nhex: 0x1F\n"
        "float: 2.5e3\npoint: .5\nquoted: '5'\nempty:\ntilde: ~\nyes: true\noff: off\nlist: [1, a]\n"
    )
    assert parse_document(text, "s.yaml").value == {
        "no": "NO",
        "date": "2026-01-05",
        "clock": "1:30",
        "under": "1_000",
        "zero": 123,
        "octal": 15,
        "hex": 31,
        "float": 2500.0,
        "point": 0.5,
        "quoted": "5",
        "empty": None,
        "tilde": None,
        "yes": True,
        "off": "off",
        "list": [1, "a"],
    }


def test_folded_and_literal_texts_hold_what_is_written() -> None:
    text = "folded: >-\n  one\n  two\n\n  three\nliteral: |\n  one\n  two\n"
    assert parse_document(text, "s.yaml").value == {"folded": "one two\nthree", "literal": "one\ntwo\n"}


def test_every_key_and_value_has_its_place() -> None:
    document = parse_document("a:\n  b: [1, {c: x}]\n  empty:\n\nd: y\n", "s.yaml")
    assert document.keys[("a", "b")] == (2, 3)
    assert document.values[("a", "b", 1, "c")] == (2, 14)
    assert document.keys[("a", "b", 1, "c")] == (2, 11)
    assert document.values[("a", "empty")] == (3, 3), "nothing stands there, so the key does"
    assert document.place(("a", "b", 7, "gone")) == (2, 3), "the nearest key above"
    assert document.place(("nowhere",)) == (1, 1)


def test_windows_line_ends_count_once() -> None:
    assert parse_document("a: 1\r\nb: 2\r\n", "s.yaml").keys[("b",)] == (2, 1)


def test_a_duplicate_key_names_both_places() -> None:
    assert only("a:\n  key: 1\n  other: 2\n  key: 3\n") == (
        "s.yaml:4:3: key `key` is given twice, first at line 2, column 3\n"
        "    4 |   key: 3\n"
        "          ^\n"
        "  help: keep one of the two"
    )


def test_all_faults_of_a_file_are_told_at_once() -> None:
    text = "a: 1\na: 2\nb: *x\n<<: {c: 1}\n5: x\n? [p, q]\n: 1\nd: !!python/object:os.system x\ne: 1\ne: 2\n"
    places = [(fault.line, fault.column) for fault in faults(text)]
    assert places == [(2, 1), (3, 4), (4, 1), (5, 1), (6, 3), (8, 4), (10, 1)]


REFUSED = {
    "alias": ("a: &x 1\nb: *x\n", 2, 4, "alias `*x` is not supported"),
    "merge key": ("a: {<<: {b: 1}}\n", 1, 5, "merge key `<<` is not supported"),
    "tag": ("a: !!str 1\n", 1, 4, "tag `tag:yaml.org,2002:str` is not supported"),
    "number as a key": ("1: a\n", 1, 1, "key `1` is not a text"),
    "null as a key": ("~: a\n", 1, 1, "key `~` is not a text"),
    "list as a key": ("? [a]\n: b\n", 1, 3, "a key must be a plain text"),
    "large number": ("a: 99999999999999999999\n", 1, 4, "number `99999999999999999999` is too large"),
    "half a character": ('a: "\\ud800"\n', 1, 4, "has half a character"),
    "second document": ("a: 1\n---\nb: 2\n", 2, 1, "a second document starts here"),
    "YAML 1.1": ("%YAML 1.1\n---\na: 1\n", 2, 1, "not YAML 1.2"),
    "empty": ("", 1, 1, "the file is empty"),
    "only a comment": ("# nothing\n", 1, 1, "the file is empty"),
    "tab": ("a:\n\tb: 1\n", 2, 1, "cannot start any token"),
    "open bracket": ("a: [1, 2\n", 2, 1, "expected"),
    "open quote": ("a: 'x\n", 2, 1, "found unexpected end of stream"),
    "colon": ("a: b: c\n", 1, 5, "mapping values are not allowed here"),
    "escape": ('a: "\\q"\n', 1, 6, "unknown escape character"),
    "NUL": ("a: x\0y\n", 1, 5, "character U+0000 is not allowed"),
    "control character": ("a: 1\nb: \x1b[31m\n", 2, 4, "character U+001B is not allowed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_at_its_place(name: str) -> None:
    text, line, column, message = REFUSED[name]
    fault = faults(text)[0]
    assert (fault.line, fault.column) == (line, column)
    assert message in fault.message


def test_an_escape_beyond_unicode_is_a_fault_not_a_crash() -> None:
    assert "not YAML" in only('a: "\\UFFFFFFFF"')


def test_a_file_that_is_not_utf_8_tells_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes("a: 1\nb: å".encode() + b"\xff\n")
    with pytest.raises(InputError) as caught:
        read_document(path)
    (fault,) = caught.value.diagnostics
    assert (fault.line, fault.column) == (2, 5)
    assert fault.message == "byte 0xff is not UTF-8"
    assert "UTF-8" in fault.help


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(path).keys == {("a",): (1, 1)}


def test_a_missing_file_a_folder_and_a_device_are_faults(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, Path("/dev/zero"), tmp_path / ("x" * 300), Path("a\0b")):
        with pytest.raises(InputError):
            read_document(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"a: " + b"x" * reading.FILE_BYTES_MAX)
    with pytest.raises(InputError, match="the file is too large"):
        read_document(path)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_stops_at_the_limit(opening: str) -> None:
    fault = faults(opening * 5000)[-1]
    assert fault.message == "nested too deep"
    assert fault.line == 1


def test_depth_up_to_the_limit_is_read() -> None:
    assert not faults("[" * reading.DEPTH_MAX + "]" * reading.DEPTH_MAX)


def test_a_file_of_too_many_values_stops_at_the_limit() -> None:
    assert faults("- 1\n" * (reading.NODES_MAX + 1))[-1].message == "the file holds too much"


def test_a_bomb_of_aliases_is_never_expanded() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    found = faults("\n".join(rows))
    assert len(found) == 99
    assert str(found[0]) == (
        "s.yaml:2:10: alias `*a0` is not supported\n"
        f"    2 | {rows[1]}\n"
        f"        {' ' * 9}^\n"
        "  help: write the value out here"
    )


def test_faults_beyond_the_limit_are_not_told() -> None:
    found = faults("a: 1\n" * 1000)
    assert len(found) == reading.DIAGNOSTICS_MAX + 1
    assert found[-1].message == "too many faults"


@given(st.text(max_size=200))
def test_any_text_is_a_document_or_a_fault(text: str) -> None:
    for fault in faults(text):
        assert str(fault)


syntax = st.sampled_from(
    [
        *"[]{}:,-?&*!|>'\"%@`#~<=.\\ \n\t",
        "a",
        "- ",
        ": ",
        "\n  ",
        "&x ",
        "*x",
        "<<: ",
        "!!t ",
        "---\n",
        "...",
        "1",
        "\\u",
        "%YAML 1.2\n",
    ]
)


@given(st.lists(syntax, max_size=40).map("".join))
def test_any_heap_of_yaml_syntax_is_a_document_or_a_fault(text: str) -> None:
    for fault in faults(text):
        assert fault.line >= 0


# --- how faults are shown ---------------------------------------------------------------------------------------------


def test_the_caret_stands_under_its_character() -> None:
    wide = Diagnostic("m", "f", 1, 4, "界a\tb: c")
    assert str(wide).splitlines()[2] == " " * 8 + "   \t^"


def test_a_long_line_is_cut_about_the_caret() -> None:
    lines = str(Diagnostic("m", "f", 1, 5001, "x" * 5000 + "!" + "x" * 5000)).splitlines()
    assert len(lines[1]) < 200
    assert lines[1][lines[2].index("^")] == "!"


def test_user_text_reaches_the_terminal_without_control_characters() -> None:
    shown = str(Diagnostic(f"unknown {quoted(chr(27) + '[31mred')}", "f", 1, 1, "\x1b[2J"))
    assert "\x1b" not in shown


def test_near_names_are_found_whatever_their_case_and_joints() -> None:
    assert near("warm_up", ["warm-up", "horizon"]) == "warm-up"
    assert near("Horizn", ["warm-up", "horizon"]) == "horizon"
    assert near("zebra", ["warm-up", "horizon"]) is None
    assert near("x" * 100_000, ["x" * 100_000]) is None, "difflib would take for ever"
    assert suggestion("zebra", ["b", "a"], "desks") == "known desks: `b`, `a`"
    assert suggestion("zebra", [], "desks") == "there are no desks"
