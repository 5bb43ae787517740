"""The pairs of tests/cases: a document, and beside it a .json file with what is to be found on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from crawler.config import load
from crawler.harvest.documents import DocumentReader
from crawler.harvest.harvest import Harvest
from crawler.models import NewTask, Origin, Task, TaskKind
from crawler.scope import Scope
from tests.support.harvesting import answer

CASES = Path(__file__).parents[1] / "cases"
URL = "https://example.org/dir/page.html"
"""Of a document whose case tells no other ``url``."""
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".xml": "text/xml",
    ".xhtml": "application/xhtml+xml",
    ".webmanifest": "",
    ".txt": "text/plain",
    ".feed": "",
}


class Case(NamedTuple):
    name: str
    """Its path below tests/cases, without suffix."""
    document: Path
    told: dict[str, Any]

    @property
    def url(self) -> str:
        url: str = self.told.get("url", URL)
        return url

    def harvest(self, **settings: object) -> Harvest:
        """What is found on it, with the case's own settings and *settings*."""
        return read(
            self.url,
            self.document.read_bytes(),
            _TYPES[self.document.suffix],
            found_in=self.told.get("as", ""),
            **self.told.get("settings", {}),
            **settings,
        )


def read(
    url: str, content: bytes, content_type: str, *, found_in: str = "", depth: int = 0, **settings: object
) -> Harvest:
    """What a crawl finds in a document, of which *found_in* says where its URL was found."""
    config = load(flags={"sitemaps": False, **settings})
    origin = Origin(page_url="https://example.org/", found_in=found_in) if found_in else None
    task = Task(id=1, serial=1, kind=TaskKind.PAGE, url=url, depth=depth, attempt=1, origin=origin)
    return DocumentReader(Scope((url,), config.scope), config).read(task, answer(url, content, content_type))


def documents() -> list[Path]:
    return sorted(path for path in CASES.rglob("*.*") if path.suffix != ".json")


def cases() -> list[Case]:
    """Every case by name; a document without expectation is none, and the other way round."""
    return [
        Case(
            str(document.with_suffix("").relative_to(CASES)),
            document,
            json.loads(document.with_suffix(".json").read_text(encoding="utf-8")),
        )
        for document in documents()
        if document.with_suffix(".json").exists()
    ]


def seen(task: NewTask, keys: set[str]) -> dict[str, Any]:
    """What a case may say of an image or a link, as far as it is asked for."""
    everything = {"url": task.url, "depth": task.depth} | {
        key: getattr(task.origin, key)
        for key in ("found_in", "alt", "title", "caption", "heading", "page_title", "page_url")
    }
    return {key: everything[key] for key in keys}
