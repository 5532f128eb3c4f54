"""Several proofs as one."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping, Sequence

from verify.findings import Proof

NOTHING_ASKED = Proof("folded", "none", "")
"""No environment, or no other rule, left anything to ask."""


def joined(scripts: MutableMapping[str, str], proofs: Sequence[Proof]) -> Proof:
    """Several proofs as one, as strong as the weakest. Several scripts are put one after another, with resets.

    Where folding left nothing to confirm, nothing is weak.
    `scripts` maps the sha256 of each script to its text; the joined one is added.
    """
    if len(proofs) < 2:
        return proofs[0] if proofs else NOTHING_ASKED
    solvers = ", ".join(sorted({solver for proof in proofs for solver in proof.solver.split(", ")}))
    open_ = [proof for proof in proofs if (proof.solver, proof.checked_by) != ("folded", "none")] or proofs
    checkers = sorted({proof.checked_by for proof in open_})
    digests = dict.fromkeys(proof.smt2_sha256 for proof in proofs if proof.smt2_sha256)
    text = "(reset)\n".join(scripts[digest] for digest in digests)
    digest = hashlib.sha256(text.encode()).hexdigest()
    scripts[digest] = text
    environments = tuple(dict.fromkeys(environment for proof in proofs for environment in proof.environments))
    return Proof(solvers, "none" if "none" in checkers else ", ".join(checkers), digest, environments)
