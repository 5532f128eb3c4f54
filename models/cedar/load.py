"""Policy sets from files: Cedar text, schema and entities, read by `cedarpy`, with every fault in its place.

A folder stands for its `*.cedar` files in order of name. A set without a schema gets one inferred. Strict validation is
for schemas that were given: in an inferred one every attribute is optional, which makes every plain access a fault.
"""

from __future__ import annotations

import codecs
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cedarpy
from cedarpy import pst

from models.cedar.annotations import DEFAULT_CHAIN, Fault, Reading, file_tier, read
from models.cedar.entities import entities_handle, uid_of
from models.cedar.faults import (
    circle,
    clash_offset,
    policy_faults,
    quoted_offset_or_none,
    schema_faults,
    schema_too_deep,
    too_many,
    validation_help,
    validation_message,
)
from models.cedar.folder import beside, entities_beside, left_out, policy_files, schema_beside, shown
from models.cedar.inference import Asked, Inferred, infer
from models.cedar.invariants import beside as invariants_beside
from models.cedar.invariants import invariant_faults
from models.cedar.policies import Policy, PolicySet, Profile, TypeConflict
from models.cedar.schema import growth_fault, parse_schema
from models.cedar.source import Source, Statement
from models.cedar.templates import linked
from models.cedar.types import Schema
from models.diagnostics import Diagnostic, InputError, input_error

FILE_BYTES_MAX = 12_000_000
"""The largest policy, schema or entity file that is read."""

JSON_NESTING_MAX = 60
"""Brackets inside brackets in an entity file; cedarpy stops at 128."""


def load_policies(
    path: Path,
    *,
    schema: Path | None = None,
    entities: Path | None = None,
    links: Path | None = None,
    invariants: Path | None = None,
    profile: Profile = "windtunnel",
    root: Path | None = None,
    asked: Sequence[Asked] = (),
) -> PolicySet:
    """The policy set of a file or folder. Places name files relative to `root`, where that is given.

    A schema that is not named is looked for beside the policies: `*.cedarschema`, `schema.json` or
    `*.cedarschema.json` in a folder, the same stem for a file; entities likewise in `entities.json` or
    `STEM.entities.json`, links of templates in `links.json` or `STEM.links.json`, assertions about the set in
    `invariants.cedar` or `STEM.invariants.cedar`, which is never among the policies. Where there is no schema, the one
    that is inferred knows the requests that are `asked`, too. Raises InputError with every fault found.
    """
    invariant_file = invariants or invariants_beside(path)
    files = policy_files(path, root, invariant_file)
    schema_file = schema or schema_beside(path, root)
    entity_file = entities or entities_beside(path, root)
    link_file = links or beside(path, ("links.json",), (".links.json",), root)
    named = [*files, *(file for file in (schema_file, entity_file, link_file, invariant_file) if file)]
    sources, faults = _read_all(named, root)
    if faults:
        raise InputError(*faults)
    loaded = _asserted(
        [sources[file] for file in files],
        sources[schema_file] if schema_file else None,
        sources[entity_file] if entity_file else (),
        profile,
        sources[link_file] if link_file else None,
        {sources[file].file: file.stem for file in files},
        sources[invariant_file] if invariant_file else None,
        asked,
    )
    return replace(loaded, warnings=(*loaded.warnings, *left_out(path, root)))


def policy_set(
    text: str,
    schema_text: str | None = None,
    entities: Iterable[Mapping[str, Any]] = (),
    profile: Profile = "windtunnel",
    file: str = "<text>",
    links: str | None = None,
    invariants: str | None = None,
) -> PolicySet:
    """The policy set of a text, for tests and notebooks. Raises InputError with every fault found."""
    schema = None if schema_text is None else Source("<schema>", schema_text)
    link_source = None if links is None else Source("<links>", links)
    asserted = None if invariants is None else Source("<invariants>", invariants)
    stems = {file: Path(file).stem}
    return _asserted([Source(file, text)], schema, tuple(entities), profile, link_source, stems, asserted)


def _read_all(files: Iterable[Path], root: Path | None) -> tuple[dict[Path, Source], list[Diagnostic]]:
    sources: dict[Path, Source] = {}
    faults: list[Diagnostic] = []
    for file in files:
        try:
            sources[file] = _read(file, shown(file, root))
        except InputError as error:
            faults += error.diagnostics
    return sources, faults


def _read(file: Path, name: str) -> Source:
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise input_error(f"cannot read the file: {error.strerror or error}", name) from None
    if len(content) > FILE_BYTES_MAX:
        raise input_error(f"the file is larger than {FILE_BYTES_MAX // 1_000_000} MB", name)
    if content.startswith(codecs.BOM_UTF8):
        fault = Diagnostic("the file begins with a byte order mark", name, 1, 1, help="save it as UTF-8 without one")
        raise InputError(fault)
    try:
        return Source(name, content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(Diagnostic("the file is not UTF-8 text", name, line, 1)) from None


@dataclass(frozen=True, slots=True)
class _Written:
    """One policy: where it is written, what Cedar reads, what its annotations say."""

    source: Source
    statement: Statement
    syntax: pst.Template
    reading: Reading

    def diagnostic(self, fault: Fault) -> Diagnostic:
        return self.source.diagnostic(fault.message, self.statement.annotation(fault.annotation), fault.help)

    def warning(self, message: str, annotation: str = "") -> str:
        span = self.source.span(self.statement.annotation(annotation))
        return f"{span.file}:{span.line}: {message}"


def _asserted(
    sources: Sequence[Source],
    schema: Source | None,
    entities: Source | Sequence[Mapping[str, Any]],
    profile: Profile,
    links: Source | None,
    stems: Mapping[str, str],
    invariants: Source | None,
    asked: Sequence[Asked] = (),
) -> PolicySet:
    """The policies to deploy, with the assertions about them."""
    given = (sources, schema, entities, profile, links, stems, asked)
    if invariants is None:
        return _build(*given)
    faults = invariant_faults(invariants)
    try:
        both = _build(*given, invariants)
    except InputError as error:
        raise InputError(*error.diagnostics, *(f for f in faults if f not in error.diagnostics)) from None
    if faults:
        raise InputError(*faults)
    deployed = _build(*given)
    policies = tuple(
        policy if policy.index < len(deployed.policies) else replace(policy, name=policy.annotations["invariant"])
        for policy in both.policies
    )
    empty = () if invariants.statements else (f"{invariants.file}: the file holds no invariant",)
    warnings = (*deployed.warnings, *empty)
    return replace(deployed, warnings=warnings, invariants=replace(both, policies=policies))


def _build(
    sources: Sequence[Source],
    schema: Source | None,
    entities: Source | Sequence[Mapping[str, Any]],
    profile: Profile,
    links: Source | None,
    stems: Mapping[str, str],
    asked: Sequence[Asked],
    further: Source | None = None,
) -> PolicySet:
    """The set of all sources; policies of a `further` one stand last."""
    last = () if further is None else (further,)
    if many := too_many((*sources, *last)):
        raise InputError(*many)
    faults = [fault for source in (*sources, *last) for fault in policy_faults(source)]
    handle: cedarpy.Schema | None = None
    if schema is not None:
        handle, found = _schema_handle(schema)
        faults += found
    if faults:
        raise InputError(*faults)
    if links is not None:
        sources = (*sources, *linked(sources, links))
    sources = (*sources, *last)
    text = "\n".join(source.text for source in sources)
    written = _written(sources, text, profile, stems)
    policies = tuple(_policy(index, one) for index, one in enumerate(w for w in written if not _is_template(w.syntax)))
    faults = [one.diagnostic(fault) for one in written for fault in one.reading.faults] + _duplicates(policies, sources)
    warnings = [*_warnings(written, profile), *([] if written else ["the policy set is empty: it denies everything"])]
    conflicts: tuple[TypeConflict, ...] = ()
    if handle is None:
        schema_text, inferred = inferred_schema(policies, sources[0].file, asked)
        warnings += inferred.warnings
        conflicts = inferred.conflicts
        parsed = parse_schema(schema_text)
    else:
        assert schema is not None
        schema_text, parsed = str(handle), _parsed(handle, schema)
        faults += _validation_faults(written, text, handle, parsed)
    store, entity_faults = _entities(entities, handle, parsed)
    if faults + entity_faults:
        raise InputError(*faults, *entity_faults)
    parsed_text = cedarpy.PolicySet.from_str(text)
    return PolicySet(
        policies=policies,
        text=text,
        handle=parsed_text,
        matcher=_matcher(parsed_text),
        schema=parsed,
        schema_text=schema_text,
        schema_inferred=handle is None,
        entities=tuple(store),
        store=entities_handle(store, parsed),
        profile=profile,
        permit_groups=permit_groups(policies, profile),
        warnings=tuple(warnings),
        conflicts=conflicts,
    )


def _written(sources: Sequence[Source], text: str, profile: Profile, stems: Mapping[str, str]) -> list[_Written]:
    tree = cedarpy.policies_to_pst(text)
    places = [(source, statement) for source in sources for statement in source.statements]
    syntax = {**tree.static_policies, **tree.templates}
    assert len(places) == len(syntax), "the splitter and Cedar count the same policies"
    found = [(source, statement, syntax[f"policy{n}"]) for n, (source, statement) in enumerate(places)]
    tiers: defaultdict[str, set[str]] = defaultdict(set)
    for source, _, policy in found:
        tiers[source.file].update({policy.annotations["tier"]} if policy.annotations.get("tier") else ())
    return [
        _Written(source, statement, policy, read(policy.annotations, policy.effect, profile, tier))
        for source, statement, policy in found
        for tier in [file_tier(stems.get(source.file, ""), tiers[source.file])]
    ]


def _is_template(policy: pst.Template) -> bool:
    constraints = (policy.principal, policy.resource)
    return any(isinstance(getattr(constraint, "entity", None), pst.Slot) for constraint in constraints)


def _policy(index: int, written: _Written) -> Policy:
    syntax, reading = written.syntax, written.reading
    return Policy(
        index=index,
        id=syntax.id,
        name=reading.name or syntax.id,
        effect=syntax.effect,
        syntax=syntax,
        text=written.source.slice(written.statement),
        annotations=dict(syntax.annotations),
        span=written.source.span(written.statement.start),
        tier=reading.tier,
        owner=reading.owner,
        overrides=reading.overrides,
        escalation=reading.escalation,
        linked=written.source.linked,
    )


def _duplicates(policies: Sequence[Policy], sources: Sequence[Source]) -> list[Diagnostic]:
    """A name says which policy is meant, so one tier has it once."""
    first: dict[tuple[str, str], Policy] = {}
    lines = {source.file: source.text.split("\n") for source in reversed(sources)}  # a link stands in an earlier one
    found = []
    for policy in policies:
        other = first.setdefault((policy.tier, policy.name), policy)
        if other is not policy:
            span, message = policy.span, f"the name `{policy.name}` is taken by the policy at {other.span}"
            source = lines[span.file][span.line - 1].rstrip("\r")
            found.append(
                Diagnostic(message, span.file, span.line, span.column, source, "give each policy its own name")
            )
    return found


def _warnings(written: Sequence[_Written], profile: Profile) -> Iterator[str]:
    standing = {one.source.span(one.statement.start) for one in written if not _is_template(one.syntax)}
    for one in written:
        if _is_template(one.syntax) and one.source.span(one.statement.start) not in standing:
            yield one.warning("a template that is not linked plays no part")
        for fault in one.reading.warnings:
            yield one.warning(f"{fault.message}; {fault.help}" if fault.help else fault.message, fault.annotation)
        if profile == "tiered" and one.syntax.effect == "forbid" and not one.reading.tier:
            yield one.warning("the forbid is of no tier: it counts as hard")
    unnamed = [one for one in written if one.reading.escalation and "escalate" not in one.syntax.annotations]
    if unnamed:
        which = "permits whose advice escalates" if profile == "advice" else "soft forbids without `@escalate`"
        yield unnamed[0].warning(f"{which} ask the chain `{DEFAULT_CHAIN}`")


def permit_groups(policies: Sequence[Policy], profile: Profile) -> tuple[tuple[int, ...], ...]:
    """The groups of permits that must all match. One group of all permits, except under `tiered`:

    there each tier that carries its own permits is a group, since a tiered enforcement point asks each tier on its
    own; a permit of no tier belongs to the base of both and joins every group. A tier without permits of its own only
    forbids, and makes no group.
    """
    permits = [policy for policy in policies if policy.effect == "permit"]
    tiers = sorted({policy.tier for policy in permits if policy.tier}) if profile == "tiered" else []
    groups = tuple(tuple(p.index for p in permits if p.tier in (tier, "")) for tier in tiers)
    return groups or (tuple(policy.index for policy in permits),)


def _matcher(handle: cedarpy.PolicySet) -> cedarpy.PolicySet:
    tree = handle.to_pst()
    permits = {name: replace(policy, effect="permit") for name, policy in tree.static_policies.items()}
    return cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=permits, template_links=()))


# Schema


def _schema_handle(source: Source) -> tuple[cedarpy.Schema | None, list[Diagnostic]]:
    is_json = source.text.lstrip().startswith("{")
    if schema_too_deep(source):
        return None, [source.diagnostic("the schema's brackets are nested too deeply", 0)]
    try:
        if fault := growth_fault(source.text, is_json):
            return None, [source.diagnostic(fault, 0)]
        return (cedarpy.Schema.from_json_str if is_json else cedarpy.Schema.from_str)(source.text), []
    except json.JSONDecodeError as error:
        return None, [source.diagnostic(f"not JSON: {error.msg}", error.pos)]
    except ValueError as error:
        return None, schema_faults(source, str(error))


def inferred_schema(policies: Sequence[Policy], file: str, asked: Sequence[Asked] = ()) -> tuple[str, Inferred]:
    """The inferred schema as Cedar prints it, and what it was inferred from.

    Raises InputError, about `file`, where Cedar's rules on names leave none.
    """
    inferred = infer(policies, asked)
    try:
        return str(cedarpy.Schema.from_str(inferred.text)), inferred
    except ValueError as error:
        # A type may not be both in a namespace and in the empty one.
        message = f"no schema can be inferred from the policies: {error}"
        raise input_error(message, file, "put a schema beside the policies") from None


def _parsed(handle: cedarpy.Schema, source: Source) -> Schema:
    try:
        return parse_schema(str(handle))
    except ValueError as error:
        raise InputError(source.diagnostic(str(error), 0)) from None


def _validation_faults(
    written: Sequence[_Written], text: str, handle: cedarpy.Schema, schema: Schema
) -> list[Diagnostic]:
    result = cedarpy.validate_policies(text, handle)
    by_id = {one.syntax.id: one for one in written}
    found = {}
    for error in result.errors:
        one, message = by_id[error.policy_id], validation_message(error.error)
        offset = quoted_offset_or_none(one.statement, message)
        if offset is None:
            offset = clash_offset(one.source, one.statement, message, handle)
        found[one.syntax.id, message] = one.source.diagnostic(message, offset, validation_help(message, schema))
    if not result.validation_passed and not found:
        return [Diagnostic("the policies do not pass Cedar's strict validation", written[0].source.file)]
    return sorted(found.values(), key=lambda fault: (fault.file, fault.line, fault.column))


# Entities


def _entities(
    given: Source | Sequence[Mapping[str, Any]], handle: cedarpy.Schema | None, schema: Schema
) -> tuple[list[dict[str, Any]], list[Diagnostic]]:
    """The store in Cedar's explicit JSON, with the schema's actions."""
    source = given if isinstance(given, Source) else Source("<entities>", json.dumps(list(given)))
    try:
        entities = _entity_list(source)
        if handle is None:
            store = entities_handle(entities, schema)
        else:
            store = cedarpy.Entities.from_json_str(json.dumps(entities), handle)
    except InputError as error:
        return [], list(error.diagnostics)
    except ValueError as error:
        return [], _entity_faults(source, str(error), entities, handle)
    return _in_order(json.loads(str(store))), []


def _in_order(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entities by uid, their parents likewise, attributes by name: Cedar prints them in another order each time."""
    named: list[dict[str, Any]] = json.loads(json.dumps(entities, sort_keys=True))
    for entity in named:
        entity["parents"] = sorted(entity.get("parents") or (), key=uid_of)
    return sorted(named, key=lambda entity: uid_of(entity["uid"]))


def _entity_list(source: Source) -> list[dict[str, Any]]:
    try:
        entities = json.loads(source.text)
        deep = _deeper_than(entities, JSON_NESTING_MAX)
    except json.JSONDecodeError as error:
        raise InputError(source.diagnostic(f"not JSON: {error.msg}", error.pos)) from None
    except RecursionError:
        deep = True
    if deep:
        raise InputError(source.diagnostic(f"values are nested more than {JSON_NESTING_MAX} deep", 0))
    if not isinstance(entities, list) or not all(isinstance(entity, dict) for entity in entities):
        help = '`[{"uid": ..., "attrs": ..., "parents": ...}]`'
        raise InputError(source.diagnostic("expected a list of entities", 0, help))
    return entities


def _deeper_than(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _entity_faults(
    source: Source, message: str, entities: Sequence[Mapping[str, Any]], handle: cedarpy.Schema | None
) -> list[Diagnostic]:
    """One fault for each entity that cedarpy refuses on its own; the whole file's where each alone would do."""
    offsets = list(_element_offsets(source.text))
    if ring := circle(entities) if "transitive closure" in message else None:
        help = "drop one of the `parents`"
        return [source.diagnostic(f"the entity is above itself: {ring[1]}", offsets[ring[0]], help)]
    found = []
    for entity, offset in zip(entities, offsets, strict=True):
        try:
            cedarpy.Entities.from_json_str(json.dumps([entity]), handle)
        except ValueError as error:
            found.append(source.diagnostic(str(error), offset))
    return found or [source.diagnostic(message, 0)]


def _element_offsets(text: str) -> Iterator[int]:
    """Where each element of a JSON list starts."""
    decoder, at = json.JSONDecoder(), text.index("[") + 1
    while True:
        while text[at] in " \t\r\n,":
            at += 1
        if text[at] == "]":
            return
        yield at
        _, at = decoder.raw_decode(text, at)
