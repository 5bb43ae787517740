"""Decodes images in ``data:`` URLs (RFC 2397, as browsers read it: WHATWG Fetch, "data: URL processor", and Infra,
"forgiving-base64 decode").
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import Counter
from urllib.parse import unquote_to_bytes

from crawler.urls import DATA_HOST

MAX_CONTENT_BYTES = 2 * 2**20
"""Limit for one image."""
TOO_LARGE = "data-too-large"

_MAX_CHARS = 3 * MAX_CONTENT_BYTES + 1024
_SPACE = re.compile(rb"[\t\n\f\r ]+")
_REMOVED = str.maketrans("", "", "\t\n\r")
_CONTROLS_AND_SPACE = "".join(map(chr, range(0x21)))
_BASE64 = re.compile(r";\x20*base64\Z", re.IGNORECASE)
_IMAGE_TYPE = re.compile(r"image/[a-z0-9.+-]{1,64}")


def is_inline(reference: str) -> bool:
    return reference.lstrip(_CONTROLS_AND_SPACE)[:5].lower() == DATA_HOST


def decode(reference: str) -> tuple[str, bytes] | None:
    """Media type and bytes of a ``data:`` URL; None unless it is an image of at least one byte. Never raises.

    The bytes are empty where there are more than MAX_CONTENT_BYTES.
    """
    is_too_long = len(reference) > _MAX_CHARS
    url = reference[:_MAX_CHARS].strip(_CONTROLS_AND_SPACE).translate(_REMOVED).partition("#")[0]
    declared, comma, body = url[len(DATA_HOST) :].partition(",")
    media_type = declared.partition(";")[0].strip().lower()
    if not comma or not _IMAGE_TYPE.fullmatch(media_type):
        return None
    if is_too_long:
        return media_type, b""
    content = unquote_to_bytes(body.encode("utf-8", "replace"))
    if _BASE64.search(declared.rstrip()):
        content = _forgiving_base64(content)
    if not content:
        return None
    return media_type, content if len(content) <= MAX_CONTENT_BYTES else b""


def _forgiving_base64(data: bytes) -> bytes:
    """The bytes that *data* stands for; none for what is no base64."""
    data = _SPACE.sub(b"", data)
    if len(data) % 4 == 0:
        data = data[:-2] + data[-2:].rstrip(b"=")
    if len(data) % 4 == 1 or b"=" in data:
        return b""
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except binascii.Error:
        return b""


class InlineImages:
    """The inline images of one page: their names, and their bytes by name. Each distinct reference is decoded once.

    *left_out* counts images that are too large.
    """

    def __init__(self, left_out: Counter[str]) -> None:
        self._left_out = left_out
        self._names: dict[str, str | None] = {}
        self._contents: dict[str, bytes] = {}

    def name(self, reference: str) -> str | None:
        """The name ``data:image/png;sha256=…``, the same wherever the same image is held; None for no image."""
        if reference not in self._names:
            decoded = decode(reference)
            name = None
            media_type, content = decoded or ("", b"")
            if decoded and not content:
                self._left_out[TOO_LARGE] += 1
            elif decoded:
                name = f"{DATA_HOST}{media_type};sha256={hashlib.sha256(content).hexdigest()}"
                self._contents[name] = content
            self._names[reference] = name
        return self._names[reference]

    def content(self, name: str) -> bytes:
        """The bytes of the image of that name; ``b""`` for any other URL."""
        return self._contents.get(name, b"")
