"""Policy sets of random policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.cedar.entities import entities_handle
from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from random_schemas import World


def loaded(texts: Sequence[str], here: World, validated: bool = True) -> PolicySet:
    """The set under the schema. Where it is not `validated`, policies may be ill typed and leave out guards."""
    if validated:
        return policy_set("\n".join(texts), here.text)
    typed = policy_set("", here.text)
    return replace(
        policy_set("\n".join(texts)),
        schema=typed.schema,
        schema_text=typed.schema_text,
        schema_inferred=False,
        entities=(),
        store=entities_handle((), typed.schema),
        conflicts=(),
    )
