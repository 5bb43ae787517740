"""What a person sees of the sites: Chromium with Playwright, slow and thorough, which clicks where it is told to.

Which pictures were shown is taken from what the servers sent, not from what the browser says. Drawn ones are read from
the page: canvases, and images that hold their own bytes.
"""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.rendered.pictures import corner, nearest
from tests.benchmarks.rendered.server import Log, Served
from tests.benchmarks.rendered.site import (
    QUIET_MS,
    Choose,
    Click,
    Drag,
    Hover,
    Press,
    Scroll,
    Site,
    Step,
    Wheel,
)

MOST_QUIET_S = 8.0
"""A page that never is quiet is gone on with after that."""
POLL_MS = 50
SCREEN_PX = 400
DWELL_MS = 350
"""How long a person looks at one screen."""
CLICK_MS = 5000
_SCROLL = """([selector, sideways, step]) => {
    const box = selector ? document.querySelector(selector) : document.scrollingElement;
    if (!box) return true;
    const before = sideways ? box.scrollLeft : box.scrollTop;
    box.scrollBy({ [sideways ? "left" : "top"]: step, behavior: "instant" });
    return (sideways ? box.scrollLeft : box.scrollTop) === before;
}"""
_DRAWN = """() => [...document.querySelectorAll("canvas")].map((it) => it.toDataURL())
    .concat([...document.images].map((it) => it.src).filter((src) => src.startsWith("data:image/")))"""
MOST_SCREENS = 400


class Person:
    """Visits sites, one page after the other."""

    def __init__(self, browser: Any, served: Served) -> None:
        self._browser = browser
        self._served = served

    def sees(self, site: Site) -> frozenset[int]:
        """The numbers of the pictures of *site* that came to be seen, on all of its pages together."""
        self._served.log.drain()
        drawn: set[int] = set()

        def look(page: Any) -> None:
            drawn.update(self._drawn(page, site))

        context = self._browser.new_context(viewport={"width": 1280, "height": 800})
        try:
            for visit in site.visits:
                page = context.new_page()
                page.on("pageerror", lambda error: print(f"{site.name}: {error}", file=sys.stderr))
                page.goto(self._served.urls[site.name].rstrip("/") + visit.address, wait_until="load")
                quiet(page, self._served.log)
                self._scroll(page)
                look(page)
                for step in visit.steps:
                    self._take(page, step, look)
                self._scroll(page)
                look(page)
                page.close()
        finally:
            context.close()
        shown = (
            site.pictures.known_by(asked.target)
            for asked in self._served.log.drain()
            if asked.is_image and asked.site == site.name
        )
        return frozenset(known[0] for known in shown if known) | drawn

    def _scroll(self, page: Any, selector: str = "", *, sideways: bool = False) -> None:
        """To the end, screen by screen, and again for what came meanwhile; then back to the top."""
        for _ in range(MOST_SCREENS):
            at_end = page.evaluate(_SCROLL, [selector, sideways, SCREEN_PX])
            page.wait_for_timeout(DWELL_MS)
            if at_end:
                quiet(page, self._served.log)
                if page.evaluate(_SCROLL, [selector, sideways, SCREEN_PX]):
                    break
        page.evaluate(_SCROLL, [selector, sideways, -10_000_000])
        page.wait_for_timeout(DWELL_MS)

    def _take(self, page: Any, step: Step, look: Callable[[Any], None]) -> None:
        match step:
            case Click(selector, times, each):
                found = page.locator(selector)
                for at in range(found.count() if each else times):
                    which = found.nth(at) if each else found.locator("visible=true").first
                    if not each and not (which.count() and which.is_enabled()):
                        return
                    which.click(timeout=CLICK_MS)
                    quiet(page, self._served.log)
                    look(page)
            case Press(key, times):
                for _ in range(times):
                    page.keyboard.press(key)
                    quiet(page, self._served.log)
                    look(page)
            case Scroll(selector, sideways):
                self._scroll(page, selector, sideways=sideways)
            case Wheel(selector, delta_y, times):
                page.locator(selector).first.hover()
                for _ in range(times):
                    page.mouse.wheel(0, delta_y)
                    quiet(page, self._served.log)
                    look(page)

            case _:
                self._handle(page, step, look)

    def _handle(self, page: Any, step: Step, look: Callable[[Any], None]) -> None:
        match step:
            case Hover(selector):
                for which in page.locator(selector).all():
                    which.hover(timeout=CLICK_MS)
                    quiet(page, self._served.log)
                    look(page)
            case Choose(selector):
                for at in range(page.locator(f"{selector} option").count()):
                    page.locator(selector).select_option(index=at)
                    quiet(page, self._served.log)
                    look(page)
            case Drag(selector, delta_x, times):
                for _ in range(times):
                    page.locator(selector).first.hover()
                    box = page.locator(selector).first.bounding_box()
                    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
                    page.mouse.down()
                    page.mouse.move(x + delta_x, y, steps=8)
                    page.mouse.up()
                    quiet(page, self._served.log)
                    look(page)

    def _drawn(self, page: Any, site: Site) -> set[int]:
        if not site.drawn:
            return set()
        numbers = frozenset(range(site.pictures.count + 1, site.pictures.count + site.drawn + 1))
        seen = (
            nearest(corner(base64.b64decode(url.partition(",")[2])), numbers) for url in page.evaluate(_DRAWN)
        )
        return {n for n in seen if n is not None}


def quiet(page: Any, log: Log) -> None:
    """Waits until nothing has been asked for a while, from now on."""
    began = time.monotonic()
    while time.monotonic() - began < MOST_QUIET_S:
        page.wait_for_timeout(POLL_MS)
        since = max(log.last_s, began)
        if log.in_flight == 0 and time.monotonic() - since > QUIET_MS / 1000:
            return


@contextmanager
def browsing(chromium: str) -> Iterator[Any]:
    """Chromium, by Playwright, which is no dependency of this project."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("this needs Playwright: pip install playwright (its own browsers are not needed)")
    with sync_playwright() as playwright:
        if not Path(chromium).is_file():
            sys.exit(f"no Chromium at {chromium!r}; say where it is with --chromium PATH")
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        try:
            yield browser
        finally:
            browser.close()
