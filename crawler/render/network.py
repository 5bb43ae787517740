"""The network of a page in the browser: our transport answers its requests, and there is no other.

Each request passes what any request of the crawl passes: address guard, robots.txt, its turn at the queue, limits of
size and time. The page's own budget comes on top, and counts what it cuts.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import msgspec

from crawler.config import Config
from crawler.errors import (
    ConnectFailed,
    ConnectTimeout,
    EmptyBody,
    ForbiddenAddress,
    HostNotFound,
    NameLookupFailed,
    RobotsDisallowed,
    TaskError,
)
from crawler.harvest.data_urls import MAX_CONTENT_BYTES
from crawler.http import BrowserRequest, Exchanged, Fetched, Transport, merged
from crawler.http.page_turns import PageTurns
from crawler.http.request_retries import refused_for_s
from crawler.http.robots import Robots
from crawler.http.status import REDIRECTS, status_error
from crawler.http.turns import NotYet, TurnQueue
from crawler.logs.events import BROWSER_DETAIL, tell
from crawler.models import Task
from crawler.render.budget import PageBudget
from crawler.render.cache import HttpCache
from crawler.render.host_backoff import HostBackoff
from crawler.render.interception import refusal
from crawler.urls import canonical, host_key

log = logging.getLogger(__name__)

_FIRST_GOOD, _FIRST_REDIRECT, _FIRST_ERROR = 200, 300, 400
_NO_DATA = frozenset({"image", "video", "audio"})
"""Media types that no script reads as data."""
_MAY_BE_IMAGES = frozenset({"XHR", "Fetch", "Other", "Document"})
"""DevTools' request types of which only the answer tells whether it is an image, which a downloader fetches."""
MOST_IMAGE_BYTES = 8 * 2**20
"""Most bytes of an image that a page's script fetches as data, to be handed on with its task."""
_LOOK_S = 0.25
_NO_WAY = (ConnectFailed, ConnectTimeout, HostNotFound, NameLookupFailed)
_NO_WAY_S = 15.0
"""Seconds for which an unreachable foreign host is left alone: each attempt may take as long as a connection may, and
the pages of a site all name the same hosts.
"""


class Answer(Exchanged):
    """The answer that the page gets."""

    is_image: bool = False
    """The page gets a stand-in. A content of bearable size is kept: then it is not downloaded a second time."""

    @property
    def is_redirect(self) -> bool:
        """Whether the browser will request another URL in its place."""
        return self.http_status in REDIRECTS and bool(merged(self.headers).get("location"))

    def as_page(self, url: str, *, final_url: str) -> Fetched:
        """The answer as the document of *url*, also if it is a redirect.

        Raises the TaskError that its status stands for, and EmptyBody.
        """
        final = canonical(final_url) or url
        headers = merged(self.headers)
        if not self.is_redirect:
            if (error := status_error(self.http_status, headers, final, self.content)) is not None:
                raise error
            if not self.content and "refresh" not in headers:
                raise EmptyBody("the answer has no content", http_status=self.http_status, final_url=final)
        return Fetched(
            url=url,
            final_url=final,
            http_status=self.http_status,
            headers=headers,
            content=self.content,
            is_cut=self.is_cut,
        )


class Refused(NamedTuple):
    """The request is refused."""

    slug: str = ""
    """The slug of LEFT_OUT that has counted it; empty if it failed, or nobody misses it."""
    error: TaskError | None = None


class Network:
    """The network of all pages of a renderer.

    *queue* says when a request may be sent; None if nobody else sends any. *robots* decides what may be fetched; None
    ignores robots.txt. *stop* cuts waits short.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        config: Config,
        queue: TurnQueue | None = None,
        robots: Robots | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.transport = transport
        self.config = config.render
        self._delay_s = config.queue.delay_s
        self.robots = robots
        self.cache = HttpCache()
        self.alone = HostBackoff(time.monotonic)
        self._queue = queue
        self._stop = stop or threading.Event()

    @contextmanager
    def page(self, task: Task) -> Iterator[PageNetwork]:
        """The network of one task's page, while it is open."""
        queue = self._queue if self._queue is not None else _NoQueue()
        turns = PageTurns(queue, task, stop=self._stop, delay_s=self._delay_s)
        try:
            yield PageNetwork(self, turns)
        finally:
            turns.close()


class PageNetwork:
    """The network of one page. Thread-safe: a page has many requests at once."""

    def __init__(self, network: Network, turns: PageTurns) -> None:
        config = network.config
        self._network = network
        self._posts = config.render_posts
        self._within_s = config.render_timeout_s
        self.turns = turns
        self.budget = PageBudget(requests=config.render_requests, received_bytes=config.render_bytes)
        self._image_bytes = 0
        self._refused_by: set[str] = set()
        """Hosts that have refused this page something: it sends them no more requests."""
        self.refused_for_s: float | None = None
        """Seconds for which the page's own host has refused a resource, 0 if it did not say; None for no refusal."""

    def ask(
        self,
        request: BrowserRequest,
        *,
        kind: str,
        page_url: str,
        is_page: bool = False,
        within_s: float = math.inf,
    ) -> Answer | Refused:
        """The answer to *request*, once it is its turn; refusals are counted.

        *kind* is DevTools' type of the request, *page_url* the page's address. *is_page*: the request is for the page
        itself, or a redirect of it; then a TaskError or NotYet is raised for whatever stops it. The answer may take
        *within_s* seconds, waits not counted. Errors of the queue, and CrawlError, are always raised.
        """
        within_s = min(within_s, self._within_s)
        if is_page:
            return self._of_page(request, within_s)
        slug = refusal(request, kind=kind, page_url=page_url, posts=self._posts)
        if slug is None:
            slug = self.budget.begin()
            if not slug:
                return self._of_part(request, kind, within_s)
        return self._refused(slug)

    def _refused(self, slug: str, error: TaskError | None = None) -> Refused:
        if slug:
            self.budget.leave_out(slug)
        return Refused(slug, error)

    def _of_page(self, request: BrowserRequest, within_s: float) -> Answer:
        self.budget.begin(anyway=True)
        size_bytes: int | None = None
        try:
            exchanged = self._exchanged(request, "Document", within_s, is_page=True)
            size_bytes = len(exchanged.content)
            return _answer(exchanged)
        finally:
            self.budget.end(size_bytes=size_bytes)

    def _of_part(self, request: BrowserRequest, kind: str, within_s: float) -> Answer | Refused:
        size_bytes: int | None = None
        try:
            answer = self._shared(request, kind, within_s)
            if not answer.is_image and not answer.is_cut:
                size_bytes = len(answer.content)
        except NotYet as exc:
            tell(log, BROWSER_DETAIL, what="not waited for", reason=exc, url=request.url)
            return self._refused("render-waits")
        except RobotsDisallowed as exc:
            return self._refused("render-robots", exc)
        except ForbiddenAddress as exc:
            return self._refused("render-guard", exc)
        except _Media:
            return self._refused("render-media")
        except TaskError as exc:
            tell(log, BROWSER_DETAIL, what="not to be had", reason=exc, url=request.url)
            return self._refused("", exc)
        finally:
            fits = self.budget.end(size_bytes=size_bytes)
        return answer if fits and not answer.is_cut else self._refused("render-bytes")

    def _shared(self, request: BrowserRequest, kind: str, within_s: float) -> Answer:
        network = self._network
        exchanged, _ = network.cache.share(
            request, kind=kind, ask=lambda: self._exchanged(request, kind, within_s), wait=self._wait
        )
        if request.method == "POST" and exchanged.http_status < _FIRST_ERROR:
            network.cache.forget(request.url)
        may_be_image = kind in _MAY_BE_IMAGES and exchanged.http_status == _FIRST_GOOD
        return _answer(exchanged, is_image=may_be_image and _is_image(exchanged))

    def _wait(self, event: threading.Event, for_s: float) -> bool:
        """Wait for another page's request of the same URL, which may have to wait for its turn."""
        end = time.monotonic() + for_s
        with self.turns.waiting():
            while not self.turns.is_over and (left_s := end - time.monotonic()) > 0:
                if event.wait(min(left_s, _LOOK_S)):
                    return True
        return event.is_set()

    def _exchanged(
        self, request: BrowserRequest, kind: str, within_s: float, *, is_page: bool = False
    ) -> Exchanged:
        """The server's answer, once it is its turn. Raises a TaskError, or NotYet."""
        network, turns = self._network, self.turns
        url = canonical(request.url) or ""
        host = host_key(url) if url else ""
        if not is_page and (host in self._refused_by or network.alone.is_alone(host)):
            raise NotYet(url, 0.0)
        may_stop = not is_page and kind in _MAY_BE_IMAGES
        try:
            with turns.request(is_main=is_page) as turn:
                if network.robots is not None and url:
                    # what a part needs of its host is the page's own time: 40 hosts that never give their robots.txt
                    # held up a page for two minutes
                    with turns.waiting() if is_page else nullcontext():
                        network.robots.check(url, turn)
                answer = network.transport.exchange(
                    request,
                    max_bytes=self.budget.room_bytes,
                    within_s=within_s,
                    check=turn,
                    sending=turn.sending,
                    sent=turn.sent,
                    stop_at=self._is_not_for_us if may_stop else None,
                )
        except _NO_WAY as exc:
            if host != turns.own_host:
                network.alone.leave(host, _NO_WAY_S, exc)
            raise
        if answer.stopped and not _is_image(answer):
            raise _Media(url)
        if not is_page:
            self._heed(answer, host)
        return answer

    def _is_not_for_us(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether an answer is not worth reading: a film, or an image too large for its task."""
        kind = _media_type(headers.get("content-type", ""))
        if kind not in _NO_DATA or not _FIRST_GOOD <= status < _FIRST_REDIRECT:
            return False
        length = headers.get("content-length", "")
        size_bytes = int(length) if length.isdecimal() and "content-encoding" not in headers else 0
        if kind != "image" or not 0 < size_bytes <= MAX_CONTENT_BYTES:
            return True
        self._image_bytes += size_bytes
        return self._image_bytes > MOST_IMAGE_BYTES

    def _heed(self, answer: Exchanged, host: str) -> None:
        """Leave a host alone that asks for it: this page for good, other pages for the stated time."""
        error = status_error(answer.http_status, merged(answer.headers), answer.url)
        refused_s = refused_for_s(error) if error is not None else None
        if refused_s is None:
            return
        self._refused_by.add(host)
        self._network.alone.leave(host, refused_s)
        if host == self.turns.own_host:
            self.refused_for_s = max(refused_s, self.refused_for_s or 0.0)


class _Media(Exception):
    """A film or a sound."""


class _NoQueue:
    """A queue that grants every turn at once, for a renderer that works alone."""

    def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
        del task, host, is_guest
        return 0.0

    def turn_taken(self, *, host: str, ago_s: float) -> None:
        del host, ago_s

    def turn_over(self, *, task: int, host: str) -> None:
        del task, host


def _answer(exchanged: Exchanged, *, is_image: bool = False) -> Answer:
    return Answer(**msgspec.structs.asdict(exchanged), is_image=exchanged.stopped or is_image)


def _is_image(answer: Exchanged) -> bool:
    return _media_type(merged(answer.headers).get("content-type", "")) == "image"


def _media_type(header: str) -> str:
    """The type of a Content-Type, before the slash, in lower case."""
    return header.partition("/")[0].strip().lower()
