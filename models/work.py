"""Streams of cases: when they arrive, and what is drawn for each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.laws import AttributeLawText, DurationLaw, NumberLaw, parse_number_law
from models.part import AttributeName, Name, Part
from models.units import Duration, Probability, Rate


class Poisson(Part):
    """Independent arrivals at a constant rate."""

    kind: Literal["poisson"]
    rate: Rate
    """Mean rate."""


class Weekly(Part):
    """A Poisson process whose rate follows the calendar: `rate x by-hour x by-weekday`, both scaled to mean 1."""

    kind: Literal["weekly"]
    rate: Rate
    """Mean rate over a week."""
    timezone: str = "UTC"
    """IANA name of the zone whose clock the weights follow."""
    by_hour: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(1.0,) * 24, min_length=24, max_length=24)
    """Weight of each hour of the day, local time."""
    by_weekday: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(1.0,) * 7, min_length=7, max_length=7)
    """Weight of each weekday, Monday first."""


class Renewal(Part):
    """Independent lognormal times between arrivals with a given coefficient of variation (0: evenly spaced)."""

    kind: Literal["renewal"]
    rate: Rate
    """Mean rate."""
    cv: Annotated[float, Field(ge=0.0, le=100.0)]
    """Standard deviation over mean of the times between arrivals."""


class Modulated(Part):
    """A Markov-modulated Poisson process (MMPP): a state decides the rate, and the states change by themselves.

    Each stay in a state is exponential. The run begins in a state of the process's stationary law.
    """

    kind: Literal["mmpp"]
    rates: tuple[Rate, ...] = Field(min_length=2, max_length=10)
    """Rate of arrivals in each state."""
    stays: tuple[Duration, ...] = Field(min_length=2, max_length=10)
    """Mean time of a stay in each state."""
    to: tuple[tuple[Probability, ...], ...] | None = None
    """For each state, the chances of the state that comes after it. No key: the next in the list, and after the last
    the first (an assumption)."""


class Trace(Part):
    """Arrivals at the times of a CSV file, the first row at the start of the run; or whole cases, a row each."""

    kind: Literal["trace"]
    file: str = Field(min_length=1, max_length=500)
    """Path from the scenario file."""
    column: str = Field(min_length=1, max_length=200)
    """The column with the arrival times: ISO 8601, or seconds as a number. Rows must be in ascending order."""
    speed: Annotated[float, Field(gt=0)] = 1.0
    """2 replays twice as fast."""
    attributes: dict[AttributeName, Annotated[str, Field(min_length=1, max_length=200)]] = Field(default_factory=dict)
    """Columns that hold attributes of the cases: they are read, not drawn. Each has a law in the work's `attributes`,
    which tells its type and the values that a row may have; the law's chances then mean nothing. Numbers are whole."""


Arrivals = Annotated[Poisson | Weekly | Renewal | Modulated | Trace, Field(discriminator="kind")]


class Work(Part):
    """A stream of cases."""

    workflow: Name
    """What happens to the cases."""
    arrivals: Arrivals
    """When cases arrive."""
    batch: NumberLaw = Field(default=parse_number_law("1"))
    """Cases that come with one arrival, to the nearest whole number, each with attributes of its own."""
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    """Rank in queues with `order: priority`; 0 is served first."""
    priority_from: AttributeName | None = None
    """A whole-number attribute that is each case's priority, instead of `priority`: below 0 it counts as 0, above 100
    as 100."""
    deadline: DurationLaw | None = None
    """Time from a case's arrival until it should have ended, drawn for each case; one that has not is `late`."""
    on_deadline: Literal["keep", "cancel"] = "keep"
    """`cancel` ends a late case at its deadline (`expired`), wherever it is; `keep` only counts it."""
    withdrawal: DurationLaw | None = None
    """Time from a case's arrival until whoever brought it takes it back (`cancelled`), if it has not ended by then."""
    attributes: dict[AttributeName, AttributeLawText] = Field(default_factory=dict)
    """What is drawn for each case; policies and conditions see it as `context`."""
