"""Rollouts: a new model, policy set or workflow that takes over in stages, and the rule that takes it back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.fleet import ZERO_DURATION
from models.laws import DurationLaw, SuccessLaw
from models.part import Count, Name, Part
from models.units import Duration, Probability

_Factor = Annotated[float, Field(gt=0, le=10_000.0)]


class Successor(Part):
    """What the new model is like, beside the old one, or the name of the new workflow. What is not given of a model
    stays as it is."""

    workflow: Name | None = None
    """The workflow that cases take instead; goes with `of: workflow`, alone."""
    success: SuccessLaw | None = None
    """Its law of success."""
    latency: _Factor = 1.0
    """How many times as long its own work and its calls take."""
    cost: _Factor = 1.0
    """How many times as much its attempts and their calls cost."""
    unreadable: Probability = 0.0
    """Share of its answers that cannot be read, which fails the attempt (`format`)."""


class Stage(Part):
    """A share of the cases for a time."""

    share: Annotated[Probability, Field(gt=0)]
    """Share of the cases that arrive meanwhile."""
    lasts: Duration
    """How long it lasts. After the last stage every case that arrives has what is new."""


class RollBack(Part):
    """The rule that takes a rollout back: too many wrong answers of the new model (`errors`, `labels`), or an objective
    that is missed by the cases of the stages (`objective`, `cases`)."""

    errors: Annotated[Probability, Field(lt=1)] | None = None
    """Share of wrong answers among the labels that is still borne."""
    labels: Count | None = None
    """Labels before the rule is asked; from then on it is asked at each. Goes with `errors`."""
    sample: Probability = 1.0
    """Share of the new model's answers that get a label. Goes with `errors`."""
    delay: DurationLaw = Field(default=ZERO_DURATION)
    """Time from the answer to its label. Goes with `errors`."""
    objective: Name | None = None
    """An objective over cases (`case-share`, `case-time` or `case-cost`): it is measured within the run, over the cases
    of the stages that arrived after the warm-up and are of its stream."""
    cases: Count | None = None
    """Cases before the rule is asked, of those that have ended, or are older than the objective's time where it has
    one. From then on it is asked at each. Goes with `objective`."""
    when: Literal["fails", "may-fail"] = "fails"
    """`fails`: the limit is missed even if all goes well with the cases that have not ended; `may-fail`: it is missed
    if none does. The figure is compared as it is, without an interval. Goes with `objective`."""


class Rollout(Part):
    """Something new takes over in stages (a canary). A case keeps what it got by its arrival, as long as the rollout is
    not taken back."""

    of: Literal["model", "policies", "workflow"]
    """What is rolled out: a new model of a capability, another policy set, or another workflow."""
    agent: Name | None = None
    """The pool; goes with `model`."""
    capability: Name | None = None
    """Its capability that gets a new model; goes with `model`."""
    workflow: Name | None = None
    """The workflow whose cases take another; goes with `workflow`."""
    to: Successor | None = None
    """What the new model is like, or the name of the new workflow; goes with `model` and `workflow`."""
    path: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """The new policies: a `.cedar` file or a folder of them, from the scenario file; goes with `policies`. A schema and
    entities are looked for beside them, else they are those of the scenario's own policies, as the profile is. What is
    verified are the scenario's own; `windtunnel diff` tells what another set changes."""
    mode: Literal["canary", "shadow"] = "canary"
    """`shadow`: both policy sets decide on the cases of the stage, the scenario's own is acted on, and differences are
    counted by rule. Goes with `policies`."""
    at: Duration
    """Simulated time when the first stage begins."""
    stages: Annotated[tuple[Stage, ...], Field(max_length=20)] = ()
    """Growing shares. No key: every case that arrives from `at` on."""
    roll_back: RollBack | None = None
    """When it is taken back: attempts and decisions that begin from then on are the old ones' again, and cases that
    arrive take the old workflow; those under way go on in the new one. No key: never."""
