"""Cookies from a file in Netscape's format, cookies.txt, as browsers' add-ons, curl, wget and yt-dlp write it.

A line has seven fields with tabs between: domain, whether hosts below it get the cookie too, path, whether it is for
https only, expiry (seconds since 1970, 0 for a session's), name, value. ``#HttpOnly_`` before the domain is curl's.
Errors never quote a line: in a malformed one the value may be in any field.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from crawler.errors import ConfigError
from crawler.http.cookies import (
    MAX_BYTES,
    MAX_IN_ALL,
    MAX_LIFE_S,
    MAX_PATH_CHARS,
    MAX_PER_DOMAIN,
    breaks_prefix,
    domains_of,
    is_address,
)
from crawler.models import UNFIT_FOR_COOKIE, Cookie
from crawler.scope import is_public_suffix
from crawler.text.display import counted
from crawler.text.plain_errors import plain
from crawler.urls import canonical

MAX_FILE_BYTES = 16 * 2**20
_FIELDS = ("domain", "whether hosts below it get it", "path", "https only", "expiry", "name", "value")
_HTTP_ONLY = "#HttpOnly_"
_WORDS = {"TRUE": True, "FALSE": False}
_HOW = "as browsers' add-ons, curl, wget and yt-dlp write cookies.txt (Netscape format)"
_STARTS = (
    (b"SQLite format 3", "that is a browser's own database: have an add-on write its cookies to a file"),
    (b"[", "that is JSON: have them written in Netscape format (cookies.txt)"),
    (b"{", "that is JSON: have them written in Netscape format (cookies.txt)"),
    (b"<", "that is a web page"),
)


@dataclass(frozen=True, kw_only=True)
class CookieFile:
    cookies: tuple[Cookie, ...] = field(repr=False)
    """Cookies of the seeds' hosts come first, so that the first tasks have them."""
    notes: tuple[str, ...]
    """Remarks for the user, a sentence each; without values."""


def read(path: str, seeds: Iterable[str], *, now: Callable[[], float] = time.time) -> CookieFile:
    """The cookies of the file *path*, for a crawl of *seeds* (canonical URLs). Raises ConfigError, with the line."""
    try:
        with Path(path).expanduser().open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as exc:
        hint = "; for the cookies that servers set, say --keep-cookies" if "://" in path else ""
        raise ConfigError(f"can't read the cookies in {path}: {plain(exc)}{hint}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} has more than {MAX_FILE_BYTES:,} bytes: it is no file of cookies")
    return parsed(data, path, [urlsplit(seed).hostname or "" for seed in seeds], now=now())


def parsed(data: bytes, name: str, hosts: Iterable[str], *, now: float) -> CookieFile:
    """The cookies in *data*, for seeds on *hosts*; *name* is the file's. Raises ConfigError, with the line."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # as Windows writes text
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(b"\xef\xbb\xbf")
    for start, what in _STARTS:
        if data.lstrip().startswith(start):
            raise ConfigError(f"{name}: {what}")
    near = {domain for host in hosts for domain in domains_of(host)}
    expired: Counter[str] = Counter()
    unfit = 0
    kept: dict[tuple[str, str, str], Cookie] = {}
    # as Latin-1, for the bytes of a value are sent as they are
    for number, line in enumerate(data.decode("latin-1").split("\n"), start=1):
        cookie = _cookie(line.rstrip("\r"), f"{name}, line {number}", now)
        if cookie is None:
            continue
        if cookie.deleted:
            expired[cookie.domain] += 1
        elif _is_unfit(cookie):
            unfit += 1
        else:
            kept[cookie.domain, cookie.path, cookie.name] = cookie
    taken, too_many = _few(kept.values(), near)
    return CookieFile(cookies=taken, notes=tuple(_notes(name, taken, expired, unfit + too_many, near)))


def _cookie(line: str, where: str, now: float) -> Cookie | None:
    """The cookie of a line, ``deleted`` if it has expired; None for a comment."""
    line = line.removeprefix(_HTTP_ONLY)
    if not line.strip() or line.startswith("#"):
        return None
    fields = line.split("\t")
    if len(fields) == len(_FIELDS) - 1:  # editors remove the tab before an empty value
        fields.append("")
    if len(fields) != len(_FIELDS):
        spaces = "spaces where tabs belong" if "\t" not in line and len(line.split()) > 1 else "other fields"
        raise ConfigError(f"{where} has {spaces}: expected are {len(_FIELDS)} with tabs between them, {_HOW}")
    domain, below, path, secure, expiry, name, value = fields
    host = _host(domain)
    if not host:
        raise _wrong(where, 1, "the name of a host")
    if not path.startswith("/") or len(path) > MAX_PATH_CHARS:
        raise _wrong(where, 3, "a path that begins with /")
    for at, word in ((2, below), (4, secure)):
        if word.upper() not in _WORDS:
            raise _wrong(where, at, "TRUE or FALSE")
    until = _expiry(expiry)
    if until is None:
        raise _wrong(where, 5, "a number of seconds since 1970, or 0")
    for_all = _WORDS[below.upper()]  # as in curl and wget, which ignore a leading dot
    return Cookie(
        domain=host,
        path=path,
        name=name,
        value=value,
        # a cookie of a public suffix, or of an address, is for that host alone (RFC 6265, section 5.3)
        host_only=not for_all or is_address(host) or is_public_suffix(host),
        secure=_WORDS[secure.upper()],
        expires_in_s=None if until <= 0 else min(max(0.0, until - now), MAX_LIFE_S),
        deleted=0 < until <= now,
    )


def _wrong(where: str, at: int, expected: str) -> ConfigError:
    return ConfigError(
        f"{where}: field {at} ({_FIELDS[at - 1]}) is not {expected}; expected is a line {_HOW}"
    )


def _host(domain: str) -> str:
    text = domain.strip().removeprefix(".").encode("latin-1").decode("utf-8", "replace")
    if not text or any(mark in text for mark in "/?#@: "):
        return ""
    url = canonical(f"http://{text}/")
    return (urlsplit(url).hostname or "") if url else ""


def _expiry(text: str) -> float | None:
    """The expiry in seconds; some programs write fractions, or -1 or nothing for a session's. None for no number."""
    number = text.strip().removeprefix("-")
    whole, _, fraction = number.partition(".")
    if not text.strip() or text.strip().startswith("-"):
        return 0.0 if not number or whole.isdigit() else None
    digits = whole + fraction
    return float(number) if digits.isascii() and digits.isdigit() and whole and len(number) < 30 else None  # noqa: PLR2004


def _is_unfit(cookie: Cookie) -> bool:
    """Whether no server could have set *cookie*."""
    return bool(
        len(cookie.name) + len(cookie.value) > MAX_BYTES
        or not (cookie.name or cookie.value)
        or UNFIT_FOR_COOKIE.search(cookie.name + cookie.value)
        or ";" in cookie.name + cookie.value
        or breaks_prefix(
            cookie.name, secure=cookie.secure, is_of_host=cookie.path == "/" and cookie.host_only
        )
    )


def _few(cookies: Iterable[Cookie], near: set[str]) -> tuple[tuple[Cookie, ...], int]:
    """The cookies that a crawl keeps, the last ones of each domain, those *near* first; and how many are left out."""
    by_domain: dict[str, list[Cookie]] = {}
    for cookie in cookies:
        by_domain.setdefault(cookie.domain, []).append(cookie)
    ordered = sorted(by_domain, key=lambda domain: domain not in near)
    kept = [cookie for domain in ordered for cookie in by_domain[domain][-MAX_PER_DOMAIN:]][:MAX_IN_ALL]
    return tuple(kept), sum(map(len, by_domain.values())) - len(kept)


def _notes(
    name: str, taken: tuple[Cookie, ...], expired: Counter[str], unfit: int, near: set[str]
) -> Iterator[str]:
    if expired:
        of = ", ".join(domain for domain, _ in expired.most_common(3)) + (", …" if len(expired) > 3 else "")  # noqa: PLR2004
        told = f"{_count(sum(expired.values()))} not sent: expired ({of})"
        yield f"{name}: {told}; log in again in the browser, and write the file anew"
    if unfit:
        yield f"{name}: {_count(unfit)} not sent: too many of one domain, or such as no server can set"
    if not any(cookie.domain in near for cookie in taken):
        yield f"{name} has no cookie for the hosts of the seeds"


def _count(number: int) -> str:
    return counted(number, "cookie is", "cookies are")
