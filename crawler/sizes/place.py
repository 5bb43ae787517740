"""A URL in parts, for the rules that find marks of sizes."""

from __future__ import annotations

from typing import NamedTuple

MIN_PX, MAX_PX = 16, 20_000
"""Numbers beyond these are no sizes of pictures, but numbers of pages, parts or things."""
_BANNERS = {
    "300x250", "336x280", "728x90", "160x600", "300x600", "970x250", "970x90", "468x60", "234x60", "120x600",
    "120x240", "88x31", "180x150", "320x50", "320x100", "300x50", "300x100", "240x400", "980x120", "930x180",
}  # fmt: skip
"""Sizes of advertisements (IAB), which are different pictures."""
_MAX_ASPECT = 2.5
"""Beyond this ratio, a box in a name or folder distinguishes logos rather than sizes."""
_MAX_PARTS = 100  # of a path or a query: more have no marks


class Place(NamedTuple):
    """A URL in parts. The host is never changed."""

    host: str
    path: tuple[str, ...]
    """The segments between the slashes."""
    query: tuple[str, ...]
    """The items between the ampersands."""

    def named(self, name: str) -> Place:
        """The same place with another file name."""
        return self._replace(path=(*self.path[:-1], name))


Found = tuple[Place, float]
"""A place without the marks that a rule has found, and their size in pixels."""


def taken_apart(url: str) -> Place | None:
    """None if the URL is not http(s), or has more parts than URLs with marks."""
    scheme, _, rest = url.partition("://")
    start, mark, query = rest.partition("?")
    host, slash, path = start.partition("/")
    if not slash or scheme not in {"http", "https"}:
        return None
    segments, items = path.split("/", _MAX_PARTS), query.split("&", _MAX_PARTS) if mark else []
    if max(len(segments), len(items)) > _MAX_PARTS:
        return None
    return Place(f"{scheme}://{host}", tuple(segments), tuple(items))


def put_together(place: Place) -> str:
    query = f"?{'&'.join(place.query)}" if place.query else ""
    return f"{place.host}/{'/'.join(place.path)}{query}"


def px_of(*sides: str | None) -> float | None:
    """The first side that is given and not 0 ("as it comes"); None without any, or if one is out of range."""
    given = [int(side) for side in sides if side and int(side)]
    if not given or not all(MIN_PX <= px <= MAX_PX for px in given):
        return None
    return float(given[0])


def px_of_box(width: str, height: str, *, any_aspect: bool = False) -> float | None:
    """As px_of; None for a box that may not be a size of a picture: a banner, or a long strip."""
    px = px_of(width, height)
    if px is None or f"{width}x{height}" in _BANNERS:
        return None
    sides = sorted((int(width) or px, int(height) or px))
    return px if any_aspect or sides[1] <= _MAX_ASPECT * sides[0] else None


def is_google(host: str) -> bool:
    return host.endswith((".blogspot.com", ".googleusercontent.com", ".ggpht.com"))
