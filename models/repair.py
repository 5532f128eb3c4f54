"""A scenario read in spite of its faults of shape, so that the parts that have none are checked all the same.

What is faulty gives way to something that fits its place. Where that was done is kept: what is then found at such a
place, or rests on it, says nothing of the file.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from models import json_schema
from models.diagnostics import near
from models.json_schema import Node
from models.reading import KeyPath
from models.scenario import Scenario
from models.validation import KIND_FAULTS, Complaint, free_keys, validate, value_at

ROUNDS_MAX: Final = 4
"""A repaired kind or key may bring up the faults of its part, and those one more. An assumption."""


class Readable(NamedTuple):
    """A scenario in which faulty parts are replaced."""

    scenario: Scenario
    touched: tuple[KeyPath, ...]
    """Where something else than the file's own value stands."""
    names_lost: bool
    """Whether names that the file gives to its parts may be missing: then nothing can be said of unknown ones."""


class _Repair:
    """Values under repair. Owns the copy and what was done to it."""

    def __init__(self, value: Any) -> None:
        self.value = json.loads(json.dumps(value))
        self.touched: dict[KeyPath, None] = {}
        self.names_lost = False

    def mend(self, complaint: Complaint) -> None:
        path, rest, error = complaint
        if error["type"] == "missing":
            self._replace((*path, str(rest[-1])))
        elif error["type"] in KIND_FAULTS:
            self._spell_kind(path)
        elif error["type"] == "extra_forbidden":
            self._spell_key(path)
        elif rest == ("[key]",):
            self._drop(path)
        else:
            self._replace(path)

    def _spell_key(self, path: KeyPath) -> None:
        close = near(str(path[-1]), free_keys(self.value, path[:-1]))
        holder = value_at(self.value, path[:-1])
        if close:
            holder[close] = holder.pop(path[-1])
        else:
            self._drop(path)

    def _drop(self, path: KeyPath) -> None:
        """Take away a key that is not known, or that is no name."""
        in_table = "patternProperties" in json_schema.schema_at(path[:-1], self.value)
        dropped = value_at(self.value, path[:-1]).pop(path[-1])
        self.touched[path] = None
        self.names_lost |= in_table or isinstance(dropped, dict)

    def _spell_kind(self, path: KeyPath) -> None:
        holder = value_at(self.value, path)
        known = json_schema.kinds(json_schema.schema_at(path, self.value))
        close = near(str(holder.get("kind", "")), known) if isinstance(holder, dict) else None
        if close:
            holder["kind"] = close
        else:
            self._replace(path)

    def _replace(self, path: KeyPath) -> None:
        """Put what fits at a place where there is nothing, or something faulty."""
        node = json_schema.schema_at(path, self.value)
        holder = value_at(self.value, path[:-1])
        self.touched[path] = None
        self.names_lost |= _holds_names(node)
        holder[path[-1]] = json_schema.sample(node)


def readable(value: Any, complaints: tuple[Complaint, ...]) -> Readable | None:
    """The scenario as it reads with its faulty parts replaced; None where even that is no scenario."""
    repair = _Repair(value)
    for _ in range(ROUNDS_MAX):
        # Keys and kinds first: they say what is expected of the rest. What was replaced above them is gone.
        for complaint in sorted(complaints, key=_comes_second):
            if _stands(repair.value, complaint):
                repair.mend(complaint)
        scenario, complaints = validate(repair.value)
        if scenario is not None:
            return Readable(scenario, tuple(repair.touched), repair.names_lost)
    return None


def _comes_second(complaint: Complaint) -> bool:
    return complaint.error["type"] not in ("extra_forbidden", *KIND_FAULTS)


def _stands(value: Any, complaint: Complaint) -> bool:
    """Whether the place of a complaint is still there, after others were seen to."""
    try:
        place = value_at(value, complaint.path)
    except (KeyError, IndexError, TypeError):
        return False
    return isinstance(place, dict) if complaint.error["type"] == "missing" else bool(complaint.path)


def _holds_names(node: Node) -> bool:
    """Whether parts get their names somewhere within a place."""
    if "patternProperties" in node:
        return True
    inner = [
        *node.get("properties", {}).values(),
        *node.get("oneOf", ()),
        *([node["items"]] if "items" in node else []),
    ]
    return any(_holds_names(json_schema.resolved(each, None)) for each in inner)
