"""What a change of a decision is called."""

from __future__ import annotations

from typing import Final, Literal, get_args

from models.cedar.decision import Outcome

Kind = Literal["newly-allowed", "newly-denied", "newly-escalated", "unescalated"]

CHANGES: Final[tuple[Kind, ...]] = get_args(Kind)


def kind_of(before: Outcome, after: Outcome) -> Kind:
    """The name of a change from one outcome to another. `unescalated`: what was asked about is allowed unasked."""
    if after == "allow":
        return "newly-allowed" if before == "deny" else "unescalated"
    return "newly-denied" if after == "deny" else "newly-escalated"
