"""One Chromium process tree, and its open tabs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from crawler.logs.events import BROWSER_DETAIL, tell
from crawler.render import chromium, memory
from crawler.render.devtools import CALL_TIMEOUT_S, DevTools
from crawler.render.devtools_messages import DevToolsError, DevToolsEvent, DevToolsTimeout
from crawler.render.process import START_TIMEOUT_S, Process
from crawler.render.tab import CRASH, MEMORY, Tab
from crawler.text.plain_errors import plain

log = logging.getLogger(__name__)

_WIDTH_PX, _HEIGHT_PX = chromium.WINDOW_PX
_VIEWPORT = {
    "width": _WIDTH_PX,
    "height": _HEIGHT_PX,
    "screenWidth": _WIDTH_PX,
    "screenHeight": _HEIGHT_PX,
    "deviceScaleFactor": 1,
    "mobile": False,
    "scale": 0.1,
}
"""The page sees a usual window; it is drawn at a tenth of that. Drawn at full size, pixels were half of all memory."""
_SCREENCAST = {"format": "jpeg", "quality": 1, "maxWidth": 8, "maxHeight": 8, "everyNthFrame": 2**30}
"""Of the tabs of a window one is drawn. The others get a frame a second from their third one on, and learn only then
what is in view: three of four pages were scrolled past their lazy pictures. Who is filmed is drawn; no picture is sent.
"""
_BLANK = "about:blank"
_DOMAINS = ("Page", "Fetch", "Network", "DOM", "Runtime")
BLANK_TABS = 1
"""Blank tabs that are kept for the next page, in all contexts together. Each is a process of 24 MiB: with four of them
a browser with four pages took 486 MiB, with one 435, at the same pace.
"""
_CLOSE_S = 1.0
"""Seconds until a tab must be closed. A page in an endless loop takes half of it."""
_SIGKILL = 9


class Context:
    """A browser context: a profile in memory, for pages of one host. It gets slower with each page."""

    def __init__(self, host: str, number: str) -> None:
        self.host = host
        self.id = number
        self.pages = 0
        self.open = 0


class Browser:
    """One Chromium. Its methods are for any thread. Raises BrowserFailed if it can't be started."""

    def __init__(self, program: Path) -> None:
        self._changed = threading.Condition()
        self._tabs: dict[str, Tab] = {}
        """All tabs, by their target ids."""
        self._new: dict[str, Tab] = {}
        """Tabs that were opened and not claimed yet."""
        self._blank: list[tuple[Context, Tab]] = []
        """Unused tabs at about:blank, the most recently used last."""
        self._opening = 0
        self._process = Process(program)
        self.isolation = self._process.isolation
        """``launch.NAMESPACES`` or ``launch.FENCES``."""
        self._devtools = DevTools(
            self._process.incoming, self._process.outgoing, on_event=self._happened, on_gone=self._ended
        )
        self.processes = memory.Descendants(self._process.pid)
        """The processes below the launcher; for one thread at a time."""
        try:
            version = self._devtools.call("Browser.getVersion", timeout_s=START_TIMEOUT_S)
            self.version = str(version.get("product", ""))
            pages = [{"type": "page"}]
            self._devtools.call("Target.setDiscoverTargets", {"discover": True, "filter": pages})
            # before it runs, so that a window that a page opens can be closed at once. Besides, a page that is attached
            # to later is moved to another process with its first URL, which is as much work again.
            paused = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True, "filter": pages}
            self._devtools.call("Target.setAutoAttach", paused)
        except DevToolsError as exc:
            self._devtools.close()
            raise self._process.failure(f"it did not start: {plain(exc)}") from exc

    @property
    def is_alive(self) -> bool:
        return not self._devtools.is_gone and self._process.is_alive

    def close(self) -> None:
        """End the browser, whatever is open in it. Returns once its processes have ended."""
        self._devtools.close()
        self._process.end()

    def new_context(self, host: str) -> Context:
        """A new browser context. Raises DevToolsError."""
        context = Context(host, str(self._devtools.call("Target.createBrowserContext")["browserContextId"]))
        nothing = {"behavior": "deny", "browserContextId": context.id}
        self._devtools.send("Browser.setDownloadBehavior", nothing)
        return context

    def drop_context(self, context: Context) -> None:
        with self._changed:
            self._blank = [(of, tab) for of, tab in self._blank if of is not context]
        with suppress(DevToolsError):
            self._devtools.send("Target.disposeBrowserContext", {"browserContextId": context.id})

    def open_tab(self, context: Context) -> Tab:
        """A tab that another page has left blank, or a new one. Raises DevToolsError."""
        tab = self._taken_again(context) or self._new_tab(context)
        try:
            tab.send("Emulation.setDeviceMetricsOverride", _VIEWPORT)
            # else a page that is no window of its own is drawn by nobody, and nothing on it is ever in view
            tab.send("Emulation.setFocusEmulationEnabled", {"enabled": True})
            tab.send("Page.enable")
            tab.send("Page.startScreencast", _SCREENCAST)
            tab.send("Runtime.runIfWaitingForDebugger")
        except DevToolsError:
            self.close_tab(tab)
            raise
        return tab

    def _taken_again(self, context: Context) -> Tab | None:
        with self._changed:
            self._blank = [
                (of, tab) for of, tab in self._blank if not tab.crashed and not tab.closed.is_set()
            ]
            at = next((at for at, (of, _) in enumerate(self._blank) if of is context), None)
            if at is None:
                return None
            _, left = self._blank.pop(at)
            tab = Tab(self._devtools, target_id=left.target_id, session=left.session)
            self._tabs[tab.target_id] = tab
        self._devtools.route(tab.session, tab.mailbox)
        return tab

    def leave_tab(self, tab: Tab, context: Context) -> None:
        """Keep the tab for another page of its context, if it is not spent and goes blank at once; else close it.

        A new tab is a third of what a page costs, most of it a new process.
        """
        try:
            # one that goes from blank to blank breaks down: a fault of Chromium 156, with focus emulation
            if tab.is_used and not tab.crashed and not tab.closed.is_set() and not tab.is_spent:
                tab.call("Page.navigate", {"url": _BLANK}, timeout_s=_CLOSE_S)
                # Else two of three MiB were those of pages that are gone. Besides, one that hangs, in a dialog or a
                # loop, does not answer.
                tab.call("HeapProfiler.collectGarbage", timeout_s=_CLOSE_S)
                for domain in _DOMAINS:  # so that nothing is left of what its user had turned on
                    tab.send(f"{domain}.disable")
                # answered by the page, after its last event: that the blank one has loaded was told to the next user,
                # who took it for his own
                tab.call("Page.disable", timeout_s=_CLOSE_S)
                nothing = {"autoAttach": False, "waitForDebuggerOnStart": False, "flatten": True}
                tab.call("Target.setAutoAttach", nothing, timeout_s=_CLOSE_S)
                self._devtools.unroute(tab.mailbox)
                with self._changed:  # where it is known still, should it break down
                    self._blank.append((context, tab))
                    surplus = self._blank.pop(0)[1] if len(self._blank) > BLANK_TABS else None
                if surplus:
                    self._close_target(surplus.target_id)
                return
        except DevToolsError as exc:
            tell(log, BROWSER_DETAIL, what="a tab is not kept", reason=exc, url="")
        self.close_tab(tab)

    def close_blank_tabs(self) -> None:
        with self._changed:
            blank, self._blank = self._blank, []
        with suppress(DevToolsError):
            for _, tab in blank:
                self._close_target(tab.target_id)

    def _new_tab(self, context: Context) -> Tab:
        page = {"url": _BLANK, "browserContextId": context.id}
        tab = None
        with self._changed:
            self._opening += 1
        try:
            target_id = str(self._devtools.call("Target.createTarget", page)["targetId"])
            tab = self._claimed(target_id)
        finally:
            self._close_strays()
        if tab is None:
            self._close_target(target_id)
            raise DevToolsTimeout("a page does not open")
        return tab

    def _claimed(self, target_id: str) -> Tab | None:
        with self._changed:
            self._changed.wait_for(lambda: target_id in self._new or self._devtools.is_gone, CALL_TIMEOUT_S)
            tab = self._new.pop(target_id, None)
            if tab:
                self._tabs[target_id] = tab
        return tab

    def _close_strays(self) -> None:
        """Close tabs that pages have opened: while nobody opens one, all unclaimed tabs are such."""
        with self._changed:
            self._opening -= 1
            strays = [] if self._opening else list(self._new.values())
            if strays:
                self._new = {}
        for stray in strays:
            self._reject(stray.target_id, stray.session)
            self._devtools.unroute(stray.mailbox)

    def close_tab(self, tab: Tab) -> None:
        """Close the tab within two seconds, whatever its page does."""
        with suppress(DevToolsError):
            self._close_target(tab.target_id)
            if not tab.closed.wait(_CLOSE_S):
                self._devtools.send("Page.crash", session=tab.session)  # done by Chromium, without the page
                self._close_target(tab.target_id)
                tab.closed.wait(_CLOSE_S)
        self._devtools.unroute(tab.mailbox)
        with self._changed:
            self._tabs.pop(tab.target_id, None)

    def _close_target(self, target_id: str) -> None:
        self._devtools.send("Target.closeTarget", {"targetId": target_id})

    def _happened(self, event: DevToolsEvent) -> None:
        """Handle an event of no session. Runs in the thread that reads from Chromium."""
        match event.method:
            case "Target.attachedToTarget":
                self._arrived(event.params["sessionId"], event.params["targetInfo"])
            case "Target.targetCrashed":
                tab = self._tab(event.params)
                if tab:
                    tab.crashed = MEMORY if event.params.get("errorCode") == _SIGKILL else CRASH
                    self._devtools.fail(tab.session)
            case "Target.targetDestroyed":
                tab = self._tab(event.params)
                if tab:
                    tab.closed.set()
                    with self._changed:
                        self._tabs.pop(tab.target_id, None)

    def _arrived(self, session: str, target: Mapping[str, Any]) -> None:
        """Note a new tab, which waits for a debugger so far."""
        target_id = target["targetId"]
        if target.get("openerId") or not self._opening:  # a window that a page has opened
            self._reject(target_id, session)
            return
        tab = Tab(self._devtools, target_id=target_id, session=session)
        self._devtools.route(session, tab.mailbox)
        with self._changed:
            self._new[target_id] = tab
            self._changed.notify_all()

    def _reject(self, target_id: str, session: str) -> None:
        with suppress(DevToolsError):
            self._devtools.send("Runtime.runIfWaitingForDebugger", session=session)  # its opener waits for it
            self._close_target(target_id)

    def _tab(self, params: Mapping[str, Any]) -> Tab | None:
        with self._changed:
            return self._tabs.get(params.get("targetId", ""))

    def _ended(self) -> None:
        with self._changed:
            self._changed.notify_all()
            tabs = list(self._tabs.values())
        for tab in tabs:
            tab.closed.set()
