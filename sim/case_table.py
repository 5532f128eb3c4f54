"""The table of cases of one replication."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sim.plan import OPEN, OUTCOME_NAMES, Plan
from sim.tables import CASES
from sim.tokens import Cases
from sim.workload import Workload


def case_table(plan: Plan, workload: Workload, cases: Cases, replication: int) -> pa.Table:
    """The cases, with a column for each attribute that some stream has."""
    count = len(workload.arrived)
    is_open = np.isin(np.frombuffer(cases.outcome, np.uint8), sorted(OPEN))
    columns = [
        pa.array(np.full(count, replication, np.int32)),
        pa.array(np.arange(count, dtype=np.int64)),
        _coded(workload.work, plan.names.works),
        pa.array(workload.arrived),
        pa.array(np.frombuffer(cases.ended, np.int64), mask=is_open),
        _coded(cases.outcome, OUTCOME_NAMES),
        pa.array(workload.arrived >= plan.warm_up),
        pa.array(cases.attempts, pa.int32()),
        pa.array(np.frombuffer(cases.wrong, np.bool_)),
        pa.array(cases.hand_offs, pa.int32()),
        pa.array(np.frombuffer(cases.missed_hand_off, np.bool_)),
        pa.array(cases.approvals, pa.int32()),
        pa.array(np.frombuffer(cases.cost, np.int64)),
        pa.array(cases.tokens_in, pa.int64()),
        pa.array(cases.tokens_out, pa.int64()),
        pa.array(np.frombuffer(cases.late, np.bool_)),
        *(pa.array(np.frombuffer(part, np.int64)) for part in (cases.cost_calls, cases.cost_tokens, cases.cost_people)),
    ]
    columns += [_attribute_column(name, plan, workload) for name in _attribute_types(plan)]
    return pa.Table.from_arrays(columns, schema=case_schema(plan))


def case_schema(plan: Plan) -> pa.Schema:
    """The columns of the cases: those of every run, then one for each attribute that some stream has."""
    attributes = [pa.field(f"attr.{name}", type_) for name, type_ in _attribute_types(plan).items()]
    return pa.schema([*CASES, *attributes])


def _attribute_types(plan: Plan) -> dict[str, pa.DataType]:
    """Attribute names in order of first naming, and their types; text where streams disagree."""
    types: dict[str, pa.DataType] = {}
    for work, names in zip(plan.works, plan.names.attributes, strict=True):
        for attribute, name in zip(work.attributes, names, strict=True):
            type_ = pa.string() if attribute.weights else pa.bool_() if attribute.chance >= 0 else pa.int64()
            types[name] = type_ if types.get(name, type_) == type_ else pa.string()
    return types


def _coded(numbers: Sequence[int], names: tuple[str, ...]) -> pa.Array:
    codes = pa.array(np.array(numbers, np.int32))
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string())).cast(pa.string())


def _attribute_column(name: str, plan: Plan, workload: Workload) -> pa.Array:
    values = {
        work: workload.attributes[work][names.index(name)].tolist()
        for work, names in enumerate(plan.names.attributes)
        if name in names
    }
    cells = (
        values[work][entity] if work in values else None
        for work, entity in zip(workload.work, workload.entity, strict=True)
    )
    type_ = _attribute_types(plan)[name]
    if type_ == pa.string():
        cells = (None if cell is None else _text(cell) for cell in cells)
    return pa.array(cells, type_)


def _text(cell: bool | int | str) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)
