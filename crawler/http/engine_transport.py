"""The Transport on an engine: one GET with redirects, or one request of a browser; streamed, within every limit.

An engine sends one request. Redirects, statuses, cookies, proxies, turns and deadlines are the same for all of them.
"""

from __future__ import annotations

import http.client
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar, Protocol, Unpack

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
from crawler.http import METHODS, Asked, BrowserRequest, Check, Exchanged, Exchanging, Fetched, merged
from crawler.http.address_guard import AddressGuard
from crawler.http.bandwidth import AHEAD_BYTES, Bandwidth
from crawler.http.bot_challenges import MOST_BYTES, is_worth_a_look
from crawler.http.certificates import authorities
from crawler.http.content_encoding import content_of, is_worthless_in_part
from crawler.http.cookies import CookieJar
from crawler.http.engine import Answer, Engine, IdleConnectionLost, Outgoing, SendAgain, causes_of
from crawler.http.mixed_replace import first_part
from crawler.http.paced_reader import RATE_GRACE_S, ReadPace
from crawler.http.proxies import Proxies
from crawler.http.request_headers import RequestHeaders, asks_unless
from crawler.http.status import PROXY_LOGIN, REDIRECTS, proxy_error, status_error
from crawler.logs.events import CONNECTION_DROPPED, DEBUG, REQUEST, REQUEST_FAILED, tell
from crawler.text.plain_errors import quoted
from crawler.urls import canonical, resolve, with_bytes_escaped

log = logging.getLogger(__name__)

_NOT_MODIFIED = 304
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


class MakeEngine(Protocol):
    """Makes the engine of a transport. *trusted* is a file of certificate authorities; empty: the usual ones."""

    def __call__(
        self,
        config: FetchConfig,
        pace: ReadPace,
        guard: AddressGuard | None,
        proxies: Proxies,
        *,
        trusted: str,
    ) -> Engine: ...


class EngineTransport:
    """A Transport on an engine of its own; see :class:`crawler.http.Transport` for what it promises.

    *guard* decides which addresses may be connected to; None: all. *jar* keeps cookies; None: they are dropped. *seeds*
    are canonical URLs, whose origins get the passwords of *config*. *rate_grace_s*: each so many seconds after the
    first byte must bring ``min_rate_bytes_s`` on average. *ca_file* has the certificate authorities to trust, in place
    of the usual ones and of those in the environment (SSL_CERT_FILE …). *bandwidth* is shared with other transfers;
    None: no limit.

    Raises ConfigError for headers, proxies and files that can't be used.
    """

    make_engine: ClassVar[MakeEngine]

    def __init__(
        self,
        config: FetchConfig,
        guard: AddressGuard | None = None,
        jar: CookieJar | None = None,
        *,
        seeds: Iterable[str] = (),
        rate_grace_s: float = RATE_GRACE_S,
        ca_file: Path | None = None,
        bandwidth: Bandwidth | None = None,
    ) -> None:
        self._config = config
        self._bandwidth = bandwidth
        self._jar = jar
        self._headers = RequestHeaders(config, seeds=seeds, jar=jar)
        self._proxies = Proxies(config.proxy)
        self._guard = guard
        self._engine = self.make_engine(
            config,
            ReadPace(min_rate_bytes_s=config.min_rate_bytes_s, grace_s=rate_grace_s, bandwidth=bandwidth),
            guard,
            self._proxies,
            trusted=str(ca_file or (authorities() if config.verify_tls else "")),
        )

    def fetch(self, url: str, **asked: Unpack[Asked]) -> Fetched:
        """Fetch *url*, following redirects; the text of an error names the limit that was met."""
        visit = self._visit(asked)
        unless = asked.get("unless")
        current = _canonical(url)
        seen: list[str] = []
        changed = 0  # so many of these were seen before the last cookie was set: with that they may answer otherwise
        while True:
            seen.append(current)
            visit.turn(current)
            request = Outgoing(
                url=current,
                headers=self._headers.headers_for(
                    current, accept=asked["accept"], referer=asked.get("referer", ""), unless=unless
                ),
                on_send=visit.telling(current),
            )
            with self._answer(request, visit) as answer:
                status = answer.status
                headers = merged(answer.fields)
                if "set-cookie" in headers and self._keep_cookies(answer, current):
                    changed = len(seen)
                if status in REDIRECTS and (location := _location(answer)):
                    target = _target(location, current)
                    if target in seen[changed:] or len(seen) > self._config.max_redirects:
                        _drain(answer, current)
                        raise _too_many(seen, target, status, circle=target in seen[changed:])
                    _drain(answer, current)
                    visit.deadline += answer.waited_s
                    current = target
                    continue
                if status == _NOT_MODIFIED and asks_unless(unless, current):
                    content, is_cut = b"", False
                    _drain(answer, current)
                elif error := self._status_error(answer, headers, current):
                    _drain(answer, current)
                    raise error
                else:
                    cut = asked.get("cut", False) and not is_worthless_in_part(headers)
                    part, headers = first_part(answer, headers)
                    content, is_cut = content_of(part, headers, asked["max_bytes"], cut=cut)
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
        visit = self._visit(exchanging)
        url = _canonical(request.url)
        visit.turn(url)
        stop_at = exchanging.get("stop_at")
        outgoing = Outgoing(
            url=url,
            method=request.method,
            headers=self._headers.headers_of(request, url),
            body=request.body if request.method == "POST" else b"",
            on_send=visit.telling(url),
        )
        with self._answer(outgoing, visit) as answer:
            status, headers = answer.status, merged(answer.fields)
            if status == PROXY_LOGIN and (proxy := self._proxies.of(url)):
                _drain(answer, url)
                raise proxy_error(status, proxy.name, url)
            if "set-cookie" in headers:
                self._keep_cookies(answer, url)
            content, is_cut, stopped = b"", False, False
            if request.method == "HEAD" or status in _NO_BODY or (status in REDIRECTS and _location(answer)):
                _drain(answer, url)
            elif stop_at is not None and stop_at(status, headers):
                stopped = True
            else:
                content, is_cut = content_of(answer, headers, exchanging["max_bytes"], cut=True)
            return Exchanged(
                url=url,
                http_status=status,
                headers=tuple(field for field in answer.fields if field[0].lower() not in _OF_THE_WAY),
                content=content,
                is_cut=is_cut,
                stopped=stopped,
            )

    def close(self) -> None:
        self._engine.close()

    def _visit(self, options: Asked | Exchanging) -> _Visit:
        limit_s = self._config.total_timeout_s
        within_s = limit_s if (within_s := options.get("within_s")) is None else min(limit_s, within_s)
        return _Visit(time.monotonic() + within_s, options, self._bandwidth)

    def _keep_cookies(self, answer: Answer, url: str) -> bool:
        """Keep the cookies that *answer* sets; whether they are kept."""
        if self._jar is None:
            return False
        self._jar.store(url, _all(answer, "set-cookie"))
        return True

    def _status_error(self, answer: Answer, headers: Mapping[str, str], url: str) -> TaskError | None:
        status = answer.status
        if status == PROXY_LOGIN and (proxy := self._proxies.of(url)):
            return proxy_error(status, proxy.name, url)
        content = _glimpse(answer, headers, url) if is_worth_a_look(status, headers) else b""
        return status_error(status, headers, url, content)

    @contextmanager
    def _answer(self, request: Outgoing, visit: _Visit) -> Iterator[Answer]:
        """The answer to *request*, closed in the end."""
        answer: Answer | None = None
        url = request.url
        try:
            proxy = self._proxies.of(url)
            if self._guard is not None and proxy is not None and proxy.looks_names_up:
                self._guard.check_unresolved(url)
            answer = self._sent(request, visit)
            if log.isEnabledFor(DEBUG):
                tell(
                    log,
                    REQUEST,
                    method=request.method,
                    url=url,
                    http_status=answer.status,
                    elapsed_s=round(time.monotonic() - answer.sent_at, 3),
                    location=_location(answer),
                )
            if visit.sent is not None:
                visit.sent(url, answer.sent_at)
            yield answer
        except TaskError as exc:
            exc.final_url = exc.final_url or url
            if answer is not None:
                exc.http_status = exc.http_status or answer.status
            if answer is None or answer.status < http.client.BAD_REQUEST:  # else the status says it
                tell(
                    log, REQUEST_FAILED, method=request.method, url=url, reason=exc.reason, detail=exc.detail
                )
            raise
        finally:
            if answer is not None:
                answer.close()

    def _sent(self, request: Outgoing, visit: _Visit) -> Answer:
        """The answer to *request*; sent once more, by another way if that is what it takes, where it was not answered.

        That is so for a connection that was kept and is lost (RFC 9112, section 9.3.1): servers that close each one
        behind their answer, and do not say so, had lost every image to which they redirect.
        """
        visit.check_time()
        try:
            return self._engine.send(request, deadline=visit.deadline)
        except SendAgain as again:
            if request.method not in _SAFE:
                raise again.error from again
            sent_at = again.sent_at
        except ConnectionLost as exc:
            lost = any(isinstance(cause, IdleConnectionLost) for cause in causes_of(exc))
            if not lost or request.method not in _SAFE:
                raise
            sent_at = time.monotonic()
        if sent_at:
            if visit.sent is not None:
                visit.sent(request.url, sent_at)
            visit.turn(request.url)
            visit.check_time()
        return self._engine.send(request, deadline=visit.deadline)


class _Visit:
    """What all requests of one fetch share: when it has to end, and who is asked before each and told after."""

    def __init__(self, deadline: float, options: Asked | Exchanging, bandwidth: Bandwidth | None) -> None:
        self.deadline = deadline
        self.sent = options.get("sent")
        self._sending = options.get("sending")
        self._check = options.get("check")
        self._bandwidth = bandwidth

    def telling(self, url: str) -> Callable[[], None] | None:
        """What is to be called when *url* is about to be sent. The deadline moves by as much as that takes."""
        return partial(self._about_to_send, self._sending, url) if self._sending is not None else None

    def _about_to_send(self, sending: Check, url: str) -> None:
        started = time.monotonic()
        sending(url)
        self.deadline += time.monotonic() - started

    def turn(self, url: str) -> None:
        """Wait until *url* may be requested, and there is bandwidth for the first bytes of its answer.

        The deadline moves by as much: the check may wait for the host's turn.
        """
        if self._check is not None:
            started = time.monotonic()
            self._check(url)
            self.deadline += time.monotonic() - started
        if self._bandwidth is not None:
            self.deadline += self._bandwidth.take(AHEAD_BYTES)

    def check_time(self) -> None:
        if self.deadline <= time.monotonic():
            raise DeadlineExceeded("the redirects took all of the total time (total_timeout_s)")


def _canonical(url: str) -> str:
    found = canonical(url)
    if found is None:
        raise InvalidUrl(f"{quoted(url)} is not an http or https URL")
    return found


def _all(answer: Answer, name: str) -> list[str]:
    """The values of all fields of that *name*, in lower case."""
    return [value for known, value in answer.fields if known.lower() == name]


def _location(answer: Answer) -> str:
    """The first Location that is not empty, as in Chromium; empty without one."""
    return next(filter(None, _all(answer, "location")), "")


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


def _drain(answer: Answer, url: str) -> None:
    """Read a short body to its end, so that the connection can be used again.

    Give up on a long, slow or broken one, and on one that ends with the connection.
    """
    if answer.will_close:
        return
    answer.hurry(_DRAIN_S)
    received = 0
    try:
        while received < _DRAIN_BYTES and (data := answer.read(_DRAIN_BYTES, decode_content=False)):
            received += len(data)
    except TaskError as exc:
        tell(log, CONNECTION_DROPPED, url=url, reason=exc)


def _glimpse(answer: Answer, headers: Mapping[str, str], url: str) -> bytes:
    """The first bytes of an answer that is an error; nothing if they do not come at once."""
    answer.hurry(_DRAIN_S)
    try:
        return content_of(answer, headers, MOST_BYTES, cut=True)[0]
    except TaskError as exc:
        tell(log, CONNECTION_DROPPED, url=url, reason=exc)
        return b""
