"""Names that a query is asked for: groups, actions beside types that they do not apply to, one policy of several."""

from __future__ import annotations

from typing import Any

import pytest

import windtunnel as wt
from models.cedar.load import policy_set
from models.diagnostics import InputError
from verify.changes import CHANGES
from verify.diff import FORBIDDABLE
from verify.properties import PROPERTIES
from windtunnel.cli import exit_code

SCHEMA = """
namespace Lab {
  entity Bot; entity Vial; entity Order;
  action all;
  action writes in [all];
  action thaw in [writes] appliesTo { principal: [Bot], resource: [Vial] };
  action buy in [writes] appliesTo { principal: [Bot], resource: [Order] };
}
"""
POLICIES = policy_set(
    '@id("a") permit(principal, action, resource); @id("b") forbid(principal, action, resource);', SCHEMA
)


def fault(name: str, **options: Any) -> str:
    with pytest.raises(InputError) as raised:
        wt.query(name, POLICIES, **options)
    return str(raised.value)


@pytest.mark.parametrize("group", ["writes", "all"])
def test_a_group_of_actions_is_answered_with_its_actions(group: str) -> None:
    told = fault("always-denies", action=f'Lab::Action::"{group}"')
    assert 'it is a group; its actions: `Lab::Action::"buy"`, `Lab::Action::"thaw"`' in told


def test_types_that_an_action_does_not_apply_to_are_answered_with_those_that_it_does() -> None:
    told = fault("always-denies", action='Lab::Action::"buy"', resource_type="Lab::Vial")
    assert 'no request has the action `Lab::Action::"buy"`, the resource type `Lab::Vial` together' in told
    assert "the action applies to `Lab::Bot` on `Lab::Order`" in told


def test_a_policy_of_several_is_asked_for_by_the_option_that_names_it() -> None:
    assert fault("never-errors").startswith("query: several policies could be meant")
    assert fault("never-errors", policy="c").startswith("query: there is no policy `c`")
    assert "--other-policy" in fault("matches-implies", policy="a")
    assert "--other-policy" not in fault("implies")


@pytest.mark.parametrize(
    ("command", "names"),
    [("query", tuple(PROPERTIES)), ("diff", tuple(FORBIDDABLE)), ("backtest", CHANGES)],
    ids=["query", "diff", "backtest"],
)
def test_the_help_names_everything_that_can_be_asked(
    command: str, names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code([command, "--help"]) == 0
    told = "".join(capsys.readouterr().out.split()).replace("│", "")
    assert [name for name in names if name not in told] == []
