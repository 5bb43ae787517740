"""The cookie jar of a crawl (RFC 6265).

Of http.cookiejar the parser of dates is used: the rest reads the clock, has no limits, and renames ``localhost``.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from operator import attrgetter
from urllib.parse import urlsplit

import msgspec

from crawler.models import UNFIT_FOR_COOKIE, Cookie
from crawler.urls import canonical

MAX_PER_DOMAIN = 50
MAX_IN_ALL = 3_000
MAX_BYTES = 4_096
"""The most bytes of a name and its value. These three are the least that clients have to keep (RFC 6265, 6.1)."""
MAX_NEWS = 100
"""The most changes that are reported to the queue at once."""
MAX_PATH_CHARS = 1024
_MAX_DOMAIN_CHARS = 255
_MAX_HEADER_BYTES = 16 * 1024
"""The most bytes of all cookies in one request: few servers take more."""
_MAX_SET_COOKIES = 60
"""The most cookies that one answer can set; more could not be kept."""
MAX_LIFE_S = 400 * 24 * 3600.0
"""The browsers' limit (RFC 6265bis, section 5.5)."""
_MAX_AGE = re.compile(r"-?[0-9]+")
_CONTENT = attrgetter("value", "host_only", "secure")

_Key = tuple[str, str, str]
"""Domain, path, name."""


@dataclass(slots=True)
class _Kept:
    cookie: Cookie
    expires_at: float | None
    told_until: float | None
    """The expiry last reported to the other workers; None: never."""


class CookieJar:
    """The cookies that one worker knows. Thread-safe.

    No cookie is set for a domain that *is_suffix* calls a public suffix; by default that is a domain of one label.
    *clock* is monotonic, in seconds; *now* is the time of day, for dates of servers.

    Invariants: ``_count`` cookies are in ``_domains``; no domain there is empty; a False key of ``_news`` is there.
    """

    def __init__(
        self,
        *,
        is_suffix: Callable[[str], bool] = lambda domain: "." not in domain,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._is_suffix = is_suffix
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._domains: dict[str, dict[_Key, _Kept]] = {}
        self._count = 0
        self._news: dict[_Key, bool] = {}
        """Changes that were not reported yet: the cookie's key, and whether it was deleted."""

    def header(self, url: str) -> str:
        """The Cookie header for a canonical URL; empty without cookies (RFC 6265, section 5.4)."""
        if not self._domains:
            return ""
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path or "/"
        secure = parts.scheme == "https"
        found: list[tuple[int, str]] = []
        with self._lock:
            now = self._clock()
            for domain in domains_of(host):
                kept_of_domain = self._domains.get(domain)
                if kept_of_domain is None:
                    continue
                for key, kept in list(kept_of_domain.items()):
                    cookie = kept.cookie
                    if kept.expires_at is not None and kept.expires_at <= now:
                        self._drop(key)
                    elif (
                        (domain == host or not cookie.host_only)
                        and (secure or not cookie.secure)
                        and _is_below(path, cookie.path)
                    ):
                        text = f"{cookie.name}={cookie.value}" if cookie.name else cookie.value
                        found.append((len(cookie.path), text))
        found.sort(key=lambda item: -item[0])  # the longer path first, then the older one
        sent: list[str] = []
        size = 0
        for _, text in found:
            size += len(text) + 2
            if size > _MAX_HEADER_BYTES:
                break
            sent.append(text)
        return "; ".join(sent)

    def store(self, url: str, set_cookie_headers: Iterable[str]) -> None:
        """Keep what the server of a canonical URL sets, by one cookie a header (section 5.3)."""
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path or "/"
        for _, header in zip(range(_MAX_SET_COOKIES), set_cookie_headers, strict=False):
            cookie = self._read(header, host, path, secure_origin=parts.scheme == "https")
            if cookie is not None:
                self._set(cookie, news=True)

    def news(self) -> tuple[Cookie, ...]:
        """Changes by servers that were not reported yet, at most MAX_NEWS; each is returned once."""
        if not self._news:
            return ()
        with self._lock:
            told = list(self._news.items())[:MAX_NEWS]
            for key, _ in told:
                del self._news[key]
            return tuple(self._told(key, deleted=deleted) for key, deleted in told)

    def learn(self, cookies: Iterable[Cookie]) -> None:
        """Keep what other workers reported. An unreported change of the same cookie counts as newer."""
        for cookie in cookies:
            if not UNFIT_FOR_COOKIE.search(cookie.name + cookie.value):
                self._set(cookie, news=False)

    def _read(self, header: str, host: str, path: str, *, secure_origin: bool) -> Cookie | None:
        """The cookie of a Set-Cookie header; None for one that must not be kept (section 5.2)."""
        pair, *attributes = header.split(";")
        name, equals, value = pair.partition("=")
        if not equals:
            name, value = "", name
        name, value = name.strip(), value.strip()
        if not (name or value) or len(name) + len(value) > MAX_BYTES or UNFIT_FOR_COOKIE.search(name + value):
            return None
        said: dict[str, str] = {}
        for attribute in attributes:
            key, _, text = attribute.partition("=")
            if len(text) <= MAX_PATH_CHARS:
                said[key.strip().lower()] = text.strip()
        domain = _domain(said.get("domain", ""))
        host_only = not domain or (domain == host and (is_address(host) or self._is_suffix(host)))
        if not host_only and (domain not in domains_of(host) or self._is_suffix(domain)):
            return None
        secure = "secure" in said
        cookie_path = said.get("path", "")
        if not cookie_path.startswith("/"):
            cookie_path = path[: path.rfind("/")] or "/"
        if secure and not secure_origin:
            return None
        if breaks_prefix(name, secure=secure, is_of_host=cookie_path == "/" and not domain):
            return None
        life_s = self._life_s(said)
        return Cookie(
            domain=host if host_only else domain,
            path=cookie_path,
            name=name,
            value=value,
            host_only=host_only,
            secure=secure,
            expires_in_s=None if life_s is None else max(0.0, life_s),
            deleted=life_s is not None and life_s <= 0,
        )

    def _life_s(self, said: dict[str, str]) -> float | None:
        max_age = said.get("max-age", "")
        if _MAX_AGE.fullmatch(max_age):
            return min(float(max_age), MAX_LIFE_S)
        expires = _date(said.get("expires", ""))
        return None if expires is None else min(expires - self._now(), MAX_LIFE_S)

    def _set(self, cookie: Cookie, *, news: bool) -> None:
        key = (cookie.domain, cookie.path, cookie.name)
        with self._lock:
            before = self._domains.get(cookie.domain, {}).get(key)
            if not news and key in self._news:
                return
            if cookie.deleted:
                if before is not None:
                    self._drop(key)
                    if news:
                        self._tell(key, deleted=True)
                return
            now = self._clock()
            expires_at = None if cookie.expires_in_s is None else now + cookie.expires_in_s
            kept = _Kept(cookie, expires_at, told_until=expires_at)
            if news and not _is_news(kept, before, now):
                assert before is not None
                kept.told_until = before.told_until
                news = False
            # in the place of the one before (5.3, step 11)
            self._domains.setdefault(cookie.domain, {})[key] = kept
            if news:
                self._tell(key, deleted=False)
            if before is None:
                self._count += 1
                self._make_room(cookie.domain)

    def _tell(self, key: _Key, *, deleted: bool) -> None:
        self._news.pop(key, None)
        self._news[key] = deleted
        if len(self._news) > MAX_IN_ALL:
            del self._news[next(iter(self._news))]

    def _told(self, key: _Key, *, deleted: bool) -> Cookie:
        domain, path, name = key
        if deleted:
            return Cookie(domain=domain, path=path, name=name, deleted=True)
        kept = self._domains[domain][key]
        kept.told_until = kept.expires_at
        left_s = None if kept.expires_at is None else max(0.0, kept.expires_at - self._clock())
        return msgspec.structs.replace(kept.cookie, expires_in_s=left_s)

    def _make_room(self, domain: str) -> None:
        """Drop the oldest cookie of *domain* if it has too many, and of the domain with most if all have too many."""
        if len(self._domains[domain]) > MAX_PER_DOMAIN:
            self._drop(next(iter(self._domains[domain])))
        if self._count > MAX_IN_ALL:
            most = max(self._domains.values(), key=len)
            self._drop(next(iter(most)))

    def _drop(self, key: _Key) -> None:
        of_domain = self._domains[key[0]]
        del of_domain[key]
        self._count -= 1
        self._news.pop(key, None)
        if not of_domain:
            del self._domains[key[0]]


def breaks_prefix(name: str, *, secure: bool, is_of_host: bool) -> bool:
    """Whether a cookie with this *name* breaks the promise of its prefix (RFC 6265bis, section 4.1.3)."""
    folded = name.lower()
    if folded.startswith("__host-"):
        return not (secure and is_of_host)
    return folded.startswith("__secure-") and not secure


def _is_news(kept: _Kept, before: _Kept | None, now: float) -> bool:
    """Whether a change has to be reported. A mere renewal need not, as long as the reported expiry is about right."""
    if before is None or _CONTENT(before.cookie) != _CONTENT(kept.cookie):
        return True
    if before.told_until is None or kept.expires_at is None:
        return before.told_until is not kept.expires_at
    known_s, given_s = before.told_until - now, kept.expires_at - now
    return not given_s / 2 <= known_s <= given_s * 2


def is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def domains_of(host: str) -> list[str]:
    """*host* and the domains above it, the longest first; an address has none above it (section 5.1.3)."""
    if is_address(host):
        return [host]
    labels = host.split(".")
    return [".".join(labels[n:]) for n in range(len(labels))]


def _domain(attribute: str) -> str:
    text = attribute.removeprefix(".")
    if len(text) > _MAX_DOMAIN_CHARS:
        return attribute
    url = canonical(f"http://{text}/") if text else None
    return urlsplit(url).hostname or attribute if url else text and attribute


def _is_below(path: str, cookie_path: str) -> bool:
    """Whether *path* matches *cookie_path* (section 5.1.4)."""
    return path == cookie_path or (
        path.startswith(cookie_path) and (cookie_path.endswith("/") or path[len(cookie_path)] == "/")
    )


def _date(text: str) -> float | None:
    if not text:
        return None
    from http.cookiejar import http2time  # type: ignore[attr-defined] # few cookies have one, and it is slow to come

    try:
        seconds: float | None = http2time(text)
    except (ValueError, OverflowError):
        return None
    return seconds
