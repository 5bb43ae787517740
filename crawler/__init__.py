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

Each is imported when it is first used: every process of a crawl imports this package, and needs only its own part.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = (
    False  # typing is not imported, which takes as long as all else here: Ctrl-C in it was a traceback
)
if TYPE_CHECKING:
    from typing import Any

    from crawler.api.crawl import crawl
    from crawler.api.iteration import Records
    from crawler.catalog import Catalog
    from crawler.config import Config
    from crawler.config import load as load_config
    from crawler.config.keywords import Settings
    from crawler.errors import CrawlerError, CrawlError, UsageError
    from crawler.models import (
        ImageRecord,
        ImageStatus,
        PageRecord,
        PageStatus,
        RenderRecord,
        RenderStatus,
        Stats,
    )
    from crawler.run.supervisor import Crawl

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
    "Catalog": "catalog",
    "Config": "config",
    "Crawl": "run.supervisor",
    "Records": "api.iteration",
    "Settings": "config.keywords",
    "crawl": "api.crawl",
    "load_config": "config",
    **dict.fromkeys(("CrawlError", "CrawlerError", "UsageError"), "errors"),
}
"""The modules of names that are not in ``models``."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"crawler.{_HOMES.get(name, 'models')}")
    return getattr(module, "load" if name == "load_config" else name)


def __dir__() -> list[str]:
    return sorted(__all__)
