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


class _Mark(NamedTuple):
    vendor: str
    words: tuple[bytes, ...]
    """Any text of *pattern* has one of these. To look for words takes a twentieth of the time of the patterns, which
    were a third of all that a harvester itself did for a page; a long one is found three times as fast as a short one.
    """
    pattern: re.Pattern[bytes]


_PAGES = (
    _Mark(
        "Anubis",
        (b"anubis_challenge", b"/.within.website/x/cmd/anubis/"),
        re.compile(rb"""id=["']?anubis_challenge\b|/\.within\.website/x/cmd/anubis/"""),
    ),
    _Mark(
        "Cloudflare",
        (b"window._cf_chl_opt", b"cf-challenge-running"),
        re.compile(rb"window\._cf_chl_opt\s*=|id=[\"']cf-challenge-running"),
    ),
    _Mark(
        "Vercel",
        (b"<title>Vercel Security Checkpoint</title>",),
        re.compile(rb"<title>Vercel Security Checkpoint</title>"),
    ),
    _Mark(
        "HUMAN",
        (b"px-captcha",),
        re.compile(rb"window\._pxAppId\s*=[^<]{0,4000}px-captcha|id=[\"']px-captcha[\"']"),
    ),
    _Mark(
        "Akamai",
        (b"cpt-", b"sec-cp-challenge"),
        re.compile(rb"""id=["']sec-(?:if-)?cpt-(?:container|if)["']|"sec-cp-challenge"\s*:"""),
    ),
    _Mark(
        "DDoS-Guard",
        (b"/.well-known/ddos-guard/js-challenge",),
        re.compile(rb"/\.well-known/ddos-guard/js-challenge"),
    ),
    _Mark(
        "Sucuri", (b"sucuri_cloudproxy_",), re.compile(rb"sucuri_cloudproxy_js\s*=|sucuri_cloudproxy_uuid_")
    ),
    _Mark(
        "Imperva",
        (b"Request unsuccessful. Incapsula incident ID",),
        re.compile(rb"Request unsuccessful\. Incapsula incident ID"),
    ),
    _Mark(
        "go-away",
        (b"/.well-known/.git.gammaspectra.live/git/go-away/",),
        re.compile(rb"/\.well-known/\.git\.gammaspectra\.live/git/go-away/cmd/go-away/"),
    ),
)
"""Marks of challenges alone."""
_STUBS = (
    _Mark("Imperva", (b"_Incapsula_",), re.compile(rb"""src=["']/_Incapsula_Resource\?""")),
    _Mark(
        "DataDome",
        (b"captcha-delivery", b"var dd"),
        re.compile(rb"https?://(?:geo|ct|c)\.captcha-delivery\.com/|var dd\s*=\s*\{['\"]rt['\"]"),
    ),
    _Mark("AWS WAF", (b".awswaf.com/",), re.compile(rb"\.awswaf\.com/[^\"']{1,200}/challenge\.js")),
    _Mark("Kasada", (b"/ips.js?", b"KPSDK"), re.compile(rb"/ips\.js\?|KPSDK\.now")),
)
"""Marks that mean a challenge in a page of at most _STUB_BYTES."""
_SHARED = b"challenge"
_WORDS = (_SHARED, *(word for mark in _PAGES for word in mark.words if _SHARED not in word))
"""A page that has none of these has none of _PAGES. Each of them takes up to a hundredth of a harvester's time."""


def challenger(status: int, headers: Mapping[str, str], content: bytes = b"") -> str:
    """The vendor whose challenge an answer is, or ``""``. Never raises.

    *headers* have lower-case names; *content* is decoded.
    """
    known = _HEADERS + _HEADERS_OF_REFUSALS if status >= _FIRST_REFUSAL else _HEADERS
    for header in known:
        if (value := headers.get(header.name)) and header.value.match(value.strip().lower()):
            return header.vendor
    head = content[:MOST_BYTES]
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"{")):
        return ""
    for word in _WORDS:  # one loop, as nearly all pages have none
        if word in head:
            break
    else:
        return _vendor_in(head, _STUBS) if len(content) <= _STUB_BYTES else ""
    return _vendor_in(head, (*_PAGES, *_STUBS) if len(content) <= _STUB_BYTES else _PAGES)


def _vendor_in(head: bytes, marks: tuple[_Mark, ...]) -> str:
    return next((mark.vendor for mark in marks if _is_in(head, mark)), "")


def _is_in(head: bytes, mark: _Mark) -> bool:
    return any(word in head for word in mark.words) and mark.pattern.search(head) is not None


def is_worth_a_look(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the content of an error may tell more than its *status*."""
    media_type = headers.get("content-type", "text/html").strip().lower()
    return status in _TELLING and media_type.startswith(("text/html", "application/json"))
