"""Our own world on a page: scripts of ours run there, next to its document and out of sight of its scripts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from crawler.logs.events import BROWSER_DETAIL, tell
from crawler.render.devtools import BrowserGone, DevToolsError
from crawler.render.tab import Tab

log = logging.getLogger(__name__)

WORLD = "image-crawler"


class IsolatedWorld:
    """That of the page in *tab*. *pump* answers what the page asks for until something is true, or so many seconds are
    over, or its time is: our questions are not to be what keeps it waiting.
    """

    def __init__(self, tab: Tab, *, url: str, pump: Callable[[Callable[[], bool], float], None]) -> None:
        self._tab = tab
        self._url = url
        self._pump = pump
        self.main_frame = ""
        self.context = 0
        """Its number; 0 before it is there."""

    def open(self, *, most_s: float) -> None:
        """Have one in the main frame. Raises DevToolsError."""
        if not self.context:
            self.context = self.of(self.main_frame, most_s=most_s)

    def of(self, frame: str, *, most_s: float) -> int:
        """The number of the one in a frame. Raises DevToolsError."""
        told = self.call("Page.createIsolatedWorld", {"frameId": frame, "worldName": WORLD}, most_s=most_s)
        return int(told["executionContextId"])

    def call(self, method: str, params: Mapping[str, Any] | None = None, *, most_s: float) -> dict[str, Any]:
        """What the page answers, while its own requests and dialogs are: it may not go on without. Raises
        DevToolsError.
        """
        asked = self._tab.ask(method, params)
        self._pump(asked.answered.is_set, most_s)
        try:
            return asked.value()
        finally:
            self._tab.forget(asked)

    def asked(self, call: str, *, most_s: float) -> Any:
        """What our world on the page says, while its requests are answered; None if it says nothing in time."""
        return self._evaluated(f"image_crawler.{call}", most_s=most_s)

    def _evaluated(self, expression: str, *, most_s: float) -> Any:
        params = {
            "expression": expression,
            "contextId": self.context,
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
            tell(log, BROWSER_DETAIL, what=expression[:80], reason=what, url=self._url)
        return answer.get("result", {}).get("value")
