"""What a crawl's folder says of it: its seeds and runs, whether it has finished, and whether it could do its job."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from crawler import errors
from crawler.catalog.database import Catalog
from crawler.catalog.summary import Summary, read_stats
from crawler.config import Config, settings_of
from crawler.config.changes import SettingChanges, changes_between, told
from crawler.crawlfile.layout import CrawlFolder
from crawler.models import ImageStatus, PageRecord, PageStatus, Revisit, Run
from crawler.monitoring.guessed_sitemaps import without_guessed
from crawler.seeds import Seed, whole

_NOT_REACHED = (Revisit.GONE, Revisit.FAILED)


def known_seeds(folder: CrawlFolder) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The seeds of the crawl in *folder*, and the names of its lists; neither if no crawl can be read there."""
    if folder.holds_a_crawl:
        with suppress(errors.CrawlerError), Catalog(folder.path) as catalog:
            return tuple(catalog.seeds()), tuple(Path(name).name for name in catalog.lists())
    return (), ()


def runs_in(folder: CrawlFolder) -> tuple[Run, ...]:
    """The runs that crawl.db has; none if there is no crawl.db that can be read."""
    if folder.holds_a_crawl:
        with suppress(errors.CrawlerError), Catalog(folder.path) as catalog:
            return catalog.runs()
    return ()


def changes_since(runs: Sequence[Run], config: Config) -> SettingChanges:
    """The changes from the settings of the last of *runs* to *config*; none if there was no run."""
    return changes_between(runs[-1].settings, settings_of(config)) if runs else SettingChanges()


def seeds_to_go_on(folder: Path | None) -> tuple[Seed, ...]:
    """The seeds of the crawl in *folder*, which goes on. Raises SeedError if there is none."""
    if folder is not None and CrawlFolder(folder).holds_a_crawl:
        with Catalog(folder) as catalog:
            seeds = catalog.seeds()
            if seeds or catalog.lists():
                return tuple(map(whole, seeds))
    raise errors.SeedError(
        "a crawl needs something to begin with: a URL, -i FILE or --image-list FILE; or -o DIR of a crawl, to go"
        " on with that"
    )


def failure(folder: CrawlFolder, summary: Summary, *, has_seeds: bool) -> errors.CrawlError | None:
    """Why the crawl in *folder*, now at its end, could not do its job; None if it could."""
    with Catalog(folder.path) as catalog:
        seeds = list(catalog.where(PageRecord, "depth = 0 AND page_url = ''"))
    details = "; ".join(record.detail for record in seeds) or "no seed was visited"
    stats = summary.stats
    if has_seeds and not stats.page_status.get(PageStatus.HARVESTED):
        return errors.SeedUnreachable(f"nothing to start from: {details}")
    if seeds and all(record.revisit in _NOT_REACHED for record in seeds):
        return errors.SeedUnreachable(f"nothing to refresh: {details}; what was saved before is as it was")
    kept = sum(stats.image_status.get(status, 0) for status in (ImageStatus.SAVED, ImageStatus.DUPLICATE))
    if (discovered := stats.images.discovered) and not kept:
        none = "the only image could not" if discovered == 1 else f"none of {discovered:,} images could"
        return errors.CrawlError(f"{none} be saved; image-crawler inspect {folder.path} --failures says why")
    return None


def of_finished(folder: CrawlFolder, runs: Sequence[Run], config: Config) -> str:
    """The note that the crawl in *folder* has nothing left to do with *config*; *runs* are its earlier runs."""
    with Catalog(folder.path) as catalog:
        stats = without_guessed(read_stats(catalog))
    when = next((f" {_in_local_time(run.ended_at)}" for run in reversed(runs) if run.ended_at), "")
    lets_in = changes_since(runs, config).lets_in
    more = f", and {told(lets_in)} lets nothing more in" if lets_in else ""
    count = stats.pages.discovered + stats.images.discovered + stats.renders.discovered
    return (
        f"this crawl finished{when}: nothing is left to be asked for{more}. With --refresh all of its {count:,} URLs"
        " are visited once more: what is new, what has changed, what is gone?"
    )


def _in_local_time(moment: str) -> str:
    """*moment* (UTC, ISO 8601) in local time, for people; any other text as it is."""
    try:
        return f"on {datetime.fromisoformat(moment).astimezone():%d %b %Y at %H:%M}"
    except ValueError:
        return moment
