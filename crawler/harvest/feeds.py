"""Reads feeds: all versions of RSS, Atom (RFC 4287), JSON Feed, with images of Media RSS and iTunes.

Sources: https://www.rssboard.org/media-rss and https://www.jsonfeed.org/version/1.1/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from crawler.harvest import loose_json
from crawler.harvest.candidates import FALLBACK, Candidate
from crawler.harvest.cuts import Cut
from crawler.harvest.extensions import leads_to_image
from crawler.harvest.links import FEED
from crawler.harvest.parser_base import Element
from crawler.harvest.xml import Node, subtrees

_PARTS = frozenset({"item", "entry", "image", "logo", "icon"})
_TEXTS = frozenset({"description", "summary", "content", "encoded"})


class Item(NamedTuple):
    """An item of a feed, or the feed itself."""

    title: str = ""
    images: tuple[Candidate, ...] = ()
    links: tuple[str, ...] = ()
    html: tuple[str, ...] = ()
    """Markup of the item; images are found in it as on any page."""


def read(text: str) -> Iterator[Item | Cut]:
    """The items of a feed, in order. Never raises; what can't be read yields nothing."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        yield from _json(text)
        return
    for number, node in enumerate(subtrees(text, _PARTS, what="feed"), start=1):
        if isinstance(node, Cut):
            yield node
        elif node.name in ("item", "entry"):
            yield _item(node, number)
        else:
            yield Item(images=tuple(_picture(node, _told(node, number))))


def _item(node: Node, number: int) -> Item:
    title = node.child_text("title")
    told = Element(name="item", attributes={}, number=number, heading=title)
    html = tuple(
        child.markup() if child.children else child.text
        for child in node.children
        if child.name in _TEXTS and "url" not in child.attributes
    )
    return Item(title, tuple(_media(node, told)), tuple(_links(node)), html)


def _media(node: Node, told: Element, group: str = "") -> Iterator[Candidate]:
    """The images of an item: ``enclosure``, ``media:…``, ``itunes:image``. Nested ones are sizes of one picture."""
    for position, child in enumerate(node.children):
        url = child.attributes.get("url", "")
        match child.name:
            case "enclosure" | "content" if url:
                inside = group or f"feed{told.number}.{position}"
                told_here = _said_of(child, told)
                if _is_image(child, url):
                    width = child.attributes.get("width", "")
                    yield Candidate(
                        reference=url,
                        found_in=FEED,
                        group=inside,
                        width_px=int(width) if width.isdecimal() and len(width) < 6 else None,  # noqa: PLR2004
                        element=told_here,
                    )
                    yield from _media(child, told_here, inside)
                else:
                    yield from _media(child, told_here)
            case "group":
                yield from _media(child, _said_of(child, told), group or f"feed{told.number}.{position}")
            case "thumbnail" if url:
                yield Candidate(reference=url, found_in=FEED, group=group, rank=FALLBACK, element=told)
            case "link" | "content":
                yield from _of_atom(child, told)
            case "image" | "logo" | "icon":
                yield from _picture(child, told)
            case _:
                pass


def _of_atom(node: Node, told: Element) -> Iterator[Candidate]:
    """The image of an Atom enclosure or content (RFC 4287, 4.2.7.2 and 4.1.3)."""
    enclosed = node.attributes.get("href", "") if node.attributes.get("rel") == "enclosure" else ""
    reference = enclosed or node.attributes.get("src", "")
    if reference and _is_image(node, reference):
        yield Candidate(reference=reference, found_in=FEED, element=told)


def _picture(node: Node, told: Element) -> Iterator[Candidate]:
    """``<image href>`` of iTunes, ``<image><url>`` of RSS, ``<logo>`` and ``<icon>`` of Atom."""
    reference = node.attributes.get("href") or node.child_text("url") or node.text
    if reference:
        yield Candidate(reference=reference, found_in=FEED, element=told)


def _is_image(node: Node, url: str) -> bool:
    """Whether it refers to an image, by ``medium`` or ``type``, else by the extension unless it is audio or video."""
    kinds = {node.attributes.get(name, "").strip().lower().partition("/")[0] for name in ("medium", "type")}
    if "image" in kinds:
        return True
    return kinds.isdisjoint({"audio", "video"}) and leads_to_image(url)


def _said_of(node: Node, told: Element) -> Element:
    """*told* with the words of Media RSS for the image itself."""
    title = node.child_text("title")
    return msgspec.structs.replace(
        told,
        attributes={"title": title} if title else told.attributes,
        caption=node.child_text("description") or told.caption,
    )


def _told(node: Node, number: int) -> Element:
    return Element(name=node.name, attributes={}, number=number, heading=node.child_text("title"))


def _links(node: Node) -> Iterator[str]:
    links = [child for child in node.children if child.name == "link"]
    for link in links:
        if link.attributes.get("rel", "alternate") == "alternate":
            yield link.attributes.get("href") or link.text
    if not links:  # the identifier of an RSS item is its page, unless isPermaLink is false
        for child in node.children:
            is_page = child.attributes.get("ispermalink", "true").lower() != "false"
            if child.name == "guid" and is_page and child.text.strip().startswith(("http://", "https://")):
                yield child.text


def _json(text: str) -> Iterator[Item | Cut]:
    feed, is_whole = loose_json.read_object(text)
    if not is_whole:
        yield Cut("feed-broken")
    items = feed.get("items")
    for number, item in enumerate([feed, *(items if isinstance(items, list) else [])]):
        if isinstance(item, dict):
            yield _json_item(item, number)


def _json_item(item: dict[str, Any], number: int) -> Item:
    title = _string(item, "title")
    told = Element(name="item", attributes={}, number=number, heading=title if number else "")
    attachments = item.get("attachments")
    references = [_string(item, name) for name in ("icon", "favicon", "image", "banner_image")] + [
        _string(part, "url")
        for part in (attachments if isinstance(attachments, list) else [])
        if isinstance(part, dict) and _string(part, "mime_type").startswith("image/")
    ]
    return Item(
        title if number else "",
        tuple(Candidate(reference=url, found_in=FEED, element=told) for url in references if url),
        (_string(item, "url"),) if number else (),
        (_string(item, "content_html"),),
    )


def _string(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""
