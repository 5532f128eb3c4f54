"""Questions over the tables of runs and studies in SQL, by DuckDB: nothing is written, and no other file is read.

A run folder and a query are untrusted. The database is in memory, the tables are handed to it as they are read, and
access to files, extensions and settings is locked before the query is seen. One statement, one that selects, is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.diagnostics import Diagnostic, InputError, input_error, quoted
from sim.run import STUDY, check_tables, read_manifest, table_file
from sim.tables import KEPT

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from duckdb import DuckDBPyRelation

QUERY_MAX: Final = 100_000
"""Characters of a query."""

MEMORY: Final = "4GB"
"""What a query may take in memory; more ends it. It spills nothing to disk."""

_LINE: Final = re.compile(r"^LINE (?P<line>\d+): (?P<source>.*)$", re.MULTILINE)
_NEAR: Final = re.compile(r"Did you mean \"(?P<name>[^\"]+)\"")
_CANDIDATES: Final = re.compile(r"Candidate bindings: \"(?P<name>[^\"]+)\"")


def tables_of(folder: Path) -> Mapping[str, Path]:
    """The tables of a run or a study, by name. Raises InputError where the folder holds neither."""
    if (folder / STUDY).is_file():
        from reports.studies.kept import open_study

        open_study(folder)
        return {name: table_file(folder, name) for name in ("measures", "variants")}
    volume = read_manifest(folder).volume
    check_tables(folder, volume)
    return {name: table_file(folder, name) for name in KEPT[volume]}


def sql(folders: Sequence[Path], query: str) -> pa.Table:
    """The answer to a query over the tables of runs or studies.

    Of several folders each table has a column `run`, the folder's name, and the rows of all. Raises InputError where
    the query is wrong, is no single `select`, or reaches for anything but the tables.
    """
    if len(query) > QUERY_MAX:
        raise input_error(f"the query is longer than {QUERY_MAX:,} characters", "query")
    with _connected(folders) as connection:
        duckdb = _duckdb()
        try:
            statements = connection.extract_statements(query)
            selects = [one for one in statements if one.type == duckdb.StatementType.SELECT]
            if len(statements) != 1 or not selects:
                raise input_error("expected one statement that selects", "query", "runs are only read")
            return connection.sql(query).to_arrow_table()
        except duckdb.OutOfMemoryException:
            help = "ask for fewer rows, or for sums of them"
            raise input_error(f"the answer takes more than {MEMORY} of memory", "query", help) from None
        except (duckdb.BinderException, duckdb.CatalogException):
            raise InputError(_fault(_located(connection, query), query)) from None
        except duckdb.Error as error:
            raise InputError(_fault(error, query)) from None


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        help = "install it with the extra `sql`: pip install -c constraints.txt -e '.[sql]'"
        raise input_error("DuckDB is not installed", "windtunnel sql", help) from None
    return duckdb


@contextmanager
def _connected(folders: Sequence[Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that knows the tables and can reach nothing else."""
    import pyarrow.dataset as ds

    duckdb = _duckdb()
    tables = [tables_of(folder) for folder in folders]
    settings = {"memory_limit": MEMORY, "temp_directory": "", "python_enable_replacements": False}
    with duckdb.connect(":memory:", config=settings) as connection:
        parts: dict[str, list[tuple[str, DuckDBPyRelation]]] = {}
        for run, names in zip(_labels(folders), tables, strict=True):
            for name, file in names.items():
                rows = connection.from_arrow(ds.dataset(file, format="parquet"))
                parts.setdefault(name, []).append((run, rows))
        for name, found in parts.items():
            (_together(found) if len(folders) > 1 else found[0][1]).create_view(name)
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection


def _labels(folders: Sequence[Path]) -> list[str]:
    """What each folder is called: its name, and as much of the path above it as tells it from the others."""
    parts = [folder.resolve().parts for folder in folders]
    if twice := next((folder for folder, path in zip(folders, parts, strict=True) if parts.count(path) > 1), None):
        raise input_error("is named twice", str(twice), "its rows would count twice: keep one")
    longest = max(map(len, parts), default=1)
    labels = (["/".join(path[-length:]) for path in parts] for length in range(1, longest + 1))
    return next(some for some in labels if len(set(some)) == len(some))


def _together(parts: Sequence[tuple[str, DuckDBPyRelation]]) -> DuckDBPyRelation:
    """The rows of several relations, with the run they are from; a column that one lacks is null there."""
    columns = list(dict.fromkeys(column for _, rows in parts for column in rows.columns))
    named = []
    for run, rows in parts:
        cells = [("" if column in rows.columns else "null as ") + _quoted(column, '"') for column in columns]
        named.append(rows.project(", ".join([f"{_quoted(run, chr(39))} as run", *cells])))
    return reduce(lambda whole, rows: whole.union(rows), named)


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, 2 * mark) + mark


def _located(connection: duckdb.DuckDBPyConnection, query: str) -> Exception:
    """The fault of a query that cannot be planned, with its place, which only this way of asking tells."""
    try:
        connection.execute(query)
    except _duckdb().Error as error:
        found: Exception = error
        return found
    return ValueError("the query cannot be planned")


def _fault(error: Exception, query: str) -> Diagnostic:
    """What DuckDB says is wrong, at its place in the query."""
    text = str(error)
    message = text.splitlines()[0] if text else type(error).__name__
    message = re.sub(r"^[A-Za-z ]+ Error: ", "", message).rstrip("!. ")
    message = message[:1].lower() + message[1:]
    found = _NEAR.search(text) or _CANDIDATES.search(text)
    help = f"did you mean {quoted(found['name'])}?" if found else ""
    place = _LINE.search(text)
    lines = query.splitlines()
    if place is None or not 1 <= int(place["line"]) <= len(lines):
        return Diagnostic(message, "query", help=help)
    number = int(place["line"])
    caret = text[place.end() :].split("\n")[1] if "\n" in text[place.end() :] else ""
    # A long line is shown in part: the caret counts from where the part begins.
    shown = place["source"].removeprefix("...").removesuffix("...")
    start = max(lines[number - 1].find(shown), 0)
    before = len(f"LINE {number}: ") + (3 if place["source"].startswith("...") else 0)
    column = start + max(caret.find("^") - before, 0) + 1
    return Diagnostic(message, "query", number, column, lines[number - 1], help)
