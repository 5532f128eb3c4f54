"""What of a change is excepted: by waivers of the base, and by a baseline of the base."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

from models.checkout import Tree
from models.diagnostics import input_error, quoted
from models.gate_rules import RULES_FILE, GateRules
from models.waivers import Waiver, read_waivers
from reports.baseline import read_baseline
from reports.gate.changed import Target
from reports.statements import Statement
from reports.waivers import CHECKS, apply_waivers
from verify.catalogue import CHANGES

Said = tuple[tuple[Target, Statement], ...]


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The waivers and the baseline of the base."""

    waivers: tuple[Waiver, ...]
    known: Collection[str]
    """Fingerprints of what the baseline knows of old."""

    def applied(
        self, said: Sequence[tuple[Target, Statement]], today: date, unread: Collection[Target] = ()
    ) -> tuple[Said, tuple[Statement, ...]]:
        """The statements after the exceptions, and what is to be said of the waivers.

        The baseline excuses what the base has, and what it may have where it could not be read (`unread`), but nothing
        that the change brings: a fingerprint holds no place, so it may be that of a finding in another folder. That a
        waiver waives nothing is told of those that are for something that is judged here.
        """
        placed = [self._of_old(one) if one.since is None or target in unread else one for target, one in said]
        applied = apply_waivers(placed, self.waivers, today)
        files = {one.location.file for one in placed} | {file for target, _ in said for file in target.files}
        meant = {(one.file, one.line) for one in self.waivers if any(map(one.covers, files))}
        unused = [one for one in applied.unused if (one.location.file, one.location.line) in meant]
        pairs = zip((target for target, _ in said), applied.statements, strict=True)
        return tuple(pairs), (*applied.faults, *unused)

    def _of_old(self, statement: Statement) -> Statement:
        known = statement.stands and statement.rule not in CHANGES and statement.fingerprint in self.known
        return replace(statement, since="unchanged") if known else statement


def read_exceptions(base: Tree, rules: GateRules, ref: str) -> Exceptions:
    """The exceptions that the rules name, as the base has them. Raises InputError where they cannot be used."""
    file = posixpath.normpath(rules.waivers)
    data = base.read(file)
    if data is None and "waivers" in rules.model_fields_set:
        raise _missing(rules.waivers)
    found = read_waivers(data, f"{ref}:{file}", CHECKS) if data is not None else ()
    waivers = tuple(replace(one, file=file) for one in found)
    if rules.baseline is None:
        return Exceptions(waivers, ())
    if (known := base.read(posixpath.normpath(rules.baseline))) is None:
        raise _missing(rules.baseline)
    return Exceptions(waivers, read_baseline(known, f"{ref}:{rules.baseline}"))


def _missing(file: str) -> Exception:
    return input_error(f"the base has no {quoted(file)}", RULES_FILE, "a file from the repository's root")
