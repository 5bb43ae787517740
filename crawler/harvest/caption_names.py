"""Recognises captions, and the containers of pictures, by the names of classes, roles and elements.

A class is split into words: ``gallery-caption``, ``thumbcaption``, ``Image_captionText__x3f``. Sites use thousands of
classes for these, and nearly all are made of the few words below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from crawler.harvest.markup import positions_of
from crawler.harvest.parser_base import HEADINGS, SHOWING, Mark

ELEMENTS = ("figcaption", "caption")
_ITEMPROP = re.compile(r"itemprop=\"[^\"]{0,80}\bcaption\b")
_TITLE_ENDS = ('title"', "class=title")
_NEAR_CHARS = 400
_MAX_LOOKS = 1000
NONE, WEAK, STRONG = 0, 1, 2
"""Confidence that an element is a caption. A WEAK one may as well be the title of something else."""

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
"""Words beside ``caption`` that mean a switch, a state, or the caption of something that is not a picture."""
_CONTROLS = frozenset(
    {"body", "button", "canvas", "html", "iframe", "input", "label", "option", "select", "svg"}
)
_NEVER = SHOWING | _CONTROLS | frozenset({"script", "style", "template"})
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


def marks_in(html: str, classes: str) -> tuple[Mark, ...]:
    """The marks of captions that *html* seems to have, in lower case as *classes*, the values of its classes.

    Most pages have none: the word stands only in a style sheet, or a title stands far from any picture.
    """
    marks = [Mark("class", "gallerytext")] if "gallerytext" in classes else []
    if "caption" in html:
        if "caption" in classes or any(f"<{name}" in html for name in ELEMENTS):
            marks.append(Mark("class", "caption"))
        if 'role="caption"' in html:
            marks.append(Mark("role", "caption", is_word=True))
        if 'itemprop="' in html and _ITEMPROP.search(html):
            marks.append(Mark("itemprop", "caption", is_word=True))
    if "title" in classes and any(
        _is_near_picture(html, position)
        for end in _TITLE_ENDS
        for position in islice(positions_of(end, html), _MAX_LOOKS)
    ):
        marks.append(Mark("class", "title", is_word=True))
    if 'role="figure"' in html:
        marks.append(Mark("role", "figure", is_word=True))
    return tuple(marks)


def strength_of(name: str, attributes: Mapping[str, str]) -> int:
    """The confidence that an element is a caption: NONE, WEAK or STRONG."""
    if name in ("figcaption", "caption"):
        return STRONG
    role = attributes.get("role", "").lower()
    if name in _NEVER or role == "heading":
        return NONE
    if role == "caption" or (name != "meta" and "caption" in attributes.get("itemprop", "").lower().split()):
        return STRONG
    value = attributes.get("class", "").lower()
    if "caption" in value or "gallerytext" in value:
        return max(map(_strength, _tokens(attributes)))
    return WEAK if "title" in value.split() and name not in HEADINGS else NONE


def is_figure(name: str, attributes: Mapping[str, str]) -> bool:
    """Whether an element is a container for a picture, or for several that belong together, and their caption."""
    if name == "figure" or attributes.get("role", "").lower() == "figure":
        return True
    if "-" in name and not _PICTURE.isdisjoint(name.split("-")):
        return True
    return name not in _NEVER_A_FIGURE and any(map(_holds_picture, _tokens(attributes)))


def is_banner(name: str, attributes: Mapping[str, str]) -> bool:
    """Whether an element is the header, footer or menu of a page, where a title is that of the site."""
    return name in _BANNERS or any(not _BANNER.isdisjoint(words) for words in _tokens(attributes))


def _is_near_picture(html: str, position: int) -> bool:
    return html.find("<img", max(0, position - _NEAR_CHARS), position + _NEAR_CHARS) >= 0


def _tokens(attributes: Mapping[str, str]) -> Iterator[list[str]]:
    """The words of each class."""
    value = attributes.get("class", "")[:_MAX_CLASS_CHARS]
    for token in value.split():
        yield [word.lower() for word in _WORD.findall(_HUMP.sub("-", token))]


def _strength(words: list[str]) -> int:
    is_caption = any(word.endswith("caption") or word in ("captiontext", "gallerytext") for word in words)
    return STRONG if is_caption and _NO_CAPTION.isdisjoint(words) else NONE


def _holds_picture(words: list[str]) -> bool:
    if not words or words[0] in _OF_THE_PAGE:
        return False
    if words[-2:-1] == ["gallery"] and words[-1] in _ITEM:
        return True
    while len(words) > 1 and words[-1] in _HOLDER and words[-1] not in _PICTURE:
        words = words[:-1]
    return words[-1] in _PICTURE
