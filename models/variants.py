"""Variants of a scenario: named sets of changes, kept in the file beside what they change.

A variant is the scenario with its changes made, nothing else: its digest is that of the changed scenario, and adding
one changes no run.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from models.diagnostics import InputError, input_error, near, quoted
from models.part import Part
from models.reading import Document

BASE = "base"
"""The scenario as it stands, among its variants."""

VARIANTS_MAX = 100


class Variant(Part):
    """Other values for fields of the scenario."""

    description: str = Field(default="", max_length=5000)
    """What is tried out, for readers."""
    set: dict[str, Any] = Field(min_length=1, max_length=1000)
    """The values that fields take, by path: `desks.care.roster.0.staff: 2`, `horizon: 2d`, `policies.path: strict`.
    List items are named by position, and the position after the last one adds an item. `null` takes out what may be
    left out, a named part too. A whole part is replaced by giving it anew, and a mapping
    under a new name adds a part."""


def chosen(document: Document, name: str) -> dict[str, Any]:
    """What a variant of the file changes, by path. Raises InputError where there is none of this name."""
    held = document.value.get("variants") if isinstance(document.value, dict) else None
    variants = held if isinstance(held, dict) else {}
    if name == BASE:
        return {}
    if name not in variants:
        raise unknown(name, [BASE, *variants], document.file)
    changes = variants[name].get("set") if isinstance(variants[name], dict) else None
    return dict(changes) if isinstance(changes, dict) else {}


def unknown(name: str, known: list[str], file: str) -> InputError:
    """What is wrong with asking for a variant that is not there."""
    close = near(name, known)
    help = f"did you mean {quoted(close)}?" if close else f"it has {', '.join(known)}"
    return input_error(f"there is no variant {quoted(name)}", file, help)
