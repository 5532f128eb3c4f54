"""What a part of the engine may hang into another: lists of these, empty where no part needs them.

Those of tasks are called at steps that a part watches (`Tasks.watch`). Times are `now` in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.tokens import Call, Orphan, Token

CUT_OFF: Final = "cut off"
"""Why an attempt or a call failed that somebody else ended: its case, or for a call the attempt."""

PATIENCE: Final = "patience"
"""Why an attempt failed that waited too long for its slot."""

Admit = Callable[["Token", int], str]
"""(token, now) before an attempt joins its pool: why it must not, which fails it; empty where it may."""

Closed = Callable[["Token", str, int], None]
"""(token, failure, now) once for each attempt, those that were not admitted included: why it failed, empty where it
produced something that stands."""

Hold = Callable[["Token"], int]
"""(token) when an attempt has failed and another is left: the least time until that one begins. Called at all steps."""

Retrying = Callable[["Token", str, int, int], bool]
"""(token, reason, begins, now) when an attempt has failed and another is left, which would begin at a time: whether it
may. The first that says no ends the step as after the last attempt."""

Pace = Callable[["Token", int, int], int]
"""(token, work, now) when an attempt gets its slot: how long the agent's own work really takes."""

Verdict = Callable[["Token", bool, int], tuple[bool, str]]
"""(token, wrong, now) when an attempt has produced something: whether it is wrong after all, and why the attempt fails,
empty where it does not."""

Judged = Callable[["Token", bool, int], None]
"""(token, wrong, now) when what an attempt produced is final: right or wrong, noticed or not."""

Orphaned = Callable[["Token", "Orphan"], None]
"""(token, orphan) when an attempt, or the endpoint call of one, goes on for nobody: it is the orphan's from then on.
Called at all steps."""

Unheard = Callable[["Orphan", bool, int], None]
"""(orphan, produced, now) when such an attempt is over, and whether it has produced something."""

CallAdmit = Callable[["Call", int], str]
"""(call, now) before an endpoint call is made: why it must not, which fails it unpaid; empty where it may."""

CallClosed = Callable[["Call", str, int], None]
"""(call, failure, now) once for each call, those that were not admitted included: why it failed, empty where it was
answered."""

CallPace = Callable[["Call", int, int], int]
"""(call, latency, now) when a call starts: how long it really takes."""

CallRoom = Callable[["Call", int], int | None]
"""(call, now) of a call that a limit refuses: the least time after which it would take the call, if no other came; None
where it never would."""

Arrived = Callable[["Token", int], None]
"""(token, now) when a case has arrived, before its first step."""

Ending = Callable[["Token", int, int], bool]
"""(token, outcome, now) before a case ends: whether the part keeps it, and ends it later itself by `Flow.end`."""

Ended = Callable[["Token", int, int], None]
"""(token, outcome, now) when a case has ended."""
