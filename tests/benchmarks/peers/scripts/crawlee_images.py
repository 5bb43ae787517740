"""``python crawlee_images.py URL FOLDER CONNECTIONS``, in an environment with crawlee[parsel]."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sys
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

from crawlee import ConcurrencySettings
from crawlee.crawlers import ParselCrawler, ParselCrawlingContext
from crawlee.http_clients import ImpitHttpClient
from crawlee.storage_clients import MemoryStorageClient

IMAGES = (
    "img::attr(src), source::attr(srcset), input[type=image]::attr(src), object::attr(data), embed::attr(src),"
    " link[rel~=icon]::attr(href)"
)
SUFFIXES = {".avif", ".bmp", ".gif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".webp"}


async def main() -> None:
    start, target, connections = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    seen: set[str] = set()
    crawler = ParselCrawler(
        concurrency_settings=ConcurrencySettings(
            min_concurrency=connections, desired_concurrency=connections, max_concurrency=connections
        ),
        http_client=ImpitHttpClient(verify=False),
        storage_client=MemoryStorageClient(),
        configure_logging=False,
        max_requests_per_crawl=None,
    )

    @crawler.router.default_handler
    async def page(context: ParselCrawlingContext) -> None:
        base = context.request.loaded_url or context.request.url
        references = context.selector.css(IMAGES).getall() + [
            href for href in context.selector.css("a::attr(href)").getall() if suffix(href) in SUFFIXES
        ]
        new = {urljoin(base, reference.split()[0]) for reference in references if reference.strip()} - seen
        seen.update(new)
        await asyncio.gather(
            context.enqueue_links(selector="a, frame, iframe", transform_request_function=page_only),
            *(save(context, url) for url in new if url.startswith(start)),
        )

    async def save(context: ParselCrawlingContext, url: str) -> None:
        response = await context.send_request(url)
        data = await response.read()
        (target / (hashlib.sha1(url.encode()).hexdigest() + suffix(url))).write_bytes(data)

    logging.disable(logging.WARNING)
    await crawler.run([start])


def page_only(options: dict[str, object]) -> object:
    return "skip" if suffix(str(options["url"])) in SUFFIXES else "unchanged"


def suffix(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).suffix.lower()


if __name__ == "__main__":
    asyncio.run(main())
