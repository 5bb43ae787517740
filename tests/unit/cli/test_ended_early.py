"""What is said of a run that has ended before its crawl: once on a terminal, and by each stream that goes elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from crawler.catalog.summary import Summary
from crawler.cli.crawl_run import run
from crawler.config import Config, MonitoringConfig
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import LimitReached
from crawler.models import Counts, Stats
from crawler.run.monitor import Monitor
from tests.support.crawls import garden
from tests.unit.cli.test_report import summary

LIMIT = "--max-time 3 s is reached"


class Limited:
    """A crawl whose run has had its time."""

    begins_with = ("http://a.example/",)
    had_finished = False
    public = queue = None
    monitor = Monitor(MonitoringConfig(), watches=True)
    invitation = "crawl"
    notes = by_http = ()
    config = Config()
    downloads = True

    def __init__(self, folder: Path) -> None:
        self.folder = CrawlFolder(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

    def watch(self) -> Iterator[Stats]:
        raise LimitReached(LIMIT)
        yield

    def summary(self) -> Summary:
        return summary(Stats(pages=Counts(ready=1)), stopped=LIMIT)


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("is_one_terminal", [True, False])
def test_the_limit_is_named_once_where_both_streams_are_one_terminal(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_one_terminal: bool,
    as_json: bool,
) -> None:
    monkeypatch.setattr("crawler.cli.crawl_run.is_one_terminal", lambda: is_one_terminal)
    crawl = Limited(garden(tmp_path / "crawl"))
    assert run(crawl, as_json=as_json, quiet=True, again=["again"]) == LimitReached.exit_code  # type: ignore[arg-type]
    told = capsys.readouterr()
    assert LIMIT in told.out
    is_said_again = as_json or not is_one_terminal
    assert told.err.endswith(
        f"{LIMIT}; nothing is lost. To go on: again\n" if is_said_again else "To go on: again\n"
    )
    assert (LIMIT in told.err) is is_said_again
