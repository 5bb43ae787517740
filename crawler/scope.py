"""Which pages and images belong to a crawl."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlsplit

from crawler.config import ScopeConfig
from crawler.urls import DATA_HOST, host_key

OUT_OF_SCOPE, EXCLUDED = "out-of-scope", "excluded"
"""Slugs of pages that do not belong to a crawl: by their address, and by patterns of the user."""
IMAGE_OUT_OF_SCOPE, IMAGE_EXCLUDED = "image-out-of-scope", "image-excluded"
"""Slugs of images that do not belong to a crawl."""


class Pattern:
    """A URL in which ``*`` stands for any characters, or none."""

    def __init__(self, text: str) -> None:
        self._first, *self._between = text.split("*")
        self._last = self._between.pop() if self._between else None

    def matches(self, url: str) -> bool:
        """Whether the pattern matches the whole *url*; takes linear time."""
        if self._last is None:
            return url == self._first
        position, end = len(self._first), len(url) - len(self._last)
        if position > end or not (url.startswith(self._first) and url.endswith(self._last)):
            return False
        for part in self._between:
            at = url.find(part, position, end)
            if at < 0:
                return False
            position = at + len(part)
        return True


class Scope:
    """The pages and images that belong to a crawl with these seeds and settings. Immutable.

    http and https count as one host, and so do ``example.org`` and ``www.example.org``: sites redirect between them.
    """

    def __init__(self, seeds: Sequence[str], config: ScopeConfig | None = None) -> None:
        config = config or ScopeConfig()
        self._holds = _KINDS[config.scope](seeds)
        # a path prefix says nothing about where the images lie
        self._holds_image = None
        if config.images_from == "scope":
            self._holds_image = _KINDS["host" if config.scope == "prefix" else config.scope](seeds)
        self._pages = _Patterns(config.include, config.exclude)
        self._images = _Patterns(config.include_images, config.exclude_images)

    def admits(self, url: str) -> bool:
        """Whether the page at *url* belongs to the crawl."""
        return not self.refusal(url)

    def refusal(self, url: str) -> str:
        """Why the page at *url* does not belong to the crawl: OUT_OF_SCOPE or EXCLUDED; empty if it does."""
        if not self._holds(url):
            return OUT_OF_SCOPE
        return "" if self._pages.admit(url) else EXCLUDED

    def image_refusal(self, url: str) -> str:
        """Why the image at *url* does not belong to the crawl; empty if it does."""
        if not self.holds_image(url):
            return IMAGE_OUT_OF_SCOPE
        return "" if self._images.admit(url) else IMAGE_EXCLUDED

    def holds_image(self, url: str) -> bool:
        """Whether an image may come from the host of *url*, patterns aside; also asked of redirects."""
        return self._holds_image is None or url.startswith(DATA_HOST) or self._holds_image(url)


class _Patterns:
    def __init__(self, include: Iterable[str], exclude: Iterable[str]) -> None:
        self._include = [Pattern(text) for text in include]
        self._exclude = [Pattern(text) for text in exclude]

    def admit(self, url: str) -> bool:
        if not (self._include or self._exclude):
            return True
        if self._include and not any(pattern.matches(url) for pattern in self._include):
            return False
        return not any(pattern.matches(url) for pattern in self._exclude)


_Holds = Callable[[str], bool]


def _by_host(seeds: Sequence[str]) -> _Holds:
    hosts = {_site(host_key(seed)) for seed in seeds}
    return lambda url: _site(host_key(url)) in hosts


def _by_domain(seeds: Sequence[str]) -> _Holds:
    domains = {domain_of(host_key(seed)) for seed in seeds}
    return lambda url: domain_of(host_key(url)) in domains


def _by_prefix(seeds: Sequence[str]) -> _Holds:
    starts = {(_site(host_key(seed)), _directory(seed)) for seed in seeds}

    def holds(url: str) -> bool:
        site, path = _site(host_key(url)), urlsplit(url).path
        return any(site == host and (path + "/").startswith(start) for host, start in starts)

    return holds


_KINDS: dict[str, Callable[[Sequence[str]], _Holds]] = {
    "host": _by_host,
    "domain": _by_domain,
    "prefix": _by_prefix,
    "any": lambda _seeds: lambda _url: True,
}


def _directory(seed: str) -> str:
    """The path of ``scope = "prefix"``, with ``/`` at its end.

    For a file (its last segment has a dot) it is the folder; ``/docs`` and ``/docs/`` both stand for ``/docs/``.
    """
    path = urlsplit(seed).path
    folder, _, name = path.rpartition("/")
    return f"{folder}/" if "." in name or not name else f"{path}/"


@lru_cache(maxsize=1024)
def _site(key: str) -> str:
    parts = urlsplit(key)
    default = {"http": 80, "https": 443}[parts.scheme]
    explicit = parts.port if parts.port not in (None, default) else None
    host = str(parts.hostname).removeprefix("www.")
    return f"{host}:{explicit}" if explicit else host


_IPV4 = re.compile(r"[\d.]+")


@lru_cache(maxsize=8192)
def domain_of(key: str) -> str:
    """The registrable domain of ``scheme://host[:port]`` by the Public Suffix List, private part included; for a name
    without a rule its last two labels, as the list's algorithm says; for an IP address or a bare name the host.
    """
    host = str(urlsplit(key).hostname)
    if "." not in host or ":" in host or _IPV4.fullmatch(host):
        return host
    parts = _suffixes()(host)
    if not parts.suffix:
        return ".".join(host.rstrip(".").split(".")[-2:])
    return str(parts.top_domain_under_public_suffix) or host


def is_public_suffix(domain: str) -> bool:
    """Whether *domain* is a public suffix (``com``, ``co.uk``), for which no cookie may be set (RFC 6265, 5.3)."""
    return "." not in domain or not _suffixes()(domain).domain


@cache
def _suffixes() -> Callable[[str], Any]:
    from tldextract import TLDExtract  # costs 0.1 s, and few crawls need it

    # the list that comes with it, private suffixes included: nothing is fetched and nothing is written
    return TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)
