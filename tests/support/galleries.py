"""Galleries by hand, without a crawl: the page of crawler/gallery/page with data that a test makes up."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import crawler
from crawler.gallery.payloads import index_script, script
from tests.support.images import picture

PAGE = Path(crawler.__file__).with_name("gallery") / "page"
"""The page's files, as they are copied into each gallery."""
SVG_NAME = "svg"
_DEFAULTS: dict[str, Any] = {
    "w": 300,
    "h": 200,
    "bytes": 12_345,
    "thumb": "",
    "path": "",
    "format": 0,
    "host": 0,
    "found": 0,
    "status": 0,
    "revisit": 0,
    "date": 1_760_000_000,
    "group": 0,
    "text": "",
    "url": "",
}
_DETAILS: dict[str, Any] = {
    "page": "",
    "alt": "",
    "title": "",
    "caption": "",
    "heading": "",
    "page_title": "",
    "final_url": "",
    "sha256": "",
    "places": [],
    "more_places": 0,
    "pages": [],
    "more_pages": 0,
    "opt_outs": [],
    "more": {},
}
_FAILURE: dict[str, Any] = {
    "url": "",
    "status": "failed",
    "reason": 0,
    "http": 0,
    "page": "",
    "detail": "",
    "found": "img",
    "date": 1_760_000_000,
}
META: dict[str, Any] = {
    "version": 1,
    "live": False,
    "title": "site.example",
    "seeds": ["https://site.example/"],
    "state": "finished",
    "made_at": "2026-11-30T12:00:00+00:00",
    "epoch": 1,
    "hosts": ["site.example", "cdn.site.example"],
    "formats": ["jpeg", "png", "svg", "gif"],
    "found_in": ["img", "css"],
    "statuses": ["saved", "duplicate"],
    "revisits": ["", "new", "unchanged", "changed", "gone", "failed"],
    "reasons": [],
    "bytes": 1_234_567,
}
CHUNK = 1000


def write(
    folder: Path,
    pictures: Sequence[Mapping[str, Any]],
    *,
    failures: Sequence[Mapping[str, Any]] = (),
    **meta: Any,
) -> Path:
    """Write a gallery into *folder*/gallery and return its page. A picture has columns of the index and of the details;
    what it leaves out is usual.
    """
    gallery = folder / "gallery"
    shutil.copytree(PAGE, gallery, dirs_exist_ok=True)
    (gallery / "data").mkdir(exist_ok=True)
    write_data(gallery / "data", pictures, failures=failures, **meta)
    return gallery / "index.html"


def write_data(
    data: Path,
    pictures: Sequence[Mapping[str, Any]],
    *,
    failures: Sequence[Mapping[str, Any]] = (),
    **meta: Any,
) -> None:
    """Write the scripts of a gallery's folder *data*, as contract and builder have them."""
    chunks = [pictures[at : at + CHUNK] for at in range(0, len(pictures), CHUNK)]
    for number, rows in enumerate(chunks):
        (data / f"index-{number:05}.js").write_bytes(index_script(number, _columns(rows, _DEFAULTS)))
        _write(data / f"detail-{number:05}.js", "detail", number, _columns(rows, _DETAILS))
    failed = [failures[at : at + CHUNK] for at in range(0, len(failures), CHUNK)]
    for number, rows in enumerate(failed):
        _write(data / f"failures-{number:05}.js", "failures", number, _columns(rows, _FAILURE))
    told = META | {
        "images": len(pictures),
        "failures": len(failures),
        "chunks": [[number, len(rows)] for number, rows in enumerate(chunks)],
        "failure_chunks": [[number, len(rows)] for number, rows in enumerate(failed)],
    }
    _write(data / "meta.js", "meta", told | meta)


def _columns(rows: Sequence[Mapping[str, Any]], usual: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: [row.get(name, value) for row in rows] for name, value in usual.items()}


def _write(file: Path, function: str, *arguments: object) -> None:
    file.write_bytes(script(function, *arguments))


def jpeg_thumbnails(folder: Path, count: int) -> list[str]:
    """Write *count* thumbnails into the gallery of *folder* and give their names, as the index has them."""
    names = []
    for number in range(count):
        name = f"{number % 256:02x}/{number:032x}"
        file = folder / "gallery" / "thumbs" / f"{name}.webp"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(number, width_px=300, height_px=200).save(file, "WEBP", quality=50)
        names.append(name)
    return names


def pictures(count: int, thumbnails: Sequence[str] = ()) -> list[dict[str, Any]]:
    """So many usual pictures, of shapes that change."""
    shapes = ((300, 200), (200, 300), (640, 360), (500, 500), (1200, 300))
    return [
        {
            "w": shapes[number % len(shapes)][0],
            "h": shapes[number % len(shapes)][1],
            "thumb": thumbnails[number % len(thumbnails)] if thumbnails else "",
            "url": f"https://site.example/photos/photo-{number}.jpg",
            "text": f"photo {number}\x1f\x1f\x1f\x1fThe page",
            "date": 1_760_000_000 + number,
            "bytes": 1000 + number,
        }
        for number in range(count)
    ]
