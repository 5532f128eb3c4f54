"""A loaded scenario, with its changes made, as a folder of its own: the scenario file and every file it names."""

from __future__ import annotations

import io
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from models.changes import made
from models.diagnostics import Diagnostic, InputError, input_error, quoted
from models.load import POLICY_BYTES_MAX, SCENARIO_FILE, LoadedScenario, load
from models.reading import parse_document, read_bytes
from models.traces import FILE_BYTES_MAX

VARIANTS = "variants"
SOURCES = "sources"


def export(loaded: LoadedScenario, folder: Path) -> tuple[Path, ...]:
    """Write a scenario as it is loaded into a new folder, and return the files: it has the digest, so the runs, of what
    was loaded, and no variants. Comments and layout of the scenario file stay where they can.

    Raises `InputError` rather than overwrite, where the scenario names a file outside its folder, and where a file is
    no longer as it was loaded.
    """
    contents = {SCENARIO_FILE: exported_text(loaded).encode()} | _inputs(loaded)
    made_here = False
    try:
        folder.mkdir(parents=True, exist_ok=False)
        made_here = True
        for name, data in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        if load(folder).digest != loaded.digest:
            raise input_error("a file has changed since the scenario was loaded", str(loaded.path), "export it again")
    except FileExistsError:
        raise input_error("the folder exists already", str(folder), "name a new folder") from None
    except OSError as error:
        _undo(folder, made_here)
        raise input_error(f"cannot write here: {error.strerror}", str(folder)) from None
    except InputError:
        _undo(folder, made_here)
        raise
    return tuple(folder / name for name in contents)


def exported_text(loaded: LoadedScenario) -> str:
    """The scenario file with the changes made and `variants` left out."""
    wanted = {key: value for key, value in loaded.document.value.items() if key != VARIANTS}
    _keep_sources(wanted, loaded)
    try:
        text = _edited(loaded)
        if _same(parse_document(text, "").value, wanted):
            return text
    except (InputError, YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        pass  # what the layout cannot be kept of is written plainly
    return _dumped(_writer(loaded), wanted)


def _edited(loaded: LoadedScenario) -> str:
    yaml = _writer(loaded)
    root = yaml.load("\n".join(loaded.document.lines))
    made(root, loaded.changes)
    root.pop(VARIANTS, None)
    _keep_sources(root, loaded)
    return _dumped(yaml, root)


def _keep_sources(root: Any, loaded: LoadedScenario) -> None:
    """Take out the sources of what the changes have taken out."""
    given = root.get(SOURCES)
    if given and (kept := {path: given[path] for path in given if path in loaded.scenario.sources}) != dict(given):
        root[SOURCES] = kept
        if not kept:
            del root[SOURCES]


def _writer(loaded: LoadedScenario) -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.width = max(map(len, loaded.document.lines), default=0) + 1
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dumped(yaml: YAML, value: Any) -> str:
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one, kinds and order of keys too: `1` is not `1.0` or `true`, and keys number parts."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other or (one != one and other != other))


def _inputs(loaded: LoadedScenario) -> dict[str, bytes]:
    outside = [name for name in loaded.inputs if ".." in PurePosixPath(name).parts]
    if outside:
        said = [Diagnostic(f"{quoted(name)} is outside the scenario's folder", str(loaded.path)) for name in outside]
        raise InputError(*said, Diagnostic("it cannot be copied", str(loaded.path), help="move what it names inside"))
    limit = max(POLICY_BYTES_MAX, FILE_BYTES_MAX)
    return {name: read_bytes(loaded.path.parent / name, limit) for name in loaded.inputs}


def _undo(folder: Path, made_here: bool) -> None:
    if made_here:
        shutil.rmtree(folder, ignore_errors=True)
