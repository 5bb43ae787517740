"""What a crawl's folder says of it: the seeds that it has, and whether it could do its job."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from crawler import errors
from crawler.catalog.database import Catalog
from crawler.catalog.summary import Summary
from crawler.crawlfile.layout import CrawlFolder
from crawler.models import ImageStatus, PageRecord, PageStatus, Revisit
from crawler.seeds import Seed, whole

_NOT_REACHED = (Revisit.GONE, Revisit.FAILED)


def known_seeds(folder: CrawlFolder) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The seeds of the crawl in *folder*, and the names of its lists; neither if no crawl can be read there."""
    if folder.holds_a_crawl:
        with suppress(errors.CrawlerError), Catalog(folder.path) as catalog:
            return tuple(catalog.seeds()), tuple(Path(name).name for name in catalog.lists())
    return (), ()


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
