"""The gate in the terminal: the verdict and why, then for each target the effect, the decisions and the findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports import words
from reports.console import indented, mark, open_console
from reports.gate.effect import BASE, HEAD, Effect, ObjectiveChange
from reports.gate.gate import Gate
from reports.gate.judge import Judged
from reports.gate.told import change_told
from reports.statements import Statement
from reports.witness import print_witness
from verify.backtest import Backtest
from verify.diff import Diff

MOST: Final = 5
"""Changes of decisions and findings told one by one; the rest is counted and stands in the JSON."""


def print_gate(gate: Gate) -> None:
    """Print what the gate says of a change."""
    console = open_console()
    verdict = gate.verdict
    word = "fail" if verdict.result == "invalid" else verdict.result
    line = mark(console, word)
    told = "cannot be judged: its files cannot be read" if verdict.result == "invalid" else ""
    line.append(f"  {words.printable(change_told(gate))}{': ' + told if told else ''}", style="bold")
    console.print(line)
    for reason in verdict.reasons:
        indented(console, reason, 2)
    for note in gate.notes:
        indented(console, f"note: {note}", 2, style="dim")
    for about in gate.about:
        if not about.stands:
            indented(console, f"note: {about.message}", 2, style="dim")
    for one in gate.targets:
        _target(console, one, [statement for target, statement in gate.said if target == one.target])


def _target(console: Console, one: Judged, said: Sequence[Statement]) -> None:
    console.print()
    title = Text(words.printable(one.target.name), style="bold")
    files = words.count(len(one.target.files), "changed file")
    title.append(f"  {one.target.kind}, {one.target.change}, {files}", style="dim")
    console.print(title)
    for note in one.notes:
        indented(console, f"note: {note}", 2, style="dim")
    for fault in one.faults[:MOST]:
        indented(console, str(fault).split("\n")[0], 2)
    if one.effect is not None:
        _effect(console, one.effect)
    if one.diff is not None:
        _diff(console, one.diff)
    _findings(console, said)
    for statement in said:
        if statement.kind == "review" and statement.rule in ("gate.assertion", "gate.finding", "gate.objective"):
            indented(console, f"to look at: {statement.message}", 2)
        if statement.waived:
            indented(console, f"waived: {statement.rule} {statement.name}: {statement.waived}", 2)
    if one.backtest is not None:
        _backtest(console, one.backtest)


def _effect(console: Console, effect: Effect) -> None:
    found = effect.comparison
    for sentence in effect.sentences:
        indented(console, sentence.text, 2)
    if effect.objectives:
        console.print(_objectives(console, effect))
    number = words.count(found.replications, "replication")
    both = " of each version with the same random numbers" if len(found.variants) > 1 else ""
    told = f"{number}{both}, seed {effect.seed}"
    indented(console, told, 2, style="dim")


def _objectives(console: Console, effect: Effect) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="dim")
    compared = len(effect.comparison.variants) > 1
    for heading in ("objective", "limit", *(("base", "head", "difference") if compared else ("head",))):
        table.add_column(heading, overflow="fold")
    for one in effect.objectives:
        table.add_row(*_row(console, one, effect))
    return table


def _row(console: Console, one: ObjectiveChange, effect: Effect) -> Iterable[str | Text]:
    kind = effect.kinds.get(one.name)
    currency = effect.comparison.currency
    if kind is None:
        return one.name, "", str(one.base or "none"), str(one.head or "none"), ""
    cells: list[str | Text] = [one.name, words.limit(kind.at_most, kind.at_least, kind.unit, currency)]
    verdicts = {BASE: one.base, HEAD: one.head}
    for variant in effect.comparison.variants[:2]:
        verdict = verdicts[variant.name]
        figure = next(figure for figure in variant.figures if figure.measure == one.name)
        cell = mark(console, verdict) if verdict else Text("none")
        cell.append(f" {words.estimate(figure.interval, kind.unit, currency)}", style="default")
        cells.append(cell)
    if len(effect.comparison.variants) == 1:
        return cells
    same = one.contrast is None or one.contrast.word == "no difference"
    cells.append(
        "none" if same or one.contrast is None else words.change_span(one.contrast.interval, kind.unit, currency)
    )
    return cells


def _diff(console: Console, diff: Diff) -> None:
    told = [finding for finding in diff.findings.findings if finding.verdict != "holds"]
    if not told:
        indented(console, "Both versions decide every request alike (proved).", 2)
        return
    forbidden = sorted(told, key=lambda finding: finding.check not in diff.forbidden)
    for finding in forbidden[:MOST]:
        fails = finding.check in diff.forbidden
        line = Text("  ").append(
            mark(console, "undecided" if finding.verdict == "undecided" else "fail" if fails else "info")
        )
        line.append(f"  {finding.check} {finding.name}", style="bold")
        console.print(line)
        indented(console, finding.message, 6)
        if finding.witness is not None:
            print_witness(console, finding.witness)
    if len(told) > MOST:
        console.print(f"    and {len(told) - MOST} more changes of decisions")


def _findings(console: Console, said: Iterable[Statement]) -> None:
    """What verification says of the head: how much is new, and that one by one."""
    every = [one for one in said if one.rule[0] in "PEW" and one.kind in ("fail", "open", "informational")]
    counts = Counter(one.since or "counted all the same" for one in every)
    if every:
        indented(console, f"findings: {', '.join(f'{number} {since}' for since, number in sorted(counts.items()))}", 2)
    new = [one for one in every if one.since == "new" and not one.waived]
    for one in new[:MOST]:
        indented(console, f"new: {one.rule} {one.name} ({one.level}): {one.message}", 4)
    if len(new) > MOST:
        console.print(f"    and {len(new) - MOST} more new ones")


def _backtest(console: Console, found: Backtest) -> None:
    number = words.count(found.requests, "recorded request")
    changed = sum(change.count for change in found.changes)
    indented(console, f"{number}: {changed:,} decided differently", 2)
    for change in found.changes[:MOST]:
        indented(console, f"{change.count:,} {change.before} -> {change.after} ({change.kind})", 4)
