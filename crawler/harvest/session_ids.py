"""Learns session ids: parameters without which URLs give the same pages.

``sid=0a1b…`` may name a session or a picture: of twenty pictures ``thumb.php?s=<md5>`` one was saved. So such a
parameter is a session id on a host only once all pages found with it were visited under two values each, and gave the
same images, links and words. From then on one URL of each page is visited.

Each harvester learns on its own, in bounded memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from crawler.urls import host_key, maybe_session

ENOUGH = 4
"""Pages that have to agree. Galleries have fewer scripts that show only placeholders at first."""
_MAX_PAGES = 20_000
_MAX_HOSTS = 1_000
_MAX_PAGES_OF_HOST = 5_000


class _Visit(NamedTuple):
    url: int
    has_id: bool
    gave: int


class _Host:
    def __init__(self) -> None:
        self.agreed: set[int] = set()
        """Pages that were the same under two values, by their URL without the parameter."""
        self.open: set[int] = set()
        """Pages that are named or were visited once, and may still differ under another value."""
        self.has_others = False
        """A page differed under another value, or there are too many pages to tell."""

    @property
    def has_sessions(self) -> bool:
        return not self.has_others and not self.open and len(self.agreed) >= ENOUGH


class SessionIds:
    """The parameters of each host; to be used by one thread at a time."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._visits: OrderedDict[int, _Visit] = OrderedDict()
        """The first visit of each page, by its URL without the parameter."""
        self._chosen: OrderedDict[int, int] = OrderedDict()
        """The URL of each page that is visited."""

    def known_as(self, url: str) -> str:
        """*url* without a session id, as far as one is known."""
        if not self._hosts or (found := maybe_session(url)) is None:
            return url
        return found[1] if self._has_sessions(url) else url

    def is_repeat(self, url: str) -> bool:
        """Whether *url* is a known page with another session id; if not, it becomes the URL to visit."""
        if "=" not in url or (found := maybe_session(url)) is None:
            return False
        chosen = self._chosen.setdefault(hash(found[1]), hash(url))
        _cut(self._chosen, _MAX_PAGES)
        return chosen != hash(url) and self._has_sessions(url)

    @staticmethod
    def concerns(url: str, links: Collection[str]) -> bool:
        """Whether the URL of a page or one of its *links* may have a session id, as on few sites."""
        return any(maybe_session(one) is not None for one in (url, *links) if "=" in one)

    def visit(
        self, url: str, said: AbstractSet[str], *, images: Collection[str], links: Collection[str]
    ) -> None:
        """Note a page with its words and the URLs of its *images* and *links*."""
        found = maybe_session(url)
        bare_links = {link: bare[1] for link in links if "=" in link and (bare := maybe_session(link))}
        if found is None and not bare_links:
            return
        page = hash(url if found is None else found[1])
        gave = hash(
            (frozenset(images), frozenset(bare_links.get(link, link) for link in links), frozenset(said))
        )
        host = self._hosts.setdefault(host_key(url), _Host())
        _cut(self._hosts, _MAX_HOSTS)
        now = _Visit(hash(url), found is not None, gave)
        first = self._visits.setdefault(page, now)
        _cut(self._visits, _MAX_PAGES)
        if first.url != now.url:
            if first.gave == now.gave:
                host.agreed.add(page)
            elif first.has_id and now.has_id:  # without an id a server may answer otherwise
                host.has_others = True
        self._note(host, [*bare_links.values(), *([] if found is None else [found[1]])])

    def _note(self, host: _Host, pages: Collection[str]) -> None:
        if host.has_others:
            host.agreed, host.open = set(), set()
            return
        host.open.update(map(hash, pages))
        host.open -= host.agreed
        host.has_others = len(host.open) + len(host.agreed) > _MAX_PAGES_OF_HOST

    def _has_sessions(self, url: str) -> bool:
        host = self._hosts.get(host_key(url))
        return host is not None and host.has_sessions


def _cut(known: OrderedDict, size: int) -> None:  # type: ignore[type-arg]
    while len(known) > size:
        known.popitem(last=False)
