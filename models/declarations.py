"""What a scenario declares of its requests, for verification: risks, classes of data, how approving is a request.

Conditions are Cedar over `principal`, `action`, `resource` and `context`, as in a policy's `when`. A request on which
one errors counts as the graver case: risky, handling the class, outside its regions.
"""

from __future__ import annotations

from pydantic import Field

from models.part import Condition, EntityUid, Name, Part


class Risk(Part):
    """Requests that must never be allowed without an approval (check P205)."""

    description: str = ""
    """What is at stake, for readers."""
    actions: tuple[EntityUid, ...] = ()
    """Cedar actions, or groups of them. No key: every action."""
    when: Condition | None = None
    """Which requests for the actions are risky. No key: all of them."""


class DataClass(Part):
    """A class of data and the regions that it stays in (check P301; breaches in a run are counted). Steps name it in
    `data`."""

    description: str = ""
    """What the data is, for readers."""
    regions: tuple[Name, ...] = Field(min_length=1)
    """Regions that the data may be in; a site says which `region` it is in."""
    actions: tuple[EntityUid, ...] = ()
    """Cedar actions, or groups of them, whose requests may handle the data. No key: every action."""
    when: Condition | None = None
    """Which requests for the actions handle the data; goes with `within`. No key: policies are not asked."""
    within: Condition | None = None
    """Which of those requests leave the data within its regions."""


class Approvals(Part):
    """How approving is itself a request under the same policies (checks P203, P206, P207).

    The approver is the `principal`. Which approvers a desk has is told by the desk's `people`.
    """

    action: EntityUid
    """The Cedar action of an approval."""
    by_asker: Condition | None = None
    """Which approvals come from who asked, such as `principal == resource.requester`. No key: it is not told."""
    again: Condition | None = None
    """Which approvals come from who approved the same request before, such as `resource.approvers.contains(principal)`.
    No key: it is not told."""
