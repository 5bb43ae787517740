"""What is said of a crawl that has ended without an image, and of one that has not ended."""

from __future__ import annotations

import pytest

from crawler.cli import crawl_tables
from crawler.cli.report import print_summary
from crawler.models import Counts, Stats
from crawler.monitoring.guessed_sitemaps import without_guessed
from tests.unit.cli.test_report import summary

DONE = Counts(done=1)


@pytest.mark.parametrize(
    ("stats", "told", "colour"),
    [
        (
            Stats(drained=True, pages=DONE, page_status={"failed": 1}),
            "finished, but no page could be read; the books balance",
            "yellow",
        ),
        (
            Stats(drained=True, pages=DONE, page_status={"harvested": 1}),
            "finished, but no image was found; the books balance",
            "yellow",
        ),
        (
            Stats(
                drained=True,
                pages=DONE,
                page_status={"harvested": 1},
                images=DONE,
                image_status={"failed": 1},
            ),
            "finished, but no image was saved; the books balance",
            "yellow",
        ),
        (
            Stats(
                drained=True, pages=DONE, page_status={"harvested": 1}, images=DONE, image_status={"saved": 1}
            ),
            "finished, and the books balance",
            "green",
        ),
        (
            Stats(drained=True, images=DONE, image_status={"saved": 1}),
            "finished, and the books balance",
            "green",
        ),
        (
            Stats(images=Counts(ready=1), pages=Counts(ready=2)),
            "not finished: 1 image and 2 pages to go",
            "yellow",
        ),
    ],
)
def test_a_crawl_that_came_to_nothing_is_not_green(stats: Stats, told: str, colour: str) -> None:
    state = crawl_tables.state(stats)
    assert (state.plain, state.style) == (told, colour)


def test_sitemaps_that_were_guessed_are_no_pages_for_people() -> None:
    """A site of one page had "7 of 7 pages" in its panel, and "1 read" in its summary."""
    stats = without_guessed(
        Stats(
            pages=Counts(ready=1, done=8),
            page_status={"harvested": 1, "rejected": 6, "failed": 1},
            page_reasons={"no-sitemap": 6, "not-found": 1},
        )
    )
    assert (crawl_tables.settled(stats.pages), stats.pages.discovered) == (2, 3)
    assert stats.page_status == {"harvested": 1, "failed": 1}
    assert stats.page_reasons == {"not-found": 1}
    assert without_guessed(stats) == stats


def test_the_command_that_names_what_was_left_out_can_be_copied(capsys: pytest.CaptureFixture[str]) -> None:
    """It was "explain DIR SLUG": nobody who has not read the README knows what a slug is."""
    stats = Stats(
        drained=True, images=DONE, image_status={"saved": 1}, dropped={"max-depth": 3, "max-images": 1}
    )
    print_summary(summary(stats), as_json=False)
    assert "which: image-crawler explain data/example.org max-depth\n" in capsys.readouterr().out
