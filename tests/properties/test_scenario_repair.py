"""One faulty value neither hides what is wrong elsewhere nor makes anything else look wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from models.diagnostics import InputError
from models.load import load
from models.reading import Document, KeyPath, read_document
from models.validation import validate

ROOT = Path(__file__).parents[2]
GOOD = ROOT / "scenarios" / "incident-desk" / "scenario.yaml"
WRONG: tuple[Any, ...] = (3, -1.5, "?!", [], ["?!"], {}, {"?!": 1}, {"?!": {"y": 1}}, None, True)


@pytest.fixture(scope="module")
def good() -> Any:
    value = read_document(GOOD).value
    value["endpoints"]["extra"] = {"latency": "1s", "price": "1 XXX"}  # a fault that nothing else has to do with
    return value


def places(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every place of a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*path, key)
        yield from places(below, (*path, key))


def at(value: Any, path: KeyPath) -> Any:
    for key in path:
        value = value[key]
    return value


def told(folder: Path, value: Any) -> tuple[Document, list[tuple[int, int, str]]]:
    """The document, and place and message of every fault."""
    with (folder / "scenario.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(json.loads(json.dumps(value)), file)
    document = read_document(folder / "scenario.yaml")
    with pytest.raises(InputError) as raised:
        load(folder)
    return document, [(fault.line, fault.column, fault.message) for fault in raised.value.diagnostics]


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.long)])
def test_a_faulty_value_is_the_only_fault_beside_the_one_elsewhere(good: Any, tmp_path: Path, every: int) -> None:
    """The places of a shipped scenario in turn are given values of the wrong shape."""
    (tmp_path / "policies").symlink_to(GOOD.parent / "policies")
    looked_at = 0
    for number, path in enumerate(list(places(good))[::every]):
        if path[0] in ("windtunnel", "currency") or path == ("endpoints",) or path[:2] == ("endpoints", "extra"):
            continue
        value = copy.deepcopy(good)
        at(value, path[:-1])[path[-1]] = WRONG[number % len(WRONG)]
        if validate(value).scenario is not None:
            continue
        looked_at += 1
        document, faults = told(tmp_path, value)
        price = document.place(("endpoints", "extra", "price"))
        begin = document.place(path, of_key=True)
        own = [fault for fault in faults if fault[:2] != price]
        assert any("`1 XXX` is not in" in message for *_, message in faults), (path, faults)
        assert own, (path, faults)
        inside = {document.place(below) for below in document.values if below[: len(path)] == path}
        inside |= {document.place(below, of_key=True) for below in document.keys if below[: len(path)] == path}
        holder = document.place(path[:-1], of_key=True)
        for line, column, message in own:
            assert (line, column) in {*inside, begin, holder}, (path, value, message)
    assert looked_at > 150 / every
