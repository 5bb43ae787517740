"""All transports, for tests that hold for each of them: the fixture ``each_transport`` says which ``opened`` opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from crawler.http.curl_transport import CurlTransport
from crawler.http.engine_transport import EngineTransport
from crawler.http.requests_transport import RequestsTransport

KINDS: dict[str, type[RequestsTransport | CurlTransport]] = {
    "requests": RequestsTransport,
    "curl": CurlTransport,
}
_chosen = ["requests"]


def opened(*args: Any, **options: Any) -> EngineTransport:
    """A transport of the chosen kind; the arguments are those of RequestsTransport."""
    return KINDS[_chosen[-1]](*args, **options)


@contextmanager
def chosen(kind: str) -> Iterator[None]:
    """Within it, that *kind* is opened."""
    _chosen.append(kind)
    try:
        yield
    finally:
        _chosen.pop()
