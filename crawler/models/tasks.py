"""Tasks on their way: found, leased to a worker, and answered with a result."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from crawler.models.origins import Origin
from crawler.models.records import Record
from crawler.models.shared import Cookie
from crawler.models.values import Depth, Pause, Seconds, Slug, Small, TaskKind, Text, Total, Url, Value


class NewTask(Value):
    """A URL to visit. The queue keeps one task per kind and URL, however often it is put."""

    kind: TaskKind
    url: Url
    depth: Depth = 0
    """Links away from the seed; an image has the depth of its page."""
    origin: Origin | None = None
    """None for a seed."""
    kept_out_by: Slug = ""
    """What forbids to visit it (``max-depth``, ``nofollow``, a trap …): it is counted, unless its URL is known, and
    not queued.
    """


class Task(Value):
    """A URL on lease. ``(id, serial)`` is the fencing token: no other lease ever has the same pair."""

    id: Total
    serial: Total
    kind: TaskKind
    url: Url
    depth: Depth
    attempt: Small
    """1 for the first lease."""
    origin: Origin | None = None
    host_delay_s: Seconds = 0.0
    """The time from one request to its host to the next, as the queue knows it: with any, each has to wait its turn."""
    known: Record | None = None
    """The record of an earlier visit, in a crawl that is refreshed; None for a URL that has not been visited."""

    @property
    def token(self) -> Token:
        return Token(id=self.id, serial=self.serial)


class Token(Value, array_like=True):
    id: Total
    serial: Total


class Batch(Value):
    """Tasks of one host, leased together: at most ``slots`` of them may be in flight at a time."""

    host: Url
    slots: Small
    tasks: tuple[Task, ...]


class Lease(Value):
    """What a worker got. No batches and not ``drained`` means: nothing is due yet, ask again."""

    batches: tuple[Batch, ...] = ()
    drained: bool = False
    """Nothing is ready, delayed or leased, of any kind: the crawl has ended."""
    halted: Text | None = None
    """Why the queue gives out no more work (a full disk, a stop), or None."""
    cookies: tuple[Cookie, ...] = ()
    """News for the worker: what others were sent since it last heard of any."""
    cookies_seen: Total = 0
    """To be said with the next call: how far these go."""


class Heartbeat(Value):
    """What a worker is told when it gives a sign of life."""

    lost: tuple[Token, ...] = ()
    """What it thinks it holds, and does not any more."""
    paused: bool = False
    """It shall give back what it has not begun; there will be more later."""
    left_alone: tuple[Url, ...] = ()
    """The same, of these hosts (``scheme://host[:port]``): they are in trouble, or ask to be left alone for a while."""
    halted: Text | None = None
    """As in Lease."""


class Result(Value):
    """A worker's answer to one task, which is also its acknowledgement.

    With ``retry_in_s`` the task goes back and is due again after that many seconds, unless its attempts are used
    up: then ``record`` stands. Without it the record is final.
    """

    token: Token
    record: Record
    discovered: tuple[NewTask, ...] = ()
    retry_in_s: Seconds | None = None
    """With ``untouched`` that is no attempt."""
    host_pause_s: Pause | None = None
    """The whole host wants to be left alone for so long: its robots.txt is not to be had."""
    refused_for_s: Seconds | None = None
    """The answer was a refusal, whose Retry-After asked for so long; 0 for one without. The URL's own, and evidence of
    how fast its host may be asked: see crawler/queues/throttle.py.
    """
    untouched: bool = False
    """It was not its turn: the task goes back as if it had not been leased."""
    host_delay_s: Pause | None = None
    """What the task's host asks for between two requests (Crawl-delay), 0 if nothing; None when that is not known."""
    cookies: Annotated[tuple[Cookie, ...], Meta(max_length=1000)] = ()
    """What servers have set since the worker's last result."""
