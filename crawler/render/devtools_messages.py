"""Messages, events and errors of the DevTools protocol."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

_OVERHEAD_BYTES = 200
"""Memory of one waiting event beside its text."""


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


class DevToolsMessage(msgspec.Struct, frozen=True, rename={"session": "sessionId"}):
    """An answer, or an event whose parameters are not decoded yet: it has a *method*."""

    id: int = 0
    method: str = ""
    session: str = ""
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw(b"{}")
    error: _Error | None = None

    @property
    def size_bytes(self) -> int:
        return len(memoryview(self.params)) + _OVERHEAD_BYTES


class DevToolsEvent(msgspec.Struct, frozen=True):
    """An event of the DevTools protocol."""

    method: str
    params: dict[str, Any]
    session: str


class _EventIds(msgspec.Struct, rename="camel"):
    request_id: str = ""
    session_id: str = ""


_MESSAGES = msgspec.json.Decoder(DevToolsMessage)
EVENT_IDS = msgspec.json.Decoder(_EventIds)
"""Decodes what is read of the parameters of an event before a page's thread has it."""


def decoded_message(data: bytes) -> DevToolsMessage:
    try:
        return _MESSAGES.decode(data)
    except msgspec.DecodeError:
        return _MESSAGES.decode(repaired(data))


def decoded(data: msgspec.Raw) -> Any:
    """The JSON that *data* is. Raises msgspec.DecodeError, ValueError or RecursionError."""
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return msgspec.json.decode(repaired(bytes(data)))


_HALVES = re.compile("[\ud800-\udfff]")


def repaired(data: bytes) -> bytes:
    """*data*, JSON, with lone surrogates replaced: pages have them in strings, and Chromium passes them on.

    Python's own parser takes them, and is fast: a document may have millions of them. Raises ValueError or
    RecursionError for what is no JSON.
    """
    try:
        value = json.loads(data.decode("utf-8", "replace"))
    except ValueError as exc:
        raise msgspec.DecodeError(str(exc)) from exc
    return msgspec.json.encode(_whole(value))


def _whole(value: Any) -> Any:
    match value:
        case str():
            return _HALVES.sub("\ufffd", value)
        case list():
            return [_whole(one) for one in value]
        case dict():
            return {_whole(name): _whole(one) for name, one in value.items()}
    return value
