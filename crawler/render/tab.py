"""One page in the browser, as who renders it has it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from crawler.render.devtools import CALL_TIMEOUT_S, DevTools, DevToolsError, PendingCall, TabCrashed
from crawler.render.mailbox import Mailbox

MEMORY = "memory"
CRASH = "crash"


class Tab:
    """A page at about:blank, for one thread. Its user turns on the domains that it wants to hear of.

    ``mailbox`` gets the events of the page, and those of frames and workers that are attached to it
    (``Target.setAutoAttach`` with flatten).
    """

    def __init__(self, devtools: DevTools, *, target_id: str, session: str) -> None:
        self._devtools = devtools
        self.target_id = target_id
        self.session = session
        self.mailbox = Mailbox()
        self.crashed = ""
        """MEMORY if its process was killed, over the limit of a page or by a system without memory; CRASH if it died
        otherwise; empty while it lives.
        """
        self.is_used = False
        """It has been sent somewhere."""
        self.is_spent = False
        """Its page had to be stopped: what that has left behind is no start for another one."""
        self.closed = threading.Event()
        """It is closed, or its browser has ended."""

    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        session: str = "",
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> dict[str, Any]:
        """What the page answers, or *session*, which is a frame or worker of it.

        Raises DevToolsError, and of its kinds DevToolsTimeout, TabCrashed, BrowserGone.
        """
        self._check(method)
        return self._devtools.call(method, params, session=session or self.session, timeout_s=timeout_s)

    def ask(self, method: str, params: Mapping[str, Any] | None = None, *, session: str = "") -> PendingCall:
        """The same without waiting: the mailbox wakes up when the answer is there. Raises TabCrashed, BrowserGone."""
        self._check(method)
        return self._devtools.ask(
            method, params, session=session or self.session, on_answer=self.mailbox.wake
        )

    def forget(self, asked: PendingCall) -> None:
        """Nobody looks for its answer any more."""
        self._devtools.forget(asked)

    def send(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        session: str = "",
        on_error: Callable[[DevToolsError], None] | None = None,
    ) -> None:
        """The same without waiting; what is sent one after the other is done in that order.

        *on_error* is called in another thread, and has to be quick. Raises TabCrashed, BrowserGone.
        """
        self._check(method)
        self._devtools.send(method, params, session=session or self.session, on_error=on_error)

    def navigate(self, url: str, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Go to *url*, without waiting for it: what comes of it is told by events. Raises as :meth:`call` does.

        All that was turned on before is on for *url*. Page.navigate alone does not promise that: what it is sent after
        is not always carried out yet when the document begins, and then its first events are lost.
        """
        self.call(
            "Page.enable", timeout_s=timeout_s
        )  # answered by the page, after all that it was told before
        self.send("Page.navigate", {"url": url})

    def _check(self, method: str) -> None:
        self.is_used = self.is_used or method == "Page.navigate"
        if self.crashed:  # Chromium would never answer
            raise TabCrashed(f"the tab has crashed ({self.crashed})")
