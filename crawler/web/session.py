"""The transport on requests: one GET with redirects, streamed, within every limit.

Only requests' adapter is used (pooled connections, the wire), with requests prepared by hand: its cookies, proxies,
.netrc and history are a third of its time, and not what a crawler wants of such things.
"""

from __future__ import annotations

import http.client
import logging
import re
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import ProxyManager
from urllib3.exceptions import HTTPError

from crawler.config import FetchConfig
from crawler.errors import (
    BadRedirect,
    BadResponse,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    EmptyBody,
    FetchError,
    InvalidUrl,
    TaskError,
    TlsFailed,
    TooLarge,
    TooManyRedirects,
    TruncatedTransfer,
)
from crawler.urls import canonical, resolve, with_bytes_escaped
from crawler.web import LINE_BY_LINE, Asked, Check, Fetched
from crawler.web.answers import PROXY_LOGIN, proxy_error, status_error
from crawler.web.asking import Proxy, RequestHeaders, asks_unless, proxy_of
from crawler.web.connection import Pace, PacedResponse, pool_classes
from crawler.web.cookies import Jar
from crawler.web.decoding import decoder_for
from crawler.web.guard import Guard
from crawler.web.trust import authorities, context_of

log = logging.getLogger(__name__)

_OK = 200
_NOT_MODIFIED = 304
_WORTHLESS_IN_PART = re.compile(
    r"\s*(?:video|audio|font)/|\s*application/(?:pdf|zip|octet-stream|[\w.-]*(?:compressed|archive|installer|package))",
    re.IGNORECASE,
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 256 * 1024
_DRAIN_S = 1.0
_DRAIN_BYTES = 64 * 1024
"""The body of a redirect or an error is read up to here, for the sake of its connection."""
_POOLS, _IDLE_CONNECTIONS = 64, 256
"""Hosts whose idle connections are kept, and how many of one host."""


class RequestsTransport:
    """A Transport on requests; see :class:`crawler.web.Transport` for what it promises.

    *guard* decides which addresses may be asked; None: all. *jar* keeps cookies; None: nobody does. *seeds* are
    canonical URLs, whose origins get the passwords of *config*. *rate_grace_s*: each so many seconds after the first
    byte must bring ``min_rate_bytes_s`` on average. *ca_file*: certificate authorities to trust in place of the usual
    ones, and of those that the environment names (SSL_CERT_FILE …). Proxies from the environment are not used.

    Raises ConfigError for headers, proxies and files that won't do.
    """

    def __init__(
        self,
        config: FetchConfig,
        guard: Guard | None = None,
        jar: Jar | None = None,
        *,
        seeds: Iterable[str] = (),
        rate_grace_s: float = 10.0,
        ca_file: Path | None = None,
    ) -> None:
        self._config = config
        self._jar = jar
        self._headers = RequestHeaders(config, seeds=seeds, jar=jar)
        self._proxy = proxy_of(config)
        self._unresolved_guard = guard if self._proxy else None
        self._adapter = _Adapter(
            Pace(min_rate_bytes_s=config.min_rate_bytes_s, grace_s=rate_grace_s),
            guard,
            self._proxy,
            trusted=str(ca_file or (authorities() if config.verify_tls else "")),
            verify=config.verify_tls,
        )

    def fetch(self, url: str, **asked: Unpack[Asked]) -> Fetched:
        """As promised by the protocol; the errors' texts name the limit that was met."""
        limit_s, within_s = self._config.total_timeout_s, asked.get("within_s")
        deadline = time.monotonic() + (limit_s if within_s is None else min(limit_s, within_s))
        check, unless = asked.get("check"), asked.get("unless")
        current = canonical(url)
        if current is None:
            raise InvalidUrl(f"{url!r} is not an http or https URL")
        seen: list[str] = []
        changed = (
            0  # so many of these were seen before a cookie was set, with which they may answer otherwise
        )
        while True:
            seen.append(current)
            deadline += _checked(check, current)
            with self._answer(current, deadline, asked) as answer:
                status = answer.status_code
                headers = _headers(answer)
                if self._jar is not None and "set-cookie" in headers:
                    self._jar.store(current, answer.raw.headers.getlist("set-cookie"))
                    changed = len(seen)
                if status in _REDIRECTS and (location := _location(answer)):
                    target = _target(location, current)
                    if target in seen[changed:] or len(seen) > self._config.max_redirects:
                        _drain(answer)
                        raise _too_many(seen, target, status, circle=target in seen[changed:])
                    _drain(answer)
                    current = target
                    continue
                if status == _NOT_MODIFIED and asks_unless(unless, current):
                    content, is_cut = b"", False
                    _drain(answer)
                elif status != _OK and (error := self._status_error(status, headers, current)):
                    _drain(answer)
                    raise error
                else:
                    cut = asked.get("cut", False) and not _is_worthless_in_part(headers)
                    content, is_cut = _body(answer, headers, asked["max_bytes"], cut=cut)
                    if not content and "refresh" not in headers:
                        raise EmptyBody("the answer has no content")
            return Fetched(
                url=url,
                final_url=current,
                http_status=status,
                headers=headers,
                content=content,
                is_cut=is_cut,
            )

    def close(self) -> None:
        self._adapter.close()

    def _status_error(self, status: int, headers: Mapping[str, str], url: str) -> TaskError | None:
        if status == PROXY_LOGIN and self._proxy is not None:
            return proxy_error(status, self._proxy.name, url)
        return status_error(status, headers, url)

    @contextmanager
    def _answer(self, url: str, deadline: float, asked: Asked) -> Iterator[requests.Response]:
        """One request and its answer, closed in the end; whatever goes wrong within becomes a TaskError."""
        answer: requests.Response | None = None
        try:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                raise DeadlineExceeded("the redirects took all of the total time (total_timeout_s)")
            if self._unresolved_guard is not None:
                self._unresolved_guard.check_unresolved(url)
            prepared = requests.PreparedRequest()
            prepared.method = "GET"
            prepared.url = url
            prepared.headers = self._headers.headers_for(  # type: ignore[assignment] # a dict does as well
                url, accept=asked["accept"], referer=asked.get("referer", ""), unless=asked.get("unless")
            )
            answer = self._adapter.send(
                prepared,
                stream=True,
                timeout=(min(self._config.connect_timeout_s, remaining_s), remaining_s),
            )
            if (tell := asked.get("sent")) is not None:
                tell(url, _sent_at(answer))
            yield answer
        except TaskError as exc:
            exc.final_url = exc.final_url or url
            if answer is not None:
                exc.http_status = exc.http_status or answer.status_code
            raise
        except (
            requests.RequestException,
            HTTPError,
            http.client.HTTPException,
            OSError,
            UnicodeError,
        ) as exc:
            status = answer.status_code if answer is not None else 0
            raise wrapped(exc, url=url, http_status=status) from exc
        finally:
            if answer is not None:
                answer.close()


class _Adapter(HTTPAdapter):
    """Finds the pool for a canonical URL with none of what requests does for any URL and any session."""

    def __init__(
        self, pace: Pace, guard: Guard | None, proxy: Proxy | None, *, trusted: str, verify: bool
    ) -> None:
        self._pool_classes = pool_classes(pace, guard)
        self._trusted = trusted
        self._verify = verify
        self._tls_lock = threading.Lock()
        self._tls_context: ssl.SSLContext | None = None
        super().__init__(pool_connections=_POOLS, pool_maxsize=_IDLE_CONNECTIONS)
        self._pools: Any = self.poolmanager
        if proxy is not None:
            self._pools = self.proxy_manager[proxy.name] = ProxyManager(
                proxy.url,
                proxy_headers=proxy.headers,
                proxy_ssl_context=self._context() if proxy.url.startswith("https:") else None,
                num_pools=_POOLS,
                maxsize=_IDLE_CONNECTIONS,
            )
            self._pools.pool_classes_by_scheme = self._pool_classes

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> Any:
        parts = urlsplit(str(request.url))
        tls = {"ssl_context": self._context()} if parts.scheme == "https" else None
        return self._pools.connection_from_host(parts.hostname, parts.port, parts.scheme, pool_kwargs=tls)

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Nothing is left to do: the pool's TLS context knows."""

    def request_url(self, request: requests.PreparedRequest, _: Any) -> str:
        url = str(request.url)
        forwarded = self._pools is not self.poolmanager and url.startswith("http:")
        return url if forwarded else url[url.index("/", len("https://")) :]

    def _context(self) -> ssl.SSLContext:
        """One for all connections: it takes 20 ms to make, so not before there is one."""
        with self._tls_lock:
            if self._tls_context is None:
                self._tls_context = context_of(self._trusted or DEFAULT_CA_BUNDLE_PATH, verify=self._verify)
            return self._tls_context

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        # the base class also looks for cookies and a text encoding: 0.1 ms that nobody asks for
        response = requests.Response()
        response.request = req
        response.url = req.url or ""
        response.status_code = resp.status
        response.headers = resp.headers
        response.raw = resp
        return response


def _checked(check: Check | None, url: str) -> float:
    """Ask *check* about *url*; returns how long that took: who waits for a turn has lost none of its time."""
    if check is None:
        return 0.0
    started = time.monotonic()
    check(url)
    return time.monotonic() - started


def _sent_at(answer: requests.Response) -> float:
    original = getattr(answer.raw, "_original_response", None)
    return original.sent_at if isinstance(original, PacedResponse) else time.monotonic()


def _headers(answer: requests.Response) -> dict[str, str]:
    merged: dict[str, str] = {}
    for name, value in answer.raw.headers.items():
        key = name.lower()
        between = "\n" if key in LINE_BY_LINE else ", "
        merged[key] = f"{merged[key]}{between}{value}" if key in merged else value
    return merged


def _location(answer: requests.Response) -> str:
    """The first Location that says something, as in Chromium; nothing without one."""
    return next(filter(None, answer.raw.headers.getlist("location")), "")


def _target(location: str, base: str) -> str:
    target = resolve(with_bytes_escaped(location), base)
    if target is None:
        raise BadRedirect(f"redirected to {location[:200]!r}, which is not an http or https URL")
    return target


def _too_many(seen: list[str], target: str, status: int, *, circle: bool) -> TooManyRedirects:
    text = (
        f"redirected in a circle, back to {target}"
        if circle
        else f"redirected more than {len(seen) - 1} times (max_redirects)"
    )
    return TooManyRedirects(text, http_status=status)


def _is_worthless_in_part(headers: Mapping[str, str]) -> bool:
    """Whether an answer says that it is of a type of which nobody can use a part."""
    return _WORTHLESS_IN_PART.match(headers.get("content-type", "")) is not None


def _body(
    answer: requests.Response, headers: Mapping[str, str], max_bytes: int, *, cut: bool
) -> tuple[bytes, bool]:
    """The whole content, decompressed, or with *cut* its first *max_bytes*, and whether there was more; memory stays
    below that and a piece, whatever is sent.
    """
    declared = headers.get("content-length", "").partition(",")[0].strip()
    expected = int(declared) if declared.isascii() and declared.isdigit() else None
    if "transfer-encoding" in headers:
        expected = None
    if expected is not None and expected > max_bytes and not cut:
        raise TooLarge(f"the server announces {expected} bytes; the limit is {max_bytes}")
    decoder = decoder_for(headers.get("content-encoding", ""), max_bytes=max_bytes)
    pieces: list[bytes] = []
    received = size = 0
    while data := answer.raw.read(_CHUNK_BYTES, decode_content=False):
        received += len(data)
        for piece in decoder.decode(data):
            pieces.append(piece)
            size += len(piece)
            if size > max_bytes and cut:
                return b"".join(pieces)[:max_bytes], True
            if size > max_bytes:
                raise TooLarge(f"the content is larger than the limit of {max_bytes} bytes")
        if received > (2 * max_bytes if cut else max_bytes):
            raise TooLarge(f"the compressed content is larger than the limit of {max_bytes} bytes")
    if expected is not None and received < expected:
        raise TruncatedTransfer(f"the connection ended after {received} of {expected} bytes")
    if received:
        decoder.finish()
    return b"".join(pieces), False


def _drain(answer: requests.Response) -> None:
    """Read a short body to its end, so that the connection can be used again; give up on a long, slow or broken
    one, and on one whose end would be the connection's.
    """
    received = 0
    original = getattr(answer.raw, "_original_response", None)
    if isinstance(original, PacedResponse):
        if original.will_close:
            return
        original.hurry(_DRAIN_S)
    try:
        while received < _DRAIN_BYTES and (data := answer.raw.read(_DRAIN_BYTES, decode_content=False)):
            received += len(data)
    except (TaskError, HTTPError, http.client.HTTPException, OSError) as exc:
        log.debug("connection of %s not kept: %s", answer.url, exc)


def wrapped(exc: Exception, *, url: str, http_status: int) -> FetchError:
    """The leaf for an exception of requests, urllib3, http.client, ssl or socket."""
    causes = list(_causes(exc))
    leaf: type[FetchError]

    def any_is(*kinds: type[BaseException]) -> BaseException | None:
        return next((cause for cause in causes if isinstance(cause, kinds)), None)

    cause: BaseException | None
    if cause := any_is(http.client.IncompleteRead):
        leaf, text = TruncatedTransfer, "the answer ends early"
    elif cause := any_is(ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
        leaf, text = ConnectionLost, "the connection was lost"
    elif cause := any_is(ssl.SSLError):
        # after the handshake it is the stream that broke
        leaf, text = (
            (ConnectionLost, "the TLS connection broke") if http_status else (TlsFailed, "TLS failed")
        )
    elif cause := any_is(TimeoutError):
        leaf, text = ConnectTimeout, "the connection was not ready in time (connect_timeout_s)"
    elif cause := any_is(http.client.InvalidURL, requests.exceptions.InvalidURL, UnicodeError):
        leaf, text = InvalidUrl, "the URL can't be sent"
    elif cause := any_is(http.client.HTTPException):
        leaf, text = BadResponse, "the answer is not HTTP"
    elif cause := any_is(OSError):
        leaf, text = ConnectionLost, "the connection failed"
    else:
        cause, leaf, text = exc, BadResponse, "the answer can't be read"
    return leaf(f"{text}: {cause!r}"[:500], http_status=http_status, final_url=url)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """*exc* and everything that it was made from, innermost first."""
    found: list[BaseException] = []
    waiting: list[object] = [exc]
    while waiting:
        item = waiting.pop()
        if isinstance(item, BaseException) and not any(item is known for known in found):
            found.append(item)
            waiting += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
    return reversed(found)
