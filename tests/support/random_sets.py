"""Policy sets of random policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.cedar.entities import entities_handle
from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from random_policies import Writer
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


def annotated(writer: Writer, number: int) -> str:
    """A random policy with the annotations that the verifier reads."""
    chance = writer.chance
    kind = chance.choice(("permit", "permit", "forbid", "ask", "ask"))
    notes = [f'@id("p{number}")']
    if chance.random() < 0.6:
        notes.append(f'@owner("{chance.choice("ab")}")')
    if chance.random() < 0.15:
        notes.append(f'@overrides("{chance.choice(("p0", "a", "b"))}")')
    if kind == "ask":
        notes.append(f'@escalate("{chance.choice(("one", "one", "two"))}")')
        notes += [f'@timeout("{chance.choice(("5m", "1h"))}")'] * (chance.random() < 0.6)
        notes += [f'@severity("{chance.choice(("low", "high"))}")'] * (chance.random() < 0.6)
    return writer.policy(2, " ".join(notes) + "\n", "forbid" if kind == "ask" else kind)
