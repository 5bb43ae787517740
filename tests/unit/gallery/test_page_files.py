"""What a gallery's page is made of: nothing that its policy would refuse, and the library as it was published."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser

import pytest

from tests.support.galleries import PAGE

# PhotoSwipe 5.4.4, of npm: dist/umd/photoswipe.umd.min.js, dist/photoswipe.css, LICENSE. docs/gallery.md says how to
# take a newer one; its sums go here.
PUBLISHED = {
    "photoswipe.umd.min.js": "ba86fd2dadb31acd8e488540fedb5037c598bf86c63a2a804d5025271af6a323",
    "photoswipe.css": "b0eaaae0b9de064d25e2f18517b9011a526d9b2142376e1c0febd096cebab9f3",
    "photoswipe.LICENSE": "2c223af0b21d32240087ee189eb70fd315907b6ade8b561e24265baccd6a98e7",
}
_OURS = sorted(path for path in PAGE.glob("*.js") if path.name not in PUBLISHED)
_RISKY = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    r"|\.srcdoc|setAttribute\(\"(?:style|on)"
    r"|DOMParser|createContextualFragment|window\.open|\bfetch\(|XMLHttpRequest|sendBeacon|WebSocket|serviceWorker|import\("
)


class Markup(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in {"script", "style"} and data.strip():
            self.inline.append(data)


@pytest.fixture(scope="module")
def markup() -> Markup:
    parser = Markup()
    parser.feed((PAGE / "index.html").read_text(encoding="utf-8"))
    return parser


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_library_is_as_it_was_published(name: str) -> None:
    assert hashlib.sha256((PAGE / name).read_bytes()).hexdigest() == PUBLISHED[name]


def test_nothing_stands_in_the_markup_that_is_run_or_drawn(markup: Markup) -> None:
    assert markup.inline == []
    for tag, attributes in markup.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (
            tag,
            attributes,
        )


def test_all_that_is_loaded_is_a_file_of_the_page(markup: Markup) -> None:
    loaded = {
        attributes[name]
        for tag, attributes in markup.tags
        for name in ("src", "href")
        if attributes.get(name) and tag in {"script", "link", "img"}
    }
    assert loaded <= {path.name for path in PAGE.iterdir()}
    scripts = {attributes["src"] for tag, attributes in markup.tags if tag == "script"}
    assert scripts == {path.name for path in PAGE.glob("*.js")}


def test_the_policy_permits_the_own_folder_and_nothing_else(markup: Markup) -> None:
    policies = [
        attributes["content"] or ""
        for tag, attributes in markup.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    rules = {rule.split()[0]: rule.split()[1:] for rule in policies[0].split(";")}
    assert rules == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["gallery"],
    }
    # It holds for what comes after it, so nothing may be loaded before.
    names = [tag for tag, _ in markup.tags]
    first = next(
        at
        for at, (_, attributes) in enumerate(markup.tags)
        if "Content-Security-Policy" in attributes.values()
    )
    assert not {"script", "link", "style"} & set(names[:first])


@pytest.mark.parametrize("path", _OURS, ids=lambda path: path.name)
def test_a_script_has_no_way_from_text_to_markup_or_to_the_network(path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not _RISKY.findall(text)
    assert '"use strict";' in text
    assert len(text.splitlines()) <= 400


@pytest.mark.parametrize("path", sorted(PAGE.glob("*.css")), ids=lambda path: path.name)
def test_a_style_sheet_loads_nothing(path) -> None:
    assert not re.findall(r"url\(|@import|expression\(", path.read_text(encoding="utf-8"))
