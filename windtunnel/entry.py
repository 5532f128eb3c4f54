"""Where the `windtunnel` command starts, and how it ends when it is interrupted. Light: interrupts come early too."""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

EXIT_INTERRUPTED = 130


def interrupted(stop: BaseException) -> int:
    """Say that the command was interrupted, in one line, with what that left, and return its exit code.

    `stop` is the interrupt, or what it was turned into.
    """
    cause: BaseException | None = stop
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    left = str(cause or "") or "nothing half-written was left"
    print(f"interrupted: {left}", file=sys.stderr)
    return EXIT_INTERRUPTED


def main() -> None:
    """Entry point of the `windtunnel` command."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a job in the background ignores interrupts
        signal.signal(signal.SIGINT, _interrupt)
    _check_epoch()
    try:
        from windtunnel.cli import exit_code

        code = exit_code(sys.argv[1:])
    except KeyboardInterrupt as stop:
        code = interrupted(stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done; the interpreter's own end would print a traceback
    if code == EXIT_INTERRUPTED:
        _end()
    sys.exit(code)


def _check_epoch() -> None:
    """SOURCE_DATE_EPOCH as libraries take it, which read it where they are imported: a number of seconds, or none."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return
    if not epoch.strip():
        del os.environ["SOURCE_DATE_EPOCH"]
    elif not (epoch.isascii() and epoch.isdigit()):
        print(f"SOURCE_DATE_EPOCH: {ascii(epoch)[:100]} is no number of seconds since 1970", file=sys.stderr)
        sys.exit(2)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """The first interrupt ends the command. Others that follow, from an impatient hand or from workers, would only cut
    short what it takes to leave nothing behind."""
    sys.unraisablehook = _dropped
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _dropped(dropped: sys.UnraisableHookArgs) -> None:
    """Python drops what is raised while an object is deleted. A dropped interrupt comes again a moment later; the rest
    is objects that the interrupt left half-made."""
    if dropped.exc_type is KeyboardInterrupt:
        signal.signal(signal.SIGINT, _interrupt)
        threading.Timer(0.01, _thread.interrupt_main).start()


def _end() -> NoReturn:
    """End with the exit code. CPython's own end signals itself instead, where an interrupt came within `exec`."""
    atexit._run_exitfuncs()  # semaphores of the workers, above all
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_INTERRUPTED)
