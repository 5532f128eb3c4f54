"""Cedar's differential-testing corpus: the encoding at each concrete request decides, and errs, as recorded.

Once by evaluating the terms, once by both solvers, told what every unknown is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cedarpy
import pytest

from models.cedar.entities import Store, uid_of, with_actions
from models.cedar.load import load_policies
from models.cedar.schema import parse_schema
from models.cedar.types import RequestEnvironment, Schema
from models.cedar.uids import Uid, parse_uid
from verify import encode, portfolio, symbolic
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

CEDAR = Path(__file__).parents[2] / ".." / "shared" / "data" / "cedar"
CORPUS = CEDAR / "corpus-sample"
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
        entities = json.loads((CORPUS / f"{name}.entities.json").read_text())
        for request in json.loads((CORPUS / f"{name}.json").read_text())["requests"]:
            uids = [uid_of(request[part]) for part in ("principal", "action", "resource")]
            said = request["decision"], frozenset(request["errors"])
            yield _encoded(name, schema, policies, uids, request["context"], entities, *said)


def _encoded(
    name: str,
    schema: Schema,
    policies: Mapping[str, Any],
    uids: Sequence[Uid],
    context: Mapping[str, Any],
    entities: list[Any],
    decision: str,
    errors: frozenset[str],
) -> Recorded:
    principal, action, resource = uids
    environment = RequestEnvironment(principal.type, str(action), resource.type)
    assert environment in schema.environments()
    encoder = Encoder(schema, environment, missing=True, concrete=True)
    known = with_actions(entities, schema)
    meaning = interpretation(Witness(*map(str, uids), context, tuple(known)))  # type: ignore[arg-type]
    effects = {id: policy.effect for id, policy in policies.items()}
    matches = {id: encoder.match(policy) for id, policy in policies.items()}
    return Recorded(name, effects, matches, meaning, Store(known), decision, errors)


def examples() -> list[Path]:
    return sorted(path.parent for path in CEDAR.glob("examples/**/example.json"))


def _example(folder: Path, scratch: Path) -> Iterator[Recorded]:
    """The requests of one of Cedar's own examples, links of templates included; none of them errs.

    The store is each request's own, so the set is loaded with none: not all conform to the schema.
    """
    none, links, schema = scratch / "none.json", folder / "links.json", folder / "schema.cedarschema"
    none.write_text("[]")
    linked = links if links.exists() else None
    loaded = load_policies(folder / "policies.cedar", schema=schema, entities=none, links=linked)
    policies = {policy.id: policy.syntax for policy in loaded.policies}
    for request in json.loads((folder / "requests.json").read_text()):
        uids = [parse_uid(request[part]) for part in ("principal", "action", "resource")]
        entities = json.loads((folder / request["entities"]).read_text())
        said = request["expected"], frozenset[str]()
        yield _encoded(folder.name, loaded.schema, policies, uids, request["context"], entities, *said)


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


def _terms_decide(requests: Iterable[Recorded]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for request in requests:
        erring = {id for id, match in request.matches.items() if not evaluate(match.ok, request.meaning)}
        matching = {id for id, match in request.matches.items() if evaluate(match.matches, request.meaning)}
        assert _decision(request, matching) == request.decision, request.name
        assert erring == request.errors, request.name
        folded = {id: at_point(match.matches, request.meaning) for id, match in request.matches.items()}
        assert matching == {id for id, term in folded.items() if evaluate(term, request.meaning)}
        counts[request.decision] += 1
        counts["errors"] += bool(erring)
    return counts


def test_the_terms_decide_every_recorded_request() -> None:
    counts = _terms_decide(recorded())
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


@pytest.mark.parametrize("folder", examples(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_terms_and_solvers_decide_cedars_own_examples(folder: Path, tmp_path: Path) -> None:
    requests = [*_example(folder, tmp_path)]
    assert _terms_decide(requests).total()
    _solvers_decide(requests)


@pytest.mark.long
def test_the_solvers_decide_every_recorded_request() -> None:
    _solvers_decide(recorded())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("contains_any", symbolic.contains_all),
        ("is_empty", lambda collection: t.not_(symbolic.is_empty(collection))),
        ("guarded", lambda number: symbolic.Result(t.TRUE, symbolic.Scalar(number))),
    ],
)
def test_a_wrong_encoding_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, wrong: object) -> None:
    monkeypatch.setattr(encode, name, wrong)
    with pytest.raises(AssertionError):
        _terms_decide(_recorded())
