"""The gate as JSON, `windtunnel.gate/1`. Every other format is projected from what stands here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from models.checkout import Commit
from models.diagnostics import Diagnostic
from models.waivers import Waiver
from reports.gate.effect import Effect, ObjectiveChange
from reports.gate.gate import SCHEMA, Gate
from reports.gate.judge import Judged
from reports.statements import Statement
from reports.statements import to_json as plain
from reports.studies.study import dump
from reports.words import printable

_WORKING: Final = {"ref": None, "commit": None}


def to_json(gate: Gate) -> dict[str, Any]:
    """What the gate says, as plain JSON values."""
    from models.gate_rules import GateRules

    return {
        "schema": SCHEMA,
        "base": {**_commit(gate.base), "compared": gate.compared.id},
        "head": _WORKING if gate.head is None else _commit(gate.head),
        "verdict": {
            "result": gate.verdict.result,
            "exit_code": gate.verdict.exit_code,
            "reasons": list(gate.verdict.reasons),
        },
        "rules": GateRules.model_dump(gate.rules, mode="json", by_alias=True),
        "targets": [_target(one) for one in gate.targets],
        "statements": [{"target": printable(target.path), **statement_json(one)} for target, one in gate.said]
        + [{"target": None, **statement_json(one)} for one in gate.about],
        "waivers": [_waiver(one) for one in gate.waivers],
        "notes": list(gate.notes),
    }


def _waiver(one: Waiver) -> dict[str, Any]:
    return {**asdict(one), "created": one.created.isoformat(), "expires": one.expires.isoformat()}


def _commit(commit: Commit) -> dict[str, Any]:
    return {"ref": commit.ref, "commit": commit.id}


def statement_json(statement: Statement) -> dict[str, Any]:
    """A statement as plain JSON values; `stands` where it keeps the verdict from passing."""
    return {**plain(statement), "stands": statement.stands}


def _target(one: Judged) -> dict[str, Any]:
    from verify.backtest import to_json as backtest_json
    from verify.diff import to_json as diff_json
    from verify.json import to_json as findings_json

    return {
        "path": printable(one.target.path),
        "scenario": one.scope,
        "kind": one.target.kind,
        "change": one.target.change,
        "files": [printable(file) for file in one.target.files],
        "diff": None if one.diff is None else diff_json(one.diff),
        "findings": None if one.findings is None else findings_json(one.findings),
        "objectives": [_objective(objective) for objective in one.effect.objectives] if one.effect else [],
        "effect": None if one.effect is None else _effect(one.effect),
        "backtest": None if one.backtest is None else backtest_json(one.backtest, ()),
        "faults": [_fault(fault) for fault in one.faults],
        "base_faults": [_fault(fault) for fault in one.base_faults],
        "notes": list(one.notes),
    }


def _objective(one: ObjectiveChange) -> dict[str, Any]:
    return {
        "name": one.name,
        "base": one.base,
        "head": one.head,
        "set_by": one.set_by,
        "reset": one.reset,
        "policies_alone": one.alone,
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "sentences": [asdict(one) for one in effect.sentences],
        "seed": effect.seed,
        "policies_alone": effect.alone,
        "limits": [
            {
                "measure": one.limit.measure,
                "verdict": one.verdict,
                "policies_alone": one.alone,
                "sentence": one.sentence,
            }
            for one in effect.limits
        ],
        "comparison": dump(effect.comparison),
    }


def _fault(fault: Diagnostic) -> dict[str, Any]:
    return {
        "message": fault.message,
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "help": fault.help,
    }
