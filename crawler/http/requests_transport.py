"""The Transport on requests.

Only requests' adapter is used (connection pools, the wire), with requests prepared by hand. Its own cookies, proxies,
.netrc and history take a third of its time, and none of them is what a crawler needs.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterable
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from crawler.config import FetchConfig
from crawler.errors import TaskError
from crawler.http.address_guard import AddressGuard
from crawler.http.bandwidth import Bandwidth
from crawler.http.certificates import authorities
from crawler.http.cookies import CookieJar
from crawler.http.engine import Answer, Outgoing
from crawler.http.engine_transport import EngineTransport
from crawler.http.paced_reader import RATE_GRACE_S, PacedResponse, ReadPace
from crawler.http.proxies import Proxies
from crawler.http.requests_adapter import Adapter, wrapped

_FOREIGN = (requests.RequestException, HTTPError, http.client.HTTPException, OSError, UnicodeError)
"""What requests and the libraries below it raise."""


class RequestsTransport(EngineTransport):
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
        rate_grace_s: float = RATE_GRACE_S,
        ca_file: Path | None = None,
        bandwidth: Bandwidth | None = None,
    ) -> None:
        proxies = Proxies(config.proxy)
        trusted = str(ca_file or (authorities() if config.verify_tls else ""))
        pace = ReadPace(min_rate_bytes_s=config.min_rate_bytes_s, grace_s=rate_grace_s, bandwidth=bandwidth)
        engine = RequestsEngine(config, pace, guard, proxies, trusted=trusted)
        super().__init__(engine, config, guard, jar, seeds=seeds, proxies=proxies, bandwidth=bandwidth)


class RequestsEngine:
    """Sends requests by requests' adapter. *trusted* is a file of certificate authorities; empty: the usual ones."""

    def __init__(
        self,
        config: FetchConfig,
        pace: ReadPace,
        guard: AddressGuard | None,
        proxies: Proxies,
        *,
        trusted: str,
    ) -> None:
        self._connect_timeout_s = config.connect_timeout_s
        self._adapter = Adapter(pace, guard, proxies, trusted=trusted, verify=config.verify_tls)

    def send(self, request: Outgoing, *, deadline: float) -> Answer:
        remaining_s = deadline - time.monotonic()
        try:
            answer = self._adapter.send(
                _prepared(request),
                stream=True,
                timeout=(min(self._connect_timeout_s, remaining_s), max(remaining_s, 0.001)),
            )
        except TaskError:
            raise
        except _FOREIGN as exc:
            raise wrapped(exc, url=request.url, http_status=0) from exc
        return _RequestsAnswer(answer)

    def close(self) -> None:
        self._adapter.close()


class _RequestsAnswer:
    def __init__(self, response: requests.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.fields = tuple(response.raw.headers.items())
        original = getattr(response.raw, "_original_response", None)
        self._paced = original if isinstance(original, PacedResponse) else None
        self.sent_at = time.monotonic() if self._paced is None else self._paced.sent_at
        self.will_close = self._paced is not None and self._paced.will_close

    @property
    def waited_s(self) -> float:
        return 0.0 if self._paced is None else self._paced.reader.waited_s

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        try:
            data: bytes = self._response.raw.read(amt, decode_content=decode_content)
        except TaskError:
            raise
        except _FOREIGN as exc:
            raise wrapped(exc, url=self._response.url, http_status=self.status) from exc
        return data

    def hurry(self, within_s: float) -> None:
        if self._paced is not None:
            self._paced.reader.hurry(within_s)

    def close(self) -> None:
        self._response.close()


def _prepared(request: Outgoing) -> requests.PreparedRequest:
    prepared = requests.PreparedRequest()
    prepared.method = request.method
    prepared.url = request.url
    prepared.headers = dict(request.headers)  # type: ignore[assignment] # a dict does as well
    prepared.body = request.body or None
    return prepared
