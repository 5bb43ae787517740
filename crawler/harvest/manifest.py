"""Reads web app manifests (https://www.w3.org/TR/appmanifest/): icons and screenshots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crawler.harvest import loose_json
from crawler.harvest.candidates import Candidate
from crawler.harvest.cuts import Cut
from crawler.harvest.encoding import decode_xml
from crawler.harvest.parser_base import Element

_LISTS = ("icons", "screenshots")


def images(content: bytes) -> Iterator[Candidate | Cut]:
    """The images of a manifest and its shortcuts. Never raises.

    Each size of an icon is an image of its own: it is drawn for that size, not scaled.
    """
    manifest, is_whole = loose_json.read_object(decode_xml(content))
    if not is_whole:
        yield Cut("manifest-broken")
    for holder in (manifest, *_objects(manifest, "shortcuts")):
        for name in _LISTS:
            for image in _objects(holder, name):
                if isinstance(source := image.get("src"), str):
                    yield Candidate(reference=source, found_in="manifest", element=_said(image))


def _objects(holder: Any, name: str) -> list[dict[str, Any]]:
    value = holder.get(name) if isinstance(holder, dict) else None
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _said(image: dict[str, Any]) -> Element:
    label = image.get("label")
    return Element(name="icon", attributes={"alt": label} if isinstance(label, str) else {}, number=0)
