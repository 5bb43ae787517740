"""``crawler.crawl``: a whole crawl as one call, for programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Unpack

from crawler import errors
from crawler.api.iteration import Records
from crawler.api.progress import Progress
from crawler.config import Config, load
from crawler.config.keywords import Settings
from crawler.lists.reading import Images, ListRequest, gathered
from crawler.models import ImageRecord, Stats
from crawler.run.supervisor import Crawl
from crawler.text.plain_errors import quoted


def crawl(
    *seeds: str | Iterable[str],
    image_list: str | os.PathLike[str] | Images | None = None,
    output: str | os.PathLike[str] | None = None,
    fresh: bool = False,
    refresh: bool = False,
    config: Config | None = None,
    progress: bool | Callable[[Stats], object] = False,
    **settings: Unpack[Settings],
) -> Records:
    """Crawl from *seeds*, and yield a record for each image URL as it is settled, saved or not.

        for record in crawl("https://example.org/", output="pictures", max_depth=2):
            print(record.status, record.url)

    ``for`` and ``async for`` take the records alike. Leaving the loop, or closing the iterator, stops the crawl
    cleanly. Nothing happens before the first record is asked for.

    *seeds* are URLs, or lists of them. A seed without a scheme (``example.org``) is tried by https, then by http.
    *image_list* names images to save without visiting a page: a file of URLs (one a line; or CSV or JSON lines with
    columns such as ``url`` and ``caption``), or the URLs themselves, or ``{"url": …, "caption": …}`` for each.

    The crawl lives in the folder *output* (``data/<host>`` by default; see ``run.default_folder``). Records of an
    earlier, interrupted run are yielded first, then the crawl goes on. *fresh* starts over. *refresh* visits
    everything once more, and yields what has been visited since.

    *settings* are those of :mod:`crawler.config`, such as ``max_depth=2``; or *config* has them all. With
    ``max_time_s`` or ``max_bytes`` the records end at that limit, the log says so, and the same call goes on.

    *progress* is called with the state of the queue about once a second while a record is waited for, in the same
    thread (with ``async for`` in one of its own). True shows the progress in the notebook's cell, or on stderr.

    Raises UsageError for a bad seed, setting or folder at the first record; CrawlError at the end, when the crawl
    could not do its job.
    """
    if progress is True:
        progress = Progress()

    def records() -> Generator[ImageRecord]:
        if config is not None and settings:
            raise errors.ConfigError(f"give {', '.join(settings)} within config, or no config; not both")
        with (
            gathered(_list_request(image_list)) as lists,
            Crawl(
                _flat(seeds),
                lists=lists,
                folder=output,
                fresh=fresh,
                refresh=refresh,
                config=load(flags=settings) if config is None else config,
            ) as running,
        ):
            folder = running.folder.path.absolute()
            try:
                for record in running.records(told=progress or None):
                    if isinstance(record, ImageRecord) and (record.revisit or not refresh):
                        yield record.within(folder)
            except errors.LimitReached:
                running.close()
                if not running.summary().finished:
                    return
            running.close()
            running.check(running.summary())

    return Records(records())


def _list_request(image_list: str | os.PathLike[str] | Images | None) -> ListRequest:
    if isinstance(image_list, str | os.PathLike):
        return ListRequest(images=(Path(image_list),))
    return ListRequest(listed=image_list)


def _flat(seeds: Iterable[str | Iterable[str]]) -> tuple[str, ...]:
    """One after the other, whether they were given by themselves, in lists or by iterators."""
    flat: list[str] = []
    for given in seeds:
        several = given if isinstance(given, Iterable) and not isinstance(given, str | bytes) else (given,)
        for seed in several:
            if not isinstance(seed, str):
                raise errors.SeedError(
                    f"the seed {quoted(seed)} is of type {type(seed).__name__}; give URLs as str, or a list of such"
                )
            flat.append(seed)
    return tuple(flat)
