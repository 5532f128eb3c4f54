"""The scenario reference, `docs/scenario.md`, and the page of frameworks' defaults, `docs/presets.md`, written from the
models. As a program: writes them and the JSON Schema."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from models import json_schema
from models.json_schema import Node
from models.part import ATTRIBUTE_NAME, ENTITY_UID, NAME
from models.presets import PRESETS, READ, Preset
from models.retries import Retry
from models.scenario import Scenario
from models.units import format_duration

REFERENCE_FILE: Final = Path(__file__).parents[1] / "docs" / "scenario.md"
PRESETS_FILE: Final = REFERENCE_FILE.with_name("presets.md")

_HEAD: Final = """\
# Scenario reference

<!-- Written by `python -m models.reference` from `models/scenario.py`; a test keeps it fresh. Edit the models. -->

A scenario is one YAML 1.2 file, `scenario.yaml`, with the Cedar policies it names beside it. Editors that know JSON
Schema complete and check it as you type when its first line says where the schema is:

```yaml
# yaml-language-server: $schema=scenario.schema.json
```

`windtunnel new NAME` writes that line and a scenario to start from; `windtunnel schema` prints the schema.

## Values

| written | meaning |
|---|---|
| `15m`, `1h30m`, `40ms` | a duration in `us`, `ms`, `s`, `m` (or `min`), `h`, `d`, `w`; exact to the microsecond |
| `40/h`, `600/min` | a rate: a number per unit of time |
| `0.003 USD` | money: an amount, at most six decimals, and a currency; one currency in a scenario |
| `08:00-17:00` | hours of a day, local time; a night shift is two windows, split at `24:00` |
| `mon-fri`, `sat,sun`, `daily` | days of the week |
| `2026-01-05T00:00:00Z` | a moment, always with a zone |
| `Agent::"triage"` | a Cedar entity |

**Laws** are what values are drawn from. A plain value is the law that always gives it.

| law | parameters |
|---|---|
| `constant(value=...)` | always the same |
| `uniform(low=..., high=...)` | evenly between the two |
| `exponential(mean=...)` | memoryless, such as times between independent events |
| `lognormal(median=..., p95=...)` | skewed, such as service times; also `(median, sigma)` and `(mean, cv)` |
| `weibull(shape=..., scale=...)` | times to failure; a shape below 1 has failures in bursts |
| `quantiles(p0=..., p50=..., p100=...)` | a measured table, straight between its points, from `p0` to `p100` |
| `values(0.05=0.6, 1=0.4)` | each value with its probability |
| `choice(low=0.4, high=0.6)` | texts with their probabilities; case attributes only, as is a plain text such as `DE` |
| `chance(p=0.1)` | true with probability `p`; case attributes only, as are plain `true` and `false` |
| `beta(alpha=..., beta=...)` | a chance of success drawn once for each case; `success` only |

Laws of durations take durations (`lognormal(median=40ms, p95=90ms)`), laws of numbers plain numbers.

A curve `points(0.5=1, 0.9=2, 1=4)` gives a factor for a share from 0 to 1: straight between its points, flat outside.

A name is a letter, then letters, digits, `-` or `_`, at most 63 characters. Keys marked **required** have no default.
"""


def reference() -> str:
    """The whole reference as Markdown: one table of keys for each mapping a scenario can hold."""
    schema = json_schema.scenario_schema()
    parts = [_HEAD, *_part("Scenario", schema)]
    for name in _order(schema):
        parts += _part(name, schema["$defs"][name])
    return "\n".join(parts).rstrip() + "\n"


def _order(schema: Node) -> list[str]:
    """Parts in the order a reader meets them: as the scenario's keys name them, each before what it holds."""
    found: dict[str, None] = {}

    def visit(node: Any) -> None:
        for name in _references(node):
            if name not in found:
                found[name] = None
                visit(schema["$defs"][name])

    visit(schema.get("properties", {}))
    return list(found)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        for key, value in node.items():
            if key != "discriminator":
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _part(name: str, node: Node) -> Iterator[str]:
    description = inspect.cleandoc(Scenario.__doc__ or "") if name == "Scenario" else node.get("description", "")
    kind = node.get("properties", {}).get("kind", {}).get("const")
    yield f"## {name}\n"
    if kind:
        yield f"`kind: {kind}`\n"
    if description:
        yield f"{description}\n"
    yield "| key | value | default | meaning |\n|---|---|---|---|"
    required = node.get("required", ())
    for key, field in node.get("properties", {}).items():
        meaning = " ".join(field.get("description", "Says which kind this is." if key == "kind" else "").split())
        cells = (f"`{key}`", _value(field), _default(field, required=key in required), meaning)
        row = " | ".join(cell.replace("|", "\\|") for cell in cells)
        yield f"| {row} |"
    yield ""


def _default(field: Node, *, required: bool) -> str:
    if required:
        return "**required**"
    if "default" not in field:
        return "none"
    if isinstance(field["default"], dict):
        return "its own defaults"
    values = field["default"]
    if isinstance(values, list) and len(set(values)) == 1 and len(values) > 1:
        return f"`{json.dumps(values[0])}` each"
    return f"`{values if isinstance(values, str) else json.dumps(values)}`"


def _value(field: Node) -> str:
    """What a key takes, in a table cell."""
    if "$ref" in field:
        return _link(field["$ref"])
    if "anyOf" in field:
        return " or ".join(_value(option) for option in field["anyOf"] if option.get("type") != "null")
    if "oneOf" in field:
        return "one of " + ", ".join(_link(option["$ref"]) for option in field["oneOf"])
    if field.get("type") == "array":
        return f"list of {_value(field['items'])}"
    if "patternProperties" in field:
        ((pattern, inner),) = field["patternProperties"].items()
        key = "attribute" if pattern == ATTRIBUTE_NAME else "name"
        return f"mapping of {key} to {_value(inner)}"
    return _short(field)


def _short(field: Node) -> str:
    words = {NAME: "name", ATTRIBUTE_NAME: "attribute", ENTITY_UID: "Cedar entity"}
    if field.get("pattern") in words:
        return words[field["pattern"]]
    return str(field["$comment"]) if "$comment" in field else json_schema.expectation(field)


def _link(reference: str) -> str:
    name = reference.rpartition("/")[2]
    return f"[{name}](#{name.lower()})"


_PRESETS_HEAD: Final = f"""\
# What frameworks do by default

<!-- Written by `python -m models.reference` from `models/presets.py`; a test keeps it fresh. Edit that file. -->

A workflow names its `framework`; then a task's `retry: framework` stands for what that framework does after a failed
attempt, and the framework's limit of steps holds unless the workflow gives a `limit`:

```yaml
workflows:
  answer:
    framework: langgraph-1.2.22
    start: draft
    steps:
      draft: {{kind: task, agent: writer, capability: draft, retry: framework}}
```

A task without a `retry` is not retried, whatever the framework. All figures were read on {READ}, in the versions that
the names give. What a framework has no default for, or what could not be read, is absent here.

| `framework` | attempts | waits before the next | limit of steps |
|---|---|---|---|
"""


def presets_page() -> str:
    """The page of frameworks' defaults as Markdown."""
    rows = [
        f"| `{name}` | {preset.retry.attempts} | {_waits(preset.retry)} | {preset.limit or 'none'} |"
        for name, preset in PRESETS.items()
    ]
    return "\n".join([_PRESETS_HEAD + "\n".join(rows), *(_preset(*entry) for entry in PRESETS.items())]) + "\n"


def _waits(retry: Retry) -> str:
    if retry.attempts == 1:
        return "-"
    if retry.backoff == 0:
        return "none"
    longest, added = format_duration(retry.max_backoff), " plus up to 1s" if retry.jitter == "added" else ""
    return f"{format_duration(retry.backoff)}, times {retry.factor:g} each, at most {longest}{added}"


def _preset(name: str, preset: Preset) -> str:
    calls = f" A check refuses agents with more than {preset.calls} calls in one attempt." if preset.calls else ""
    parts = (
        f"\n## {preset.title}\n\n`framework: {name}`\n",
        f"- Retries: {preset.retried}",
        f"- Limit: {preset.limited}{calls}",
        f"- Absent: {preset.absent}",
        *(f"- Source: {source}" for source in preset.sources),
    )
    return "\n".join(parts)


def main() -> None:
    """Write the pages and the JSON Schema anew."""
    json_schema.SCHEMA_FILE.write_text(json_schema.generated_text(), encoding="utf-8")
    REFERENCE_FILE.parent.mkdir(exist_ok=True)
    REFERENCE_FILE.write_text(reference(), encoding="utf-8")
    PRESETS_FILE.write_text(presets_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
