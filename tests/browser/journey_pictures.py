"""Pictures of the main page of every step of a journey, and one sheet on which all of them are seen at once.

They are taken from pages in memory, from the top of each to its end, and each is printed as well, as the browser prints
it. The sheet is ``journeys/index.html`` where pictures are kept.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import CDPSession
from playwright.sync_api import Page as Tab

from tests.browser.screen import ALL_WIDTHS, ORIGIN
from tests.web.walk import Page

#: A4 less its margins, about.
PAPER: Final = 700
_SCREEN: Final = 900
#: What a step is called here, and in the walk.
STEPS: Final = {
    "public": "GET /g/{slug} as anonymous",
    "check": "GET /g/{slug}/check as anonymous",
    "rules": "GET /g/{slug}/rules as anonymous",
    "log": "GET /g/{slug}/log as member",
    "receipt": "GET /g/{slug}/log/{hours_id} as member",
    "ask": "GET /g/{slug}/ask as member",
    "status": "GET /g/{slug}/asks/{draw_id} as member",
    "today": "GET /g/{slug}/today as steward",
    "pay": "GET /g/{slug}/pay as treasurer",
    "statement": "a statement",
    "settings": "GET /g/{slug}/me/settings as member",
    "set-up": "set up",
}


class Way(NamedTuple):
    """One way to look at a page."""

    name: str
    width: int
    scheme: Any = "light"
    media: Any = "screen"


WAYS: Final = (
    *(Way(f"{width:04}-{scheme}", width, scheme) for width in ALL_WIDTHS for scheme in ("light", "dark")),
    Way("print", PAPER, media="print"),
)


#: As it comes out of a printer, sheet by sheet.
PRINTED: Final = "paper"


class Kept(NamedTuple):
    """What was kept of one page in one way of looking, and whether it was as wide as its window."""

    step: str
    language: str
    way: str
    file: str
    fits: bool


def keep(tab: Tab, serve: Callable[[Page], None], pages: dict[str, list[Page]], folder: Path) -> list[Kept]:
    """Take every picture, and make the sheet.

    Args:
        serve: Says which page the tab gets next.
        pages: By language, the pages of the walk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    camera = tab.context.new_cdp_session(tab)
    kept = [
        one
        for language, found in pages.items()
        for one in _keep_language(tab, serve, {page.name: page for page in found}, language, camera, folder)
    ]
    (folder / "index.html").write_text(sheet(kept), encoding="utf-8")
    return kept


def _keep_language(
    tab: Tab,
    serve: Callable[[Page], None],
    pages: dict[str, Page],
    language: str,
    camera: CDPSession,
    folder: Path,
) -> Iterator[Kept]:
    for number, (step, name) in enumerate(STEPS.items(), 1):
        serve(pages[name])
        tab.emulate_media(media="screen")
        tab.goto(ORIGIN + urlsplit(pages[name].url).path)
        for way in WAYS:
            tab.set_viewport_size({"width": way.width, "height": _SCREEN})
            tab.emulate_media(media=way.media, color_scheme=way.scheme)
            wide, tall = tab.evaluate(
                "(({scrollWidth: w, scrollHeight: h}) => [w, h])(document.documentElement)"
            )
            file = f"{number:02}-{step}-{language}-{way.name}.png"
            (folder / file).write_bytes(_photograph(camera, way.width, tall))
            yield Kept(step, language, way.name, file, wide <= way.width)
        file = f"{number:02}-{step}-{language}-{PRINTED}.pdf"
        (folder / file).write_bytes(tab.pdf(prefer_css_page_size=True))
        yield Kept(step, language, PRINTED, file, fits=True)


def _photograph(camera: CDPSession, width: int, height: int) -> bytes:
    """Return a picture of the whole page. Playwright's own way resizes the window for it, which is slower."""
    taken = camera.send(
        "Page.captureScreenshot",
        {
            "format": "png",
            "captureBeyondViewport": True,
            "optimizeForSpeed": True,
            "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
        },
    )
    return base64.b64decode(taken["data"])


def sheet(kept: list[Kept]) -> str:
    """Return a page with all pictures: a part for each step, in it a row for each language."""
    steps = list(dict.fromkeys(one.step for one in kept))
    links = " · ".join(f'<a href="#{step}">{step}</a>' for step in steps)
    return "\n".join([_HEAD, f"<p>{links}</p>", *(_part(step, kept) for step in steps), ""])


def _part(step: str, kept: list[Kept]) -> str:
    rows: dict[str, list[str]] = {}
    for one in kept:
        if one.step == step:
            words = escape(f"{one.language} {one.way}")
            if one.way == PRINTED:
                rows[one.language].append(f'<p><a href="{one.file}">{words} (PDF)</a></p>')
                continue
            rows.setdefault(one.language, []).append(
                f'<figure><a href="{one.file}"><img src="{one.file}" alt="{escape(step)}, {words}" loading="lazy"></a>'
                f"<figcaption>{words}</figcaption></figure>"
            )
    return f'<h2 id="{step}">{escape(step)}</h2>\n' + "\n".join(
        "<div>\n" + "\n".join(row) + "\n</div>" for row in rows.values()
    )


_HEAD: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Every step of every journey</title>
<style>
 body { font: 16px/1.4 sans-serif; margin: 1rem; background: #ddd; color: #000; }
 div { display: flex; gap: 0.75rem; margin-block-end: 1.5rem; align-items: flex-start; }
 figure { margin: 0; flex: 1 1 0; min-width: 0; }
 img { width: 100%; max-height: 36rem; object-fit: cover; object-position: top; border: 1px solid #888; }
</style>
<h1>Every step of every journey</h1>"""
