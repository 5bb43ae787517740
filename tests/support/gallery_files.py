"""What a gallery's files say, read as the page reads them; and one that draws thumbnails without further processes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from crawler.config import Config
from crawler.errors import Rejection
from crawler.gallery.payloads import ROW_END, TEXTS
from crawler.gallery.shrunk import shrunk, webp
from crawler.gallery.thumbnails import SIDE_PX, NoThumbnail, content
from crawler.models import ImageRecord

_CALL = re.compile(rb'gallery\.(\w+)\((?:([0-9]+),)?(\{.*?\})((?:,\(\)=>"[^"\\<]*")*)\);\n', re.DOTALL)
_PLAIN = re.compile(rb'\(\)=>"([^"]*)"')


def payload(script: bytes) -> Any:
    """What a script passes to the page. It is ASCII where JavaScript or HTML could take a text for something else."""
    match = _CALL.fullmatch(script)
    assert match, script[:200]
    assert b"<" not in script
    assert "\u2028".encode() not in script
    assert "\u2029".encode() not in script
    assert script.count(b"\n") == 1
    told = json.loads(match[3])
    if match[1] != b"index":
        return told
    plain = [text.decode() for text in _PLAIN.findall(match[4])]
    assert b"".join(b',()=>"%s"' % text.encode() for text in plain) == match[4]
    rows = _rows(told, plain)
    texts = {
        name: _column(text, *told.pop(name, ("", ())), rows) for name, text in zip(TEXTS, plain, strict=True)
    }
    return {name: [kept] * rows if isinstance(kept, int) else kept for name, kept in told.items()} | texts


def _rows(told: dict[str, Any], plain: list[str]) -> int:
    """How many rows an index has: an address is never empty."""
    text = plain[TEXTS.index("url")]
    return (text.count(ROW_END) + 1 if text else 0) + len(told.get("url", ((), ()))[1])


def _column(plain: str, apart: str, places: list[int], rows: int) -> list[str]:
    texts = {True: iter(apart.split(ROW_END)), False: iter(plain.split(ROW_END))}
    return [next(texts[row in places]) for row in range(rows)]


class Gallery:
    """The gallery in *folder*, which belongs to a crawl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "gallery"

    @property
    def meta(self) -> Any:
        return payload((self.folder / "data" / "meta.js").read_bytes())

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """All rows of a kind of data (index, detail, failures), in their order."""
        chunks = self.meta["failure_chunks" if kind == "failures" else "chunks"]
        found: list[dict[str, Any]] = []
        for number, rows in chunks:
            columns = payload((self.folder / "data" / f"{kind}-{number:05}.js").read_bytes())
            assert {len(column) for column in columns.values()} == {rows}
            found += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return found

    def thumbnails(self) -> Iterator[Path]:
        return self.folder.glob("thumbs/*/*")

    def thumbnail(self, row: dict[str, Any]) -> Path:
        assert row["thumb"]
        return self.folder / "thumbs" / f"{row['thumb']}.webp"


class DrawsHere(AbstractContextManager["DrawsHere"]):
    """In the place of a Drawer: what it does is in this process."""

    workers = 2

    def __init__(self, config: Config, *, memory_bytes: int = 0) -> None:
        self._max_pixels = config.images.max_pixels

    def draw(self, record: ImageRecord) -> bytes:
        try:
            return webp(shrunk(content(record), side_px=SIDE_PX, max_pixels=self._max_pixels))
        except Rejection as exc:
            raise NoThumbnail(exc.reason, exc.detail) from exc

    def close(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self.close()
