"""What a crawl says at its end."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from crawler.catalog.summary import Summary
from crawler.cli.output import Screen, link_to
from crawler.cli.report import CrawlCourse, headline, print_summary, why_nothing
from crawler.models import RENDERINGS, Counts, Stats

FINISHED = Stats(
    pages=Counts(done=691),
    images=Counts(done=1967),
    page_status={"harvested": 685, "rejected": 6},
    page_reasons={"no-sitemap": 6},
    image_status={"saved": 1959, "duplicate": 6, "failed": 2},
    image_reasons={"not-found": 2},
    saved_bytes=48_863_642,
    drained=True,
)
EMPTY = Stats(pages=Counts(done=1), page_status={"harvested": 1}, drained=True)
RUN = CrawlCourse(elapsed_s=41.3, saved_before=0)


def summary(stats: Stats = FINISHED, **facts: object) -> Summary:
    usual: dict[str, object] = {
        "folder": "data/example.org", "seeds": ("https://example.org/",), "finished": stats.drained,
        "balanced": stats.balanced, "stats": stats, "formats": (), "hosts": (), "slowest": (), "host_count": 1,
        "files": sum(stats.image_status.values()), "files_bytes": 0, "elsewhere": (), "renderings": {},
        "revisits": {}, "started_at": "", "finished_at": "",
    }  # fmt: skip
    return Summary(**{**usual, **facts})  # type: ignore[arg-type]


def printed(
    capsys: pytest.CaptureFixture[str],
    one: Summary,
    course: CrawlCourse | None = RUN,
    *,
    failed: bool = False,
) -> list[str]:
    print_summary(one, as_json=False, course=course, failed=failed)
    lines = capsys.readouterr().out.splitlines()
    assert lines.pop(0) == ""
    return lines


def test_it_says_what_came_of_it_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, summary()) == [
        "1,959 images, 46.6 MiB in 42 s (47/s)",
        "pages      685 read",
        "same       6 more URLs gave bytes that were saved already",
        "not saved  2: 2 not-found",
        "           why: image-crawler inspect data/example.org --failures",
        "state      finished, and the books balance: 1,967 image URLs = 1,959 saved + 6 duplicate + 2 failed",
        f"files      {Path('data/example.org/images')}",
        "see them   image-crawler gallery data/example.org --open",
    ]


def test_of_a_crawl_without_a_flaw_there_is_little_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    clean = Stats(
        pages=Counts(done=2),
        images=Counts(done=1),
        page_status={"harvested": 1, "rejected": 1},
        page_reasons={"no-sitemap": 1},
        image_status={"saved": 1},
        saved_bytes=2000,
        drained=True,
    )
    assert printed(capsys, summary(clean), CrawlCourse(elapsed_s=2.44, saved_before=0)) == [
        "1 image, 2.0 KiB in 2.4 s (0.41/s)",
        "pages  1 read",
        "state  finished, and the books balance",
        f"files     {Path('data/example.org/images')}",
        "see them  image-crawler gallery data/example.org --open",
    ]


@pytest.mark.parametrize("stats", [FINISHED, EMPTY])
def test_what_is_nothing_is_not_told(capsys: pytest.CaptureFixture[str], stats: Stats) -> None:
    text = "\n".join(printed(capsys, summary(stats)))
    assert " 0 " not in f" {text} "
    assert "sitemap" not in text


def test_what_an_earlier_run_had_saved_is_not_this_ones() -> None:
    assert headline(summary(), CrawlCourse(elapsed_s=20.0, saved_before=1059)).plain == (
        "1,959 images, 46.6 MiB; 900 of them in 20 s (45/s)"
    )
    assert (
        headline(summary(), CrawlCourse(elapsed_s=1.0, saved_before=1959)).plain == "1,959 images, 46.6 MiB"
    )


def test_a_crawl_that_is_not_finished_says_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    stats = msgspec.structs.replace(FINISHED, images=Counts(ready=40, done=1967), drained=False)
    lines = printed(capsys, summary(stats))
    assert "state      not finished: 40 images to go" in lines
    assert "green" not in str(headline(summary(stats), RUN).style)
    early = Stats(pages=Counts(ready=1, done=2), images=Counts(ready=25), page_status={"harvested": 2})
    assert headline(summary(early), RUN).plain == "no image so far"


@pytest.mark.parametrize(
    "stats",
    [
        Stats(pages=Counts(done=1), page_status={"failed": 1}, page_reasons={"not-found": 1}, drained=True),
        msgspec.structs.replace(FINISHED, image_status={"failed": 1967}, saved_bytes=0),
    ],
)
def test_a_failed_crawl_has_no_good_word(capsys: pytest.CaptureFixture[str], stats: Stats) -> None:
    """It printed its books, a green "finished, and the books balance", and then the error."""
    lines = printed(capsys, summary(stats, files=0), failed=True)
    assert lines[0] == "no image was saved"
    assert not any("finished" in line or "balance" in line for line in lines)
    assert "red" in str(headline(summary(stats), RUN, failed=True).style)
    assert "green" not in str(headline(summary(), RUN, failed=True).style), (
        "nor if there are images of before"
    )


# --- nothing found ---


def test_that_no_image_was_found_is_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, summary(EMPTY)) == [
        "no image was found",
        "pages  1 read",
        "why    the page names none",
    ]


@pytest.mark.parametrize(
    ("facts", "renderings", "words"),
    [
        ({}, {"no-browser": 1},
         ("the page has scripts, which may make its pictures", "install Chromium", "the same command again")),
        ({}, {"never": 1}, ("the page has scripts", "the same command with --render auto")),
        ({"page_status": {"harvested": 9}}, {"no-browser": 7, "static": 2},
         ("7 of the 9 pages have scripts, which may make their pictures", "install Chromium")),
        ({"render_status": {"rendered": 1}}, {"queued": 1},
         ("the page shows none, though it was opened in a browser", "the same command with --script-urls")),
        ({}, {"static": 1}, ("the page names none",)),
    ],
)  # fmt: skip
def test_when_scripts_may_make_the_pictures_it_says_so_and_what_to_do(
    facts: dict[str, object], renderings: dict[str, int], words: tuple[str, ...]
) -> None:
    assert set(renderings) <= set(RENDERINGS)
    told = why_nothing(summary(msgspec.structs.replace(EMPTY, **facts), renderings=renderings))
    for word in words:
        assert word in told


def test_a_page_that_waits_for_a_browser_is_told_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    refused = msgspec.structs.replace(
        EMPTY,
        renders=Counts(done=1),
        render_status={"rejected": 1},
        render_reasons={"no-browser": 1},
    )
    text = "\n".join(printed(capsys, summary(refused, renderings={"queued": 1})))
    assert text.count("install Chromium") == 1
    assert "then say the same command again" in text


# --- the folder ---


def drawn(monkeypatch: pytest.MonkeyPatch, folder: Path, term: str) -> str:
    monkeypatch.setenv("TERM", term)
    file = io.StringIO()
    file.isatty = lambda: True  # type: ignore[method-assign]
    out = Screen(file)
    out.print(link_to(out, folder))
    return file.getvalue()


def test_the_folder_is_a_link_where_terminals_know_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a\x1b[2J b"
    text = drawn(monkeypatch, folder, "xterm-256color")
    assert "\x1b]8;id=" in text
    assert "/a%1B%5B2J%20b\x1b\\" in text
    assert "\x1b[2J" not in text
    for term in ("linux", "dumb"):
        assert "\x1b]8" not in drawn(monkeypatch, folder, term)


def test_it_leads_to_the_gallery_that_has_all_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a crawl"
    made = folder / "gallery" / "data" / "meta.js"
    made.parent.mkdir(parents=True)
    command = f"see them   image-crawler gallery '{folder}' --open"

    def last(**facts: object) -> str:
        facts = {"folder": str(folder), "finished_at": "2026-03-02T10:00:00.5Z", **facts}
        return printed(capsys, summary(**facts))[-1]  # type: ignore[arg-type]

    assert last() == command
    made.write_text("")
    assert last() == command, "it was never finished, or has been removed"
    page = folder / "gallery" / "index.html"
    page.write_text("")
    later_s = datetime(2026, 3, 2, 10, 0, 1, tzinfo=UTC).timestamp()
    os.utime(made, (later_s, later_s))
    assert last() == f"see them   {page}"
    os.utime(made, (later_s - 60, later_s - 60))
    assert last() == command, "there are newer images"
    os.utime(made, (later_s, later_s))
    assert last(finished=False) == command, "there will be"
    assert last(files=0) != command, "there is none to see"
