"""What verification says: findings, each with a verdict, a plain sentence, and the evidence behind it.

The JSON form (`to_json`) is `windtunnel.findings/1`; every other format is projected from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from models.cedar.types import RequestEnvironment

Verdict = Literal["violated", "holds", "undecided"]
Severity = Literal["error", "warning", "info"]
Overall = Literal["pass", "fail", "undecided"]

SCHEMA = "windtunnel.findings/1"


@dataclass(frozen=True, slots=True)
class Location:
    """Where to look. `file` is as the user named it; line 0 where there is no line."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """A policy or scenario element a finding is about."""

    name: str
    location: Location
    mark: str = ""
    """Of a policy that its author gave no name: a digest of its tokens, for its name is its position in the set."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A concrete request that shows a violation, in Cedar's JSON, shrunk; cedarpy confirms it before it is shown."""

    principal: str
    action: str
    resource: str
    context: Mapping[str, Any]
    entities: tuple[Mapping[str, Any], ...] = ()
    approvals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """Which layers a verdict passed.

    `solver` is `z3`, `cvc5`, `folded` where no solver was needed, `none` where a witness of another question answers.
    `checked_by` is `cedarpy` for witnesses, `cvc5` for proofs, `none` where a proof rests on one solver alone.
    """

    solver: str
    checked_by: str
    smt2_sha256: str
    """Digest of the SMT-LIB script, or of several one after another; empty where no script was asked."""
    environments: tuple[RequestEnvironment, ...] = ()
    """Those that were asked about, where a proof says so."""

    @property
    def single_solver(self) -> bool:
        """Whether a proof rests on one solver alone, because the other ran out of its budget."""
        return self.checked_by == "none" and not {"z3", "cvc5"}.isdisjoint(self.solver.split(", "))


Role = Literal["never-together", "always", "whenever", "then", "nowhere", "true", "false", "errs"]
"""What a clause has to do with a finding.

`never-together`: no request meets all of these. `always`: every request of the scope meets it. `whenever`: where all of
these are met, so are, of one of the policies that have them, all those that are `then`. `nowhere`: no request that the
schema admits is in this part of the scope. `true`, `false`, `errs`: what it comes to on the witness.
"""


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a policy that decides a finding, with its place. `negated`: the policy needs it to be false."""

    role: Role
    policy: str
    file: str
    line: int
    column: int
    text: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a file: the text `remove`, which stands at a place, gives way to `insert`. Either may be empty.

    Lines and columns count from 1.
    """

    file: str
    line: int
    column: int
    remove: str
    insert: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Edits, all to be made together, after which the finding is gone; `why` says what they do, as sentences."""

    edits: tuple[Edit, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of one check about one subject."""

    check: str
    name: str
    severity: Severity
    verdict: Verdict
    policies: tuple[PolicyRef, ...]
    message: str
    location: Location
    witness: Witness | None = None
    proof: Proof | None = None
    environment: str = ""
    """The request environment of the witness, as `principal, action, resource`."""
    environments: tuple[RequestEnvironment, ...] = ()
    """The request environments that the finding speaks of: that of its witness, else all that its subject reaches."""
    because: tuple[Clause, ...] = ()
    """The clauses that decide, as few as were found to suffice. Empty where none could be singled out."""
    reason: str = ""
    """What the clauses come to, as a sentence."""
    suggestion: Suggestion | None = None
    subjects: int = 1
    """So many of `policies`, from the first, are what the finding is about. The others were met on the way to it, and
    may be others when rules move."""

    @property
    def id(self) -> str:
        """Twelve hex digits that stay the same when rules move: the check and the names involved."""
        words = "\x00".join((self.check, *(p.name for p in self.policies)))
        return hashlib.sha256(words.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything one verification said. `scripts` maps a script's sha256 to its SMT-LIB text."""

    findings: tuple[Finding, ...]
    checked: Mapping[str, Any]
    scripts: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def verdict(self) -> Overall:
        """`fail` on a violated error, else `undecided` where any check is, else `pass`. Warnings do not fail."""
        if any(f.verdict == "violated" and f.severity == "error" for f in self.findings):
            return "fail"
        return "undecided" if any(f.verdict == "undecided" for f in self.findings) else "pass"

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know beside the verdicts, as sentences: an inferred schema, warnings of the loader."""
        inferred = "The set has no schema; one is inferred, every attribute optional and of the type its use shows."
        warnings = self.checked.get("warnings", ())
        return (inferred,) * bool(self.checked.get("schema_inferred")) + tuple(str(warning) for warning in warnings)
