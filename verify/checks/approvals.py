"""P202: once everyone who is asked has approved, is the request allowed?"""

from __future__ import annotations

from dataclasses import replace

from models.cedar.policies import PolicySet
from verify import term as t
from verify.checks.common import Sought, finding, joined, seek, shown, told, told_all, undecided
from verify.checks.rounds import ONE_MORE, Asking, decisions
from verify.findings import Finding, Proof
from verify.query import Case


def dead_end(asking: Asking, index: int) -> Finding:
    """P202 of one escalating forbid that can be the reason to ask."""
    analysis = asking.analysis
    policies = analysis.policies
    policy = policies.policies[index]
    sought = _sought(asking, index)
    if sought.found is None and sought.unknown:
        return undecided("P202", policies, [index], sought.unknown)
    if sought.found is None:
        message = f"Once everyone asked approves, what {told(policy)} stops is allowed."
        return replace(finding("P202", policies, [index], "holds", message), proof=joined(analysis, sought.proofs))
    base, witness = shown(
        analysis,
        finding("P202", policies, [index], "violated", ""),
        sought.found,
        lambda case: _in_vain(policies, index, case),
    )
    *asked, last = decisions(policies, analysis.case(witness))
    granted = sorted({chain for made in asked for chain in made.chains})
    causes = last.determining
    reason = (
        f"{told_all(policies, causes)} {'denies' if len(causes) == 1 else 'deny'} it"
        if causes
        else "no permit matches it"
    )
    chains = " and ".join(f"`{chain}`" for chain in granted)
    message = f"{told(policy)} can ask in vain: once {chains} approved, the request is denied, for then {reason}."
    about = finding("P202", policies, [index, *causes], "violated", message)
    return replace(
        about,
        witness=replace(witness, approvals=tuple(granted)),
        proof=base.proof,
        environment=base.environment,
    )


def _in_vain(policies: PolicySet, index: int, case: Case) -> bool:
    """Whether a policy has a request escalated, in any round, that is denied after all."""
    made = decisions(policies, case)
    return bool(made) and made[-1].outcome == "deny" and any(index in decision.determining for decision in made[:-1])


def _sought(asking: Asking, index: int) -> Sought:
    policies = asking.analysis.policies
    name = policies.policies[index].name
    proofs: list[Proof] = []
    unknown: dict[str, None] = {}
    for environment in asking.analysis.touched(index):
        rounds = asking.rounds(environment)
        for number in range(1, len(rounds)):
            here = rounds[number]
            asked = [t.or_(*(earlier.asks(policies, index) for earlier in rounds[:number]))]
            if not asking.sees_approvals(environment):
                asked = []  # what follows is the same whichever rule asked, so one proof serves all
            parts = (*here.reached, *asked, t.not_(here.allowed))
            sought = seek(
                asking.analysis,
                [environment],
                lambda _, p=parts: p,  # type: ignore[misc]
                lambda case: _in_vain(policies, index, case),
                f"P202 {name}",
            )
            if sought.found:
                return sought
            proofs += sought.proofs
            unknown |= dict.fromkeys(sought.unknown)
        if asking.cut_short(environment):
            unknown[ONE_MORE] = None
    return Sought(None, tuple(proofs), tuple(unknown))
