"""Whether a host answers by https or by http, for a seed that was typed without a scheme.

The request is for robots.txt, which anybody may fetch (RFC 9309, section 2.2), and which a crawl fetches first. Any
answer will do. No secret is sent, no redirect is followed, and the address guard is obeyed.
"""

from __future__ import annotations

import msgspec

from crawler.config import FetchConfig
from crawler.errors import (
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    ForbiddenAddress,
    HostNotFound,
    NameLookupFailed,
    OutOfScope,
    TaskError,
    TlsFailed,
)
from crawler.http.address_guard import AddressGuard, seed_ports
from crawler.http.proxies import networks_of, proxies_of
from crawler.http.transports import open_transport
from crawler.urls import host_key

_NO_ANSWER = (
    HostNotFound,
    NameLookupFailed,
    ConnectFailed,
    ConnectTimeout,
    TlsFailed,
    ConnectionLost,
    DeadlineExceeded,
    BadResponse,
    ForbiddenAddress,
)
"""Errors that say, if they have no status, that no server speaks this scheme there."""
_PATIENCE_S = 15.0
_ENOUGH_BYTES = 64 * 1024


def silence(url: str, fetch: FetchConfig) -> str:
    """Why no HTTP server answers for the host of a canonical *url*, by its scheme; empty if one does.

    Takes up to 15 s, and what a name look-up takes. Raises ConfigError for settings that can't be used.
    """
    place = host_key(url)
    seeds = (f"{place}/",)
    plain = msgspec.structs.replace(fetch, login="", netrc=False, keep_cookies=False, headers=())
    networks = networks_of(seeds, proxies_of(fetch))  # a name that a proxy looks up is not looked up here
    guard = AddressGuard(fetch.allow_addresses, seed_ports(seeds), of_seeds=networks)
    transport = open_transport(plain, guard)

    def check(asked: str) -> None:
        if host_key(asked) != place:
            raise OutOfScope(f"{place} has answered, and that is all that was asked")

    try:
        transport.fetch(
            f"{place}/robots.txt",
            max_bytes=_ENOUGH_BYTES,
            accept="text/plain,*/*;q=0.8",
            cut=True,
            check=check,
            within_s=_PATIENCE_S,
        )
    except _NO_ANSWER as exc:
        # without the advice to try another scheme, which is what the caller does
        return "" if exc.http_status else exc.detail.partition("; perhaps ")[0]
    except TaskError:
        return ""
    finally:
        transport.close()
    return ""
