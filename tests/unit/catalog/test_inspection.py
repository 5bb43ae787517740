"""What a crawl lacks and what to do, sizes, largest files, slow hosts; and the screen that shows them."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from crawler.catalog import Catalog
from crawler.catalog.inspection import BYTE_STEPS, PIXEL_STEPS, Inspection, inspection
from crawler.cli import main
from crawler.cli.inspect_screen import show_inspection
from crawler.config import StorageConfig
from crawler.errors import ADVICE
from crawler.models import ImageRecord, ImageStatus, NewTask, TaskKind
from tests.support.crawls import SEED, SITE, garden, keep, page, saved


def inspected(folder: Path) -> Inspection:
    with Catalog(folder) as catalog:
        return inspection(catalog)


def lost(url: str, reason: str, status: ImageStatus = ImageStatus.FAILED, **facts: object) -> ImageRecord:
    return ImageRecord(url=url, status=status, reason=reason, **facts)  # type: ignore[arg-type]


def sized(
    folder: Path, size: int, *, width_px: int = 10, height_px: int = 10, **facts: object
) -> ImageRecord:
    record = saved(folder, f"{SITE}/{size}.png", b"x" * size, width_px=width_px, height_px=height_px)
    return msgspec.structs.replace(record, **facts)


def test_what_is_missing_comes_with_an_example_and_what_to_do(tmp_path: Path) -> None:
    found = inspected(garden(tmp_path))
    assert [(one.kind, one.reason, one.count, one.url) for one in found.missing] == [
        (TaskKind.IMAGE, "lease-expired", 1, f"{SITE}/i/poison.png"),
        (TaskKind.IMAGE, "not-an-image", 1, f"{SITE}/i/text.png"),
        (TaskKind.IMAGE, "not-found", 1, f"{SITE}/i/none.png"),
        (TaskKind.PAGE, "not-found", 1, f"{SITE}/gone.html"),
    ]
    assert all(one.advice == ADVICE[one.reason] for one in found.missing)
    assert {one.page_url for one in found.missing} == {f"{SITE}/plants.html", SEED}
    assert found.missing[1].detail == "it is HTML"


def test_the_most_frequent_reason_comes_first_and_its_first_url_is_the_example(tmp_path: Path) -> None:
    many = [lost(f"{SITE}/{n}.png", "too-small", ImageStatus.REJECTED) for n in range(5)]
    found = inspected(keep(tmp_path, page(SEED), lost(f"{SITE}/a.png", "forbidden"), *many))
    assert [(one.reason, one.count, one.url) for one in found.missing] == [
        ("too-small", 5, f"{SITE}/0.png"),
        ("forbidden", 1, f"{SITE}/a.png"),
    ]


def test_a_reason_of_another_version_counts_as_a_fault(tmp_path: Path) -> None:
    keep(tmp_path, page(SEED), lost(f"{SITE}/a.png", "forbidden"), lost(f"{SITE}/b.png", "internal-error"))
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as db, db:
        db.execute("UPDATE images SET reason = 'who-knows' WHERE reason = 'forbidden'")
    assert [(one.reason, one.count) for one in inspected(tmp_path).missing] == [("internal-error", 2)]


def test_sizes_are_spread_over_steps(tmp_path: Path) -> None:
    files = [
        sized(tmp_path, 10, width_px=1, height_px=1),
        sized(tmp_path, 256, width_px=20, height_px=5),
        sized(tmp_path, 257, width_px=20, height_px=20),
        sized(tmp_path, 5000, width_px=50_000, height_px=50_000),
    ]
    found = inspected(
        keep(tmp_path, page(SEED), *files, lost(f"{SITE}/x.png", "too-large", size_bytes=2**30))
    )
    assert found.sizes is not None
    assert found.pixels is not None
    assert (found.sizes.least, found.sizes.median, found.sizes.most) == (10, 257, 5000)
    assert {limit: count for limit, count in found.sizes.steps if count} == {256: 2, 1024: 1, 16384: 1}
    assert (found.pixels.least, found.pixels.median, found.pixels.most) == (1, 400, 2_500_000_000)
    assert {limit: count for limit, count in found.pixels.steps if count} == {100: 2, 400: 1, 0: 1}
    for steps in (BYTE_STEPS, PIXEL_STEPS):
        assert list(steps) == sorted(steps)
    assert [one.size_bytes for one in found.largest] == [5000, 257, 256, 10]
    assert found.largest[0].path.endswith("5000.png")


def test_a_crawl_without_images_has_no_sizes(tmp_path: Path) -> None:
    found = inspected(keep(tmp_path, page(SEED)))
    assert (found.sizes, found.pixels, found.largest, found.missing, found.found_in) == (
        None,
        None,
        (),
        (),
        (),
    )
    assert found.pages_without_images == 1


def test_what_each_rule_has_found_and_which_pages_show_nothing(tmp_path: Path) -> None:
    records = [
        page(SEED, images=2),
        page(f"{SITE}/none.html", images=0, page_url=SEED, found_in="a"),
        page(f"{SITE}/gone.html", status="failed", reason="not-found", page_url=SEED, found_in="a"),
        saved(tmp_path, f"{SITE}/a.png", b"a", found_in="img"),
        saved(tmp_path, f"{SITE}/b.png", b"b", found_in="css"),
        lost(f"{SITE}/c.png", "not-found", found_in="css", page_url=SEED),
    ]
    found = inspected(keep(tmp_path, *records))
    assert [(one.name, one.images, one.saved) for one in found.found_in] == [("css", 2, 1), ("img", 1, 1)]
    assert found.pages_without_images == 1, "of those that were read"


def test_hosts_that_take_long_are_told(tmp_path: Path) -> None:
    slow = [saved(tmp_path, f"http://slow.example/{n}.png", b"%d" % n, elapsed_s=n + 1.0) for n in range(3)]
    fast = [saved(tmp_path, f"http://a/{n}.png", b"f%d" % n, elapsed_s=0.1) for n in range(3)]
    once = [saved(tmp_path, "http://once.example/1.png", b"1", elapsed_s=99.0)]
    found = inspected(keep(tmp_path, page(SEED), *slow, *fast, *once))
    assert [(one.name, one.visited, round(one.mean_s, 3)) for one in found.slowest] == [
        ("http://slow.example", 3, 2.0),
        ("http://a", 3, 0.1),
    ], "one late answer makes no slow host"


def test_bytes_that_came_twice_are_counted(tmp_path: Path) -> None:
    assert inspected(garden(tmp_path)).duplicate_bytes == 4


GARBAGE = ("garbage", -1, 2**63 - 1, 1.5, b"\xff")


def test_rows_that_others_have_written_are_no_end_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = garden(tmp_path)
    for column in ("size_bytes", "width_px", "elapsed_s", "found_in", "path", "detail", "page_url"):
        for garbage in GARBAGE:
            with closing(sqlite3.connect(folder / "crawl.db")) as db, db:
                before = db.execute(f"SELECT seq, {column} FROM images").fetchall()
                db.execute(f"UPDATE images SET {column} = ?", (garbage,))
            code = main(["inspect", str(folder), "--json"])
            streams = capsys.readouterr()
            assert code == 0 or "is damaged" in streams.err, (column, garbage, streams.err)
            with closing(sqlite3.connect(folder / "crawl.db")) as db, db:
                db.executemany(f"UPDATE images SET {column} = ?2 WHERE seq = ?1", before)


# --- the screen ---


def screen(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["inspect", str(folder)]) == 0
    return capsys.readouterr().out


def test_it_says_first_whether_all_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = keep(tmp_path / "whole", page(SEED, images=1), saved(tmp_path / "whole", f"{SITE}/a.png", b"a"))
    text = screen(whole, capsys)
    assert "images   1 URL = 1 saved (1 bytes)" in text
    assert "missing  nothing: each image that was found is there" in text
    text = screen(garden(tmp_path / "garden"), capsys)
    assert "missing  3 of 6 image URLs: below, with what to do" in text
    assert "pages    2 read, 1 of them without an image; 1 not read" in text
    assert "same     1 more URL gave bytes that were saved already (4 bytes spared)" in text
    waiting = [NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/{n}.png") for n in range(3)]
    text = screen(keep(tmp_path / "begun", page(SEED), waiting=waiting), capsys)
    assert "3 URLs = 3 to do" in text
    assert "missing" not in text, "it is not over"
    assert "to go on  the same command again" in text


def test_a_saved_file_that_is_not_there_any_more_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [sized(tmp_path, size) for size in (10, 20, 30)]
    keep(tmp_path, page(SEED), *records)
    assert (inspected(tmp_path).gone, inspected(tmp_path).gone_path) == (0, "")
    assert "gone" not in screen(tmp_path, capsys)
    for record in records[1:]:
        (tmp_path / record.path).unlink()
    assert (inspected(tmp_path).gone, inspected(tmp_path).gone_path) == (2, records[1].path)
    shown = " ".join(screen(tmp_path, capsys).split())
    assert f"gone 2 saved files are not there any more, such as {records[1].path}; the same command" in shown
    assert "missing nothing that was found, but files are gone: below" in shown


@pytest.mark.parametrize("kept_by", [f"{'0' * 16} box:/data", ""])
def test_what_another_machine_or_an_object_store_keeps_is_not_gone(tmp_path: Path, kept_by: str) -> None:
    record = sized(tmp_path, 10, kept_by=kept_by)
    keep(tmp_path, page(SEED), record)
    (tmp_path / record.path).unlink()
    if not kept_by:
        assert inspected(tmp_path).gone == 1
        (tmp_path / "crawl.toml").write_text('[storage]\nstorage = "s3://bucket/pictures"\n')
    assert inspected(tmp_path).gone == 0


def test_each_reason_has_its_example_and_its_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = garden(tmp_path / "a garden")
    lines = screen(folder, capsys).splitlines()
    start = lines.index("Missing")
    assert lines[start + 1 : start + 3] == [
        f"  1  lease-expired   {SITE}/i/poison.png",
        f"     {ADVICE['lease-expired'].replace('DIR', repr(str(folder)))}.",
    ]
    assert f"  1  page not-found  {SITE}/gone.html" in lines


def test_json_has_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(garden(tmp_path)), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(Inspection.__struct_fields__) <= set(found)
    assert found["missing"][0]["advice"] == ADVICE["lease-expired"]
    assert found["balanced"] is True


@pytest.mark.parametrize("width", [44, 80, 200])
def test_it_fits_any_terminal(tmp_path: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    deep = f"{SITE}/wp-content/uploads/a-very-long-way/that-goes-on/2026/05/picture-of-a-rose.jpg"
    keep(
        Path("crawl"),
        page(SEED),
        lost(deep, "truncated-transfer"),
        saved(Path("crawl"), f"{SITE}/a.png", b"a"),
    )
    out = Console(file=io.StringIO(), width=width, record=True, force_terminal=True, legacy_windows=False)
    show_inspection(out, inspected(Path("crawl")), StorageConfig())
    lines = out.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= (30 if width >= 80 else 40), "one screen"
    assert any("picture-of-a-rose.jpg" in line for line in lines), "the end of a URL tells it from others"
