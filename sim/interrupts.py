"""Interrupts (Ctrl-C) at moments that must not be cut in two: starting workers, putting a folder in its place."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def held() -> Iterator[None]:
    """An interrupt within the block takes effect when the block has ended.

    Processes that are started within it never see one: they inherit the blocked signal, from before their first line.
    """
    with _noted(), _blocked():
        yield


@contextmanager
def starting() -> Iterator[None]:
    """As `held`, for a block in which worker processes start."""
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # it comes with the first process otherwise, and unblocks the signal again
    with held():
        yield


@contextmanager
def _noted() -> Iterator[None]:
    """Another thread may take the signal that this one blocks, and Python would still raise it here."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield  # Python raises interrupts in the main thread alone, and leaves foreign handlers alone
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
