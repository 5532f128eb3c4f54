"""What journals are made of: files of lines that are only ever appended to, each of them whole or not there.

A line is a JSON object behind its sha256. It is written at once; where that fails half-way, what was written of it is
taken back. One that was cut off by a kill, or is not as it was written, is passed over when the file is read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final

from models.diagnostics import input_error

try:
    import fcntl
except ImportError:  # pragma: no cover - not on this system: two runs of one name are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

LINE_BYTES_MAX: Final = 16_000_000
_SYNC_SECONDS: Final = 1.0
"""How much work a power cut may cost. Syncing each line would cost more than a short replication takes."""


def line(values: Mapping[str, Any]) -> bytes:
    """A line that says these values."""
    text = json.dumps(values, separators=(",", ":"))
    return f"{hashlib.sha256(text.encode()).hexdigest()} {text}\n".encode()


def said(data: bytes) -> dict[str, Any] | None:
    """What a line says; None where it was cut off or is not as it was written."""
    digest, _, text = data.rstrip(b"\n").partition(b" ")
    if not data.endswith(b"\n") or hashlib.sha256(text).hexdigest().encode() != digest:
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def first_line(file: Path) -> dict[str, Any] | None:
    """What the first line of a file says; None where there is none that says anything."""
    try:
        with file.open("rb") as stream:
            return said(stream.readline(LINE_BYTES_MAX))
    except OSError:
        return None


class Lines:
    """An open file of lines, locked: one process writes it."""

    def __init__(self, file: Path, descriptor: int) -> None:
        self._file = file
        self._descriptor = descriptor
        self._synced = monotonic()
        self.count = 0
        """Lines that were appended since it was opened."""

    def read(self) -> Iterator[dict[str, Any]]:
        """What the lines say, in order. The rest of one that was cut off at the end is taken away."""
        with self._file.open("rb") as stream:
            whole = 0
            while data := stream.readline(LINE_BYTES_MAX):
                if data.endswith(b"\n"):
                    whole = stream.tell()
                if (values := said(data)) is not None:
                    yield values
        os.ftruncate(self._descriptor, whole)

    def append(self, values: Mapping[str, Any]) -> None:
        """Add a line. Raises OSError where it cannot be written; the file is then as it was before."""
        data = line(values)
        before = os.fstat(self._descriptor).st_size
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise
        self.count += 1
        if monotonic() - self._synced > _SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """See to it that what was written outlasts a power cut."""
        os.fsync(self._descriptor)
        self._synced = monotonic()

    def clear(self) -> None:
        """Begin anew."""
        os.ftruncate(self._descriptor, 0)


@contextmanager
def open_lines(file: Path, out: Path) -> Iterator[Lines]:
    """Open a file of lines to read and append. `out` is what it is the journal of.

    Raises InputError where it cannot be written, or another process writes it.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:
        raise input_error(f"its journal cannot be written: {error.strerror}", str(file)) from None
    try:
        _lock(descriptor, out)
        yield Lines(file, descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, out: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        help = "wait for it, or name another folder by `--out`"
        raise input_error("another process is writing this run", str(out), help) from None
