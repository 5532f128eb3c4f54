"""Commands about policy sets alone: what a change changes, whether a property holds, what recorded requests become."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated

import typer

from models.diagnostics import listed, near, quoted
from windtunnel import api
from windtunnel.options import (
    EffortName,
    EffortOption,
    Format,
    OutputFormat,
    ProfileName,
    ProfileOption,
    ToldFormat,
    ToldFormatOption,
    WriteOption,
    print_json,
    write,
)
from windtunnel.telling import statements_json, tell, tell_also
from windtunnel.told import from_root

EXIT_CODES = {"pass": 0, "holds": 0, "fail": 1, "violated": 1, "undecided": 3}

FORBID = "Changes that fail, with commas: newly-allowed, newly-denied, newly-escalated, unescalated"
PROPERTIES = (
    "Of a policy: never-errors, always-matches, never-matches. Of two: matches-equivalent, matches-implies, "
    "matches-disjoint. Of a set: always-allows, always-denies. Of two: equivalent, implies, disjoint."
)

ScriptFolder = Annotated[Path | None, typer.Option("--scripts", help="Folder to write the SMT-LIB scripts to.")]


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A .cedar file or a folder of them.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="What takes its place.")],
    schema: Annotated[
        Path | None, typer.Option(help="Schema of both. [default: those beside the policies, else inferred]")
    ] = None,
    old_schema: Annotated[Path | None, typer.Option(help="Schema of OLD.")] = None,
    new_schema: Annotated[Path | None, typer.Option(help="Schema of NEW.")] = None,
    profile: ProfileOption = ProfileName.windtunnel,
    effort: EffortOption = EffortName.normal,
    forbid: Annotated[
        list[str] | None,
        typer.Option(metavar="CHANGES", help=f"{FORBID}, escalated-differently."),
    ] = None,
    format: ToldFormatOption = ToldFormat.text,
    writes: WriteOption = None,
    scripts: ScriptFolder = None,
) -> None:
    """Tell what a change of policies allows, denies and escalates newly, with a witness for each change."""
    from verify.diff import FORBIDDABLE

    forbidden = changes_named(forbid or (), FORBIDDABLE)
    from reports import progress
    from reports.change import print_diff
    from reports.statements import told_of_diff
    from verify.diff import to_json
    from verify.json import write_scripts

    with progress.status("comparing"):
        found = api.diff(
            old,
            new,
            schema=schema,
            old_schema=old_schema,
            new_schema=new_schema,
            profile=profile.value,
            effort=effort.value,
            forbid=forbidden,
        )
    if scripts is not None:
        write_scripts(found.findings.scripts, scripts)
    told = from_root(told_of_diff(found, title=f"{old} to {new}"))
    tell_also(told, writes)
    if format is ToldFormat.json:
        print_json(to_json(found) | {"statements": statements_json(told)})
    elif format is ToldFormat.text:
        print_diff(found)
    else:
        tell(told, format)
    raise typer.Exit(EXIT_CODES[found.verdict])


def changes_named(given: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """The changes of `--forbid`, which may be given several times, each with commas."""
    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            close = near(name, known)
            meant = f"did you mean {quoted(close)}?" if close else f"expected {listed(known)}"
            raise typer.BadParameter(f"unknown change {quoted(name)}; {meant}", param_hint="--forbid")
    return tuple(dict.fromkeys(names))


def query(
    property: Annotated[str, typer.Argument(metavar="PROPERTY", help=PROPERTIES)],
    policies: Annotated[Path, typer.Option(help="A .cedar file or a folder of them.")],
    other: Annotated[Path | None, typer.Option(help="The other, where the property is about two.")] = None,
    schema: Annotated[Path | None, typer.Option(help="Cedar or JSON schema. [default: the folder's]")] = None,
    policy: Annotated[str | None, typer.Option(metavar="ID", help="The policy meant, of several.")] = None,
    other_policy: Annotated[str | None, typer.Option(metavar="ID", help="The other policy meant, of several.")] = None,
    principal_type: Annotated[str | None, typer.Option(metavar="TYPE", help="Only principals of a type.")] = None,
    action: Annotated[str | None, typer.Option(metavar="UID", help='Only an action, as `Action::"view"`.')] = None,
    resource_type: Annotated[str | None, typer.Option(metavar="TYPE", help="Only resources of a type.")] = None,
    profile: ProfileOption = ProfileName.windtunnel,
    effort: EffortOption = EffortName.normal,
    format: OutputFormat = Format.text,
    scripts: ScriptFolder = None,
) -> None:
    """Ask whether a property of Cedar's symbolic compiler holds. Decisions are Cedar's: @escalate forbids deny."""
    from reports import progress
    from reports.change import print_query
    from verify.json import write_scripts
    from verify.questions import to_json

    with progress.status("asking"):
        result = api.query(
            property,
            policies,
            other,
            schema=schema,
            policy=policy,
            other_policy=other_policy,
            principal_type=principal_type,
            action=action,
            resource_type=resource_type,
            profile=profile.value,
            effort=effort.value,
        )
    if scripts is not None:
        write_scripts(result.scripts, scripts)
    if format is Format.json:
        print_json(to_json(result))
    else:
        print_query(result)
    raise typer.Exit(EXIT_CODES[result.verdict])


def backtest(
    policies: Annotated[Path, typer.Argument(metavar="POLICIES", help="A .cedar file or a folder of them.")],
    new: Annotated[
        Path | None,
        typer.Argument(metavar="[NEW]", help="What takes their place. [default: compare with the decisions on record]"),
    ] = None,
    requests: Annotated[
        Path, typer.Option(metavar="LOG.jsonl", help="Recorded requests, one JSON object a line.")
    ] = ...,  # type: ignore[assignment]
    schema: Annotated[Path | None, typer.Option(help="Cedar or JSON schema. [default: the folder's]")] = None,
    entities: Annotated[Path | None, typer.Option(help="Entities of requests that bring none along.")] = None,
    profile: ProfileOption = ProfileName.windtunnel,
    forbid: Annotated[
        list[str] | None,
        typer.Option(metavar="CHANGES", help=f"{FORBID}."),
    ] = None,
    format: OutputFormat = Format.text,
) -> None:
    """Decide recorded requests under one policy set, or under an old and a new one: what changes, by rule."""
    from verify.changes import CHANGES

    forbidden = changes_named(forbid or (), CHANGES)
    from reports import progress
    from reports.backtest import print_backtest
    from verify.backtest import to_json

    with progress.counter("deciding") as advance:
        result = api.backtest(
            policies, new, requests=requests, schema=schema, entities=entities, profile=profile.value, progress=advance
        )
    if format is Format.json:
        print_json(to_json(result, forbidden))
    else:
        print_backtest(result, forbidden, two_sets=new is not None)
    raise typer.Exit(1 if result.count(forbidden) else 0)


def infer(
    policies: Annotated[Path, typer.Argument(metavar="POLICIES", help="A .cedar file or a folder of them.")],
    profile: ProfileOption = ProfileName.windtunnel,
    out: Annotated[Path | None, typer.Option(help="File to write. [default: standard output]")] = None,
    format: OutputFormat = Format.text,
) -> None:
    """Infer a Cedar schema from what policies name and how they use it. Exits 3 where uses contradict each other.

    What each part was inferred from is told on standard error.
    """
    from models.cedar.inference import to_json
    from models.cedar.load import inferred_schema, load_policies

    text, inferred = inferred_schema(load_policies(policies, profile=profile.value).policies, str(policies))
    if format is Format.json:
        print_json(to_json(inferred) | {"text": text}, out)
    else:
        if out is None:
            typer.echo(text, nl=False)
        else:
            write(out, text)
        for line in inferred.lines():
            typer.echo(line, err=True)
    raise typer.Exit(EXIT_CODES["undecided"] if inferred.conflicts else 0)
