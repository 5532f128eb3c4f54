"""What every mapping of a scenario file is made of: its manners, and the names it may hold."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Discriminator, Field

from models.diagnostics import quoted
from models.units import TextType, value_error

NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,62}$"
ATTRIBUTE_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62}){0,7}$"
ENTITY_UID = r'^([A-Za-z_][A-Za-z0-9_]*::)+"[^"\\]{0,200}"$'

Name = Annotated[str, Field(pattern=NAME)]
AttributeName = Annotated[str, Field(pattern=ATTRIBUTE_NAME)]
"""A case attribute. Dots nest records: `input.amount` is `context.input.amount` in a policy."""
STEP_NAME = rf"{NAME[:-1]}\.{NAME[1:-1]}(/[1-9][0-9]?)?$"
StepName = Annotated[str, Field(pattern=STEP_NAME)]
"""`workflow.step`, or `workflow.step/n` for the n-th agent that its attempts call."""
EntityUid = Annotated[str, Field(pattern=ENTITY_UID, examples=['Agent::"triage"'])]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Condition = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        json_schema_extra={"$comment": "Cedar condition", "examples": ["context.amount > 500"]},
    ),
]
"""A condition in Cedar's language, as the `when` of a policy holds it."""


VALUE: Final = "<value>"
WORD: Final = "<word>"
"""Tags of what a key takes that takes a value of its own or a word instead; no key of a file is written so."""


def _shape(value: object) -> str:
    return WORD if isinstance(value, str) else VALUE


OR_WORD: Final = Discriminator(_shape)
"""Tells a word from a value, so that a fault is told of the one that is meant."""


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Part(BaseModel):
    """A frozen, strict mapping with kebab-case keys and no unknown ones."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=_kebab,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


START_YEARS = range(1970, 2200)
"""Years a scenario may start in: what the time zone database and calendar arithmetic cover with room to spare."""


def _start(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise value_error(f"{quoted(value)} is not a start", "a time with a zone, such as `2026-01-05T00:00:00Z`")
    if moment.year not in START_YEARS:
        expected = f"a year from {START_YEARS[0]} to {START_YEARS[-1]}"
        raise value_error(f"{quoted(value)} is out of range", expected)
    return moment


Start = Annotated[
    datetime,
    TextType("time", _start, datetime.isoformat, {"type": "string", "examples": ["2026-01-05T00:00:00Z"]}),
]
