"""Pages that stand before a site and ask their visitor to prove that it is no program: who has put them there.

Pure. A vendor's own header decides, where it documents one; else marks in the markup that its challenges have and that
nobody writes about without escaping them. Scripts that vendors add to ordinary pages are no such marks.

Sources: Cloudflare, "Detect a Challenge Page response"; AWS WAF, "How the CAPTCHA and Challenge actions work"; Vercel,
"Attack Challenge Mode"; the challenge pages of the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

MOST_BYTES = 64 * 1024
"""Challenges are small; so much of a page is looked at."""
_STUB_BYTES = 8 * 1024
"""What some vendors add to ordinary pages as well is a challenge where there is nearly nothing else."""


class _Header(NamedTuple):
    vendor: str
    name: str
    value: re.Pattern[str]


_HEADERS = (
    _Header("Cloudflare", "cf-mitigated", re.compile("challenge")),
    _Header("AWS WAF", "x-amzn-waf-action", re.compile("challenge|captcha")),
    _Header("Vercel", "x-vercel-mitigated", re.compile("challenge")),
)
"""Of answers that are challenges, and of no others, whatever their status: AWS WAF says 202."""
_HEADERS_OF_REFUSALS = (
    _Header("DataDome", "x-dd-b", re.compile(".")),
    _Header("Kasada", "x-kpsdk-ct", re.compile(".")),
)
"""Which may come with answers of use as well."""
_FIRST_REFUSAL = 400
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
"""Marks that no other page has."""
_STUBS = (
    ("Imperva", re.compile(rb"""src=["']/_Incapsula_Resource\?""")),
    ("DataDome", re.compile(rb"https?://(?:geo|ct|c)\.captcha-delivery\.com/|var dd\s*=\s*\{['\"]rt['\"]")),
    ("AWS WAF", re.compile(rb"\.awswaf\.com/[^\"']{1,200}/challenge\.js")),
    ("Kasada", re.compile(rb"/ips\.js\?|KPSDK\.now")),
)
"""Marks of challenges in a page with nearly nothing else."""


def challenger(status: int, headers: Mapping[str, str], content: bytes = b"") -> str:
    """Whose challenge an answer is, or ``""``; *headers* with lower-case names, *content* decoded. Never raises."""
    known = _HEADERS + _HEADERS_OF_REFUSALS if status >= _FIRST_REFUSAL else _HEADERS
    for header in known:
        if header.value.match(headers.get(header.name, "").strip().lower()):
            return header.vendor
    head = content[:MOST_BYTES]
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"{")):
        return ""
    marks = (*_PAGES, *_STUBS) if len(content) <= _STUB_BYTES else _PAGES
    for vendor, mark in marks:
        if mark.search(head):
            return vendor
    return ""


def is_worth_a_look(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the content of an answer of that *status*, which is no use else, may say what the status does not."""
    is_text = (
        headers.get("content-type", "text/html").strip().lower().startswith(("text/html", "application/json"))
    )
    return is_text and status in _TELLING


_TELLING = frozenset({400, 401, 403, 405, 406, 428, 429, 503})
