"""Probability laws as scenario files write them: `lognormal(median=40ms, p95=90ms)`, `choice(low=0.4, high=0.6)`.

A law is data: a kind, its parameters in base units (microseconds for durations, plain numbers otherwise) and the text
it came from. Draws are by inverse transform, `quantile(u)` for u in (0, 1), so that one uniform gives one value. Only
`math` functions are used: numpy's own differ from them in the last bit, and results must not depend on the path taken.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist
from typing import Annotated, Any, Final

from pydantic_core import PydanticCustomError

from models.diagnostics import near, quoted
from models.units import TextType, parse_duration, value_error

_NORMAL = NormalDist()
_P95_Z: Final = _NORMAL.inv_cdf(0.95)

CALL_TEXT_MAX: Final = 2_000
SIGMA_MAX: Final = 10.0
SHAPE_MIN: Final = 0.05
"""Bounds on how heavy a tail may be, so that no draw overflows. A sigma of 10 is a p95 of 14 million medians."""
BETA_MIN: Final = 0.001
BETA_MAX: Final = 1e6
"""Bounds on the parameters of a Beta law, so that its quantiles stay computable."""
_CALL = re.compile(r"\s*([a-z][a-z-]*)\s*\(([^()]*)\)\s*")
_NAMED: Final = r"[A-Za-z0-9_.:/@-]+"
_ARGUMENT = re.compile(rf"\s*({_NAMED})\s*=\s*([^=,]+?)\s*")
_TEXT = re.compile(r"[^\W\d_][^()=,\x00-\x1f\x7f-\x9f]{0,199}")
_WORDS: Final = ("true", "false", "null", "nan", "inf", "infinity")
"""What reads as something else than a text."""
_PLAIN = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:e[-+]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Law:
    """A law of numbers. `parameters` are in base units, in the order the kind's constructor below states."""

    kind: str
    parameters: tuple[float, ...]
    text: str = field(compare=False)

    def quantile(self, u: float) -> float:
        """The value below which a share `u` in (0, 1) of draws lie, in base units."""
        return _KINDS[self.kind].quantile(self.parameters, u)

    @property
    def mean(self) -> float:
        """The expectation, in base units."""
        return _KINDS[self.kind].mean(self.parameters)

    @property
    def support(self) -> tuple[float, float]:
        """The least and the greatest value (or infinity) that a draw can take, in base units."""
        return _KINDS[self.kind].support(self.parameters)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Beta:
    """The law of a case's latent chance of success: Beta(alpha, beta), or one fixed chance for every case.

    Attempts on one case share the draw, so repeated attempts are Beta-binomial, not independent.
    """

    alpha: float
    beta: float
    chance: float | None
    text: str = field(compare=False)

    @property
    def mean(self) -> float:
        return self.chance if self.chance is not None else self.alpha / (self.alpha + self.beta)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Choice:
    """A law of texts: `values` with `weights` that add up to one."""

    values: tuple[str, ...]
    weights: tuple[float, ...]
    text: str = field(compare=False)

    def index(self, u: float) -> int:
        """The position of the value that `u` in (0, 1) selects."""
        reached = 0.0
        for position, weight in enumerate(self.weights):
            reached += weight
            if u < reached:
                return position
        return len(self.values) - 1

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Chance:
    """A law of booleans: true with probability `p`."""

    p: float
    text: str = field(compare=False)

    def __str__(self) -> str:
        return self.text


AttributeLaw = Law | Choice | Chance


@dataclass(frozen=True, slots=True)
class _Kind:
    quantile: Callable[[tuple[float, ...], float], float]
    mean: Callable[[tuple[float, ...]], float]
    support: Callable[[tuple[float, ...]], tuple[float, float]]


def _lognormal_quantile(parameters: tuple[float, ...], u: float) -> float:
    mu, sigma = parameters
    return math.exp(mu + sigma * _NORMAL.inv_cdf(u))


def _weibull_quantile(parameters: tuple[float, ...], u: float) -> float:
    shape, scale = parameters
    return float(scale * math.pow(-math.log1p(-u), 1.0 / shape))


def _table_quantile(parameters: tuple[float, ...], u: float) -> float:
    half = len(parameters) // 2
    shares, values = parameters[:half], parameters[half:]
    for i in range(half - 1):
        if u <= shares[i + 1]:
            t = (u - shares[i]) / (shares[i + 1] - shares[i])
            return values[i] + t * (values[i + 1] - values[i])
    return values[-1]


def _table_mean(parameters: tuple[float, ...]) -> float:
    half = len(parameters) // 2
    shares, values = parameters[:half], parameters[half:]
    total = 0.0
    for i in range(half - 1):
        total += (shares[i + 1] - shares[i]) * (values[i] + values[i + 1]) / 2
    return total


def _mixture_quantile(parameters: tuple[float, ...], u: float) -> float:
    half = len(parameters) // 2
    reached = 0.0
    for value, weight in zip(parameters[:half], parameters[half:], strict=True):
        reached += weight
        if u < reached:
            return value
    return parameters[half - 1]


def _mixture_mean(parameters: tuple[float, ...]) -> float:
    half = len(parameters) // 2
    total = 0.0
    for value, weight in zip(parameters[:half], parameters[half:], strict=True):
        total += value * weight
    return total


def _mixture_support(parameters: tuple[float, ...]) -> tuple[float, float]:
    values = parameters[: len(parameters) // 2]
    return min(values), max(values)


_KINDS: Final[Mapping[str, _Kind]] = {
    "constant": _Kind(lambda p, _: p[0], lambda p: p[0], lambda p: (p[0], p[0])),
    "uniform": _Kind(lambda p, u: p[0] + u * (p[1] - p[0]), lambda p: (p[0] + p[1]) / 2, lambda p: (p[0], p[1])),
    "exponential": _Kind(lambda p, u: -p[0] * math.log1p(-u), lambda p: p[0], lambda _: (0.0, math.inf)),
    "lognormal": _Kind(_lognormal_quantile, lambda p: math.exp(p[0] + p[1] * p[1] / 2), lambda _: (0.0, math.inf)),
    "weibull": _Kind(_weibull_quantile, lambda p: p[1] * math.gamma(1.0 + 1.0 / p[0]), lambda _: (0.0, math.inf)),
    "quantiles": _Kind(_table_quantile, _table_mean, lambda p: (p[len(p) // 2], p[-1])),
    "values": _Kind(_mixture_quantile, _mixture_mean, _mixture_support),
}


def plain_number(value: object) -> float:
    """A number as laws and curves take it. Raises PydanticCustomError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not _PLAIN.fullmatch(str(value)):
        raise value_error(f"{quoted(value)} is not a number", "a plain number, such as `0.5`")
    return float(value)


def _duration(value: object) -> float:
    return float(parse_duration(value))


def _arguments(body: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in body.split(","):
        argument = _ARGUMENT.fullmatch(part)
        if not argument:
            raise value_error(f"{quoted(part.strip())} is not an argument", "arguments such as `median=40ms`")
        if argument[1] in found:
            raise value_error(f"argument {quoted(argument[1])} is given twice", "each argument once")
        found[argument[1]] = argument[2]
    return found


def law_call(value: str) -> tuple[str, dict[str, str]]:
    """The name and the arguments of `name(argument=value, ...)`. Raises PydanticCustomError."""
    call = _CALL.fullmatch(value) if len(value) <= CALL_TEXT_MAX else None
    if ")" not in value:
        raise value_error(
            f"{quoted(value)} has no `)`", "quotes about a law inside `{}` or `[]`: a comma ends a value there"
        )
    if not call:
        raise value_error(f"{quoted(value)} is not a law", "a law such as `lognormal(median=40ms, p95=90ms)`")
    return call[1], _arguments(call[2])


def _take(text: str, arguments: dict[str, str], *names: str) -> list[str]:
    if set(arguments) != set(names):
        given = ", ".join(map(quoted, arguments))
        raise value_error(
            f"wrong arguments {given} in {quoted(text)}", f"the arguments {', '.join(map(quoted, names))}"
        )
    return [arguments[name] for name in names]


def _lognormal(text: str, arguments: dict[str, str], read: Callable[[object], float]) -> tuple[float, ...]:
    """From median and p95, median and sigma (of the logarithm), or mean and cv (standard deviation over mean)."""
    if "cv" in arguments:
        mean, cv = _take(text, arguments, "mean", "cv")
        sigma = _sigma(text, math.sqrt(math.log1p(_positive(text, plain_number(cv)) ** 2)))
        return math.log(_positive(text, read(mean))) - sigma * sigma / 2, sigma
    if "sigma" in arguments:
        median, spread = _take(text, arguments, "median", "sigma")
        return math.log(_positive(text, read(median))), _sigma(text, _positive(text, plain_number(spread)))
    median, p95 = _take(text, arguments, "median", "p95")
    low, high = _positive(text, read(median)), read(p95)
    if not high > low:
        raise value_error(f"p95 is not above the median in {quoted(text)}", "a p95 above the median")
    return math.log(low), _sigma(text, (math.log(high) - math.log(low)) / _P95_Z)


def _positive(text: str, value: float) -> float:
    if not value > 0:
        raise value_error(f"a value of zero or less in {quoted(text)}", "values above zero")
    return value


def _sigma(text: str, sigma: float) -> float:
    if sigma > SIGMA_MAX:
        raise value_error(
            f"the tail of {quoted(text)} is too heavy", f"a sigma of the logarithm of at most {SIGMA_MAX:g}"
        )
    return sigma


def _shape(text: str, shape: float) -> float:
    if shape < SHAPE_MIN:
        raise value_error(f"the tail of {quoted(text)} is too heavy", f"a shape of at least {SHAPE_MIN:g}")
    return shape


def _quantiles(text: str, arguments: dict[str, str], read: Callable[[object], float]) -> tuple[float, ...]:
    """A piecewise linear quantile table: `quantiles(p0=1s, p50=32m, p95=86h, p100=200h)`, from p0 to p100."""
    points = []
    for name, value in arguments.items():
        if not re.fullmatch(r"p[0-9]{1,3}(\.[0-9]{1,4})?", name):
            raise value_error(f"{quoted(name)} is not a quantile", "quantiles such as `p50=32m`")
        points.append((float(name[1:]) / 100, read(value)))
    shares = [share for share, _ in points]
    values = [value for _, value in points]
    ascending = all(a < b for a, b in pairwise(shares)) and values == sorted(values)
    if len(points) < 2 or shares[0] != 0 or shares[-1] != 1 or not ascending:
        raise value_error(f"{quoted(text)} is no quantile table", "ascending quantiles from `p0` to `p100`")
    return (*shares, *values)


def _values(text: str, arguments: dict[str, str], read: Callable[[object], float]) -> tuple[float, ...]:
    """Values with probabilities: `values(0.05=0.6, 1=0.4)`, kept ascending, so that the quantile rises with u."""
    points = sorted((read(name), plain_number(weight)) for name, weight in arguments.items())
    weights = _weights(text, [weight for _, weight in points])
    return (*(value for value, _ in points), *weights)


def _weights(text: str, weights: list[float]) -> tuple[float, ...]:
    if any(weight < 0 for weight in weights) or not abs(math.fsum(weights) - 1) <= 1e-6:
        total = math.fsum(weights)
        raise value_error(f"the weights of {quoted(text)} add up to {total:g}", "probabilities that add up to 1")
    return tuple(weights)


def _parameters(text: str, kind: str, arguments: dict[str, str], read: Callable[[object], float]) -> tuple[float, ...]:
    match kind:
        case "constant":
            return tuple(read(v) for v in _take(text, arguments, "value"))
        case "uniform":
            low, high = (read(v) for v in _take(text, arguments, "low", "high"))
            if not low <= high:
                raise value_error(f"low is above high in {quoted(text)}", "low at most high")
            return low, high
        case "exponential":
            return (_positive(text, read(_take(text, arguments, "mean")[0])),)
        case "weibull":
            shape, scale = _take(text, arguments, "shape", "scale")
            return _shape(text, plain_number(shape)), _positive(text, read(scale))
        case "lognormal":
            return _lognormal(text, arguments, read)
        case "quantiles":
            return _quantiles(text, arguments, read)
        case "values":
            return _values(text, arguments, read)
    raise _unknown(kind, tuple(sorted(_KINDS)))


def _unknown(kind: str, known: tuple[str, ...]) -> PydanticCustomError:
    close = near(kind, known)
    hint = f" (did you mean {quoted(close)}?)" if close else ""
    return value_error(f"unknown law {quoted(kind)}", f"one of {', '.join(map(quoted, known))}{hint}")


def parse_duration_law(value: object) -> Law:
    """A law of durations; a plain duration such as `5m` is constant."""
    if isinstance(value, str) and "(" in value:
        kind, arguments = law_call(value)
        return Law(kind, _parameters(value, kind, arguments, _duration), value)
    return Law("constant", (_duration(value),), str(value))


def parse_number_law(value: object) -> Law:
    """A law of plain numbers; a number is constant."""
    if isinstance(value, str) and "(" in value:
        kind, arguments = law_call(value)
        return Law(kind, _parameters(value, kind, arguments, plain_number), value)
    return Law("constant", (plain_number(value),), str(value))


def parse_success(value: object) -> Beta:
    """`beta(alpha=0.709, beta=0.276)`, or a fixed chance such as `0.95`."""
    if isinstance(value, str) and "(" in value:
        kind, arguments = law_call(value)
        if kind != "beta":
            raise value_error(f"{quoted(value)} is no law of success", "`beta(alpha=..., beta=...)` or a probability")
        alpha, beta = (_beta(value, plain_number(v)) for v in _take(value, arguments, "alpha", "beta"))
        return Beta(alpha, beta, None, value)
    return Beta(0.0, 0.0, _probability(value), str(value))


def _beta(text: str, value: float) -> float:
    if not BETA_MIN <= value <= BETA_MAX:
        raise value_error(f"{value:g} in {quoted(text)} is out of range", f"values from {BETA_MIN:g} to {BETA_MAX:g}")
    return value


def _probability(value: object) -> float:
    chance = plain_number(value)
    if not 0 <= chance <= 1:
        raise value_error(f"{quoted(value)} is no probability", "a number from 0 to 1")
    return chance


def parse_attribute_law(value: object) -> AttributeLaw:
    """The law of a case attribute: `choice(a=0.4, b=0.6)` for String, `chance(p=0.1)` for Bool, numbers for Long.

    A plain text, boolean or number is always that. A plain text begins with a letter and is no word of the grammar, so
    that it cannot be meant as anything else; a text that is a number is a number.
    """
    if isinstance(value, bool):
        return Chance(float(value), f"chance(p={value:d})")
    if isinstance(value, str) and "(" in value:
        kind, arguments = law_call(value)
        if kind == "choice":
            weights = _weights(value, [plain_number(weight) for weight in arguments.values()])
            return Choice(tuple(arguments), weights, value)
        if kind == "chance":
            return Chance(_probability(_take(value, arguments, "p")[0]), value)
        if kind not in _KINDS:
            raise _unknown(kind, ("chance", "choice", *sorted(_KINDS)))
    elif isinstance(value, str) and not _PLAIN.fullmatch(value):
        return _always(value)
    return parse_number_law(value)


def _always(text: str) -> Choice:
    """The law of one plain text, as it is read back from its own text."""
    word = text.casefold()
    if not _TEXT.fullmatch(text) or text != text.strip() or word in _WORDS or word in ("chance", "choice", *_KINDS):
        raise value_error(f"{quoted(text)} is no plain value", _instead_of(text, word))
    return Choice((text,), (1.0,), text)


def _instead_of(text: str, word: str) -> str:
    if word in ("true", "false"):
        return f"`{word}` without quotes or `chance(p={word == 'true':d})`; for the text, `choice({text}=1)`"
    always = f"; for the text, `choice({text}=1)`" if re.fullmatch(_NAMED, text) else ""
    return f"a number, `true`, `false`, a text that begins with a letter, or a law such as `choice(DE=1)`{always}"


def _text_type(name: str, parse: Callable[[object], Any], example: str, *more: str) -> TextType:
    return TextType(name, parse, str, {"type": ["string", "number", *more], "examples": [example]})


DurationLaw = Annotated[Law, _text_type("law of durations", parse_duration_law, "lognormal(median=40ms, p95=90ms)")]
NumberLaw = Annotated[Law, _text_type("law of numbers", parse_number_law, "values(0.25=0.8, 1=0.2)")]
SuccessLaw = Annotated[Beta, _text_type("law of success", parse_success, "beta(alpha=0.709, beta=0.276)")]
AttributeLawText = Annotated[
    AttributeLaw,
    _text_type("attribute law", parse_attribute_law, "choice(low=0.43, medium=0.535, high=0.035)", "boolean"),
]
