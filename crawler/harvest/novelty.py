"""Whether a page brings anything new: where a site goes on without end and only repeats itself, nothing does.

A page is new by an image that no page had before, by a link to another group of pages that itself brings something,
or by words that no page of its group had. Its links are followed. One that brings nothing may lead on to some more
pages all the same; how many is a budget of each group, which is full again whenever a page of it is new. So a list of
60 pages is walked to its end though all of them say "Strip 1, Strip 2 …", for each has links to strips that have
pictures; and a thousand ways to filter thirty products end once all thirty were seen.

It is learned on the way, in bounded memory, by each harvester for itself.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache

from crawler.harvest.pieces import MIN_BYTES, pieces, without_echo

BUDGET = 64
"""Links to a group that are followed from pages without anything new, one after another."""
PATIENCE = 10
"""Pages of a group in a row without an image or a word that is new, after which links to it are no news by themselves.
A gallery may well have so many placeholders beside each other."""
MAX_DISTANCE = 3
"""Links from group to group to where something new was. Two that only name each other are soon further away."""
MAX_PARTS = 16
"""Groups within a group; what comes later is told apart no more, so that names made at random are one group."""
_MAX_SEGMENTS = 10  # of a path that count: folders that hold folders bring nothing but links to deeper ones
_MAX_GROUPS = 10_000
_MAX_URLS = 100_000  # some 8 MB; twice as many are known at most
_MAX_PIECES = 50_000
_LOOKED_AT = 64  # pieces of a page that are compared without numbers

_TOKEN = re.compile(r"[0-9a-f-]{8,}|\d+", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[a-z_]{2,40}")
_SELECTOR_NAMES = "act action area cmd content controller do go mod module op option p page r route section show task type view"
_SELECTORS = frozenset(_SELECTOR_NAMES.split())
"""Parameters whose value says which part of a program answers."""


@lru_cache(maxsize=4096)
def groups_of(url: str) -> tuple[str, ...]:
    """What a URL has in common with others that are likely made by the same program, from wide to narrow: its host and
    how deep it is, its first folder, its second folder, and the names of its first parameters.

    Numbers and tokens count as one word.
    """
    start, _, query = url.partition("?")
    _, _, host, *segments = start.split("/")
    wide = f"{host} {min(len(segments), _MAX_SEGMENTS)}"
    folders = [_TOKEN.sub(_without_number, segment) for segment in segments[:2]]
    names = "&".join(_selecting(parameter) for parameter in query.split("&", 2)[:2]) if query else ""
    groups = [wide]
    for part in (*folders, f"?{names}"):
        groups.append(f"{groups[-1]}/{part}")
    return tuple(groups)


def _without_number(token: re.Match[str]) -> str:
    return "#" if _DIGIT.search(token[0]) else token[0]


def _selecting(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    return f"{name}={value}" if name in _SELECTORS and _WORD.fullmatch(value) else name


class _Group:
    """What is known of the pages of one group. One that *takes_after* another begins where that is by now."""

    __slots__ = ("budget", "distance", "dry", "parts")

    def __init__(self, takes_after: _Group | None) -> None:
        self.dry: int = takes_after.dry if takes_after else 0
        """Pages in a row that had neither an image nor a word that was new."""
        self.distance: int = takes_after.distance if takes_after else MAX_DISTANCE + 1
        """Groups between it and one that has, as of the latest page that was new by its links."""
        self.budget = BUDGET
        self.parts = 0

    @property
    def reach(self) -> int:
        return 0 if self.dry < PATIENCE else self.distance


class _Memory:
    """The latest *size* to 2 x *size* hashes. Those of strings can't be chosen by a server: Python salts them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: set[int] = set()
        self._old: set[int] = set()

    def __contains__(self, key: int) -> bool:
        return key in self._young or key in self._old

    def add(self, keys: Iterable[int]) -> None:
        self._young.update(keys)
        if len(self._young) >= self._size:
            self._old, self._young = self._young, set()


class Standing:
    """What one page brought."""

    __slots__ = ("is_new", "salt", "unseen")

    def __init__(self, *, is_new: bool, salt: int, unseen: frozenset[int]) -> None:
        self.is_new = is_new
        self.salt = salt
        self.unseen = unseen
        """Its links that no page of its group had."""


class Novelty:
    """What the pages of a site have brought so far; safe to be used by several threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._groups: OrderedDict[str, _Group] = OrderedDict()
        self._images = _Memory(_MAX_URLS)
        self._links = _Memory(_MAX_URLS)
        self._pieces = _Memory(_MAX_PIECES)

    def visit(
        self,
        url: str,
        html: str,
        *,
        images: Collection[str],
        links: Collection[str],
        counts: Callable[[str], bool] = lambda _: True,
    ) -> Standing:
        """Take note of a page with the URLs of its *images* and *links*. *counts* tells whether a link would be
        followed if it were new.
        """
        salt = hash(groups_of(url)[1])
        with self._mutex:
            found = self._is_any_new(images)
            unseen = {link: key for link in links if (key := hash(link) ^ salt) not in self._links}
            distance = 0 if found else self._distance(url, unseen, counts)
        words = not found and distance > MAX_DISTANCE and self._says_anything_new(html, url, salt)
        is_new = found or words or distance <= MAX_DISTANCE
        with self._mutex:
            for group in self._path(url):
                group.dry = 0 if found or words else group.dry + 1
                group.distance = distance if not words and is_new else group.distance
                group.budget = BUDGET if is_new else group.budget
            if is_new:
                self._links.add(unseen.values())
        return Standing(is_new=is_new, salt=salt, unseen=frozenset(unseen.values()))

    def allows(self, page: Standing, url: str) -> bool:
        """Whether to follow a link of *page*: one that it has nothing new beside is paid for by the group that it
        leads to.
        """
        key = hash(url) ^ page.salt
        if page.is_new or key not in page.unseen:
            return True
        with self._mutex:
            if key in self._links:
                return True
            path = self._path(url)
            paying = path[1:] or path
            if not all(group.budget > 0 for group in paying):
                return False
            for group in paying:
                group.budget -= 1
            self._links.add((key,))
            return True

    def _is_any_new(self, images: Collection[str]) -> bool:
        keys = {hash(image) for image in images}
        is_new = any(key not in self._images for key in keys)
        self._images.add(keys)
        return is_new

    def _distance(self, url: str, links: Iterable[str], counts: Callable[[str], bool]) -> int:
        """From a page to the nearest group with anything new to which it has links, one more than that group's own."""
        own = self._path(url)[-1]
        nearest = MAX_DISTANCE
        for link in links:
            group = self._path(link)[-1]
            if group is not own and group.reach < nearest and counts(link):
                nearest = group.reach
                if nearest == 0:
                    break
        return nearest + 1

    def _says_anything_new(self, html: str, url: str, salt: int) -> bool:
        said = {hash(piece) ^ salt: piece for piece in pieces(html)}
        with self._mutex:
            unheard = [piece for key, piece in said.items() if key not in self._pieces][:_LOOKED_AT]
            self._pieces.add(said)
        plain = {
            hash(text) ^ salt
            for piece in unheard
            if len((text := without_echo(piece, url)).encode(errors="replace")) >= MIN_BYTES
        }
        with self._mutex:
            is_new = any(key not in self._pieces for key in plain)
            self._pieces.add(plain)
        return is_new

    def _path(self, url: str) -> list[_Group]:
        """The groups of a page from wide to narrow, as far as they are told apart."""
        path: list[_Group] = []
        for name in groups_of(url):
            whole = path[-1] if path else None
            if name not in self._groups:
                if whole is not None and whole.parts >= MAX_PARTS:
                    break
                # as filters upon filters, each with a name more, would be fresh for ever
                self._groups[name] = _Group(whole if "?" in name else None)
                if whole is not None:
                    whole.parts += 1
                if len(self._groups) > _MAX_GROUPS:
                    self._groups.popitem(last=False)
            self._groups.move_to_end(name)
            path.append(self._groups[name])
        return path
