"""Which transport sends the requests of this process: libcurl where it is installed, else requests."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from crawler.config import FetchConfig
from crawler.errors import ConfigError
from crawler.extras import install
from crawler.http import Transport
from crawler.http.address_guard import AddressGuard
from crawler.http.bandwidth import Bandwidth
from crawler.logs.events import TRANSPORT, tell

if TYPE_CHECKING:
    from crawler.http.cookies import CookieJar

log = logging.getLogger(__name__)

_CURL, _REQUESTS = "curl", "requests"


def open_transport(
    config: FetchConfig,
    guard: AddressGuard | None = None,
    jar: CookieJar | None = None,
    *,
    seeds: Iterable[str] = (),
    bandwidth: Bandwidth | None = None,
) -> Transport:
    """The transport that the setting asks for; the arguments are those of EngineTransport.

    Raises ConfigError for settings that can't be used, and where libcurl is asked for and can't be used.
    """
    trouble = "" if config.transport == _REQUESTS else trouble_with_curl()
    if config.transport != _REQUESTS and not trouble:
        from crawler.http.curl_transport import CurlTransport

        tell(log, TRANSPORT, library="libcurl", why="it is installed")
        return CurlTransport(config, guard, jar, seeds=seeds, bandwidth=bandwidth)
    if config.transport == _CURL:
        raise ConfigError(_refusal(trouble))
    from crawler.http.requests_transport import RequestsTransport

    tell(log, TRANSPORT, library=_REQUESTS, why=trouble or "the setting says so")
    return RequestsTransport(config, guard, jar, seeds=seeds, bandwidth=bandwidth)


def check(config: FetchConfig) -> None:
    """Raise ConfigError if the setting asks for libcurl, and it can't be used here."""
    if config.transport == _CURL and (trouble := trouble_with_curl()):
        raise ConfigError(_refusal(trouble))


def trouble_with_curl() -> str:
    """Why libcurl can't be used by this Python; empty if it can."""
    try:
        from crawler.http.curl_handle import unfit
    except ImportError as exc:
        if exc.name == "pycurl" and isinstance(exc, ModuleNotFoundError):
            return "the library pycurl is not installed"
        return "the library pycurl is broken: it can't be loaded"
    return unfit()


def _refusal(trouble: str) -> str:
    return (
        f"transport = {_CURL} won't do: {trouble}; install it with {install('fast')}, or leave it to"
        f" --transport auto, which takes {_REQUESTS} then"
    )
