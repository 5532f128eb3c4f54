"""`@advice` of the agent governance toolkit: JSON on a permit that turns what it permits into something less.

`{"verdict": "escalate"}` asks people first, `"warn"` and `"transform"` permit. The shape is that of the toolkit's
`cedar_advice.schema.json`; advice of another shape fails closed there, and is a fault here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, Literal, get_args

Verdict = Literal["warn", "escalate", "transform"]

ADVICE_MAX: Final = 10_000
"""Characters of an advice that are read. An assumption: far above any that is in use."""

_TARGET: Final = re.compile(r"\$policy_target($|[.\[])")
_RESERVED: Final = "runtime_error:"


def read_advice(text: str) -> tuple[Verdict | None, tuple[str, ...]]:
    """The verdict of an advice, and what is wrong with it; None where that leaves none."""
    if len(text) > ADVICE_MAX:
        return None, (f"it is longer than {ADVICE_MAX} characters",)
    try:
        advice = json.loads(text)
    except json.JSONDecodeError as error:
        return None, (f"it is not JSON: {error.msg} at character {error.pos + 1}",)
    except RecursionError:
        return None, ("its values are nested too deeply",)
    if not isinstance(advice, dict):
        return None, ('it is no object, such as {"verdict": "escalate"}',)
    faults = tuple(_faults(advice))
    return (None if faults else advice["verdict"]), faults


def _faults(advice: dict[str, Any]) -> Iterator[str]:
    for key in advice.keys() - {"verdict", "reason", "message", "transform"}:
        yield f"it has no key `{key}`"
    verdict = advice.get("verdict")
    if verdict not in get_args(Verdict):
        yield 'its `verdict` is "warn", "escalate" or "transform"'
    for key in ("reason", "message"):
        if not isinstance(advice.get(key), str | None):
            yield f"its `{key}` is a text"
    if str(advice.get("reason")).startswith(_RESERVED):
        yield f"its `reason` does not start with `{_RESERVED}`"
    if (verdict == "transform") != ("transform" in advice):
        yield "`transform` goes with the verdict `transform`, and only with it"
    elif "transform" in advice:
        yield from _transform_faults(advice["transform"])


def _transform_faults(transform: object) -> Iterator[str]:
    if not isinstance(transform, dict) or transform.keys() != {"path", "value"}:
        yield "its `transform` has a `path` and a `value`"
    elif not isinstance(transform["path"], str) or not _TARGET.match(transform["path"]):
        yield "the `path` of its `transform` is below `$policy_target`"
