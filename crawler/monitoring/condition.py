"""In what state a crawl is, by one word, and whether somebody should look at it: for monitoring.

Pure, and by the same facts as :mod:`crawler.monitoring.wait_reasons`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from crawler.models import Stats, Status
from crawler.monitoring.wait_reasons import waits

_STUCK_S = 60.0
"""So long a crawl may be up without anything done that could be: a worker that joins needs seconds."""
_TROUBLE = frozenset({"backing off", "only errors", "down"})


class State(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    STOPPING = "stopping"
    """Somebody asked for it; what is in hand is being finished."""
    PAUSED = "paused"
    UNATTENDED = "unattended"
    """There is work that nobody does: no downloader, harvester or renderer has joined."""
    WAITING = "waiting"
    """Every host that has anything to do is in trouble, and nothing is in flight."""
    STUCK = "stuck"
    """There is work, and nothing that it would wait for, and nothing is done."""
    HALTED = "halted"
    """It can't go on: a full disk, a damaged file."""
    UNBALANCED = "unbalanced"
    """It has finished, and not every image URL is accounted for."""
    INTERRUPTED = "interrupted"
    """It has not finished, and nobody runs it."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    state: State
    why: str = ""
    """In words; parts of it may be another machine's. Empty where the state says it all."""

    @property
    def is_well(self) -> bool:
        """Nobody has to look."""
        return self.state in {State.RUNNING, State.FINISHED, State.STOPPING}


def condition(stats: Stats, *, runs: bool) -> Condition:
    """Of a crawl that somebody *runs*, or of what is left of one in its folder."""
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
    if stats.waiting and all(host.trouble in _TROUBLE and not host.in_flight for host in stats.waiting):
        return Condition(state=State.WAITING, why="; ".join(wait.text for wait in told))
    if isinstance(stats, Status) and not told and stats.up_s > _STUCK_S and _is_idle(stats):
        return Condition(state=State.STUCK, why="there is work at hand, and nobody does any of it")
    return Condition(state=State.RUNNING)


def _is_idle(stats: Status) -> bool:
    """Nothing was done for half a minute, nothing is being done, and something could be."""
    counts = (stats.pages, stats.images, stats.renders)
    rates = (stats.pages_per_s, stats.images_per_s, stats.renders_per_s)
    return (
        not any(rates) and not any(count.leased for count in counts) and any(count.ready for count in counts)
    )
