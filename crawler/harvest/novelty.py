"""Decides whether a page brings anything new, so that the crawl of an endless site ends.

A page is new by an image, by words, or by a link to another group of pages that itself brings something: all of these
unseen so far. The links of a new page are followed. A page that brings nothing may still lead on to some more pages:
each group has a budget, refilled whenever one of its pages is new. So a list of 60 pages is walked to its end though
all say "Strip 1, Strip 2 …", as each has links to strips with pictures; and a thousand filters of thirty products end
once all thirty were seen.

Each harvester learns on its own, in bounded memory.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from crawler.harvest.session_ids import SessionIds
from crawler.harvest.shingles import MIN_BYTES, without_echo
from crawler.urls import identity

BUDGET, BUDGET_OF_HOST = 200, 300
"""Links to a group, and to a host, that are followed in a row from pages without anything new."""
PATIENCE = 10
"""Pages of a group in a row without a new image or word, after which links to it are no news by themselves. A gallery
may have that many placeholders in a row.
"""
PATIENCE_OF_HOST, PATIENCE_OF_PROGRAM = 80, 80
"""Patience with a host (or all hosts of a domain), and with one path with any parameters. Beyond it only a link to a
group that once had something new is news. Folders in folders, each with five more, are then 700 pages.
"""
PATIENCE_WITH_YEARS = 500
"""Patience with links with a year in their path: 25 years of 12 months each are walked until the first picture."""
PATIENCE_OF_FEW, FEW_GROUPS = 3000, 4
"""Patience with a host whose pages without news belong to few groups: 50 brands in 40 colors each are walked until the
first product. Where lists lead to lists of lists there are soon more groups.
"""
MAX_UNPROVEN = 400
"""Style sheets, feeds and manifests without a new image in a row that are fetched for documents without one."""
MAX_DISTANCE = 3
"""Links from group to group up to something new. Two groups that only name each other are soon further away."""
_MAX_PARTS = (64, 16, 16, 16, 16, 6)
"""Groups within a group, by level; later ones are not told apart. Otherwise random names, and filters of filters, would
always be new. The first level are hosts of a domain: a wildcard may answer for any name.
"""
_SIGHTINGS = tuple(hash(f"sighting {n}") for n in range(4))
"""A link is news to pages of that many groups, a key for each: random names would make groups without end."""
_UNLOOKED = 5  # pages of a group after news whose links are not checked: that would cost time on every page
_BY_PATH = 5  # levels without parameters, at most
_LISTENING = 25
"""Pages of a host without news, after which all are read, not only those without links to anything new."""
_SALTED = 3  # the level whose groups are told apart by which links their pages had
_MAX_SEGMENTS = 10  # of a path that count: endless folders only bring links to deeper ones
_MAX_NAMES = 8
_MAX_GROUPS = 10_000
_MAX_URLS = 100_000  # some 8 MB; at most twice as many are kept
_MAX_PIECES = 50_000
_MAX_SPELLED = 100_000
_LOOKED_AT = 64  # pieces of a page that are compared without numbers

_TOKEN = re.compile(r"[0-9a-f-]{8,}|\d+", re.IGNORECASE)
_SLASHES = re.compile(r"/{2,}")
_DIGIT = re.compile(r"\d")
_YEAR = re.compile(r"/[^/?]*?(?<!\d)(?:19|20)\d\d(?![\d?])")
_WORD = re.compile(r"[a-z_]{2,40}")
_SELECTOR_NAMES = """
act action area cmd content controller do go mod module op option p page r route section show task type view
"""
_SELECTORS = frozenset(_SELECTOR_NAMES.split())
"""Parameters whose value selects a part of a program."""


@lru_cache(maxsize=4096)
def groups_of(url: str) -> tuple[str, ...]:
    """The groups of a URL, from wide to narrow: its host, its number of different folders, the first and the second
    folder, the part of a program that it selects, the names of its parameters.

    URLs of one group are likely made by the same program. Numbers and tokens count as one word.
    """
    start, _, query = url.partition("?")
    _, _, host, *segments = start.split("/")
    folders = [_TOKEN.sub(_without_number, segment) for segment in segments[:2]]
    depth = min(len(set(segments)), _MAX_SEGMENTS)
    groups = [host]
    for step in (str(depth), *[*folders, "", ""][:2]):
        groups.append(f"{groups[-1]} {step}")
    if not query:
        return tuple(groups)
    asked = [parameter.partition("=") for parameter in query.split("&", _MAX_NAMES)[:_MAX_NAMES]]
    part = [f"{name}={value}" for name, _, value in asked if name in _SELECTORS and _WORD.fullmatch(value)]
    names = sorted({name for name, _, _ in asked})
    for step in (f"?{'&'.join(part)}", "&".join(names)):
        groups.append(f"{groups[-1]} {step}")
    return tuple(groups)


def _without_number(token: re.Match[str]) -> str:
    return "#" if _DIGIT.search(token[0]) else token[0]


class _Group:
    """The state of one group of pages.

    Invariants: 0 <= budget <= full; distance <= MAX_DISTANCE + 1; *tried* has at most FEW_GROUPS + 1 entries.
    """

    __slots__ = ("budget", "distance", "dry", "full", "is_source", "is_wide", "parts", "salt", "tried")

    def __init__(self, name: str, full: int) -> None:
        self.salt = hash(name)
        self.full = self.budget = full
        self.is_wide = full == BUDGET_OF_HOST
        self.parts = 0
        self.tried: set[int] = set()
        """Groups within a wide group without news since its last news, at most FEW_GROUPS + 1."""
        self.dry = 0
        """Pages in a row without a new image or word."""
        self.distance = MAX_DISTANCE + 1
        """Distance in links to something new, as of its latest pages."""
        self.is_source = False
        """One of its own pages had something new."""

    def note(self, distance: int) -> None:
        """Note the distance of one more page; 0 if it had a new image or word."""
        is_new = distance <= MAX_DISTANCE
        self.dry = self.dry + 1 if distance else 0
        self.is_source = self.is_source or distance == 0
        self.distance = distance if is_new else min(self.distance + 1, MAX_DISTANCE + 1)
        # a wide group's budget is not filled by mere links: endless groups that link to each other would fill it
        self.budget = self.full if distance == 0 or (is_new and not self.is_wide) else self.budget


def _reach(path: list[_Group], url: str) -> int:
    """Distance of the last group of *path*, which *url* belongs to, from something new, as far as is known."""
    group = path[-1]
    if group.dry >= PATIENCE or group.is_source:
        return group.distance if group.dry >= PATIENCE else 0
    is_by_parameters = len(path) > _BY_PATH
    patience = PATIENCE_WITH_YEARS if _YEAR.search(url) else PATIENCE_OF_HOST
    is_hopeful = path[0].dry < patience and not (
        is_by_parameters and path[_BY_PATH - 1].dry >= PATIENCE_OF_PROGRAM
    )
    is_one_of_few = len(path[0].tried) <= FEW_GROUPS and path[0].dry < PATIENCE_OF_FEW
    return 0 if is_hopeful or is_one_of_few else group.distance


class _Memory:
    """The latest *size* to 2 x *size* hashes. Python salts hashes of strings, so a server can't choose them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: set[int] = set()
        self._old: set[int] = set()

    def unseen(self, keys: AbstractSet[int]) -> set[int]:
        return set(keys - self._young).difference(self._old)

    def add(self, keys: Iterable[int]) -> None:
        self._young.update(keys)
        if len(self._young) >= self._size:
            self._old, self._young = self._young, set()


class Standing(NamedTuple):
    """The news of one page."""

    is_new: bool
    """Its links are followed without being paid for."""
    has_news: bool
    """New images or words, not only new links."""
    salt: int
    unseen: set[int]
    """Keys of its links that no page of its group had."""


class Novelty:
    """The news of a site's pages so far; safe to be used by several threads.

    *domain_of* maps ``scheme://host[:port]`` to the domain whose hosts count together; without it each host is alone.
    """

    def __init__(self, domain_of: Callable[[str], str] = lambda host: host) -> None:
        self._domain_of = domain_of
        self._mutex = threading.Lock()
        self._groups: OrderedDict[str, _Group] = OrderedDict()
        self._images = _Memory(_MAX_URLS)
        self._links = _Memory(_MAX_URLS)
        self._pieces = _Memory(_MAX_PIECES)
        self._attached = _Memory(_MAX_URLS)
        self._spelled: OrderedDict[int, int] = OrderedDict()
        """The first spelling of URLs with several spellings."""
        self._unproven = 0
        self._sessions = SessionIds()

    def visit(
        self,
        url: str,
        *,
        shingles: Callable[[], AbstractSet[str]],
        images: Collection[str],
        links: Collection[str],
        counts: Callable[[str], bool] = lambda _: True,
        is_feed: bool = False,
        task_url: str = "",
    ) -> Standing:
        """Note a page with the URLs of its *images* and *links*; returns its news.

        *shingles* returns its :func:`~.shingles.pieces`; it is called only when they are needed. *counts* tells whether
        a new link would be followed. *task_url* is the URL that redirected to *url*. A feed without news costs its host
        no patience: each post may have a feed.

        URLs are compared without session ids: with a fresh one in each link every page seems to have new links, and
        forums went on without end.
        """
        # outside the lock: that may take a while
        words = shingles() if self._sessions.concerns(url, links) else frozenset[str]()
        with self._mutex:
            self._sessions.visit(url, words, images=images, links=links)
            url = self._known_as(url)
            path = self._path(url)
            salt = path[: _SALTED + 1][-1].salt
            is_any_new = self._is_any_new(images)
            known = {hash(link) ^ salt: link for link in map(self._known_as, links)}
            unseen = self._links.unseen(known.keys())
            if is_any_new:
                distance = 0
            elif path[-1].is_source and path[-1].dry < _UNLOOKED:
                distance = min(max(path[-1].distance, 1), MAX_DISTANCE)
            else:
                distance = self._distance(path, self._not_worn(known[key] for key in unseen), counts)
            listens = distance > MAX_DISTANCE or (distance and path[0].dry >= _LISTENING)
        if listens and self._says_anything_new(shingles(), url):
            distance = 0
        with self._mutex:
            if distance == 0:
                path[0].tried.clear()
            elif len(path[0].tried) <= FEW_GROUPS:
                path[0].tried.add(path[-1].salt)
            behind = (
                [group for group in self._path(task_url) if group not in path]
                if task_url not in ("", url)
                else []
            )
            for group in path + behind:
                if distance == 0 or not (is_feed and group.is_wide):
                    group.note(distance)
            if distance <= MAX_DISTANCE:
                self._links.add(unseen)
                self._wear(known[key] for key in unseen)
        return Standing(is_new=distance <= MAX_DISTANCE, has_news=distance == 0, salt=salt, unseen=unseen)

    def visit_attached(self, images: Collection[str]) -> Standing:
        """Note a style sheet, feed or manifest with the URLs of its *images*; returns its news."""
        with self._mutex:
            has_news = self._is_any_new(images)
            if has_news:
                self._unproven = 0
        return Standing(is_new=has_news, has_news=has_news, salt=0, unseen=set())

    def is_repeat(self, url: str) -> bool:
        """Whether *url* is a known page with another session id."""
        if "=" not in url:
            return False
        with self._mutex:
            return self._sessions.is_repeat(url)

    def allows_attached(self, page: Standing, url: str) -> bool:
        """Whether to fetch what belongs to *page*: if it has news, else MAX_UNPROVEN in a row without a new image."""
        with self._mutex:
            if not self._attached.unseen({hash(url)}):
                return True
            if not page.has_news:
                if self._unproven >= MAX_UNPROVEN:
                    return False
                self._unproven += 1
            self._attached.add((hash(url),))
            return True

    def allows(self, page: Standing, url: str) -> bool:
        """Whether to follow a link of *page*. A link without news costs the budgets of its host and groups."""
        url = self._known_as(url)
        key = hash(url) ^ page.salt
        is_respelled = self._is_respelled(url)
        if not is_respelled and (page.is_new or key not in page.unseen):
            return True
        with self._mutex:
            if is_respelled:
                key = hash(url)
            if not self._links.unseen({key}):
                return True
            path = self._path(url)
            paying = path[:2] + path[3:] if len(path) > 3 else path  # noqa: PLR2004 - how deep it lies pays nothing
            if not all(group.budget > 0 for group in paying):
                return False
            for group in paying:
                group.budget -= 1
            self._links.add((key,))
            return True

    def _is_respelled(self, url: str) -> bool:
        """Whether a URL was seen with the same parameters in another order, or with other slashes."""
        if "&" not in url and url.count("//") == 1:
            return False
        path, _, query = url.partition("?")
        if "&" not in query and "//" not in path[8:]:
            return False
        plain = f"{path[:8]}{_SLASHES.sub('/', path[8:])}?{'&'.join(sorted(query.split('&')))}"
        with self._mutex:
            first = self._spelled.setdefault(hash(plain), hash(url))
            if len(self._spelled) > _MAX_SPELLED:
                self._spelled.popitem(last=False)
        return first != hash(url)

    def _known_as(self, url: str) -> str:
        if "=" not in url and "/(" not in url:  # as in most: there is no session id
            return url
        return self._sessions.known_as(identity(url))

    def _is_any_new(self, images: Collection[str]) -> bool:
        keys = {hash(image) for image in images}
        unseen = self._images.unseen(keys)
        self._images.add(keys)
        return bool(unseen)

    def _not_worn(self, links: Iterable[str]) -> Iterator[str]:
        """The links that pages of few groups had so far."""
        return (link for link in links if self._links.unseen({hash(link) ^ _SIGHTINGS[-1]}))

    def _wear(self, links: Iterable[str]) -> None:
        for link in links:
            first = self._links.unseen({hash(link) ^ sighting for sighting in _SIGHTINGS})
            self._links.add(islice((key for s in _SIGHTINGS if (key := hash(link) ^ s) in first), 1))

    def _distance(self, path: list[_Group], links: Iterable[str], counts: Callable[[str], bool]) -> int:
        """Distance from a page to something new, by its links to other groups."""
        nearest = MAX_DISTANCE
        for link in links:
            to = self._path(link)
            if to[-1] is not path[-1] and (reach := _reach(to, link)) < nearest and counts(link):
                nearest = reach
                if nearest == 0:
                    break
        return nearest + 1

    def _says_anything_new(self, pieces: AbstractSet[str], url: str) -> bool:
        said = {hash(piece): piece for piece in pieces}
        with self._mutex:
            unheard = [said[key] for key in islice(self._pieces.unseen(said.keys()), _LOOKED_AT)]
            self._pieces.add(said)
        plain = {
            hash(text)
            for piece in unheard
            if len((text := without_echo(piece, url)).encode(errors="replace")) >= MIN_BYTES
        }
        with self._mutex:
            unsaid = self._pieces.unseen(plain)
            self._pieces.add(plain)
        return bool(unsaid)

    def _path(self, url: str) -> list[_Group]:
        """The groups of a page from wide to narrow, as far as they are told apart."""
        path: list[_Group] = []
        host = "/".join(url.split("/", 3)[:3])
        for name in (f"domain {self._domain_of(host)}", *groups_of(url)):
            group = self._groups.get(name)
            if group is None:
                if path and path[-1].parts >= _MAX_PARTS[len(path) - 1]:
                    break
                group = self._groups[name] = _Group(name, BUDGET if len(path) > 1 else BUDGET_OF_HOST)
                if path:
                    path[-1].parts += 1
                if len(self._groups) > _MAX_GROUPS:
                    self._groups.popitem(last=False)
            else:
                self._groups.move_to_end(name)
            path.append(group)
        return path
