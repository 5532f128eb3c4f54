"""What policies are checked against is not the change's to take away: risks, data, approvals, invariants, the schema,
the profile.

A check that is asked no more fails no more. So a change that drops what its policies are held to fails, and one that
sets it anew is undecided: whether the old one still holds is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from models.cedar.policies import PolicySet
    from models.scenario import Scenario


class Lost(NamedTuple):
    """Something that policies of the base are held to, and those of the head are not, or otherwise."""

    name: str
    """As a path: `risks.large-refund`, `invariants.four-eyes`."""
    how: Literal["dropped", "changed"]

    @property
    def sentence(self) -> str:
        if self.name == "policies":
            return "the change takes the policies out of the scenario: what decides in their place is not judged."
        if self.name == "policies.profile":
            return "the change spells escalation in another way: the decisions of both versions are not compared."
        if self.how == "dropped":
            return f"the change drops `{self.name}`, which policies are checked against."
        return f"the change sets `{self.name}` anew: whether policies keep the old one is not judged."


def lost(base: Scenario | None, head: Scenario | None, old: PolicySet | None, new: PolicySet | None) -> Iterator[Lost]:
    """What the change takes away or sets anew of what policies are checked against."""
    before, after = {**_declared(base), **_invariants(old)}, {**_declared(head), **_invariants(new)}
    for name, value in before.items():
        if name not in after:
            yield Lost(name, "dropped")
        elif after[name] != value:
            yield Lost(name, "changed")
    if old is not None and new is None:
        yield Lost("policies", "dropped")
    if old is not None and new is not None and new.schema_inferred and not old.schema_inferred:
        yield Lost("policies.schema", "dropped")
    if old is not None and new is not None and old.profile != new.profile:
        yield Lost("policies.profile", "changed")


def _declared(scenario: Scenario | None) -> Mapping[str, Any]:
    """What a scenario declares of its requests, by path; descriptions are for readers."""
    if scenario is None:
        return {}
    found = {f"risks.{name}": one.model_copy(update={"description": ""}) for name, one in scenario.risks.items()}
    kinds = {f"data.{name}": one.model_copy(update={"description": ""}) for name, one in scenario.data.items()}
    return {**found, **kinds, **({"approvals": scenario.approvals} if scenario.approvals else {})}


def _invariants(policies: PolicySet | None) -> Mapping[str, str]:
    """The invariants by name, as their text without its layout."""
    if policies is None or policies.invariants is None:
        return {}
    asserted = policies.invariants.policies[len(policies.policies) :]
    return {f"invariants.{one.name}": " ".join(one.text.split()) for one in asserted}
