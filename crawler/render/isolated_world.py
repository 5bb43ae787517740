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


class IsolatedWorld:
    """The isolated world of the page in *tab*.

    *pump* answers the page's requests until a condition is true, or a time is over: our calls must not block the page.
    """

    def __init__(self, tab: Tab, *, url: str, pump: Callable[[Callable[[], bool], float], None]) -> None:
        self._tab = tab
        self._url = url
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
        told = self.call("Page.createIsolatedWorld", {"frameId": frame, "worldName": WORLD}, most_s=most_s)
        return int(told["executionContextId"])

    def call(self, method: str, params: Mapping[str, Any] | None = None, *, most_s: float) -> dict[str, Any]:
        """Call *method* and return the answer, while the page's requests and dialogs are answered: it may depend on
        them. Raises DevToolsError.
        """
        asked = self._tab.ask(method, params)
        self._pump(asked.answered.is_set, most_s)
        try:
            return asked.value()
        finally:
            self._tab.forget(asked)

    def asked(self, call: str, *, most_s: float, context: int = 0) -> Any:
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
        if told := answer.get("exceptionDetails"):
            what = told.get("exception", told).get("description", told)
            tell(log, BROWSER_DETAIL, what=call[:80], reason=what, url=self._url)
        return answer.get("result", {}).get("value")
