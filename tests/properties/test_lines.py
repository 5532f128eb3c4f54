"""Lines of a journal are whole or not there, whatever is cut off, changed, or finds no room."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.diagnostics import InputError
from sim.lines import first_line, line, open_lines, said

ROOT = Path(__file__).parents[2]
VALUES = st.dictionaries(st.text(max_size=5), st.integers() | st.floats(allow_nan=False) | st.text(max_size=9))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_a_line_says_what_was_put_into_it_and_no_other_says_anything(values: dict[str, object]) -> None:
    written = line(values)
    assert said(written) == values
    assert written.count(b"\n") == 1
    for cut in range(len(written)):
        assert said(written[:cut]) is None
    for place in range(len(written) - 1):
        changed = bytearray(written)
        changed[place] ^= 1
        assert said(bytes(changed)) is None


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(VALUES, min_size=1, max_size=5), st.data())
def test_wherever_a_file_is_cut_off_it_goes_on_with_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, all: list[dict[str, object]], data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("lines") / "journal.jsonl"
    whole = b"".join(map(line, all))
    cut = data.draw(st.integers(0, len(whole)))
    file.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    with open_lines(file, file) as lines:
        assert list(lines.read()) == all[:kept]
        for values in all[kept:]:
            lines.append(values)
    assert file.read_bytes() == whole
    assert first_line(file) == all[0]


def test_a_line_that_is_none_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_bytes(line({"n": 1}) + b"{}\nnonsense\n\n" + line({"n": 2}) + line({"n": 3})[3:] + line({"n": 4}))
    with open_lines(file, file) as lines:
        assert list(lines.read()) == [{"n": 1}, {"n": 2}, {"n": 4}]


def test_one_process_writes(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    with (
        open_lines(file, file),
        pytest.raises(InputError, match="another process is writing"),
        open_lines(file, file),
    ):
        pass
    with open_lines(file, file):
        pass


FULL = """
import resource, sys
from pathlib import Path
from sim.lines import line, open_lines

file = Path(sys.argv[1])
with open_lines(file, file) as lines:
    lines.append({"n": 0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(line({"n": 0})) * 3 + 20, resource.RLIM_INFINITY))
    for n in range(1, 9):
        try:
            lines.append({"n": n})
        except OSError as error:
            print(n, error.strerror)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    lines.append({"n": 9})
"""


def test_a_line_that_finds_no_room_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    command = [sys.executable, "-c", FULL, str(file)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    assert done.stdout.decode().splitlines() == [f"{n} File too large" for n in range(3, 9)]
    assert file.read_bytes() == b"".join(line({"n": n}) for n in (0, 1, 2, 9))
