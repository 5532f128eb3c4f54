"""A linked template is the policy that it stands for: by its decisions, and by where its faults are told."""

from __future__ import annotations

import json

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cedar.decision import matching
from models.cedar.load import policy_set
from models.cedar.uids import Uid
from models.diagnostics import InputError
from verify.verify import verify

SCHEMA = """
entity Team; entity User in [Team]; entity Box; entity Doc in [Box] { secret: Bool };
action view appliesTo { principal: [User], resource: [Doc] };
"""
TEXT = """// who may see what; ?principal here is no slot
@id("share")
permit (principal == ?principal, action == Action::"view", resource in ?resource)
when { !resource.secret || "?resource" == "x" };

@id("team") permit (principal in ?principal, action, resource == Doc::"plan");
@id("plain") forbid (principal == User::"mallory", action, resource);
"""


def link(template: str, name: str, **args: str) -> dict[str, object]:
    return {"template_id": template, "link_id": name, "args": {f"?{slot}": uid for slot, uid in args.items()}}


uids = st.builds(Uid, st.sampled_from(["User", "Team", "Box", "Doc"]), st.text('ab?"\\ ;', max_size=4))
entities = [
    {"uid": {"type": "User", "id": "anna"}, "attrs": {}, "parents": [{"type": "Team", "id": "red"}]},
    {"uid": {"type": "Doc", "id": "plan"}, "attrs": {"secret": False}, "parents": [{"type": "Box", "id": "b"}]},
    {"uid": {"type": "Doc", "id": "key"}, "attrs": {"secret": True}, "parents": [{"type": "Box", "id": "b"}]},
]


@settings(max_examples=80, deadline=None)
@given(uids, uids, uids, st.text(max_size=5))
def test_cedarpy_links_to_the_same_decisions(principal: Uid, resource: Uid, team: Uid, name: str) -> None:
    links = [
        link("share", f"one {name}", principal=str(principal), resource=str(resource)),
        link("team", f"two {name}", principal=str(team)),
    ]
    ours = policy_set(TEXT, links=json.dumps(links))
    theirs = cedarpy.PolicySet.from_str(TEXT)
    for position, (template, each) in enumerate(zip(("policy0", "policy1"), links, strict=True)):
        theirs = theirs.with_linked(template, f"link{position}", each["args"])
    for user in ("anna", "bo"):
        for doc in ("plan", "key"):
            request = {"principal": f'User::"{user}"', "action": 'Action::"view"', "resource": f'Doc::"{doc}"'}
            request["context"] = {}  # type: ignore[assignment]
            said = cedarpy.is_authorized(request, theirs, entities)
            matched, _ = matching(ours, request, entities)
            assert said.decision.value.lower() == ("allow" if matched else "deny")


def test_links_are_named_and_stand_where_their_template_stands() -> None:
    links = [
        link("share", "anna sees", principal='User::"anna"', resource='Box::"b"'),
        link("team", "red sees", principal='Team::"red"'),
    ]
    policies = policy_set(TEXT, SCHEMA, links=json.dumps(links))
    assert [(p.name, p.span.line, p.span.column) for p in policies.policies] == [
        ("plain", 7, 1),
        ("anna sees", 2, 1),
        ("red sees", 6, 1),
    ]
    assert policies.warnings == ()
    findings = verify(policies, checks=["P101"])
    assert {f.policies[0].name: f.verdict for f in findings.findings} == dict.fromkeys(
        ("plain", "anna sees", "red sees"), "holds"
    )


def test_a_template_without_links_is_warned_about() -> None:
    links = [link("share", "l", principal='User::"anna"', resource='Box::"b"')]
    (warning,) = policy_set(TEXT, SCHEMA, links=json.dumps(links)).warnings
    assert warning.startswith("<text>:6: a template that is not linked")


def test_a_link_that_does_not_fit_the_schema_is_told_at_its_template() -> None:
    links = [link("share", "l", principal='Box::"b"', resource='Box::"b"')]
    with pytest.raises(InputError) as raised:
        policy_set(TEXT, SCHEMA, links=json.dumps(links))
    assert {(fault.file, fault.line) for fault in raised.value.diagnostics} <= {
        ("<text>", 2),
        ("<text>", 3),
        ("<text>", 4),
    }


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ("{", "not JSON"),
        ("{}", "expected a list"),
        ("[" * 100_000, "nested too deeply"),
        ("[1]", "expected an object"),
        ([link("shar", "l", principal='User::"a"')], r"no template `shar`[^$]*did you mean `share`"),
        ([link("plain", "l", principal='User::"a"')], "no template `plain`"),
        ([link("share", "l", principal='User::"a"')], "slot `\\?resource` is not filled"),
        ([link("team", "l", principal='User::"a"', resource='Doc::"d"')], "has no slot `\\?resource`"),
        ([link("team", "l", principal="anna")], "`anna` is no entity"),
        ([link("team", "plain", principal='User::"a"')], "the name `plain` is taken"),
        ([link("team", "l", principal='User::"a"')] * 2, "the name `l` is taken"),
    ],
)
def test_faulty_links_are_told(links: object, message: str) -> None:
    text = links if isinstance(links, str) else json.dumps(links, indent=1)
    with pytest.raises(InputError, match=message):
        policy_set(TEXT, SCHEMA, links=text)


def test_every_faulty_link_is_told_at_its_line() -> None:
    links = json.dumps([link("a", "first"), link("b", "second")], indent=1)
    with pytest.raises(InputError) as raised:
        policy_set(TEXT, SCHEMA, links=links)
    assert [fault.line for fault in raised.value.diagnostics] == [4, 9]
