"""What a user is told of a crawl that is run again: what its new settings mean, or that it has finished."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from crawler.catalog.database import Catalog
from crawler.catalog.summary import read_stats
from crawler.config import Config, settings_of
from crawler.config.changes import SettingChanges, changes_between, told
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import CrawlerError, NoSitemap
from crawler.models import Run


def runs_in(folder: CrawlFolder) -> tuple[Run, ...]:
    """The runs that crawl.db has; none if there is no crawl.db that can be read."""
    if folder.holds_a_crawl:
        with suppress(CrawlerError), Catalog(folder.path) as catalog:
            return catalog.runs()
    return ()


def changes_since(runs: Sequence[Run], config: Config) -> SettingChanges:
    """The changes from the settings of the last of *runs* to *config*; none if there was no run."""
    return changes_between(runs[-1].settings, settings_of(config)) if runs else SettingChanges()


def of_finished(folder: CrawlFolder, runs: Sequence[Run], config: Config) -> str:
    """The note that the crawl in *folder* has nothing left to do with *config*; *runs* are its earlier runs."""
    with Catalog(folder.path) as catalog:
        stats = read_stats(catalog)
    when = next((f" {in_local_time(run.ended_at)}" for run in reversed(runs) if run.ended_at), "")
    lets_in = changes_since(runs, config).lets_in
    more = f", and {told(lets_in)} lets nothing more in" if lets_in else ""
    guessed = stats.page_reasons.get(NoSitemap.reason, 0)  # which no page names
    count = stats.pages.discovered + stats.images.discovered + stats.renders.discovered - guessed
    return (
        f"this crawl finished{when}: nothing is left to be asked for{more}. With --refresh all of its {count:,} URLs"
        " are visited once more: what is new, what has changed, what is gone?"
    )


def in_local_time(moment: str) -> str:
    """*moment* (UTC, ISO 8601) in local time, for people; any other text as it is."""
    try:
        return f"on {datetime.fromisoformat(moment).astimezone():%d %b %Y at %H:%M}"
    except ValueError:
        return moment
