"""Which of the images that Chromium loads on saved pages do the harvest rules find?

    python -m tests.benchmarks.browser [FOLDER ...] [--sample N] [--javascript] [--words] [--unasked] [--chromium PATH]

Without FOLDER the pages of tests/cases. Needs Chromium, and Playwright for Python, which is no dependency of this
project. Nothing is fetched from anywhere: each request of the browser is answered here, with the file of that name, or
with a small picture where it wants an image.

Each page is opened in several windows, scrolled to its end, and every image that was requested is compared with what
a crawl with ``images = "all"`` finds on the page, its style sheets and its frames. Scripts are off unless asked for:
what they make up is out of reach of a crawl without a browser.

With --words, the names and descriptions of images in Chromium's accessibility tree, and the captions of figures, have
to be among the words of their records. With --unasked, URLs are named that the rules take for images, though they are
not in the folder and no window asked for them: what they cost owners are requests for nothing.
"""

from __future__ import annotations

import argparse
import mimetypes
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote, unquote

from crawler.errors import Rejection
from crawler.harvest import links
from crawler.harvest.data_urls import InlineImages, is_inline
from crawler.urls import canonical
from tests.benchmarks.browser_words import lacks, words_shown
from tests.support.images import SVG, png
from tests.support.saved_pages import cases, read

FOLDER_URL = "https://folder.example/"
WINDOWS = (
    {"viewport": {"width": 360, "height": 640}, "device_scale_factor": 3, "color_scheme": "light"},
    {"viewport": {"width": 820, "height": 1180}, "device_scale_factor": 2, "color_scheme": "dark"},
    {"viewport": {"width": 1366, "height": 768}, "device_scale_factor": 1, "color_scheme": "light"},
    {"viewport": {"width": 2560, "height": 1440}, "device_scale_factor": 1.5, "color_scheme": "light"},
)
LOAD_TIMEOUT_MS = 20_000
MAX_ATTACHED = 200
_FOLLOWED = {links.STYLE_SHEET: "text/css", "iframe": "text/html", "frame": "text/html"}
_CURRENT = "Array.from(document.images, image => image.currentSrc)"
_SCROLL = """() => {
    const end = Math.min(document.documentElement.scrollHeight, 40000);
    for (let top = 0; top < end; top += 600) window.scrollTo(0, top);
}"""
_ERROR_PAGE = "chrome-error:"


class Document(NamedTuple):
    content: bytes
    content_type: str


class Store:
    """The documents by URL: those of the cases, or the files of a folder."""

    def __init__(self, documents: Mapping[str, Document], folder: Path | None = None) -> None:
        self._documents = documents
        self._folder = folder

    def get(self, url: str) -> Document | None:
        url = url.partition("#")[0]
        if self._folder is None or not url.startswith(FOLDER_URL):
            return self._documents.get(url)
        path = self._folder / unquote(url[len(FOLDER_URL) :].partition("?")[0])
        if not path.is_file():
            return None
        return Document(path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream")


class Compared(NamedTuple):
    name: str
    browser: frozenset[str]
    missing: frozenset[str]
    unasked: frozenset[str]
    said: int
    """Words that a person reads or hears of the page's images."""
    unsaid: frozenset[tuple[str, str]]
    """URL and words that its record lacks."""


class Seen(NamedTuple):
    """What the windows have shown of one page."""

    images: set[str]
    words: set[tuple[str, str]]


class Found(NamedTuple):
    """What the rules have found on one page: URLs with the words of their records."""

    words: dict[str, str]
    origins: dict[str, str]


def pages_of_cases() -> tuple[Store, list[str]]:
    documents = {
        case.url: Document(case.document.read_bytes(), f"text/{case.document.suffix[1:]}")
        for case in cases()
        if case.document.suffix in (".html", ".css") and "url" in case.told
    }
    # Those of a single rule share one URL; each gets one of its own
    documents |= {
        f"https://example.org/dir/{case.name}.html": Document(
            case.document.read_bytes(), "text/html; charset=utf-8"
        )
        for case in cases()
        if case.document.suffix == ".html" and "url" not in case.told
    }
    return Store(documents), [
        url for url, document in documents.items() if "css" not in document.content_type
    ]


def pages_of_folder(folder: Path, sample: int) -> tuple[Store, list[str]]:
    """*sample* pages at equal distances, not from the edges, where the indexes of everything are; all if it is 0."""
    paths = sorted(path for path in folder.rglob("*.html") if path.is_file())
    step = max(1, len(paths) // sample) if sample else 1
    chosen = paths[step // 2 :: step][: sample or None]
    return Store({}, folder), [FOLDER_URL + quote(path.relative_to(folder).as_posix()) for path in chosen]


def found_by_rules(store: Store, url: str) -> Found:
    """The images of a page, of its style sheets and frames, and of theirs."""
    words: dict[str, str] = {}
    origins: dict[str, str] = {}
    seen: set[str] = set()
    waiting = [(url, "", "text/html")]
    while waiting and len(seen) < MAX_ATTACHED:
        page, found_in, content_type = waiting.pop()
        document = store.get(page)
        if document is None or page in seen:
            continue
        seen.add(page)
        content_type = (
            document.content_type if document.content_type.startswith("text/html") else content_type
        )
        as_sheet = links.STYLE_SHEET if found_in == links.STYLE_SHEET else ""
        try:
            harvest = read(page, document.content, content_type, found_in=as_sheet, images="all", scope="any")
        except Rejection as exc:
            print(f"{page} is not harvested: {exc}", file=sys.stderr)
            continue
        for image in harvest.images:
            assert image.origin is not None
            said = (image.origin.alt, image.origin.title, image.origin.caption)
            # where a browser asks by http after all, that is the second choice of what is asked by https first
            for name in map(
                _as_chromium_writes, (image.url, *(other.url for other in image.origin.alternatives))
            ):
                words[name] = " ".join((words.get(name, ""), *said))
                origins[name] = image.origin.found_in
        waiting += [
            (link.url, link.origin.found_in, _FOLLOWED[link.origin.found_in])
            for link in harvest.links
            if link.origin is not None and link.origin.found_in in _FOLLOWED
        ]
    return Found(words, origins)


class Browser:
    """Chromium with all its windows; a context manager. *chromium* is the path of its executable."""

    def __init__(self, chromium: str, *, javascript: bool) -> None:
        self._chromium = chromium
        self._javascript = javascript

    def __enter__(self) -> Self:
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            sys.exit("this needs Playwright: pip install playwright (its own browsers are not needed)")
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=self._chromium,
            args=[
                "--host-resolver-rules=MAP * ~NOTFOUND",
                "--disable-background-networking",
                "--disable-features=AutoupgradeMixedContent",  # http: stays what the page says
                "--no-sandbox",
            ],
        )
        self._contexts = [
            self._browser.new_context(java_script_enabled=self._javascript, **window) for window in WINDOWS
        ]
        return self

    def __exit__(self, *exc: object) -> None:
        self._browser.close()
        self._playwright.stop()

    def seen(self, store: Store, url: str, *, with_words: bool) -> Seen:
        """What it loads as images of the page at *url*, in all windows together; canonical URLs."""
        seen = Seen(set(), set())
        for context in self._contexts:
            images, words = self._seen_in(context, store, url, with_words=with_words)
            seen.images.update(images)
            seen.words.update(words)
        return seen

    def _seen_in(self, context: Any, store: Store, url: str, *, with_words: bool) -> Seen:
        requested: set[str] = set()
        words: set[tuple[str, str]] = set()

        def answer(route: Any) -> None:
            request = route.request
            if request.resource_type == "image":
                requested.add(request.url)
            document = store.get(request.url)
            if request.is_navigation_request() and request.frame is page.main_frame and request.url != url:
                route.fulfill(status=204)  # a refresh; stays where it is
            elif document is not None:
                route.fulfill(body=document.content, content_type=document.content_type)
            elif request.resource_type == "image" or request.url.endswith(".ico"):
                svg = request.url.partition("?")[0].lower().endswith((".svg", ".svgz"))
                route.fulfill(
                    body=SVG if svg else png(), content_type="image/svg+xml" if svg else "image/png"
                )
            else:
                route.fulfill(status=404)

        page = context.new_page()
        try:
            page.route("**/*", answer)
            page.goto(url, wait_until="load", timeout=LOAD_TIMEOUT_MS)
            page.evaluate(_SCROLL)
            page.wait_for_timeout(600 if self._javascript else 50)
            for frame in page.frames:
                # one whose address is a script never gets a document, and waiting for that never ends
                if frame.url and not frame.url.startswith(_ERROR_PAGE):
                    requested.update(frame.evaluate(_CURRENT))
            if with_words:
                words = {(name, said) for image, said in words_shown(page) if (name := _named(image))}
        finally:
            page.close()
        return Seen({name for name in map(_named, requested) if name and name != url}, words)


def _named(url: str) -> str | None:
    """As a crawl knows it; None for what is neither fetched nor an image that a page holds itself."""
    return InlineImages(Counter()).name(url) if is_inline(url) else _as_chromium_writes(canonical(url) or "")


def _as_chromium_writes(url: str) -> str:
    """It escapes bars in paths, which the URL Standard leaves as they are."""
    return url.replace("|", "%7C")


def compared(browser: Browser, store: Store, urls: list[str], *, with_words: bool) -> Iterator[Compared]:
    for url in urls:
        seen = browser.seen(store, url, with_words=with_words)
        found = found_by_rules(store, url)
        yield Compared(
            url,
            frozenset(seen.images),
            frozenset(seen.images - found.words.keys()),
            frozenset(
                f"{image} ({found_in})"
                for image, found_in in found.origins.items()
                if image not in seen.images and not is_inline(image) and store.get(image) is None
            ),
            len(seen.words),
            frozenset((image, said) for image, said in seen.words if lacks(found.words.get(image, ""), said)),
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="pages of each folder; 0 is all")
    parser.add_argument("--javascript", action="store_true", help="let the pages' scripts run")
    parser.add_argument("--words", action="store_true", help="compare what is said of the images, too")
    parser.add_argument("--unasked", action="store_true", help="name what the rules find and nobody has")
    parser.add_argument("--chromium", default=shutil.which("chromium"), metavar="PATH")
    options = parser.parse_args()
    if options.chromium is None:
        sys.exit("no chromium on the path; say where it is with --chromium PATH")
    shelves = [(str(folder), *pages_of_folder(folder, options.sample)) for folder in options.folders]
    with Browser(options.chromium, javascript=options.javascript) as browser:
        for name, store, urls in shelves or [("tests/cases", *pages_of_cases())]:
            total = missing = unasked = said = unsaid = 0
            for page in compared(browser, store, urls, with_words=options.words):
                total += len(page.browser)
                missing += len(page.missing)
                unasked += len(page.unasked)
                said += page.said
                unsaid += len(page.unsaid)
                print(f"{page.name}: {len(page.browser)} images in the browser, {len(page.missing)} missing")
                for url in sorted(page.missing):
                    print(f"  missing: {url}")
                for url in sorted(page.unasked) if options.unasked else ():
                    print(f"  unasked: {url}")
                for url, words in sorted(page.unsaid):
                    print(f"  unsaid: {url}: {words}")
            recall = 100 * (total - missing) / total if total else 100.0
            print(
                f"{name}: {len(urls):,} pages, {total - missing:,} of {total:,} images: {recall:.2f} %;"
                f" {unasked:,} unasked; {said - unsaid:,} of {said:,} words"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
