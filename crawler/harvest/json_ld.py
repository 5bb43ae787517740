"""Finds images in JSON-LD with the vocabulary of schema.org.

Sources: https://www.w3.org/TR/json-ld11/ and https://schema.org/ImageObject
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from crawler.harvest import loose_json
from crawler.harvest.candidates import FALLBACK, FULL_SIZE, Candidate
from crawler.harvest.cuts import Cut, at_most
from crawler.harvest.extensions import leads_elsewhere, leads_to_image
from crawler.harvest.parser_base import Element, media_type

_MAX_CHARS = 2**20
_MAX_VALUES = 20_000
_MAX_DEPTH = 64

_THUMBNAILS = frozenset({"thumbnail", "thumbnailurl"})
_PROPERTIES = _THUMBNAILS | {"image", "images", "logo", "photo", "photos", "primaryimageofpage", "screenshot"}
"""Properties whose value is an image or its URL; in lower case, as pages get the case wrong."""
_CAPTIONS = ("caption", "description")
_IMAGE_TYPES = frozenset({"imageobject", "imageobjectsnapshot", "barcode", "photograph"})

_NAMED_STRING = re.compile(
    r'"(?:image|logo|photo|screenshot|thumbnailUrl|contentUrl)"\s*+:\s*+(?:\[\s*+)?("(?:[^"\\]|\\.)*+")'
)


def json_ld(element: Element) -> Iterator[Candidate | Cut]:
    """``<script type="application/ld+json">``: images by their property or type, nested and in graphs.

    Of an image's own URL and its thumbnail the first is best. Slightly broken JSON is read; of other text, strings
    under the usual names are taken.
    """
    if media_type(element) != "application/ld+json":
        return
    document = loose_json.read(element.text) if len(element.text) <= _MAX_CHARS else loose_json.BROKEN
    if document is not loose_json.BROKEN:
        walk = _Walk(element)
        yield from walk.over(document)
        if walk.is_cut:
            yield Cut("json-cut")
        return
    strings = (quoted[1] for quoted in _NAMED_STRING.finditer(element.text[:_MAX_CHARS]))
    for quoted in at_most(_MAX_VALUES, strings, slug="json-cut"):
        if isinstance(quoted, Cut):
            yield quoted
        elif not leads_elsewhere(reference := quoted[1:-1].replace("\\/", "/")):
            yield _candidate(element, reference)
    if element.text.strip():
        yield Cut("json-cut" if len(element.text) > _MAX_CHARS else "json-broken")


class _Walk:
    """Walks over one document, no deeper than _MAX_DEPTH, over no more than _MAX_VALUES."""

    def __init__(self, element: Element) -> None:
        self._element = element
        self._left = _MAX_VALUES
        self._images = 0
        self.is_cut = False

    def over(self, value: Any, depth: int = 0, *, is_image: bool = False) -> Iterator[Candidate]:
        """The images in *value*; *is_image*: it is that of a property for images."""
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            self.is_cut = True
        elif isinstance(value, list):
            for item in value:
                yield from self.over(item, depth + 1, is_image=is_image)
        elif isinstance(value, dict):
            if is_image and isinstance(listed := value.get("@list") or value.get("@set"), list):
                yield from self.over(listed, depth + 1, is_image=True)
            elif is_image or _is_image(value):
                yield from self._image(value, depth)
                return
            for name, item in value.items():
                yield from self.over(item, depth + 1, is_image=name.lower() in _PROPERTIES)
        elif isinstance(value, str) and is_image:
            yield _candidate(self._element, value)

    def _image(self, image: dict[str, Any], depth: int) -> Iterator[Candidate]:
        """The image that an object describes, at ``contentUrl``, else at ``url``, which may also be a page's."""
        facts = {name.lower(): value for name, value in image.items()}
        content, url = _strings(facts.get("contenturl")), _strings(facts.get("url"))
        references = [*content, *(url if not content else filter(leads_to_image, url))]
        references = references or [name for name in _strings(facts.get("@id")) if leads_to_image(name)]
        self._images += 1
        group = f"json-ld{self._element.number}.{self._images}"
        told = self._element
        texts = [text for name in _CAPTIONS if isinstance(text := facts.get(name), str) and text]
        name = facts.get("name")
        if texts or isinstance(name, str):
            attributes = {**told.attributes, "title": name} if isinstance(name, str) else told.attributes
            told = msgspec.structs.replace(
                told, caption=texts[0] if texts else told.caption, attributes=attributes
            )
        for reference in references[:1]:
            yield _candidate(told, reference, group=group, rank=FULL_SIZE)
        for reference in references[1:]:
            yield _candidate(told, reference)
        for name, value in facts.items():
            if name in _THUMBNAILS:
                for found in self.over(value, depth + 1, is_image=True):
                    yield msgspec.structs.replace(found, group=group, rank=FALLBACK)
            else:
                yield from self.over(value, depth + 1, is_image=name in _PROPERTIES)


def _is_image(value: dict[str, Any]) -> bool:
    return any(name.rpartition("/")[2].lower() in _IMAGE_TYPES for name in _strings(value.get("@type")))


def _strings(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def _candidate(element: Element, reference: str, *, group: str = "", rank: int = 0) -> Candidate:
    return Candidate(reference=reference, found_in="json-ld", group=group, rank=rank, element=element)
