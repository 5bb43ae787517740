"""Which saved images look alike, by their dHash (difference hash; N. Krawetz, "Kind of Like That", 2013).

Copies of one picture in several sizes, formats or qualities differ in a few of the 64 bits, other pictures in some 32.
Two hashes that differ in at most *distance* bits agree in at least one of ``distance + 1`` bands of bits, so only
those that share a band are compared (the pigeonhole principle; Manku, Jain, Das Sarma, "Detecting near-duplicates for
web crawling", WWW 2007).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

from crawler.catalog.database import Catalog
from crawler.models import Value

MAX_DISTANCE = 10
_BITS = 64


class Picture(Value):
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

    pictures: tuple[Picture, ...]
    """The largest first, by pixels and then by bytes."""


def similar(catalog: Catalog, *, distance: int) -> Iterator[Alike]:
    """Groups of two or more saved files whose dHashes differ in at most *distance* of 64 bits, 0 to MAX_DISTANCE.

    The group with the most files comes first. Files with the same bytes are one file. A group may hold two that differ
    in more bits, by way of a third. Hashes are held in memory: some 200 bytes for each that occurs.
    """
    if not 0 <= distance <= MAX_DISTANCE:
        raise ValueError(f"a distance of {distance} bits: it has to be between 0 and {MAX_DISTANCE}")
    files = {
        int(dhash, 16): count
        for dhash, count in catalog.rows(
            "SELECT dhash, count(*) FROM images WHERE dhash != '' AND status = 'saved' GROUP BY dhash"
        )
    }
    leaders = groups(list(files), distance=distance)
    sizes: Counter[int] = Counter()
    for dhash, count in files.items():
        sizes[leaders[dhash]] += count
    found: dict[int, list[Picture]] = defaultdict(list)
    names = Picture.__struct_fields__
    for row in catalog.rows(
        f"SELECT {', '.join(names)} FROM images WHERE dhash != '' AND status = 'saved'"  # noqa: S608 - our own names
    ):
        picture = Picture(**dict(zip(names, row, strict=True)))
        leader = leaders.get(int(picture.dhash, 16))
        if leader is not None and sizes[leader] > 1:
            found[leader].append(picture)
    alike = [Alike(pictures=tuple(sorted(group, key=_largest_first))) for group in found.values()]
    yield from sorted(alike, key=lambda one: (-len(one.pictures), one.pictures[0].path))


def _largest_first(picture: Picture) -> tuple[int, int, str]:
    return -picture.width_px * picture.height_px, -picture.size_bytes, picture.path


def groups(hashes: list[int], *, distance: int) -> Mapping[int, int]:
    """Each of *hashes* (64 bits, no two the same), and the one that stands for its group."""
    leaders = {dhash: dhash for dhash in hashes}

    def leader(dhash: int) -> int:
        while leaders[dhash] != dhash:
            leaders[dhash] = leaders[leaders[dhash]]  # halves the way for the next one
            dhash = leaders[dhash]
        return dhash

    for start, end in _bands(distance + 1):
        mask = (1 << (end - start)) - 1
        buckets: dict[int, list[int]] = defaultdict(list)
        for dhash in hashes:
            buckets[dhash >> start & mask].append(dhash)
        for bucket in buckets.values():
            for position, one in enumerate(bucket):
                for other in bucket[position + 1 :]:
                    if (one ^ other).bit_count() <= distance:
                        leaders[leader(other)] = leader(one)
    return {dhash: leader(dhash) for dhash in hashes}


def _bands(count: int) -> list[tuple[int, int]]:
    edges = [_BITS * number // count for number in range(count + 1)]
    return list(pairwise(edges))
