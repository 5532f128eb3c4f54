"""Cedar's differential-testing corpus: the encoding at each concrete request decides, and errs, as recorded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from models.cedar.entities import with_actions
from models.cedar.schema import parse_schema
from models.cedar.types import RequestEnvironment, Schema
from models.cedar.uids import Uid
from verify import term as t
from verify.encode import Encoder
from verify.eval import Interpretation, evaluate
from verify.findings import Witness
from verify.simplify import substitute
from verify.symbolic import UnsupportedError
from verify.term import Term, subterms
from verify.world import interpretation

CORPUS = Path(__file__).parents[2] / ".." / "shared" / "data" / "cedar" / "corpus-sample"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the public corpus is not beside the project")


def bundles() -> Iterator[tuple[str, Schema, Mapping[str, Any], list[Any], list[Any]]]:
    """Name, schema, policies, entities and requests; what cedarpy cannot parse is left out."""
    for entry in json.loads((CORPUS / "index.json").read_text()):
        name = entry["name"]
        schema = parse_schema(str(cedarpy.Schema.from_str((CORPUS / f"{name}.cedarschema").read_text())))
        try:
            policies = cedarpy.policies_to_pst((CORPUS / f"{name}.cedar").read_text()).static_policies
        except ValueError:
            continue
        entities = with_actions(json.loads((CORPUS / f"{name}.entities.json").read_text()), schema)
        yield name, schema, policies, entities, json.loads((CORPUS / f"{name}.json").read_text())["requests"]


def uid(given: Mapping[str, str]) -> str:
    return str(Uid(given["type"], given["id"]))


def at_point(term: Term, meaning: Interpretation) -> bool:
    """The term with every unknown of a scalar sort replaced by its value: folding alone must decide it."""
    values: dict[Term, Term] = {}
    for each in subterms(term):
        if each.op == "leaf" and each.sort.kind != "Set":
            args = tuple(evaluate(arg, meaning) for arg in each.args)
            values[each] = t.const(meaning(each.data, args), each.sort)
    folded = substitute(term, values)
    return evaluate(folded, meaning)  # type: ignore[no-any-return]


def test_the_encoding_decides_every_recorded_request() -> None:
    counts: Counter[str] = Counter()
    for name, schema, policies, entities, requests in bundles():
        for request in requests:
            parts = (request["principal"]["type"], uid(request["action"]), request["resource"]["type"])
            environment = RequestEnvironment(*parts)
            if environment not in schema.environments():
                counts["outside the schema"] += 1
                continue
            encoder = Encoder(schema, environment, missing=True)
            context = request["context"]
            witness = Witness(
                *map(uid, (request[p] for p in ("principal", "action", "resource"))), context, tuple(entities)
            )
            meaning = interpretation(witness)
            try:
                matches = {id: encoder.match(policy) for id, policy in policies.items()}
            except UnsupportedError:
                counts["not yet encoded"] += 1
                continue
            erring = {id for id, match in matches.items() if not evaluate(match.ok, meaning)}
            matching = {id for id, match in matches.items() if evaluate(match.matches, meaning)}
            assert matching == {id for id, match in matches.items() if at_point(match.matches, meaning)}
            forbidden = any(policies[id].effect == "forbid" for id in matching)
            permitted = any(policies[id].effect == "permit" for id in matching)
            assert ("allow" if permitted and not forbidden else "deny") == request["decision"], name
            assert erring == set(request["errors"]), name
            counts["agreeing"] += 1
    assert counts["agreeing"] > 2_500
    assert counts["not yet encoded"] < 600
