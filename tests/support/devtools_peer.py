"""The other end of a DevTools pipe, in place of Chromium: it says what a test has it say."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self


class Peer:
    """*answer* gets each call and gives its result, an ``error``, or None for no answer."""

    def __init__(self, answer: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda _: {}) -> None:
        self.answer = answer
        self.calls: list[dict[str, Any]] = []
        self.heard = threading.Condition()
        self._in, self.outgoing = os.pipe()
        self.incoming, self._out = os.pipe()
        self._reading = threading.Event()
        self._reading.set()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._reading.set()
        self.die()
        self._thread.join(5)

    def say(self, method: str, params: dict[str, Any] | None = None, session: str = "") -> None:
        self.say_raw(json.dumps({"method": method, "params": params or {}, "sessionId": session}).encode())

    def say_raw(self, data: bytes) -> None:
        left = memoryview(data + b"\0")
        while left:
            left = left[os.write(self._out, left) :]

    def stop_reading(self) -> None:
        self._reading.clear()

    def die(self) -> None:
        """As Chromium does: its ends are closed."""
        if self._out >= 0:
            os.close(self._out)
            self._out = -1

    def called(self, method: str) -> list[dict[str, Any]]:
        return [call for call in self.calls if call["method"] == method]

    def wait_for(self, method: str, count: int = 1) -> list[dict[str, Any]]:
        with self.heard:
            assert self.heard.wait_for(lambda: len(self.called(method)) >= count, 20), self.calls
        return self.called(method)

    def _read(self) -> None:
        data = b""
        with suppress(OSError):
            while self._reading.wait() and (part := os.read(self._in, 65536)):
                *whole, data = (data + part).split(b"\0")
                for message in whole:
                    self._hear(json.loads(message))
        os.close(self._in)

    def _hear(self, call: dict[str, Any]) -> None:
        with self.heard:
            self.calls.append(call)
            self.heard.notify_all()
        answer = self.answer(call)
        if answer is not None:
            body = answer if "error" in answer else {"result": answer}
            self.say_raw(json.dumps({"id": call["id"]} | body).encode())
