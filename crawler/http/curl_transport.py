"""The Transport on libcurl, with the extra ``fast``: fast, and with HTTP/2.

libcurl is stricter than the web in places, and does not know what it was not made for. What it can't read is asked for
once more by requests, as is all that comes from the same origin later; what goes by a proxy with TLS goes there, too.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path

from crawler.config import FetchConfig
from crawler.errors import BadResponse, ConnectionLost
from crawler.http.address_guard import AddressGuard
from crawler.http.certificates import misnamed_for, usual_authorities
from crawler.http.curl_answer import CurlAnswer
from crawler.http.curl_errors import error_of, is_not_understood
from crawler.http.curl_handle import CurlHandle, Dial, HandleSettings
from crawler.http.dialling import open_by_http, open_by_socks, open_socket
from crawler.http.dns_cache import DnsCache
from crawler.http.engine import Answer, Engine, IdleConnectionLost, Outgoing, SendAgain
from crawler.http.engine_transport import EngineTransport
from crawler.http.paced_reader import Patience, ReadPace
from crawler.http.proxies import Proxies, Proxy
from crawler.http.status import lost_when
from crawler.urls import host_key

_IDLE_HANDLES = 32
"""The most handles that are kept, each with connections of its own: a page in the browser asks for much at once."""
_ODD_ORIGINS = 1000
"""The most origins that are remembered for requests."""


class CurlEngine:
    """Sends requests by libcurl. *trusted* is a file of certificate authorities; empty: the usual ones.

    Each request has a handle to itself while it lasts. Those that are idle keep their connections.
    """

    def __init__(
        self,
        config: FetchConfig,
        pace: ReadPace,
        guard: AddressGuard | None,
        proxies: Proxies,
        *,
        trusted: str,
    ) -> None:
        self._config = config
        self._pace = pace
        self._guard = guard
        self._proxies = proxies
        self._trusted = trusted
        self._settings = HandleSettings(
            pace=pace,
            connect_timeout_s=config.connect_timeout_s,
            trusted=trusted or usual_authorities(),
            trusted_is_folder=Path(trusted).is_dir() if trusted else False,
            verify=config.verify_tls,
        )
        self._names = DnsCache()
        self._buffer_bytes = 0 if pace.bandwidth is None else pace.bandwidth.buffer_bytes
        self._lock = threading.Lock()
        self._idle: list[CurlHandle] = []
        self._odd: dict[str, None] = {}
        self._patient: Engine | None = None
        self._is_closed = False

    def send(self, request: Outgoing, *, deadline: float) -> Answer:
        proxy, origin = self._proxies.of(request.url), host_key(request.url)
        if (proxy is not None and proxy.is_encrypted) or origin in self._odd:
            return self._other().send(request, deadline=deadline)
        dial: Dial = self._dial
        target = ""
        if proxy is not None:
            forwards = not proxy.is_socks and request.url.startswith("http:")
            dial = self._dial_by(proxy, forwards=forwards)
            if forwards:
                target = request.url
                request = replace(request, headers={**request.headers, **proxy.headers})
        handle = self._taken(origin)
        patience = Patience(self._pace, deadline)
        try:
            handle.start(request, patience, dial, target)
            handle.step(wait=False)
            received = handle.received
            while not (received.header_done or received.is_flooded or handle.done):
                handle.step()
            return self._answer(handle, request, patience)
        except BaseException as exc:
            self._release(handle, handle.received.header_done)
            if isinstance(exc, IdleConnectionLost):
                lost = f"the server closed the connection {lost_when(request.url, 0)}"
                raise ConnectionLost(lost, final_url=request.url) from exc
            raise

    def _answer(self, handle: CurlHandle, request: Outgoing, patience: Patience) -> Answer:
        """The answer whose header has come; or the error in place of it."""
        received = handle.received
        if not received.header_done and not received.is_flooded:
            if is_not_understood(handle):
                self._remember(host_key(request.url))
                raise SendAgain(BadResponse("the answer can't be read"), sent_at=handle.sent_at)
            if not received.lines:
                error = error_of(handle, url=request.url, http_status=0, trusted=self._settings.trusted)
                if isinstance(error, ConnectionLost) and handle.sent_at and not handle.is_new:
                    raise error from IdleConnectionLost("an idle connection was lost")
                raise error
        is_tls = request.url.startswith("https:")
        if is_tls and self._settings.verify and handle.is_new and handle.is_nameless:
            # libcurl takes a common name instead (RFC 9110, section 4.3.4 does not)
            raise misnamed_for((), *handle.place)
        return CurlAnswer(handle, request, patience, self._release)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            patient, self._patient = self._patient, None
        for handle in idle:
            handle.close()
        if patient is not None:
            patient.close()

    def _taken(self, origin: str) -> CurlHandle:
        """An idle handle, one that has been connected to *origin* if there is one; else a new one."""
        with self._lock:
            for place in reversed(range(len(self._idle))):
                if self._idle[place].knows(origin):
                    return self._idle.pop(place)
            if self._idle:
                return self._idle.pop()
        return CurlHandle(self._settings)

    def _release(self, handle: CurlHandle, is_worn: bool = False) -> None:  # noqa: FBT001, FBT002 - a callback's
        """Take *handle* back; *is_worn*: its connection must not be used again."""
        handle.finish()
        with self._lock:
            kept = not (is_worn or self._is_closed or len(self._idle) >= _IDLE_HANDLES)
            if kept:
                self._idle.append(handle)
        if not kept:
            handle.close()

    def _dial(self, host: str, port: int, timeout_s: float) -> socket.socket:
        size = self._buffer_bytes
        return open_socket(host, port, timeout_s, self._names, self._guard, buffer_bytes=size)

    def _dial_by(self, proxy: Proxy, *, forwards: bool) -> Dial:
        def dial(host: str, port: int, timeout_s: float) -> socket.socket:
            names, size = self._names, self._buffer_bytes
            if proxy.is_socks:
                return open_by_socks(proxy, host, port, timeout_s, names, self._guard, buffer_bytes=size)
            return open_by_http(proxy, host, port, timeout_s, names, tunnels=not forwards, buffer_bytes=size)

        return dial

    def _other(self) -> Engine:
        """The engine on requests, made when it is needed: importing it takes a while."""
        with self._lock:
            if self._patient is None:
                from crawler.http.requests_transport import RequestsEngine

                self._patient = RequestsEngine(
                    self._config, self._pace, self._guard, self._proxies, trusted=self._trusted
                )
            return self._patient

    def _remember(self, origin: str) -> None:
        with self._lock:
            self._odd[origin] = None
            if len(self._odd) > _ODD_ORIGINS:
                del self._odd[next(iter(self._odd))]


class CurlTransport(EngineTransport):
    """A Transport on libcurl; its arguments are those of EngineTransport."""

    make_engine = CurlEngine
