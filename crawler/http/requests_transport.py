"""The Transport on requests.

Only requests' adapter is used (connection pools, the wire), with requests prepared by hand. Its own cookies, proxies,
.netrc and history take a third of its time, and none of them is what a crawler needs.
"""

from __future__ import annotations

import http.client
import time

import requests
from urllib3.exceptions import HTTPError

from crawler.config import FetchConfig
from crawler.errors import TaskError
from crawler.http.address_guard import AddressGuard
from crawler.http.engine import Answer, Outgoing
from crawler.http.engine_transport import EngineTransport
from crawler.http.paced_reader import PacedResponse, ReadPace
from crawler.http.proxies import Proxies
from crawler.http.requests_adapter import Adapter, wrapped

_FOREIGN = (requests.RequestException, HTTPError, http.client.HTTPException, OSError, UnicodeError)
"""What requests and the libraries below it raise."""


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
        self._adapter.told.on_send = request.on_send
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
        finally:
            self._adapter.told.on_send = None
        return _RequestsAnswer(answer)

    def close(self) -> None:
        self._adapter.close()


class RequestsTransport(EngineTransport):
    """A Transport on requests; its arguments are those of EngineTransport."""

    make_engine = RequestsEngine


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
