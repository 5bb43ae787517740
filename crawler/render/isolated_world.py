"""The isolated world of a page: our scripts see its document, its own scripts do not see ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from crawler.logs.events import BROWSER_DETAIL, tell
from crawler.render.devtools_messages import BrowserGone, DevToolsError
from crawler.render.tab import Tab

log = logging.getLogger(__name__)

WORLD = "image-crawler"
_MOST_LISTENERS = 150
"""Most elements that listen and are looked at. Each costs two calls."""
_TO_CLICKS = frozenset(
    {"click", "mousedown", "mouseup", "pointerdown", "pointerup", "touchstart", "touchend"}
)
_TO_COMING = frozenset({"mouseenter", "mouseover", "pointerenter", "pointerover", "mousemove"})
_TELL = "function(coming) { globalThis.image_crawler?.listens(this, coming); }"


class IsolatedWorld:
    """The isolated world of the page in *tab*.

    *pump* answers the page's requests until a condition is true, or a time is over: our calls must not block the page.
    """

    def __init__(self, tab: Tab, *, url: str, pump: Callable[[Callable[[], bool], float], None]) -> None:
        self.tab = tab
        self.url = url
        self._pump = pump
        self.main_frame = ""
        self.context = 0
        """The id of its execution context; 0 before there is one."""

    def open(self, *, most_s: float) -> None:
        """Create the world in the main frame. Raises DevToolsError."""
        if not self.context:
            self.context = self.of(self.main_frame, most_s=most_s)

    def of(self, frame: str, *, most_s: float) -> int:
        """The execution context of the world in a frame. Raises DevToolsError."""
        world = {"frameId": frame, "worldName": WORLD}
        return int(self.call("Page.createIsolatedWorld", world, most_s=most_s)["executionContextId"])

    def call(self, method: str, params: Mapping[str, Any] | None = None, *, most_s: float) -> dict[str, Any]:
        """Call *method*, and answer the page's requests meanwhile: it may depend on them. Raises DevToolsError."""
        pending = self.tab.ask(method, params)
        self._pump(pending.answered.is_set, most_s)
        try:
            return pending.value()
        finally:
            self.tab.forget(pending)

    def value_of(self, call: str, *, most_s: float, context: int = 0) -> Any:
        """Evaluate a call of our script, here or in *context*, a frame's, while the page's requests are answered.

        None without a value in time. Raises BrowserGone.
        """
        params = {
            "expression": f"image_crawler.{call}",
            "contextId": context or self.context,
            "awaitPromise": True,
            "returnByValue": True,
            "userGesture": False,
        }
        try:
            answer = self.call("Runtime.evaluate", params, most_s=max(0.1, most_s))
        except BrowserGone:
            raise
        except DevToolsError:
            return None
        if details := answer.get("exceptionDetails"):
            reason = details.get("exception", details).get("description", details)
            tell(log, BROWSER_DETAIL, what=call[:80], reason=reason, url=self.url)
        return answer.get("result", {}).get("value")

    def tell_listeners(self, *, most_s: float) -> None:
        """Tell our script of elements that listen to the mouse: a person would try them, whatever they look like.

        Each call may take *most_s*. What can't be told is left; raises BrowserGone.
        """
        try:
            document = self.call("Runtime.evaluate", {"expression": "document"}, most_s=most_s)
            whole = {"objectId": document["result"]["objectId"], "depth": -1, "pierce": True}
            listeners = self.call("DOMDebugger.getEventListeners", whole, most_s=most_s)["listeners"]
        except BrowserGone:
            raise
        except (DevToolsError, KeyError):
            return
        kinds: dict[object, set[str]] = {}
        for listener in listeners:
            if listener.get("type") in _TO_CLICKS | _TO_COMING:
                kinds.setdefault(listener.get("backendNodeId"), set()).add(listener["type"])
        for node, types in list(kinds.items())[:_MOST_LISTENERS]:
            try:
                wanted = {"backendNodeId": node, "executionContextId": self.context}
                element = self.call("DOM.resolveNode", wanted, most_s=most_s)["object"]["objectId"]
                is_to_coming = {"value": not types.isdisjoint(_TO_COMING)}
                tell_it = {"objectId": element, "functionDeclaration": _TELL, "arguments": [is_to_coming]}
                self.call("Runtime.callFunctionOn", tell_it, most_s=most_s)
            except BrowserGone:
                raise
            except (DevToolsError, KeyError):
                continue
