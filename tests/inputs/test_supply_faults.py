"""Work, queues and endpoints that cannot be: what is wrong, at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.diagnostics import InputError
from models.load import load

GOOD = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 2d
endpoints: {llm: {latency: 1s, rate: 9/min, retry-after: told}}
agents:
  pool:
    bulkheads: {flow.job: 1}
    capabilities: {work: {endpoint: llm, hedge: {after: 2s}, tokens: {input: "1", output: "1", input-from: size}}}
workflows: {flow: {start: job, steps: {job: {kind: task, agent: pool, capability: work}}}}
work:
  stream:
    workflow: flow
    priority-from: rank
    arrivals: {kind: trace, file: t.csv, column: at, attributes: {size: Size, zone: Zone}}
    attributes: {size: "uniform(low=0, high=99)", zone: "choice(EU=1, US=0)", rank: "values(1=0.5, 2=0.5)"}
"""
ROWS = "at,Size,Zone\n1,5,EU\n2,6,EU\n"


def faults(folder: Path, text: str, rows: str = ROWS) -> list[str]:
    (folder / "scenario.yaml").write_text(text)
    (folder / "t.csv").write_text(rows)
    with pytest.raises(InputError) as caught:
        load(folder)
    return [f"{fault.line}:{fault.column}: {fault.message}: {fault.help}" for fault in caught.value.diagnostics]


def test_the_good_one_is_good(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(GOOD)
    (tmp_path / "t.csv").write_text(ROWS)
    assert load(tmp_path).columns == {"stream": {"size": (5, 6), "zone": ("EU", "EU")}}


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("{size: Size,", "{sise: Size,", "15:67: `sise` has no law that tells its type and the values that a row"),
        ("{size: Size,", "{sise: Size,", "did you mean `size`?"),
        ("size: Size,", "size: Sise,", "1:1: there is no column `Sise`: did you mean `Size`?"),
        ("priority-from: rank", "priority-from: rang", "14:20: the cases have no attribute `rang`"),
        ("priority-from: rank", "priority-from: zone", "14:20: `zone` is no number"),
        ("priority-from: rank", "priority-from: rank\n    priority: 3", "`priority-from` goes instead of `priority`"),
        ("priority-from: rank", "priority-from: rank\n    batch: 2", "a trace that tells whole cases has one in each"),
        ("input-from: size", "input-from: sizes", "no case has the attribute `sizes`: did you mean `size`?"),
        ("rate: 9/min, ", "", "5:32: `retry-after` is told with a refusal, and nothing limits the calls"),
        ("flow.job: 1", "flow.jobs: 1", "8:17: `flow.jobs` is no step that the pool does: did you mean `flow.job`?"),
        ("flow.job: 1", "flow.job/1: 1", "`flow.job/1` is no step that the pool does"),
        ("flow.job: 1", "flow: 1", "`flow`"),
        ("flow.job: 1", "flow.job: 2", "8:27: the pool has no more than 1 slots: 2 of them hold nobody back"),
        (
            "flow.job: 1}",
            "flow.job: 1}\n    queue: {capacity: 1, when-full: block}",
            "a pool with bulkheads cannot block",
        ),
        ("after: 2s", "after: 0s", "`after` is zero"),
        ("endpoint: llm, hedge", "hedge", "a hedge without a call"),
        ("retry-after: told", "retry-after: 0s", "`retry-after` is zero"),
        ("retry-after: told", "retry-after: tolled", "`tolled` is not a duration"),
        ("input-from: size", "input-from: zone", "`zone` is not a number from 0 up in every stream of work"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, good: str, bad: str, told: str) -> None:
    assert GOOD.count(good) == 1
    found = faults(tmp_path, GOOD.replace(good, bad))
    assert any(told in fault for fault in found), found


def test_every_bad_row_is_told_at_its_place(tmp_path: Path) -> None:
    rows = 'at,Size,Zone\n1,5,EU\n5,100,EU\n6,-1,EU\n7,"7.5","EU"\n8,8,US\n9,9,eu\n10,EU\n11\n12,true,EU\n'
    assert faults(tmp_path, GOOD, rows) == [
        "3:3: `100` is no such value: expected a whole number from 0 to 99",
        "4:3: `-1` is no such value: expected a whole number from 0 to 99",
        "5:4: `7.5` is no such value: expected a whole number from 0 to 99",
        "6:5: `US` is no such value: expected one of `EU`, as the attribute's law has them",
        "7:5: `eu` is no such value: expected one of `EU`, as the attribute's law has them",
        "8:1: the row has no `Zone`: expected one of `EU`, as the attribute's law has them",
        "8:4: `EU` is no such value: expected a whole number from 0 to 99",
        "9:1: the row has no `Size`: expected a whole number from 0 to 99",
        "9:1: the row has no `Zone`: expected one of `EU`, as the attribute's law has them",
        "10:4: `true` is no such value: expected a whole number from 0 to 99",
    ]
