"""E501 to E507: escalation chains against the desks' rosters and the rules that ask them. No solver is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from models.cedar.clauses import annotation_range
from models.cedar.policies import Policy, PolicySet
from models.diagnostics import near, suggestion
from models.units import format_duration
from verify.catalogue import CATALOGUE
from verify.checks.common import mark, told
from verify.checks.windows import Wait, Window, longest, moment_text, unstaffed
from verify.edits import edit, scalar_edit
from verify.findings import Edit, Finding, Location, PolicyRef, Suggestion, Verdict

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from models.scenario import Chain


def chain_findings(loaded: LoadedScenario, policies: PolicySet | None) -> list[Finding]:
    """Every chain check of a scenario; `policies` are the rules that ask its chains."""
    asked: dict[str, list[Policy]] = {}
    for policy in policies.policies if policies else ():
        if policy.escalation:
            asked.setdefault(policy.escalation.chain, []).append(policy)
    about = _Chains(loaded, asked)
    return [
        *(finding for chain in loaded.scenario.chains for finding in about.unknown_names(chain)),
        *about.unknown_asked(),
        *(about.cycle(chain) for chain in loaded.scenario.chains),
        *(about.unstaffed_window(chain) for chain in about.entries()),
        *(about.unreachable_level(chain) for chain in loaded.scenario.chains),
        *(about.auto_approve(chain) for chain in loaded.scenario.chains),
    ]


@dataclass(frozen=True, slots=True)
class _Level:
    """One level as a request meets it: when it gets there and how long it stays, in microseconds since it was asked.

    `earliest` is when it gets there if every queue on the way that may be full is full. `stay` is None where it stays
    for good.
    """

    chain: str
    number: int
    desk: str
    start: int
    earliest: int
    stay: int | None


@dataclass(frozen=True)
class _Chains:
    loaded: LoadedScenario
    asked: dict[str, list[Policy]]

    @property
    def _chains(self) -> dict[str, Chain]:
        return self.loaded.scenario.chains

    def entries(self) -> Iterator[str]:
        """Chains that a request may enter first: those that rules ask, and those that nothing leads to."""
        led_to = {chain.then for chain in self._chains.values()}
        return (name for name in self._chains if name in self.asked or name not in led_to)

    def bounds(self, chain: str) -> list[tuple[int | None, Policy | None]]:
        """How long an answer may take, for each rule that asks the chain; no bound where none asks."""
        found = [(rule.escalation.timeout, rule) for rule in self.asked.get(chain, ()) if rule.escalation]
        return [*found] or [(None, None)]

    def _way(self, entry: str) -> Iterator[_Level]:
        """The levels that are asked one after another, from a chain on, each chain once."""
        start, earliest, passed, chain = 0, 0, set[str](), entry
        while chain in self._chains and chain not in passed:
            passed.add(chain)
            for number, level in enumerate(self._chains[chain].levels):
                yield _Level(chain, number, level.desk, start, earliest, level.timeout)
                if level.timeout is None and not self._overflows(level.desk):
                    return
                start += level.timeout or 0
                earliest += 0 if self._overflows(level.desk) else level.timeout or 0
            chain = self._chains[chain].then or ""

    def _overflows(self, desk: str) -> bool:
        """Whether a desk's queue may be full, so that the next level is asked at once."""
        known = self.loaded.scenario.desks.get(desk)
        return known is not None and known.queue.capacity is not None

    def _finding(self, check: str, verdict: Verdict, names: Sequence[str], message: str, *keys: str | int) -> Finding:
        entry = CATALOGUE[check]
        references = tuple(PolicyRef(name, self._location("chains", name)) for name in names)
        place = self._location(*keys) if keys else references[0].location
        return Finding(entry.id, entry.name, entry.severity, verdict, references, message, place)

    def _location(self, *keys: str | int) -> Location:
        span = self.loaded.locate(*keys)
        return Location(span.file, span.line)

    def _at(self, *keys: str | int) -> str:
        location = self._location(*keys)
        return f"{location.file}:{location.line}"

    def _told(self, chain: str) -> str:
        return f"chain `{chain}` ({self._at('chains', chain)})"

    # --- E501, E502 ---------------------------------------------------------------------------------------------------

    def unknown_names(self, name: str) -> Iterator[Finding]:
        """E501 of one chain: its desks, and the chain it leads to."""
        chain, desks = self._chains[name], self.loaded.scenario.desks
        wrong: list[tuple[str, str, tuple[str, ...], tuple[str | int, ...]]] = [
            (f"level {number + 1} asks the desk `{level.desk}`", level.desk, tuple(desks), ("levels", number, "desk"))
            for number, level in enumerate(chain.levels)
            if level.desk not in desks
        ]
        if chain.then is not None and chain.then not in self._chains:
            wrong.append(("`then` names the chain", chain.then, tuple(self._chains), ("then",)))
        for what, missing, known, keys in wrong:
            kind = "desks" if keys[0] == "levels" else "chains"
            subject = what if keys[0] == "levels" else f"{what} `{missing}`"
            message = f"{self._told(name)}: {subject}, which does not exist; {suggestion(missing, known, kind)}"
            found = self._finding("E501", "violated", [name], message, "chains", name, *keys)
            meant = near(missing, known)
            change = scalar_edit(self.loaded, ("chains", name, *keys), missing, meant) if meant else None
            yield replace(found, suggestion=_written(change, missing, meant))
        if not wrong:
            yield self._finding("E501", "holds", [name], f"{self._told(name)} names desks and chains that exist.")

    def unknown_asked(self) -> Iterator[Finding]:
        """E501 of the rules that ask a chain that does not exist."""
        entry = CATALOGUE["E501"]
        for chain, rules in sorted(self.asked.items()):
            for rule in rules if chain not in self._chains else ():
                hint = suggestion(chain, self._chains, "chains")
                message = f"{told(rule)} asks the chain `{chain}`, which does not exist: nobody answers; {hint}"
                place = Location(rule.span.file, rule.span.line)
                about = (PolicyRef(rule.name, place, mark(rule)),)
                yield Finding(
                    entry.id, entry.name, entry.severity, "violated", about, message, place, suggestion=self._asks(rule)
                )

    def _asks(self, rule: Policy) -> Suggestion | None:
        """That a rule asks the chain whose name is near."""
        missing = rule.escalation.chain if rule.escalation else ""
        meant, found = near(missing, self._chains), annotation_range(rule, "escalate")
        if meant is None or found is None or rule.linked:
            return None
        return _written(edit(rule, *found, f'@escalate("{meant}")'), missing, meant)

    def cycle(self, name: str) -> Finding:
        """E502 of one chain."""
        path = [name]
        while (following := self._chains[path[-1]].then) in self._chains and following not in path:
            assert following is not None
            path.append(following)
        if following not in path:
            return self._finding("E502", "holds", [name], f"{self._told(name)} ends.")
        ring = path[path.index(following) :]
        circle = " -> ".join(f"`{chain}`" for chain in [*ring, following])
        if name in ring:
            message = f"{self._told(name)} leads back to itself: {circle}. Nobody new is asked, and no answer is due."
        else:
            message = f"{self._told(name)} leads into a circle: {circle}."
        return self._finding("E502", "violated", path, message, "chains", name, "then")

    # --- E503 ---------------------------------------------------------------------------------------------------------

    def unstaffed_window(self, name: str) -> Finding:
        """E503 of one chain, for the tightest bound that a rule sets on the answer."""
        start, desks = self.loaded.scenario.start, self.loaded.scenario.desks
        way = list(self._way(name))
        if unknown := [level.desk for level in way if level.desk not in desks]:
            message = f"{self._told(name)}: who is on duty at `{unknown[0]}` is not known, for it does not exist."
            return self._finding("E503", "undecided", [name], f"undecided: {message}")
        bound, rule = min(self.bounds(name), key=lambda each: (each[0] is None, each[0] or 0))
        gaps = self._gaps(way, bound)
        limit = _limit(way, bound, rule)
        once = " once it has gathered to a batch" if any(self._gathers(level) for level in way) else ""
        if not gaps:
            close = limit and self._gaps(way, limit.time - 1)
            tie = ", at worst by a shift that begins as that time ends" if close else ""
            message = f"{self._told(name)}: someone is on duty{once}{limit.text if limit else ''}, at any time{tie}."
            return self._finding("E503", "holds", [name], message)
        zone = desks[way[0].desk].timezone
        first, worst = gaps[0], longest(gaps)
        message = (
            f"{self._told(name)}: a request that comes at {moment_text(start, first[0], zone)} finds nobody on duty"
            f"{once}{limit.text if limit else ' at any level while it is there'}. "
            f"The longest such time is {format_duration(worst[1] - worst[0])}, "
            f"from {moment_text(start, worst[0], zone)} until {moment_text(start, worst[1], zone)}."
        )
        return self._finding("E503", "violated", [name], message)

    def _gaps(self, way: Sequence[_Level], bound: int | None) -> list[Window]:
        """When a request comes that finds nobody on its way, which a bound may cut."""
        desks = self.loaded.scenario.desks
        waits = [
            (desks[level.desk], wait)
            for level in way
            if (wait := _wait(level, bound, self._gathers(level))) is not None
        ]
        return unstaffed(waits, self.loaded.scenario.start)

    def _gathers(self, level: _Level) -> int:
        """How long a request that comes alone gathers to a batch before anybody takes it up, in microseconds."""
        batch = self.loaded.scenario.desks[level.desk].batch
        return 0 if batch is None else batch.wait

    # --- E506, E507 ---------------------------------------------------------------------------------------------------

    def unreachable_level(self, name: str) -> Finding:
        """E506 of one chain."""
        met = self._met()
        missed = [n for n in range(len(self._chains[name].levels)) if (name, n) not in met]
        if not missed:
            return self._finding("E506", "holds", [name], f"{self._told(name)}: every level can be asked.")
        number = missed[0]
        desk = self._chains[name].levels[number].desk
        message = (
            f"{self._told(name)}: level {number + 1}, the desk `{desk}`, is never asked: {self._why(name, number)}."
        )
        return self._finding("E506", "violated", [name], message, "chains", name, "levels", number)

    def _met(self) -> set[tuple[str, int]]:
        """Levels that some request meets before the bound of the rule that asks is up."""
        return {
            (level.chain, level.number)
            for entry in self.entries()
            for bound, _ in self.bounds(entry)
            for level in self._way(entry)
            if bound is None or level.earliest < bound
        }

    def _why(self, name: str, number: int) -> str:
        levels = self._chains[name].levels
        for before in range(number):
            if levels[before].timeout is None and not self._overflows(levels[before].desk):
                return f"level {before + 1} has no timeout, so a request waits there for good"
        entered = [
            (entry, level.earliest)
            for entry in self.entries()
            for level in self._way(entry)
            if (level.chain, level.number) == (name, number)
        ]
        if not entered:
            return "nothing leads to this chain"
        entry, start = min(entered, key=lambda each: each[1])
        bound, rule = max(self.bounds(entry), key=lambda each: each[0] or 0)
        assert bound is not None
        assert rule is not None
        reached, ended = format_duration(start), format_duration(bound)
        return f"it is reached after {reached}, and {told(rule)} ends the asking after {ended}"

    def auto_approve(self, name: str) -> Finding:
        """E507 of one chain, and of those behind it: the chain asked last gives the answer that nobody gave."""
        approving = next((chain for chain in self._behind(name) if self._chains[chain].on_exhausted == "allow"), None)
        if approving is None:
            return self._finding("E507", "holds", [name], f"{self._told(name)}: what nobody answers is denied.")
        through = "" if approving == name else f" through `{approving}`"
        message = f"{self._told(name)} approves what nobody answers{through} (`on-exhausted: allow`)."
        keys = ("chains", approving, "on-exhausted")
        found = self._finding("E507", "violated", [name], message, *keys)
        change = scalar_edit(self.loaded, keys, "allow", "deny")
        why = f"Deny what nobody answers: `on-exhausted: deny` in the chain `{approving}`."
        return replace(found, suggestion=Suggestion((change,), why) if change else None)

    def _behind(self, name: str) -> Iterator[str]:
        """A chain and those that follow it by `then`, each once."""
        passed: set[str] = set()
        while name in self._chains and name not in passed:
            passed.add(name)
            yield name
            name = self._chains[name].then or ""


def _written(change: Edit | None, missing: str, meant: str | None) -> Suggestion | None:
    """The suggestion to write a name that exists for one that does not."""
    return Suggestion((change,), f"Write `{meant}` for `{missing}`.") if change is not None else None


class _Limit(NamedTuple):
    """How long a request waits for people at most, in microseconds, and the words for it."""

    time: int
    text: str


def _limit(way: Sequence[_Level], bound: int | None, rule: Policy | None) -> _Limit | None:
    """What ends a wait first: the time-outs of the levels, or a rule's own; None where nothing does."""
    end = 0
    for level in way:
        if level.stay is None:
            return _by_rule(bound, rule)
        end = max(end, level.start + level.stay)
    if bound is not None and bound < end:
        return _by_rule(bound, rule)
    allow = "time-out of its level allows" if len(way) == 1 else "time-outs of its levels allow"
    return _Limit(end, f" within the {format_duration(end)} that the {allow}")


def _by_rule(bound: int | None, rule: Policy | None) -> _Limit | None:
    if bound is None or rule is None:
        return None
    return _Limit(bound, f" within the {format_duration(bound)} that {told(rule)} allows")


def _wait(level: _Level, bound: int | None, gathers: int) -> Wait | None:
    """The time in which a request at a level can be taken up, cut at a bound; None where there is none."""
    start = level.start + gathers
    end = None if level.stay is None else level.start + level.stay
    if bound is not None:
        end = bound if end is None else min(end, bound)
    return None if end is not None and end <= start else Wait(start, end)
