"""``python scrapy_images.py URL FOLDER CONNECTIONS PIPELINE``, in an environment with scrapy and pillow."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response, TextResponse
from scrapy.linkextractors import LinkExtractor

IMAGES = (
    "img::attr(src), source::attr(srcset), input[type=image]::attr(src), object::attr(data), embed::attr(src),"
    " link[rel~=icon]::attr(href)"
)
SUFFIXES = {".avif", ".bmp", ".gif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".webp"}


class Images(scrapy.Spider):
    name = "images"
    links = LinkExtractor(
        tags=("a", "area", "frame", "iframe"),
        attrs=("href", "src"),
        deny_extensions=sorted(s[1:] for s in SUFFIXES),
    )

    def __init__(self, start: str, field: str) -> None:
        super().__init__()
        self.start_urls = [start]
        self.allowed_domains = [urlsplit(start).hostname]
        self.site, self.field = start, field
        self.seen: set[str] = set()

    def parse(self, response: Response, **_: Any) -> Iterator[Any]:
        if not isinstance(response, TextResponse):
            return
        references = response.css(IMAGES).getall() + [
            href for href in response.css("a::attr(href)").getall() if suffix(href) in SUFFIXES
        ]
        new = {response.urljoin(each.split()[0]) for each in references if each.strip()} - self.seen
        self.seen |= new
        yield {self.field: [url for url in new if url.startswith(self.site)]}
        for link in self.links.extract_links(response):
            yield response.follow(link)


def suffix(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).suffix.lower()


def main() -> None:
    start, folder, connections, pipeline = sys.argv[1:]
    field = "image_urls" if pipeline == "ImagesPipeline" else "file_urls"
    process = CrawlerProcess(
        {
            "ITEM_PIPELINES": {f"scrapy.pipelines.{field.partition('_')[0]}s.{pipeline}": 1},
            "IMAGES_STORE": folder,
            "FILES_STORE": folder,
            "CONCURRENT_REQUESTS": int(connections),
            "CONCURRENT_REQUESTS_PER_DOMAIN": int(connections),
            "CONCURRENT_ITEMS": 200,
            "DOWNLOAD_DELAY": 0,
            "ROBOTSTXT_OBEY": False,
            "COOKIES_ENABLED": False,
            "TELNETCONSOLE_ENABLED": False,
            "LOG_LEVEL": "CRITICAL",
        }
    )
    process.crawl(Images, start=start, field=field)
    process.start()


if __name__ == "__main__":
    main()
