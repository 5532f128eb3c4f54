"""The command `gate`: a change between two commits of a git checkout, judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windtunnel import api
from windtunnel.options import (
    Behaviours,
    TodayOption,
    ToldFormat,
    ToldFormatOption,
    Workers,
    WriteOption,
    file_to_write,
    print_json,
    the_current_day,
)
from windtunnel.telling import from_root, tell, tell_also


def gate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATHS]...",
            help="Scenarios, folders of policies, or folders above them. [default: all that the change touches]",
        ),
    ] = None,
    base: Annotated[str, typer.Option(metavar="REF", help="What the change is to be merged into.")] = ...,  # type: ignore[assignment]
    head: Annotated[str | None, typer.Option(metavar="REF", help="The change. [default: the working tree]")] = None,
    requests: Annotated[
        Path | None, typer.Option(metavar="LOG.jsonl", help="Recorded requests to decide under both versions.")
    ] = None,
    replications: Annotated[
        int | None, typer.Option(min=2, max=10_000, help="Of each version, instead of the rules' or the scenario's.")
    ] = None,
    workers: Workers = None,
    behaviours: Behaviours = None,
    today: TodayOption = None,
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", parser=file_to_write, help="Write a page for readers, too."),
    ] = None,
    format: ToldFormatOption = ToldFormat.text,
    writes: WriteOption = None,
) -> None:
    """Judge a change in git: the decisions that change, new findings, and what it does to the simulated operation.

    Rules, waivers and baseline are those of the base: `windtunnel.toml` and what it names (docs/gate.md).
    """
    from reports import progress

    judged = api.gate(
        base,
        head,
        paths or (),
        requests=requests,
        replications=replications,
        workers=workers,
        behaviours=behaviours,
        today=today or the_current_day(),
        step=progress.bar,
    )
    from reports.gate.told import told_of_gate

    told = from_root(told_of_gate(judged), judged.root)
    tell_also(told, writes)
    if page is not None:
        from reports.gate.page import write_gate

        write_gate(page, judged)
    if format is ToldFormat.json:
        from reports.gate.json import to_json

        print_json(to_json(judged))
    elif format is ToldFormat.text:
        from reports.gate.terminal import print_gate

        print_gate(judged)
    else:
        tell(told, format)
    raise typer.Exit(judged.verdict.exit_code)
