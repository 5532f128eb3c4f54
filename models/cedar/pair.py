"""Two policy sets that are asked about together: each under its own schema, or both under one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cedarpy

from models.cedar.entities import entities_handle
from models.cedar.inference import infer
from models.cedar.load import load_policies, schema_beside
from models.cedar.policies import PolicySet, Profile
from models.cedar.schema import parse_schema
from models.diagnostics import Diagnostic, InputError, input_error


def load_pair(
    old: Path,
    new: Path,
    *,
    old_schema: Path | None = None,
    new_schema: Path | None = None,
    profile: Profile = "windtunnel",
) -> tuple[PolicySet, PolicySet]:
    """The policy sets of two files or folders, as `load_policies` loads each.

    A schema that is not named is looked for beside the policies. Where only one side has a schema, it is for both;
    where neither has, one is inferred from both sets together. Raises InputError with every fault of both.
    """
    mine, theirs = (given or schema_beside(path) for given, path in ((old_schema, old), (new_schema, new)))
    loaded: list[PolicySet] = []
    faults: dict[Diagnostic, None] = {}
    for path, schema in ((old, mine or theirs), (new, theirs or mine)):
        try:
            loaded.append(load_policies(path, schema=schema, profile=profile))
        except InputError as error:
            faults |= dict.fromkeys(error.diagnostics)
    if faults:
        raise InputError(*faults)
    before, after = loaded
    return paired(before, after)


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
    inferred = infer([*old.policies, *moved])
    try:
        text = str(cedarpy.Schema.from_str(inferred.text))
    except ValueError as error:
        message = f"no schema can be inferred from both policy sets together: {error}"
        file = next((policy.span.file for policy in new.policies), "")
        raise input_error(message, file, "name a schema") from None
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
            conflicts=tuple(conflict for conflict in read if conflict.policies),
        )

    return under(old, 0), under(new, count)
