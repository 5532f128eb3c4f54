"""Two policy sets that are asked about together: each under its own schema, or both under one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from models.cedar.entities import entities_handle
from models.cedar.folder import schema_beside
from models.cedar.load import inferred_schema, load_policies
from models.cedar.policies import PolicySet, Profile
from models.cedar.schema import parse_schema
from models.diagnostics import Diagnostic, InputError, input_error


def load_pair(
    old: Path,
    new: Path,
    *,
    schema: Path | None = None,
    old_schema: Path | None = None,
    new_schema: Path | None = None,
    profile: Profile = "windtunnel",
) -> tuple[PolicySet, PolicySet]:
    """The policy sets of two files or folders, as `load_policies` loads each, under one schema or each under its own.

    A schema that is not named is looked for beside the policies. Where only one side has a schema, it is for both;
    where neither has, one is inferred from both sets together. Raises InputError with every fault of both.
    """
    if schema and (old_schema or new_schema):
        raise input_error("a schema of both sides and one of a side are given", str(schema), "leave out one of them")
    mine = old_schema or schema or schema_beside(old)
    theirs = new_schema or schema or schema_beside(new)
    before, after = _loaded([(old, mine or theirs), (new, theirs or mine)], profile)
    return paired(before, after)


def load_under_one(
    paths: Sequence[Path], *, schema: Path | None = None, profile: Profile = "windtunnel"
) -> tuple[PolicySet, ...]:
    """The policy sets of files or folders under one schema: the one named, or the one beside them.

    Raises InputError with every fault of all, and where there is no schema, or several differ.
    """
    beside = [] if schema else [found for path in paths if (found := schema_beside(path))]
    chosen = schema or next(iter(beside), None)
    if chosen is None:
        raise input_error(
            "no schema is given, and none is beside the policies", str(paths[0]), "name one with --schema"
        )
    sets = _loaded([(path, schema or schema_beside(path) or chosen) for path in paths], profile)
    if any(one.schema != sets[0].schema for one in sets):
        names = " and ".join(map(str, beside))
        raise input_error(f"the schemas beside the policies differ: {names}", str(paths[0]), "name one with --schema")
    return sets


def _loaded(sources: Iterable[tuple[Path, Path | None]], profile: Profile) -> tuple[PolicySet, ...]:
    """The sets of policies and schemas. Raises InputError with every fault of all, each once."""
    loaded: list[PolicySet] = []
    faults: dict[Diagnostic, None] = {}
    for path, schema in sources:
        try:
            loaded.append(load_policies(path, schema=schema, profile=profile))
        except InputError as error:
            faults |= dict.fromkeys(error.diagnostics)
    if faults:
        raise InputError(*faults)
    return tuple(loaded)


def paired(old: PolicySet, new: PolicySet) -> tuple[PolicySet, PolicySet]:
    """Two loaded sets to be asked about together: an inferred schema gives way to the other's own, or to a joint one.

    Raises InputError where no schema can be inferred from both together.
    """
    if not (old.schema_inferred or new.schema_inferred):
        return old, new
    if not (old.schema_inferred and new.schema_inferred):
        return (_under(old, new), new) if old.schema_inferred else (old, _under(new, old))
    return _inferred_together(old, new)


def _under(policies: PolicySet, other: PolicySet) -> PolicySet:
    """A set without a schema of its own, under that of another."""
    return replace(
        policies,
        schema=other.schema,
        schema_text=other.schema_text,
        schema_inferred=other.schema_inferred,
        store=entities_handle(policies.entities, other.schema),
        conflicts=(),
    )


def _inferred_together(old: PolicySet, new: PolicySet) -> tuple[PolicySet, PolicySet]:
    count = len(old.policies)
    moved = [replace(policy, index=policy.index + count) for policy in new.policies]
    file = next((policy.span.file for policy in (*new.policies, *old.policies)), "")
    text, inferred = inferred_schema([*old.policies, *moved], file)
    schema = parse_schema(text)

    def under(policies: PolicySet, first: int) -> PolicySet:
        own = range(first, first + len(policies.policies))
        read = (
            replace(c, policies=frozenset(index - first for index in c.policies if index in own))
            for c in inferred.conflicts
        )
        return replace(
            policies,
            schema=schema,
            schema_text=text,
            store=entities_handle(policies.entities, schema),
            warnings=tuple(dict.fromkeys((*policies.warnings, *inferred.warnings))),
            conflicts=tuple(conflict for conflict in read if conflict.policies),
        )

    return under(old, 0), under(new, count)
