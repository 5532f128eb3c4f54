"""Fingerprints: what a statement is known by from one commit to the next.

The fingerprint of a finding is a digest of what it says and of whom: the check, the verdict, and the names of its
subjects. It holds no place, no wording, no version and no witness, so it stays when a rule is moved or laid out anew,
when its file gets another name, and when another request shows the same. A rule that its author gave no name (`@id`) is
known by its tokens.

A finding about a change, which says what becomes of some requests, is known by the request environments too: a waiver
for one action does not cover another.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from verify.catalogue import CHANGES
from verify.findings import Finding, PolicyRef

DIGITS: Final = 16
"""Hex digits of a fingerprint: 64 bits. Of a million statements, two are then alike with a chance of 3 in 10^8."""

PATTERN: Final = re.compile(rf"[0-9a-f]{{{DIGITS}}}")

VERSION: Final = "1"
"""Of what goes into a fingerprint. Another version makes all waivers and baselines void, so it changes with a release
note."""

_PLACE = re.compile(r"[^\s(),;`]*:\d+(?::\d+)?")


def fingerprint(*parts: str) -> str:
    """The fingerprint of a statement that is told apart from all others by these texts, in this order."""
    text = "".join(f"{len(part)}:{part}" for part in (VERSION, *parts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def fingerprints(findings: Sequence[Finding], scope: str = "") -> tuple[str, ...]:
    """A fingerprint for each finding of one verification, each once.

    `scope` is the scenario's name, or empty: two scenarios may find the same of rules of the same names. Findings that
    their subjects do not tell apart are told apart by what they say, without the places; those that say the same (two
    rules with the same text and no name) by their number among their like.
    """
    known = [_identity(finding, scope) for finding in findings]
    shared = {one for one, number in Counter(known).items() if number > 1}
    full = [(*one, _said(f)) if one in shared else one for one, f in zip(known, findings, strict=True)]
    met: Counter[tuple[str, ...]] = Counter()
    found = []
    for one in full:
        found.append(fingerprint(*one, *([str(met[one])] if met[one] else [])))
        met[one] += 1
    return tuple(found)


def _identity(finding: Finding, scope: str) -> tuple[str, ...]:
    about = sorted(map(_name, finding.policies[: finding.subjects]))
    where = sorted({f"{e.principal}, {e.action}, {e.resource}" for e in finding.environments})
    return (scope, finding.check, finding.verdict, *about, *(where if finding.check in CHANGES else ()))


def _name(about: PolicyRef) -> str:
    return f"={about.mark}" if about.mark else f"@{about.name}"


def _said(finding: Finding) -> str:
    """What a finding says, without places and without the names that are positions."""
    text = finding.message
    for about in finding.policies:
        text = text.replace(f"{about.location.file}:{about.location.line}", "")
        text = text.replace(f"`{about.name}`", f"`{about.mark}`") if about.mark else text
    return _PLACE.sub("", text)
