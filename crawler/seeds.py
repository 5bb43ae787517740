"""Seeds as people type them: URLs, hosts without a scheme, and mistakes."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from pathlib import Path

from crawler.errors import FolderError, SeedError
from crawler.text.plain_errors import quoted
from crawler.urls import MAX_URL_CHARS, authority, canonical, canonical_seed, without_login

_HOST = re.compile(r"(?:[a-z0-9_-]+\.)+[a-z0-9_-]+\.?|\[[0-9a-f:.]+\]|localhost")
"""Hosts of canonical URLs that are taken for hosts without a scheme."""
_AFTER_HOST = re.compile(r"[/?#]")
_WORD = re.compile(r"[\w-]+")
_PORT = re.compile(r":(\d+)$")
_LOGIN = re.compile(r"^[^/?#@]*@")
_NAME_AND_PORT = re.compile(r"[a-z0-9_-]+:\d+")
_OTHER_SCHEMES = frozenset({"tel", "sms", "sip", "sips", "callto", "javascript", "data", "mailto", "file"})
"""Words before a colon and digits that are no hosts."""
_PORTS = {":80": "http", ":443": "https"}
_FILE_ENDINGS = frozenset(
    {
        "txt", "csv", "tsv", "json", "jsonl", "ndjson", "html", "htm", "xhtml", "xml", "gz", "jpg", "jpeg", "png",
        "gif", "webp", "svg", "pdf", "log", "toml", "yaml", "yml", "ini", "db", "list", "urls",
    }
)  # fmt: skip
"""Extensions of files, none of which is a top-level domain."""
_PAGES = ("html", "htm", "xhtml")


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A seed as it was typed."""

    text: str
    urls: tuple[str, ...]
    """Canonical URLs: one if the scheme was given, or the port says it; else https and http: the first that answers."""

    def known(self, seeds: Collection[str]) -> str:
        """The URL that is one of *seeds*, those of a crawl that has begun; empty if none is."""
        return next((url for url in self.urls if url in seeds), "")


def some(seeds: Sequence[str], *, most: int = 5, otherwise: str = "a list of images") -> str:
    """The first *most* of *seeds* and the number of the others, for people; *otherwise* without seeds."""
    more = f" and {len(seeds) - most:,} more" if len(seeds) > most else ""
    return f"{' '.join(seeds[:most])}{more}" if seeds else otherwise


def another_crawl(
    folder: Path, seeds: Sequence[str], *, otherwise: str = "a list of images", or_fresh: bool = False
) -> FolderError:
    """The error that *folder* has the crawl of other *seeds*; *otherwise* names its lists where it has none."""
    advice = ", or start over with --fresh" if or_fresh else ""
    return FolderError(
        f"{folder} belongs to another crawl, of {some(seeds, otherwise=otherwise)}; choose another folder with"
        f" -o{advice}"
    )


def whole(url: str) -> Seed:
    """The seed of a crawl that has begun, with its scheme. Raises SeedError, as another machine may send anything."""
    return Seed(text=url, urls=(canonical_seed(url),))


def seed_of(text: str) -> Seed:
    """The seed that *text* stands for.

    Raises SeedError for anything but a URL or a host; for the name of a file it says what to do with that.
    """
    typed = text.strip()
    if canonical(typed) is not None or "://" in typed:
        return whole(typed)
    if urls := _urls_of_host(typed):
        if "@" in _AFTER_HOST.split(typed.removeprefix("//"), maxsplit=1)[0]:
            host = authority(urls[0])
            raise SeedError(
                f"a seed without a scheme has no user name: say {urls[0]} and --login USER:PASSWORD for {host}"
            )
        if (hint := _file_hint(typed, may_be_url="/" in typed.strip("/"))) is not None:
            raise SeedError(hint)
        return Seed(text=typed, urls=urls)
    if "@" not in typed and (hint := _file_hint(typed)) is not None:
        raise SeedError(hint)
    if _WORD.fullmatch(typed) and canonical(f"http://{typed}/") is not None and not typed.isdigit():
        raise SeedError(
            f"the seed {quoted(typed)} is not an http or https URL; give one such as https://example.org/,"
            f" or, if {quoted(typed)} is a host of your network, http://{typed}/"
        )
    hidden = _LOGIN.sub("…@", typed)  # what may be a password before an @
    raise SeedError(
        f"the seed {quoted(without_login(hidden))} is not an http or https URL;"
        " give one such as https://example.org/"
    )


def _urls_of_host(typed: str) -> tuple[str, ...]:
    """The URLs of *typed*, if it begins with a host; none otherwise."""
    rest = typed.removeprefix("//")
    if not rest or rest[0] in "/\\." or "\\" in rest or len(rest) > MAX_URL_CHARS:
        return ()
    before = _AFTER_HOST.split(rest, maxsplit=1)[0].rpartition("@")[2].lower()
    https, http = canonical(f"https://{rest}"), canonical(f"http://{rest}")
    if https is None or http is None:
        return ()
    named = authority(http)
    host = named if named.endswith("]") else _PORT.sub("", named)
    word = before.partition(":")[0]
    may_be_host = _NAME_AND_PORT.fullmatch(before) and word not in _OTHER_SCHEMES and not word.isdigit()
    if not (_HOST.fullmatch(host) or may_be_host):
        return ()
    if _is_ipv4(host) and not before.startswith(host):
        return ()  # "1.2" and "0x7f.1" are addresses to browsers, and to nobody else
    port = _PORT.search(before)
    if port is not None and (scheme := _PORTS.get(f":{port[1].lstrip('0')}")):
        return (http,) if scheme == "http" else (https,)
    return https, http


def _is_ipv4(host: str) -> bool:
    try:
        return isinstance(ip_address(host), IPv4Address)
    except ValueError:
        return False


def _file_hint(typed: str, *, may_be_url: bool = False) -> str | None:
    """What to do with the name of a file; None if it is none. With *may_be_url* the file has to exist."""
    name = typed.replace("\\", "/").rpartition("/")[2].lower()
    ending = name.rpartition(".")[2] if "." in name else ""
    is_there = os.path.isfile(typed)  # noqa: PTH113 - a Path would take a seed for one
    if not is_there and (may_be_url or ending not in _FILE_ENDINGS):
        return None
    what = (
        f"{quoted(typed)} is a file, and no URL"
        if is_there
        else f"{quoted(typed)} looks like the name of a file"
    )
    if "cookie" in name:
        return f"{what}: to send the cookies in it, say --cookies {typed}"
    if ending in _PAGES:
        return f"{what}: to see the images that it names, say image-crawler extract {typed}"
    if not is_there and ending not in ("txt", "csv", "tsv", "jsonl", "ndjson", "gz", "list", "urls"):
        return f"{what}, and there is none; give a URL such as https://example.org/"
    return (
        f"{what}: to crawl the pages whose URLs are in it, say -i {typed}; to save the images whose URLs are in it,"
        f" say --image-list {typed}"
    )
