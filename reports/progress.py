"""Signs of life on stderr while something takes long. Nothing is shown off a terminal, so logs stay clean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from time import monotonic
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_TOGETHER_SECONDS: Final = 0.05
"""What is told within so short a time has come in one batch."""

_SURE: Final = 3
"""Batches after the first one before there is an estimate. An assumption: from fewer it jumps about."""


@dataclass(slots=True)
class Pace:
    """How fast work goes on, from the first that was told to be done.

    Until then workers start. What came with it, or was kept from an earlier time, says nothing about the pace either.
    """

    _began: float | None = None
    _before: int = 0
    _done: int = 0
    _now: float = 0.0
    _batches: int = 0

    def note(self, done: int, now: float) -> None:
        """So many are done at this time, in seconds of any clock that goes forward."""
        if self._began is None:
            self._began = now
        if now - self._began < _TOGETHER_SECONDS:
            self._before = done
        elif now - self._now >= _TOGETHER_SECONDS:
            self._batches += 1
        self._done, self._now = done, now

    @property
    def rate(self) -> float | None:
        """How many are done in a second; None while that is not known."""
        if self._began is None or self._batches < _SURE or self._done <= self._before:
            return None
        return (self._done - self._before) / (self._now - self._began)

    def told(self, total: int | None, now: float) -> str:
        """How long it will take, or how fast it goes where nobody knows how much there is; empty while that is open."""
        rate = self.rate
        if rate is None:
            return ""
        if total is None:
            return f"{rate:.0f} a second" if rate >= 10 else f"{60 * rate:.0f} a minute"
        return f"about {_span((total - self._done) / rate - (now - self._now))} left"


def _span(seconds: float) -> str:
    """A time as exactly as it can be foretold."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 3570:
        return f"{max(1, round(seconds / 60))} min"
    hours, tens = divmod(round(seconds / 600), 6)
    return f"{hours} h {10 * tens} min" if tens else f"{hours} h"


@contextmanager
def status(text: str) -> Iterator[None]:
    """A spinner with a text while the block runs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{text} ..."):
        yield


@contextmanager
def bar(text: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar; yields `advance(done, total)` to be called as the work goes on. No total: nobody knows yet.

    The estimate is by the pace since the first advance.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    pace = Pace()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=None, left="")

        def advance(done: int, total: int | None) -> None:
            now = monotonic()
            pace.note(done, now)
            progress.update(task, completed=done, total=total, left=pace.told(total, now))

        yield advance


@contextmanager
def counter(text: str) -> Iterator[Callable[[int], None]]:
    """A spinner that counts, where nobody knows how much there is; yields `advance(done)`."""
    console = Console(stderr=True)
    with console.status(f"{text} ...") if console.is_terminal else nullcontext() as status:

        def advance(done: int) -> None:
            if status is not None and done % 100 == 0:
                status.update(f"{text} ... {done:,}")

        yield advance
