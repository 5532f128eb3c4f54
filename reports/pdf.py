"""A page as PDF, printed by a Chromium of this machine: it may fetch nothing, and what takes long is stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from models.diagnostics import input_error

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS_MAX: Final = 120
"""How long printing may take: a report of some hundred pages takes a few seconds (measured)."""

_QUIET: Final = (
    *("--headless", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-component-update"),
    *("--disable-background-networking", "--disable-extensions", "--no-pdf-header-footer"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def write_pdf(path: Path, page: Path) -> Path:
    """Print a page. Raises InputError where there is no browser, it fails, or the place cannot be written."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        help = "install chromium, or print report.html from any browser"
        raise input_error(f"a PDF needs a browser: none of {', '.join(BROWSERS)} is on the PATH", "--format", help)
    if not path.parent.is_dir():
        raise input_error("cannot be written: there is no such folder", str(path), "choose another place")
    root = ["--no-sandbox"] if os.geteuid() == 0 else []  # its sandbox does not run as root
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder) / "page.pdf"
        command = [found, *_QUIET, *root, f"--user-data-dir={folder}/profile", f"--print-to-pdf={printed}"]
        try:
            done = subprocess.run(  # noqa: S603 - a browser, and a page of our own
                [*command, page.resolve().as_uri()], capture_output=True, timeout=SECONDS_MAX, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise input_error(f"{found} did not print it: {type(error).__name__}", str(path)) from None
        if done.returncode or not printed.is_file():
            raise input_error(f"{found} did not print it (exit {done.returncode})", str(path))
        try:
            shutil.copyfile(printed, path)
        except OSError as error:
            raise input_error(f"cannot be written: {error.strerror}", str(path), "choose another place") from None
    return path
