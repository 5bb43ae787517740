"""Parsers of usage preferences: ``Content-Usage`` of the IETF's AI Preferences, and Cloudflare's ``Content-Signal``.

Both are headers, or lines of robots.txt; http/robots_file.py decides to which URLs a line applies.
"""

from __future__ import annotations

from crawler.models import OptOut
from crawler.opt_outs import structured_fields
from crawler.opt_outs.purposes import CONTENT_SIGNAL, CONTENT_USAGE, said

_MAX_PARTS = 1000


def content_usage(value: str, *, place: str, text: str = "") -> OptOut:
    """The opt-out of a Content-Usage; a malformed one forbids nothing (draft-ietf-aipref-vocab, section 6.5).

    Other keys, and values other than y and n, are ignored. *text* is kept in place of *value*. Never raises.
    """
    wishes = structured_fields.tokens(value) or {}
    return said(CONTENT_USAGE, place, text or value, [f"{key}={wish}" for key, wish in wishes.items()])


def content_signal(value: str, *, place: str, text: str = "") -> OptOut:
    """The opt-out of a Content-Signal: signals between commas, each ``yes`` or ``no``. Never raises.

    Of several signals of a name, one that says no counts. *text* is kept in place of *value*.
    """
    parts = value.lower().split(",", _MAX_PARTS)[:_MAX_PARTS]
    words = ["=".join(side.strip() for side in part.split("=", 1)) for part in parts]
    return said(CONTENT_SIGNAL, place, text or value, words)
