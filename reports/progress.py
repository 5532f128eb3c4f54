"""Signs of life on stderr while something takes long. Nothing is shown off a terminal, so logs stay clean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


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
    """A progress bar; yields `advance(done, total)` to be called as the work goes on. No total: nobody knows yet."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=None)

        def advance(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

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
