"""The rules of the gate: the table `[gate]` of `windtunnel.toml`, and the limits on what a change may worsen.

[gate]
forbid = ["newly-allowed", "unescalated"]
fail-on = "error"
new-findings-only = true
objectives = "kept"
replications = 20
waivers = "waivers.yaml"

[[gate.limit]]
measure = "desks.finance.wait.p95"
rise-at-most = "30m"
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import Field, ValidationError, model_validator

from models.diagnostics import Diagnostic, InputError, listed, near, quoted
from models.part import Part
from models.reading import FILE_BYTES_MAX, decode
from models.units import Money, TextType, parse_duration, parse_money, value_error

RULES_FILE: Final = "windtunnel.toml"
"""At the root of the repository."""

Forbidden = Literal["newly-allowed", "newly-denied", "newly-escalated", "unescalated", "escalated-differently"]
_SHARE: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)\s*%")
_PLACE: Final = re.compile(r" \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$")
_HEADER: Final = re.compile(r"\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}\s*(?:#.*)?$")
_KEY: Final = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=")


@dataclass(frozen=True, slots=True)
class Amount:
    """How much a measure may change: an amount in its own unit, or a share of what it was before."""

    value: float
    """Microseconds, currency units, a share of one, or a plain number; with `relative` a share of the figure before."""
    unit: Literal["duration", "money", "plain", "relative"]
    text: str
    """As it is written."""
    currency: str = ""


def parse_amount(value: object) -> Amount:
    """`30m`, `0.50 USD`, `0.05`, or `10%` of the figure before."""
    text = value.strip() if isinstance(value, str) else ""
    if share := _SHARE.fullmatch(text):
        return Amount(float(share[1]) / 100, "relative", text)
    try:
        return Amount(float(text), "plain", text) if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text) else _of(text)
    except ValueError:
        expected = "a time as `30m`, an amount as `0.50 USD`, a number as `0.05`, or a share of before as `10%`"
        raise value_error(f"{quoted(value)} is not an amount", expected) from None


def _of(text: str) -> Amount:
    try:
        return Amount(float(parse_duration(text)), "duration", text)
    except ValueError:
        money: Money = parse_money(text)
        return Amount(float(money.micros) / 1e6, "money", text, money.currency)


AmountText = Annotated[Amount, TextType("amount", parse_amount, lambda one: one.text, {"type": "string"})]


class Limit(Part):
    """How much a change may worsen a measure."""

    measure: str = Field(min_length=1, max_length=300)
    """As `reports.measures` names it, such as `desks.finance.wait.p95`."""
    scenario: str = Field(default="*", min_length=1, max_length=500)
    """The folders of the scenarios that it is for, as a pattern; each must have the measure."""
    rise_at_most: AmountText | None = None
    """How much more it may be after the change."""
    fall_at_most: AmountText | None = None
    """How much less it may be."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.rise_at_most is None) == (self.fall_at_most is None):
            raise value_error("a limit has one side", "either `rise-at-most` or `fall-at-most`")
        return self


class GateRules(Part):
    """What a change must keep to. Every key has a default; a repository without the file has those."""

    fail_on: Literal["error", "warning"] = "error"
    """The least severity of a violated check that fails."""
    forbid: tuple[Forbidden, ...] = ("unescalated",)
    """Changes of decisions that fail. By default what people were asked about and are no longer."""
    new_findings_only: bool = True
    """Findings that the base has too do not fail."""
    objectives: Literal["kept", "all", "told"] = "kept"
    """`kept`: what the base keeps must be kept. `all`: every objective must be met. `told`: they are told only."""
    assertions: Literal["kept", "told"] = "kept"
    """What policies are checked against (risks, classes of data, approvals, invariants). `kept`: a change that drops
    one fails, one that sets it anew is undecided. `told`: both are told only."""
    limit: tuple[Limit, ...] = Field(default=(), max_length=50)
    """How much measures may worsen, all at once with the confidence of the study."""
    replications: int | None = Field(default=None, ge=2, le=10_000)
    """Of each version. No key: the scenario's."""
    seed: int | None = Field(default=None, ge=0, le=2**63 - 1)
    """No key: the scenario's."""
    effort: Literal["low", "normal", "high"] = "normal"
    """How far the solvers go before a check is undecided."""
    profile: Literal["windtunnel", "tiered", "advice"] = "windtunnel"
    """How policies that no scenario names spell escalation."""
    waivers: str = Field(default="waivers.yaml", min_length=1, max_length=500)
    """The file of waivers, from the root of the repository; there need not be one."""
    baseline: str | None = Field(default=None, min_length=1, max_length=500)
    """A file of findings that are known of old, from the root of the repository."""
    requests: str | None = Field(default=None, min_length=1, max_length=500)
    """A log of recorded requests to decide under both versions, from the root of the repository."""


def read_rules(data: bytes | None, file: str) -> GateRules:
    """The rules in the bytes of a `windtunnel.toml`; the defaults where there is none, or no `[gate]` in it.

    Raises InputError with every fault, each at its line and column.
    """
    if data is None:
        return GateRules()
    if len(data) > FILE_BYTES_MAX:
        raise InputError(Diagnostic("the file is too large", file, help=f"at most {FILE_BYTES_MAX:,} bytes are read"))
    text = decode(data, file).replace("\r\n", "\n")
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(_syntax(str(error), text, file)) from None
    except RecursionError:
        raise InputError(Diagnostic("nested too deep", file)) from None
    faults = [
        _diagnostic(file, text, (key,), f"unknown table {quoted(key)}", _near_or_all(key, ["gate"]))
        for key in whole
        if key != "gate"
    ]
    try:
        rules = GateRules.model_validate_json(json.dumps(whole.get("gate", {}), default=str))
    except ValidationError as error:
        faults += _faults(error, text, file)
        rules = None
    if faults or rules is None:
        raise InputError(*sorted(faults, key=lambda fault: (fault.line, fault.column)))
    return rules


def fault_at(data: bytes | None, file: str, keys: tuple[str | int, ...], message: str, help: str) -> InputError:
    """A fault of rules that were read, at the place of a key."""
    text = (data or b"").decode("utf-8-sig", "replace").replace("\r\n", "\n")
    return InputError(_diagnostic(file, text, keys, message, help))


def _syntax(said: str, text: str, file: str) -> Diagnostic:
    place = _PLACE.search(said)
    lines = text.split("\n")
    line, column = (int(place[1]), int(place[2])) if place and place[1] else (len(lines), len(lines[-1]) + 1)
    message = f"not TOML: {_PLACE.sub('', said).lower()}"
    return Diagnostic(message, file, line, column, lines[line - 1] if line <= len(lines) else "")


# --- faults at their places -------------------------------------------------------------------------------------------

_Keys = tuple[str | int, ...]
_NOUNS: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "`true` or `false`",
    "string_type": "a text",
    "tuple_type": "a list",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def _faults(error: ValidationError, text: str, file: str) -> Iterator[Diagnostic]:
    for detail in error.errors(include_url=False)[:200]:
        keys: _Keys = ("gate", *detail["loc"])
        message, help = _told(detail["type"], detail.get("ctx", {}), keys, detail["input"])
        yield _diagnostic(file, text, keys, message, help)


def _told(kind: str, context: Mapping[str, Any], keys: _Keys, value: Any) -> tuple[str, str]:
    if kind == "extra_forbidden":
        return f"unknown key {quoted(keys[-1])}", _near_or_all(str(keys[-1]), _known(keys[:-1]))
    if kind == "missing":
        return f"missing key {quoted(keys[-1])}", ""
    if "fault" in context:
        return str(context["fault"]), f"expected {context['expected']}"
    if kind == "literal_error":
        known = _words(keys)
        return f"{quoted(value)} is not known here", _near_or_all(str(value), known)
    if kind in _NOUNS:
        return f"{quoted(value)} is not {_NOUNS[kind]}", f"expected {_NOUNS[kind]}"
    least, most = context.get("ge", context.get("min_length")), context.get("le", context.get("max_length"))
    ends = [f"{word} {end}" for word, end in (("at least", least), ("at most", most)) if end is not None]
    return f"{quoted(value)} is out of range", f"expected {' and '.join(ends)}" if ends else ""


def _known(keys: _Keys) -> list[str]:
    model: type[Part] = Limit if len(keys) > 1 and keys[1] == "limit" else GateRules
    return [field.alias or name for name, field in model.model_fields.items()]


def _words(keys: _Keys) -> list[str]:
    if keys[1] == "forbid":
        return list(get_args(Forbidden))
    annotation = GateRules.model_fields[str(keys[1]).replace("-", "_")].annotation
    return [str(word) for word in get_args(annotation)]


def _near_or_all(word: str, known: list[str]) -> str:
    close = near(word, known)
    return f"did you mean {quoted(close)}?" if close else f"expected {listed(known)}"


def _diagnostic(file: str, text: str, keys: _Keys, message: str, help: str) -> Diagnostic:
    line, column = place_of(text, keys)
    return Diagnostic(message, file, line, column, text.split("\n")[line - 1], help)


def place_of(text: str, keys: _Keys) -> tuple[int, int]:
    """The line and column of a key of a TOML text, or of the nearest one above it; line 1 otherwise.

    `tomllib` tells no places. Keys are found by their headers and lines, which is how rules are written; a key in an
    inline table is told at the line of the table.
    """
    found = dict(_places(text))
    for length in range(len(keys), 0, -1):
        if keys[:length] in found:
            return found[keys[:length]]
    return 1, 1


def _places(text: str) -> Iterator[tuple[_Keys, tuple[int, int]]]:
    table: _Keys = ()
    counts: dict[_Keys, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.fullmatch(line):
            table = _parts(header[1])
            if line.lstrip().startswith("[["):
                counts[table] = counts.get(table, -1) + 1
                yield table, (number, line.index("[") + 1)
                table = (*table, counts[table])
            yield table, (number, line.index("[") + 1)
        elif key := _KEY.match(line):
            yield (*table, *_parts(key[1])), (number, key.start(1) + 1)


def _parts(text: str) -> _Keys:
    return tuple(part.strip().strip("\"'") for part in text.split("."))
