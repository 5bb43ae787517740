"""Which kind of document a task expects, by where its URL was found; the errors for other answers."""

from __future__ import annotations

from crawler.errors import EmptyBody, NoSitemap, NotAStyleSheet, Rejection, TaskError, UnexpectedContent
from crawler.harvest import links, sitemap
from crawler.harvest.extensions import extension
from crawler.http import Fetched
from crawler.models import Task

_EXPECTED = {
    links.STYLE_SHEET: "style sheet",
    links.MANIFEST: "manifest",
    links.FEED: "feed",
    **dict.fromkeys(sitemap.SITEMAPS, "sitemap"),
}


def found_in(task: Task) -> str:
    return task.origin.found_in if task.origin else ""


def expected_kind(task: Task) -> str:
    """``style sheet``, ``manifest``, ``feed``, ``sitemap``, or empty for a page."""
    return _EXPECTED.get(found_in(task), "")


def is_acceptable(task: Task, kind: str) -> bool:
    """Whether *kind*, as sniffed, may be the document that *task* expects.

    A sitemap that robots.txt names may be an HTML page of links, unless its URL has the extension of a sitemap file. A
    sitemap whose URL was guessed may not.
    """
    if found_in(task) == sitemap.GUESSED:
        return kind in ("sitemap", "feed", "other")
    return kind != "html" or (
        found_in(task) == sitemap.SITEMAP and extension(task.url) not in ("xml", "gz", "txt")
    )


def unexpected(task: Task, fetched: Fetched) -> Rejection:
    """The error for an answer that is not the document that *task* expects."""
    if found_in(task) == sitemap.GUESSED:
        return NoSitemap(f"none at {task.url}: it answers {fetched.content_type}")
    error = NotAStyleSheet if found_in(task) == links.STYLE_SHEET else UnexpectedContent
    return error(f"a {expected_kind(task)} was expected at {task.url}; it answers {fetched.content_type}")


def empty(task: Task, fetched: Fetched) -> TaskError:
    """The error for an answer without content."""
    if found_in(task) == sitemap.GUESSED:
        return unexpected(task, fetched)
    return EmptyBody("the answer has no content")
