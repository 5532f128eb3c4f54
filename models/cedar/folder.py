"""Which files a policy set is read from: the policies of a file or folder, and what goes with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from models.cedar.invariants import holds_invariants
from models.diagnostics import input_error, listed


def shown(path: Path, root: Path | None) -> str:
    """A file as places name it: relative to `root`, where it is below it."""
    if root is not None and path.resolve().is_relative_to(root.resolve()):
        return path.resolve().relative_to(root.resolve()).as_posix()
    return path.as_posix()


def policy_files(path: Path, root: Path | None, invariants: Path | None) -> list[Path]:
    """The files of the policies to deploy: none of them holds invariants."""
    asserted = invariants.resolve() if invariants else None
    if not path.is_dir():
        if holds_invariants(path) or path.resolve() == asserted:
            help = "name the policies; their invariants are read beside them, or named by `--invariants`"
            raise input_error("the file holds invariants, not policies to deploy", shown(path, root), help)
        if path.suffix == ".cedarschema" or path.name.endswith((".cedarschema.json", "schema.json")):
            help = "name the file or folder of the policies; `--schema` names their schema"
            raise input_error("the file holds a schema, not policies", shown(path, root), help)
        return [path]
    found = (file for file in path.glob("*.cedar") if not holds_invariants(file) and file.resolve() != asserted)
    files = sorted(found, key=lambda file: file.name)
    if not files:
        raise input_error("the folder holds no `*.cedar` file", shown(path, root), _where_else(path))
    return files


def _where_else(path: Path) -> str:
    """Where the policies of a folder without any may be; empty where it holds none at all."""
    if folders := _folders_of_policies(path):
        return f"policies lie below it, in {listed(folders)}: name the folder that holds them"
    return "the folder holds a scenario: name its policies" if (path / "scenario.yaml").is_file() else ""


def _folders_of_policies(path: Path) -> list[str]:
    """The folders directly below that hold policies. They are no part of the set."""
    return sorted({file.parent.name for file in path.glob("*/*.cedar")}) if path.is_dir() else []


def schema_beside(path: Path, root: Path | None = None) -> Path | None:
    """The schema that goes with the policies of a file or folder. Raises InputError where several could."""
    return beside(path, ("*.cedarschema", "schema.json"), (".cedarschema", ".cedarschema.json"), root)


def entities_beside(path: Path, root: Path | None = None) -> Path | None:
    """The entities of a file or folder of policies, where there are some beside them."""
    return beside(path, ("entities.json",), (".entities.json",), root)


def beside(path: Path, patterns: Sequence[str], suffixes: Sequence[str], root: Path | None) -> Path | None:
    """The one file of a kind that goes with the policies."""
    if path.is_dir():
        found = sorted({file for pattern in patterns for file in path.glob(pattern)})
        found += sorted(path.glob("*.cedarschema.json")) if ".cedarschema.json" in suffixes else []
    else:
        found = [file for suffix in suffixes if (file := path.with_name(path.stem + suffix)).is_file()]
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise input_error(f"several files could be meant: {names}", shown(path, root), "name the one to use")
    return found[0] if found else None


def left_out(path: Path, root: Path | None) -> Iterator[str]:
    """A sentence for each folder below whose policies are no part of the set."""
    for name in _folders_of_policies(path):
        yield f"{shown(path / name, root)}: the policies in it are not read: a folder is read without those below it"
