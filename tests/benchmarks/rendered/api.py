"""The API that each site has, of its own pictures.

GET /api/pictures?offset=0&limit=6[&end=24]    JSON: ``pictures``, ``total``, ``next`` (null at the end)
GET /api/pictures/7                             JSON of one
"""

from __future__ import annotations

from http import HTTPStatus

from tests.benchmarks.rendered.pictures import css_colour
from tests.benchmarks.rendered.site import Ask, Reply, Site, as_json


def api(ask: Ask) -> Reply:
    """Of the pictures of the site, as this module says."""
    last = ask.path.removeprefix("/api/pictures").strip("/")
    if last:
        known = last.isdecimal() and int(last) in ask.site.pictures.numbers
        return as_json(told(ask.site, int(last))) if known else as_json({}, HTTPStatus.NOT_FOUND)
    end = min(ask.number("end", ask.site.pictures.count), ask.site.pictures.count)
    offset, limit = ask.number("offset", 0), ask.number("limit", 1000)
    numbers = range(offset + 1, min(offset + limit, end) + 1)
    following = f"/api/pictures?offset={offset + limit}&limit={limit}&end={end}"
    return as_json(
        {
            "pictures": [told(ask.site, n) for n in numbers],
            "total": end,
            "next": following if offset + limit < end else None,
        }
    )


def told(site: Site, n: int) -> dict[str, object]:
    """A picture, as APIs tell of one."""
    pictures = site.pictures
    width = pictures.widths[-1]
    return {
        "id": n,
        "title": f"Photo {n}",
        "src": pictures.src(n),
        "sizes": {str(w): pictures.src(n, w) for w in pictures.widths},
        "width": width,
        "height": width * 3 // 4,
        "colour": css_colour(n),
    }
