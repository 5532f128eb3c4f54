"""What a policy's annotations say, by profile.

`windtunnel`: `@id` names, `@escalate("chain")` on a forbid turns its denial into a question, `@timeout("15m")` and
`@severity("high")` bound the answer, `@owner`, `@overrides("a, b")`.

`tiered`: two tiers, `hard` and `soft`, by `@tier` or else by the file. A hard rule is absolute. A soft forbid
escalates, to the chain of `@escalate` or else to `human`; `@rule_id` (or `@id`) names, `@approval_timeout_s` is whole
seconds. A forbid of no tier is hard.

`advice`: JSON in `@advice` on a permit; where its verdict is `escalate`, the permit asks the chain `human` first.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic_core import PydanticCustomError

from models.cedar.advice import read_advice
from models.cedar.policies import Escalation, Profile, Severity
from models.units import DURATION_MAX, SECOND, parse_duration

DEFAULT_CHAIN = "human"
"""The chain of a rule that asks people and names no chain."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Least first."""

_KNOWN: Mapping[Profile, tuple[str, ...]] = {
    "windtunnel": ("id", "escalate", "timeout", "severity", "owner", "overrides", "invariant"),
    "tiered": (
        "id",
        "rule_id",
        "tier",
        "escalate",
        "approval_timeout_s",
        "severity",
        "owner",
        "overrides",
        "invariant",
    ),
    "advice": ("id", "advice", "owner", "overrides", "invariant"),
}
_TIERS = ("hard", "soft")
_NEAR_ENOUGH = 0.77
"""Of difflib's ratio: `escalation` is as near as 0.78 to `escalate`, `time` 0.75 to `tier`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one annotation."""

    annotation: str
    message: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the annotations of one policy come to. `warnings` are about annotations that are read but do nothing."""

    name: str | None
    tier: str
    escalation: Escalation | None
    owner: str | None
    overrides: frozenset[str]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def file_tier(stem: str, tiers: set[str]) -> str:
    """The tier of a file's policies that carry no `@tier`: that of all those that do, else the one its name holds."""
    if len(tiers) == 1:
        return next(iter(tiers))
    named = [tier for tier in _TIERS if tier in stem.lower()]
    return named[0] if len(named) == 1 and not tiers else ""


def read(
    annotations: Mapping[str, str],
    effect: Literal["permit", "forbid"],
    profile: Profile,
    tier_of_file: str = "",
) -> Reading:
    """What one policy's annotations mean. Never raises; faults are returned, all of them."""
    faults: list[Fault] = []
    tier = _tier(annotations, tier_of_file, faults) if profile == "tiered" else ""
    if profile == "advice":
        escalation = _advised(annotations, effect, faults)
    else:
        escalation = _escalation(annotations, effect, profile, tier, faults)
    names = ("rule_id", "id") if profile == "tiered" else ("id",)
    return Reading(
        name=next((annotations[key] for key in names if annotations.get(key)), None),
        tier=tier,
        escalation=escalation,
        owner=annotations.get("owner") or None,
        overrides=frozenset(filter(None, (part.strip() for part in annotations.get("overrides", "").split(",")))),
        faults=tuple(faults),
        warnings=_unread(annotations, effect) if profile == "advice" else _idle(annotations, profile, escalation),
    )


def _tier(annotations: Mapping[str, str], tier_of_file: str, faults: list[Fault]) -> str:
    tier = annotations.get("tier", tier_of_file)
    if tier not in (*_TIERS, ""):
        faults.append(Fault("tier", f'the tier is "hard" or "soft", got "{tier}"', _near(tier, _TIERS)))
    return tier


def _escalation(
    annotations: Mapping[str, str], effect: str, profile: Profile, tier: str, faults: list[Fault]
) -> Escalation | None:
    named = "escalate" in annotations
    if not named and (profile == "windtunnel" or effect == "permit" or tier != "soft"):
        return None
    bounds = _timeout(annotations, profile, faults), _severity(annotations, faults)
    if named and effect == "permit":
        message = "`@escalate` stands on a permit: it fails closed only on a forbid"
        faults.append(Fault("escalate", message, "turn the policy into a `forbid`, with a `permit` beneath it"))
    elif named and not annotations["escalate"].strip():
        faults.append(Fault("escalate", "`@escalate` names no chain", 'write `@escalate("finance")`'))
    elif profile == "tiered" and tier != "soft":
        faults.append(Fault("escalate", "a rule of the hard tier is absolute: it cannot escalate"))
    else:
        return Escalation(annotations.get("escalate", DEFAULT_CHAIN).strip(), *bounds)
    return None


def _advised(annotations: Mapping[str, str], effect: str, faults: list[Fault]) -> Escalation | None:
    if "advice" not in annotations or effect == "forbid":
        return None
    verdict, wrong = read_advice(annotations["advice"])
    faults += (Fault("advice", f"`@advice`: {message}") for message in wrong)
    return Escalation(DEFAULT_CHAIN, None, None) if verdict == "escalate" else None


def _unread(annotations: Mapping[str, str], effect: str) -> tuple[Fault, ...]:
    """What stands in a set of the profile `advice` as if it asked people, and does not."""
    found = []
    if "advice" in annotations and effect == "forbid":
        found.append(Fault("advice", "`@advice` does nothing on a forbid: it denies"))
    if "escalate" in annotations:
        found.append(Fault("escalate", f"`@escalate` is not read under the profile `advice`: the {effect} stands"))
    return tuple(found)


def _timeout(annotations: Mapping[str, str], profile: Profile, faults: list[Fault]) -> int | None:
    key = "timeout" if profile == "windtunnel" else "approval_timeout_s"
    if key not in annotations:
        return None
    parse: Callable[[str], int] = parse_duration if profile == "windtunnel" else _seconds
    try:
        return parse(annotations[key])
    except (PydanticCustomError, ValueError) as error:
        message = error.message() if isinstance(error, PydanticCustomError) else str(error)
        faults.append(Fault(key, f"`@{key}`: {message}"))
        return None


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:18]) * SECOND <= DURATION_MAX or len(text) > 18:
        raise ValueError(f'expected whole seconds, such as "300", at most ten years, got "{text[:40]}"')
    return int(text) * SECOND


def _severity(annotations: Mapping[str, str], faults: list[Fault]) -> Severity | None:
    severity = annotations.get("severity")
    if severity is None:
        return None
    if severity not in SEVERITIES:
        message = f'the severity is "low", "medium", "high" or "critical", got "{severity}"'
        faults.append(Fault("severity", message, _near(severity, SEVERITIES)))
        return None
    return severity


def _idle(annotations: Mapping[str, str], profile: Profile, escalation: Escalation | None) -> tuple[Fault, ...]:
    key = "timeout" if profile == "windtunnel" else "approval_timeout_s"
    meant = {*annotations, *misspelt(annotations, profile).values()}
    if escalation or key not in annotations or "escalate" in meant:
        return ()
    return (Fault(key, f"`@{key}` does nothing: the policy does not escalate"),)


def misspelt(annotations: Mapping[str, str], profile: Profile) -> Mapping[str, str]:
    """The annotations that are most likely misspelt known ones, each with the one that was meant.

    `@id` has no near names: `@uid` or `@gid` may well be an author's own.
    """
    known = [name for name in _KNOWN[profile] if len(name) > len("id")]
    found = {}
    for key in annotations.keys() - {name for names in _KNOWN.values() for name in names}:
        if close := difflib.get_close_matches(key.casefold(), known, n=1, cutoff=_NEAR_ENOUGH):
            found[key] = close[0]
    return dict(sorted(found.items()))


def _near(name: str, known: tuple[str, ...]) -> str:
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"did you mean `{found[0]}`?" if found else ""
