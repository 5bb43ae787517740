"""One page in a tab, from its address to its end: answers its requests, runs the behaviours, reads the result."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from crawler.config import RenderConfig
from crawler.errors import BrowserFailed, DeadlineExceeded, PageCrashed
from crawler.http import Check, Fetched
from crawler.logs.events import BROWSER_DETAIL, tell
from crawler.models import Value
from crawler.render import behaviours
from crawler.render.behaviours import Behaviour
from crawler.render.devtools_messages import BrowserGone, DevToolsError, DevToolsTimeout
from crawler.render.isolated_world import IsolatedWorld
from crawler.render.navigation_errors import is_refused, why_not_opened
from crawler.render.network import PageNetwork
from crawler.render.page_events import PageEvents
from crawler.render.page_requests import BATCH_S, PageLinks, PageRequests
from crawler.render.snapshot import Snapshot
from crawler.render.tab import MEMORY, Tab
from crawler.text.plain_errors import plain

log = logging.getLogger(__name__)

QUIET_S = 0.5
"""Seconds without a request until a page is quiet. Of 408 pictures three seconds more brought one per cent."""
QUIET_AFTER_STEP_S = 0.35
"""The same after one of our own steps: with 180 ms feeds stopped half way."""
QUIET_AFTER_NOTHING_S = 0.15
"""The same after a click that has changed nothing in the document."""
MOST_QUIET_S = 4.0
"""Most seconds to wait for quiet: some pages never stop their requests."""
PATIENCE_LEFT_S = 0.8
"""Most seconds for such pages from then on."""
_CALL_S = 5.0
_LEAST_READ_S, _READ_SHARE = 3.0, 3
"""Reading may take a third of a page's time again, at least 3 s. An endless script is stopped after a third of it."""
_LOOK_S = 0.05


class Rendered(Value):
    """The outcome of rendering a page."""

    document: Fetched
    """The document as it was sent, before any script."""
    html: str
    """The document in the end, with what its scripts have removed again; empty if it could not be read."""
    seen: Mapping[str, str] = {}
    """URLs of images that the page requested, each with the stage that brought it."""
    held: Mapping[str, Fetched] = {}
    """Images that its scripts have fetched as data, by URL."""
    left_for: tuple[str, ...] = ()
    """URLs that it would have navigated to, or has given itself (history routes)."""
    left_out: Mapping[str, int] = {}
    requests: int = 0
    received_bytes: int = 0


class OpenPage:
    """A page in *tab*; *network* answers its requests. For one thread.

    *script* is what :func:`crawler.render.behaviours.source` gives. *check* raises a TaskError for a URL that the page
    must not be at, before anything of it is shown.
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
    ) -> None:
        self._tab = tab
        self._network = network
        self._url = url
        self._config = config
        self._max_html_chars = max_html_chars
        self._began = time.monotonic()
        self._links = PageLinks()
        self._left_out = self._links.left_out
        self._spent: Counter[str] = Counter()
        self._world = IsolatedWorld(
            tab, url=url, pump=lambda is_done, most_s: self._pump_until(is_done, most_s=most_s)
        )
        self._requests = PageRequests(
            network, self._world, self._links, config=config, check=check, left_s=lambda: self._left_s
        )
        self._events = PageEvents(self._world, self._requests, self._links, script=script)
        self._is_shown = True
        """Whether the browser shows the document: it does not show a download, say."""
        self._patience_s = MOST_QUIET_S
        self._read_s = max(_LEAST_READ_S, config.render_timeout_s / _READ_SHARE)
        self._read_until = 0.0

    # --- the way of a page ---

    def run(self, wanted: Collection[str] | None) -> Rendered:
        """Open the page, do what there is to do on it, and read it.

        *wanted* are the names of the expensive behaviours to try; None for all. Raises a TaskError or NotYet when the
        page itself can't be had; PageCrashed; BrowserFailed.
        """
        try:
            html = self._rendered(wanted)
        except BrowserGone as exc:
            raise BrowserFailed(f"the browser has ended with the page open: {plain(exc)}") from exc
        except DevToolsError as exc:
            self._check_crash()
            raise self._requests.failure or BrowserFailed(
                f"the browser does not open the page: {plain(exc)}"
            ) from exc
        finally:
            self._requests.close()
        if self._requests.document is None or self._requests.failure is not None:
            raise self._requests.failure or BrowserFailed("the browser has not asked for the page")
        if not html:
            self._check_crash()
        self._left_out["page-cut"] += self._requests.document.is_cut
        self._left_out["render-requests"] += self._tab.mailbox.refused
        return Rendered(
            document=self._requests.document,
            html=html,
            seen=self._requests.images,
            held=self._requests.held,
            left_for=self._links.urls,
            left_out=dict(self._left_out + Counter(self._network.budget.left_out)),
            requests=self._network.budget.requests,
            received_bytes=self._network.budget.received_bytes,
        )

    def _rendered(self, wanted: Collection[str] | None) -> str:
        """The HTML of the page in the end; empty if it can't be read. Raises DevToolsError."""
        self._begin()
        self._load()
        if self._requests.document is None or self._requests.failure is not None or not self._is_shown:
            return ""
        with contextlib.suppress(DevToolsTimeout):
            self._behave(wanted)
        self._left_out["render-time"] += self._is_over
        self._tab.is_spent = self._is_over or self._events.is_away
        if self._events.is_away:  # what there is to be read is not the page
            return ""
        self._read_until = time.monotonic() + self._read_s
        try:
            snapshot = Snapshot(
                world=self._world,
                sent=self._requests.document.content,
                max_html_chars=self._max_html_chars,
                most_s=self._read_s,
                left_out=self._left_out,
            )
            return snapshot.take()
        except DevToolsTimeout as exc:
            tell(log, BROWSER_DETAIL, what="read in part", reason=exc, url=self._url)
            self._left_out["render-time"] = 1
            return ""

    @property
    def seen(self) -> tuple[Fetched | None, Mapping[str, str]]:
        """The page as it was sent, if it was, and the images that it has requested; also after a crash."""
        return self._requests.document, self._requests.images

    @property
    def _left_s(self) -> float:
        """Seconds left of its time; waits for its hosts do not count."""
        spent_s = time.monotonic() - self._began - self._network.turns.waited_s
        return self._config.render_timeout_s - spent_s

    @property
    def _is_over(self) -> bool:
        """Whether its time is up; reading it has time of its own."""
        if self._read_until:
            return time.monotonic() >= self._read_until
        return self._left_s <= 0 or self._events.is_silenced

    def _check_crash(self) -> None:
        if self._tab.crashed:
            too_much = self._tab.crashed == MEMORY
            why = "took more memory than a page may (render_memory_bytes)" if too_much else "broke down"
            raise PageCrashed(f"the browser's tab {why}")

    def _begin(self) -> None:
        tab = self._tab
        self._world.main_frame = tab.call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self._events.watch(tab.session, is_page=True)
        tab.send("Network.setBypassServiceWorker", {"bypass": True})
        tab.call("Page.setInterceptFileChooserDialog", {"enabled": True})

    def _load(self) -> None:
        opened = self._tab.ask("Page.navigate", {"url": self._url})
        self._pump_until(
            lambda: self._requests.failure is not None or self._requests.has_loaded or is_refused(opened)
        )
        if is_refused(opened):
            self._is_shown = False
            if self._requests.document is None and self._requests.failure is None:
                self._requests.failure = why_not_opened(str(opened.value()["errorText"]))
        elif self._requests.document is None and self._requests.failure is None and self._requests.is_open:
            self._requests.failure = DeadlineExceeded(
                f"it was not there after {self._config.render_timeout_s:g} s (render_timeout_s)"
            )
        if self._is_shown and self._requests.failure is None:
            self._wait_until_quiet(QUIET_S, since=0.0)

    def _behave(self, wanted: Collection[str] | None) -> None:
        self._world.open(most_s=self._left_s)
        known = behaviours.listed(self._world.value_of("list()", most_s=self._left_s))
        for number, one in sorted(enumerate(known), key=lambda pair: pair[1].dear):
            is_vain = one.dear and wanted is not None and one.name not in wanted
            if is_vain or self._is_over:
                continue
            if one.name in ("hover", "clicks"):
                self._world.tell_listeners(most_s=_CALL_S)
            acted = self._do(number, one)
            if one.name in ("more", "clicks") and acted:  # what it has brought may wait to be seen
                again = next((n for n, other in enumerate(known) if other.name == "scroll"), None)
                if again is not None:
                    self._do(again, known[again])

    def _do(self, number: int, one: Behaviour) -> int:
        """Run a behaviour until it has nothing more to do. Returns how much it did."""
        self._requests.stage = one.name
        limits = {"scrolls": self._config.render_scrolls, "clicks": self._config.render_clicks}
        acted = 0
        before = self._requests.count
        for turn in range(one.rounds):
            left = limits[one.spends] - self._spent[one.name] if one.spends else one.rounds
            if left <= 0:
                self._left_out[f"render-{one.spends}"] = 1
                break
            if self._is_over:
                break
            told = {"round": turn, "fresh": self._requests.count - before, "left": left}
            before = self._requests.count
            began = time.monotonic()
            did, changes = _pair(
                self._world.value_of(f"step({number}, {json.dumps(told)})", most_s=self._left_s)
            )
            if did <= 0:
                break
            acted += did
            self._spent[one.name] += did
            is_idle = one.spends == "clicks" and not changes
            self._wait_until_quiet(QUIET_AFTER_NOTHING_S if is_idle else QUIET_AFTER_STEP_S, since=began)
            self._come_back()
        return acted

    def _come_back(self) -> None:
        """Go back if a script has given the page another address: that is a page of its own."""
        if not self._events.routed_to:
            return
        self._events.routed_to = ""
        self._world.value_of("back()", most_s=1.0)
        self._wait_until_quiet(QUIET_AFTER_STEP_S, since=time.monotonic())
        self._events.routed_to = ""

    # --- time ---

    def _wait_until_quiet(self, quiet_s: float, *, since: float) -> None:
        """Wait until no request since *since* is under way or was for *quiet_s*; MOST_QUIET_S at most."""
        end = time.monotonic() + self._patience_s
        waited_s = self._network.turns.waited_s

        def is_quiet() -> bool:
            now = time.monotonic()
            latest = self._requests.active_at()
            if latest is None:
                return now - (self._network.turns.waited_s - waited_s) >= end
            # what has come is handled first: the answer to a step overtakes the requests that lie in the mailbox
            return now >= end or (self._tab.mailbox.is_empty and now - max(latest, since) >= quiet_s)

        self._pump_until(is_quiet)
        if time.monotonic() >= end:
            self._patience_s = PATIENCE_LEFT_S

    def _pump_until(self, is_done: Callable[[], bool], *, most_s: float | None = None) -> None:
        """Handle the page's events until *is_done*, or its time is up."""
        end = None if most_s is None else time.monotonic() + most_s
        while not is_done():
            is_in_vain = self._tab.crashed or self._events.is_away or self._is_over
            if is_in_vain or (end is not None and time.monotonic() >= end):
                return
            event = self._tab.mailbox.get(BATCH_S if self._requests.have_images_waiting else _LOOK_S)
            if event is not None:
                self._events.handle(event)
            self._requests.stand_in()


def _pair(told: Any) -> tuple[int, int]:
    """How much a step did and changed; (0, 0) for a malformed value."""
    match told:
        case [int(did), int(changes)]:
            return min(did, 1000), changes
        case _:
            return 0, 0
