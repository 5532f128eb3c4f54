"""Applying waivers to statements. What is waived is told as waived, never as a pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, NamedTuple

from models.waivers import Waiver
from reports.fingerprints import fingerprint
from reports.statements import Level, Statement
from verify.catalogue import CATALOGUE
from verify.findings import Location

CHECKS: Final = (
    *CATALOGUE, "objective", "replication", "gate.assertion", "gate.backtest", "gate.limit", "gate.policies-alone",
    "gate.removed",
)  # fmt: skip
"""The rules of statements that can be waived."""


class Applied(NamedTuple):
    """Statements after waivers, and what is to be said of the waivers themselves."""

    statements: tuple[Statement, ...]
    faults: tuple[Statement, ...]
    """Of waivers that are not in force, or are for something else: they fail, with exit code 4."""
    unused: tuple[Statement, ...]
    """Warnings of waivers in force that waive nothing."""


def apply_waivers(statements: Sequence[Statement], waivers: Iterable[Waiver], today: date) -> Applied:
    """The statements, those that a waiver in force is for as waived.

    Only what fails or is undecided can be waived. A waiver that is out of date fails whether or not there is still
    anything to waive: it is to be renewed or deleted.
    """
    said = list(statements)
    places: dict[str, list[int]] = {}
    for position, one in enumerate(said):
        if one.kind in ("fail", "open") and one.since != "absent":
            places.setdefault(one.fingerprint, []).append(position)
    faults, unused = [], []
    for waiver in waivers:
        meant = places.get(waiver.fingerprint, [])
        if wrong := _wrong(waiver, [said[position] for position in meant], today):
            faults.append(_about(waiver, "error", wrong))
            continue
        covered = [position for position in meant if waiver.covers(said[position].location.file)]
        for position in covered:
            said[position] = replace(said[position], waived=_reason(waiver))
        if not covered:
            elsewhere = sorted({said[position].location.file or "no file" for position in meant})
            why = f"what it is for stands in {', '.join(elsewhere)}" if elsewhere else "nothing that it is for is said"
            unused.append(_about(waiver, "warning", f"The waiver of {waiver.check} waives nothing: {why}."))
    return Applied(tuple(said), tuple(faults), tuple(unused))


def _wrong(waiver: Waiver, meant: Sequence[Statement], today: date) -> str:
    """Why a waiver cannot be gone by; nothing where it can."""
    what = f"The waiver of {waiver.check} by {waiver.approver}"
    if today > waiver.expires:
        return f"{what} expired on {waiver.expires}: renew it after a review, or delete it."
    if today < waiver.created:
        return f"{what} is dated {waiver.created}, after today, {today}."
    other = next((one.rule for one in meant if one.rule != waiver.check), None)
    return f"{what} is for another check: {waiver.fingerprint} is of {other}." if other else ""


def _reason(waiver: Waiver) -> str:
    return f"{waiver.reason} Approved by {waiver.approver}, from {waiver.created} to {waiver.expires}."


def _about(waiver: Waiver, level: Level, message: str) -> Statement:
    known_by = fingerprint("waiver", level, waiver.fingerprint, waiver.scope)
    place = Location(waiver.file, waiver.line)
    return Statement(known_by, "waiver", waiver.fingerprint, "fail", level, message, place, detail=waiver.reason)
