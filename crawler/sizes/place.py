"""A URL in parts, as the rules for marks see it."""

from __future__ import annotations

from typing import NamedTuple

MIN_PX, MAX_PX = 16, 20_000
"""Numbers beyond these are no sizes of pictures, but pages, parts or numbers of things."""
_BANNERS = {
    *(
        "300x250",
        "336x280",
        "728x90",
        "160x600",
        "300x600",
        "970x250",
        "970x90",
        "468x60",
        "234x60",
        "120x600",
    ),
    *(
        "120x240",
        "88x31",
        "180x150",
        "320x50",
        "320x100",
        "300x50",
        "300x100",
        "240x400",
        "980x120",
        "930x180",
    ),
}
"""Sizes of advertisements (IAB), each drawn anew."""
_MAX_ASPECT = 2.5
"""Beyond this, a box in a name or a folder tells one logo from another rather than a size."""
_MAX_PARTS = 100  # of a path or a query: more have no marks


class Place(NamedTuple):
    """A URL in parts. The host is never changed."""

    host: str
    path: tuple[str, ...]
    """What is between the slashes."""
    query: tuple[str, ...]
    """What is between the ampersands."""

    def named(self, name: str) -> Place:
        """The same, with another name of the file."""
        return self._replace(path=(*self.path[:-1], name))


Found = tuple[Place, float]
"""A place without the marks of a rule, and the size that they told."""


def taken_apart(url: str) -> Place | None:
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
    """The first of *sides* that is one, 0 standing for "as it comes"; None if none is, or one is out of range."""
    told = [int(side) for side in sides if side and int(side)]
    if not told or not all(MIN_PX <= px <= MAX_PX for px in told):
        return None
    return float(told[0])


def px_of_box(width: str, height: str, *, any_aspect: bool = False) -> float | None:
    """As px_of, of a box that may name another thing than a size of a picture."""
    px = px_of(width, height)
    if px is None or f"{width}x{height}" in _BANNERS:
        return None
    sides = sorted((int(width) or px, int(height) or px))
    return px if any_aspect or sides[1] <= _MAX_ASPECT * sides[0] else None


def is_google(host: str) -> bool:
    return host.endswith((".blogspot.com", ".googleusercontent.com", ".ggpht.com"))
