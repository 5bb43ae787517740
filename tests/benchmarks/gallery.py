"""Crawls for the gallery, made without a network; and what making a gallery of one takes.

    python -m tests.benchmarks.gallery make DIR --images 100000 [--distinct]
    python -m tests.benchmarks.gallery measure DIR [--again]

``make`` writes a crawl.db by the real ledger, with so many images, one in twenty URLs not saved, and files that are
hard links to a few dozen pictures. Thumbnails are there already, also as links, each under a name of its own, so that a
browser has as many to load as of a real crawl. With --distinct each file has bytes of its own, and thumbnails are left
to the command: 100,000 take 15 GB.

``measure`` runs ``image-crawler gallery DIR`` and prints its time, the processor time and the memory (PSS) of all its
processes, sampled. Without --again all thumbnails are removed first.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFilter

from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile.layout import CrawlFolder
from crawler.download.verify import verify
from crawler.errors import REASONS, FetchError, meaning
from crawler.gallery.shrunk import shrunk, webp
from crawler.gallery.thumbnails import SIDE_PX, thumbnail_name
from crawler.models import (
    ImageRecord,
    ImageStatus,
    NewTask,
    OptOut,
    Origin,
    Result,
    Revisit,
    TaskKind,
    WorkerState,
)
from crawler.queues.ledger import Ledger

SEED = "https://www.garden.example/"
BATCH = 1000
_BEGIN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_HOSTS = (
    *("www.garden.example", "img.garden.example", "cdn.blooms.example", "static.shop.example"),
    *(f"media{n}.garden.example" for n in range(8)),
)
_WORDS = (
    *(
        "rose",
        "fern",
        "moss",
        "oak",
        "maple",
        "garden",
        "path",
        "gate",
        "bench",
        "pond",
        "heron",
        "robin",
        "bee",
    ),
    *(
        "clover",
        "ivy",
        "lilac",
        "poppy",
        "daisy",
        "thistle",
        "willow",
        "morning",
        "evening",
        "autumn",
        "frost",
        "dew",
    ),
    *("light", "shade", "harvest", "market", "greenhouse", "orchard", "meadow", "hedge", "terrace", "arbour"),
)
_BEYOND_ASCII = ("Übersicht", "façade", "庭園", "🌹")
_FOUND_IN = ("img", "srcset", "lazy", "css", "og", "json-ld", "sitemap", "link", "picture")
_REASONS = (
    *("not-found", "not-found", "not-found", "server-error", "forbidden", "too-small", "not-an-image"),
    *("truncated-image", "robots-disallowed", "rate-limited", "connect-timeout", "unwanted-format", "noai"),
)
_SHAPES = (
    *(
        (1600, 1067),
        (1600, 1067),
        (1200, 1600),
        (1600, 900),
        (1080, 1080),
        (2400, 800),
        (800, 2000),
        (1500, 1000),
    ),
    *((640, 480), (400, 300), (1280, 720), (900, 1350), (200, 200), (96, 96), (3000, 600), (1024, 768)),
)
_FORMATS = (("jpeg", "jpg", "JPEG"), ("jpeg", "jpg", "JPEG"), ("png", "png", "PNG"), ("webp", "webp", "WEBP"))
_SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240"><rect width="320" height="240" fill="#e8e3d8"/>'
    b'<circle cx="160" cy="120" r="80" fill="#6a8f6b"/></svg>'
)


class Source(NamedTuple):
    data: bytes
    format: str
    extension: str
    width_px: int
    height_px: int
    dhash: str
    thumbnail: bytes


def sources(count: int = 48) -> list[Source]:
    """Pictures that look like something, in many shapes and the usual formats."""
    made = []
    for number in range(count):
        dice = random.Random(number)
        name, extension, pillow_format = _FORMATS[number % len(_FORMATS)]
        data = _encoded(_scene(dice, *_SHAPES[number % len(_SHAPES)]), pillow_format)
        info = verify(data, max_pixels=10**8)
        small = webp(shrunk(data, side_px=SIDE_PX, max_pixels=10**8))
        made.append(Source(data, name, extension, info.width_px, info.height_px, info.dhash, small))
    return [*made, Source(_SVG, "svg", "svg", 320, 240, "", b"")]


def _scene(dice: random.Random, width_px: int, height_px: int) -> Image.Image:
    sky, ground = (tuple(dice.randrange(40, 256) for _ in range(3)) for _ in range(2))
    image = Image.new("RGB", (2, 2))
    image.putdata([sky, sky, ground, ground])
    image = image.resize((width_px, height_px), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    side = max(width_px, height_px)
    for _ in range(dice.randrange(20, 60)):
        x, y, r = (
            dice.randrange(width_px),
            dice.randrange(height_px),
            dice.randrange(side // 60 + 1, side // 8 + 2),
        )
        colour = tuple(dice.randrange(256) for _ in range(3))
        shape = draw.ellipse if dice.random() < 0.7 else draw.rectangle
        shape((x - r, y - r, x + r, y + r), fill=colour)
    noise = Image.effect_noise((width_px, height_px), 40).convert("RGB")
    return Image.blend(image.filter(ImageFilter.GaussianBlur(side / 400)), noise, 0.06)


def _encoded(image: Image.Image, pillow_format: str) -> bytes:
    out = io.BytesIO()
    if pillow_format == "PNG":
        image = image.quantize(128)
    image.save(out, pillow_format, quality=80)
    return out.getvalue()


def make(folder: Path, *, images: int, distinct: bool) -> None:
    """A finished crawl in *folder*, which must not be there."""
    folder.mkdir(parents=True)
    there = sources()
    ledger = Ledger(
        folder / "crawl.db",
        queue=QueueConfig(per_host=10**6, per_domain=10**6),
        scope=ScopeConfig(max_pages=100),
        new_run=True,
    )
    try:
        ledger.set_seeds([SEED])
        outcomes = _outcomes(folder, there, images=images, distinct=distinct)
        batch: dict[str, ImageRecord] = {}
        for record in outcomes:
            batch[record.url] = record
            if len(batch) == BATCH:
                _settle(ledger, batch)
                batch = {}
        _settle(ledger, batch)
    finally:
        ledger.close()
    _told(folder)


def _settle(ledger: Ledger, batch: dict[str, ImageRecord]) -> None:
    origins = ("page_url", "found_in", "alt", "title", "caption", "heading", "page_title")
    ledger.put(
        [
            NewTask(
                kind=TaskKind.IMAGE,
                url=url,
                depth=record.depth,
                origin=Origin(**{name: getattr(record, name) for name in origins}),
            )
            for url, record in batch.items()
        ]
    )
    worker = WorkerState(id="bench:1", kind=TaskKind.IMAGE)
    while True:
        lease = ledger.lease(worker, count=BATCH, slots=BATCH, wait_s=0, held=())
        tasks = [task for one in lease.batches for task in one.tasks]
        if not tasks:
            return
        ledger.settle([Result(token=task.token, record=batch[task.url]) for task in tasks])


def _outcomes(folder: Path, there: list[Source], *, images: int, distinct: bool) -> Iterator[ImageRecord]:
    files = _Files(folder, distinct=distinct)
    dice = random.Random(images)
    for number in range(images):
        if dice.random() < 0.05:
            yield _lost(number, dice)
        yield _saved(number, dice, there, files)


class _Files:
    """Writes each picture once and links to it; a file system has a most of links to one file."""

    def __init__(self, folder: Path, *, distinct: bool) -> None:
        self.distinct = distinct
        self._folder = folder
        self._thumbs = CrawlFolder(folder).gallery / "thumbs"
        self._first: dict[bytes, tuple[Path, int]] = {}

    def keep(self, path: str, source: Source, sha256: str) -> None:
        self._link(self._folder / path, source.data)
        if source.thumbnail:
            self._link(self._thumbs / f"{thumbnail_name(sha256)}.webp", source.thumbnail)

    def write(self, path: str, data: bytes) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def _link(self, file: Path, data: bytes) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        first, links = self._first.get(data, (None, 0))
        if first is None or links > 30_000:
            file.write_bytes(data)
            self._first[data] = (file, 1)
            return
        os.link(first, file)
        self._first[data] = (first, links + 1)


def _saved(number: int, dice: random.Random, there: list[Source], files: _Files) -> ImageRecord:
    source = there[dice.randrange(len(there))] if dice.random() < 0.9 else there[number % 4]
    host = dice.choices(_HOSTS, [40, 20, 10, 10, *[3] * 8])[0]
    words = [*dice.sample(_WORDS, 4), dice.choice(_BEYOND_ASCII)]
    path = f"images/{host}/album-{number // 500:03}/{words[0].lower()}-{number:06}.{source.extension}"
    data = source.data
    if files.distinct and source.format != "svg":
        data = _marked(data, number)
        files.write(path, data)
    sha256 = hashlib.sha256(data if files.distinct else f"{number}".encode()).hexdigest()
    if not files.distinct or source.format == "svg":
        files.keep(path, source, sha256)
    is_copy = dice.random() < 0.03
    at = _BEGIN + timedelta(seconds=number * 26 + dice.random())
    near = int(source.dhash or "0", 16) ^ _noise(dice, number)
    page = f"{SEED}albums/{number // 40:05}.html"
    return ImageRecord(
        url=f"https://{host}/media/{number // 500:03}/{words[0].lower()}-{number:06}.{source.extension}",
        final_url=f"https://{host}/media/{number // 500:03}/{words[0].lower()}-{number:06}.{source.extension}",
        status=ImageStatus.DUPLICATE if is_copy else ImageStatus.SAVED,
        path=path,
        sha256=sha256,
        format=source.format,
        width_px=source.width_px,
        height_px=source.height_px,
        size_bytes=len(data),
        http_status=200,
        content_type=f"image/{source.format}",
        page_url=page,
        found_in=dice.choice(_FOUND_IN),
        alt=" ".join(words[:3]).capitalize() if dice.random() < 0.8 else "",
        title=words[4] if dice.random() < 0.2 else "",
        caption=f"The {words[1]} by the {words[2]}, {at:%B}." if dice.random() < 0.5 else "",
        heading=f"Album {number // 40}",
        page_title=f"Album {number // 40} - The garden",
        depth=2,
        attempts=1,
        elapsed_s=0.2,
        finished_at=at.isoformat().replace("+00:00", "Z"),
        dhash=f"{near:016x}" if source.dhash else "",
        revisit=dice.choices(
            [Revisit.NONE, Revisit.NEW, Revisit.UNCHANGED, Revisit.CHANGED, Revisit.GONE], [60, 5, 30, 4, 1]
        )[0],
        opt_outs=(OptOut(signal="noai", place="X-Robots-Tag", text="noai"),) if number % 97 == 0 else (),
    )


def _noise(dice: random.Random, number: int) -> int:
    """Bits that make most pictures look unlike each other, and one in ten like another one."""
    return 0 if number % 10 == 0 and dice.random() < 0.02 else dice.getrandbits(64)


def _marked(data: bytes, number: int) -> bytes:
    """*data*, which all decoders read to its end mark, with bytes of its own behind that."""
    return data + b"\0" + str(number).encode()


def _lost(number: int, dice: random.Random) -> ImageRecord:
    """As settled: other reasons would keep the queue from asking the host; :func:`_told` gives them afterwards."""
    return ImageRecord(
        url=f"https://{dice.choice(_HOSTS)}/lost/{number:06}.jpg",
        status=ImageStatus.FAILED,
        reason="not-found",
        http_status=404,
        page_url=f"{SEED}albums/{number // 40:05}.html",
        found_in="img",
        detail="the server answered 404 Not Found",
        depth=2,
        attempts=1,
        finished_at=(_BEGIN + timedelta(seconds=number * 26)).isoformat().replace("+00:00", "Z"),
    )


def _told(folder: Path) -> None:
    """Give failures all kinds of reasons."""
    with closing(sqlite3.connect(folder / "crawl.db")) as db, db:
        lost = db.execute("SELECT seq FROM images WHERE status = 'failed'").fetchall()
        for n, (seq,) in enumerate(lost):
            reason = _REASONS[n % len(_REASONS)]
            status = "failed" if issubclass(REASONS[reason], FetchError) else "rejected"
            answer = {"not-found": 404, "server-error": 503, "forbidden": 403, "rate-limited": 429}.get(
                reason, 0
            )
            db.execute(
                "UPDATE images SET status = ?, reason = ?, http_status = ?, detail = ? WHERE seq = ?",
                (status, reason, answer, meaning(reason), seq),
            )


# --- measuring ---


def measure(folder: Path, *, again: bool) -> dict[str, float]:
    """Run the command; its seconds, seconds of the processor, and MiB of memory (PSS) at most, by kind of process."""
    if not again:
        shutil.rmtree(CrawlFolder(folder).gallery, ignore_errors=True)
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "crawler", "gallery", str(folder), "--json"])
    most = {"builder": 0, "all": 0}
    while process.poll() is None:
        sizes = {pid: _pss_bytes(pid) for pid in _family(process.pid)}
        most["builder"] = max(most["builder"], sizes.get(process.pid, 0))
        most["all"] = max(most["all"], sum(sizes.values()))
        time.sleep(0.2)
    took_s = time.monotonic() - begun
    used = os.times()
    return {
        "seconds": round(took_s, 1),
        "processor_s": round(used.children_user + used.children_system, 1),
        **{f"{name}_mib": round(size / 2**20, 1) for name, size in most.items()},
    }


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, task.read_text(encoding="ascii").split())
            except OSError:
                continue
    return found


def _pss_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("--images", type=int, default=1000)
    making.add_argument("--distinct", action="store_true")
    measuring = commands.add_parser("measure")
    measuring.add_argument("folder", type=Path)
    measuring.add_argument("--again", action="store_true")
    options = parser.parse_args()
    if options.command == "make":
        make(options.folder, images=options.images, distinct=options.distinct)
    else:
        print(json.dumps(measure(options.folder, again=options.again)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
