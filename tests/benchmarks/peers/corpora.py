"""The sites that are crawled: made photos, and manuals that Debian packages."""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from PIL import Image

SUFFIXES = frozenset({".avif", ".bmp", ".gif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".webp"})
IMAGES = 2000
"""Of the corpus photo, unless said otherwise."""
_PER_PAGE = 4
_PHOTO_PX, _ROUGH_PX, _QUALITY = (800, 600), (128, 96), 70
"""Noise, enlarged: a JPEG of 105 KB that takes as long to decode as a photo of that size."""
_FEW, _SOI = 25, b"\xff\xd8"
_DELAY_S = 0.05
_FONTS = "fonts"


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A folder of pages and images, and how it is served."""

    name: str
    folder: Path
    delay_s: float = 0.0
    """What each request waits for at the server."""
    tls: bool = False

    @property
    def images(self) -> list[Path]:
        """All image files, by their extensions, each relative to the folder; a font that is an SVG is none."""
        return _images(self.folder)

    @property
    def digests(self) -> Counter[str]:
        """How many of the image files have each content, by its SHA-256."""
        return _digests(self.folder)

    @property
    def suffix(self) -> str:
        """The extension that most of its images have."""
        return Counter(path.suffix for path in self.images).most_common(1)[0][0]


class Missing(Exception):
    """A corpus or a tool is not here; the text says how to get it."""


def corpus(name: str, work: Path, *, images: int) -> Corpus:
    """The corpus called *name*; photo is made below *work*, with so many *images*. Raises Missing."""
    if name not in _MAKERS:
        raise Missing(f"there is no corpus {name}, but {', '.join(NAMES)}")
    return _MAKERS[name](work, images)


def _photo(work: Path, images: int) -> Corpus:
    folder = work / "corpora" / f"photo-{images}"
    if not folder.is_dir():
        make_photos(folder, images=images)
    return Corpus(name="photo", folder=folder)


def _delayed(work: Path, images: int) -> Corpus:
    return replace(_photo(work, images), name="photo50", delay_s=_DELAY_S)


def _over_tls(work: Path, images: int) -> Corpus:
    return replace(_photo(work, images), name="photo-tls", tls=True)


def _packaged(name: str, package: str, folder: str, _work: Path, _images: int) -> Corpus:
    if not (Path(folder) / "index.html").is_file():
        raise Missing(f"{name}: there is no {folder}: apt-get install {package}")
    return Corpus(name=name, folder=Path(folder))


_MAKERS: dict[str, Callable[[Path, int], Corpus]] = {
    "photo": _photo,
    "gimp": partial(_packaged, "gimp", "gimp-help-en", "/usr/share/gimp/2.0/help/en"),
    "opencv": partial(_packaged, "opencv", "opencv-doc", "/usr/share/doc/opencv-doc/opencv4/html"),
    "photo50": _delayed,
    "photo-tls": _over_tls,
}
NAMES = tuple(_MAKERS)


# --- photos


def make_photos(folder: Path, *, images: int, make: Callable[[int], bytes] | None = None) -> None:
    """A page for every four of so many JPEGs, and one that links to all pages; the same bytes with the same Pillow.

    *make* is called with the number of each, by default ``photo``.
    """
    making = folder.with_name(folder.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    (making / "images").mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        for number, data in enumerate(pool.map(make or photo, range(images))):
            (making / "images" / f"{number:05}.jpg").write_bytes(data)
    for name, page in _pages(images):
        (making / name).write_text(page, encoding="utf-8")
    making.rename(folder)


def commented(number: int) -> bytes:
    """The same for little: one of a few photos, with a comment that no other has."""
    comment = f"photo {number}".encode()
    return _SOI + b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment + _photo_of(number % _FEW)[2:]


@cache
def _photo_of(number: int) -> bytes:
    return photo(number)


def photo(number: int) -> bytes:
    """A JPEG of about 105 KB, another one for each *number*."""
    width, height = _ROUGH_PX
    noise = random.Random(number).randbytes(width * height * 3)
    buffer = io.BytesIO()
    enlarged = Image.frombytes("RGB", _ROUGH_PX, noise).resize(_PHOTO_PX, Image.Resampling.BICUBIC)
    enlarged.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _pages(images: int) -> Iterator[tuple[str, str]]:
    starts = range(0, images, _PER_PAGE)
    links = "\n".join(f'<li><a href="page{start}.html">Photos from {start}</a></li>' for start in starts)
    yield "index.html", _page("Photos", f"<ul>\n{links}\n</ul>")
    for start in starts:
        figures = "\n".join(
            f'<figure><img src="images/{number:05}.jpg" alt="Photo {number}"></figure>'
            for number in range(start, min(start + _PER_PAGE, images))
        )
        yield f"page{start}.html", _page(f"Photos from {start}", f'<a href="./">All</a>\n{figures}')


def _page(title: str, body: str) -> str:
    head = f'<head><meta charset="utf-8"><title>{title}</title></head>'
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n<body>\n{body}\n</body>\n</html>\n'


# --- what was found


def found(corpus: Corpus, folder: Path, *, reencoded: bool) -> int:
    """How many image files of *corpus* have their content, by SHA-256, in a file below *folder*.

    Of those that were *reencoded* nothing but their number can be told.
    """
    if reencoded:
        return len(_images(folder))
    saved = {_sha256(path) for path in _files(folder)}
    return sum(count for digest, count in corpus.digests.items() if digest in saved)


@cache
def _digests(folder: Path) -> Counter[str]:
    return Counter(_sha256(folder / path) for path in _images(folder))


def _images(folder: Path) -> list[Path]:
    names = (path.relative_to(folder) for path in _files(folder) if path.suffix.lower() in SUFFIXES)
    return sorted(name for name in names if _FONTS not in name.parts)


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if (path := Path(parent, name)).is_file():
                yield path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
