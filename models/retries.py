"""What happens after a failed attempt: when the next one begins, and whether there is one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from models.part import OR_WORD, VALUE, WORD, Part
from models.units import DAY, SECOND, Duration


class Retry(Part):
    """Attempt n waits `backoff * factor^(n-1)`, capped and jittered, before attempt n+1."""

    attempts: Annotated[
        Annotated[int, Field(ge=1, le=1000), Tag(VALUE)] | Annotated[Literal["unlimited"], Tag(WORD)], OR_WORD
    ] = 1
    """Attempts at most, the first included. `unlimited`: as many as the case lives to see, which a `deadline` of the
    step, or one of the work with `on-deadline: cancel`, may bound; `verify` notes where nothing does."""
    backoff: Duration = SECOND
    """Wait before the second attempt."""
    factor: Annotated[float, Field(ge=1.0, le=10.0)] = 2.0
    """Growth of the wait from one attempt to the next."""
    max_backoff: Duration = DAY
    """Longest wait, before jitter."""
    jitter: Literal["none", "equal", "full", "added"] = "none"
    """`full`: uniform in (0, wait); `equal`: half the wait plus uniform in (0, half the wait); `added`: the wait plus
    uniform in (0, 1 s), as LangGraph has it."""
