"""Which saved images look alike, by their dHash (difference hash; N. Krawetz, "Kind of Like That", 2013).

Copies of one picture in several sizes, formats or qualities differ in a few of the 64 bits, other pictures in some 32.
Two hashes that differ in at most *distance* bits agree in at least one of ``distance + 1`` bands of bits, so only
those that share a band are compared (the pigeonhole principle; Manku, Jain, Das Sarma, "Detecting near-duplicates for
web crawling", WWW 2007), and among many of these again only those that share a band of what is left.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import and_, or_

import msgspec

from crawler.catalog.database import Catalog
from crawler.models import Value

MAX_DISTANCE = 10
_BITS = 64
_PLAIN_BITS = 4
"""Hashes with so few bits that differ from all others, or fewer, tell nothing."""
_FEW = 64
"""Hashes that are sooner compared than sorted into buckets."""
_HASH = re.compile("[0-9a-fA-F]{1,16}")
"""As records have them; another one tells nothing, whoever wrote it."""


class SimilarImage(Value):
    """A saved file."""

    path: str
    url: str
    format: str
    width_px: int
    height_px: int
    size_bytes: int
    dhash: str


class Alike(Value):
    """Files that show the same; each differs from another one of them in few bits."""

    pictures: tuple[SimilarImage, ...]
    """The largest first, by pixels and then by bytes."""


def similar(catalog: Catalog, *, distance: int) -> Iterator[Alike]:
    """Groups of two or more saved files whose dHashes differ in at most *distance* of 64 bits, 0 to MAX_DISTANCE.

    Hashes of pictures that are all but plain are left out, for these would be one group, whatever they show. The group
    with the most files comes first. Files with the same bytes are one file. A group may hold two that differ in more
    bits, by way of a third. Hashes are held in memory: some 200 bytes for each that occurs.
    """
    _check(distance)
    with catalog.legible():
        leaders, sizes = _leaders(catalog, distance)
        found: dict[int, list[SimilarImage]] = defaultdict(list)
        names = SimilarImage.__struct_fields__
        for row in catalog.rows(
            f"SELECT {', '.join(names)} FROM images WHERE dhash != '' AND status = 'saved'"  # noqa: S608 - our own names
        ):
            picture = msgspec.convert(dict(zip(names, row, strict=True)), SimilarImage)
            leader = leaders.get(int(picture.dhash, 16)) if _HASH.fullmatch(picture.dhash) else None
            if leader is not None and sizes[leader] > 1:
                found[leader].append(picture)
        for group in found.values():  # the largest first
            group.sort(key=lambda one: (-one.width_px * one.height_px, -one.size_bytes, one.path))
        alike = [Alike(pictures=tuple(group)) for group in found.values()]
        yield from sorted(alike, key=lambda one: (-len(one.pictures), one.pictures[0].path))


def group_numbers(catalog: Catalog, *, distance: int) -> dict[int, int]:
    """For each dHash of such a group its number, from 1; with further files a group may get another one."""
    _check(distance)
    with catalog.legible():
        leaders, sizes = _leaders(catalog, distance)
    numbers = {
        leader: n for n, leader in enumerate((one for one, files in sizes.items() if files > 1), start=1)
    }
    return {dhash: numbers[leader] for dhash, leader in leaders.items() if leader in numbers}


def number_of(dhash: str) -> int | None:
    """The *dhash* of a record as a number; None for what is none."""
    return int(dhash, 16) if _HASH.fullmatch(dhash) else None


def _check(distance: int) -> None:
    if not 0 <= distance <= MAX_DISTANCE:
        raise ValueError(f"a distance of {distance} bits: it has to be between 0 and {MAX_DISTANCE}")


def _tells(dhash: int) -> bool:
    """Whether a hash is that of a picture with something in it.

    A plain ground with a word on it, a fade and a white page have nearly all bits alike, and so were one group: 18 of
    them in the manual of GIMP.
    """
    return _PLAIN_BITS < dhash.bit_count() < _BITS - _PLAIN_BITS


def _leaders(catalog: Catalog, distance: int) -> tuple[Mapping[int, int], Counter[int]]:
    """Each dHash of a saved file that tells something, with the one that stands for its group; and the numbers of files
    of these.
    """
    files: Counter[int] = Counter()
    for text, count in catalog.rows(
        "SELECT dhash, count(*) FROM images WHERE dhash != '' AND status = 'saved' GROUP BY dhash"
    ):
        if (dhash := number_of(text)) is not None and _tells(dhash):
            files[dhash] += count
    leaders = groups(list(files), distance=distance)
    sizes: Counter[int] = Counter()
    for dhash, count in files.items():
        sizes[leaders[dhash]] += count
    return leaders, sizes


def groups(hashes: list[int], *, distance: int) -> Mapping[int, int]:
    """Each of *hashes* (64 bits, no two the same), and the one that stands for its group."""
    found = _Groups(hashes, distance)
    found.join_the_alike(hashes)
    return {dhash: found.leader(dhash) for dhash in hashes}


class _Groups:
    """Which hashes are known to be in one group, so far: a forest, each tree a group (Tarjan's union-find)."""

    def __init__(self, hashes: Iterable[int], distance: int) -> None:
        self._leaders = {dhash: dhash for dhash in hashes}
        self._distance = distance

    def leader(self, dhash: int) -> int:
        leaders = self._leaders
        while (above := leaders[dhash]) != dhash:
            leaders[dhash] = leaders[above]  # halves the way for the next one
            dhash = above
        return dhash

    def join_the_alike(self, hashes: list[int]) -> None:
        """Join those of *hashes* that are as near to each other as wanted, and what lies between.

        Bits that all of them share tell nothing, so that the bands are made of the others: pictures with a plain sky
        have the same upper rows. A band keeps no bucket as large as the whole, so this comes to an end; and buckets
        are looked into only where they hold half as many pairs as there are, so it never costs more than comparing
        each with each.
        """
        leader = self.leader
        first = leader(hashes[0]) if hashes else 0
        if all(leader(dhash) == first for dhash in hashes):
            return
        buckets = self._buckets(hashes) if len(hashes) > _FEW else None
        if buckets is None:
            self._compare(hashes)
            return
        for bucket in buckets:
            self.join_the_alike(bucket)

    def _buckets(self, hashes: list[int]) -> list[list[int]] | None:
        """Those that share a band, for each band; None where that would not help."""
        differing = reduce(or_, hashes) & ~reduce(and_, hashes)
        bits = [1 << bit for bit in range(_BITS) if differing >> bit & 1]
        count = self._distance + 1
        if len(bits) < count:  # no two differ in more
            return [[hashes[0], dhash] for dhash in hashes[1:]]
        buckets: list[list[int]] = []
        pairs = 0
        for number in range(count):
            mask = sum(bits[number::count])  # from all over: neighbouring bits often go together
            band: dict[int, list[int]] = defaultdict(list)
            for dhash in hashes:
                band[dhash & mask].append(dhash)
            buckets += (bucket for bucket in band.values() if len(bucket) > 1)
            pairs += sum(len(bucket) ** 2 for bucket in band.values())
            if 2 * pairs > len(hashes) ** 2:
                return None
        return buckets

    def _compare(self, hashes: list[int]) -> None:
        """Each with each, but for those whose group has been reached already."""
        members: dict[int, list[int]] = defaultdict(list)
        for dhash in hashes:
            members[self.leader(dhash)].append(dhash)
        before = {dhash: group for group in members.values() for dhash in group}
        distance, left = self._distance, hashes
        while left:
            reached = list(before[left[0]])
            left = _without(left, reached)
            for one in reached:  # which grows
                near = [other for other in left if (one ^ other).bit_count() <= distance]
                while near:
                    other = near[0]
                    self._leaders[self.leader(other)] = self.leader(one)
                    reached += before[other]
                    left, near = _without(left, before[other]), _without(near, before[other])


def _without(hashes: list[int], some: list[int]) -> list[int]:
    gone = set(some)
    return [dhash for dhash in hashes if dhash not in gone]
