"""Session ids that are seen to be some: URLs that differ in nothing else gave the same pages.

``sid=0a1b…`` may name a session or a picture: of twenty pictures ``thumb.php?s=<md5>`` one was saved. So such names are
those of sessions on a host once all its pages that are found under them were visited under two values each, and gave
the same images, links and words. From then on one URL of each page is visited.

It is learned on the way, in bounded memory, by each harvester for itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from crawler.urls import host_key, maybe_session

ENOUGH = 4
"""Pages that have to agree. Galleries have fewer scripts that show nothing but placeholders at first."""
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
        """Those that are named, or were visited once, and may yet be another each time."""
        self.has_others = False
        """A page was another under another value; or there are too many to tell."""

    @property
    def has_sessions(self) -> bool:
        return not self.has_others and not self.open and len(self.agreed) >= ENOUGH


class SessionIds:
    """What is known of the parameters of each host; to be used by one thread at a time."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._visits: OrderedDict[int, _Visit] = OrderedDict()
        """The first of each page, by its URL without the parameter."""
        self._chosen: OrderedDict[int, int] = OrderedDict()
        """… and the URL of it that is visited."""

    def known_as(self, url: str) -> str:
        """*url* without what is a session id, as far as that is known."""
        if not self._hosts or (found := maybe_session(url)) is None:
            return url
        return found[1] if self._has_sessions(url) else url

    def is_repeat(self, url: str) -> bool:
        """Whether *url* is but another one of a page that is known; if it is not, it is the one to visit."""
        if "=" not in url or (found := maybe_session(url)) is None:
            return False
        chosen = self._chosen.setdefault(hash(found[1]), hash(url))
        _cut(self._chosen, _MAX_PAGES)
        return chosen != hash(url) and self._has_sessions(url)

    @staticmethod
    def concerns(url: str, links: Collection[str]) -> bool:
        """Whether there may be a session id in the URL of a page or in one of its *links*, as on few sites."""
        return any("=" in one and maybe_session(one) is not None for one in (url, *links))

    def visit(
        self, url: str, said: AbstractSet[str], *, images: Collection[str], links: Collection[str]
    ) -> None:
        """Take note of a page with what it says and the URLs of its *images* and *links*."""
        found = maybe_session(url)
        bare_links = {link: bare[1] for link in links if "=" in link and (bare := maybe_session(link))}
        if found is None and not bare_links:
            return
        page = hash(url if found is None else found[1])
        gave = hash(
            (
                frozenset(images),
                frozenset(bare_links.get(link, link) for link in links),
                frozenset(said),
            )
        )
        host = self._hosts.setdefault(host_key(url), _Host())
        _cut(self._hosts, _MAX_HOSTS)
        now = _Visit(hash(url), found is not None, gave)
        first = self._visits.setdefault(page, now)
        _cut(self._visits, _MAX_PAGES)
        if first.url != now.url:
            if first.gave == now.gave:
                host.agreed.add(page)
            elif first.has_id and now.has_id:  # without any id a server may say something else
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
