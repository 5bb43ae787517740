"""Messages and errors of the DevTools protocol."""

from __future__ import annotations

import msgspec

from crawler.render.mailbox import repaired


class DevToolsError(Exception):
    """Chromium has refused a call: its error code and text. Code 0 if there was no answer."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class DevToolsTimeout(DevToolsError):
    """There was no answer in time. The call may still be carried out."""


class TabCrashed(DevToolsError):
    """The tab's process has ended."""


class BrowserGone(DevToolsError):
    """Chromium has ended, or no longer reads its pipe."""


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
