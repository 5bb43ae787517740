"""The scheme of a seed that was typed without one: https if the host answers by it, else http.

The host is asked for robots.txt, which anybody may fetch (RFC 9309, section 2.2), and which a crawl fetches first. Any
answer will do. No secret is sent, no redirect is followed, and the address guard is obeyed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

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
    SeedUnreachable,
    TaskError,
    TlsFailed,
)
from crawler.http.address_guard import AddressGuard, seed_ports
from crawler.http.proxies import Proxies, networks_of
from crawler.http.transports import open_transport
from crawler.seeds import Seed
from crawler.urls import host_key

_NO_ANSWER = (
    HostNotFound, NameLookupFailed, ConnectFailed, ConnectTimeout, TlsFailed, ConnectionLost, DeadlineExceeded,
    BadResponse, ForbiddenAddress,
)  # fmt: skip
"""Errors that say, if they have no status, that no server speaks this scheme there."""
_PATIENCE_S = 15.0
_ENOUGH_BYTES = 64 * 1024
_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class SettledSeeds:
    seeds: tuple[str, ...]
    """Canonical URLs, each once, in the order in which they were typed."""
    notes: tuple[str, ...]
    """For each host that does not answer, a sentence that says why."""
    by_http: tuple[str, ...]
    """For each host that is asked by http, a few words that say why not by https."""
    were_asked: bool
    """Some host has just been asked."""


@dataclass(frozen=True, kw_only=True)
class _Answer:
    scheme: str
    silence: str
    """Why https got no answer; empty if it did."""
    failure: str = ""
    """A sentence that says that neither scheme got an answer, and why."""


def settled(asked: Sequence[Seed], known: Collection[str], fetch: FetchConfig) -> SettledSeeds:
    """The URL of each seed. Hosts of *known*, the seeds of the crawl that goes on, are not asked.

    With a password configured a host has to answer by https: it is not sent by http unless the seed says so. If some
    seed's host answers, the seeds of silent hosts are tried by https in the crawl.

    Raises SeedUnreachable if no host answers, and ConfigError.
    """
    open_hosts = {_host(seed): seed for seed in asked if len(seed.urls) > 1 and not seed.known(known)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        told = pool.map(lambda seed: _answer(seed, fetch), open_hosts.values())
        answers = dict(zip(open_hosts, told, strict=True))
    failures = [answer.failure for answer in answers.values() if answer.failure]
    if failures and all((found := answers.get(_host(seed))) and found.failure for seed in asked):
        raise SeedUnreachable(failures[0])
    taken, notes, by_http = [], [], []
    for seed in asked:
        url = seed.known(known) or seed.urls[0]
        if not seed.known(known) and (answer := answers.get(_host(seed))) is not None and len(seed.urls) > 1:
            url = next(each for each in seed.urls if each.startswith(f"{answer.scheme}:"))
            if answer.failure:
                notes.append(f"{answer.failure}; {url} is tried in the crawl")
            elif answer.silence:
                which = f"{_host(seed).partition('://')[2]} " if len(asked) > 1 else ""
                by_http.append(f"{which}by http: no answer by https ({answer.silence})")
        taken.append(url)
    return SettledSeeds(
        seeds=tuple(dict.fromkeys(taken)),
        notes=tuple(dict.fromkeys(notes)),
        by_http=tuple(dict.fromkeys(by_http)),
        were_asked=bool(open_hosts),
    )


def _host(seed: Seed) -> str:
    return host_key(seed.urls[0])


def _answer(seed: Seed, fetch: FetchConfig) -> _Answer:
    https, http = seed.urls
    if not (first := silence(https, fetch)):
        return _Answer(scheme="https", silence="")
    if fetch.login or fetch.headers or fetch.netrc:
        return _Answer(
            scheme="https",
            silence=first,
            failure=f"{seed.text} does not answer by https ({first}), and what logs in there is not sent by http unless"
            f" the seed says so: {http}",
        )
    if not (second := silence(http, fetch)):
        return _Answer(scheme="http", silence=first)
    why = first if first == second else f"by https: {first}; by http: {second}"
    return _Answer(scheme="https", silence=first, failure=f"{seed.text} does not answer: {why}")


def silence(url: str, fetch: FetchConfig) -> str:
    """Why no HTTP server answers for the host of a canonical *url*, by its scheme; empty if one does.

    Takes up to 15 s, and what a name look-up takes. Raises ConfigError for settings that can't be used.
    """
    place = host_key(url)
    seeds = (f"{place}/",)
    plain = msgspec.structs.replace(fetch, login="", netrc=False, keep_cookies=False, headers=())
    networks = networks_of(seeds, Proxies(fetch.proxy))  # a name that a proxy looks up is not looked up here
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
