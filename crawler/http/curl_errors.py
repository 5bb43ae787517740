"""Errors of libcurl (https://curl.se/libcurl/c/libcurl-errors.html) as errors of ours, in the words of all engines."""

from __future__ import annotations

import re
from typing import Protocol

from crawler.errors import (
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    TaskError,
    TlsFailed,
)
from crawler.http.certificates import context_of, failed_handshake, misnamed_for, refused_certificate
from crawler.http.status import lost_when

_COULD_NOT_CONNECT = 7
_HTTP2, _HTTP2_STREAM = 16, 92
_PARTIAL_FILE = 18
_TIMED_OUT = 28
_TLS_CONNECT = 35
_GOT_NOTHING, _SEND, _RECEIVE = 52, 55, 56
_LOST = frozenset({_HTTP2, _HTTP2_STREAM, _PARTIAL_FILE, _TLS_CONNECT, _GOT_NOTHING, _SEND, _RECEIVE})
_CERTIFICATE = 60
_MISNAMED = "target "
"""Within the text for a certificate of another host or address: ``… does not match target hostname …``."""
_BAD_AUTHORITIES = 77
NOT_UNDERSTOOD = frozenset({1, 3, 8, 16, 43, 61, 92, 100})
"""Answers that libcurl can't read, and hosts whose names it does not take.

UNSUPPORTED_PROTOCOL (HTTP/0.9), URL_MALFORMAT, WEIRD_SERVER_REPLY, HTTP2, BAD_FUNCTION_ARGUMENT, BAD_CONTENT_ENCODING,
HTTP2_STREAM, TOO_LARGE.
"""
_REASON = re.compile(r"error:[0-9A-Fa-f]{6,8}:[^:]*:[^:]*:([^:(]+)")
"""A reason of OpenSSL, in the text of an error."""
_ENDED = re.compile(r"unexpected eof|SSL_ERROR_SYSCALL|reset by peer|Broken pipe|ZERO_RETURN", re.IGNORECASE)
_TOO_LARGE = re.compile(r"too (?:large|long)|header", re.IGNORECASE)


class Failed(Protocol):
    """A transfer that has failed."""

    code: int
    message: str
    sent_at: float
    """0 for none that was sent."""
    place: tuple[str, int]
    """Host and port."""

    @property
    def verify_result(self) -> int: ...

    def names_of_certificate(self) -> list[str]: ...


def is_not_understood(failed: Failed) -> bool:
    """Whether libcurl can't read the answer, or can't make the request, that another engine may manage."""
    return failed.code in NOT_UNDERSTOOD or (
        failed.code == _RECEIVE and _TOO_LARGE.search(failed.message) is not None
    )


def is_end(failed: Failed) -> bool:
    """Whether a body that has begun has come to an end: whether to its own is for whoever knows its length.

    Chunks that libcurl can't make out have been read by us already. Servers that end an encrypted connection without
    saying so are too many to take it for an error; their content may have a length.
    """
    return failed.code in {0, _PARTIAL_FILE} or (
        failed.code == _RECEIVE and ("chunk" in failed.message or "unexpected eof" in failed.message)
    )


def error_of(failed: Failed, *, url: str, http_status: int, trusted: str) -> TaskError:
    """The error of a transfer that failed; *http_status* is 0 without an answer.

    Raises ConfigError when the authorities in *trusted* can't be read.
    """
    error = _error(failed, url, *failed.place, http_status, trusted)
    error.http_status, error.final_url = http_status, url
    return error


def _error(failed: Failed, url: str, host: str, port: int, http_status: int, trusted: str) -> TaskError:
    code = failed.code
    if code in {_CERTIFICATE, _BAD_AUTHORITIES}:
        return _of_certificate(failed, host, port, trusted)
    if code == _TLS_CONNECT and not _ENDED.search(failed.message):
        found = _REASON.search(failed.message)
        reason = found[1].strip().upper().replace(" ", "_") if found else ""
        return failed_handshake(reason, "the cause is not known", host, port)
    if code == _TIMED_OUT and not failed.sent_at:
        return ConnectTimeout("the connection was not ready in time (connect_timeout_s)")
    if code == _COULD_NOT_CONNECT:
        return ConnectFailed(f"{host} port {port} does not accept connections")
    if code in _LOST or not code:
        return ConnectionLost(f"the server closed the connection {lost_when(url, http_status)}")
    return BadResponse("the answer can't be read")


def _of_certificate(failed: Failed, host: str, port: int, trusted: str) -> TaskError:
    if failed.code == _BAD_AUTHORITIES:
        context_of(trusted, verify=True)  # which raises the error
        return TlsFailed("the certificate authorities can't be read")
    if _MISNAMED in failed.message:
        return misnamed_for(failed.names_of_certificate(), host, port)
    why = failed.message.partition(": ")[2]
    return refused_certificate(failed.verify_result, why or "no reason is given", host)
