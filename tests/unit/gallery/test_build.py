"""The gallery of a crawl: its data, its thumbnails, made once and made again."""

from __future__ import annotations

import errno
import gc
import hashlib
import os
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from crawler.errors import ADVICE, FolderError, StorageFull
from crawler.gallery import build as module
from crawler.gallery import reading
from crawler.gallery.build import BuildProgress, GallerySummary, build
from crawler.gallery.files import page_files
from crawler.models import ImageRecord, ImageStatus, NewTask, Origin, Record, Revisit, TaskKind
from tests.support.crawls import SEED, SITE, garden, keep, page, saved
from tests.support.earlier import of_schema
from tests.support.gallery_files import DrawsHere, Gallery
from tests.support.images import SVG, encoded, jpeg, picture, png


@pytest.fixture(autouse=True)
def _draws_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Drawer", DrawsHere)


def made(folder: Path) -> tuple[GallerySummary, Gallery]:
    summary, interrupt = build(folder)
    assert interrupt is None
    return summary, Gallery(folder)


def crawl(folder: Path, *records: Record) -> Path:
    return keep(folder, page(SEED), *records)


def real(folder: Path, name: str, data: bytes, **facts: object) -> ImageRecord:
    return saved(folder, f"{SITE}/i/{name}", data, **facts)


def test_it_has_every_image_in_the_order_in_which_they_were_saved(tmp_path: Path) -> None:
    records = [
        real(tmp_path, f"{n}.jpg", jpeg(n), alt=f"Rose {n}", width_px=40, height_px=30) for n in range(5)
    ]
    summary, gallery = made(crawl(tmp_path, *records))
    rows = gallery.rows("index")
    assert [row["path"] for row in rows] == [record.path for record in records]
    assert [row["text"] for row in rows] == [f"Rose {n}" for n in range(5)]
    assert {(row["w"], row["h"]) for row in rows} == {(40, 30)}
    for row in rows:
        with Image.open(gallery.thumbnail(row)) as image:
            assert (image.format, image.size) == ("WEBP", (40, 30))
    assert [row["page"] for row in gallery.rows("detail")] == [SEED] * 5
    meta = gallery.meta
    assert (meta["images"], meta["state"], meta["seeds"], meta["title"]) == (
        5,
        "finished",
        [SEED],
        "garden.example",
    )
    assert (meta["formats"], meta["found_in"], meta["hosts"]) == (["jpeg"], ["img"], ["garden.example"])
    assert meta["bytes"] == sum(record.size_bytes for record in records)
    assert (summary.images, summary.thumbnails, summary.drawn, summary.without) == (5, 5, 5, {})


def test_the_page_itself_is_copied(tmp_path: Path) -> None:
    made(crawl(tmp_path))
    files = dict(page_files())
    assert all(
        (tmp_path / "gallery" / name).read_bytes() == file.read_bytes() for name, file in files.items()
    )


def test_an_empty_crawl_has_an_empty_gallery(tmp_path: Path) -> None:
    summary, gallery = made(crawl(tmp_path))
    assert (gallery.meta["images"], gallery.meta["chunks"], gallery.meta["failures"]) == (0, [], 0)
    assert summary.images == 0


def test_failures_are_told_with_what_to_do(tmp_path: Path) -> None:
    summary, gallery = made(garden(tmp_path / "my garden"))
    rows = gallery.rows("failures")
    reasons = gallery.meta["reasons"]
    found = {row["url"]: reasons[row["reason"]]["slug"] for row in rows}
    assert found == {
        f"{SITE}/i/text.png": "not-an-image",
        f"{SITE}/i/none.png": "not-found",
        f"{SITE}/i/poison.png": "lease-expired",
    }
    by_slug = {reason["slug"]: reason for reason in reasons}
    assert by_slug["not-found"]["example_url"] == f"{SITE}/i/none.png"
    assert by_slug["not-found"]["do"] == ADVICE["not-found"]
    assert by_slug["not-found"]["means"] == "404 or 410."
    assert f"'{tmp_path / 'my garden'}'" in by_slug["lease-expired"]["do"]
    assert (by_slug["lease-expired"]["status"], by_slug["lease-expired"]["count"]) == ("dead", 1)
    none = next(row for row in rows if row["url"].endswith("none.png"))
    assert none["detail"] == "no \x1b[31mred\tink"
    assert (none["status"], none["http"]) == ("failed", 404)
    assert summary.failures == 3


def test_other_urls_of_the_same_bytes_are_places_of_it(tmp_path: Path) -> None:
    rose = real(tmp_path, "rose.png", png(), alt="A rose")
    copies = [
        ImageRecord(
            url=f"{SITE}/i/copy-{n}.png",
            status=ImageStatus.DUPLICATE,
            path=rose.path,
            sha256=rose.sha256,
            format="png",
            size_bytes=rose.size_bytes,
            page_url=f"{SITE}/{n}.html",
            alt=f"copy {n}",
            found_in="css",
        )
        for n in range(25)
    ]
    _, gallery = made(crawl(tmp_path, rose, real(tmp_path, "fern.png", png(1)), *copies))
    index, detail = gallery.rows("index"), gallery.rows("detail")
    assert gallery.meta["images"] == 27
    assert len({row["thumb"] for row in index}) == 2
    first = next(n for n, row in enumerate(index) if row["url"] == rose.url)
    assert len(detail[first]["places"]) == 20
    assert detail[first]["more_places"] == 5
    assert {place["found_in"] for place in detail[first]["places"]} == {"css"}
    copy = next(n for n, row in enumerate(index) if row["url"] == copies[0].url)
    assert rose.url in {place["url"] for place in detail[copy]["places"]}
    fern = next(n for n, row in enumerate(index) if row["url"].endswith("fern.png"))
    assert (detail[fern]["places"], detail[fern]["more_places"]) == ([], 0)


def test_other_pages_of_the_same_url_are_told(tmp_path: Path) -> None:
    rose, fern = real(tmp_path, "rose.png", png()), real(tmp_path, "fern.png", png(1))
    others = [f"{SITE}/{n}.html" for n in range(25)]
    origins = [Origin(page_url=page_url, found_in="css") for page_url in [SEED, *others]]
    again = [NewTask(kind=TaskKind.IMAGE, url=rose.url, depth=1, origin=origin) for origin in origins]
    keep(tmp_path, rose, fern, waiting=again)
    _, gallery = made(tmp_path)
    of_rose, of_fern = gallery.rows("detail")
    assert (of_rose["pages"], of_rose["more_pages"]) == (others[:20], 5)
    assert (of_fern["pages"], of_fern["more_pages"]) == ([], 0)


def test_look_alikes_have_one_group(tmp_path: Path) -> None:
    hashes = ["00ff00ff00ff00ff", "00ff00ff00ff00fe", "123456789abcdef0", ""]
    records = [real(tmp_path, f"{n}.png", png(n), dhash=dhash) for n, dhash in enumerate(hashes)]
    _, gallery = made(crawl(tmp_path, *records))
    groups = [row["group"] for row in gallery.rows("index")]
    assert groups[0] == groups[1] > 0
    assert groups[2:] == [0, 0]


def test_many_images_are_in_windows_of_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WINDOW", 10)
    records = [real(tmp_path, f"{n}.png", png(n % 3)) for n in range(25)]
    _, gallery = made(crawl(tmp_path, *records))
    chunks = gallery.meta["chunks"]
    assert [number for number, _ in chunks] == [0, 1, 2]
    assert sum(rows for _, rows in chunks) == 25
    assert [row["url"] for row in gallery.rows("index")] == [record.url for record in records]
    gone = max(number for number, _ in chunks)
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as db, db:
        db.execute("DELETE FROM images WHERE seq >= ?", (10 * gone,))
    made(tmp_path)
    assert not (tmp_path / "gallery" / "data" / f"index-{gone:05}.js").exists()
    assert len(gallery.rows("detail")) < 25


# --- thumbnails


def test_a_turned_image_has_the_size_that_is_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture(), "JPEG", exif=exif.tobytes())
    _, gallery = made(crawl(tmp_path, real(tmp_path, "turned.jpg", data, width_px=40, height_px=30)))
    (row,) = gallery.rows("index")
    assert (row["w"], row["h"]) == (30, 40)


def test_what_can_have_no_thumbnail_is_counted_by_reason(tmp_path: Path) -> None:
    good = real(tmp_path, "good.png", png())
    svg = real(tmp_path, "drawing.svg", SVG, format="svg")
    truncated = real(tmp_path, "half.png", png(1)[:80])
    text = real(tmp_path, "text.png", b"<html>")
    changed = real(tmp_path, "changed.png", png(2))
    (tmp_path / changed.path).write_bytes(png(3)[: changed.size_bytes].ljust(changed.size_bytes, b"\0"))
    grown = real(tmp_path, "grown.png", png(4))
    with (tmp_path / grown.path).open("ab") as file:
        file.write(b"more")
    gone = real(tmp_path, "gone.png", png(5))
    (tmp_path / gone.path).unlink()
    other = real(tmp_path, "other.png", png(6), kept_by="0123456789abcdef w1:/srv/pics")
    (tmp_path / other.path).unlink()
    records = (good, svg, truncated, text, changed, grown, gone, other)
    summary, gallery = made(crawl(tmp_path, *records))
    assert summary.without == {
        "changed": 2,
        "svg": 1,
        "truncated-image": 1,
        "not-an-image": 1,
        "gone": 1,
        "elsewhere": 1,
    }
    assert (summary.images, summary.thumbnails) == (8, 1)
    rows = {row["url"].rpartition("/")[2]: row for row in gallery.rows("index")}
    assert [name for name, row in rows.items() if row["thumb"]] == ["good.png"]
    assert {name for name, row in rows.items() if not row["path"]} == {"gone.png", "other.png"}


def test_made_again_it_keeps_what_it_has(tmp_path: Path) -> None:
    records = [real(tmp_path, f"{n}.png", png(n)) for n in range(3)]
    crawl(tmp_path, *records)
    _, gallery = made(tmp_path)
    before = {file: file.stat().st_mtime_ns for file in gallery.folder.rglob("*") if file.is_file()}
    summary, _ = made(tmp_path)
    after = {file: file.stat().st_mtime_ns for file in gallery.folder.rglob("*") if file.is_file()}
    assert (summary.drawn, summary.thumbnails) == (0, 3)
    changed = {file.name for file, moment in after.items() if before.get(file) != moment}
    assert changed <= {"meta.js"}
    assert before.keys() == after.keys()


def test_thumbnails_that_an_earlier_version_drew_smaller_are_drawn_anew(tmp_path: Path) -> None:
    wide, usual, gone = (
        real(
            tmp_path,
            f"{width}.png",
            encoded(picture(width, width_px=width), "PNG"),
            width_px=width,
            height_px=30,
        )
        for width in (1200, 60, 900)
    )
    crawl(tmp_path, wide, usual, gone)
    _, gallery = made(tmp_path)
    files = [gallery.thumbnail(row) for row in gallery.rows("index")]
    as_today = [file.read_bytes() for file in files]
    for file in (files[0], files[2]):
        picture(1, width_px=400, height_px=10).save(file, "WEBP")
    (tmp_path / gone.path).write_bytes(b"not what was saved")
    kept = files[2].read_bytes()
    assert made(tmp_path)[0].drawn == 0, "they are known as today's"
    (tmp_path / "gallery" / "thumbs" / "sizes").unlink()

    interrupts = iter([KeyboardInterrupt()])

    def interrupt(progress: BuildProgress) -> None:
        if raised := next(interrupts, None):
            raise raised

    summary, raised = build(tmp_path, show=interrupt)
    assert raised
    assert summary.without == {}, "those that there are serve as well"
    assert made(tmp_path)[0].drawn + summary.drawn == 1
    assert [file.read_bytes() for file in files] == [*as_today[:2], kept]
    assert made(tmp_path)[0].drawn == 0


def test_what_no_image_has_any_more_is_removed(tmp_path: Path) -> None:
    crawl(tmp_path, real(tmp_path, "rose.png", png()))
    stale = tmp_path / "gallery" / "thumbs" / "ab" / f"ab{'0' * 30}.webp"
    others = [
        tmp_path / "gallery" / "data" / "index-00099.js",
        tmp_path / "gallery" / "thumbs" / "ab" / ".making-1-2",
        tmp_path / "gallery" / "data" / ".making-1-3",
    ]
    for file in (stale, *others):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    mine = tmp_path / "gallery" / "notes.txt"
    mine.write_text("mine")
    summary, gallery = made(tmp_path)
    assert summary.removed == 1
    assert not any(file.exists() for file in (stale, stale.parent, *others))
    assert len(list(gallery.thumbnails())) == 1
    assert mine.read_text() == "mine"


def test_a_file_of_a_hostile_path_is_neither_shown_nor_read(tmp_path: Path) -> None:
    folder, secret = tmp_path / "crawl", tmp_path / "secret.png"
    secret.write_bytes(png())
    paths = ["images/../secret.png", str(secret), "../secret.png", "images/a/../../../secret.png", "x\0.png"]
    crawl(folder, *(real(folder, f"{n}.png", png(n)) for n in range(len(paths))))
    with closing(sqlite3.connect(folder / "crawl.db")) as db, db:
        for n, path in enumerate(paths):
            row = (path, hashlib.sha256(png()).hexdigest(), f"{SITE}/i/{n}.png")
            db.execute("UPDATE images SET path = ?, sha256 = ? WHERE url = ?", row)
    summary, gallery = made(folder)
    assert [(row["path"], row["thumb"]) for row in gallery.rows("index")] == [("", "")] * len(paths)
    assert (summary.drawn, summary.without) == (0, {"gone": len(paths)})


def test_what_is_no_sha256_is_no_path_either(tmp_path: Path) -> None:
    crawl(tmp_path, real(tmp_path, "rose.png", png()))
    for sha256 in ("../../../../evil", "", "F" * 64, b"\xff" * 32, 7):
        with closing(sqlite3.connect(tmp_path / "crawl.db")) as db, db:
            db.execute("UPDATE images SET sha256 = ?", (sha256,))
        summary, gallery = made(tmp_path)
        assert summary.without == {"changed": 1}
        assert not list(gallery.thumbnails())


# --- while it is made


def test_an_interrupt_leaves_a_gallery_with_what_there_is(tmp_path: Path) -> None:
    crawl(tmp_path, *(real(tmp_path, f"{n}.png", png(n)) for n in range(6)))
    (tmp_path / "gallery").mkdir()

    interrupts = iter([KeyboardInterrupt()])

    def interrupt(progress: BuildProgress) -> None:
        if progress.drawn == 3 and (raised := next(interrupts, None)):
            raise raised

    summary, raised = build(tmp_path, show=interrupt)
    assert isinstance(raised, KeyboardInterrupt)
    assert summary.interrupted
    gallery = Gallery(tmp_path)
    rows = gallery.rows("index")
    assert len(rows) == 6
    there = [row for row in rows if row["thumb"]]
    assert len(there) >= 3
    assert all(gallery.thumbnail(row).is_file() for row in there)
    assert summary.without == ({"interrupted": 6 - len(there)} if len(there) < 6 else {})
    assert summary.drawn == len(there)
    summary, gallery = made(tmp_path)
    assert (summary.thumbnails, summary.drawn) == (6, 6 - len(there))


def test_progress_counts_every_image(tmp_path: Path) -> None:
    crawl(tmp_path, *(real(tmp_path, f"{n}.png", png(n)) for n in range(3)))
    told: list[BuildProgress] = []
    build(tmp_path, show=told.append)
    assert told == [BuildProgress(n, 3, n) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        (errno.ENOSPC, StorageFull, "free some space"),
        (errno.EROFS, FolderError, "--serve"),
        (errno.EACCES, FolderError, "--serve"),
    ],
)
def test_a_disk_that_takes_nothing_more_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception], text: str
) -> None:
    crawl(tmp_path, real(tmp_path, "rose.png", png()))
    made(tmp_path)
    before = (tmp_path / "gallery" / "data" / "meta.js").read_bytes()
    for file in Gallery(tmp_path).thumbnails():
        file.unlink()

    def fails(self: Path, target: Path) -> Path:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(error, match=text):
            build(tmp_path)
    assert (tmp_path / "gallery" / "data" / "meta.js").read_bytes() == before
    assert not list(tmp_path.rglob(".making-*"))
    summary, _ = made(tmp_path)
    assert summary.drawn == 1


def test_a_gallery_that_is_a_file(tmp_path: Path) -> None:
    crawl(tmp_path, real(tmp_path, "rose.png", png()))
    (tmp_path / "gallery").write_text("mine")
    with pytest.raises(FolderError, match="can't write"):
        build(tmp_path)


# --- of any crawl


def test_a_refresh_is_seen(tmp_path: Path) -> None:
    outcomes = [one for one in Revisit if one]
    crawl(tmp_path, *(real(tmp_path, f"{one}.png", png(n)) for n, one in enumerate(outcomes)))
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as db, db:
        for one in outcomes:
            db.execute("UPDATE images SET revisit = ? WHERE url LIKE ?", (one, f"%/{one}.png"))
    _, gallery = made(tmp_path)
    revisits = gallery.meta["revisits"]
    assert [revisits[row["revisit"]] for row in gallery.rows("index")] == list(map(str, outcomes))


ABSURD = (
    ("alt", "x" * 10_000_000),
    ("caption", b"\xff\xfe\x00"),
    ("page_title", "</script>\0\u2028"),
    ("found_in", "</script>"),
    ("format", "../../x"),
    ("width_px", "wide"),
    ("height_px", -5),
    ("size_bytes", 2**62),
    ("finished_at", "<now>"),
    ("dhash", "zz"),
    ("revisit", "</script>"),
    ("opt_outs", "[[[["),
    ("alternatives", '{"a": 1}'),
    ("kept_by", "\u202e"),
    ("url", b"\xff"),
)


def test_absurd_rows_are_shown_as_far_as_they_can_be_read(tmp_path: Path) -> None:
    crawl(tmp_path, *(real(tmp_path, f"{column}.png", png(n)) for n, (column, _) in enumerate(ABSURD)))
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as db, db:
        for column, value in ABSURD:
            db.execute(f"UPDATE images SET {column} = ? WHERE url LIKE ?", (value, f"%/{column}.png"))
    _, gallery = made(tmp_path)
    rows = gallery.rows("index")
    assert gallery.meta["images"] == len(rows) == len(ABSURD) - 1, "one has no URL"
    assert all(len(row["text"]) < 1000 for row in rows)
    assert len(gallery.rows("detail")) == len(rows)
    title = next(row for row in gallery.rows("detail") if row["page_title"])
    assert title["page_title"] == "</script>\0\u2028"


@pytest.fixture(params=[4, 5, 6, 7])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    crawl(tmp_path, real(tmp_path, "rose.png", png()))
    return of_schema(request.param, tmp_path)


def test_a_crawl_of_an_earlier_version_is_shown(earlier: Path) -> None:
    summary, gallery = made(earlier)
    assert (summary.images, summary.thumbnails) == (1, 1)
    assert len(gallery.rows("detail")) == 1


def test_a_folder_without_a_crawl(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="holds no crawl"):
        build(tmp_path)


def copied(folder: Path, count: int) -> Path:
    """A crawl with so many records of images whose files are not there."""
    rose = real(folder, "rose.png", png(), caption="A caption of some length, as pages have them. " * 4)
    crawl(folder, rose)
    (folder / rose.path).unlink()
    with closing(sqlite3.connect(folder / "crawl.db")) as db, db:
        names = [row[1] for row in db.execute("PRAGMA table_info(images)")]
        others = ", ".join(name for name in names if name not in {"seq", "task_id", "url", "sha256", "dhash"})
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            f" INSERT INTO images (seq, task_id, url, sha256, dhash, {others})"
            " SELECT i, i, 'http://h' || i % 50 || '.example/' || i || '.png', printf('%064x', i),"
            f" printf('%016x', i * 2654435761 * 40503), {others} FROM n, images WHERE images.seq < 100",
            (count + 99,),
        )
    return folder


@pytest.mark.slow
@pytest.mark.untraced
def test_memory_does_not_grow_with_the_crawl(tmp_path: Path) -> None:
    peaks = []
    for count in (4_000, 10_000):
        folder = copied(tmp_path / str(count), count)
        gc.collect()  # of earlier tests
        tracemalloc.start()
        summary, _ = made(folder)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert summary.images == count + 1
    # one window or two, of 1.9 MiB each, are held or not as the threads have it; all records would be 9 MiB
    assert peaks[1] - peaks[0] < 6_000 * 800, f"{peaks}: a hash of each, and what groups it; not its record"
