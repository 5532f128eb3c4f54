"""Which requests the scope of a policy admits, as far as its action says: an index, so that no policy is looked at in
environments that it has nothing to do with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cedarpy import pst

from models.cedar.policies import Policy
from models.cedar.types import RequestEnvironment, Schema
from models.cedar.uids import Uid


class Reach:
    """The request environments of a schema, by action and by action group."""

    def __init__(self, schema: Schema) -> None:
        found: dict[str, list[RequestEnvironment]] = {}
        for environment in schema.environments():
            found.setdefault(environment.action, []).append(environment)
        self.environments: Mapping[str, tuple[RequestEnvironment, ...]] = {
            action: tuple(environments) for action, environments in found.items()
        }
        self._groups: dict[str, set[str]] = {}
        for action in found:
            for above in _and_above(action, schema):
                self._groups.setdefault(above, set()).add(action)

    def actions(self, policy: Policy) -> Collection[str]:
        """The actions of requests that the scope of a policy admits."""
        match policy.syntax.action:
            case pst.ActionEq(uid):
                return {_text(uid)} & self.environments.keys()
            case pst.ActionIn(uids):
                return frozenset[str]().union(*(self._groups.get(_text(uid), ()) for uid in uids))
        return self.environments.keys()


def _and_above(action: str, schema: Schema) -> set[str]:
    """An action and every group it is in."""
    found, pending = {action}, [action]
    while pending:
        declared = schema.actions.get(pending.pop())
        news = set(declared.parents if declared else ()) - found
        pending += news
        found |= news
    return found


def _text(uid: pst.EntityUid) -> str:
    return str(Uid(str(uid.type), uid.id))
