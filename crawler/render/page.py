"""One page, open in a tab: its requests are answered, the behaviours are run on it, and it is read in the end."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from crawler.config import RenderConfig
from crawler.errors import (
    BadRedirect,
    BrowserFailed,
    DeadlineExceeded,
    PageCrashed,
    TaskError,
    TooManyRedirects,
)
from crawler.models import Value
from crawler.render import behaviours, standins
from crawler.render.behaviours import Behaviour
from crawler.render.devtools import Asked, BrowserGone, DevToolsError, DevToolsTimeout, Event
from crawler.render.interception import Action, Decision, decide, headers_for_browser, request_of
from crawler.render.listeners import tell_listeners
from crawler.render.network import Answer, PageNetwork, Refused
from crawler.render.tab import MEMORY, Tab
from crawler.urls import MAX_URL_CHARS, canonical
from crawler.web import Check, Fetched

log = logging.getLogger(__name__)

WORLD = "image-crawler"
QUIET_S = 0.5
"""After loading: scripts wait for a while before they ask. Of 408 pictures three seconds more brought one per cent."""
QUIET_AFTER_STEP_S = 0.35
"""After one of our own steps: feeds that had 180 ms stopped at half of what they have."""
QUIET_AFTER_NOTHING_S = 0.15
"""After a click that has changed nothing in the document so far."""
MOST_QUIET_S = 4.0
"""Some pages ask for something for ever."""
PATIENCE_LEFT_S = 0.8
"""… with which such pages are waited for from then on."""
LOAD = "load"
"""The name of the first stage, in which no behaviour is run."""
MOST_RELOADS = 2
MOST_HELD_BYTES = 8 * 2**20
"""Of images that came as data; others are fetched once more."""
MOST_IMAGES = 10_000
MOST_LINKS = 1000
MOST_FRAMES = 20
_MOST_DRAWN, _MOST_DRAWN_BYTES = 30, 6 * 2**20
_MOST_TOLD_CHARS = 8 * 2**20
"""Of a document that is larger than one answer of Chromium may be."""
_REQUESTS_AT_ONCE = 10
"""Answered at the same time; each of its own host but one is a guest there."""
_CALL_S = 5.0
_LEAST_READ_S, _READ_SHARE = 3.0, 3
"""To be read a page has a third of its time once more, and three seconds at least. A script that does not come to its
end is ended after a third of that.
"""
_LEAST_S = 0.5
"""For an answer that the page asks for when its time is up."""
_LOOK_S = 0.05
_BATCH_S = 0.01
_SIZES_S = 0.3
_MOST_SIZED = 500


_COUNTED = {
    "Network.webSocketCreated": "render-sockets",
    "Network.webTransportCreated": "render-sockets",
    "Page.downloadWillBegin": "render-downloads",
}
"""Events that tell of what a page does not get."""
_BAD_REDIRECTS = frozenset(
    f"net::ERR_{name}"
    for name in (
        "UNSAFE_REDIRECT",
        "INVALID_REDIRECT",
        "DISALLOWED_URL_SCHEME",
        "UNKNOWN_URL_SCHEME",
        "INVALID_URL",
    )
)


class Rendered(Value):
    """What a page came to."""

    document: Fetched
    """As it was sent, before any script."""
    html: str
    """As it is in the end, with what its scripts have taken away again; empty where it can't be told."""
    seen: Mapping[str, str] = {}
    """URLs of images that it asked for, each with the stage that brought it."""
    held: Mapping[str, Fetched] = {}
    """Images that its scripts have fetched as data, by their URLs, as they came."""
    left_for: tuple[str, ...] = ()
    """URLs that it would have gone to, or has called its own (history routes)."""
    left_out: Mapping[str, int] = {}
    requests: int = 0
    received_bytes: int = 0


class _Waiting(NamedTuple):
    """An image that the page has asked for."""

    request_id: str
    session: str
    url: str


class OpenPage:
    """A page in *tab*, whose requests *network* answers.

    *script* is what :func:`crawler.render.behaviours.source` gives. *check* raises a TaskError for a URL that the page
    must not be at, before anything of it is shown. All methods are for one thread.
    """

    def __init__(
        self,
        tab: Tab,
        network: PageNetwork,
        *,
        url: str,
        config: RenderConfig,
        script: str,
        max_html_chars: int,
        check: Check = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tab = tab
        self._network = network
        self._url = url
        self._config = config
        self._script = script
        self._max_html_chars = max_html_chars
        self._check = check
        self._pool = ThreadPoolExecutor(_REQUESTS_AT_ONCE, thread_name_prefix="page")
        self._clock = clock
        self._began = clock()
        self._mutex = threading.Lock()
        self._under_way: set[str] = set()
        self._documents = 0
        """Asked for by frames."""
        self._sent: set[str] = set()
        """Where forms would have gone."""
        self._asking = 0
        """Requests that the network is asked for, or that wait for a thread."""
        self._active_at = self._began
        self._stage = LOAD
        self._images: dict[str, str] = {}
        self._links: dict[str, None] = {}
        self._held: dict[str, Fetched] = {}
        self._left_out: Counter[str] = Counter()
        self._spent: Counter[str] = Counter()
        self._waiting_images: list[_Waiting] = []
        self._batch_at = 0.0
        self._sizing: list[_Waiting] = []
        """Those whose sizes the page has been asked for."""
        self._sized = Asked("")
        self._sized.answered.set()
        self._sized_until = 0.0
        self._main_frame = ""
        self._context = 0
        self._document: Fetched | None = None
        self._failure: BaseException | None = None
        self._has_loaded = False
        self._is_open = False
        self._is_there = self._is_away = False
        self._is_shown = True
        """The browser makes a page of the document; not of a download, say."""
        self._routed_to = ""
        self._reloads = 0
        self._patience_s = MOST_QUIET_S
        self._read_s = max(_LEAST_READ_S, config.render_timeout_s / _READ_SHARE)
        self._read_until = 0.0

    # --- the way of a page ---

    def run(self, wanted: Collection[str] | None) -> Rendered:
        """Open the page, do what there is to do on it, and read it.

        *wanted* are the names of the dear behaviours to be tried; None for all. Raises a TaskError, or NotYet, when the
        page itself is not to be had; PageCrashed; BrowserFailed.
        """
        try:
            html = self._rendered(wanted)
        except BrowserGone as exc:
            raise BrowserFailed(f"the browser has ended with the page open: {exc}") from exc
        except DevToolsError as exc:
            self._check_crash()
            raise self._failure or BrowserFailed(f"the browser does not open the page: {exc}") from exc
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._document is None or self._failure is not None:
            raise self._failure or BrowserFailed("the browser has not asked for the page")
        if not html:
            self._check_crash()
        self._left_out["page-cut"] += self._document.is_cut
        self._left_out["render-requests"] += self._tab.mailbox.refused
        with self._mutex:  # what is asked for in threads may still be answered
            return Rendered(
                document=self._document,
                html=html,
                seen=dict(self._images),
                held=dict(self._held),
                left_for=tuple(url for url in self._links if url not in self._sent),
                left_out=dict(self._left_out + Counter(self._network.left_out)),
                requests=self._network.requests,
                received_bytes=self._network.received_bytes,
            )

    def _rendered(self, wanted: Collection[str] | None) -> str:
        """The page in the end; empty where it can't be told, for it never comes to rest. Raises DevToolsError."""
        self._begin()
        self._load()
        if self._document is None or self._failure is not None or not self._is_shown:
            return ""
        with contextlib.suppress(DevToolsTimeout):
            self._behave(wanted)
        self._left_out["render-time"] += self._is_over
        self._tab.is_spent = self._is_over or self._is_away
        if self._is_away:  # what there is to be read is not the page
            return ""
        self._read_until = self._clock() + self._read_s
        try:
            return self._read()
        except DevToolsTimeout as exc:
            log.debug("%s: %s", self._url, exc)
            self._left_out["render-time"] = 1
            return ""

    @property
    def seen(self) -> tuple[Fetched | None, Mapping[str, str]]:
        """The page as it was sent, if it was, and the images that it has asked for: of one that has crashed, too."""
        with self._mutex:
            return self._document, dict(self._images)

    @property
    def _left_s(self) -> float:
        """Of its time; what its hosts make it wait does not count."""
        spent_s = self._clock() - self._began - self._network.waited_s
        return self._config.render_timeout_s - spent_s

    @property
    def _is_over(self) -> bool:
        """Its time is up; to be read it has some more."""
        return self._clock() >= self._read_until if self._read_until else self._left_s <= 0

    def _check_crash(self) -> None:
        if self._tab.crashed:
            too_much = self._tab.crashed == MEMORY
            why = "took more memory than a page may (render_memory_bytes)" if too_much else "broke down"
            raise PageCrashed(f"the browser's tab {why}")

    def _begin(self) -> None:
        tab = self._tab
        self._main_frame = tab.call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self._watch(tab.session, is_page=True)
        tab.send("Network.setBypassServiceWorker", {"bypass": True})
        tab.call("Page.setInterceptFileChooserDialog", {"enabled": True})

    def _watch(self, session: str, *, is_page: bool) -> None:
        """Have all requests of a target come to us, and whatever it starts itself."""
        send = self._tab.send
        send("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}, session=session)
        attach = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
        send("Target.setAutoAttach", attach, session=session)
        if is_page:
            send("Network.enable", {"maxTotalBufferSize": 0, "maxResourceBufferSize": 0}, session=session)
            send("Page.enable", session=session)
            script = {"source": self._script, "worldName": WORLD, "runImmediately": True}
            send("Page.addScriptToEvaluateOnNewDocument", script, session=session)

    def _load(self) -> None:
        opened = self._tab.ask("Page.navigate", {"url": self._url})
        self._pump_until(lambda: self._failure is not None or self._has_loaded or _is_refused(opened))
        if _is_refused(opened):
            self._is_shown = False
            if self._document is None and self._failure is None:
                self._failure = _why_not_opened(str(opened.value()["errorText"]))
        elif self._document is None and self._failure is None and self._is_open:
            self._failure = DeadlineExceeded(
                f"it was not there after {self._config.render_timeout_s:g} s (render_timeout_s)"
            )
        if self._is_shown and self._failure is None:
            self._wait_until_quiet(QUIET_S, since=0.0)

    def _behave(self, wanted: Collection[str] | None) -> None:
        self._context = self._world_of(self._main_frame, most_s=self._left_s)
        known = behaviours.listed(self._asked("list()", most_s=self._left_s))
        chosen = [one for one in known if not one.dear or wanted is None or one.name in wanted]
        for number, one in sorted(enumerate(known), key=lambda pair: pair[1].dear):
            if one not in chosen or self._is_over:
                continue
            if one.name == "clicks":
                tell_listeners(self._call, context=self._context, most_s=_CALL_S)
            acted = self._do(number, one)
            if one.name == "more" and acted:  # what it has brought may wait to be seen
                again = next((n for n, other in enumerate(known) if other.name == "scroll"), None)
                if again is not None:
                    self._do(again, known[again])

    def _do(self, number: int, one: Behaviour) -> int:
        """Run a behaviour until it has nothing more to do; how much it did."""
        self._stage = one.name
        limits = {"scrolls": self._config.render_scrolls, "clicks": self._config.render_clicks}
        acted = 0
        before = len(self._images)
        for turn in range(one.rounds):
            left = limits[one.spends] - self._spent[one.name] if one.spends else one.rounds
            if left <= 0:
                self._left_out[f"render-{one.spends}"] = 1
                break
            if self._is_over:
                break
            told = {"round": turn, "fresh": len(self._images) - before, "left": left}
            before = len(self._images)
            began = self._clock()
            did, changes = _pair(self._asked(f"step({number}, {_json(told)})", most_s=self._left_s))
            if did <= 0:
                break
            acted += did
            self._spent[one.name] += did
            is_idle = one.spends == "clicks" and not changes
            self._wait_until_quiet(QUIET_AFTER_NOTHING_S if is_idle else QUIET_AFTER_STEP_S, since=began)
            self._come_back()
        return acted

    def _come_back(self) -> None:
        """A script has given the page another address, which is a page of its own: back to where it was."""
        if not self._routed_to:
            return
        self._routed_to = ""
        self._asked("back()", most_s=1.0)
        self._wait_until_quiet(QUIET_AFTER_STEP_S, since=self._clock())
        self._routed_to = ""

    # --- time ---

    def _wait_until_quiet(self, quiet_s: float, *, since: float) -> None:
        """Until nothing has been under way for so long, of what began after *since*; MOST_QUIET_S at most."""
        end = self._clock() + self._patience_s
        waited_s = self._network.waited_s

        def is_quiet() -> bool:
            now = self._clock()
            with self._mutex:
                is_busy = bool(self._under_way)
                latest = self._active_at
            if is_busy:
                return now - (self._network.waited_s - waited_s) >= end
            return now - max(latest, since) >= quiet_s or now >= end

        self._pump_until(is_quiet)
        if self._clock() >= end:
            self._patience_s = PATIENCE_LEFT_S

    def _pump_until(self, is_done: Callable[[], bool], *, most_s: float | None = None) -> None:
        """Answer what the page asks for, until that; or until its time is up."""
        end = None if most_s is None else self._clock() + most_s
        while not is_done():
            is_in_vain = self._tab.crashed or self._is_away or self._is_over
            if is_in_vain or (end is not None and self._clock() >= end):
                return
            event = self._tab.mailbox.get(_BATCH_S if self._waiting_images or self._sizing else _LOOK_S)
            if event is not None:
                self._handle(event)
            self._stand_in()

    def _call(self, method: str, params: Mapping[str, Any] | None = None, *, most_s: float) -> dict[str, Any]:
        """What the page answers, while its own requests and dialogs are: it may not go on without. Raises
        DevToolsError.
        """
        asked = self._tab.ask(method, params)
        self._pump_until(asked.answered.is_set, most_s=most_s)
        try:
            return asked.value()
        finally:
            self._tab.forget(asked)

    def _world_of(self, frame: str, *, most_s: float) -> int:
        """The world of our own in a frame. Raises DevToolsError."""
        told = self._call("Page.createIsolatedWorld", {"frameId": frame, "worldName": WORLD}, most_s=most_s)
        return int(told["executionContextId"])

    def _asked(self, call: str, *, most_s: float) -> Any:
        """What our world on the page says, while its requests are answered; None if it says nothing in time."""
        return self._asked_in_world(f"image_crawler.{call}", most_s=most_s)

    def _asked_in_world(self, expression: str, *, most_s: float) -> Any:
        params = {
            "expression": expression,
            "contextId": self._context,
            "awaitPromise": True,
            "returnByValue": True,
            "userGesture": False,
        }
        try:
            answer = self._call("Runtime.evaluate", params, most_s=max(0.1, most_s))
        except BrowserGone:
            raise
        except DevToolsError:
            return None
        if told := answer.get("exceptionDetails"):
            log.debug(
                "%s: %s: %s", self._url, expression[:80], told.get("exception", told).get("description", told)
            )
        return answer.get("result", {}).get("value")

    # --- what the browser tells ---

    def _handle(self, event: Event) -> None:
        params = event.params
        match event.method:
            case "Fetch.requestPaused":
                self._paused(params, event.session)
            case "Page.loadEventFired":
                # in a tab that has had another page, the blank one between them has loaded before
                self._has_loaded = self._has_loaded or (self._is_open and event.session == self._tab.session)
            case "Page.navigatedWithinDocument":
                self._routed(params)
            case "Page.frameRequestedNavigation":
                self._requested(params)
            case "Page.frameNavigated" if self._is_open:  # before it is, that is the blank page of the tab
                self._navigated(params.get("frame", {}))
            case "Target.attachedToTarget":
                self._attached(params)
            case "Page.javascriptDialogOpening":
                self._left_out["render-dialogs"] += 1
                leaves = params.get("type") == "beforeunload"
                self._tab.send("Page.handleJavaScriptDialog", {"accept": leaves}, session=event.session)
            case "Page.windowOpen":
                self._left_out["render-popups"] += 1
                self._note_link(str(params.get("url", "")))
            case _ if event.method in _COUNTED:
                self._left_out[_COUNTED[event.method]] += 1

    def _attached(self, params: Mapping[str, Any]) -> None:
        """A frame of another site, or a worker: its requests are ours to answer as well."""
        session = str(params.get("sessionId", ""))
        kind = params.get("targetInfo", {}).get("type", "")
        if kind == "page":  # a window that it has opened
            self._tab.send("Target.closeTarget", {"targetId": params["targetInfo"]["targetId"]}, session="")
            return
        self._watch(session, is_page=kind == "iframe")
        self._tab.send("Runtime.runIfWaitingForDebugger", session=session)

    def _routed(self, params: Mapping[str, Any]) -> None:
        """A script has changed the address: without one of ours it says where the page is, else it is a link."""
        if params.get("frameId") != self._main_frame:
            return
        url = str(params.get("url", ""))
        if url != self._url and canonical(url) != canonical(self._url):
            self._note_link(url)
            if self._stage != LOAD:
                self._routed_to = url
        elif "#" in url and url != self._url:
            self._note_link(url)

    def _requested(self, params: Mapping[str, Any]) -> None:
        """A form that is sent by GET looks like a link once it is asked for."""
        url = str(params.get("url", ""))
        is_form = str(params.get("reason", "")).startswith("formSubmission")
        if is_form and len(url) <= MAX_URL_CHARS and len(self._sent) < MOST_LINKS:
            self._left_out["render-forms"] += url not in self._sent
            self._sent.add(url)

    def _navigated(self, frame: Mapping[str, Any]) -> None:
        """The page is here; or it has left for something that is not asked for, as about:blank and blob: URLs are."""
        if frame.get("id") != self._main_frame:
            return
        if self._is_there:
            self._is_away = True
            self._left_out["render-away"] += 1
        self._is_there = True

    def _note_link(self, url: str) -> None:
        if len(url) > MAX_URL_CHARS:
            self._left_out["url-too-long"] += 1
        elif len(self._links) < MOST_LINKS:
            self._links[url] = None
        elif url not in self._links:
            self._left_out["render-images"] += 1

    # --- requests ---

    def _paused(self, params: Mapping[str, Any], session: str) -> None:
        request_id = str(params.get("requestId", ""))
        if "responseStatusCode" in params or "responseErrorReason" in params:
            self._tab.send("Fetch.continueRequest", {"requestId": request_id}, session=session)
            return
        redirected = bool(params.get("redirectedRequestId"))
        is_open = self._is_open and not (redirected and not self._has_loaded and self._document is None)
        decision = decide(params, main_frame=self._main_frame, is_open=is_open)
        if decision.action is Action.LEAVE and self._is_reload(params):
            self._reloads += 1
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
                self._note_link(str(params["request"]["url"]) + str(params["request"].get("urlFragment", "")))
                self._fail(request_id, session, "Aborted")
            case Action.REFUSE:
                # a navigation that is blocked ends on a page of Chromium's own
                is_document = params.get("resourceType") == "Document"
                self._fail(request_id, session, "Aborted" if is_document else "BlockedByClient")

    def _is_reload(self, params: Mapping[str, Any]) -> bool:
        """Some pages set a cookie, and then come once more; one that does so for ever has had its chances."""
        document = self._document
        return (
            self._stage == LOAD
            and self._reloads < MOST_RELOADS
            and document is not None
            and canonical(str(params["request"]["url"])) == document.final_url
        )

    def _is_one_frame_more(self, params: Mapping[str, Any]) -> bool:
        """Than are looked into."""
        if params.get("resourceType") != "Document" or params.get("frameId") == self._main_frame:
            return False
        self._documents += 1
        return self._documents > MOST_FRAMES

    def _image(self, params: Mapping[str, Any], session: str) -> None:
        request_id, url = str(params["requestId"]), str(params["request"]["url"])
        self._note_image(url)
        with self._mutex:
            self._under_way.add(request_id)
        if not self._waiting_images:
            self._batch_at = self._clock()
        self._waiting_images.append(_Waiting(request_id, session, url))

    def _note_image(self, url: str) -> None:
        known = canonical(url)
        with self._mutex:
            if known is None:
                self._left_out["url-too-long"] += len(url) > MAX_URL_CHARS
            elif len(self._images) < MOST_IMAGES:
                self._images.setdefault(known, self._stage)
            elif known not in self._images:
                self._left_out["render-images"] += 1

    def _hold(self, url: str, answer: Answer) -> None:
        """An image that came as data has been downloaded by that: it is handed on with its task."""
        if not answer.content or answer.is_cut:
            return
        with self._mutex:
            size_bytes = sum(len(one.content) for one in self._held.values()) + len(answer.content)
            if size_bytes <= MOST_HELD_BYTES:
                held = answer.as_page(url, final_url=url)
                self._held[held.final_url] = held

    def _stand_in(self) -> None:
        """Answer the images that wait, each by a picture of the size that its element wants, if the page says that
        soon: one that is busy is not asked again before it has.
        """
        if self._sizing and (self._sized.answered.is_set() or self._clock() >= self._sized_until):
            self._show(self._sizing, self._sizes_told())
            self._sizing = []
        if not self._waiting_images or self._sizing or self._clock() - self._batch_at < _BATCH_S:
            return
        batch, self._waiting_images = self._waiting_images[:_MOST_SIZED], self._waiting_images[_MOST_SIZED:]
        if not self._context or not self._sized.answered.is_set():
            self._show(batch, [])
            return
        urls = _json([one.url for one in batch])
        params = {
            "expression": f"image_crawler.sizes({urls})",
            "contextId": self._context,
            "returnByValue": True,
        }
        self._sizing, self._sized_until = batch, self._clock() + _SIZES_S
        self._sized = self._tab.ask("Runtime.evaluate", params)

    def _sizes_told(self) -> list[Any]:
        with contextlib.suppress(DevToolsError):
            sizes = self._sized.value().get("result", {}).get("value")
            return sizes if isinstance(sizes, list) else []
        return []

    def _show(self, batch: list[_Waiting], sizes: list[Any]) -> None:
        for number, one in enumerate(batch):
            width, height = _size(sizes, number)
            self._fulfil(
                one.request_id,
                one.session,
                status=200,
                headers=[
                    {"name": "Content-Type", "value": "image/gif"},
                    {"name": "Access-Control-Allow-Origin", "value": "*"},
                    {"name": "Cache-Control", "value": "max-age=600"},
                ],
                body=standins.stand_in_base64(width, height),
            )
        with self._mutex:
            self._under_way.difference_update(one.request_id for one in batch)
            self._active_at = self._clock()

    def _answer(self, params: Mapping[str, Any], session: str) -> None:
        request_id = str(params["requestId"])
        is_main = params.get("resourceType") == "Document" and params.get("frameId") == self._main_frame
        if is_main:
            self._is_open = True
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
            within_s = max(self._left_s, _LEAST_S)
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
                width, height = standins.DEFAULT_PX
                headers = headers_for_browser(answer.headers)
                body = standins.stand_in_base64(width, height)
                self._fulfil(request_id, session, status=200, headers=headers, body=body)
                return
            if is_main:
                self._answered(answer, request.url)
            headers = headers_for_browser(answer.headers)
            body = base64.b64encode(answer.content).decode()
            self._fulfil(request_id, session, status=answer.http_status, headers=headers, body=body)
        except DevToolsError:
            pass
        except Exception as exc:
            if is_main:
                self._failure = exc
            elif not isinstance(exc, TaskError):
                log.exception("internal error at %s", params.get("request", {}).get("url", ""))
            with contextlib.suppress(DevToolsError):
                self._fail(request_id, session, "Failed")
        finally:
            with self._mutex:
                self._asking -= 1
                self._under_way.discard(request_id)
                self._active_at = self._clock()

    def _answered(self, answer: Answer, url: str) -> None:
        """The page itself is here, or where it has gone. Raises a TaskError when it is not to be had, or not wanted."""
        document = answer.as_page(self._url, final_url=url)
        self._check(document.final_url)
        if not answer.is_redirect:
            self._document = document

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

    # --- the end ---

    def _read(self) -> str:
        """The document as it is, with closed shadow roots, frames, what was drawn, and what was taken away."""
        limits = {"most": _MOST_DRAWN, "most_bytes": _MOST_DRAWN_BYTES, "marker": standins.MARKER}
        markup = self._markup()
        parts: list[str] = []
        with contextlib.suppress(DevToolsTimeout):
            if not self._context:
                self._context = self._world_of(self._main_frame, most_s=self._read_s)
            # what ends a script may have met this one
            kept = self._asked("kept()", most_s=self._read_s) or self._asked("kept()", most_s=self._read_s)
            if isinstance(kept, dict):
                parts.append(str(kept.get("html", "")))
                self._left_out["render-images"] += _count(kept.get("missed"))
            drawn = self._asked(f"drawn({_json(limits)})", most_s=self._read_s)
            if isinstance(drawn, dict):
                parts.append(str(drawn.get("html", "")))
                self._left_out["render-drawn"] += _count(drawn.get("cut"))
                markup = self._without(drawn.get("blank"), markup)
            parts += self._frames()
        room = max(0, self._max_html_chars - sum(map(len, parts)))
        self._left_out["page-cut"] += len(markup) > room
        return "\n".join([markup[:room], *filter(None, parts)])

    def _without(self, blank: Any, markup: str) -> str:
        """Without images in data: URLs that show nothing, and that only scripts have put there."""
        document = self._document.content if self._document is not None else b""
        for url in blank[:_MOST_DRAWN] if isinstance(blank, list) else []:
            if url.encode("utf-8", "replace") not in document:
                markup = markup.replace(f'"{url}"', '""')
        return markup

    def _markup(self) -> str:
        """That of the document; a script that does not come to its end is ended for it."""
        try:
            root = self._root(most_s=self._read_s / 3)
        except DevToolsTimeout:
            self._tab.send("Runtime.terminateExecution")
            root = self._root(most_s=self._read_s)
        try:
            found = self._call(
                "DOM.getOuterHTML", {"backendNodeId": root, "includeShadowDOM": True}, most_s=self._read_s
            )
            return str(found["outerHTML"])
        except BrowserGone:
            raise
        except DevToolsError:
            most_chars = min(self._max_html_chars, _MOST_TOLD_CHARS)
            return str(self._asked(f"markup({most_chars})", most_s=self._read_s) or "")

    def _root(self, *, most_s: float) -> int:
        return int(self._call("DOM.getDocument", {"depth": 0}, most_s=most_s)["root"]["backendNodeId"])

    def _frames(self) -> list[str]:
        """The images of the documents within the page."""
        found: list[str] = []
        waiting = list(
            self._call("Page.getFrameTree", most_s=self._read_s)["frameTree"].get("childFrames", [])
        )
        while waiting and len(found) < MOST_FRAMES:
            frame = waiting.pop(0)
            waiting += frame.get("childFrames", [])[:MOST_FRAMES]
            if "unreachableUrl" in frame["frame"]:  # a page of Chromium's own stands there
                continue
            with contextlib.suppress(DevToolsError):
                context = self._world_of(frame["frame"]["id"], most_s=1.0)
                told = self._call(
                    "Runtime.evaluate",
                    {"expression": "image_crawler.framed()", "contextId": context, "returnByValue": True},
                    most_s=1.0,
                )
                found.append(str(told.get("result", {}).get("value") or ""))
        return found


def _count(told: Any) -> int:
    return min(told, MOST_IMAGES) if isinstance(told, int) and told > 0 else 0


def _pair(told: Any) -> tuple[int, int]:
    """How much a step did, and how much that has changed; nothing for what says otherwise."""
    match told:
        case [int(did), int(changes)]:
            return min(did, 1000), changes
        case _:
            return 0, 0


def _is_refused(opened: Asked) -> bool:
    """The browser has said that it does not go there."""
    if not opened.answered.is_set():
        return False
    try:
        return bool(opened.value().get("errorText"))
    except DevToolsError:
        return False


def _why_not_opened(error: str) -> TaskError:
    """What one of Chromium's network errors stands for, once what the servers say is known."""
    if error == "net::ERR_TOO_MANY_REDIRECTS":
        return TooManyRedirects("redirected more often than browsers follow")
    if error in _BAD_REDIRECTS:
        return BadRedirect(f"it redirects to what is no page to be opened ({error})")
    return BrowserFailed(f"the browser does not open the page: {error}")


def _size(sizes: list[Any], number: int) -> tuple[int, int]:
    try:
        width, height = sizes[number]
        return int(width), int(height)
    except (IndexError, TypeError, ValueError):
        return 0, 0


def _json(value: object) -> str:
    return json.dumps(value)
