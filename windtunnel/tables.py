"""The command that asks tables in SQL."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.diagnostics import input_error
from windtunnel.options import one_of, print_json

if TYPE_CHECKING:
    import pyarrow as pa


class TableFormat(StrEnum):
    text = "text"
    json = "json"
    csv = "csv"


ROWS_SHOWN = 40
"""Rows in the terminal; the other formats give all."""


def sql(
    arguments: Annotated[
        list[str], typer.Argument(metavar="RUN... QUERY", help="Folders of runs or studies, then what is selected.")
    ],
    format: Annotated[TableFormat, one_of(TableFormat, "How rows are printed.", "--format")] = TableFormat.text,
    out: Annotated[Path | None, typer.Option(help="File to write: .csv, .json or .parquet.")] = None,
) -> None:
    """Ask tables in SQL (DuckDB), read-only: cases, events, decisions, samples; of a study measures and variants."""
    from reports.sql import sql as ask

    if len(arguments) < 2:
        raise typer.BadParameter("name a run folder, and after it the query", param_hint="RUN... QUERY")
    *folders, query = arguments
    found = ask([Path(folder) for folder in folders], query)
    if out is not None:
        _write(found, out)
        typer.echo(f"{found.num_rows:,} rows: {out}")
        return
    match format:
        case TableFormat.json:
            print_json([{name: _plain(value) for name, value in row.items()} for row in found.to_pylist()])
        case TableFormat.csv:
            typer.echo(_csv(found), nl=False)
        case TableFormat.text:
            _print(found)


def _print(found: pa.Table) -> None:
    from rich.table import Table
    from rich.text import Text

    from reports.console import open_console
    from reports.words import count, printable

    console = open_console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for field in found.schema:
        number = str(field.type).startswith(("int", "uint", "float", "double", "decimal"))
        table.add_column(Text(printable(field.name)), justify="right" if number else "left", overflow="fold")
    for row in found.slice(0, ROWS_SHOWN).to_pylist():
        table.add_row(*(Text("" if value is None else printable(str(value))) for value in row.values()))
    console.print(table)
    more = found.num_rows - ROWS_SHOWN
    console.print(f"{count(found.num_rows, 'row')}" + (f", {more:,} not shown" if more > 0 else ""), style="dim")


def _csv(found: pa.Table) -> str:
    text: str = found.to_pandas().to_csv(index=False)
    return text


def _plain(value: object) -> object:
    import math

    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | list | dict | None) else str(value)


def _write(found: pa.Table, out: Path) -> None:
    """Raises InputError where the file cannot be written, or its name does not say how."""
    import json

    import pyarrow.parquet as pq

    try:
        match out.suffix:
            case ".csv":
                out.write_text(_csv(found), encoding="utf-8")
            case ".json":
                out.write_text(json.dumps(found.to_pylist(), default=str), encoding="utf-8")
            case ".parquet":
                pq.write_table(found, out)
            case _:
                raise input_error("expected a name that ends in .csv, .json or .parquet", str(out))
    except OSError as error:
        raise input_error(f"cannot write here: {error.strerror}", str(out)) from None
