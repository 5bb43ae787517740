"""Everything known about one URL."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from crawler.catalog import Catalog
from crawler.catalog.explain import MAX_ALIASES, Explanation, explain
from crawler.config import QueueConfig, ScopeConfig
from crawler.models import (
    ROBOTS_TXT,
    Alternative,
    HostFile,
    ImageStatus,
    NewTask,
    Origin,
    Revisit,
    TaskKind,
    TaskState,
)
from crawler.queues.ledger import Ledger
from tests.support.crawls import SEED, SITE, garden, keep, page, saved
from tests.support.earlier import of_schema


def explained(folder: Path, asked: str) -> Explanation:
    with Catalog(folder) as catalog:
        return explain(catalog, asked)


def test_a_saved_image_with_its_way_and_its_copies(tmp_path: Path) -> None:
    explanation = explained(garden(tmp_path), f"{SITE}/i/rose.png")
    (entry,) = explanation.entries
    assert entry.image is not None
    assert entry.image.status is ImageStatus.SAVED
    assert entry.file_exists
    assert entry.same_bytes == (f"{SITE}/i/rose-again.png",)
    assert [(step.url, step.found_in) for step in entry.chain] == [(SEED, "")]
    assert (entry.state, entry.found_in) == (TaskState.DONE, "img")


def test_the_way_leads_over_every_page_from_the_seed(tmp_path: Path) -> None:
    (entry,) = explained(garden(tmp_path), f"{SITE}/i/none.png").entries
    assert [(step.url, step.found_in) for step in entry.chain] == [(SEED, ""), (f"{SITE}/plants.html", "a")]


@pytest.mark.parametrize(
    "asked",
    ["HTTP://GARDEN.example:80/i/./rose.png#top", "/i/rose.png", "i/rose.png", f"{SITE}/x/../i/rose.png"],
)
def test_any_spelling_of_a_url_will_do(tmp_path: Path, asked: str) -> None:
    explanation = explained(garden(tmp_path), asked)
    assert explanation.url == f"{SITE}/i/rose.png"
    assert explanation.how == "url"
    assert explanation.known


def test_a_url_is_found_under_any_session_id(tmp_path: Path) -> None:
    visited = f"{SITE}/album?PHPSESSID=one&p=1"
    keep(tmp_path, page(SEED), page(visited, page_url=SEED, found_in="a", depth=1))
    explanation = explained(tmp_path, f"{SITE}/album?PHPSESSID=two&p=1")
    (entry,) = explanation.entries
    assert entry.url == visited
    assert entry.page is not None
    assert [step.url for step in entry.chain] == [SEED]


def test_a_saved_file_leads_to_its_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = garden(tmp_path / "crawl")
    monkeypatch.chdir(tmp_path)
    path = "images/garden.example/i/rose.png"
    for asked in (path, f"crawl/{path}", str(folder.absolute() / path)):
        explanation = explained(folder, asked)
        assert (explanation.how, explanation.url) == ("file", f"{SITE}/i/rose.png"), asked
        assert [entry.kind for entry in explanation.entries] == [TaskKind.IMAGE]


def test_a_file_of_an_earlier_visit_leads_to_its_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{SITE}/i/old.png"
    before = saved(tmp_path / "crawl", f"{SITE}/i/old~version.png", b"before")
    now = saved(tmp_path / "crawl", url, b"now", revisit=Revisit.CHANGED)
    folder = keep(
        tmp_path / "crawl",
        page(SEED),
        msgspec.structs.replace(before, url=url, final_url=url),
        refreshed=[now],
    )
    monkeypatch.chdir(tmp_path)
    for asked in (before.path, f"crawl/{before.path}", str(folder.absolute() / before.path)):
        explanation = explained(folder, asked)
        assert (explanation.how, explanation.url) == ("file", url), asked
        (entry,) = explanation.entries
        assert entry.image is not None
        assert entry.image.path == now.path
        assert [version.path for version in entry.earlier] == [before.path]


def test_the_end_of_a_redirect_leads_to_its_start(tmp_path: Path) -> None:
    keep(
        tmp_path,
        page(SEED),
        page(f"{SITE}/old", final_url=f"{SITE}/new", page_url=SEED, found_in="a", depth=1),
        saved(tmp_path, f"{SITE}/a.png", b"a", final_url=f"{SITE}/b.png", page_url=f"{SITE}/new"),
    )
    explanation = explained(tmp_path, f"{SITE}/b.png")
    assert explanation.how == "redirect"
    (entry,) = explanation.entries
    assert entry.url == f"{SITE}/a.png"
    assert [step.url for step in entry.chain] == [SEED, f"{SITE}/new"]
    assert [entry.url for entry in explained(tmp_path, f"{SITE}/new").entries] == [f"{SITE}/old"]


def test_a_url_can_be_a_page_and_an_image(tmp_path: Path) -> None:
    keep(
        tmp_path,
        page(SEED),
        saved(tmp_path, f"{SITE}/i", b"i"),
        page(f"{SITE}/i", page_url=SEED, found_in="a"),
    )
    kinds = [entry.kind for entry in explained(tmp_path, f"{SITE}/i").entries]
    assert kinds == [TaskKind.IMAGE, TaskKind.PAGE]


def test_a_task_that_waits_knows_where_it_was_found(tmp_path: Path) -> None:
    origin = Origin(page_url=SEED, found_in="srcset", alt="soon")
    keep(
        tmp_path,
        page(SEED),
        waiting=[NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/w.png", depth=3, origin=origin)],
    )
    (entry,) = explained(tmp_path, f"{SITE}/w.png").entries
    assert (entry.state, entry.image, entry.origin, entry.depth) == (TaskState.READY, None, origin, 3)
    assert [step.url for step in entry.chain] == [SEED]


def test_a_seed_has_no_way(tmp_path: Path) -> None:
    (entry,) = explained(garden(tmp_path), SEED).entries
    assert (entry.origin, entry.chain, entry.found_in) == (None, (), "")
    assert entry.page is not None


def test_pages_that_link_to_each_other_are_no_endless_way(tmp_path: Path) -> None:
    keep(
        tmp_path,
        page(f"{SITE}/a", page_url=f"{SITE}/b", found_in="a"),
        page(f"{SITE}/b", page_url=f"{SITE}/a", found_in="a"),
    )
    (entry,) = explained(tmp_path, f"{SITE}/a").entries
    assert [step.url for step in entry.chain] == [f"{SITE}/a", f"{SITE}/b"]


def again_on(url: str, *pages: str) -> list[NewTask]:
    origins = [Origin(page_url=page_url, found_in="img") for page_url in pages]
    return [NewTask(kind=TaskKind.IMAGE, url=url, depth=1, origin=origin) for origin in origins]


def test_other_pages_are_named_in_the_order_in_which_they_were_read(tmp_path: Path) -> None:
    logo, pages = f"{SITE}/logo.png", [f"{SITE}/{n}.html" for n in range(MAX_ALIASES + 5)]
    named = again_on(logo, SEED, *pages, *pages)
    keep(tmp_path, saved(tmp_path, logo, b"logo"), saved(tmp_path, f"{SITE}/a.png", b"a"), waiting=named)
    (entry,) = explained(tmp_path, "logo.png").entries
    assert entry.origin is not None
    assert entry.origin.page_url == SEED
    assert entry.other_pages == tuple(pages[:MAX_ALIASES])
    assert entry.other_pages_count == MAX_ALIASES + 5
    (other,) = explained(tmp_path, f"{SITE}/a.png").entries
    assert (other.other_pages, other.other_pages_count) == ((), 0)
    assert explained(of_schema(9, tmp_path), logo).entries[0].other_pages == ()


def test_an_image_that_waits_has_other_pages_as_well(tmp_path: Path) -> None:
    keep(tmp_path, page(SEED), waiting=again_on(f"{SITE}/w.png", SEED, f"{SITE}/2.html"))
    (entry,) = explained(tmp_path, "/w.png").entries
    assert (entry.state, entry.other_pages, entry.other_pages_count) == ("ready", (f"{SITE}/2.html",), 1)


def test_many_copies_are_counted_and_some_are_named(tmp_path: Path) -> None:
    copies = [saved(tmp_path, f"{SITE}/{n}.png", b"same") for n in range(MAX_ALIASES + 5)]
    keep(tmp_path, *copies)
    (entry,) = explained(tmp_path, f"{SITE}/0.png").entries
    assert entry.same_bytes_count == MAX_ALIASES + 4
    assert len(set(entry.same_bytes)) == MAX_ALIASES


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    folder = garden(tmp_path)
    (folder / "images/garden.example/i/fern.jpg").unlink()
    (entry,) = explained(folder, f"{SITE}/i/fern.jpg").entries
    assert not entry.file_exists


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (f"{SITE}/i/Rose.png", f"{SITE}/i/rose.png"),
        ("https://garden.example/i/rose.png", f"{SITE}/i/rose.png"),
        (f"{SITE}/i/fern.png", f"{SITE}/i/fern.jpg"),
        (f"{SITE}/plants/", f"{SITE}/plants.html"),
    ],
)
def test_an_unknown_url_brings_what_looks_like_it(tmp_path: Path, asked: str, expected: str) -> None:
    explanation = explained(garden(tmp_path), asked)
    assert not explanation.known
    assert explanation.similar[0] == expected


@pytest.mark.parametrize("asked", ["somewhere/else/rose.png", f"{SITE}/rose.png"])
def test_a_file_of_that_name_comes_first_however_far_it_lies(tmp_path: Path, asked: str) -> None:
    deep = f"{SITE}/wp-content/uploads/2024/05/a-very/long-way/from/the/root/rose.png"
    pages = [page(f"{SITE}/r{number}.png/rose", page_url=SITE) for number in range(20)]
    folder = keep(tmp_path, *pages, saved(tmp_path, deep, b"rose"))
    assert explained(folder, asked).similar[0] == deep


def test_a_file_is_found_by_its_own_name_too(tmp_path: Path) -> None:
    record = saved(tmp_path, f"{SITE}/image?id=7", b"rose", path="images/garden.example/image~7.png")
    folder = keep(tmp_path, record)
    assert explained(folder, f"{SITE}/image~7.png").similar == (record.url,)


def test_what_looks_like_nothing_known_brings_nothing(tmp_path: Path) -> None:
    explanation = explained(garden(tmp_path), "https://elsewhere.test/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")
    assert (explanation.known, explanation.similar) == (False, ())


def test_what_is_no_url_at_all_is_unknown_too(tmp_path: Path) -> None:
    keep(tmp_path)
    for asked in ("", "%", "mailto:me", "\0", "http://", "x" * 9000):
        assert not explained(tmp_path, asked).known or asked == "", asked


def test_limits_that_kept_urls_out_are_told_with_an_unknown_url(tmp_path: Path) -> None:
    waiting = [NewTask(kind=TaskKind.PAGE, url=f"{SITE}/{name}") for name in ("first", "second")]
    keep(tmp_path, waiting=waiting, max_pages=1)
    explanation = explained(tmp_path, f"{SITE}/second")
    assert not explanation.known
    assert sum(explanation.dropped.values()) == 1


def test_a_size_that_was_not_taken_says_which_one_was_and_why(tmp_path: Path) -> None:
    others = (
        Alternative(url=f"{SITE}/a/mid.png", found_in="srcset", rule="smaller"),
        Alternative(url=f"{SITE}/a/s.png", found_in="img", rule="placeholder"),
    )
    waiting = NewTask(
        kind=TaskKind.IMAGE,
        url=f"{SITE}/b/big.png",
        origin=Origin(
            page_url=SEED,
            found_in="a",
            alternatives=(Alternative(url=f"{SITE}/b/t.png", found_in="img", rule="thumbnail"),),
        ),
    )
    gone = msgspec.structs.replace(
        saved(tmp_path, f"{SITE}/a/big.png", b"x"),
        status=ImageStatus.FAILED,
        reason="not-found",
        path="",
        alternatives=others,
    )
    mid = saved(tmp_path, f"{SITE}/a/mid.png", b"y")
    keep(tmp_path, page(SEED), gone, mid, waiting=[waiting])

    small = explained(tmp_path, "/a/s.png")
    assert (small.how, small.rule) == ("size", "placeholder")
    assert [entry.url for entry in small.entries] == [f"{SITE}/a/big.png", f"{SITE}/a/mid.png"]
    thumbnail = explained(tmp_path, "/b/t.png")
    assert (thumbnail.how, thumbnail.rule) == ("size", "thumbnail")
    assert [entry.url for entry in thumbnail.entries] == [f"{SITE}/b/big.png"]
    assert explained(tmp_path, "/b/t.pn").how == "url"


def test_a_size_that_another_page_named_larger_says_which_one_was_taken(tmp_path: Path) -> None:
    keep(tmp_path, page(SEED), saved(tmp_path, f"{SITE}/a/600x400/rose.png", b"x"))
    small = explained(tmp_path, "/a/300x200/rose.png")
    assert (small.how, small.rule) == ("size", "smaller")
    assert [entry.url for entry in small.entries] == [f"{SITE}/a/600x400/rose.png"]
    assert not explained(tmp_path, "/a/900x600/rose.png").known, "no page has named it"


# --- the owner's side ---

ROBOTS = (
    b"User-agent: *\nCrawl-delay: 2\nDisallow: /i/\nAllow: /i/rose.png\n\nUser-agent: gardener\nDisallow: /\n"
)


def told(folder: Path, **file: object) -> None:
    """The host of the garden has been asked for its robots.txt."""
    ledger = Ledger(folder / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
    made: dict[str, object] = {"name": ROBOTS_TXT, "kept_s": 86400.0, **file}
    ledger.keep_host_file("w1", host=SITE, file=HostFile(**made))  # type: ignore[arg-type]
    ledger.close()


@pytest.mark.parametrize(
    ("path", "agent", "allowed", "line", "number"),
    [
        ("/i/rose.png", "image-crawler", True, "Allow: /i/rose.png", 4),
        ("/i/none.png", "image-crawler", False, "Disallow: /i/", 3),
        ("/never/heard/of.png", "image-crawler", True, "", 0),
        ("/i/rose.png", "gardener", False, "Disallow: /", 7),
    ],
)
def test_the_line_of_robots_txt_that_decides_is_told_of_any_url(
    tmp_path: Path, path: str, agent: str, *, allowed: bool, line: str, number: int
) -> None:
    folder = garden(tmp_path)
    told(folder, content=ROBOTS, http_status=200)
    with Catalog(folder) as catalog:
        robots = explain(catalog, SITE + path, agent=agent).robots_txt
    assert robots is not None
    assert (robots.allowed, robots.line, robots.number) == (allowed, line, number)
    assert robots.is_there
    if agent == "image-crawler":
        assert (robots.delay_s, robots.delay_line, robots.delay_number) == (2.0, "Crawl-delay: 2", 2)


def test_a_robots_txt_that_is_not_there_is_told(tmp_path: Path) -> None:
    folder = garden(tmp_path)
    assert explained(folder, f"{SITE}/i/rose.png").robots_txt is None, "nobody has asked"
    told(folder, http_status=404, kept_s=0.0)
    robots = explained(folder, f"{SITE}/i/rose.png").robots_txt
    assert robots is not None
    assert (robots.is_there, robots.http_status, robots.allowed) == (False, 404, True)
    told(folder, reason="robots-unavailable", detail="it was not to be had", http_status=503)
    robots = explained(folder, f"{SITE}/i/rose.png").robots_txt
    assert robots is not None
    assert (robots.reason, robots.http_status) == ("robots-unavailable", 503)
    assert explained(folder, "http://other.example/").robots_txt is None


def test_what_others_have_written_in_the_place_of_a_file_is_passed_over(tmp_path: Path) -> None:
    folder = garden(tmp_path)
    told(folder, content=ROBOTS)
    with closing(sqlite3.connect(folder / "crawl.db")) as db, db:
        for garbage in (b"", b"\xff" * 40, 7, "text"):
            db.execute("UPDATE host_files SET file = ?", (garbage,))
            db.commit()
            assert explained(folder, f"{SITE}/i/rose.png").robots_txt is None
