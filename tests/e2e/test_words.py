"""What several pages say of one image is together in its record, and in what is exported of it."""

from __future__ import annotations

import csv
import os
import random
from io import StringIO
from pathlib import Path

import pytest

from tests.e2e.running import image_crawler, records
from tests.support.redisserver import RedisServer
from tests.support.sites import png, serving

FIRST = '<!DOCTYPE html><title>Our animals</title><img src="/dog.png" alt=""><a href="/dogs.html">dogs</a>'
SECOND = """<!DOCTYPE html><title>Dogs</title><h1>All our dogs</h1>
<figure><img src="/dog.png" alt="A dog in the grass"><figcaption>Rex in May</figcaption></figure>"""
THIRD = '<!DOCTYPE html><title>Rex</title><img src="/dog.png" alt="Rex" title="Rex, of course">'
FEW = ("--quiet", "--downloaders", "1")


@pytest.fixture(name="site")
def a_site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    (site / "dog.png").write_bytes(png(random.Random(1)))
    (site / "index.html").write_text(FIRST)
    (site / "dogs.html").write_text(SECOND)
    for path in (
        site.iterdir()
    ):  # what is written over within the same second has not changed, for all that HTTP tells
        os.utime(path, (10**9, 10**9))
    return site


def test_an_image_without_words_gets_those_of_later_pages(site: Path, tmp_path: Path) -> None:
    with serving(site) as server:
        crawl = ("crawl", server.url, "-o", "crawl", *FEW)
        assert image_crawler(*crawl, folder=tmp_path).code == 0
        (record,) = records(tmp_path / "crawl").values()
        assert (record.alt, record.title, record.caption) == ("A dog in the grass", "", "Rex in May")
        assert (record.page_url, record.page_title) == (server.url, "Our animals"), (
            "these stay the first page's"
        )
        (site / "rex.html").write_text(THIRD)
        (site / "dogs.html").write_text(SECOND + '<a href="/rex.html">Rex</a>')
        assert image_crawler(*crawl, "--refresh", folder=tmp_path).code == 0
        exported = image_crawler("export", "crawl", "--format", "csv", folder=tmp_path)
    (row,) = csv.DictReader(StringIO(exported.out))
    assert (row["alt"], row["title"], row["caption"]) == (
        "A dog in the grass",
        "Rex, of course",
        "Rex in May",
    )
    assert row["page_title"] == "Our animals"


def test_with_the_queue_in_redis_as_well(site: Path, tmp_path: Path, redis_server: RedisServer) -> None:
    with serving(site) as server:
        crawl = ("crawl", server.url, "-o", "crawl", *FEW, "--queue", f"{redis_server.url}#words")
        assert image_crawler(*crawl, folder=tmp_path).code == 0
    (record,) = records(tmp_path / "crawl").values()
    assert (record.alt, record.title, record.caption) == ("A dog in the grass", "", "Rex in May")
    assert (record.page_url, record.page_title) == (server.url, "Our animals")
