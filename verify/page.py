"""The page of the checks, `docs/checks.md`: what each asks, why it matters, how to mend."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from verify.catalogue import CATALOGUE

_BESIDE = Path(__file__).with_name("checks.md")
"""Where the page lies in an installed package."""
_IN_DOCS = Path(__file__).parents[1] / "docs" / "checks.md"
"""Where it lies in a checkout."""


def check_named(text: str) -> str | None:
    """The id of the check that an id or a name means, in small letters or capitals; None where there is none."""
    wanted = text.strip().casefold()
    return next((check.id for check in CATALOGUE.values() if wanted in (check.id.casefold(), check.name)), None)


@cache
def section(check: str) -> str:
    """What the page says of a check of the catalogue, in Markdown, without the heading."""
    page = (_BESIDE if _BESIDE.is_file() else _IN_DOCS).read_text(encoding="utf-8")
    heading = f"### {check} {CATALOGUE[check].name}\n"
    after = page.split(heading, 1)[1]
    return re.split(r"^##", after, maxsplit=1, flags=re.MULTILINE)[0].strip()
