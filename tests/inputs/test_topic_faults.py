"""Topics that cannot be used: what is wrong, at its place; and what verification takes from good ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.diagnostics import InputError
from models.load import load
from verify.verify import verify

GOOD = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 2d
policies: {path: policies.cedar}
sites: {eu: {region: eu}, us: {region: us}}
agents: {pool: {site: eu, principal: 'Agent::"a"', capabilities: {work: {service: 1s}}}}
topics:
  orders: {site: us, capacity: 9, when-full: reject, acknowledge-within: 5s, consumers: {workflow: pay, site: eu}}
  notes: {site: eu, consumers: {workflow: note}}
workflows:
  flow: {start: tell, steps: {tell: {kind: publish, topic: orders, site: eu, timeout: 9s, data: [personal]}}}
  pay:
    start: work
    steps:
      work:
        kind: task
        agent: pool
        capability: work
        action: Action::"pay"
        resource: Account::"any"
        next: tell
      tell: {kind: publish, topic: notes}
  note: {start: rest, steps: {rest: {kind: wait, duration: 1s}}}
  idle: {start: rest, steps: {rest: {kind: wait, duration: 1s}}}
work: {stream: {workflow: flow, arrivals: {kind: poisson, rate: 1/s}, attributes: {amount: 'uniform(low=0, high=9)'}}}
data: {personal: {regions: [eu]}}
faults: [{kind: contract-skew, topic: orders, share: 0.5, at: 1h, lasts: 2h}]
"""


POLICIES = """\
@id("big") forbid (principal, action, resource) when { context.amount > 20 };
@id("rest") permit (principal, action == Action::"pay", resource);
"""


def write(folder: Path, text: str) -> Path:
    (folder / "policies.cedar").write_text(POLICIES)
    (folder / "scenario.yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("good", "bad", "message", "help"),
    [
        ("topic: orders, site", "topic: order, site", "unknown topic `order`", "did you mean `orders`"),
        ("topic: orders, site: eu", "topic: orders, site: ue", "unknown site `ue`", "known sites"),
        ("orders: {site: us", "orders: {site: uk", "unknown site `uk`", "known sites"),
        ("workflow: pay, site: eu", "workflow: pay, site: uu", "unknown site `uu`", "eu"),
        ("workflow: note}}", "workflow: nota}}", "unknown workflow `nota`", "did you mean `note`"),
        ("topic: notes}", "topic: orders}", "nobody publishes to topic `notes`", "add a step"),
        ("topic: notes}", "topic: orders}", "what workflow `pay` publishes comes back to it", "let its messages"),
        ("acknowledge-within: 5s, ", "", "a delivery that is lost would never be noticed", "add `acknowledge-within`"),
        ("acknowledge-within: 5s", "acknowledge-within: 0s", "`acknowledge-within` is zero", "above zero"),
        ("orders: {site: us, ", "orders: {", "the consumers have a site and the topic has none", "add `site`"),
        ("capacity: 9, ", "", "a topic without a `capacity` is never full", "add `capacity`"),
        ("capacity: 9", "capacity: 0", "`0` is out of range", ""),
        ("topic: orders, share", "topic: order, share", "unknown topic `order`", "did you mean `orders`"),
        (
            "topic: orders, share",
            "share",
            "a `contract-skew` needs one thing to strike",
            "one of `endpoint` and `topic`",
        ),
        ("share: 0.5", "share: 0", "`0` is out of range", ""),
        ("timeout: 9s", "timeout: 0s", "`timeout` is zero", "above zero"),
        ("topic: notes}", "topic: notes, next: tell}", "steps go round without a `limit`", "limit"),
        (
            "topic: notes}",
            "topic: notes, next: tell, limit: 3, on-limit: tell}",
            "steps go round in no time",
            "on-limit",
        ),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, good: str, bad: str, message: str, help: str) -> None:
    assert GOOD.count(good) == 1
    with pytest.raises(InputError) as caught:
        load(write(tmp_path, GOOD.replace(good, bad)))
    found = [(one.message, one.help) for one in caught.value.diagnostics]
    assert any(message in told and help in (advice or "") + told for told, advice in found), found


def test_consumers_see_the_cases_that_publish(tmp_path: Path) -> None:
    scenario = load(write(tmp_path, GOOD)).scenario
    assert scenario.workflows_of(scenario.work["stream"]) == ("flow", "pay", "note")


def test_verification_asks_of_consumers_and_of_topics(tmp_path: Path) -> None:
    """What a consumer may do is looked at, and the topic in the US handles what must stay in the EU."""
    loaded = load(write(tmp_path, GOOD))
    findings = verify(loaded.policies, loaded, checks=["P301", "P303"]).findings
    told = "\n".join(finding.message for finding in findings)
    assert "The topic `orders`" in told
    assert "`pay.work`" in told
    inside = load(write(tmp_path, GOOD.replace("orders: {site: us", "orders: {site: eu")))
    told = "\n".join(finding.message for finding in verify(inside.policies, inside, checks=["P301"]).findings)
    assert "The topic `orders`" not in told
