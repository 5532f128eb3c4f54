"""A backtest counts what cedarpy decides, request by request."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cedar.decision import authorize
from models.cedar.load import load_policies, policy_set
from models.cedar.recorded import RecordedRequest, read_requests
from models.diagnostics import InputError
from verify.backtest import backtest, to_json

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "cedar"

SCHEMA = """
entity Agent; entity Order;
action refund appliesTo { principal: [Agent], resource: [Order], context: { amount: Long, region?: String } };
"""
OLD = """
@id("any") permit(principal, action, resource);
@id("cap") @escalate("finance") forbid(principal, action, resource) when { context.amount > 500 };
@id("abroad") forbid(principal, action, resource) when { context has region && context.region == "abroad" };
@id("overflows") forbid(principal, action, resource) when { context.amount + 9223372036854775000 < 0 };
"""
NEW = OLD.replace("> 500", "> 900").replace('context.region == "abroad"', "context.amount == 0")


def request(
    line: int, amount: int, *, region: str | None = None, approved: bool = False, decision: str | None = None
) -> RecordedRequest:
    context = {"amount": amount} | ({} if region is None else {"region": region})
    approvals = frozenset({"finance"} if approved else ())
    return RecordedRequest(
        line,
        'Agent::"a"',
        'Action::"refund"',
        'Order::"1"',
        context,
        None,
        approvals,
        decision,  # type: ignore[arg-type]
    )


requests = st.lists(
    st.builds(
        request,
        st.just(1),
        st.sampled_from([-1, 0, 500, 501, 900, 901]),
        region=st.sampled_from([None, "abroad", "home"]),
        approved=st.booleans(),
        decision=st.sampled_from([None, "allow", "deny", "escalate"]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(requests)
def test_counts_are_those_of_single_decisions(asked: list[RecordedRequest]) -> None:
    old, new = policy_set(OLD, SCHEMA), policy_set(NEW, SCHEMA)
    result = backtest(old, asked, new)
    pairs = [tuple(authorize(s, r.asked, None, r.approvals).outcome for s in (old, new)) for r in asked]
    assert result.requests == len(asked)
    assert result.before == Counter(before for before, _ in pairs)
    assert result.after == Counter(after for _, after in pairs)
    moved = Counter[tuple[str, str]]()
    for change in result.changes:
        moved[change.before, change.after] += change.count
        assert change.first in asked
    assert moved == Counter(pair for pair in pairs if pair[0] != pair[1])
    on_record = [(r.decision, before) for r, (before, _) in zip(asked, pairs, strict=True) if r.decision]
    assert result.unlike_record == sum(recorded != before for recorded, before in on_record)


def test_one_set_is_held_against_the_decisions_on_record() -> None:
    asked = [request(1, 1, decision="allow"), request(2, 600, decision="allow"), request(3, 700)]
    result = backtest(policy_set(OLD, SCHEMA), asked)
    (change,) = result.changes
    assert (change.kind, change.count, change.first.line) == ("newly-escalated", 1, 2)
    assert [rule.name for rule in change.rules_after] == ["cap"]
    assert (result.before, result.after) == ({"allow": 2}, {"allow": 1, "escalate": 2})


def test_rules_that_decide_and_rules_that_err_are_counted() -> None:
    result = backtest(policy_set(OLD, SCHEMA), [request(1, 600), request(2, 900, region="abroad"), request(3, 1)])
    uses = {use.rule.name: (use.after, use.errors) for use in result.rules}
    assert uses == {"any": (1, 0), "cap": (1, 0), "abroad": (1, 0), "overflows": (0, 1)}


def test_forbidden_changes_fail() -> None:
    result = backtest(policy_set(OLD, SCHEMA), [request(1, 600)], policy_set(NEW, SCHEMA))
    assert to_json(result)["verdict"] == "pass"
    assert to_json(result, ["newly-denied"])["verdict"] == "pass"
    assert to_json(result, ["unescalated"])["verdict"] == "fail"
    assert to_json(result)["changed"]["unescalated"] == 1


def test_requests_outside_the_schema_are_counted_and_unreadable_ones_told() -> None:
    policies = policy_set(OLD, SCHEMA)
    stranger = RecordedRequest(1, 'User::"a"', 'Action::"refund"', 'Order::"1"', {}, None, frozenset(), None)
    assert backtest(policies, [stranger]).outside_schema == 1
    broken = RecordedRequest(
        7, 'Agent::"a"', 'Action::"refund"', 'Order::"1"', {"amount": 1.5}, None, frozenset(), None
    )
    with pytest.raises(InputError, match=r"log\.jsonl:7"):
        backtest(policies, [broken], file="log.jsonl")


@pytest.mark.skipif(not DATA.is_dir(), reason="the public requests are not beside the project")
@pytest.mark.parametrize("path", sorted(DATA.glob("examples/**/requests.json")), ids=lambda path: path.parent.name)
def test_public_requests_are_decided_as_recorded(path: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    cases = json.loads(path.read_text())
    lines = []
    for case in cases:
        entities = case["entities"]
        store = json.loads((path.parent / entities).read_text()) if isinstance(entities, str) else entities
        lines.append(json.dumps(case | {"entities": store, "decision": case["expected"]}))
    log.write_text("\n".join(lines))
    links = path.parent / "links.json"
    policies = load_policies(
        path.parent / "policies.cedar",
        schema=path.parent / "schema.cedarschema",
        links=links if links.is_file() else None,
    )
    result = backtest(policies, read_requests(log))
    assert result.requests == len(cases)
    assert result.unlike_record == 0
    assert result.changes == ()
