"""A run on disk: a folder with `run.json`, `scenario.json` and four Parquet tables, and how it is written and read."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from models.diagnostics import InputError, input_error, quoted
from models.scenario import Scenario
from sim.decision_log import Seal
from sim.interrupts import held
from sim.tables import KEPT, Volume

if TYPE_CHECKING:
    import pandas as pd

SCHEMA: Final = "windtunnel.run/2"
MANIFEST: Final = "run.json"
SCENARIO: Final = "scenario.json"
FINDINGS: Final = "findings.json"
_LIBRARIES: Final = ("windtunnel", "cedarpy", "networkx", "numpy", "pyarrow", "scipy", "simpy")
_JSON_BYTES_MAX: Final = 64_000_000
_CHUNK: Final = 1 << 20


class PoisonedReplication(BaseModel):
    """A replication that could not be run: the tables have no row of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replication: int
    why: str


class Manifest(BaseModel):
    """What `run.json` says. Nothing in it depends on the machine, the time of day or the number of workers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: str
    scenario: str
    scenario_digest: str
    variant: str | None = None
    """The variant of the scenario that was run. Only its run says so."""
    inputs: Mapping[str, str]
    """File beside the scenario -> sha256."""
    versions: Mapping[str, str]
    engine: str
    seed: int
    volume: Volume = "events"
    """What is kept of each replication; `sim.tables.KEPT` has its tables."""
    replications: int
    tables: Mapping[str, str]
    """Table, or scenario, in the run folder -> sha256."""
    findings: str | None = None
    """The sha256 of the findings kept beside the tables; null where nothing was verified."""
    decisions: tuple[Seal, ...]
    """The seal of each replication's decision log."""
    poisoned: tuple[PoisonedReplication, ...] = ()
    """The replications that could not be run, in order. Only a run that has some says so."""

    @model_validator(mode="after")
    def _poisoned_are_some(self) -> Self:
        numbers = [one.replication for one in self.poisoned]
        if numbers and (numbers != sorted(set(numbers)) or not 0 <= numbers[0] <= numbers[-1] < self.replications):
            raise ValueError("the poisoned replications are not in order, or not of this run")
        if numbers and len(numbers) >= self.replications:
            raise ValueError("all replications are poisoned")
        return self

    @property
    def files(self) -> Mapping[str, str]:
        """Every file of the run folder that is watched -> sha256."""
        return self.tables if self.findings is None else {**self.tables, FINDINGS: self.findings}

    @property
    def roots(self) -> tuple[str, ...]:
        """Merkle roots of the decision logs."""
        return tuple(seal.root for seal in self.decisions)

    def text(self) -> str:
        values = self.model_dump(mode="json")
        values = {"schema": values.pop("schema_")} | values
        values["decisions"] = [seal._asdict() for seal in self.decisions]
        if not self.poisoned:
            del values["poisoned"]
        if self.variant is None:
            del values["variant"]
        return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run. The tables are read anew at each call; `sim.tables` tells their columns."""

    folder: Path
    manifest: Manifest
    scenario: Scenario

    def cases(self) -> pd.DataFrame:
        return self._frame("cases")

    def events(self) -> pd.DataFrame:
        return self._frame("events")

    def decisions(self) -> pd.DataFrame:
        return self._frame("decisions")

    def samples(self) -> pd.DataFrame:
        return self._frame("samples")

    def counts(self) -> pd.DataFrame:
        """Events by kind and place, of a run that does not keep them."""
        return self._frame("counts")

    def figures(self) -> pd.DataFrame:
        """What was counted, of a run that keeps neither cases nor events."""
        return self._frame("figures")

    def _frame(self, name: str) -> pd.DataFrame:
        """The rows of a table. Raises InputError where the run does not keep it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        volume = self.manifest.volume
        if name not in KEPT[volume]:
            raise not_kept(self.folder, name, volume)
        file = table_file(self.folder, name)
        try:
            frame: pd.DataFrame = pq.read_table(file).to_pandas()
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(file, error) from None
        return frame


def not_kept(folder: Path, name: str, volume: Volume) -> InputError:
    """What is wrong with asking a run for a table that its volume leaves out."""
    help = f"simulate again with `--volume {next(v for v, tables in KEPT.items() if name in tables)}`"
    return input_error(f"keeps no {name}: its volume is `{volume}`", str(folder), help)


def table_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"


def versions() -> dict[str, str]:
    """Versions of what had a part in the figures."""
    return {"python": python_version()} | {name: _version(name) for name in _LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed as a package"


def file_digest(file: Path) -> str:
    """The sha256 of a file, hex."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


# --- reading ----------------------------------------------------------------------------------------------------------


def open_run(folder: Path) -> Run:
    """The run in a folder. Raises InputError where something is missing, truncated, or of a newer version."""
    manifest = read_manifest(folder)
    text = _read(folder / SCENARIO)
    try:
        scenario = Scenario.model_validate_json(text)
    except ValidationError as error:
        raise _broken(folder / SCENARIO, error) from None
    check_tables(folder, manifest.volume)
    return Run(folder, manifest, scenario)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run folder. Raises InputError."""
    file = folder / MANIFEST
    if not folder.is_dir() or not file.is_file():
        help = "name the folder that `windtunnel simulate` or `windtunnel run` wrote"
        raise input_error("is not a run folder: it has no run.json", str(folder), help)
    values = read_json(file)
    schema = values.pop("schema", None) if isinstance(values, dict) else None
    _check_schema(schema, file)
    assert isinstance(values, dict)
    try:
        return Manifest.model_validate({"schema_": schema, **values})
    except ValidationError as error:
        raise _broken(file, error) from None


def read_json(file: Path) -> object:
    """The value of a JSON file of a folder. Raises InputError."""
    text = _read(file)
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _broken(file, error) from None
    return value


def _check_schema(schema: object, file: Path) -> None:
    if schema == SCHEMA:
        return
    name, _, number = SCHEMA.partition("/")
    if isinstance(schema, str) and schema.startswith(f"{name}/") and schema[len(name) + 1 :].isdecimal():
        made = "a newer" if int(schema[len(name) + 1 :][:9]) > int(number) else "an older"
        help = f"this version reads `{SCHEMA}`"
        raise input_error(f"was made by {made} version of windtunnel, with schema `{schema}`", str(file), help)
    raise input_error(f"is not the manifest of a run: expected schema `{SCHEMA}`", str(file))


def check_tables(folder: Path, volume: Volume = "events") -> None:
    """Whether the tables are there and readable as far as their footers tell. Raises InputError with every fault."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    faults: list[InputError] = []
    for name, schema in KEPT[volume].items():
        file = table_file(folder, name)
        try:
            found = pq.read_schema(file)
        except FileNotFoundError:
            faults.append(input_error("is missing from the run folder", str(file)))
            continue
        except (OSError, pa.ArrowException) as error:
            faults.append(_unreadable(file, error))
            continue
        if any(field.name not in found.names or found.field(field.name).type != field.type for field in schema):
            faults.append(input_error(f"has not the columns of a `{name}` table", str(file)))
    if faults:
        raise InputError(*(diagnostic for fault in faults for diagnostic in fault.diagnostics))


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > _JSON_BYTES_MAX:
            raise input_error(f"is larger than {_JSON_BYTES_MAX // 1_000_000} MB", str(file))
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise input_error("is missing from the run folder", str(file)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(file, error) from None


def _broken(file: Path, error: Exception) -> InputError:
    return input_error(_wrong(error), str(file), _AGAIN)


def _wrong(error: Exception) -> str:
    match error:
        case json.JSONDecodeError():
            return f"is not JSON: {error.msg}, at line {error.lineno}, column {error.colno}"
        case UnicodeDecodeError():
            return f"is not text in UTF-8: byte {error.start + 1} is none"
        case ValidationError():
            first, *rest = error.errors(include_url=False, include_input=False)
            place = ".".join(map(str, first["loc"]))
            more = f", and {len(rest)} more faults" if len(rest) > 1 else ", and one more fault" if rest else ""
            return f"is not as it was written: {quoted(place)}: {first['msg'].lower()}{more}"
        case RecursionError():
            return "is nested too deeply"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _unreadable(file: Path, error: Exception) -> InputError:
    lines = str(error).splitlines()
    why = lines[0] if lines else type(error).__name__
    return input_error(f"is truncated or damaged: {why}", str(file), _AGAIN)


_AGAIN = "simulate again; the same scenario and seed give the same run"


# --- writing ----------------------------------------------------------------------------------------------------------


def unfinished(out: Path) -> Path:
    """The hidden folder beside a run in which it is written until it is whole."""
    target = out.resolve()
    return target.with_name(f".{target.name}.unfinished")


@contextmanager
def new_run_folder(out: Path, kind: Kind = "run") -> Iterator[Path]:
    """The hidden folder of a run, or of a study, that takes its place when the block ends well.

    When it does not, the folder is left as the block leaves it, and goes where that is empty. One of the kind
    that stands at `out` is replaced; anything else there is refused. Raises InputError before the block where the place
    is not writable.
    """
    target, folder = out.resolve(), unfinished(out)
    _check_target(target, out, kind)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise input_error(f"cannot be written: {error.strerror}", str(out), "choose another folder") from None
    try:
        yield folder
        with held():
            _swap(folder, target)
    except OSError as error:
        raise input_error(f"cannot be written: {error.strerror or error}", str(out)) from error
    finally:
        with suppress(OSError):
            folder.rmdir()


Kind = Literal["run", "study"]
STUDY: Final = "study.json"
_TABLE_FILES: Final = {f"{name}.parquet" for tables in KEPT.values() for name in tables}
_MANIFESTS: Final[Mapping[Kind, str]] = {"run": MANIFEST, "study": STUDY}
RUN_FILES: Final = frozenset({MANIFEST, SCENARIO, FINDINGS, "report.html", *_TABLE_FILES})
"""What may belong to a run."""
_BESIDE: Final = {"evidence.intoto.json", "evidence.intoto.jsonl", "report.pdf"}
_WRITTEN: Final[Mapping[Kind, set[str]]] = {
    "run": {*RUN_FILES, *_BESIDE},
    "study": {STUDY, SCENARIO, "result.json", "report.html", "report.pdf", "measures.parquet", "variants.parquet"},
}
"""The files of a folder: what is written there, and what reports put beside it."""


def _check_target(target: Path, out: Path, kind: Kind) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise input_error("is a file, not a folder", str(out), "choose another folder")
    if any(target.iterdir()) and not _is_one(target, kind):
        raise input_error(f"is not empty and holds no {kind}: it is not overwritten", str(out), "choose another folder")
    if strangers := sorted({path.name for path in target.iterdir()} - _WRITTEN[kind]):
        message = f"holds `{strangers[0]}`, which is no part of a {kind}: it is not overwritten"
        raise input_error(message, str(out), "move what is yours, or choose another folder")


def _is_one(folder: Path, kind: Kind) -> bool:
    """Whether a manifest of any version is there."""
    try:
        schema = json.loads(_read(folder / _MANIFESTS[kind]))["schema"]
    except (InputError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return isinstance(schema, str) and schema.startswith(f"windtunnel.{kind}/")


def _swap(partial: Path, target: Path) -> None:
    """Put the finished folder in its place; what stood there before goes once it is."""
    if not target.exists():
        partial.rename(target)
        return
    old = target.with_name(f".{target.name}.old-{secrets.token_hex(4)}")
    target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
