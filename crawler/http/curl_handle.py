"""The one module over pycurl: a handle of libcurl, which makes one transfer at a time and keeps its connections.

libcurl encrypts, speaks HTTP/2, and knows which connection can be used again. Everything else is ours: it connects
nowhere (sockets are dialled by dialling.py, and handed to it), follows nothing, decodes nothing, knows no cookies, no
passwords, no proxies, and reads no files but the authorities, and nothing of the environment but SSLKEYLOGFILE.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pycurl

from crawler.errors import InvalidUrl
from crawler.http.bandwidth import AHEAD_BYTES, STEP_BYTES
from crawler.http.curl_received import Received
from crawler.http.engine import IdleConnectionLost, Outgoing
from crawler.http.paced_reader import Patience, ReadPace
from crawler.urls import host_key

Dial = Callable[[str, int, float], socket.socket]
"""Connects to a host and port within so many seconds; raises a TaskError."""

LEAST = (7, 87)
"""The first libcurl that reads the file of authorities once, and not for each connection."""
_NEEDED = ("PREREQFUNCTION", "REQUEST_TARGET", "CONNECT_TO", "SOCKOPT_ALREADY_CONNECTED", "OPT_CERTINFO")
_CONNECTIONS = 16
"""The most idle connections of one handle, and each thread has one at a time."""
_BUFFER_BYTES = 128 * 1024
_GO: int = pycurl.PREREQFUNC_OK
_STOP: int = pycurl.PREREQFUNC_ABORT
_IS_CONNECTED: int = pycurl.SOCKOPT_ALREADY_CONNECTED
_BREAK = re.compile(r"[\0\r\n]")
_UNSENDABLE = re.compile(r"[^\x21-\x7e]")
_NUMBER = re.compile(r"\d+")
_NAME_OF_CERTIFICATE = re.compile(r"(?:DNS|IP Address):\s*([^,\s]+)")
_NO_SOCKET_S = 0.01
_HTTP_2 = 3
"""CURL_HTTP_VERSION_2_0."""


def unfit() -> str:
    """Why the libcurl that pycurl comes with can't be used; empty if it can."""
    told = pycurl.version_info()
    version = tuple(int(part) for part in _NUMBER.findall(told[1])[:2])
    if version < LEAST:
        return f"it has libcurl {told[1]}; {'.'.join(map(str, LEAST))} or later is needed"
    if not str(told[5]).startswith("OpenSSL"):
        return f"its libcurl is made with {told[5] or 'no encryption'}, and not with OpenSSL"
    if missing := [name for name in _NEEDED if not hasattr(pycurl, name)]:
        return f"it is too old: it lacks {', '.join(missing)}"
    return ""


@dataclass(frozen=True, kw_only=True)
class HandleSettings:
    pace: ReadPace
    connect_timeout_s: float
    trusted: str
    """A file or folder of certificate authorities."""
    trusted_is_folder: bool
    verify: bool


class CurlHandle:
    """Connections of libcurl, and the transfer that is under way over one of them.

    Used by one thread at a time: ``start``, then ``step`` until ``done`` or whoever reads has enough, then ``finish``.
    """

    def __init__(self, settings: HandleSettings) -> None:
        self._settings = settings
        self.received = Received()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, _CONNECTIONS)
        self._getter = self._made()
        self._told: dict[int, Any] = {}
        """What the getter was told for the request before: telling it once more takes a tenth of a request."""
        self._easy: pycurl.Curl | None = None
        self._dialled: list[socket.socket] = []
        self._origin = ""
        self._origins: dict[str, None] = {}
        """Those that there may be an idle connection to, the latest last."""
        self.place = "", 0
        """Host and port that the transfer is for."""
        self._clear()

    def _clear(self) -> None:
        self.received.clear()
        self.done = False
        self.code = 0
        """libcurl's error, CURLE_OK being 0; of a transfer that is done."""
        self.message = ""
        self.sent_at = 0.0
        self.waited_s = 0.0
        self._paid_bytes = 0
        self._failure: BaseException | None = None
        self._tell_sending: Callable[[], None] | None = None

    # --- one transfer

    def start(self, request: Outgoing, patience: Patience, dial: Dial, target: str = "") -> None:
        """Begin to send *request*, and keep *patience* with its answer. *dial* connects, if no connection is kept.

        *target* is what is asked for in place of the URL's path and query.

        Raises InvalidUrl for a URL that would make another request.
        """
        self._clear()
        origin = host_key(request.url)
        if _UNSENDABLE.search(request.url):
            raise InvalidUrl("the URL has characters that can't be sent")
        self._patience = patience
        self._dial = dial
        self._tell_sending = request.on_send
        easy = self._getter if request.method == "GET" else self._made()
        if request.method == "HEAD":
            easy.setopt(pycurl.NOBODY, 1)
        elif request.method == "POST":
            easy.setopt(pycurl.POST, 1)
            easy.setopt(pycurl.POSTFIELDS, request.body)
        elif request.method != "GET":
            easy.setopt(pycurl.CUSTOMREQUEST, request.method)
        if origin != self._origin:
            self._origin, self.place = origin, place_of(origin)
        told = self._told if easy is self._getter else {}
        if told.get(pycurl.URL) != origin:
            easy.setopt(pycurl.URL, f"{origin}/")
            told[pycurl.URL] = origin
        if told.get(pycurl.HTTPHEADER) != request.headers:
            easy.setopt(pycurl.HTTPHEADER, _field_lines(request.headers))
            told[pycurl.HTTPHEADER] = request.headers
        easy.setopt(pycurl.REQUEST_TARGET, target or request.url[len(origin) :])
        if self._settings.pace.bandwidth is not None:
            self._paid_bytes = AHEAD_BYTES
        self._easy = easy
        self._multi.add_handle(easy)

    def step(self, *, wait: bool = True) -> None:
        """Take what has come; with *wait*, wait for it.

        Raises DeadlineExceeded or TooSlow when nothing comes in time, and what dialling raises.
        """
        if wait:
            self._wait(self._patience.left_s())
        _, running = self._multi.perform()
        if self._dialled:
            self._dialled.pop().close()  # libcurl has a copy
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        self._patience.count(self.received.look())
        if not running:
            self._ended()

    def knows(self, origin: str) -> bool:
        """Whether there may be an idle connection to *origin*."""
        return origin in self._origins

    def finish(self) -> None:
        """End the transfer; its connection is kept if the transfer was done."""
        if self._easy is not None:
            self._origins.pop(self._origin, None)
            if self.done and not self.code:
                self._origins[self._origin] = None
                if len(self._origins) > _CONNECTIONS:
                    del self._origins[next(iter(self._origins))]
            easy, self._easy = self._easy, None
            self._multi.remove_handle(easy)
            if easy is not self._getter:
                easy.close()
        bandwidth, paid_bytes = self._settings.pace.bandwidth, self._paid_bytes
        self._paid_bytes = 0
        if bandwidth is not None and paid_bytes > 0:
            bandwidth.give_back(paid_bytes)

    def close(self) -> None:
        """End all connections."""
        self.finish()
        self._getter.close()
        self._multi.close()

    # --- what is known of it

    @property
    def is_http2(self) -> bool:
        return self._info(pycurl.INFO_HTTP_VERSION) == _HTTP_2

    @property
    def is_new(self) -> bool:
        """Whether a connection was made for this transfer."""
        return self._info(pycurl.NUM_CONNECTS) > 0

    @property
    def verify_result(self) -> int:
        """What OpenSSL said of the server's certificate, as an X509_V_ERR number."""
        return int(self._info(pycurl.SSL_VERIFYRESULT))

    def names_of_certificate(self) -> list[str]:
        """Those that the server's certificate is for."""
        for name, value in self._certificate():
            if name == "X509v3 Subject Alternative Name":
                return _NAME_OF_CERTIFICATE.findall(value)
        return []

    @property
    def is_nameless(self) -> bool:
        """Whether the server has sent a certificate that is for no name; it sends none to resume a TLS session."""
        return bool(self._certificate()) and not self.names_of_certificate()

    def _certificate(self) -> list[tuple[str, str]]:
        chain = [] if self._easy is None else self._easy.getinfo(pycurl.INFO_CERTINFO)
        return chain[0] if chain else []

    def _info(self, info: int) -> int:
        return 0 if self._easy is None else int(self._easy.getinfo(info))

    # --- within

    def _wait(self, for_s: float) -> None:
        its_own_ms = self._multi.timeout()
        if its_own_ms >= 0:
            for_s = min(for_s, its_own_ms / 1000)
        if self._multi.select(for_s) < 0:  # no socket to wait for
            time.sleep(min(for_s, _NO_SOCKET_S))

    def _ended(self) -> None:
        _, _, failed = self._multi.info_read()
        self.done = True
        if failed:
            _, self.code, self.message = failed[0]

    def _made(self) -> pycurl.Curl:
        settings, easy = self._settings, pycurl.Curl()
        options: list[tuple[int, object]] = [
            (pycurl.NOSIGNAL, 1),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.PROXY, ""),  # nor one of the environment
            (pycurl.NOPROXY, "*"),
            (pycurl.NETRC, 0),
            (pycurl.HTTP09_ALLOWED, 0),
            (pycurl.HTTP_CONTENT_DECODING, 0),
            (pycurl.HTTP_TRANSFER_DECODING, 0),  # we read chunks more strictly
            (pycurl.PATH_AS_IS, 1),
            (pycurl.CONNECT_TO, ["::127.0.0.1:"]),  # it looks no name up: whoever dials does
            (pycurl.OPENSOCKETFUNCTION, self._on_connect),
            (pycurl.SOCKOPTFUNCTION, _connected),
            (pycurl.PREREQFUNCTION, self._on_send),
            (
                pycurl.HEADERFUNCTION,
                self.received.lines.append if settings.pace.bandwidth is None else self._on_line,
            ),
            (
                pycurl.WRITEFUNCTION,
                self.received.pieces.append if settings.pace.bandwidth is None else self._on_piece,
            ),
            (pycurl.CONNECTTIMEOUT_MS, max(1, int(settings.connect_timeout_s * 1000))),
            (pycurl.BUFFERSIZE, _BUFFER_BYTES if settings.pace.bandwidth is None else STEP_BYTES),
            (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
            (pycurl.SSL_VERIFYPEER, int(settings.verify)),
            (pycurl.SSL_VERIFYHOST, 2 if settings.verify else 0),
            (pycurl.OPT_CERTINFO, 1),
            (
                pycurl.HTTP_VERSION,
                # what HTTP/2 sends ahead of our reading is not bounded by the socket's buffer
                pycurl.CURL_HTTP_VERSION_2TLS
                if settings.pace.bandwidth is None
                else pycurl.CURL_HTTP_VERSION_1_1,
            ),
        ]
        for option in (pycurl.CAINFO, pycurl.CAPATH):  # libcurl was made with, which are trusted as well
            easy.unsetopt(option)
        if settings.verify:
            options.append((pycurl.CAPATH if settings.trusted_is_folder else pycurl.CAINFO, settings.trusted))
        for option, value in options:
            easy.setopt(option, value)
        return easy

    def _on_connect(self, _purpose: int, _address: object) -> socket.socket | int:
        """Dial: libcurl wants a connection."""
        if self.sent_at:  # it would send the request a second time, by itself
            self._failure = IdleConnectionLost("an idle connection was lost")
            return -1
        try:
            sock = self._dial(*self.place, min(self._settings.connect_timeout_s, self._patience.left_s()))
        except BaseException as exc:  # noqa: BLE001 - libcurl can't pass it on; step() raises it
            self._failure = exc
            return -1
        self._dialled.append(sock)
        return sock

    def _on_send(self, *_addresses: object) -> int:
        """Note when the request is sent: libcurl is about to do it."""
        if self.sent_at:
            self._failure = IdleConnectionLost("an idle connection was lost")
            return _STOP
        if self._tell_sending is not None:
            started = time.monotonic()
            try:
                self._tell_sending()
                self._patience.extend(time.monotonic() - started)
            except BaseException as exc:  # noqa: BLE001 - libcurl can't pass it on; step() raises it
                self._failure = exc
                return _STOP
        self.sent_at = time.monotonic()
        return _GO

    def _on_line(self, line: bytes) -> int | None:
        self.received.lines.append(line)
        return self._pay(len(line))

    def _on_piece(self, piece: bytes) -> int | None:
        self.received.pieces.append(piece)
        return self._pay(len(piece))

    def _pay(self, received: int) -> int | None:
        """Wait for bandwidth for the next read, and for what a server sends ahead of it; -1 ends the transfer."""
        bandwidth = self._settings.pace.bandwidth
        assert bandwidth is not None
        self._paid_bytes -= received
        missing = AHEAD_BYTES + STEP_BYTES - self._paid_bytes
        try:
            waited_s = bandwidth.take(missing)
        except BaseException as exc:  # noqa: BLE001 - libcurl can't pass it on; step() raises it
            self._failure = exc
            return -1
        self._paid_bytes += missing
        self.waited_s += waited_s
        self._patience.extend(waited_s)
        return None


def place_of(origin: str) -> tuple[str, int]:
    """Host and port of an *origin*; the host as it is in sockets, without the brackets of IPv6."""
    parts = urlsplit(origin)
    return (parts.hostname or "").strip("[]"), parts.port or (443 if parts.scheme == "https" else 80)


def _connected(_fd: int, _purpose: int) -> int:
    return _IS_CONNECTED


def _field_lines(headers: Mapping[str, str]) -> list[bytes]:
    """The header as libcurl takes it: a name without a value takes back what it would add."""
    lines = []
    given = set()
    for name, value in headers.items():
        folded = name.lower()
        given.add(folded)
        if _BREAK.search(name + value):
            raise ValueError("a header of the request has a line break")
        if folded != "content-length":  # which it knows itself
            lines.append(f"{name}: {value}".encode("latin-1") if value else f"{name};".encode("latin-1"))
    return lines + [line for name, line in _NONE_OF_ITS_OWN.items() if name not in given]


_NONE_OF_ITS_OWN = {
    "user-agent": b"User-Agent:",
    "accept": b"Accept:",
    "content-type": b"Content-Type:",
    "expect": b"Expect:",
}
