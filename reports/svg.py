"""Figures as inline SVG: the same bytes every time, colours that follow the page, a title and description for everyone.

Matplotlib draws; what it writes is made fit to stand in a page: ids are unique by the figure's key, sizes follow the
column, and the palette becomes CSS variables, so that one drawing serves light, dark and print.
"""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reports.words import printable

INK: Final = "#1b1b1b"
MUTED: Final = "#595959"
RULE: Final = "#c8c8c8"
PAPER: Final = "#fefefe"
ACCENT: Final = "#1d4f91"
GOOD: Final = "#1c6b36"
BAD: Final = "#a4161f"
OPEN: Final = "#7a5000"
BAND: Final = "#ded6c4"

_VARIABLES: Final = {
    INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper", ACCENT: "--accent", GOOD: "--good", BAD: "--bad",
    OPEN: "--open", BAND: "--band",
}  # fmt: skip
"""Each drawing colour and the page's variable that replaces it; the colour stays as the fallback."""

_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "windtunnel",
    "svg.image_inline": True,
    "text.parse_math": False,  # names come from files; `$` is a character
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that layouts do not depend on the machine's fonts
    "font.size": 9.5,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "hatch.color": BAND,
    "hatch.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "path.simplify": True,
}

_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"'DejaVu Sans'[^;]*")


@contextmanager
def drawing(width: float, height: float, *, axes_fill: bool = False) -> Iterator[Figure]:
    """A blank figure of so many inches, under the report's style. `axes_fill` leaves no margins."""
    with mpl.rc_context(), warnings.catch_warnings():
        # A name may use a script that the font lacks; the page shows it with the reader's fonts.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=(width, height), layout=None if axes_fill else "constrained")
        FigureCanvasSVG(figure)
        yield figure


def inline(figure: Figure, key: str, title: str, description: str) -> str:
    """The figure as an SVG element to put into a page. `key` makes its ids unique there."""
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ET.fromstring(written.getvalue())  # noqa: S314 - written by matplotlib one line above
    for parent in root.iter():
        for child in [c for c in parent if _local(c.tag) == "metadata"]:
            parent.remove(child)
    for element in root.iter():
        _settle(element, key)
    width, height = (root.attrib.pop(side).removesuffix("pt") for side in ("width", "height"))
    root.attrib.update({"role": "img", "aria-labelledby": f"{key}-title {key}-desc", "data-size": f"{width}x{height}"})
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        label = ET.Element(tag, {"id": f"{key}-{tag}"})
        label.text = printable(text)
        root.insert(position, label)
    return ET.tostring(root, encoding="unicode")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _settle(element: ET.Element, key: str) -> None:
    """Rewrite one element for its place in a page: no namespaces, ids of its own, colours and font of the page."""
    element.tag = _local(element.tag)
    attributes = {_local(name): value for name, value in element.attrib.items()}
    element.attrib.clear()
    for name, value in attributes.items():
        if name == "id":
            value = f"{key}-{value}"
        elif name == "href":
            value = f"#{key}-{value.removeprefix('#')}"
        else:
            value = _REFERENCE.sub(rf"url(#{key}-\1)", value)
        element.set(name, _coloured(value) if name in {"style", "fill", "stroke"} else value)
    if element.tag == "style":
        element.text = f"#{key}-figure_1 * {{stroke-linejoin: round; stroke-linecap: butt}}"


def _coloured(value: str) -> str:
    for colour, variable in _VARIABLES.items():
        value = value.replace(colour, f"var({variable}, {colour})")
    return _FONT.sub("var(--sans, sans-serif)", value)
