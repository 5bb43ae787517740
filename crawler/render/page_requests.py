"""The requests of a page in the browser: answered by our transport, by a stand-in image, or not at all."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from crawler.config import RenderConfig
from crawler.errors import TaskError
from crawler.http import Check, Fetched
from crawler.logs.events import INTERNAL_ERROR, tell
from crawler.render import stand_in_images
from crawler.render.devtools import PendingCall
from crawler.render.devtools_messages import BrowserGone, DevToolsError
from crawler.render.interception import Action, Decision, decide, headers_for_browser, request_of
from crawler.render.isolated_world import IsolatedWorld
from crawler.render.network import Answer, PageNetwork, Refused
from crawler.urls import MAX_URL_CHARS, canonical

log = logging.getLogger(__name__)

LOAD = "load"
"""The name of the first stage, in which no behaviour is run."""
MOST_RELOADS = 2
MOST_LINKS = 1000
MOST_IMAGES = 10_000
MOST_FRAMES = 20
BATCH_S = 0.01
"""Images requested within so many seconds are answered together."""
_REQUESTS_AT_ONCE = 10
"""Requests answered at the same time."""
_LEAST_S = 0.5
"""Seconds for an answer to a request that comes when the page's time is up."""
_OF_STAND_INS = headers_for_browser(
    (("Content-Type", "image/gif"), ("Access-Control-Allow-Origin", "*"), ("Cache-Control", "max-age=600"))
)
_SIZES_S = 0.3
_MOST_SIZED = 500


class _Waiting(NamedTuple):
    """An image request that waits for its stand-in."""

    request_id: str
    session: str
    url: str


class PageLinks:
    """Where a page would have gone: URLs that it opens, goes to or shows as its own address.

    At most MOST_LINKS are kept; each one over that is counted.
    """

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        """Counts of what the page does not get, by a slug of LEFT_OUT; all who handle the page count here."""
        self._links: dict[str, None] = {}
        self._forms: set[str] = set()

    def note(self, url: str) -> None:
        """Keep *url*, if it is short enough and there is room."""
        if len(url) > MAX_URL_CHARS:
            self.left_out["url-too-long"] += 1
        elif len(self._links) < MOST_LINKS:
            self._links[url] = None
        elif url not in self._links:
            self.left_out["render-images"] += 1

    def note_form(self, url: str) -> None:
        """A form would be sent to *url*: by GET, that looks like a link once it is asked for."""
        if len(url) <= MAX_URL_CHARS and len(self._forms) < MOST_LINKS:
            self.left_out["render-forms"] += url not in self._forms
            self._forms.add(url)

    @property
    def urls(self) -> tuple[str, ...]:
        """All of them, in their order, but for those of forms."""
        return tuple(url for url in self._links if url not in self._forms)


class PageRequests:
    """The requests of the page in *world*. *network* answers them, in threads of its own; all else is in the page's.

    *check* raises a TaskError for a URL that the page must not be at, before anything of it is shown. *left_s* says how
    many seconds the page has left; *links* notes where it would go, and what it does not get.
    """

    def __init__(
        self,
        network: PageNetwork,
        world: IsolatedWorld,
        links: PageLinks,
        *,
        config: RenderConfig,
        check: Check,
        left_s: Callable[[], float],
    ) -> None:
        self._tab = world.tab
        self._url = world.url
        self._network = network
        self._world = world
        self._links = links
        self._left_out = links.left_out
        self._config = config
        self._check = check
        self._left_s = left_s
        self._pool = ThreadPoolExecutor(_REQUESTS_AT_ONCE, thread_name_prefix="page")
        self._mutex = threading.Lock()
        self._under_way: set[str] = set()
        self._active_at = time.monotonic()
        self._asking = 0
        """Requests that are being answered, or wait for a thread."""
        self._documents = 0
        """Documents that frames have requested."""
        self.reloads = 0
        """How often the page was reloaded, which is limited."""
        self._images: dict[str, str] = {}
        self._held: dict[str, Fetched] = {}
        self._waiting_images: list[_Waiting] = []
        self._batch_at = 0.0
        self._sizing: list[_Waiting] = []
        """Images whose sizes the page has been asked for."""
        self._sized = PendingCall("")
        self._sized.answered.set()
        self._sized_until = 0.0
        self.stage = LOAD
        """The stage that images requested now belong to."""
        self.has_loaded = False
        self.is_open = False
        """Whether the page itself has been requested."""
        self.document: Fetched | None = None
        """The page itself, as it was sent."""
        self.failure: BaseException | None = None
        """Why the page can't be had."""

    def close(self) -> None:
        """Answer nothing more; requests under way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def images(self) -> dict[str, str]:
        """URLs of the requested images, each with its stage."""
        with self._mutex:
            return dict(self._images)

    @property
    def held(self) -> dict[str, Fetched]:
        """Images that came as data, by URL."""
        with self._mutex:
            return dict(self._held)

    @property
    def count(self) -> int:
        """Number of images so far."""
        return len(self._images)

    @property
    def have_images_waiting(self) -> bool:
        return bool(self._waiting_images or self._sizing)

    def active_at(self) -> float | None:
        """When the last answer was given; None while one is under way."""
        with self._mutex:
            return None if self._under_way else self._active_at

    def paused(self, params: Mapping[str, Any], session: str) -> None:
        """Handle ``Fetch.requestPaused``."""
        request_id = str(params.get("requestId", ""))
        if "responseStatusCode" in params or "responseErrorReason" in params:
            self._tab.send("Fetch.continueRequest", {"requestId": request_id}, session=session)
            return
        redirected = bool(params.get("redirectedRequestId"))
        is_open = self.is_open and not (redirected and not self.has_loaded and self.document is None)
        decision = decide(params, main_frame=self._world.main_frame, is_open=is_open)
        if decision.action is Action.LEAVE and self._is_reload(params):
            self.reloads += 1
            decision = Decision(Action.ANSWER)
        if decision.slug:
            self._left_out[decision.slug] += 1
        match decision.action:
            case Action.ANSWER if self._is_one_frame_more(params):
                self._left_out["render-requests"] += 1
                self._fail(request_id, session, "Aborted")
            case Action.ANSWER:
                self._answer(params, session)
            case Action.STAND_IN:
                self._image(params, session)
            case Action.LEAVE:
                self._links.note(
                    str(params["request"]["url"]) + str(params["request"].get("urlFragment", ""))
                )
                self._fail(request_id, session, "Aborted")
            case Action.REFUSE:
                # a navigation that is blocked ends on a page of Chromium's own
                is_document = params.get("resourceType") == "Document"
                self._fail(request_id, session, "Aborted" if is_document else "BlockedByClient")

    def _is_reload(self, params: Mapping[str, Any]) -> bool:
        """Whether this is a reload that is still allowed: some pages set a cookie and reload, a few do so for ever."""
        document = self.document
        return (
            self.stage == LOAD
            and self.reloads < MOST_RELOADS
            and document is not None
            and canonical(str(params["request"]["url"])) == document.final_url
        )

    def _is_one_frame_more(self, params: Mapping[str, Any]) -> bool:
        """Whether this is a frame more than are read."""
        if params.get("resourceType") != "Document" or params.get("frameId") == self._world.main_frame:
            return False
        self._documents += 1
        return self._documents > MOST_FRAMES

    def _image(self, params: Mapping[str, Any], session: str) -> None:
        request_id, url = str(params["requestId"]), str(params["request"]["url"])
        self._note_image(url)
        with self._mutex:
            self._under_way.add(request_id)
        if not self._waiting_images:
            self._batch_at = time.monotonic()
        self._waiting_images.append(_Waiting(request_id, session, url))

    def _note_image(self, url: str) -> None:
        known = canonical(url)
        with self._mutex:
            if known is None:
                self._left_out["url-too-long"] += len(url) > MAX_URL_CHARS
            elif len(self._images) < MOST_IMAGES:
                self._images.setdefault(known, self.stage)
            elif known not in self._images:
                self._left_out["render-images"] += 1

    def _hold(self, url: str, answer: Answer) -> None:
        """Keep an image that came as data: it is downloaded already, and goes on with its task."""
        if not answer.content or answer.is_cut:
            return
        held = answer.as_page(url, final_url=url)
        with self._mutex:
            self._held[held.final_url] = held

    def stand_in(self) -> None:
        """Answer the waiting images, each by a picture of the size that its element wants.

        The page is asked for the sizes; a busy one is not asked again before it has answered.
        """
        if self._sizing and (self._sized.answered.is_set() or time.monotonic() >= self._sized_until):
            self._show(self._sizing, self._sizes_told())
            self._sizing = []
        if not self._waiting_images or self._sizing or time.monotonic() - self._batch_at < BATCH_S:
            return
        batch, self._waiting_images = self._waiting_images[:_MOST_SIZED], self._waiting_images[_MOST_SIZED:]
        if not self._world.context or not self._sized.answered.is_set():
            self._show(batch, [])
            return
        call = f"image_crawler.sizes({json.dumps([one.url for one in batch])})"
        params = {"expression": call, "contextId": self._world.context, "returnByValue": True}
        self._sizing, self._sized_until = batch, time.monotonic() + _SIZES_S
        self._sized = self._tab.ask("Runtime.evaluate", params)

    def _sizes_told(self) -> list[Any]:
        with contextlib.suppress(DevToolsError):
            sizes = self._sized.value().get("result", {}).get("value")
            return sizes if isinstance(sizes, list) else []
        return []

    def _show(self, batch: list[_Waiting], sizes: list[Any]) -> None:
        for number, one in enumerate(batch):
            body = stand_in_images.stand_in_base64(*_size(sizes, number))
            self._fulfil(one.request_id, one.session, status=200, headers=_OF_STAND_INS, body=body)
        with self._mutex:
            self._under_way.difference_update(one.request_id for one in batch)
            self._active_at = time.monotonic()

    def _answer(self, params: Mapping[str, Any], session: str) -> None:
        request_id = str(params["requestId"])
        is_main = params.get("resourceType") == "Document" and params.get("frameId") == self._world.main_frame
        if is_main:
            self.is_open = True
        with self._mutex:
            is_too_much = self._asking >= self._config.render_requests + _REQUESTS_AT_ONCE
            if not is_too_much:
                self._asking += 1
                self._under_way.add(request_id)
        if is_too_much:  # more than could be answered, if all that wait are
            self._left_out["render-requests"] += 1
            self._fail(request_id, session, "BlockedByClient")
            return
        self._pool.submit(self._answer_in_thread, params, session, is_main=is_main)

    def _answer_in_thread(self, params: Mapping[str, Any], session: str, *, is_main: bool) -> None:
        request_id = str(params["requestId"])
        try:
            request = request_of(params)
            kind = str(params.get("resourceType", "Other"))
            within_s = max(self._left_s(), _LEAST_S)
            answer = self._network.ask(
                request, kind=kind, page_url=self._url, is_page=is_main, within_s=within_s
            )
            if isinstance(answer, Refused):
                reason = "BlockedByClient" if answer.slug else "ConnectionFailed"
                self._fail(request_id, session, "Aborted" if kind == "Document" else reason)
                return
            if answer.is_image and not is_main:
                self._note_image(request.url)
                self._hold(request.url, answer)
                status, body = 200, stand_in_images.stand_in_base64(*stand_in_images.DEFAULT_PX)
            else:
                if is_main:
                    self._answered(answer, request.url)
                status, body = answer.http_status, base64.b64encode(answer.content).decode()
            headers = headers_for_browser(answer.headers)
            self._fulfil(request_id, session, status=status, headers=headers, body=body)
        except DevToolsError:
            pass
        except Exception as exc:  # noqa: BLE001 - whatever it is, the page goes on
            if is_main:
                self.failure = exc
            elif not isinstance(exc, TaskError):
                tell(log, INTERNAL_ERROR, exc_info=True, url=params.get("request", {}).get("url", ""))
            with contextlib.suppress(DevToolsError):
                self._fail(request_id, session, "Failed")
        finally:
            with self._mutex:
                self._asking -= 1
                self._under_way.discard(request_id)
                self._active_at = time.monotonic()

    def _answered(self, answer: Answer, url: str) -> None:
        """Take the answer to the page's own request, or to a redirect. Raises a TaskError if it is not to be had."""
        document = answer.as_page(self._url, final_url=url)
        self._check(document.final_url)
        if not answer.is_redirect:
            self.document = document

    def _fulfil(
        self, request_id: str, session: str, *, status: int, headers: list[dict[str, str]], body: str
    ) -> None:
        told = {"requestId": request_id, "responseCode": status, "responseHeaders": headers, "body": body}

        def refused(error: DevToolsError) -> None:  # a status or a header that Chromium does not take
            if not isinstance(error, BrowserGone):
                with contextlib.suppress(DevToolsError):
                    self._fail(request_id, session, "Failed")

        self._tab.send("Fetch.fulfillRequest", told, session=session, on_error=refused)

    def _fail(self, request_id: str, session: str, reason: str) -> None:
        self._tab.send("Fetch.failRequest", {"requestId": request_id, "errorReason": reason}, session=session)


def _size(sizes: list[Any], number: int) -> tuple[int, int]:
    try:
        width, height = sizes[number]
        return int(width), int(height)
    except (IndexError, TypeError, ValueError):
        return 0, 0
