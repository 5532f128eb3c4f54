"""Whatever stands in the file, loading gives a scenario or says what is wrong; nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.diagnostics import Diagnostic, InputError
from models.load import load

ROOT = Path(__file__).parents[2]
TEXTS = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "scenarios").glob("*/scenario.yaml"))]
SCALARS = st.sampled_from(
    [
        *("", "0", "-1", "1.5", ".nan", ".inf", "1e300", "true", "~", "[]", "{}", "[a, b]", "{a: b}", "x", "0s", "15m"),
        *("1/h", "1 USD", "kind", "task", "UTC", "beta(alpha=1, beta=1)", "lognormal(median=1s, p95=2s)", "<<", "|"),
        *("quantiles(p0=0, p100=1)", '"\\0"', "'a\"b'", "*x", "&x 1", "!!t 1", 'Agent::"x"', "2026-01-05T00:00:00Z"),
        *("9" * 30, "'x: y'"),
    ]
)


def loaded_or_told(path: Path) -> None:
    """Load a file; what stops it must be an InputError whose every fault can be shown."""
    told: tuple[Diagnostic, ...] = ()
    try:
        load(path)
    except InputError as error:
        told = error.diagnostics or (Diagnostic("", ""),)  # an error without a fault would tell nothing
    assert all(fault.message and str(fault) for fault in told)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A shipped scenario with lines dropped, repeated, moved or indented, and values replaced."""
    lines = draw(st.sampled_from(TEXTS)).splitlines()
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "repeat", "swap", "indent", "value", "key", "character"])):
            case "drop":
                lines[at] = ""
            case "repeat":
                lines.insert(at, lines[at])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "indent":
                lines[at] = draw(st.sampled_from(["  ", "    ", "- "])) + lines[at]
            case "value" if ":" in lines[at]:
                lines[at] = lines[at].split(":")[0] + ": " + draw(SCALARS)
            case "key" if ":" in lines[at]:
                lines[at] = lines[at].split(":")[0][:-1] + ":" + lines[at].partition(":")[2]
            case "character" if lines[at]:
                column = draw(st.integers(0, len(lines[at]) - 1))
                lines[at] = lines[at][:column] + draw(st.characters()) + lines[at][column + 1 :]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario file to overwrite, with the policies of a shipped scenario beside it."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "policies").symlink_to(ROOT / "scenarios" / "refund-desk" / "policies")
    return folder / "scenario.yaml"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated())
def test_any_mutation_of_a_scenario_loads_or_is_told(place: Path, text: str) -> None:
    place.write_bytes(text.encode("utf-8", "surrogatepass"))
    loaded_or_told(place)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_load_or_are_told(place: Path, data: bytes) -> None:
    place.write_bytes(data)
    loaded_or_told(place)
