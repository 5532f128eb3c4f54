"""Monitors: drift detectors on labels, and what they do at an alarm."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.fleet import ZERO_DURATION
from models.laws import DurationLaw
from models.part import AttributeName, Count, Name, Part
from models.units import Probability

_Inside = Annotated[float, Field(gt=0, lt=1)]
_Sample = Annotated[int, Field(ge=2, le=1000)]


class PageHinkley(Part):
    """The Page-Hinkley test for a rise of the mean (Page 1954; the form and defaults of river 0.26.1).

    With x_t the labels (1 for a wrong attempt): mean_t the running mean, S_t = alpha * S_(t-1) + (x_t - mean_t -
    delta); alarm when S_t - min S exceeds the threshold and at least `minimum` labels were seen.
    """

    kind: Literal["page-hinkley"]
    minimum: Count = 30
    """Labels seen before the first alarm."""
    delta: Annotated[float, Field(ge=0)] = 0.005
    """Rise of the mean that is tolerated."""
    threshold: Annotated[float, Field(gt=0)] = 50.0
    """How far S may rise above its least value."""
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.9999
    """How slowly the past is forgotten; 1 never forgets."""


class Adwin(Part):
    """ADWIN, for any change of the mean (Bifet and Gavalda 2007; the form and defaults of river 0.26.1).

    It keeps a window of labels, and alarms when two parts of it differ by more than chance explains.
    """

    kind: Literal["adwin"]
    delta: _Inside = 0.002
    """Chance of an alarm without a change, of one comparison."""
    clock: Count = 32
    """The window is looked at each time so many labels have come."""


class Cusum(Part):
    """Page's CUSUM (1954) for a rise of the error rate from `p0` to `p1`; `errors` and `format` only.

    S = max(0, S + ln(p1/p0)) at an error, max(0, S + ln((1-p1)/(1-p0))) otherwise; alarm when S is at least the
    threshold. Of 0.05 to 0.15 with threshold 5: a false alarm in about 4000 labels (measured), the true one after 63.
    """

    kind: Literal["cusum"]
    p0: _Inside
    """Error rate without drift."""
    p1: _Inside
    """Error rate that shall be noticed; above `p0`."""
    threshold: Annotated[float, Field(gt=0)]
    """How far S may rise."""


class DDM(Part):
    """DDM, the drift detection method (Gama and others 2004; the form and defaults of river 0.26.1); `errors` and
    `format` only.

    With p the error rate so far and s = sqrt(p (1 - p) / n): alarm when p + s is above the least such p plus `drift`
    of its s. Where there was no error before, the first one raises the alarm.
    """

    kind: Literal["ddm"]
    minimum: Count = 30
    """Labels seen before the first alarm."""
    drift: Annotated[float, Field(gt=0)] = 3.0
    """How many s make an alarm."""


class PSI(Part):
    """The population stability index: the sum over bins of (a - e) ln(a / e), a and e the shares of a window and of the
    reference; alarm when it exceeds the threshold. Bins end at the reference's quantiles; an empty one counts as half a
    label. An error rate of 0.05 that becomes 0.15 has an index of 0.12 only.
    """

    kind: Literal["psi"]
    reference: _Sample
    """Labels that say how it should be: the first ones, and after an alarm the next ones."""
    window: _Sample
    """Labels of each comparison; no label is in two."""
    bins: Annotated[int, Field(ge=2, le=100)] = 10
    """Bins at most; equal values are not parted."""
    threshold: Annotated[float, Field(gt=0)] = 0.25
    """The usual rule calls 0.1 moderate and 0.25 large (a convention of credit scoring)."""


class KS(Part):
    """The two-sample Kolmogorov-Smirnov test of a window against the reference, exact; alarm when p is below `alpha`.

    Each window is a test of its own: without drift about one in 1/alpha alarms.
    """

    kind: Literal["ks"]
    reference: _Sample
    """Labels that say how it should be: the first ones, and after an alarm the next ones."""
    window: _Sample
    """Labels of each comparison; no label is in two."""
    alpha: _Inside = 0.05
    """How rare a distance must be (the customary level)."""


Detector = Annotated[PageHinkley | Adwin | Cusum | DDM | PSI | KS, Field(discriminator="kind")]


class Monitor(Part):
    """A detector on sampled, delayed labels of a capability's attempts, or of a pool's requests."""

    agent: Name
    """The pool it watches."""
    capability: Name = ""
    """Its capability that is watched; goes with all but `refusals`."""
    watches: Literal["errors", "latency", "format", "cost", "attribute", "refusals"] = "errors"
    """What a label is: 1 for a wrong attempt; seconds from the slot to the answer; 1 for an answer that cannot be read;
    the attempt's cost with its calls; an attribute of its case; 1 for a request of the pool, or of a compromised agent
    in it, that was denied or escalated."""
    attribute: AttributeName | None = None
    """The attribute, a whole number, or true or false (1 or 0); cases without it have no label. Goes with
    `watches: attribute`."""
    detector: Detector
    """The test that raises the alarm."""
    sample: Probability = 1.0
    """Share of attempts that get a label."""
    delay: DurationLaw = Field(default=ZERO_DURATION)
    """Time from the attempt to its label."""
    action: Literal["alert", "roll-back", "route", "stop", "quarantine"] = "alert"
    """`roll-back` undoes the last drift; `route` gives the capability's steps to people from then on, `stop` fails its
    attempts from then on, both until the end of the run; `quarantine` takes out the pool's compromised agents, if there
    are any then. `refusals` go with `alert` and `quarantine`."""
    to: Name | None = None
    """The desk that `route` gives the steps to; its people do them right (an assumption). Goes with `route`."""
