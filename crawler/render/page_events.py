"""What the browser tells of an open page: requests, addresses, frames, dialogs, windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crawler.render.devtools_messages import DevToolsEvent
from crawler.render.isolated_world import WORLD, IsolatedWorld
from crawler.render.page_requests import LOAD, PageLinks, PageRequests
from crawler.urls import MAX_URL_CHARS, canonical

MOST_ADDRESS_CHARS = 8 * MAX_URL_CHARS
"""Eight times as long as the URL of a task may be."""
_COUNTED = {
    "Network.webSocketCreated": "render-sockets",
    "Network.webTransportCreated": "render-sockets",
    "Page.downloadWillBegin": "render-downloads",
}
"""Events of things that a page does not get, by the slug that counts them."""
_FORMS = ("formSubmissionGet", "formSubmissionPost")


class PageEvents:
    """Handles the events of the page in *world*, and keeps what they say of it. All methods are for one thread.

    *script* runs in every document before the page's own scripts.
    """

    def __init__(
        self, world: IsolatedWorld, requests: PageRequests, links: PageLinks, *, script: str
    ) -> None:
        self._tab = world.tab
        self._url = world.url
        self._world = world
        self._requests = requests
        self._links = links
        self._left_out = links.left_out
        self._script = script
        self._arrivals = 0
        self.is_away = False
        """The page has left for a document that is not asked for (about:blank, blob:)."""
        self.is_silenced = False
        """Its scripts have been switched off."""
        self.routed_to = ""
        """The address that a script has given it since this was last emptied."""

    def watch(self, session: str, *, is_page: bool) -> None:
        """Let us answer all requests of the target that has *session*, and of each target that it starts."""
        send = self._tab.send
        send("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}, session=session)
        attach = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
        send("Target.setAutoAttach", attach, session=session)
        if is_page:
            send("Network.enable", {"maxTotalBufferSize": 0, "maxResourceBufferSize": 0}, session=session)
            send("Page.enable", session=session)
            script = {"source": self._script, "worldName": WORLD, "runImmediately": True}
            send("Page.addScriptToEvaluateOnNewDocument", script, session=session)

    def handle(self, event: DevToolsEvent) -> None:
        params = event.params
        match event.method:
            case "Fetch.requestPaused":
                self._requests.paused(params, event.session)
            case "Page.loadEventFired" if self._requests.is_open and event.session == self._tab.session:
                self._requests.has_loaded = True  # in a used tab the blank page between two pages loads first
            case "Page.navigatedWithinDocument":
                self._routed(params)
            case "Page.frameRequestedNavigation" if params.get("reason") in _FORMS:
                self._links.note_form(str(params.get("url", "")))
            case "Page.frameNavigated" if self._requests.is_open:  # before, that is the blank page of the tab
                self._navigated(params.get("frame", {}))
            case "Target.attachedToTarget":
                self._attached(params)
            case "Page.javascriptDialogOpening":
                self._left_out["render-dialogs"] += 1
                leaves = params.get("type") == "beforeunload"
                self._tab.send("Page.handleJavaScriptDialog", {"accept": leaves}, session=event.session)
            case "Page.windowOpen":
                self._left_out["render-popups"] += 1
                self._links.note(str(params.get("url", "")))
            case _ if event.method in _COUNTED:
                self._left_out[_COUNTED[event.method]] += 1

    def _attached(self, params: Mapping[str, Any]) -> None:
        """Watch a frame of another site, or a worker: we answer its requests as well."""
        session = str(params.get("sessionId", ""))
        kind = params.get("targetInfo", {}).get("type", "")
        if kind == "page":  # a window that it has opened
            self._tab.send("Target.closeTarget", {"targetId": params["targetInfo"]["targetId"]}, session="")
            return
        self.watch(session, is_page=kind == "iframe")
        self._tab.send("Runtime.runIfWaitingForDebugger", session=session)

    def _routed(self, params: Mapping[str, Any]) -> None:
        """Note a new address that a script has set: a link, and after one of our steps a reason to go back."""
        url = str(params.get("url", ""))
        if len(url) > MOST_ADDRESS_CHARS:
            self._silence()
        if params.get("frameId") != self._world.main_frame:
            return
        is_another = url != self._url and canonical(url) != canonical(self._url)
        if is_another or ("#" in url and url != self._url):
            self._links.note(url)
        if is_another and self._requests.stage != LOAD:
            self.routed_to = url

    def _silence(self) -> None:
        """Switch the page's scripts off, and read it as it is.

        200 addresses of a megabyte each kept the process that all pages share busy for ten seconds.
        """
        if not self.is_silenced:
            self.is_silenced = True
            self._tab.send("Emulation.setScriptExecutionDisabled", {"value": True})

    def _navigated(self, frame: Mapping[str, Any]) -> None:
        """Note whether the page has arrived, or has left for a document without a request (about:blank, blob:)."""
        if frame.get("id") != self._world.main_frame:
            return
        self._arrivals += 1
        if self._arrivals > 1 + self._requests.reloads:
            self.is_away = True
            self._left_out["render-away"] += 1
