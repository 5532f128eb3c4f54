"""Public test data with known answers: every recorded decision, reason and error, by all three ways of evaluation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cedarpy
import numpy as np
import pytest

from models.cedar import evaluation
from models.cedar.columns import Requests, evaluate
from models.cedar.decision import authorize, decide, matching
from models.cedar.load import load_policies, policy_set
from models.cedar.policies import PolicySet
from models.cedar.schema import parse_schema
from models.cedar.uids import Uid, parse_uid
from models.diagnostics import InputError

CEDAR = Path(__file__).parents[2] / ".." / "shared" / "data" / "cedar"
CORPUS = CEDAR / "corpus-sample"

pytestmark = pytest.mark.skipif(not CEDAR.is_dir(), reason="the shared Cedar data is not beside this checkout")


def _read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _corpus() -> Iterator[tuple[str, PolicySet, list[dict[str, Any]]]]:
    """Bundles of the sample, without those that give an extension function too many arguments: they have no tree."""
    left_out = []
    for policies in sorted(CORPUS.glob("*.cedar")):
        entities = _read(policies.with_suffix(".entities.json"))
        try:
            loaded = policy_set(policies.read_text("utf-8"), entities=entities)
        except InputError as error:
            left_out.append(str(error))
            continue
        yield policies.stem, loaded, _read(policies.with_suffix(".json"))["requests"]
    assert len(left_out) == sum("argument(s), got" in fault for fault in left_out) == 4


def _columns(request: dict[str, Any]) -> Requests:
    """One request of the corpus; each context attribute is a column of one constant."""
    uids = (str(Uid(request[part]["type"], request[part]["id"])) for part in ("principal", "action", "resource"))
    return Requests(1, *uids, {(name,): value for name, value in request["context"].items()})


def _bits(policies: PolicySet, request: dict[str, Any]) -> tuple[frozenset[int], frozenset[int]]:
    found = evaluate(policies, _columns(request))
    matched, errored = (np.flatnonzero(bits[:, 0]).tolist() for bits in (found.matched, found.errored))
    return frozenset(matched), frozenset(errored)


def _recorded(policies: PolicySet, request: dict[str, Any], matched: frozenset[int], errored: frozenset[int]) -> bool:
    """Whether bits lead to the decision, the reasons and the errors that the corpus records."""
    decision = decide(policies, matched)
    return (
        decision.outcome == request["decision"]
        and {policies.policies[index].id for index in decision.determining} == set(request["reason"])
        and {policies.policies[index].id for index in errored} == set(request["errors"])
    )


def test_the_corpus_sample_is_decided_as_recorded_by_cedarpy_and_by_columns() -> None:
    seen = Counter[str]()
    for name, policies, requests in _corpus():
        for request in requests:
            asked = {part: request[part] for part in ("principal", "action", "resource", "context")}
            by_cedarpy, by_columns = matching(policies, asked), _bits(policies, request)
            assert by_columns == by_cedarpy, name
            assert _recorded(policies, request, *by_columns), name
            seen.update([request["decision"], "error" if request["errors"] else "no error"])
    assert sum(seen.values()) == 2 * 3168
    assert min(seen.values()) > 250, "the sample shows both decisions, with and without errors"


@pytest.mark.parametrize(
    ("owner", "name", "mutant"),
    [
        (evaluation, "same", lambda one, other: np.ones(1, dtype=np.bool_)),
        (evaluation.Evaluator, "_contains_any", lambda self, left, right: ("bool", True)),
        (evaluation.Evaluator, "_in", lambda self, left, right: ("bool", left == right)),
        (evaluation, "glob", lambda pattern: lambda text: False),
    ],
    ids=["every == holds", "containsAny always", "in is ==", "like never"],
)
def test_the_corpus_sample_tells_a_wrong_evaluator(
    owner: Any, name: str, mutant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, mutant)
    assert any(
        not _recorded(policies, request, *_bits(policies, request))
        for _, policies, requests in _corpus()
        for request in requests
    )


def _schema_texts() -> Iterator[str]:
    yield from (path.read_text("utf-8") for path in sorted(CEDAR.glob("**/*.cedarschema")))
    yield from (case["schema"] for case in _read(CEDAR / "symcc.json"))


def test_every_public_schema_parses_to_what_cedar_prints() -> None:
    """The parsed schema, printed with full names and nothing shared, is the same schema to Cedar."""
    count = 0
    for text in _schema_texts():
        canonical = str(cedarpy.Schema.from_str(text))
        parsed = parse_schema(canonical)
        assert parse_schema(str(cedarpy.Schema.from_json_str(json.dumps(_as_json(parsed))))) == parsed
        assert len(parsed.actions) == sum(line.lstrip().startswith("action ") for line in canonical.splitlines())
        assert len(parsed.entity_types) == sum(line.lstrip().startswith("entity ") for line in canonical.splitlines())
        count += 1
    assert count > 600


def _as_json(schema: Any) -> dict[str, Any]:
    """Cedar's JSON schema format, all in full names: a writer independent of the reader under test."""
    namespaces: dict[str, Any] = {}
    for entity in schema.entity_types.values():
        space, _, name = entity.name.rpartition("::")
        found = namespaces.setdefault(space, {"entityTypes": {}, "actions": {}})
        found["entityTypes"][name] = _entity_json(entity)
    for action in schema.actions.values():
        uid = parse_uid(action.uid)
        found = namespaces.setdefault(uid.type.rpartition("::")[0], {"entityTypes": {}, "actions": {}})
        found["actions"][uid.id] = _action_json(action)
    return namespaces


def _entity_json(entity: Any) -> dict[str, Any]:
    if entity.ids is not None:
        return {"enum": list(entity.ids)}
    found = {"memberOfTypes": list(entity.parents), "shape": _type_json(entity.attributes)}
    return found if entity.tags is None else {**found, "tags": _type_json(entity.tags)}


def _action_json(action: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"memberOf": [parse_uid(parent)._asdict() for parent in action.parents]}
    if action.principals or action.resources:
        found["appliesTo"] = {
            "principalTypes": list(action.principals),
            "resourceTypes": list(action.resources),
            "context": _type_json(action.context),
        }
    return found


def _type_json(typed: Any) -> dict[str, Any]:
    match type(typed).__name__:
        case "SetType":
            return {"type": "Set", "element": _type_json(typed.element)}
        case "RecordType":
            attributes = {
                name: {**_type_json(attribute.type), "required": attribute.required}
                for name, attribute in typed.attributes.items()
            }
            return {"type": "Record", "attributes": attributes}
        case "EntityRefType":
            return {"type": "Entity", "name": typed.name}
        case "ExtensionType":
            return {"type": "Extension", "name": typed.name}
        case other:
            return {"type": {"BoolType": "Boolean", "LongType": "Long", "StringType": "String"}[other]}


@pytest.mark.parametrize("valid", [True, False])
def test_a_given_schema_is_enforced_exactly_as_cedar_validates(valid: bool) -> None:
    agreed = 0
    for policies in sorted(CORPUS.glob("*.cedar"))[: 60 if valid else None]:
        schema = policies.with_suffix(".cedarschema").read_text("utf-8")
        result = cedarpy.validate_policies(policies.read_text("utf-8"), schema)
        if result.validation_passed is not valid:
            continue
        agreed += 1
        if valid:
            assert load_policies(policies).schema == parse_schema(str(cedarpy.Schema.from_str(schema)))
            continue
        with pytest.raises(InputError) as caught:
            load_policies(policies)
        assert all(fault.line and fault.column and fault.source for fault in caught.value.diagnostics)
    assert agreed > 20


def _examples() -> list[Path]:
    return sorted(path.parent for path in CEDAR.glob("examples/**/example.json"))


@pytest.mark.parametrize("folder", _examples(), ids=lambda path: path.parent.name + "/" + path.name)
def test_cedars_own_examples_are_decided_as_they_say(folder: Path) -> None:
    if (folder / "links.json").exists():
        assert any("not linked" in warning for warning in load_policies(folder).warnings)
        return
    # Where the source decides without the schema, its entities need not conform to it.
    schema = folder / "schema.cedarschema" if _read(folder / "example.json")["authorize_with_schema"] else None
    for request in _read(folder / "requests.json"):
        policies = load_policies(folder / "policies.cedar", schema=schema, entities=folder / request["entities"])
        asked = {part: request[part] for part in ("principal", "action", "resource", "context")}
        assert authorize(policies, asked).outcome == request["expected"], request["name"]


@pytest.mark.parametrize("path", sorted(CEDAR.glob("agents/aws-samples/parity/*.json")), ids=lambda path: path.stem)
def test_the_tiered_profile_agrees_with_the_parity_fixtures(path: Path) -> None:
    """A fixture's `deny` is Cedar's; the tier of the rules it names says whether it is a denial or a question."""
    fixture = _read(path)
    policies = policy_set(fixture["policies"], profile="tiered")
    decision = authorize(policies, fixture["input"])
    named = [policies.policies[index] for index in decision.determining]
    assert sorted(policy.name for policy in named) == sorted(fixture["expected"]["matching_rule_ids"])
    tiers = {policy.tier for policy in named}
    assert (
        decision.outcome
        == {"allow": "allow", "deny": "escalate" if tiers == {"soft"} else "deny"}[fixture["expected"]["decision"]]
    )


def test_the_merge_of_the_parity_fixture_is_strictest_first() -> None:
    """The source's own comment: least of 300 and 600 seconds, gravest of medium and high."""
    fixture = _read(CEDAR / "agents/aws-samples/parity/multi-match-deny-force-push-main.json")
    decision = authorize(policy_set(fixture["policies"], profile="tiered"), fixture["input"])
    assert (decision.chains, decision.timeout, decision.severity) == (("human",), 300_000_000, "high")


@pytest.mark.parametrize("path", sorted(CEDAR.glob("agents/agt/**/*.requests.json")), ids=lambda path: path.stem)
def test_agent_toolkit_policies_decide_as_their_tests_say(path: Path) -> None:
    policies = load_policies(path.with_name(path.name.replace(".requests.json", ".cedar")))
    for request in _read(path):
        asked = {part: request[part] for part in ("principal", "action", "resource", "context")}
        decision = authorize(policies, asked, request["entities"])
        assert decision.outcome == request["expected"], request["name"]
        assert sorted(policies.policies[i].name for i in decision.determining) == sorted(request["reason"])
        assert len(matching(policies, asked, request["entities"])[1]) == request["errors"]


@pytest.mark.parametrize("path", sorted(CEDAR.glob("agents/**/*.cedar")), ids=lambda path: path.stem)
def test_agent_policies_get_a_schema_that_their_attributes_fit(path: Path) -> None:
    """Made required, the attributes pass strict validation: the policies are well-typed where they are present."""
    policies = load_policies(path, profile="tiered" if "aws" in str(path) else "windtunnel")
    assert policies.schema_inferred
    assert policies.schema.environments()
    required = policies.schema_text.replace("?:", ":")
    result = cedarpy.validate_policies(policies.text, required)
    assert result.validation_passed, result.errors
