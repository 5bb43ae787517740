"""What the names of classes, roles and elements say of captions: which element is one, and which holds a picture.

A class is taken apart into its words: ``gallery-caption``, ``thumbcaption``, ``Image_captionText__x3f``. Sites name
these things by thousands of classes, of which nearly all are made of the few words below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from crawler.harvest.tree import HEADINGS, SHOWING

ELEMENTS = ("figcaption", "caption", "figure")
MARKS = (
    ("class", "caption"),
    ("class", "gallerytext"),
    ("class", "title"),
    ("class", "legend"),
    ("role", "caption"),
    ("role", "figure"),
)
"""The parts of attributes that captions have, but for those that are captions by their element."""
_IN_TAGS = ("caption", 'gallerytext"')
_NEAR_PICTURES = ('title"', 'legend"', "class=title")
_NEAR_CHARS = 1200
_MAX_TAG_CHARS = 400
_MAX_LOOKS = 1000
NONE, WEAK, STRONG = 0, 1, 2
"""Weak is what may just as well be the title of anything else."""

_MAX_CLASS_CHARS = 512
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")
_NO_CAPTION = frozenset(
    {
        "audio", "btn", "button", "close", "closed", "code", "count", "enabled", "form", "has", "have",
        "hidden", "hide", "icon", "listing", "menu", "nav", "no", "not", "off", "on", "open", "quote",
        "settings", "show", "sidebar", "table", "toc", "toctree", "toggle", "toggler", "track", "tracks",
        "video", "with", "without",
    }
)  # fmt: skip
"""Beside the word caption: what is no caption, but switches, has or lacks one, or what is captioned is no picture."""
_CONTROLS = frozenset(
    {"body", "button", "canvas", "html", "iframe", "input", "label", "option", "select", "svg"}
)
_NEVER = HEADINGS | SHOWING | _CONTROLS | frozenset({"script", "style", "template"})
_PICTURE = frozenset(
    {
        "fig", "figure", "gallerybox", "image", "imageblock", "img", "imgbox", "inlinemediaobject",
        "mediaobject", "photo", "picture", "thumb", "thumbinner", "thumbnail",
    }
)  # fmt: skip
_HOLDER = frozenset(
    {
        "block", "body", "box", "card", "cell", "container", "content", "contents", "entry", "figure",
        "frame", "holder", "inner", "item", "left", "object", "outer", "panel", "right", "wrap", "wrapper",
    }
)  # fmt: skip
_ITEM = frozenset({"box", "card", "cell", "entry", "item"})
_OF_THE_PAGE = frozenset(
    {"category", "format", "has", "is", "no", "page", "post", "tag", "type", "with", "without"}
)
_NEVER_A_FIGURE = frozenset({"a", "article", "body", "html", "main", "section", "img", "picture", "span"})
_BANNER = frozenset(
    {
        "banner", "brand", "breadcrumb", "breadcrumbs", "footer", "header", "logo", "masthead", "menu",
        "nav", "navbar", "navigation", "sidebar", "toolbar", "topbar",
    }
)  # fmt: skip
_BANNERS = frozenset({"nav", "header", "footer", "menu"})


def may_be_in(html: str) -> bool:
    """Whether a page, in lower case, may have captions, and is worth to be looked at for them.

    Most have none; many have the word in a style sheet only, or a title with no picture near it.
    """
    return (
        any(_is_in_tag(html, position) for word in _IN_TAGS for position in _positions(html, word))
        or any(
            _is_near_picture(html, position) for word in _NEAR_PICTURES for position in _positions(html, word)
        )
        or ("aria-label=" in html and "figure" in html)
    )


def strength_of(name: str, attributes: Mapping[str, str]) -> int:
    """How surely an element is the caption of something."""
    if name in ("figcaption", "caption"):
        return STRONG
    role = attributes.get("role", "").lower()
    if name in _NEVER or role == "heading":
        return NONE
    return STRONG if role == "caption" else max(map(_strength, _tokens(attributes)), default=NONE)


def is_figure(name: str, attributes: Mapping[str, str]) -> bool:
    """Whether an element is there to hold a picture, or several that belong together, with what is said of them."""
    if name == "figure" or attributes.get("role", "").lower() == "figure":
        return True
    if "-" in name and not _PICTURE.isdisjoint(name.split("-")):
        return True
    return name not in _NEVER_A_FIGURE and any(map(_holds_picture, _tokens(attributes)))


def is_banner(name: str, attributes: Mapping[str, str]) -> bool:
    """Whether it is the head, foot or menu of a page, where a title is that of the site."""
    return name in _BANNERS or any(not _BANNER.isdisjoint(words) for words in _tokens(attributes))


def _positions(html: str, word: str) -> Iterator[int]:
    position = html.find(word)
    for _ in range(_MAX_LOOKS):
        if position < 0:
            return
        yield position
        position = html.find(word, position + 1)


def _is_in_tag(html: str, position: int) -> bool:
    start = max(0, position - _MAX_TAG_CHARS)
    return html.rfind("<", start, position) > html.rfind(">", start, position)


def _is_near_picture(html: str, position: int) -> bool:
    return html.find("<img", max(0, position - _NEAR_CHARS), position + _NEAR_CHARS) >= 0


def _tokens(attributes: Mapping[str, str]) -> Iterator[list[str]]:
    """The words of each class."""
    value = attributes.get("class", "")[:_MAX_CLASS_CHARS]
    for token in value.split():
        yield [word.lower() for word in _WORD.findall(_HUMP.sub("-", token))]


def _strength(words: list[str]) -> int:
    if any(word.endswith("caption") or word in ("captiontext", "gallerytext") for word in words):
        return STRONG if _NO_CAPTION.isdisjoint(words) else NONE
    if words in (["title"], ["legend"]):
        return WEAK
    return WEAK if words[-1:] == ["title"] and not _PICTURE.isdisjoint(words[-2:-1]) else NONE


def _holds_picture(words: list[str]) -> bool:
    if not words or words[0] in _OF_THE_PAGE:
        return False
    if words[-2:-1] == ["gallery"] and words[-1] in _ITEM:
        return True
    while len(words) > 1 and words[-1] in _HOLDER and words[-1] not in _PICTURE:
        words = words[:-1]
    return words[-1] in _PICTURE
