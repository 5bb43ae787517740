"""axe finds nothing to object to, in each of the page's views, by day and by night, on small screens and large ones."""

from __future__ import annotations

import os

import pytest

from tests.support import axe
from tests.support.galleries import pictures, write
from tests.support.windows import Windows

pytestmark = [pytest.mark.browser, pytest.mark.untraced]  # what is tried is a script

VIEWS = {
    "grid": ("", "true"),
    "filters": ("", "(gallery.filters.open(true), true)"),
    "search": ("#q=photo+1&format=jpeg", "document.querySelector('.chip')"),
    "detail": ("#image=0.3", "document.getElementById('record').textContent.includes('Other places')"),
    "alike": ("#tab=alike", "document.querySelector('.group-head')"),
    "failures": (
        "#tab=failures",
        "(document.querySelector('summary').click(), document.querySelector('.urls li'))",
    ),
    "nothing": ("#q=zebra", "!document.getElementById('notice').hidden"),
    "help": (
        "",
        "(document.getElementById('help').open || document.getElementById('help').showModal(), true)",
    ),
}


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("crawl")
    rows = pictures(300)
    for number, row in enumerate(rows):
        row |= {"format": number % 3, "host": number % 2, "revisit": number % 6, "group": number // 100}
    rows[3] |= {
        "page": "https://site.example/page.html",
        "page_title": "The page",
        "alt": "A garden",
        "places": [{"page": "https://site.example/other", "alt": "", "caption": "", "found_in": "img"}],
        "more": {"etag": "x"},
    }
    failures = [
        {"url": f"https://site.example/{n}.png", "http": 404, "page": "https://site.example/p"}
        for n in range(60)
    ]
    reasons = [
        {"slug": "not-found", "count": 60, "means": "404 or 410.", "do": "Ask the owner.", "status": "failed"}
    ]
    return write(folder, rows, failures=failures, reasons=reasons).as_uri()


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 390), ("light", 1440), ("dark", 1440), ("dark", 390)]
)
def test_axe_has_no_objection(windows: Windows, page, width, scheme) -> None:
    script = axe.script()
    if script is None:
        assert "CI" not in os.environ, "axe-core-python of the group test-all is missing"
        pytest.skip("no axe: pip install axe-core-python, or IMAGE_CRAWLER_AXE=axe.min.js")
    for name, (fragment, until) in VIEWS.items():
        with windows.window(width, 900, is_mobile=width < 600) as window:
            window.media(prefers_color_scheme=scheme)
            window.tab.call("Page.setBypassCSP", {"enabled": True})  # for axe's own script
            window.open(page + fragment)
            window.wait_for(until)
            window.frame()
            assert axe.violations(window, script) == [], name
