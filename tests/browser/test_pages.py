"""Every page in a real Chromium: accessible (WCAG 2.2 AA, by axe), whole at every width and on paper, and alone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import axe_playwright_python
import pytest

from models.diagnostics import InputError
from reports.pdf import write_pdf

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (360, 768, 1280)
ALL = ("failing run", "passing run", "counted run", "compare", "sweep", "size", "recovery map", "gate")
FAST = ("compare",)
pages = pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=pytest.mark.long) for n in ALL])

NO_HINT = ".scroll { background: none !important }"
"""The shadow that hints at a table's scrolling is a gradient, on which axe does not tell a contrast. Texts never lie on
it: it is at the edges, below the table's own background."""


@contextmanager
def opened(browser: Browser, file: Path, *, script: bool = True, width: int = 1280, **options: Any) -> Iterator[Page]:
    """A page that may ask nothing of anyone; `script` lets the test's own run in it."""
    context = browser.new_context(
        bypass_csp=script, java_script_enabled=script, viewport={"width": width, "height": 900}, **options
    )
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(file.as_uri())
    yield page
    assert asked == [file.as_uri()], "nothing is fetched"
    context.close()


def faults(page: Page) -> list[str]:
    """What axe finds, told in a line each."""
    page.add_style_tag(content=NO_HINT)
    page.evaluate(AXE)
    found = page.evaluate("tags => axe.run({runOnly: tags})", TAGS)
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]


@pages
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, page_of: Callable[[str], Path], name: str, scheme: Any) -> None:
    with opened(browser, page_of(name), color_scheme=scheme) as page:
        assert faults(page) == []


BROKEN: dict[str, tuple[str, str]] = {
    "color-contrast": ('<p class="lead">', '<p class="lead" style="color: #bbb">'),
    "html-has-lang": ('<html lang="en">', "<html>"),
    "svg-img-alt": (r"<title id=.*?</title>| aria-labelledby=\"variants[^\"]*\"", ""),
    "landmark-one-main": ("<main", "<div"),
    "scrollable-region-focusable": ('tabindex="0"', 'tabindex="-1"'),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_axe_finds_what_is_broken(browser: Browser, page_of: Callable[[str], Path], rule: str, tmp_path: Path) -> None:
    """The check above can say no."""
    text, changes = re.subn(*BROKEN[rule], page_of("compare").read_text(encoding="utf-8"))
    assert changes
    (tmp_path / "broken.html").write_text(text, encoding="utf-8")
    with opened(browser, tmp_path / "broken.html", width=360) as page:
        assert any(fault.startswith(rule) for fault in faults(page))


def _overflow(page: Page) -> list[str]:
    """What reaches past the right edge of the page, but for what scrolls within it."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('body *')]
            .filter(e => !e.closest('.scroll *, svg *, .skip') && e.getBoundingClientRect().width
                && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
            .map(e => e.outerHTML.slice(0, 150))"""
    )
    return found


@pages
def test_a_page_is_whole_at_every_width(browser: Browser, page_of: Callable[[str], Path], name: str) -> None:
    """320 is a screen of 1280 at four times the size: WCAG's reflow."""
    with opened(browser, page_of(name)) as page:
        for width in (320, *WIDTHS):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert _overflow(page) == []
            _keep(page, f"{name}-{width}")


def test_texts_of_twice_the_size_stay_on_the_page(browser: Browser, page_of: Callable[[str], Path]) -> None:
    with opened(browser, page_of("compare")) as page:
        page.add_style_tag(content="html { font-size: 200% !important }")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        assert _overflow(page) == []


@pages
def test_a_page_says_the_same_without_script_and_style(
    browser: Browser, page_of: Callable[[str], Path], name: str, tmp_path: Path
) -> None:
    file = page_of(name)
    bare = tmp_path / "bare.html"
    bare.write_text(re.sub(r"<style>.*?</style>", "", file.read_text(encoding="utf-8"), flags=re.S), encoding="utf-8")
    with opened(browser, file, script=False) as page, opened(browser, bare, script=False) as plain:
        shown, said = (one.locator("body").inner_text().split() for one in (page, plain))
        assert sorted(said) == sorted(shown), "words stand apart without styles, too"
        assert "<script" not in file.read_text(encoding="utf-8")


@pages
def test_paper_shows_all(browser: Browser, page_of: Callable[[str], Path], name: str) -> None:
    """Nothing is cut at the side or hidden, but the heads of wide tables, whose cells say their columns there."""
    with opened(browser, page_of(name), width=794) as page:
        page.emulate_media(media="print")
        hidden = page.evaluate(
            """() => [...document.querySelectorAll('main *, header *')]
                .filter(e => !e.closest('svg, nav, .skip, table.wide thead'))
                .filter(e => e.textContent.trim() && !e.checkVisibility())
                .map(e => e.outerHTML.slice(0, 150))"""
        )
        assert hidden == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 794
        pdf = page.pdf(format="A4")
        assert pdf.startswith(b"%PDF")
        _keep(page, f"{name}-print", pdf)


def test_keys_reach_what_scrolls_and_the_focus_is_seen(browser: Browser, page_of: Callable[[str], Path]) -> None:
    with opened(browser, page_of("compare"), width=360) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, "it is shown"
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#main"
        reached = set()
        for _ in range(200):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            reached.add(page.evaluate("document.activeElement.getAttribute('aria-label')"))
            style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style != "none", "the focus is drawn"
        regions = page.evaluate("[...document.querySelectorAll('.scroll')].map(e => e.getAttribute('aria-label'))")
        assert set(regions) <= reached


def test_what_is_told_by_colour_is_told_without(browser: Browser, page_of: Callable[[str], Path]) -> None:
    with opened(browser, page_of("compare"), forced_colors="active") as page:
        marks = page.locator(".mark").all_inner_texts()
        assert marks
        assert all(re.search(r"[✓✗?!i]\s*\w+", mark) for mark in marks)


def test_targets_are_large_enough(browser: Browser, page_of: Callable[[str], Path]) -> None:
    """WCAG 2.2, 2.5.8: 24 by 24 pixels, but for links within a sentence."""
    with opened(browser, page_of("compare"), width=360) as page:
        sizes = page.evaluate("[...document.querySelectorAll('nav a')].map(e => e.getBoundingClientRect().height)")
        assert sizes
        assert min(sizes) >= 24


def _keep(page: Page, name: str, data: bytes | None = None) -> None:
    """Leave a picture for who wants to look, where `WINDTUNNEL_SCREENSHOTS` names a folder."""
    if folder := os.environ.get("WINDTUNNEL_SCREENSHOTS"):
        target = Path(folder) / name.replace(" ", "-")
        if data is None:
            page.screenshot(path=target.with_name(f"{target.name}.png"), full_page=True)
        else:
            target.with_name(f"{target.name}.pdf").write_bytes(data)


@pytest.mark.usefixtures("browser")
def test_a_report_is_printed_as_pdf(page_of: Callable[[str], Path], tmp_path: Path) -> None:
    printed = write_pdf(tmp_path / "page.pdf", page_of("compare"))
    data = printed.read_bytes()
    assert data.startswith(b"%PDF")
    assert data.count(b"/Type /Page") >= 2
    with pytest.raises(InputError, match="there is no such folder"):
        write_pdf(tmp_path / "nowhere" / "page.pdf", page_of("compare"))
