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


def interrupted() -> int:
    """Say that the command was interrupted, in one line, and return its exit code."""
    print("interrupted: nothing half-written was left", file=sys.stderr)
    return EXIT_INTERRUPTED


def main() -> None:
    """Entry point of the `windtunnel` command."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a job in the background ignores interrupts
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from windtunnel.cli import exit_code

        code = exit_code(sys.argv[1:])
    except KeyboardInterrupt:
        code = interrupted()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done; the interpreter's own end would print a traceback
    if code == EXIT_INTERRUPTED:
        _end()
    sys.exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.unraisablehook = _dropped
    raise KeyboardInterrupt


def _dropped(dropped: sys.UnraisableHookArgs) -> None:
    """Python drops what is raised while an object is deleted. A dropped interrupt comes again a moment later; the rest
    is objects that the interrupt left half-made."""
    if dropped.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, _thread.interrupt_main).start()


def _end() -> NoReturn:
    """End with the exit code. CPython's own end signals itself instead, where an interrupt came within `exec`."""
    atexit._run_exitfuncs()  # semaphores of the workers, above all
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_INTERRUPTED)
