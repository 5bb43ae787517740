"""robots.txt: whatever is in it, it says yes or no to every URL, and a delay within bounds."""

from __future__ import annotations

from crawler.harvest.sitemap import sitemap_tasks
from crawler.urls import canonical
from crawler.web.robots import MAX_DELAY_S, Rules, product_token

_URLS = (
    "https://example.org/",
    "https://example.org/a/b.png?x=1&y=%20",
    "http://example.org/%E6%B8%A9/..",
    "http://e.x/*$",
)


def fuzz(data: bytes) -> None:
    rules = Rules(data, agent="image-crawler")
    assert 0 <= rules.delay_s <= MAX_DELAY_S
    for url in _URLS:
        assert rules.allows(url) in (True, False)
        assert rules.allows(url) == Rules(data, agent="image-crawler").allows(url)
    for task in sitemap_tasks(rules.sitemaps, page_url="https://example.org/"):
        assert canonical(task.url) == task.url
    token = product_token(data.decode("latin-1"))
    assert token
    assert token == token.lower()
