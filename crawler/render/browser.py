"""One Chromium, and the tabs that are open in it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from crawler.render import memory
from crawler.render.devtools import DevTools, DevToolsError
from crawler.render.mailbox import Event
from crawler.render.process import Process
from crawler.render.tab import CRASH, MEMORY, Tab

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
_VIEWPORT = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
_CLOSE_S = 1.0
"""A page in an endless loop takes half of it."""
_SIGKILL = 9


class Context:
    """A profile in memory, for pages of one host; it ages with each."""

    def __init__(self, host: str, number: str) -> None:
        self.host = host
        self.id = number
        self.pages = 0
        self.open = 0


class Browser:
    """One Chromium. Its methods are for any thread. Raises BrowserFailed if it can't be started."""

    def __init__(self, program: Path, *, timeout_s: float = START_TIMEOUT_S) -> None:
        self._lock = threading.Lock()
        self._tabs: dict[str, Tab] = {}
        """By target."""
        self._process = Process(program, timeout_s=timeout_s)
        self.isolation = self._process.isolation
        """``launch.NAMESPACES`` or ``launch.FENCES``."""
        self.has_own_sandbox = self._process.has_own_sandbox
        self._devtools = DevTools(
            self._process.incoming, self._process.outgoing, on_event=self._happened, on_gone=self._ended
        )
        self.processes = memory.Descendants(self._process.pid)
        """For one thread at a time."""
        try:
            self.version = str(
                self._devtools.call("Browser.getVersion", timeout_s=timeout_s).get("product", "")
            )
            pages = [{"type": "page"}]
            self._devtools.call("Target.setDiscoverTargets", {"discover": True, "filter": pages})
        except DevToolsError as exc:
            self._devtools.close()
            raise self._process.failure(f"it did not start: {exc}") from exc

    @property
    def is_alive(self) -> bool:
        return not self._devtools.is_gone and self._process.is_alive

    def pids(self) -> list[int]:
        """Its processes, the launcher first."""
        return [self._process.pid, *memory.Descendants(self._process.pid).look()]

    def pss_bytes(self) -> int:
        """Memory of all its processes; what they share is counted once. 0 where the system does not tell."""
        return sum(map(memory.proportional_bytes, self.pids()))

    def close(self) -> None:
        """End it, whatever is open, and return once its processes have ended."""
        self._devtools.close()
        self._process.end()

    def new_context(self, host: str) -> Context:
        """Raises DevToolsError."""
        answer = self._devtools.call("Target.createBrowserContext")
        return Context(host, answer["browserContextId"])

    def drop_context(self, context: Context) -> None:
        with suppress(DevToolsError):
            self._devtools.send("Target.disposeBrowserContext", {"browserContextId": context.id})

    def open_tab(self, context: Context) -> Tab:
        """Raises DevToolsError."""
        page = {"url": "about:blank", "browserContextId": context.id}
        target_id = str(self._devtools.call("Target.createTarget", page)["targetId"])
        tab = Tab(self._devtools, target_id=target_id)
        with self._lock:
            self._tabs[target_id] = tab
        try:
            answer = self._devtools.call("Target.attachToTarget", {"targetId": target_id, "flatten": True})
            tab.session = str(answer["sessionId"])
            self._devtools.route(tab.session, tab.mailbox)
            tab.send("Emulation.setDeviceMetricsOverride", _VIEWPORT)
            # else a page that is no window of its own is drawn by nobody, and nothing on it is ever in view
            tab.send("Emulation.setFocusEmulationEnabled", {"enabled": True})
        except DevToolsError:
            self.close_tab(tab)
            raise
        return tab

    def close_tab(self, tab: Tab) -> None:
        """Within two seconds, whatever its page does."""
        with suppress(DevToolsError):
            self._close_target(tab.target_id)
            if not tab.closed.wait(_CLOSE_S):
                tab.send("Page.crash")  # Chromium does it itself, without the page
                self._close_target(tab.target_id)
                tab.closed.wait(_CLOSE_S)
        self._devtools.unroute(tab.mailbox)
        with self._lock:
            self._tabs.pop(tab.target_id, None)

    def _close_target(self, target_id: str) -> None:
        self._devtools.send("Target.closeTarget", {"targetId": target_id})

    def _happened(self, event: Event) -> None:
        match event.method:
            case "Target.targetCreated":
                self._close_popup(event.params.get("targetInfo", {}))
            case "Target.targetCrashed":
                tab = self._tab(event.params)
                if tab:
                    tab.crashed = MEMORY if event.params.get("errorCode") == _SIGKILL else CRASH
                    self._devtools.fail(tab.session)
            case "Target.targetDestroyed":
                tab = self._tab(event.params)
                if tab:
                    tab.closed.set()

    def _tab(self, params: Mapping[str, Any]) -> Tab | None:
        with self._lock:
            return self._tabs.get(params.get("targetId", ""))

    def _close_popup(self, target: Mapping[str, Any]) -> None:
        if target.get("type") == "page" and target.get("openerFrameId"):
            with suppress(DevToolsError):
                self._close_target(target.get("targetId", ""))

    def _ended(self) -> None:
        with self._lock:
            tabs = list(self._tabs.values())
        for tab in tabs:
            tab.closed.set()
