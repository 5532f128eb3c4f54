"""Logs of requests: every faulty line is told at once, with its number and what was expected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.cedar.recorded import FAULTS_MAX, LINE_BYTES_MAX, read_requests
from models.diagnostics import InputError

GOOD = {"principal": 'User::"a"', "action": 'Action::"view"', "resource": 'Doc::"d"'}


def log(folder: Path, *lines: object) -> Path:
    path = folder / "log.jsonl"
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(texts) + b"\n")
    return path


def test_a_line_may_say_little_or_all(tmp_path: Path) -> None:
    full = GOOD | {
        "principal": {"type": "User", "id": "a"},
        "context": {"n": 1},
        "entities": [{"uid": {"type": "User", "id": "a"}, "attrs": {}, "parents": []}],
        "approvals": ["finance"],
        "decision": "ALLOW",
        "latency_ms": 3,
    }
    first, second = read_requests(log(tmp_path, GOOD, b"", full))
    assert (first.line, first.entities, first.decision) == (1, None, None)
    assert second.line == 3
    assert second.asked == {**GOOD, "context": {"n": 1}}
    assert (second.approvals, second.decision) == ({"finance"}, "allow")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "the line is not JSON"),
        (b'{"principal": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        ([], "expected a JSON object"),
        ({**GOOD, "principal": "anna"}, "`principal` is `anna`: expected"),
        ({"principal": GOOD["principal"], "action": GOOD["action"]}, "no `resource`"),
        ({**GOOD, "context": []}, "`context`"),
        ({**GOOD, "entities": {}}, "`entities`"),
        ({**GOOD, "approvals": [1]}, "`approvals`"),
        ({**GOOD, "decision": "maybe"}, "allow, deny, escalate"),
        (b'{"principal": NaN}', "NaN is no number"),
    ],
)
def test_a_faulty_line_is_told_with_its_number(tmp_path: Path, line: object, message: str) -> None:
    with pytest.raises(InputError) as raised:
        list(read_requests(log(tmp_path, GOOD, line, GOOD)))
    (fault,) = raised.value.diagnostics
    assert fault.line == 2
    assert message in fault.message


def test_every_faulty_line_is_told_up_to_a_limit(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        list(read_requests(log(tmp_path, *[{}] * (FAULTS_MAX + 5))))
    assert [fault.line for fault in raised.value.diagnostics] == list(range(1, FAULTS_MAX + 1))


def test_files_that_are_no_logs(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none", "no such file"), (tmp_path, "not a regular file")):
        with pytest.raises(InputError, match=message):
            list(read_requests(path))
    for line, message in ((b"", "no request"), (b" " * (LINE_BYTES_MAX + 2), "a line of more than")):
        with pytest.raises(InputError, match=message):
            list(read_requests(log(tmp_path, line)))
