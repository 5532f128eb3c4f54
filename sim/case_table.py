"""The table of cases of one replication."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from sim.plan import OPEN, OUTCOME_NAMES, Plan
from sim.tables import CASES
from sim.tokens import Cases
from sim.workload import Workload

_BATCH: Final = 1 << 17
"""Cases in one batch: a table of all takes twice the memory that the replication took of them."""


def case_batches(plan: Plan, workload: Workload, cases: Cases, replication: int) -> Iterator[pa.RecordBatch]:
    """The cases, with a column for each attribute that some stream has, some 100 000 at a time."""
    schema, types = case_schema(plan), _attribute_types(plan)
    for start in range(0, len(workload.arrived), _BATCH):
        part = slice(start, min(start + _BATCH, len(workload.arrived)))
        columns = _columns(plan, workload, cases, replication, part)
        columns += [_attribute_column(name, type_, plan, workload, part) for name, type_ in types.items()]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _columns(plan: Plan, workload: Workload, cases: Cases, replication: int, part: slice) -> list[pa.Array]:
    of: Any = cases  # its columns are arrays here, of which slices are taken
    arrived, outcome = workload.arrived[part], of.outcome[part]
    is_open = np.isin(np.frombuffer(outcome, np.uint8), sorted(OPEN))
    parts = (of.cost_calls, of.cost_tokens, of.cost_people)
    return [
        pa.array(np.full(len(arrived), replication, np.int32)),
        pa.array(np.arange(part.start, part.stop, dtype=np.int64)),
        _coded(workload.work[part], plan.names.works),
        pa.array(arrived),
        pa.array(np.frombuffer(of.ended[part], np.int64), mask=is_open),
        _coded(outcome, OUTCOME_NAMES),
        pa.array(arrived >= plan.warm_up),
        pa.array(of.attempts[part], pa.int32()),
        pa.array(np.frombuffer(of.wrong[part], np.bool_)),
        pa.array(of.hand_offs[part], pa.int32()),
        pa.array(np.frombuffer(of.missed_hand_off[part], np.bool_)),
        pa.array(of.approvals[part], pa.int32()),
        pa.array(np.frombuffer(of.cost[part], np.int64)),
        pa.array(of.tokens_in[part], pa.int64()),
        pa.array(of.tokens_out[part], pa.int64()),
        pa.array(np.frombuffer(of.late[part], np.bool_)),
        *(pa.array(np.frombuffer(each[part], np.int64)) for each in parts),
    ]


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


def _attribute_column(name: str, type_: pa.DataType, plan: Plan, workload: Workload, part: slice) -> pa.Array:
    values = {
        work: workload.attributes[work][names.index(name)]
        for work, names in enumerate(plan.names.attributes)
        if name in names
    }
    cells: Iterator[Any] = (
        _plain(values[work][entity]) if work in values else None
        for work, entity in zip(workload.work[part], workload.entity[part], strict=True)
    )
    if type_ == pa.string():
        cells = (None if cell is None else _text(cell) for cell in cells)
    return pa.array(cells, type_)


def _plain(cell: Any) -> bool | int | str:
    """A cell of an array as Python's own value."""
    return cell.item() if isinstance(cell, np.generic) else cell  # type: ignore[no-any-return]


def _text(cell: bool | int | str) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)
