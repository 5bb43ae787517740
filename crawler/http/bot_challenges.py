"""Bot challenges, pages that ask a visitor to prove that it is no program: recognised by vendor. Pure.

A vendor's own header decides, where it documents one; else marks in the markup of its challenges, which texts about
them would have to escape. Scripts that vendors add to ordinary pages are no such marks.

Sources: Cloudflare, "Detect a Challenge Page response"; AWS WAF, "How the CAPTCHA and Challenge actions work"; Vercel,
"Attack Challenge Mode"; the challenge pages of the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

MOST_BYTES = 64 * 1024
"""The part of a page that is searched: challenges are small."""
_STUB_BYTES = 8 * 1024
"""The longest page in which marks that occur in ordinary pages, too, mean a challenge."""


class _Header(NamedTuple):
    vendor: str
    name: str
    value: re.Pattern[str]


_HEADERS = (
    _Header("Cloudflare", "cf-mitigated", re.compile("challenge")),
    _Header("AWS WAF", "x-amzn-waf-action", re.compile("challenge|captcha")),
    _Header("Vercel", "x-vercel-mitigated", re.compile("challenge")),
)
"""Headers of challenges alone, with any status: AWS WAF answers 202."""
_HEADERS_OF_REFUSALS = (
    _Header("DataDome", "x-dd-b", re.compile(".")),
    _Header("Kasada", "x-kpsdk-ct", re.compile(".")),
)
"""Headers that mean a challenge in an answer of 400 or more; other answers may have them, too."""
_FIRST_REFUSAL = 400
_TELLING = frozenset({400, 401, 403, 405, 406, 428, 429, 503})
_PAGES = (
    ("Anubis", re.compile(rb"""id=["']?anubis_challenge\b|/\.within\.website/x/cmd/anubis/""")),
    ("Cloudflare", re.compile(rb"window\._cf_chl_opt\s*=|id=[\"']cf-challenge-running")),
    ("Vercel", re.compile(rb"<title>Vercel Security Checkpoint</title>")),
    ("HUMAN", re.compile(rb"window\._pxAppId\s*=[^<]{0,4000}px-captcha|id=[\"']px-captcha[\"']")),
    ("Akamai", re.compile(rb"""id=["']sec-(?:if-)?cpt-(?:container|if)["']|"sec-cp-challenge"\s*:""")),
    ("DDoS-Guard", re.compile(rb"/\.well-known/ddos-guard/js-challenge")),
    ("Sucuri", re.compile(rb"sucuri_cloudproxy_js\s*=|sucuri_cloudproxy_uuid_")),
    ("Imperva", re.compile(rb"Request unsuccessful\. Incapsula incident ID")),
    ("go-away", re.compile(rb"/\.well-known/\.git\.gammaspectra\.live/git/go-away/cmd/go-away/")),
)
"""Marks of challenges alone."""
_STUBS = (
    ("Imperva", re.compile(rb"""src=["']/_Incapsula_Resource\?""")),
    ("DataDome", re.compile(rb"https?://(?:geo|ct|c)\.captcha-delivery\.com/|var dd\s*=\s*\{['\"]rt['\"]")),
    ("AWS WAF", re.compile(rb"\.awswaf\.com/[^\"']{1,200}/challenge\.js")),
    ("Kasada", re.compile(rb"/ips\.js\?|KPSDK\.now")),
)
"""Marks that mean a challenge in a page of at most _STUB_BYTES."""


def challenger(status: int, headers: Mapping[str, str], content: bytes = b"") -> str:
    """The vendor whose challenge an answer is, or ``""``. Never raises.

    *headers* have lower-case names; *content* is decoded.
    """
    known = _HEADERS + _HEADERS_OF_REFUSALS if status >= _FIRST_REFUSAL else _HEADERS
    for header in known:
        if header.value.match(headers.get(header.name, "").strip().lower()):
            return header.vendor
    head = content[:MOST_BYTES]
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"{")):
        return ""
    marks = (*_PAGES, *_STUBS) if len(content) <= _STUB_BYTES else _PAGES
    return next((vendor for vendor, mark in marks if mark.search(head)), "")


def is_worth_a_look(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the content of an error may tell more than its *status*."""
    media_type = headers.get("content-type", "text/html").strip().lower()
    return status in _TELLING and media_type.startswith(("text/html", "application/json"))
