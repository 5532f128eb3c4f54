"""Cedar's differential-testing corpus: the encoding at each concrete request decides, and errs, as recorded.

Once by evaluating the terms, once by both solvers, told what every unknown is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cedarpy
import pytest

from models.cedar.entities import Store, with_actions
from models.cedar.schema import parse_schema
from models.cedar.types import RequestEnvironment, Schema
from models.cedar.uids import Uid
from verify import portfolio
from verify import term as t
from verify.encode import Encoder, Match
from verify.eval import Interpretation, evaluate, term_of
from verify.findings import Witness
from verify.ground import without_sets
from verify.portfolio import BUDGETS, Sat, Unsat
from verify.simplify import substitute
from verify.smtlib import script
from verify.term import Term, subterms
from verify.world import interpretation

CORPUS = Path(__file__).parents[2] / ".." / "shared" / "data" / "cedar" / "corpus-sample"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the public corpus is not beside the project")


class Recorded(NamedTuple):
    """A recorded request: what each policy is in terms, what the unknowns are, and what Cedar said."""

    name: str
    effects: Mapping[str, str]
    matches: Mapping[str, Match]
    meaning: Interpretation
    store: Store
    decision: str
    errors: frozenset[str]


@cache
def recorded() -> tuple[Recorded, ...]:
    """Every request of a bundle that cedarpy can parse: four call functions with too many arguments."""
    return tuple(_recorded())


def _recorded() -> Iterator[Recorded]:
    for entry in json.loads((CORPUS / "index.json").read_text()):
        name = entry["name"]
        try:
            policies = cedarpy.policies_to_pst((CORPUS / f"{name}.cedar").read_text()).static_policies
        except ValueError:
            continue
        schema = parse_schema(str(cedarpy.Schema.from_str((CORPUS / f"{name}.cedarschema").read_text())))
        entities = with_actions(json.loads((CORPUS / f"{name}.entities.json").read_text()), schema)
        for request in json.loads((CORPUS / f"{name}.json").read_text())["requests"]:
            encoder = Encoder(schema, _environment(request, schema), missing=True, concrete=True)
            parts = (_uid(request[part]) for part in ("principal", "action", "resource"))
            meaning = interpretation(Witness(*parts, request["context"], tuple(entities)))
            effects = {id: policy.effect for id, policy in policies.items()}
            matches = {id: encoder.match(policy) for id, policy in policies.items()}
            said = request["decision"], frozenset(request["errors"])
            yield Recorded(name, effects, matches, meaning, Store(entities), *said)


def _environment(request: Mapping[str, Any], schema: Schema) -> RequestEnvironment:
    found = RequestEnvironment(request["principal"]["type"], _uid(request["action"]), request["resource"]["type"])
    assert found in schema.environments()
    return found


def _uid(given: Mapping[str, str]) -> str:
    return str(Uid(given["type"], given["id"]))


def _decision(request: Recorded, matching: set[str]) -> str:
    effects = {request.effects[id] for id in matching}
    return "allow" if effects == {"permit"} else "deny"


def at_point(term: Term, meaning: Interpretation) -> Term:
    """The term with every unknown of a scalar sort replaced by its value."""
    values: dict[Term, Term] = {}
    for each in subterms(term):
        if each.op == "leaf" and each.sort.kind != "Set":
            args = tuple(evaluate(arg, meaning) for arg in each.args)
            values[each] = t.const(meaning(each.data, args), each.sort)
    return substitute(term, values)


def told(term: Term, request: Recorded) -> Iterator[Term]:
    """What every unknown of a term is, sets and all, as conditions on it."""
    for each in subterms(term):
        if each.op == "up":
            entity = Uid(each.args[0].sort.name, evaluate(each.args[0], request.meaning))
            assert each.sort.element is not None
            type = each.sort.element.name
            above = {uid.id for uid in (entity, *request.store.ancestors(entity)) if uid.type == type}
            yield t.same(each, term_of(above, each.sort))
        elif each.op == "leaf":
            yield t.same(each, term_of(evaluate(each, request.meaning), each.sort))


def solved(term: Term, request: Recorded) -> bool:
    """The value of a truth value by the solvers: one of it and its negation has a model, the other has none."""
    makers = (each for each in subterms(term) if each.op in ("made", "makes"))
    texts = {each.args[0]: t.string(evaluate(each.args[0], request.meaning)) for each in makers}
    term = substitute(term, texts)
    conditions = [*told(term, request)]
    text = {part: script(without_sets([*conditions, part]), "at a point").text for part in (term, t.not_(term))}
    answers = [portfolio.check(text[part], BUDGETS["normal"]) for part in (term, t.not_(term))]
    assert {type(answer) for answer in answers} == {Sat, Unsat}, (answers, text)
    return isinstance(answers[0], Sat)


def test_the_terms_decide_every_recorded_request() -> None:
    counts: Counter[str] = Counter()
    for request in recorded():
        erring = {id for id, match in request.matches.items() if not evaluate(match.ok, request.meaning)}
        matching = {id for id, match in request.matches.items() if evaluate(match.matches, request.meaning)}
        assert _decision(request, matching) == request.decision, request.name
        assert erring == request.errors, request.name
        folded = {id: at_point(match.matches, request.meaning) for id, match in request.matches.items()}
        assert matching == {id for id, term in folded.items() if evaluate(term, request.meaning)}
        counts[request.decision] += 1
        counts["errors"] += bool(erring)
    assert sum(counts[decision] for decision in ("allow", "deny")) == 8 * 396
    assert counts["errors"] > 100


def _solvers_decide(requests: Iterable[Recorded]) -> None:
    for request in requests:
        erring = {id for id, match in request.matches.items() if not solved(match.ok, request)}
        matching = {id for id, match in request.matches.items() if solved(match.matches, request)}
        assert _decision(request, matching) == request.decision, request.name
        assert erring == request.errors, request.name


def test_the_solvers_decide_recorded_requests() -> None:
    _solvers_decide(recorded()[:: len(recorded()) // 150])


@pytest.mark.long
def test_the_solvers_decide_every_recorded_request() -> None:
    _solvers_decide(recorded())
