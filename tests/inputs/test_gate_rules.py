"""The rules of the gate: what they take, and what is said where they cannot be taken."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diagnostics import InputError
from models.gate_rules import Amount, GateRules, place_of, read_rules


def rules(text: str) -> GateRules:
    return read_rules(text.encode(), "windtunnel.toml")


def faults(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        rules(text)
    return [f"{fault.line}:{fault.column} {fault.message}; {fault.help}" for fault in caught.value.diagnostics]


def test_a_repository_without_rules_has_the_defaults() -> None:
    assert read_rules(None, "windtunnel.toml") == rules("") == rules("[gate]\n") == GateRules()
    assert GateRules().forbid == ("unescalated",)


def test_every_key_is_read() -> None:
    read = rules(
        '[gate]\nfail-on = "warning"\nforbid = []\nnew-findings-only = false\nobjectives = "all"\nreplications = 9\n'
        'seed = 3\neffort = "low"\nprofile = "tiered"\nwaivers = "w.yaml"\nbaseline = "b.json"\nrequests = "l.jsonl"\n'
        'assertions = "told"\n'
        '[[gate.limit]]\nmeasure = "a"\nrise-at-most = "90m"\n[[gate.limit]]\nmeasure = "b"\nfall-at-most = "12.5%"\n'
        '[[gate.limit]]\nmeasure = "c"\nrise-at-most = "0.50 USD"\n'
        '[[gate.limit]]\nmeasure = "d"\nrise-at-most = "0.05"\n'
    )
    assert read.model_fields_set == set(GateRules.model_fields)
    assert [limit.rise_at_most or limit.fall_at_most for limit in read.limit] == [
        Amount(90 * 60 * 1e6, "duration", "90m"),
        Amount(0.125, "relative", "12.5%"),
        Amount(0.5, "money", "0.50 USD", "USD"),
        Amount(0.05, "plain", "0.05"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gate\n", "1:6 not TOML: expected ']' at the end of a table declaration; "),
        ("[gat]\nx = 1\n", "1:1 unknown table `gat`; did you mean `gate`?"),
        ("gate = 3\n", "1:1 `3` is not a table; expected a table"),
        ('[gate]\n\n  fial-on = "error"\n', "3:3 unknown key `fial-on`; did you mean `fail-on`?"),
        ('[gate]\nfail-on = "eror"\n', "2:1 `eror` is not known here; did you mean `error`?"),
        ('[gate]\nforbid = ["newly-alowed"]\n', "2:1 `newly-alowed` is not known here; did you mean `newly-allowed`?"),
        ('[gate]\nforbid = "unescalated"\n', "2:1 `unescalated` is not a list; expected a list"),
        ('[gate]\nreplications = "9"\n', "2:1 `9` is not a whole number; expected a whole number"),
        ("[gate]\nreplications = 1\n", "2:1 `1` is out of range; expected at least 2"),
        ("[gate]\nnew-findings-only = 1\n", "2:1 `1` is not `true` or `false`; expected `true` or `false`"),
        ('[gate]\n[[gate.limit]]\nrise-at-most = "9m"\n', "2:1 missing key `measure`; "),
        (
            '[[gate.limit]]\nmeasure = "a"\n',
            "1:1 a limit has one side; expected either `rise-at-most` or `fall-at-most`",
        ),
        (
            '[[gate.limit]]\nmeasure = "a"\nrise-at-most = "9m"\n'
            '[[gate.limit]]\nmeasure = "b"\nrise-at-most = "soon"\n',
            "6:1 `soon` is not an amount; expected a time as `30m`, an amount as `0.50 USD`, a number as `0.05`, or a "
            "share of before as `10%`",
        ),
    ],
)
def test_a_fault_is_told_at_its_place_with_what_was_meant(text: str, said: str) -> None:
    assert faults(text) == [said]


def test_all_faults_are_told_at_once_in_order_of_the_file() -> None:
    said = faults('[gate]\nseed = -1\nfail-on = "x"\nwavers = "w"\n')
    assert [one.split()[0] for one in said] == ["2:1", "3:1", "4:1"]


def test_what_is_no_text_or_too_much_is_refused() -> None:
    with pytest.raises(InputError, match="is not UTF-8"):
        read_rules(b"\xff", "windtunnel.toml")
    with pytest.raises(InputError, match="too large"):
        read_rules(b"#" * 1_000_001, "windtunnel.toml")


@given(st.text(max_size=200))
def test_any_text_is_read_or_told(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    with suppress(InputError):
        read_rules(data, "windtunnel.toml")


def test_the_nearest_place_above_is_told() -> None:
    text = '[gate]\nlimit = [{measure = "x"}]\n'
    assert place_of(text, ("gate", "limit", 0, "measure")) == (2, 1)
    assert place_of(text, ("other",)) == (1, 1)


def test_the_page_of_the_gate_names_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "gate.md").read_text(encoding="utf-8")
    shown = page.partition("```toml\n")[2].partition("```")[0]
    assert rules(shown).model_fields_set == set(GateRules.model_fields)
