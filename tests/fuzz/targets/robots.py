"""robots.txt: whatever is in it, it says yes or no to every URL, by a line that is there, and a delay within bounds."""

from __future__ import annotations

from crawler.harvest.sitemap import sitemap_tasks
from crawler.http.robots import product_token
from crawler.http.robots_file import MAX_DELAY_S, MAX_QUOTED_CHARS, RobotsFile
from crawler.urls import canonical

_URLS = (
    "https://example.org/",
    "https://example.org/a/b.png?x=1&y=%20",
    "http://example.org/%E6%B8%A9/..",
    "http://e.x/*$",
)


def fuzz(data: bytes) -> None:
    rules = RobotsFile(data, agent="image-crawler")
    lines = data.count(b"\n") + data.count(b"\r") + 1
    assert 0 <= rules.delay_s <= MAX_DELAY_S
    for url in _URLS:
        verdict = rules.verdict(url)
        assert verdict.allowed or verdict.number > 0
        assert bool(verdict.line) is bool(verdict.number)
        assert len(verdict.line) <= MAX_QUOTED_CHARS
        assert verdict.number <= lines
        assert verdict == RobotsFile(data, agent="image-crawler").verdict(url)
        for stated in rules.statements(url):
            assert 0 < stated.number <= lines
            assert stated.line
    for task in sitemap_tasks(rules.sitemaps, page_url="https://example.org/"):
        assert canonical(task.url) == task.url
    token = product_token(data.decode("latin-1"))
    assert token
    assert token == token.lower()
