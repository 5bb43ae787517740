"""Transports for harvesting without a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crawler.errors import NotFound
from crawler.harvest.encoding import decoded, encoding_of_html
from crawler.http import Fetched


class NoTransport:
    """Fails the test that fetches."""

    def fetch(self, url: str, **options: Any) -> Fetched:
        raise AssertionError(f"nothing was to be fetched, but {url} was")

    def close(self) -> None:
        pass


class Site:
    """A site in memory: what is asked for is noted, what is not there is NotFound."""

    def __init__(self, answers: Mapping[str, Fetched | Exception]) -> None:
        self._answers = answers
        self.requests: list[dict[str, object]] = []

    def fetch(self, url: str, **options: Any) -> Fetched:
        self.requests.append({"url": url, **options})
        if (check := options.get("check")) is not None:
            check(url)
        answer = self._answers.get(url, NotFound("404 Not Found", http_status=404))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


def answer(
    url: str, content: bytes | str, content_type: str = "text/html", *, final_url: str = ""
) -> Fetched:
    return Fetched(
        url=url,
        final_url=final_url or url,
        http_status=200,
        headers={"content-type": content_type} if content_type else {},
        content=content.encode() if isinstance(content, str) else content,
    )


def decode_html(content: bytes, content_type: str = "") -> str:
    """The text of an HTML document; *content_type* is the whole header."""
    return decoded(content, encoding_of_html(content, content_type))
