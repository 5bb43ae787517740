"""The CONNECT method, by which an HTTP proxy connects us to a host (RFC 9110, section 9.3.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.client import HTTPResponse

from crawler.errors import ConnectionLost, ConnectTimeout, DeadlineExceeded
from crawler.http.status import proxy_error
from crawler.text.plain_errors import plain

_FIRST_ERROR = 300


def ask(
    send: Callable[[bytes], object],
    answer_of: Callable[[], HTTPResponse],
    *,
    proxy: str,
    headers: Mapping[str, str],
    target: str,
) -> None:
    """Have a *proxy* connect us to *target*, both as HOST:PORT: *send* the request, and read *answer_of* it.

    Raises ConnectTimeout, ConnectionLost, BadResponse, and Forbidden or ServerError when the proxy refuses.
    """
    fields = {"Host": target, **headers}
    lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    try:
        send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = answer_of()
        try:
            answer.begin()
        finally:
            answer.close()
    except (DeadlineExceeded, TimeoutError) as exc:
        raise ConnectTimeout(
            f"the proxy {proxy} did not connect to {target} in time (connect_timeout_s)"
        ) from exc
    except ConnectionError as exc:
        raise ConnectionLost(f"the proxy {proxy} ended the connection: {plain(exc)}") from exc
    if answer.status >= _FIRST_ERROR:
        raise proxy_error(answer.status, proxy, target)
