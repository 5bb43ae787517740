"""The Transport on requests: one GET with redirects, or one request of a browser; streamed, within every limit.

Only requests' adapter is used (connection pools, the wire), with requests prepared by hand. Its own cookies, proxies,
.netrc and history take a third of its time, and none of them is what a crawler needs.
"""

from __future__ import annotations

import http.client
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Unpack

import requests
from urllib3.exceptions import HTTPError

from crawler.config import FetchConfig
from crawler.errors import (
    BadRedirect,
    ConnectionLost,
    DeadlineExceeded,
    EmptyBody,
    InvalidUrl,
    TaskError,
    TooManyRedirects,
)
from crawler.http import METHODS, Asked, BrowserRequest, Check, Exchanged, Exchanging, Fetched, Pairs, merged
from crawler.http.address_guard import AddressGuard
from crawler.http.bandwidth import AHEAD_BYTES, Bandwidth
from crawler.http.bot_challenges import MOST_BYTES, is_worth_a_look
from crawler.http.certificates import authorities
from crawler.http.connection import IdleConnectionLost, PacedResponse
from crawler.http.content import content_of, is_worthless_in_part
from crawler.http.cookies import CookieJar
from crawler.http.paced_reader import ReadPace
from crawler.http.proxies import proxies_of
from crawler.http.request_headers import RequestHeaders, asks_unless
from crawler.http.requests_adapter import Adapter, causes_of, wrapped
from crawler.http.status import PROXY_LOGIN, proxy_error, status_error
from crawler.logs.events import CONNECTION_DROPPED, DEBUG, REQUEST, REQUEST_FAILED, tell
from crawler.text.plain_errors import quoted
from crawler.urls import canonical, resolve, with_bytes_escaped

log = logging.getLogger(__name__)

_OK = 200
_NOT_MODIFIED = 304
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_BODY = frozenset({204, 304})
_SAFE = METHODS - {"POST"}
_OF_THE_WAY = frozenset(
    {
        "content-encoding", "content-length", "transfer-encoding", "trailer", "connection", "keep-alive", "upgrade",
        "proxy-connection", "proxy-authenticate",
    }
)  # fmt: skip
"""Headers of the transfer: they say nothing of the content."""
_DRAIN_S, _DRAIN_BYTES = 1.0, 64 * 1024
"""The body of a redirect or an error is read up to here, so that its connection can be used again."""


class RequestsTransport:
    """A Transport on requests; see :class:`crawler.http.Transport` for what it promises.

    *guard* decides which addresses may be connected to; None: all. *jar* keeps cookies; None: they are dropped. *seeds*
    are canonical URLs, whose origins get the passwords of *config*. *rate_grace_s*: each so many seconds after the
    first byte must bring ``min_rate_bytes_s`` on average. *ca_file* has the certificate authorities to trust, in place
    of the usual ones and of those in the environment (SSL_CERT_FILE …). *bandwidth* is shared with other transfers;
    None: no limit.

    Raises ConfigError for headers, proxies and files that can't be used.
    """

    def __init__(
        self,
        config: FetchConfig,
        guard: AddressGuard | None = None,
        jar: CookieJar | None = None,
        *,
        seeds: Iterable[str] = (),
        rate_grace_s: float = 10.0,
        ca_file: Path | None = None,
        bandwidth: Bandwidth | None = None,
    ) -> None:
        self._config = config
        self._bandwidth = bandwidth
        self._jar = jar
        self._headers = RequestHeaders(config, seeds=seeds, jar=jar)
        self._proxies = proxies_of(config)
        self._guard = guard
        self._adapter = Adapter(
            ReadPace(min_rate_bytes_s=config.min_rate_bytes_s, grace_s=rate_grace_s, bandwidth=bandwidth),
            guard,
            self._proxies,
            trusted=str(ca_file or (authorities() if config.verify_tls else "")),
            verify=config.verify_tls,
        )

    def fetch(self, url: str, **asked: Unpack[Asked]) -> Fetched:
        """Fetch *url*, following redirects; the text of an error names the limit that was met."""
        deadline = self._deadline(asked.get("within_s"))
        check, sent, unless = asked.get("check"), asked.get("sent"), asked.get("unless")
        current = _canonical(url)
        seen: list[str] = []
        changed = 0  # so many of these were seen before the last cookie was set: with that they may answer otherwise
        while True:
            seen.append(current)
            deadline += _checked(check, current) + self._paid()
            request = _prepared(
                current,
                self._headers.headers_for(
                    current, accept=asked["accept"], referer=asked.get("referer", ""), unless=unless
                ),
            )
            with self._answer(request, deadline, sent) as answer:
                status = answer.status_code
                headers = merged(answer.raw.headers.items())
                if self._keep_cookies(answer, current):
                    changed = len(seen)
                if status in _REDIRECTS and (location := _location(answer)):
                    target = _target(location, current)
                    if target in seen[changed:] or len(seen) > self._config.max_redirects:
                        _drain(answer)
                        raise _too_many(seen, target, status, circle=target in seen[changed:])
                    _drain(answer)
                    deadline += _waited_s(answer)
                    current = target
                    continue
                if status == _NOT_MODIFIED and asks_unless(unless, current):
                    content, is_cut = b"", False
                    _drain(answer)
                elif error := self._status_error(answer, headers, current):
                    _drain(answer)
                    raise error
                else:
                    cut = asked.get("cut", False) and not is_worthless_in_part(headers)
                    content, is_cut = content_of(answer.raw, headers, asked["max_bytes"], cut=cut)
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

    def exchange(self, request: BrowserRequest, **exchanging: Unpack[Exchanging]) -> Exchanged:
        """Send *request* of a browser; the text of an error names the limit that was met.

        Raises ValueError for a method that is none of METHODS.
        """
        if request.method not in METHODS:
            raise ValueError(f"a page in the browser may not ask with {quoted(request.method[:20])}")
        deadline = self._deadline(exchanging.get("within_s"))
        check, url = exchanging.get("check"), _canonical(request.url)
        deadline += _checked(check, url) + self._paid()
        try:
            return self._exchange(request, url, deadline, exchanging)
        except ConnectionLost as exc:
            lost = any(isinstance(cause, IdleConnectionLost) for cause in causes_of(exc))
            if not lost or request.method not in _SAFE:
                raise
        deadline += _checked(check, url) + self._paid()
        return self._exchange(request, url, deadline, exchanging)

    def _exchange(
        self, request: BrowserRequest, url: str, deadline: float, exchanging: Exchanging
    ) -> Exchanged:
        stop_at = exchanging.get("stop_at")
        body = request.body if request.method == "POST" else b""
        prepared = _prepared(url, self._headers.headers_of(request, url), request.method, body)
        with self._answer(prepared, deadline, exchanging.get("sent")) as answer:
            status, headers = answer.status_code, merged(answer.raw.headers.items())
            if status == PROXY_LOGIN and (proxy := self._proxies.of(url)):
                _drain(answer)
                raise proxy_error(status, proxy.name, url)
            self._keep_cookies(answer, url)
            content, is_cut, stopped = b"", False, False
            if request.method == "HEAD" or status in _NO_BODY or (status in _REDIRECTS and _location(answer)):
                _drain(answer)
            elif stop_at is not None and stop_at(status, headers):
                stopped = True
            else:
                content, is_cut = content_of(answer.raw, headers, exchanging["max_bytes"], cut=True)
            return Exchanged(
                url=url,
                http_status=status,
                headers=_pairs(answer),
                content=content,
                is_cut=is_cut,
                stopped=stopped,
            )

    def close(self) -> None:
        self._adapter.close()

    def _paid(self) -> float:
        """Wait until there is bandwidth for the first bytes of an answer; return for how many seconds."""
        return 0.0 if self._bandwidth is None else self._bandwidth.take(AHEAD_BYTES)

    def _deadline(self, within_s: float | None) -> float:
        limit_s = self._config.total_timeout_s
        return time.monotonic() + (limit_s if within_s is None else min(limit_s, within_s))

    def _keep_cookies(self, answer: requests.Response, url: str) -> bool:
        """Keep the cookies that *answer* sets; whether there were any."""
        if self._jar is None or not (cookies := answer.raw.headers.getlist("set-cookie")):
            return False
        self._jar.store(url, cookies)
        return True

    def _status_error(
        self, answer: requests.Response, headers: Mapping[str, str], url: str
    ) -> TaskError | None:
        status = answer.status_code
        if status == PROXY_LOGIN and (proxy := self._proxies.of(url)):
            return proxy_error(status, proxy.name, url)
        content = _glimpse(answer, headers) if is_worth_a_look(status, headers) else b""
        return status_error(status, headers, url, content)

    @contextmanager
    def _answer(
        self,
        request: requests.PreparedRequest,
        deadline: float,
        sent: Callable[[str, float], None] | None,
    ) -> Iterator[requests.Response]:
        """The answer to *request*, closed in the end; whatever goes wrong within becomes a TaskError."""
        answer: requests.Response | None = None
        url = str(request.url)
        try:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                raise DeadlineExceeded("the redirects took all of the total time (total_timeout_s)")
            proxy = self._proxies.of(url)
            if self._guard is not None and proxy is not None and proxy.looks_names_up:
                self._guard.check_unresolved(url)
            answer = self._adapter.send(
                request,
                stream=True,
                timeout=(min(self._config.connect_timeout_s, remaining_s), remaining_s),
            )
            if log.isEnabledFor(DEBUG):
                tell(
                    log,
                    REQUEST,
                    method=request.method,
                    url=url,
                    http_status=answer.status_code,
                    elapsed_s=round(time.monotonic() - _sent_at(answer), 3),
                    location=_location(answer),
                )
            if sent is not None:
                sent(url, _sent_at(answer))
            yield answer
        except TaskError as exc:
            exc.final_url = exc.final_url or url
            if answer is not None:
                exc.http_status = exc.http_status or answer.status_code
            if answer is None or answer.status_code < http.client.BAD_REQUEST:  # else the status says it
                tell(
                    log, REQUEST_FAILED, method=request.method, url=url, reason=exc.reason, detail=exc.detail
                )
            raise
        except (
            requests.RequestException,
            HTTPError,
            http.client.HTTPException,
            OSError,
            UnicodeError,
        ) as exc:
            status = answer.status_code if answer is not None else 0
            error = wrapped(exc, url=url, http_status=status)
            tell(
                log, REQUEST_FAILED, method=request.method, url=url, reason=error.reason, detail=error.detail
            )
            raise error from exc
        finally:
            if answer is not None:
                answer.close()


def _canonical(url: str) -> str:
    found = canonical(url)
    if found is None:
        raise InvalidUrl(f"{quoted(url)} is not an http or https URL")
    return found


def _prepared(
    url: str, headers: dict[str, str], method: str = "GET", body: bytes = b""
) -> requests.PreparedRequest:
    request = requests.PreparedRequest()
    request.method = method
    request.url = url
    request.headers = headers  # type: ignore[assignment] # a dict does as well
    request.body = body or None
    return request


def _checked(check: Check | None, url: str) -> float:
    """Let *check* judge *url*; return the seconds that took, which do not count: it may wait for the host's turn."""
    if check is None:
        return 0.0
    started = time.monotonic()
    check(url)
    return time.monotonic() - started


def _paced(answer: requests.Response) -> PacedResponse | None:
    original = getattr(answer.raw, "_original_response", None)
    return original if isinstance(original, PacedResponse) else None


def _waited_s(answer: requests.Response) -> float:
    """Seconds that reading *answer* had to wait for bandwidth."""
    return paced.reader.waited_s if (paced := _paced(answer)) else 0.0


def _sent_at(answer: requests.Response) -> float:
    return paced.sent_at if (paced := _paced(answer)) else time.monotonic()


def _pairs(answer: requests.Response) -> Pairs:
    return tuple(
        (name, value) for name, value in answer.raw.headers.items() if name.lower() not in _OF_THE_WAY
    )


def _location(answer: requests.Response) -> str:
    """The first Location that is not empty, as in Chromium; empty without one."""
    return next(filter(None, answer.raw.headers.getlist("location")), "")


def _target(location: str, base: str) -> str:
    target = resolve(with_bytes_escaped(location), base)
    if target is None:
        raise BadRedirect(f"redirected to {quoted(location[:200])}, which is not an http or https URL")
    return target


def _too_many(seen: list[str], target: str, status: int, *, circle: bool) -> TooManyRedirects:
    text = (
        f"redirected in a circle, back to {target}; sites do that to visitors without a certain cookie: give those of a"
        " browser that gets in with --cookies"
        if circle
        else f"redirected more than {len(seen) - 1} times (max_redirects)"
    )
    return TooManyRedirects(text, http_status=status)


def _drain(answer: requests.Response) -> None:
    """Read a short body to its end, so that the connection can be used again.

    Give up on a long, slow or broken one, and on one that ends with the connection.
    """
    received = 0
    if paced := _paced(answer):
        if paced.will_close:
            return
        paced.reader.hurry(_DRAIN_S)
    try:
        while received < _DRAIN_BYTES and (data := answer.raw.read(_DRAIN_BYTES, decode_content=False)):
            received += len(data)
    except (TaskError, HTTPError, http.client.HTTPException, OSError) as exc:
        tell(log, CONNECTION_DROPPED, url=answer.url, reason=exc)


def _glimpse(answer: requests.Response, headers: Mapping[str, str]) -> bytes:
    """The first bytes of an answer that is an error; nothing if they do not come at once."""
    if paced := _paced(answer):
        paced.reader.hurry(_DRAIN_S)
    try:
        return content_of(answer.raw, headers, MOST_BYTES, cut=True)[0]
    except (TaskError, HTTPError, http.client.HTTPException, OSError) as exc:
        tell(log, CONNECTION_DROPPED, url=answer.url, reason=exc)
        return b""
