"""One tab of the browser, as the page's thread sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from crawler.render.devtools import CALL_TIMEOUT_S, DevTools, PendingCall
from crawler.render.devtools_messages import DevToolsError, TabCrashed
from crawler.render.mailbox import Mailbox

MEMORY = "memory"
CRASH = "crash"


class Tab:
    """A tab at about:blank, for one thread. Its user enables the DevTools domains that it needs.

    ``mailbox`` gets the events of the page, and of frames and workers attached to it (``Target.setAutoAttach`` with
    flatten).
    """

    def __init__(self, devtools: DevTools, *, target_id: str, session: str) -> None:
        self._devtools = devtools
        self.target_id = target_id
        self.session = session
        self.mailbox = Mailbox()
        self.crashed = ""
        """MEMORY if it was killed for its memory, by us or by the system; CRASH if it died otherwise; else empty."""
        self.is_used = False
        """Whether it has navigated anywhere."""
        self.is_spent = False
        """Whether its page had to be stopped: no other page may use the tab."""
        self.closed = threading.Event()
        """Set once it is closed, or its browser has ended."""

    def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> dict[str, Any]:
        """As :meth:`.DevTools.call`, for the session of the page. Raises TabCrashed for one that has crashed."""
        self._check(method)
        return self._devtools.call(method, params, session=self.session, timeout_s=timeout_s)

    def ask(self, method: str, params: Mapping[str, Any] | None = None) -> PendingCall:
        """Call without waiting: the mailbox wakes up when the answer is there. Raises TabCrashed, BrowserGone."""
        self._check(method)
        return self._devtools.ask(method, params, session=self.session, on_answer=self.mailbox.wake)

    def forget(self, asked: PendingCall) -> None:
        """Drop a pending call: nobody needs its answer any more."""
        self._devtools.forget(asked)

    def send(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        session: str = "",
        on_error: Callable[[DevToolsError], None] | None = None,
    ) -> None:
        """As :meth:`.DevTools.send`, for the page, or for *session*, a frame or worker of it. Raises TabCrashed."""
        self._check(method)
        self._devtools.send(method, params, session=session or self.session, on_error=on_error)

    def _check(self, method: str) -> None:
        self.is_used = self.is_used or method == "Page.navigate"
        if self.crashed:  # Chromium would never answer
            raise TabCrashed(f"the tab has crashed ({self.crashed})")
