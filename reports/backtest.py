"""A backtest in the terminal: what came of the requests, what changes and by which rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, get_args

from rich.console import Console
from rich.table import Table

from models.cedar.decision import Outcome
from reports import words
from reports.console import indented, mark, open_console
from reports.witness import request
from verify.backtest import Backtest, Change, RuleUse
from verify.findings import PolicyRef

MOST_CHANGES: Final = 20
"""Changes told one by one; the rest is counted and stands in the JSON."""

_OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


def print_backtest(result: Backtest, forbidden: Collection[str], *, two_sets: bool) -> None:
    """Print what came of a backtest. Changes of the forbidden kinds make the verdict `fail`."""
    console = open_console()
    line = mark(console, "fail" if result.count(forbidden) else "pass")
    changed = sum(change.count for change in result.changes)
    line.append(f"  {words.count(result.requests, 'request')} decided, {changed:,} differently", style="bold")
    console.print(line)
    for kind in forbidden:
        if result.count([kind]):
            indented(console, f"{result.count([kind])} {kind}, which is forbidden", 2)
    console.print(_outcomes(result, two_sets))
    for change in result.changes[:MOST_CHANGES]:
        _change(console, change)
    if len(result.changes) > MOST_CHANGES:
        console.print(f"  and {len(result.changes) - MOST_CHANGES} more kinds of change")
    _notes(console, result, two_sets)
    console.print(_rules(result.rules, two_sets))


def _outcomes(result: Backtest, two_sets: bool) -> Table:
    table = _table("decision", "old" if two_sets else "on record", "new" if two_sets else "policies")
    for outcome in _OUTCOMES:
        table.add_row(outcome, str(result.before.get(outcome, 0)), str(result.after.get(outcome, 0)))
    return table


def _change(console: Console, change: Change) -> None:
    console.print(f"\n{words.count(change.count, 'request')} {change.before} -> {change.after} ({change.kind})")
    if change.rules_before:
        indented(console, f"before by {_told(change.rules_before)}", 4)
    by = _told(change.rules_after) if change.rules_after else "no rule: no permit matches"
    indented(console, f"now by {by}", 4)
    first = change.first
    asked = request(first.principal, first.action, first.resource, first.context)
    indented(console, f"first: line {first.line}: {asked}", 4, style="dim")


def _told(rules: Iterable[PolicyRef]) -> str:
    return words.listed([f"{rule.name} ({rule.location.file}:{rule.location.line})" for rule in rules])


def _notes(console: Console, result: Backtest, two_sets: bool) -> None:
    notes = []
    if two_sets and result.unlike_record:
        notes.append(f"{words.count(result.unlike_record, 'decision')} on record are not what the old set says")
    if result.outside_schema:
        number = words.count(result.outside_schema, "request")
        notes.append(f"{number} outside what the schema admits: a strict decision point refuses them")
    for use in result.rules:
        if use.errors:
            number = words.count(use.errors, "request")
            notes.append(f"{use.rule.name} errs on {number} and is skipped there")
    console.print()
    for note in notes:
        indented(console, f"note: {note}", 2)
    if notes:
        console.print()


def _rules(rules: Iterable[RuleUse], two_sets: bool) -> Table:
    table = _table("rule", *(["decides old"] if two_sets else []), "decides new" if two_sets else "decides", "errs")
    for use in rules:
        before = [str(use.before)] if two_sets else []
        table.add_row(words.printable(use.rule.name), *before, str(use.after), str(use.errors))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, overflow="fold")
    for heading in others:
        table.add_column(heading, justify="right")
    return table
