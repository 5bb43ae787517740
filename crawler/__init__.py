"""image-crawler as a library: find every image of a web site, save it, and know what became of each.

    import crawler

    for record in crawler.crawl("https://example.org/", output="pictures", max_depth=2):
        if record.status == "saved":
            print(record.file, record.width_px, record.height_px, record.alt)
        else:
            print(record.url, record.reason)

The public names; ``help(crawler.crawl)`` and the like tell more of each than the long list below:

    crawl          crawls, and yields a record for each image URL, for ``for`` and ``async for``: a Records
    Settings       what may be given to it by name, and what values these take
    Catalog        the records of a crawl's folder, while it runs or later
    ImageRecord    what became of an image URL: its file, where it was found, what its page says of it, or why not;
                   ImageStatus says which of these
    PageRecord     the same of a page; PageStatus        RenderRecord   of one in a browser; RenderStatus
    Crawl          a crawl under your own control, with its state as it goes: Stats
    load_config    a Config: settings of a file, of the environment, by name
    CrawlerError   all errors: UsageError, what was asked for won't do; CrawlError, the crawl could not do its job

Each is imported when it is first asked for, so that ``import crawler`` costs next to nothing: every process of a crawl
does it, and needs only its own part.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crawler.api.crawl import crawl as crawl
    from crawler.api.iteration import Records as Records
    from crawler.catalog import Catalog as Catalog
    from crawler.config import Config as Config
    from crawler.config import load as load_config
    from crawler.config.keywords import Settings as Settings
    from crawler.errors import CrawlerError as CrawlerError
    from crawler.errors import CrawlError as CrawlError
    from crawler.errors import UsageError as UsageError
    from crawler.models import ImageRecord as ImageRecord
    from crawler.models import ImageStatus as ImageStatus
    from crawler.models import PageRecord as PageRecord
    from crawler.models import PageStatus as PageStatus
    from crawler.models import RenderRecord as RenderRecord
    from crawler.models import RenderStatus as RenderStatus
    from crawler.models import Stats as Stats
    from crawler.run.supervisor import Crawl as Crawl

__version__ = "0.1.0"

__all__ = [
    "Catalog",
    "Config",
    "Crawl",
    "CrawlError",
    "CrawlerError",
    "ImageRecord",
    "ImageStatus",
    "PageRecord",
    "PageStatus",
    "Records",
    "RenderRecord",
    "RenderStatus",
    "Settings",
    "Stats",
    "UsageError",
    "__version__",
    "crawl",
    "load_config",
]

_HOMES = {
    "Catalog": "crawler.catalog:Catalog",
    "Config": "crawler.config:Config",
    "Crawl": "crawler.run.supervisor:Crawl",
    "CrawlError": "crawler.errors:CrawlError",
    "CrawlerError": "crawler.errors:CrawlerError",
    "ImageRecord": "crawler.models:ImageRecord",
    "ImageStatus": "crawler.models:ImageStatus",
    "PageRecord": "crawler.models:PageRecord",
    "PageStatus": "crawler.models:PageStatus",
    "Records": "crawler.api.iteration:Records",
    "RenderRecord": "crawler.models:RenderRecord",
    "RenderStatus": "crawler.models:RenderStatus",
    "Settings": "crawler.config.keywords:Settings",
    "Stats": "crawler.models:Stats",
    "UsageError": "crawler.errors:UsageError",
    "crawl": "crawler.api.crawl:crawl",
    "load_config": "crawler.config:load",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = home.partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
