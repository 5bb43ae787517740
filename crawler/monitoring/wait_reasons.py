"""Why a crawl waits, for how long, and what to do: in words, for the live panel, the plain lines and ``status`` alike.

Pure: it judges by the Stats of the queue. A crawl that goes on as fast as it can waits for nothing. What a person has
to do comes first, then hosts, those with the most to do at the head, then what the whole crawl waits for.

There is an estimate where one is honest: all pages have been read, so that no more images are found, and the rate of
images is known; a host that is asked slowly may take longer than the rest. Hosts in trouble, and what has failed
before, have no estimate. Where there is none, the reason is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from crawler import errors
from crawler.models import WORKER_NAMES, HostStatus, Retry, Stats, TaskKind
from crawler.text.display import counted

PATIENCE_S = 10.0
"""Seconds after its start that a crawl may be without a downloader: on a slow machine a process takes some."""
SHORT_S = 10.0
"""Seconds that a host's delays have to cost in all to be worth a line."""
SILENT_S = 30.0
"""Seconds of a worker's silence that are worth a line: longer than between two heartbeats by default."""
LONG_DELAY_S = 3.0
"""Seconds between two requests that one sees pass."""
_REFUSED = 400
"""The least HTTP status that says what is wrong: of a broken transfer "answered 200; 4 tries left" was said."""
_LEAST_RATE_PER_S = 0.02
"""Images a second that an estimate takes: with fewer than one in 50 s one more or less would double it."""

TROUBLE = frozenset({"backing off", "only errors", "down"})
"""How it is with a host of which nobody knows when it gets better."""
WHAT_HAPPENED = {
    errors.HostNotFound.reason: "is not known to the name service",
    errors.NameLookupFailed.reason: "can't be looked up",
    errors.ConnectFailed.reason: "can't be reached",
    errors.ConnectTimeout.reason: "does not answer",
    errors.TlsFailed.reason: "makes no secure connection",
    errors.ConnectionLost.reason: "closes the connection",
    errors.DeadlineExceeded.reason: "takes too long",
    errors.TooSlow.reason: "sends too slowly",
    errors.TruncatedTransfer.reason: "breaks off its answers",
    errors.BadResponse.reason: "answers something that is not HTTP",
    errors.RequestTimeout.reason: "says that we took too long",
    errors.RateLimited.reason: "asks us to wait: 429",
    errors.ServerError.reason: "answers with server errors",
    errors.BotChallenge.reason: "wants proof that a person asks",
    errors.RobotsUnavailable.reason: "does not give its robots.txt",
    errors.InternalError.reason: "made a worker say what can't be right",
}
"""Reasons of retries, as the words that follow the name of a host in a sentence."""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why the crawl waits."""

    text: str
    """The reason as a sentence without its full stop; other machines may have written parts of it."""
    key: str
    """The identity of the cause, which stays the same over time: a log says it once."""
    is_for_you: bool = False
    """Whether a person has to do something."""


def waits(stats: Stats, *, invitation: str = "", go_on: str = "") -> tuple[Wait, ...]:
    """The reasons why a crawl waits; none if it does not, or is over.

    *invitation* is the argument of ``image-crawler work`` for this crawl, *go_on* the command that resumes it
    (``image-crawler resume DIR``); either is empty where it is not known.
    """
    if stats.drained or stats.halted is not None:
        return ()
    if stats.silent_s:
        return (
            Wait(text=f"no answer from the queue for {span(stats.silent_s)}; it is asked on", key="silent"),
        )
    if stats.paused:
        by = f" by {stats.paused_by}" if stats.paused_by else ""
        how = f": {go_on} has it go on" if go_on else ""
        return (Wait(text=f"paused{by}{how}", key="paused", is_for_you=True),)
    if not stats.workers and stats.up_s < PATIENCE_S:
        return (Wait(text="starting: no worker is at work yet", key="starting"),)
    return (*_without_workers(stats, invitation), *_hosts(stats), *_as_a_whole(stats))


def estimate(stats: Stats, images_per_s: float) -> str:
    """``about 81 s to go``, at *images_per_s*; or why that can't be said. Empty where nothing is left.

    What waits for a host in trouble, or failed before, is named and not estimated: nobody knows when it ends.
    """
    seconds, why_none = time_to_go(stats, images_per_s)
    if seconds is None:
        return why_none
    waiting = _waiting_images(stats)
    without = (
        f", without the {counted(waiting, 'image')} that wait{'s' if waiting == 1 else ''}" if waiting else ""
    )
    return f"about {span(seconds)} to go{without}"


def time_to_go(stats: Stats, images_per_s: float) -> tuple[float | None, str]:
    """Seconds until the rest is done at *images_per_s*, without images that wait for a host in trouble, or for another
    try; or None, and why there is no estimate.

    Returns None and "" where nothing is left. While pages are being read there is no estimate: the reason then tells
    what the images that are known take.
    """
    if stats.drained or stats.halted is not None or stats.paused or stats.silent_s:
        return None, ""
    if stats.pages.unsettled or stats.renders.unsettled:
        return None, _while_pages_are_read(stats, images_per_s)
    left = stats.images.unsettled - _waiting_images(stats)
    if left <= 0:
        waiting = stats.images.unsettled
        return None, f"no estimate: {_left(waiting)}" if waiting else ""
    slowest = _slowest_s(stats)
    if images_per_s < _LEAST_RATE_PER_S:
        is_explained = slowest or waits(stats)
        return (slowest or None), "" if is_explained else "no estimate: no image comes at the moment"
    return max(left / images_per_s, slowest), ""


def _left(count: int) -> str:
    return f"the {count:,} images left wait" if count > 1 else "the image left waits"


def _waiting_images(stats: Stats) -> int:
    """Images of hosts in trouble, and those that have failed before: the next try is told of, and no more."""
    troubled = sum(host.images + host.in_flight for host in stats.waiting if _has_no_pace(host))
    return troubled + max(0, stats.images.delayed - stats.held_images)


def _while_pages_are_read(stats: Stats, images_per_s: float) -> str:
    """What can be said of the time left while any page may name more images.

    A host's delay may hold the pages and images of it back for longer than all images take: beside "14 s for the 700
    URLs" of a host it said "2 s for the 36 images".
    """
    if not stats.images.discovered:
        return ""
    left = stats.images.unsettled - _waiting_images(stats)
    if left <= 0 or images_per_s < _LEAST_RATE_PER_S:
        return "no estimate while pages are read"
    seconds, slowest = left / images_per_s, _slowest_s(stats)
    known = f"the {counted(left, 'image')}" if seconds >= slowest else "what is"
    return f"{span(max(seconds, slowest))} for {known} known"


def _slowest_s(stats: Stats) -> float:
    """Seconds that the host takes whose delay holds its URLs back the longest."""
    return max((_host_s(host) for host in stats.waiting if not _has_no_pace(host)), default=0.0)


def _has_no_pace(host: HostStatus) -> bool:
    """Whether the host is in trouble, or refuses: nobody knows how fast it may be asked."""
    return host.trouble in TROUBLE or (host.trouble == "slowed" and host.due_s > 0)


def span(seconds: float) -> str:
    """A duration for people, rounded up: ``8 s``, ``3 min``, ``1 h 20 min``."""
    whole = max(1, math.ceil(seconds))
    if whole < 100:  # noqa: PLR2004 - what is longer is easier to read in minutes
        return f"{whole} s"
    minutes = math.ceil(whole / 60)
    if minutes < 100:  # noqa: PLR2004
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:  # noqa: PLR2004
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(hours / 24):,} days"


# --- what a person has to do ---


def _without_workers(stats: Stats, invitation: str) -> Iterator[Wait]:
    """Kinds of work that nobody does; none if the Stats leave out some workers."""
    if stats.up_s < PATIENCE_S or len(stats.workers) < stats.worker_count:
        return
    kinds = {who.kind for who in stats.workers}
    to = f" {invitation}" if invitation else ""
    if stats.images.ready and TaskKind.IMAGE not in kinds:
        yet = "any more" if stats.images.done else "yet"
        yield Wait(
            text=f"nobody downloads {yet}: image-crawler work{to}", key="no-downloader", is_for_you=True
        )
    if stats.pages.ready and TaskKind.PAGE not in kinds:
        yield Wait(text=f"nobody reads pages: image-crawler harvest{to}", key="no-harvester", is_for_you=True)
    others_are_done = not (stats.pages.unsettled or stats.images.ready or stats.images.leased)
    if stats.renders.ready and others_are_done and TaskKind.RENDER not in kinds:
        yield Wait(
            text=f"{_pages(stats.renders.ready)} for a browser: image-crawler render{to}",
            key="no-renderer",
            is_for_you=True,
        )


# --- hosts ---


def _hosts(stats: Stats) -> Iterator[Wait]:
    retries = {retry.host: retry for retry in stats.retries}
    told = set()
    for host in stats.waiting:
        retry = retries.get(host.name)
        if retry is None and not host.at_hand:
            continue
        if (wait := _host(stats, host, retry)) is not None:
            told.add(host.name)
            yield wait
    for retry in stats.retries:
        if retry.host not in told and (retry.reason or retry.due_s >= SHORT_S):
            yield Wait(text=f"{shown_host(retry.host)} {_retry(retry)}", key=f"retry {retry.host}")


def _host(stats: Stats, host: HostStatus, retry: Retry | None) -> Wait | None:
    name, key = shown_host(host.name), f"{host.trouble or 'delay'} {host.name}"
    due_s = host.due_s if host.at_hand or retry is None else max(host.due_s, retry.due_s)
    match host.trouble:
        case "down":
            words = f"is given up for now: it {_happened(host.last_reason)}; asked again in {span(due_s)}"
        case "slowed" if host.due_s > 0 or (retry is not None and not host.at_hand):
            words = f"asks us to wait: {_status(host, retry)}, {_next(due_s)}"
        case "slowed" if host.delay_s > 0 and _host_s(host) >= SHORT_S:
            words = f"is asked every {_precise(host.delay_s)}, as it said {_status(host, retry)}{_to_go(stats, host)}"
        case "backing off" | "only errors" if host.due_s > 0 or retry is not None:
            words = f"{_happened(host.last_reason, retry)}; {_next(due_s)}"
        case "backing off" | "only errors":
            words = _happened(host.last_reason, retry)
        case _ if host.delay_s >= LONG_DELAY_S or (host.delay_s > 0 and _host_s(host) >= SHORT_S):
            what = (
                f"Crawl-delay {_precise(host.delay_s)}"
                if host.crawl_delay_s >= host.delay_s
                else f"{_precise(host.delay_s)} between two requests"
            )
            return Wait(text=f"{name}: {what}{_to_go(stats, host)}", key=key)
        case _:
            return None
    return Wait(text=f"{name} {words}{_waiting(host)}", key=key)


def _retry(retry: Retry) -> str:
    """The words on a host that is well but for *retry*."""
    if retry.reason == errors.RateLimited.reason:
        return f"asks us to wait: 429, {_next(retry.due_s)}"
    if not retry.reason:
        return f"is asked again in {span(retry.due_s)}"
    happened = f"answered {retry.http_status}" if retry.http_status >= _REFUSED else _happened(retry.reason)
    if not retry.tries_left:
        return f"{happened}; {_next(retry.due_s)}"
    tries = counted(retry.tries_left, "try", "tries")
    return f"{happened}; {tries} left, next in {span(retry.due_s)}"


def _happened(reason: str, retry: Retry | None = None) -> str:
    if retry is not None and retry.http_status >= _REFUSED and retry.reason == reason:
        return f"answers {retry.http_status}"
    return WHAT_HAPPENED.get(reason, f"is in trouble ({reason})" if reason else "is in trouble")


def _status(host: HostStatus, retry: Retry | None) -> str:
    """Of a refusal: 429, or 503 with a Retry-After; see throttle.py."""
    if retry is not None and retry.http_status and retry.reason == host.last_reason:
        return str(retry.http_status)
    return "503" if host.last_reason == errors.ServerError.reason else "429"


def _next(due_s: float) -> str:
    return f"next try in {span(due_s)}" if due_s > 0 else "it is being tried"


def _waiting(host: HostStatus) -> str:
    """How much waits for it."""
    pages = host.pages + host.renders
    if host.images:
        return f" ({counted(host.images, 'image waits', 'images wait')})"
    return f" ({_pages(pages)})" if pages else ""


def _to_go(stats: Stats, host: HostStatus) -> str:
    """How long the host takes at its pace, for what is known so far if more may be found."""
    seconds, known = _host_s(host), host.at_hand
    if known == 1:
        return f", next request in {span(seconds)}" if seconds > 0 else ""
    if stats.pages.unsettled or stats.renders.unsettled:
        return f", {span(seconds)} for the {known:,} URLs known"
    return f", about {span(seconds)} to go"


def _host_s(host: HostStatus) -> float:
    """Seconds that the known URLs of the host take one after the other, by its delay alone."""
    return host.due_s + host.delay_s * max(0, host.at_hand - 1) if host.delay_s > 0 else host.due_s


def shown_host(name: str) -> str:
    """The host without its scheme: ``cdn.example``, ``127.0.0.1:8822``."""
    return name.partition("://")[2] or name


def _precise(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < SHORT_S else span(seconds)


# --- all of it ---


def _as_a_whole(stats: Stats) -> Iterator[Wait]:
    if stats.backlogged:
        yield Wait(
            text=f"{_pages(stats.pages.ready + stats.renders.ready)} until some of the"
            f" {stats.images.unsettled:,} images are done",
            key="backlog",
        )
    at_work = stats.images.ready + stats.images.leased
    if stats.held_images and not at_work and not stats.backlogged:
        count = counted(stats.held_images, "image waits", "images wait")
        yield Wait(text=f"{count} until the pages are read: one may name a larger size", key="held")
    if not (stats.images.ready or stats.pages.ready or stats.renders.ready):
        yield from _silent_workers(stats)
    hungry = sum(who.short_of_memory for who in stats.workers)
    if hungry:
        tasks = counted(hungry, "task waits", "tasks wait")
        yield Wait(text=f"{tasks} for memory (--memory-budget)", key="memory")


def _silent_workers(stats: Stats) -> Iterator[Wait]:
    """Workers that hold what is left and are silent: one that has died counts as alive until its lease ends."""
    silent = [who for who in stats.workers if who.held and who.seen_s >= SILENT_S]
    if not silent:
        return
    longest, first = span(max(who.seen_s for who in silent)), silent[0]
    tasks = counted(sum(who.held for who in silent), "task goes", "tasks go")
    where = f" on {first.machine}" if first.machine else ""
    text = f"a {WORKER_NAMES[first.kind]}{where} has said nothing for {longest}; after a while its {tasks} to others"
    if len(silent) > 1:
        text = f"{len(silent):,} workers have said nothing for up to {longest}; after a while their {tasks} to others"
    yield Wait(text=text, key="silent-workers")


def _pages(count: int) -> str:
    return counted(count, "page waits", "pages wait")
