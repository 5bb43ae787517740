"""What owners say, summed up; and crawls of before, whose records have nothing of it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from crawler.catalog import Catalog
from crawler.catalog.opt_outs import SignalSum, beyond, opt_outs
from crawler.cli import main
from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile import schema
from crawler.errors import FolderError
from crawler.models import ImageRecord, ImageStatus, NewTask, OptOut, Origin, Purpose, TaskKind
from crawler.opt_outs.purposes import said
from crawler.queues.ledger import Ledger
from tests.support.crawls import SITE, keep, read_json_lines, saved
from tests.support.earlier import of_schema

OTHER = "http://other.example"
SIGNAL = said("content-signal", "robots.txt, line 3", "Content-Signal: ai-train=no", ["ai-train=no"])
ALLOWED = said("data-mining", "xmp plus:DataMining", "DMI-ALLOWED", ["DMI-ALLOWED"])
NOAI = said("noai", "header X-Robots-Tag", "noai", ["noai"])


def with_said(record: ImageRecord, *told: OptOut, more: int = 0) -> ImageRecord:
    return msgspec.structs.replace(record, opt_outs=told, more_opt_outs=more)


def rejected(url: str, reason: str, *told: OptOut, detail: str = "") -> ImageRecord:
    return ImageRecord(url=url, status=ImageStatus.REJECTED, reason=reason, detail=detail, opt_outs=told)


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    origin = Origin(page_url=f"{SITE}/page", found_in="img")
    return keep(
        tmp_path,
        with_said(saved(tmp_path, f"{SITE}/1.png", b"one"), SIGNAL, ALLOWED),
        with_said(saved(tmp_path, f"{SITE}/2.png", b"two"), SIGNAL, SIGNAL, more=3),
        with_said(saved(tmp_path, f"{OTHER}/3.png", b"three"), SIGNAL),
        saved(tmp_path, f"{SITE}/4.png", b"four"),
        rejected(f"{SITE}/5.png", "noai", NOAI, SIGNAL),
        rejected(f"{SITE}/6.png", "robots-disallowed", detail="line 7"),
        rejected(f"{SITE}/7.png", "noai", detail="its owner asks for noai"),
        rejected(f"{SITE}/8.png", "not-an-image"),
        waiting=[
            NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/{n}.png", origin=origin, kept_out_by="noindex")
            for n in (10, 11)
        ],
    )


def sums(folder: Path) -> dict[tuple[str, str], SignalSum]:
    with Catalog(folder) as catalog:
        return {(one.signal, one.host): one for one in opt_outs(catalog)}


def test_sums_by_signal_and_host(crawl: Path) -> None:
    found = sums(crawl)
    assert found == {
        ("content-signal", SITE): SignalSum(
            signal="content-signal",
            host=SITE,
            images=3,
            refused=0,
            saved=2,
            forbids={"train": 3},
            url=f"{SITE}/1.png",
            place="robots.txt, line 3",
            text="Content-Signal: ai-train=no",
        ),
        ("content-signal", OTHER): SignalSum(
            signal="content-signal",
            host=OTHER,
            images=1,
            saved=1,
            forbids={"train": 1},
            url=f"{OTHER}/3.png",
            place="robots.txt, line 3",
            text="Content-Signal: ai-train=no",
        ),
        ("data-mining", SITE): SignalSum(
            signal="data-mining",
            host=SITE,
            images=1,
            saved=1,
            url=f"{SITE}/1.png",
            place="xmp plus:DataMining",
            text="DMI-ALLOWED",
        ),
        ("noai", SITE): SignalSum(
            signal="noai",
            host=SITE,
            images=2,
            refused=2,
            forbids={"archive": 2, "search": 2, "train": 2},
            url=f"{SITE}/5.png",
            place="header X-Robots-Tag",
            text="noai",
        ),
        ("robots-disallowed", SITE): SignalSum(
            signal="robots-disallowed",
            host=SITE,
            images=1,
            refused=1,
            forbids={"archive": 1, "search": 1, "train": 1},
            url=f"{SITE}/6.png",
            text="line 7",
        ),
        ("noindex", SITE): SignalSum(
            signal="noindex", host=SITE, left_out=2, url=f"{SITE}/10.png", place=f"page {SITE}/page"
        ),
    }
    with Catalog(crawl) as catalog:
        assert beyond(catalog) == 3


def test_inspect_tells_people(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(crawl), "--opt-outs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"content-signal     {SITE}  said of 3 images; no to train; obeyed 0, recorded 3 (2 saved)",
        f"{'':19}such as {SITE}/1.png  (robots.txt, line 3: Content-Signal: ai-train=no)",
    ]
    assert f"noindex            {SITE}  said by pages of 2 that were left out" in lines
    assert lines[-1] == "and 3 more that no record has room for"


def test_inspect_tells_machines(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(crawl), "--opt-outs", "--json"]) == 0
    told = read_json_lines(capsys.readouterr().out)
    assert [(one["signal"], one["images"], one["refused"]) for one in told] == [
        ("content-signal", 3, 0),
        ("content-signal", 1, 0),
        ("data-mining", 1, 0),
        ("noai", 2, 2),
        ("robots-disallowed", 1, 1),
        ("noindex", 0, 0),
    ]


def test_nothing_said_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = keep(tmp_path, saved(tmp_path, f"{SITE}/1.png", b"one"))
    assert main(["inspect", str(folder), "--opt-outs"]) == 0
    assert capsys.readouterr() == ("", "no owner was heard to say anything of the use of an image\n")


def test_explain_tells_each_with_its_place_and_what_came_of_it(
    crawl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(crawl), f"{SITE}/5.png"]) == 0
    out = capsys.readouterr().out
    assert (
        "    noai  header X-Robots-Tag: noai  obeyed, no to archive, search, train; --no-obey-noai takes"
        in out
    )
    assert (
        "    content-signal  robots.txt, line 3: Content-Signal: ai-train=no  recorded, no to train\n" in out
    )


def test_export_has_it_as_it_was_recorded(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(crawl), "--format", "jsonl", "-o", "-"]) == 0
    by_url = {str(record["url"]): record for record in read_json_lines(capsys.readouterr().out)}
    assert by_url[f"{SITE}/2.png"]["more_opt_outs"] == 3
    assert by_url[f"{SITE}/1.png"]["opt_outs"] == [
        {
            "signal": "content-signal",
            "place": "robots.txt, line 3",
            "text": "Content-Signal: ai-train=no",
            "forbids": ["train"],
        },
        {"signal": "data-mining", "place": "xmp plus:DataMining", "text": "DMI-ALLOWED"},
    ]
    assert main(["export", str(crawl), "--format", "csv", "-o", "-"]) == 0
    header, first, *_ = capsys.readouterr().out.splitlines()
    assert ",opt_outs,more_opt_outs" in header
    assert "content-signal" in first


# --- files of before --------------------------------------------------------------------------------------


def columns(folder: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        return [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")]


def test_a_crawl_of_the_version_before_is_read_as_it_is(
    crawl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_schema(4, crawl)
    with Catalog(crawl) as catalog:
        assert {record.opt_outs for record in catalog.images()} == {()}
        assert len(list(catalog.images(status=("saved",)))) == 4
        assert beyond(catalog) == 0
    assert {key: one.refused for key, one in sums(crawl).items()} == {
        ("noai", SITE): 2,
        ("robots-disallowed", SITE): 1,
        ("noindex", SITE): 0,
    }
    assert main(["inspect", str(crawl), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["balanced"] is True
    assert "opt_outs" not in columns(crawl, "images"), "nothing is written by who reads"


def test_a_crawl_of_the_version_before_goes_on(crawl: Path) -> None:
    of_schema(4, crawl)
    before = len(columns(crawl, "images"))
    ledger = Ledger(crawl / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
    try:
        assert ledger.stats().image_status == {"saved": 4, "rejected": 4}
        ledger.put([NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/20.png")])
    finally:
        ledger.close()
    assert columns(crawl, "images")[before : before + 2] == ["opt_outs", "more_opt_outs"]
    fresh = keep(crawl / "fresh")
    assert columns(crawl, "images") == columns(fresh, "images")
    assert columns(crawl, "image_history") == columns(fresh, "image_history")
    keep(crawl / "again", with_said(saved(crawl / "again", f"{SITE}/1.png", b"1"), SIGNAL))
    with closing(sqlite3.connect(crawl / "crawl.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == schema.SCHEMA_VERSION
        assert (
            db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0] == schema.SCHEMA_VERSION
        )
    with Catalog(crawl) as catalog:
        assert len(list(catalog.images())) == 8


def test_what_it_can_t_be_brought_from_is_refused(crawl: Path) -> None:
    with closing(sqlite3.connect(crawl / "crawl.db")) as db:
        db.execute("PRAGMA user_version = 3")
    with pytest.raises(FolderError, match=f"schema 3, this one has {schema.SCHEMA_VERSION}"):
        Ledger(crawl / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
    with pytest.raises(FolderError, match=f"schema 3; this one reads {schema.SCHEMA_VERSION}"):
        Catalog(crawl)


def test_each_purpose_is_kept_and_read(tmp_path: Path) -> None:
    told = OptOut(signal="noai", place="header X-Robots-Tag", text="x" * 500, forbids=tuple(Purpose))
    folder = keep(tmp_path, with_said(saved(tmp_path, f"{SITE}/1.png", b"one"), *[told] * 16))
    with Catalog(folder) as catalog:
        (record,) = catalog.images()
    assert record.opt_outs == (told,) * 16
