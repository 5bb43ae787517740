"""``crawl example.org`` just goes: by https, else by http; and the same command finds its crawl again."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

import crawler
from crawler.catalog import Catalog
from tests.e2e.running import image_crawler, records
from tests.support.sites import make_site, serving

QUIET = ("--downloaders", "1", "--no-sitemaps")


def seeds_of(folder: Path) -> tuple[str, ...]:
    with Catalog(folder) as catalog:
        return catalog.seeds()


def test_by_http_where_https_does_not_answer_and_the_crawl_goes_on_when_nobody_does(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=1, images_per_page=2)
    with serving(tmp_path / "site") as server:
        host = server.url.removeprefix("http://").rstrip("/")
        outcome = image_crawler("crawl", host, *QUIET, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert f"crawling {server.url}\n    by http: no answer by https (" in outcome.err
    folder = tmp_path / "data" / host.replace(":", "_")
    assert seeds_of(folder) == (server.url,)
    assert len(records(folder)) == 2
    again = image_crawler("crawl", host, *QUIET, folder=tmp_path)
    assert again.code == 0, again.err
    assert "by http" not in again.err
    assert seeds_of(folder) == (server.url,)


def test_two_parts_of_a_site_have_a_folder_each(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=1, images_per_page=1)
    make_site(tmp_path / "site" / "archive", pages=1, images_per_page=2, seed=2)
    with serving(tmp_path / "site") as server:
        whole = server.url.removeprefix("http://").rstrip("/").replace(":", "_")
        for seed in (server.url, f"{server.url}archive/", server.url):
            outcome = image_crawler("crawl", seed, *QUIET, folder=tmp_path)
            assert outcome.code == 0, outcome.err
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [whole, f"{whole}_archive"]


def test_nobody_answers_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = f"127.0.0.1:{taken.getsockname()[1]}"
    outcome = image_crawler("crawl", host, folder=tmp_path)
    assert outcome.code == 1
    assert f"{host} does not answer: " in outcome.error
    assert list(tmp_path.iterdir()) == []


def test_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_site(tmp_path / "site", pages=1, images_per_page=2)
    with serving(tmp_path / "site") as server:
        host = server.url.removeprefix("http://").rstrip("/")
        assert len(list(crawler.crawl(host, sitemaps=False))) == 2
    assert (tmp_path / "data" / host.replace(":", "_") / "crawl.db").is_file()
