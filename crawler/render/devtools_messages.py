"""What is said in the DevTools protocol, and what may go wrong with it."""

from __future__ import annotations

import msgspec

from crawler.render.mailbox import repaired


class DevToolsError(Exception):
    """Chromium says no: its code and its words. Code 0 if there was no answer."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class DevToolsTimeout(DevToolsError):
    """No answer in time. What was asked for may yet be done."""


class TabCrashed(DevToolsError):
    """The process of the tab has ended; nothing more can be had of it."""


class BrowserGone(DevToolsError):
    """Chromium has ended, or does not read what it is told."""


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class DevToolsMessage(msgspec.Struct, rename={"session": "sessionId"}):
    id: int = 0
    method: str = ""
    session: str = ""
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw(b"{}")
    error: _Error | None = None


class Paused(msgspec.Struct, rename="camel"):
    request_id: str = ""


_MESSAGES = msgspec.json.Decoder(DevToolsMessage)
PAUSED = msgspec.json.Decoder(Paused)


def decoded_message(data: bytes) -> DevToolsMessage:
    try:
        return _MESSAGES.decode(data)
    except msgspec.DecodeError:
        return _MESSAGES.decode(repaired(data))
