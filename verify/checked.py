"""What a verification looked at, and with what, for readers of its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.cedar.policies import PolicySet

if TYPE_CHECKING:
    from verify.query import Effort


def listed(policies: PolicySet) -> list[Mapping[str, Any]]:
    """The policies of a set: name, effect and place."""
    return [{"name": p.name, "effect": p.effect, "file": p.span.file, "line": p.span.line} for p in policies.policies]


def solving(effort: Effort) -> Mapping[str, Any]:
    """The solvers and the resource limits of each question."""
    from verify import cvc5_backend, z3_backend
    from verify.query import BUDGETS

    return {
        "solvers": {"z3": z3_backend.VERSION, "cvc5": cvc5_backend.VERSION},
        "budget": {"effort": effort, **{f"{k}_rlimit": v for k, v in BUDGETS[effort]._asdict().items()}},
    }
