"""The transport on requests: one GET with redirects, streamed, within every limit.

Only requests' adapter is used (pooled connections, TLS, the wire), with requests prepared by hand: cookies,
proxies, .netrc and history are a third of requests' time and nothing that a crawler wants.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

from crawler.config import FetchConfig
from crawler.errors import (
    BadRedirect,
    BadResponse,
    ClientError,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    EmptyBody,
    FetchError,
    Forbidden,
    InvalidUrl,
    NotFound,
    RateLimited,
    RequestTimeout,
    ServerError,
    TaskError,
    TlsFailed,
    TooLarge,
    TooManyRedirects,
    TruncatedTransfer,
    UnexpectedStatus,
)
from crawler.urls import canonical, host_key, resolve
from crawler.web import Check, Fetched
from crawler.web.connection import Pace, pool_classes
from crawler.web.decoding import ACCEPT_ENCODING, decoder_for

log = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_CONTENT = frozenset({204, 205, 206})
_CHUNK_BYTES = 256 * 1024
_DRAIN_BYTES = 64 * 1024
"""The body of a redirect or an error is read up to here, for the sake of its connection."""
_MAX_RETRY_AFTER_S = 3600.0


class RequestsTransport:
    """A Transport on requests; see :class:`crawler.web.Transport` for what it promises.

    *rate_grace_s*: each so many seconds after the first byte must bring ``min_rate_bytes_s`` on average.
    *ca_file*: certificate authorities to trust in place of the usual ones. Proxies from the environment are
    not used.
    """

    def __init__(
        self, config: FetchConfig, *, rate_grace_s: float = 10.0, ca_file: Path | None = None
    ) -> None:
        self._config = config
        pace = Pace(min_rate_bytes_s=config.min_rate_bytes_s, grace_s=rate_grace_s)
        self._adapter = _Adapter(pace)
        self._verify: bool | str = str(ca_file) if ca_file and config.verify_tls else config.verify_tls

    def fetch(
        self,
        url: str,
        *,
        max_bytes: int,
        accept: str,
        referer: str = "",
        check: Check | None = None,
        cut: bool = False,
        within_s: float | None = None,
    ) -> Fetched:
        """As promised by the protocol; the errors' texts name the limit that was met."""
        limit_s = self._config.total_timeout_s
        deadline = time.monotonic() + (limit_s if within_s is None else min(limit_s, within_s))
        current = canonical(url)
        if current is None:
            raise InvalidUrl(f"{url!r} is not an http or https URL")
        seen: list[str] = []
        while True:
            seen.append(current)
            if check is not None:
                check(current)
            with self._answer(current, deadline, accept, referer) as answer:
                status = answer.status_code
                headers = _headers(answer)
                location = headers.get("location", "").strip()
                if status in _REDIRECTS and location:
                    target = _target(location, current)
                    if target in seen or len(seen) > self._config.max_redirects:
                        _drain(answer)
                        raise _too_many(seen, target, status)
                    _drain(answer)
                    current = target
                    continue
                if status != 200 and (error := status_error(status, headers, current)):  # noqa: PLR2004 - OK
                    _drain(answer)
                    raise error
                content = _body(answer, headers, max_bytes, cut=cut)
            if not content:
                raise EmptyBody("the answer has no content", http_status=status, final_url=current)
            return Fetched(url=url, final_url=current, http_status=status, headers=headers, content=content)

    def close(self) -> None:
        self._adapter.close()

    @contextmanager
    def _answer(self, url: str, deadline: float, accept: str, referer: str) -> Iterator[requests.Response]:
        """One request and its answer, closed in the end; whatever goes wrong within becomes a TaskError."""
        answer: requests.Response | None = None
        try:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                raise DeadlineExceeded("the redirects took all of the total time (total_timeout_s)")
            answer = self._adapter.send(
                self._prepared(url, accept, referer),
                stream=True,
                timeout=(min(self._config.connect_timeout_s, remaining_s), remaining_s),
                verify=self._verify,
            )
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

    def _prepared(self, url: str, accept: str, referer: str) -> requests.PreparedRequest:
        headers = {
            "User-Agent": self._config.user_agent,
            "Accept": accept,
            "Accept-Encoding": ACCEPT_ENCODING,
        }
        if told := referer_for(url, referer):
            headers["Referer"] = told
        prepared = requests.PreparedRequest()
        prepared.method = "GET"
        prepared.url = url
        prepared.headers = CaseInsensitiveDict(headers)
        return prepared


class _Adapter(HTTPAdapter):
    def __init__(self, pace: Pace) -> None:
        self._pool_classes = pool_classes(pace)
        super().__init__(pool_connections=64, pool_maxsize=256)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        # the base class also looks for cookies and a text encoding: 0.1 ms that nobody asks for
        response = requests.Response()
        response.request = req
        response.url = req.url or ""
        response.status_code = resp.status
        response.headers = resp.headers
        response.raw = resp
        return response


def referer_for(url: str, page_url: str) -> str:
    """What to send as Referer to *url*, linked from *page_url*: the browsers' default.

    All of the page's URL to its own origin, its origin alone to others, nothing from https to http; never a
    fragment or a user name. Source: W3C Referrer Policy, strict-origin-when-cross-origin.
    """
    page = canonical(page_url) if page_url else None
    if page is None or (page.startswith("https:") and url.startswith("http:")):
        return ""
    origin = host_key(page)
    return page if origin == host_key(url) else f"{origin}/"


def status_error(status: int, headers: Mapping[str, str], url: str) -> TaskError | None:
    """The error that a status stands for; None for one that comes with content to keep."""
    leaf: type[TaskError]
    if 200 <= status < 300 and status not in _NO_CONTENT:  # noqa: PLR2004 - the classes of RFC 9110 section 15
        return None
    if status < 400:  # noqa: PLR2004
        leaf = UnexpectedStatus
    elif status in {401, 403}:
        leaf = Forbidden
    elif status in {404, 410}:
        leaf = NotFound
    elif status in {408, 425}:
        leaf = RequestTimeout
    elif status == 429:  # noqa: PLR2004
        leaf = RateLimited
    else:
        leaf = ClientError if status < 500 else ServerError  # noqa: PLR2004
    phrase = http.client.responses.get(status, "")
    return leaf(
        f"the server answered {status} {phrase}".rstrip(),
        http_status=status,
        retry_after_s=retry_after_s(headers),
        final_url=url,
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The Retry-After header in seconds from now, in 0 … 3600, or None (RFC 9110 section 10.2.3).

    A date is measured from the answer's own Date header, if it has one: two clocks need not agree.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
    elif (due := _http_date(text)) is None:
        return None
    else:
        now = _http_date(headers.get("date", "")) or datetime.now(UTC)
        seconds = (due - now).total_seconds()
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _headers(answer: requests.Response) -> dict[str, str]:
    merged: dict[str, str] = {}
    for name, value in answer.raw.headers.items():
        key = name.lower()
        between = "\n" if key == "x-robots-tag" else ", "
        merged[key] = f"{merged[key]}{between}{value}" if key in merged else value
    return merged


def _target(location: str, base: str) -> str:
    # header bytes arrive as Latin-1; nearly every server that does not escape them means UTF-8
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode()
    target = resolve(location, base)
    if target is None:
        raise BadRedirect(f"redirected to {location[:200]!r}, which is not an http or https URL")
    return target


def _too_many(seen: list[str], target: str, status: int) -> TooManyRedirects:
    text = (
        f"redirected in a circle, back to {target}"
        if target in seen
        else f"redirected more than {len(seen) - 1} times (max_redirects)"
    )
    return TooManyRedirects(text, http_status=status)


def _body(answer: requests.Response, headers: Mapping[str, str], max_bytes: int, *, cut: bool) -> bytes:
    """The whole content, decompressed, or with *cut* its first *max_bytes*; memory stays below that and a piece,
    whatever is sent.
    """
    declared = headers.get("content-length", "").partition(",")[0].strip()
    expected = int(declared) if declared.isascii() and declared.isdigit() else None
    if "transfer-encoding" in headers:
        expected = None
    if expected is not None and expected > max_bytes and not cut:
        raise TooLarge(f"the server announces {expected} bytes; the limit is {max_bytes}")
    decoder = decoder_for(headers.get("content-encoding", ""))
    pieces: list[bytes] = []
    received = size = 0
    while data := answer.raw.read(_CHUNK_BYTES, decode_content=False):
        received += len(data)
        for piece in decoder.decode(data):
            pieces.append(piece)
            size += len(piece)
            if size > max_bytes and cut:
                return b"".join(pieces)[:max_bytes]
            if size > max_bytes:
                raise TooLarge(f"the content is larger than the limit of {max_bytes} bytes")
        if received > (2 * max_bytes if cut else max_bytes):
            raise TooLarge(f"the compressed content is larger than the limit of {max_bytes} bytes")
    if expected is not None and received < expected:
        raise TruncatedTransfer(f"the connection ended after {received} of {expected} bytes")
    if received:
        decoder.finish()
    return b"".join(pieces)


def _drain(answer: requests.Response) -> None:
    """Read a short body to its end, so that the connection can be used again; give up on a long or broken
    one.
    """
    received = 0
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
