"""The JSON Schema of scenario files: what editors read, and where error messages learn what a place expects.

The committed copy beside this module is what a scenario's modeline names; `python -m models.reference` writes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from models.diagnostics import listed, quoted
from models.part import ATTRIBUTE_NAME, ENTITY_UID, NAME, Part
from models.scenario import Scenario

SCHEMA_FILE: Final = Path(__file__).with_name("scenario.schema.json")
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PATTERNS: Final = {
    NAME: "a name: a letter, then letters, digits, `-` or `_`, at most 63 in all",
    ATTRIBUTE_NAME: "an attribute name: letters, digits and `_`, parts joined by dots, such as `input.amount`",
    ENTITY_UID: 'a Cedar entity, such as `Agent::"triage"`',
}

Node = Mapping[str, Any]


@cache
def scenario_schema() -> Node:
    """The schema of a scenario file, JSON Schema 2020-12, as committed: to read it takes no time beside making it."""
    committed: Node = json.loads(SCHEMA_FILE.read_bytes())
    return committed


def schema_text() -> str:
    """The committed schema file."""
    return SCHEMA_FILE.read_text(encoding="utf-8")


def generated_text() -> str:
    """The schema file as the models make it now."""
    schema = Scenario.model_json_schema(by_alias=True)
    parts = {part.__name__: part for part in _subclasses(Part)}
    for name, definition in (*schema["$defs"].items(), ("Scenario", schema)):
        _tidy(definition, _defaults(parts[name]))
    head = {"$schema": DIALECT, "title": "Windtunnel scenario", "description": "A whole scenario file."}
    whole = head | {key: value for key, value in schema.items() if key not in head}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def schema_at(path: tuple[str | int, ...], value: Any) -> Node:
    """What the schema says about the place `path` of a file whose plain values are `value`; empty: nothing."""
    node = resolved(scenario_schema(), value)
    for key in path:
        value = _child(value, key)
        node = resolved(_step(node, key), value)
    return node


def resolved(node: Node, value: Any) -> Node:
    """The node itself, past references, `or null`, and the choice by `kind` that `value` makes."""
    while True:
        if "$ref" in node:
            node = scenario_schema()["$defs"][node["$ref"].rpartition("/")[2]]
        elif len(rest := [option for option in node.get("anyOf", ()) if option.get("type") != "null"]) == 1:
            node = rest[0]
        elif (
            isinstance(value, dict)
            and len(parts := [option for option in node.get("anyOf", ()) if "$ref" in option]) == 1
        ):
            node = parts[0]
        elif "discriminator" in node and (chosen := _chosen(node, value)):
            node = {"$ref": chosen}
        else:
            return node


def kinds(node: Node) -> tuple[str, ...]:
    """The kinds a discriminated union knows."""
    return tuple(node.get("discriminator", {}).get("mapping", ()))


def expectation(node: Node) -> str:
    """What a place expects, in words: `a whole number from 1 to 1,000`."""
    if "anyOf" in node:
        options = [expectation(option) for option in node["anyOf"] if option.get("type") != "null"]
        return " or ".join(filter(None, (", ".join(options[:-1]), options[-1])))
    if "discriminator" in node:
        return f"a mapping with a `kind`: {listed(kinds(node))}"
    if "enum" in node or "const" in node:
        known = node.get("enum", [node.get("const")])
        return f"one of {', '.join(map(quoted, known))}" if len(known) > 1 else quoted(known[0])
    if node.get("pattern") in _PATTERNS:
        return _PATTERNS[node["pattern"]]
    if "examples" in node:
        return f"{_article(node.get('$comment', 'text'))}, such as {quoted(node['examples'][0])}"
    return _plain_expectation(node)


def sample(node: Node) -> Any:
    """A small value that fits a place, as far as its schema says. Names in it are made up."""
    node = resolved(node, None)
    if "examples" in node:
        return node["examples"][0]
    if "enum" in node or "const" in node:
        return node.get("enum", [node.get("const")])[0]
    if "oneOf" in node:
        return sample(node["oneOf"][0])
    if "anyOf" in node:
        return sample(node["anyOf"][0])
    low = node.get("minimum", node.get("exclusiveMinimum", 0))
    high = node.get("maximum", node.get("exclusiveMaximum", low + 2))
    match node.get("type"):
        case "boolean":
            return False
        case "integer":
            return low
        case "number":
            return (low + high) / 2
        case "array":
            return [sample(node.get("items", {}))] * node.get("minItems", 0)
        case "object" if "patternProperties" in node:
            inner = next(iter(node["patternProperties"].values()))
            return {f"x{number}": sample(inner) for number in range(node.get("minProperties", 0))}
        case "object" if "properties" not in node:
            return {f"x{number}": None for number in range(node.get("minProperties", 0))}
        case "object":
            return {key: sample(node["properties"][key]) for key in node.get("required", ())}
    return "USD" if node.get("pattern") == "^[A-Z]{3}$" else "x"


def _plain_expectation(node: Node) -> str:
    match node.get("type"):
        case "string":
            return "a text"
        case "boolean":
            return "`true` or `false`"
        case "integer":
            return "a whole number" + _range(node)
        case "number":
            return "a number" + _range(node)
        case "array":
            entries = "at least one entry" if _size(node) == "at least 1 " else f"{_size(node)}entries"
            return f"a list of {entries}, each {expectation(resolved(node.get('items', {}), None))}"
    return "a mapping with at least one name" if node.get("minProperties") else "a mapping"


def _size(node: Node) -> str:
    least, most = node.get("minItems", 0), node.get("maxItems")
    if least == most:
        return f"{least} "
    words = [f"at least {least}"] if least else []
    return " and ".join(words + ([f"at most {most}"] if most else [])) + (" " if least or most else "")


def _range(node: Node) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f" from {low:,g} to {high:,g}" if max(abs(low), abs(high)) < 1e6 else f" from {low:,} to {high:,}"
    words = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "of at most",
        "exclusiveMaximum": "below",
    }
    return "".join(f", {word} {node[key]:,}" for key, word in words.items() if key in node)


def _article(noun: str) -> str:
    return noun if noun in ("hours", "days", "money") else f"a{'n' if noun[0] in 'aeiou' else ''} {noun}"


def _child(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    return value[key] if isinstance(value, list) and isinstance(key, int) and key < len(value) else None


def _step(node: Node, key: str | int) -> Node:
    if isinstance(key, int):
        items: Node = node.get("items", {})
        return items
    found: Node | None = node.get("properties", {}).get(key)
    return found if found is not None else next(iter(node.get("patternProperties", {}).values()), {})


def _chosen(node: Node, value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else None
    found: str | None = node["discriminator"]["mapping"].get(kind) if isinstance(kind, str) else None
    return found


def _subclasses(part: type[Part]) -> Iterator[type[Part]]:
    for child in part.__subclasses__():
        yield child
        yield from _subclasses(child)


def _defaults(part: type[Part]) -> dict[str, Any]:
    """The defaults of a mapping's keys, as a file would write them."""
    return part.model_construct().model_dump(mode="json", by_alias=True, warnings=False, exclude_none=True)


def _tidy(definition: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Drop what only repeats the key or means nothing, and write defaults as a file would."""
    for key, node in definition.get("properties", {}).items():
        node.pop("title", None)
        node.pop("default", None)
        if "oneOf" in node and "discriminator" not in node:  # a value or a word
            node["anyOf"] = node.pop("oneOf")
        default = defaults.get(key)
        if default not in (None, {}, [], "") and not _is_free(node, default):
            node["default"] = default
        if "patternProperties" in node:
            node["additionalProperties"] = False


def _is_free(node: Node, default: Any) -> bool:
    """An amount of nothing has no currency, so no file can write it."""
    return node.get("$comment") == "money" and default.startswith("0 ")
