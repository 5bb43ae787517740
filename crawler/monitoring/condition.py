"""The state of a crawl in one word, and whether somebody should look at it: for monitoring.

Pure; judges by the Stats that :mod:`crawler.monitoring.wait_reasons` explains.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from crawler.models import Stats, Status
from crawler.monitoring.wait_reasons import TROUBLE, waits

_STUCK_S = 60.0
"""Seconds that a crawl may be up without doing what it could: a worker that joins needs some."""


class State(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    STOPPING = "stopping"
    """Somebody has stopped the crawl; workers finish what they have begun."""
    PAUSED = "paused"
    UNATTENDED = "unattended"
    """There is work for a kind of worker of which none has joined."""
    WAITING = "waiting"
    """Every host that has anything to do is in trouble, and nothing is in flight."""
    STUCK = "stuck"
    """There is work that waits for nothing, and it is not done."""
    HALTED = "halted"
    """The crawl can't go on: a full disk, a damaged file."""
    UNBALANCED = "unbalanced"
    """The crawl has finished, but not every image URL is accounted for."""
    INTERRUPTED = "interrupted"
    """The crawl has not finished, and nobody runs it."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    state: State
    why: str = ""
    """The reason, of which another machine may have written parts; empty where the state says it all."""

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look at the crawl."""
        return self.state in {State.RUNNING, State.FINISHED, State.STOPPING}


def condition(stats: Stats, *, runs: bool) -> Condition:
    """The condition of a crawl that somebody *runs*, or of one that is only in its folder."""
    if stats.halted is not None and runs:
        return Condition(state=State.STOPPING if stats.stopped else State.HALTED, why=stats.halted)
    if stats.drained:
        return Condition(state=State.FINISHED if stats.balanced else State.UNBALANCED)
    if not runs:
        return Condition(state=State.INTERRUPTED, why="the same command goes on with it")
    return _of_one_that_runs(stats)


def _of_one_that_runs(stats: Stats) -> Condition:
    told = waits(stats)
    if stats.paused:
        return Condition(state=State.PAUSED, why=told[0].text if told else "")
    if for_you := [wait.text for wait in told if wait.is_for_you]:
        return Condition(state=State.UNATTENDED, why=for_you[0])
    if stats.waiting and all(host.trouble in TROUBLE and not host.in_flight for host in stats.waiting):
        return Condition(state=State.WAITING, why="; ".join(wait.text for wait in told))
    if isinstance(stats, Status) and not told and stats.up_s > _STUCK_S and _is_idle(stats):
        return Condition(state=State.STUCK, why="there is work at hand, and nobody does any of it")
    return Condition(state=State.RUNNING)


def _is_idle(stats: Status) -> bool:
    """Whether nothing was done for half a minute, nothing is being done, and something could be."""
    counts = (stats.pages, stats.images, stats.renders)
    rates = (stats.pages_per_s, stats.images_per_s, stats.renders_per_s)
    return (
        not any(rates) and not any(count.leased for count in counts) and any(count.ready for count in counts)
    )
