"""URLs as a browser sees them (WHATWG URL Standard, by ada); touches no network.

A URL is *canonical* here when it is http(s), serialised by the standard (lower-case host in ASCII, no default
port, no dot segments), without fragment and without user name and password. Two spellings of one URL are one task.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from ada_url import URL

from crawler.errors import SeedError

MAX_URL_CHARS = 2048
DATA_HOST = "data:"
"""In place of a host for what pages hold themselves; such a URL names its content by media type and SHA-256."""
_SCHEMES = ("http:", "https:")


def resolve(reference: str, base: str) -> str | None:
    """The canonical absolute URL of *reference* on a page at *base*, or None where it is not one to fetch.

    None stands for: not parseable, not http(s), or longer than MAX_URL_CHARS. Never raises.
    Source: https://url.spec.whatwg.org/#concept-basic-url-parser
    """
    if len(reference) > 4 * MAX_URL_CHARS:
        return None
    try:
        url = URL(reference, base)
        href: str = url.href  # each property of ada's costs some 2 us
        if not href.startswith(_SCHEMES):
            return None
        if "@" in href and (url.username or url.password):
            url.username = url.password = ""
            href = url.href
    except (ValueError, UnicodeError):
        return None
    href = href.partition("#")[0]  # not before: the space in front of a "#" counts
    return href if len(href) <= MAX_URL_CHARS else None


def canonical(url: str) -> str | None:
    """The canonical form of an absolute URL, or None; idempotent, never raises."""
    return resolve(url, "about:blank")


def canonical_seed(text: str) -> str:
    """The canonical form of what a person typed as a seed.

    Raises SeedError when it has no scheme, another scheme than http(s), or no host.
    """
    url = canonical(text.strip())
    if url is not None:
        return url
    if text.strip() and "://" not in text:
        host = text.strip().lstrip("/").partition("/")[0].partition(":")[0]
        scheme = "http" if host == "localhost" or host.startswith("127.") else "https"
        guess = canonical(f"{scheme}://{text.strip().lstrip('/')}")
        if guess is not None and ("." in host or scheme == "http"):
            raise SeedError(f"the seed {text!r} has no scheme; did you mean {guess} ?")
    raise SeedError(f"the seed {text!r} is not an http or https URL; give one such as https://example.org/")


def host_key(url: str) -> str:
    """``scheme://host[:port]`` of a canonical URL: the unit of politeness and of scope; DATA_HOST without one."""
    if url.startswith(DATA_HOST):
        return DATA_HOST
    return url[: url.index("/", url.index("//") + 2)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Which pages belong to a crawl: those on the hosts of its seeds.

    http and https count as one host, and so do ``example.org`` and ``www.example.org``: sites redirect between them.
    """

    hosts: frozenset[str]

    @classmethod
    def of_seeds(cls, seeds: tuple[str, ...]) -> Scope:
        return cls(hosts=frozenset(_site(host_key(seed)) for seed in seeds))

    def admits(self, url: str) -> bool:
        return _site(host_key(url)) in self.hosts


@lru_cache(maxsize=1024)
def _site(key: str) -> str:
    parts = urlsplit(key)
    default = {"http": 80, "https": 443}[parts.scheme]
    explicit = parts.port if parts.port not in (None, default) else None
    host = str(parts.hostname).removeprefix("www.")
    return f"{host}:{explicit}" if explicit else host
