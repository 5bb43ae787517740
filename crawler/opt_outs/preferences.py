"""Preferences of use in words: ``Content-Usage`` of the IETF's AI Preferences, ``Content-Signal`` of Cloudflare.

Both are headers or lines of robots.txt; to which URLs a line applies is decided where robots.txt is read.
"""

from __future__ import annotations

from crawler.models import OptOut
from crawler.opt_outs import structured_fields
from crawler.opt_outs.purposes import CONTENT_SIGNAL, CONTENT_USAGE, said

_MAX_PARTS = 1000


def content_usage(value: str, *, place: str, text: str = "") -> OptOut:
    """What a Content-Usage says; nothing where it can't be parsed (draft-ietf-aipref-vocab, section 6.5).

    Keys that are not of the vocabulary are left alone, and so are values other than y and n. *text* is what is kept of
    it, if that is more than *value*. Never raises.
    """
    wishes = structured_fields.tokens(value) or {}
    return said(CONTENT_USAGE, place, text or value, [f"{key}={wish}" for key, wish in wishes.items()])


def content_signal(value: str, *, place: str, text: str = "") -> OptOut:
    """The same of a Content-Signal: signals between commas, each ``yes`` or ``no``; of several of a name one that says
    no counts. Never raises.
    """
    parts = value.lower().split(",", _MAX_PARTS)[:_MAX_PARTS]
    words = ["=".join(side.strip() for side in part.split("=", 1)) for part in parts]
    return said(CONTENT_SIGNAL, place, text or value, words)
