"""Assertions about a policy set, written as Cedar policies in a file of their own.

`@invariant("name") forbid(...)` says that no request it matches is ever allowed, `@invariant("name") permit(...)` that
none is ever denied. They are checked, never deployed: no enforcement point sees them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import cedarpy

from models.cedar.faults import policy_faults
from models.cedar.source import Source, Statement
from models.diagnostics import Diagnostic, near

FILE: Final = "invariants.cedar"
"""The file's name in a folder of policies; beside a single file `NAME.cedar` it is `NAME.invariants.cedar`."""


def holds_invariants(file: Path) -> bool:
    """Whether a file's name says that it holds invariants."""
    return file.name == FILE or file.name.endswith(f".{FILE}")


def beside(path: Path) -> Path | None:
    """The invariants that go with the policies of a file or folder; None where there are none."""
    file = path / FILE if path.is_dir() else path.with_name(f"{path.stem}.{FILE}")
    return file if file.is_file() else None


def invariant_faults(source: Source) -> list[Diagnostic]:
    """What keeps the policies of a file from being invariants, each fault in its place."""
    if faults := policy_faults(source):
        return faults
    tree = cedarpy.policies_to_pst(source.text)
    names: dict[str, int] = {}
    found: list[Diagnostic] = []
    for number, statement in enumerate(source.statements):
        template = f"policy{number}" in tree.templates
        annotations = (tree.templates if template else tree.static_policies)[f"policy{number}"].annotations
        found += _faults(source, statement, annotations, template)
        name = annotations.get("invariant", "")
        if name and names.setdefault(name, statement.start) != statement.start:
            message = f"the name `{name}` is taken by the invariant at {source.span(names[name])}"
            found.append(source.diagnostic(message, statement.annotation("invariant"), "give each its own name"))
    return found


def _faults(
    source: Source, statement: Statement, annotations: Mapping[str, str], template: bool
) -> Iterator[Diagnostic]:
    if template:
        yield source.diagnostic("a template cannot be an invariant", statement.start, "write out its slots")
    if "invariant" not in annotations:
        meant = near("invariant", annotations)
        help = f"did you mean `@invariant` for `@{meant}`?" if meant else 'add `@invariant("what-it-says")`'
        at = statement.annotation(meant) if meant else statement.start
        yield source.diagnostic("the policy is no invariant: it has no `@invariant`", at, help)
    elif not annotations["invariant"]:
        help = '`@invariant("never-allow-unapproved-wire")`'
        yield source.diagnostic("`@invariant` gives no name", statement.annotation("invariant"), help)
    for key in ("escalate", "advice"):
        if key in annotations:
            message = f"an invariant asks nobody, so `@{key}` does nothing in it"
            yield source.diagnostic(message, statement.annotation(key), "leave it out")
