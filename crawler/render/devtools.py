"""The DevTools protocol over a pipe: JSON with a NUL after each message (chromedevtools.github.io/devtools-protocol).

Any thread may call. One thread reads and one writes, so that neither waits for the other when a page makes Chromium
slow. A session is a tab, or a frame or worker of one. Its events, and those of sessions that it attaches, go to the
mailbox that it is routed to.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from crawler.logs.events import BROWSER_DETAIL, PROCESS_FAILED, tell
from crawler.render.devtools_messages import (
    EVENT_IDS,
    BrowserGone,
    DevToolsError,
    DevToolsEvent,
    DevToolsMessage,
    DevToolsTimeout,
    TabCrashed,
    decoded,
    decoded_message,
)
from crawler.render.mailbox import Mailbox
from crawler.render.outbox import Outbox
from crawler.render.session_routes import SessionRoutes
from crawler.text.plain_errors import plain

log = logging.getLogger(__name__)

CALL_TIMEOUT_S = 10.0

_MAX_MESSAGE_BYTES = 64 * 2**20
"""A page can make its document, and so the answer with it, as large as it likes: four times what is read of one."""
_HEAD_BYTES = 1024
_READ_BYTES = 2**20
_NUMBER = re.compile(rb'\{"id": ?(\d{1,18}),')


@dataclass(eq=False)
class PendingCall:
    """A call, and its outcome once ``answered`` is set."""

    session: str
    on_error: Callable[[DevToolsError], None] | None = None
    on_answer: Callable[[], None] | None = None
    number: int = 0
    answered: threading.Event = field(default_factory=threading.Event)
    result: msgspec.Raw = field(default_factory=lambda: msgspec.Raw(b"{}"))
    error: DevToolsError | None = None

    def answer(self, result: msgspec.Raw | None, error: DevToolsError | None) -> None:
        self.result, self.error = result or self.result, error
        self.answered.set()
        if error and self.on_error:
            self.on_error(error)
        if self.on_answer:
            self.on_answer()

    def value(self) -> dict[str, Any]:
        """Chromium's answer. Raises DevToolsError if it refused, or has not answered."""
        if not self.answered.is_set():
            raise DevToolsTimeout("no answer so far")
        if self.error:
            raise self.error
        try:
            result: dict[str, Any] = decoded(self.result)
        except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
            raise DevToolsError(f"what it says can't be read: {plain(exc)}") from exc
        return result


class DevTools:
    """The connection to one browser. It owns the two descriptors from now on.

    *on_event* gets each event of no session. *on_gone* is called once, when Chromium has ended or is stuck. Both run in
    the thread that reads, and have to be quick.
    """

    def __init__(
        self,
        incoming: int,
        outgoing: int,
        *,
        on_event: Callable[[DevToolsEvent], None] = lambda _: None,
        on_gone: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_event = on_event
        self._on_gone = on_gone
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._pending: dict[int, PendingCall] = {}
        self._gone: BrowserGone | None = None
        self._routes = SessionRoutes(self._refuse)
        self._outbox = Outbox(outgoing, self._end)
        self._reader = threading.Thread(
            target=self._read, args=(incoming,), name="devtools-reader", daemon=True
        )
        self._reader.start()

    @property
    def is_gone(self) -> bool:
        return self._gone is not None

    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        session: str = "",
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> dict[str, Any]:
        """Call *method* and return Chromium's answer.

        Raises DevToolsError, and of its kinds DevToolsTimeout, TabCrashed, BrowserGone.
        """
        pending = self.ask(method, params, session=session)
        if not pending.answered.wait(max(timeout_s, 0.0)):
            self.forget(pending)
            if not pending.answered.is_set():
                raise DevToolsTimeout(f"{method}: no answer within {timeout_s:.1f} s")
        return pending.value()

    def ask(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        session: str = "",
        on_answer: Callable[[], None] | None = None,
    ) -> PendingCall:
        """Call *method* without waiting: the answer is read from the PendingCall later, or forgotten.

        *on_answer* runs in the thread that reads, and has to be quick. Raises BrowserGone.
        """
        pending = PendingCall(session, on_answer=on_answer)
        self._ask(method, params, session, pending)
        return pending

    def forget(self, pending: PendingCall) -> None:
        """Drop a pending call: nobody needs its answer any more."""
        with self._lock:
            self._pending.pop(pending.number, None)

    def send(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        session: str = "",
        on_error: Callable[[DevToolsError], None] | None = None,
    ) -> None:
        """Call *method* without an answer. Chromium carries out calls in the order in which they are sent.

        *on_error* runs in the thread that reads, and has to be quick. Raises BrowserGone.
        """
        self._ask(method, params, session, PendingCall(session, on_error=on_error) if on_error else None)

    def route(self, session: str, mailbox: Mailbox) -> None:
        """Route the events of *session*, and of all sessions that it attaches, to *mailbox*: earlier ones, too."""
        self._routes.add(session, mailbox)
        if self._gone:
            mailbox.close(self._gone)

    def unroute(self, mailbox: Mailbox) -> None:
        """Remove *mailbox*: nobody reads it any more."""
        self._routes.remove(mailbox)

    def fail(self, session: str) -> None:
        """Fail the pending calls of *session*, whose process has crashed."""
        error = TabCrashed("the tab has crashed")
        with self._lock:
            numbers = [number for number, pending in self._pending.items() if pending.session == session]
        for number in numbers:
            self._answered(number, None, error)

    def close(self) -> None:
        """Close the pipe: Chromium ends with it."""
        self._end("it was closed")

    def _ask(
        self, method: str, params: Mapping[str, Any] | None, session: str, pending: PendingCall | None
    ) -> None:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        try:
            data = msgspec.json.encode(message) + b"\0"
        except (UnicodeEncodeError, TypeError) as exc:
            raise DevToolsError("what it is to be told can't be written as JSON") from exc
        with self._lock:
            if self._gone:
                raise BrowserGone(str(self._gone))
            if pending:
                pending.number = number
                self._pending[number] = pending
        try:
            self._outbox.put(data, is_patient=threading.current_thread() is not self._reader)
        except BrokenPipeError as exc:
            raise BrowserGone(str(self._gone)) from exc

    def _read(self, incoming: int) -> None:
        """The loop of the thread that reads; it ends with Chromium."""
        parts: list[bytes] = []
        size_bytes = 0
        try:
            while chunk := os.read(incoming, _READ_BYTES):
                *ends, rest = chunk.split(b"\0")
                for end in ends:
                    try:
                        self._take(b"".join((*parts, end)), is_whole=size_bytes <= _MAX_MESSAGE_BYTES)
                    except Exception:  # noqa: BLE001 - the others' messages are not to be lost with it
                        tell(
                            log,
                            PROCESS_FAILED,
                            exc_info=True,
                            what="what Chromium said could not be dealt with",
                        )
                    parts, size_bytes = [], 0
                size_bytes += len(rest)
                parts.append(rest)
                if size_bytes > _MAX_MESSAGE_BYTES:
                    parts = [b"".join(parts)[:_HEAD_BYTES]]
        except OSError as exc:
            tell(log, BROWSER_DETAIL, what="the pipe from Chromium broke", reason=exc, url="")
        finally:
            os.close(incoming)
            self._end("Chromium has ended")

    def _take(self, data: bytes, *, is_whole: bool) -> None:
        if not is_whole:
            self._unread(data, "the answer is too large")
            return
        try:
            message = decoded_message(data)
        except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
            tell(log, BROWSER_DETAIL, what="Chromium says what can't be read", reason=exc, url="")
            self._unread(data, f"what it says can't be read: {plain(exc)}")
            return
        if message.method:
            self._happened(message)
        else:
            error = DevToolsError(message.error.message, message.error.code) if message.error else None
            self._answered(message.id, message.result, error)

    def _unread(self, data: bytes, why: str) -> None:
        """Fail the call that *data* begins to answer, if it is an answer."""
        number = _NUMBER.match(data)
        self._answered(int(number[1]) if number else 0, None, DevToolsError(why))

    def _answered(self, number: int, result: msgspec.Raw | None, error: DevToolsError | None) -> None:
        with self._lock:
            pending = self._pending.pop(number, None)
        if pending:
            pending.answer(result, error)

    def _happened(self, event: DevToolsMessage) -> None:
        if event.session:
            self._routes.deliver(event)
        else:
            with suppress(msgspec.MsgspecError, ValueError, RecursionError):
                self._on_event(DevToolsEvent(event.method, decoded(event.params), ""))

    def _refuse(self, event: DevToolsMessage) -> None:
        """Fail a request that no mailbox takes: its page waits for an answer."""
        with suppress(DevToolsError, msgspec.MsgspecError):
            match event.method:
                case "Fetch.requestPaused":
                    request_id = EVENT_IDS.decode(event.params).request_id
                    reason = {"requestId": request_id, "errorReason": "BlockedByClient"}
                    self.send("Fetch.failRequest", reason, session=event.session)
                case "Page.javascriptDialogOpening":
                    self.send("Page.handleJavaScriptDialog", {"accept": False}, session=event.session)

    def _end(self, why: str) -> None:
        with self._lock:
            if self._gone:
                return
            self._gone = BrowserGone(why)
            left, self._pending = list(self._pending.values()), {}
        self._outbox.close()
        for pending in left:
            pending.answer(None, self._gone)
        self._routes.close(self._gone)
        self._on_gone()
