"""The commands for who signs: `windtunnel evidence` writes a statement over a run, and checks one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from models.diagnostics import quoted
from windtunnel import api
from windtunnel.options import Changes, FailOn, RunPath, Threshold, VariantName, Workers, changed

WRITE = "write"
"""The command that is meant where none is named."""


class _Evidence(TyperGroup):
    """`evidence RUN` writes; `evidence verify` checks."""

    def parse_args(self, context: Any, arguments: list[str]) -> list[str]:
        if arguments and arguments[0] not in (*self.commands, "--help"):
            arguments = [WRITE, *arguments]
        return super().parse_args(context, arguments)


evidence = typer.Typer(
    name="evidence",
    cls=_Evidence,
    no_args_is_help=True,
    help="Write a run's evidence: an in-toto statement over its digests; `verify` checks it.",
    rich_markup_mode=None,
)


@evidence.command(name=WRITE, hidden=True)
def write_evidence(
    run: RunPath,
    key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Ed25519 private key to sign with. [default: unsigned]")
    ] = None,
    fail_on: FailOn = Threshold.error,
) -> None:
    """Write the evidence of a run into its folder: unsigned, or in a DSSE envelope."""
    typer.echo(api.evidence(api.open_run(run), key=key, fail_on=fail_on.value))


@evidence.command()
def verify(
    given: Annotated[Path, typer.Argument(metavar="EVIDENCE", help="An evidence file, or the folder of its run.")],
    public_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Ed25519 public key of the signer.")] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="SCENARIO", help="Simulate this scenario again, and compare every table.")
    ] = None,
    variant: VariantName = "base",
    changes: Changes = None,
    workers: Workers = None,
) -> None:
    """Check that a run is what its evidence says. Exits 1 and names what differs, 3 where something was not checked."""
    if replay is None and (variant != "base" or changes):
        raise typer.BadParameter("it is for `--replay`, which is not given", param_hint="--variant or --set")
    scenario = None if replay is None else api.load(replay, changed(changes), variant=variant)
    from reports import progress
    from reports.verdict import EXIT_CODES
    from reports.words import listed

    with progress.status("checking"):
        found = api.verify_evidence(given, public_key=public_key, replay=scenario, workers=workers)
    told = {"pass": "as its evidence says", "fail": "not as its evidence says", "undecided": "not wholly checked"}
    typer.echo(f"{given}: {told[found.result]}")
    for label, sentences in (("fault", found.faults), ("checked", found.checked), ("not checked", found.unchecked)):
        for sentence in sentences:
            typer.echo(f"  {label}: {sentence}")
    if found.beside:
        typer.echo(f"  no part of the evidence: {listed([quoted(name) for name in found.beside], 6)}")
    raise typer.Exit(EXIT_CODES[found.result])
