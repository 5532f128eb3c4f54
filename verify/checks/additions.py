"""The forbid that a finding suggests to add, where it is proved that no request of the finding's kind passes it.

It says what the scenario declares, in the scenario's words. A condition that errs on some such request would let it
through, and is not suggested.
"""

from __future__ import annotations

from models.cedar.policies import Policy, PolicySet
from models.declared import Declared
from verify import term as t
from verify.checks.conditions import Conditions, Keys
from verify.checks.requests import Kind
from verify.edits import edit
from verify.findings import Suggestion


def added(
    kind: Kind, conditions: Conditions, when: Keys, unless: Keys | None = None, chain: str = ""
) -> Suggestion | None:
    """The forbid of what a declared condition says, but of what another one does; with a chain, it asks that first.

    None where such a forbid is not known to match every request of the kind.
    """
    keys = [one for one in (when, unless) if one is not None]
    after = _last_of_a_file(kind.policies)
    erring = kind.seek(
        lambda e: [t.or_(*(conditions.errs(e, *one) for one in keys))],
        lambda case: any(one in conditions.possible(case) - conditions.holding(case) for one in keys),
        "added",
    )
    if after is None or not erring.impossible:
        return None
    name = _free_name(kind.policies, f"{when[1]}-{'asks' if chain else 'denied'}")
    rule = _rule(conditions.declared(*when), conditions.declared(*unless) if unless else None)
    head = f'@id("{name}")' + f' @escalate("{chain}")' * bool(chain)
    what = f"asks the chain `{chain}` about" if chain else "denies"
    why = f"Add the forbid `{name}`: it {what} every such request, in the words of the scenario."
    end = len(after.text)
    return Suggestion((edit(after, end, end, f"\n\n{head}\n{rule}"),), why)


def _rule(when: Declared, unless: Declared | None) -> str:
    clauses = [("when", when.text)] * (when.text != "true") + ([("unless", unless.text)] if unless else [])
    # On lines of their own, so that a comment at the end of a condition swallows nothing.
    return f"forbid{when.scope}{''.join(f'{chr(10)}{kind} {{{chr(10)}{text}{chr(10)}}}' for kind, text in clauses)};"


def _last_of_a_file(policies: PolicySet) -> Policy | None:
    """The policy after which one more can stand: the last that is written out."""
    return next((policy for policy in reversed(policies.policies) if not policy.linked), None)


def _free_name(policies: PolicySet, name: str) -> str:
    taken = {policy.name for policy in policies.policies}
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return next(one for one in (name, *numbered) if one not in taken)
