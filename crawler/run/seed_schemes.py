"""The scheme of a seed that was typed without one: https if the host answers by it, else http."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from crawler.config import FetchConfig
from crawler.errors import SeedUnreachable
from crawler.seeds import Seed
from crawler.urls import host_key

_AT_ONCE = 16
_HTTPS, _HTTP = "https", "http"


@dataclass(frozen=True, kw_only=True)
class SettledSeeds:
    seeds: tuple[str, ...]
    """Canonical URLs, each once, in the order in which they were typed."""
    notes: tuple[str, ...]
    """For each host that had to be asked, a sentence that says which URL was taken."""


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
    taken, notes = [], []
    for seed in asked:
        url = seed.known(known) or seed.urls[0]
        if not seed.known(known) and (answer := answers.get(_host(seed))) is not None and len(seed.urls) > 1:
            url = next(each for each in seed.urls if each.startswith(f"{answer.scheme}:"))
            if answer.failure:
                notes.append(f"{answer.failure}; {url} is tried in the crawl")
                taken.append(url)
                continue
            why = f": no answer by https ({answer.silence})" if answer.silence else ""
            notes.append(f"taking {url}{why}")
        taken.append(url)
    return SettledSeeds(seeds=tuple(dict.fromkeys(taken)), notes=tuple(notes))


def _host(seed: Seed) -> str:
    return host_key(seed.urls[0])


def _answer(seed: Seed, fetch: FetchConfig) -> _Answer:
    from crawler.http import reach  # what asks takes 80 ms to come, and most seeds have a scheme

    silence = reach.silence
    https, http = seed.urls
    if not (first := silence(https, fetch)):
        return _Answer(scheme=_HTTPS, silence="")
    if fetch.login or fetch.headers or fetch.netrc:
        return _Answer(
            scheme=_HTTPS,
            silence=first,
            failure=f"{seed.text} does not answer by https ({first}), and what logs in there is not sent by http unless"
            f" the seed says so: {http}",
        )
    if not (second := silence(http, fetch)):
        return _Answer(scheme=_HTTP, silence=first)
    why = first if first == second else f"by https: {first}; by http: {second}"
    return _Answer(scheme=_HTTPS, silence=first, failure=f"{seed.text} does not answer: {why}")
