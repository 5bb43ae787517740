"""The lanes of hosts: how many tasks wait for each, and which hosts have tasks to give now. Pure, as politeness.py.

A lane is *due* while its host may be asked for more, and *cooling* until its time has come. It is *blocked* while the
hosts of its domain have too many requests in flight together, and *shut* while it has a limit of 0.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from itertools import islice

from crawler.queues import policy


@dataclass(slots=True)
class Domain:
    """Hosts of one registrable domain."""

    name: str
    lanes: int = 0
    in_flight: int = 0
    away: int = 0
    """The sum of ``away`` of its lanes."""
    blocked: dict[int, None] = field(default_factory=dict)
    """Hosts that would be due, had the domain fewer requests in flight; an ordered set."""


@dataclass(slots=True)
class Lane:
    """What is known of one host while it has anything to do, or is to be left alone."""

    ready: dict[Hashable, int] = field(default_factory=dict)
    """Waiting tasks by kind; no zeros."""
    in_flight: int = 0
    due: float = 0.0
    """When tasks may be leased again."""
    paused_until: float = 0.0
    asked: float = -math.inf
    """When the latest request was allowed by ``turn``."""
    guests: dict[int, float] = field(default_factory=dict)
    """Tasks of other hosts that a redirect has led here, with a request in flight; until when each counts."""
    away: set[int] = field(default_factory=set)
    """Leased tasks of this host that are guests elsewhere: they have no request in flight here."""
    crowded: float = -math.inf
    """When a guest last found no room."""
    domain: Domain | None = None
    """None while no domain can have too many requests in flight: it costs time to find a host's domain."""
    cooling: bool = False
    """Whether it is in the heap of lanes to wake."""

    @property
    def is_idle(self) -> bool:
        return not (self.ready or self.in_flight or self.cooling)


class Lanes:
    """The lanes of all hosts. *per_host*, *per_domain* and *domain_of* are as of Politeness.

    Invariants, once ``_place`` was called for each lane that has changed:

    - ``_due`` has of each kind the hosts that are open and have tasks of it, the one that gave longest ago first;
    - a lane that opens later is in ``_cooling`` once, at that time or an earlier one;
    - ``lanes``, ``in_flight`` and ``away`` of a domain are the sums of its lanes;
    - no kind of ``Lane.ready`` has 0 tasks.
    """

    def __init__(self, *, per_host: int, per_domain: float, domain_of: Callable[[int], str]) -> None:
        self._per_host = per_host
        self._per_domain = max(per_domain, per_host)
        self._domain_of = domain_of
        self._lanes: dict[int, Lane] = {}
        self._due: dict[Hashable, dict[int, None]] = defaultdict(dict)
        """Hosts by kind; the inner dict is an ordered set."""
        self._cooling: list[tuple[float, int]] = []
        self._idle: set[int] = set()
        """Hosts that had nothing to do when they were placed last."""
        self._opened: set[Hashable] = set()
        self._limits: dict[int, int] = {}
        self._shut: dict[int, None] = {}
        """Hosts with a limit of 0 for which something waits, as an ordered set."""
        self._domains: dict[str, Domain] = {}
        self._roomy: dict[str, None] = {}
        """Domains that have room again, and hosts that were blocked before; an ordered set."""

    def limit(self, host: int, in_flight: int | None, *, now: float) -> None:
        """Share out *host* only while fewer than *in_flight* requests are in flight, nothing at all with 0; None takes
        that back. Tasks that workers hold stay there: see ``Politeness.too_much``.
        """
        if in_flight is None:
            self._limits.pop(host, None)
        else:
            self._limits[host] = min(in_flight, self._per_host)
        if host in self._lanes:
            self._place(host, self._lanes[host], now)

    def shut(self) -> int | None:
        """A host with a limit of 0 for which tasks wait, if there is one."""
        return next(iter(self._shut), None)

    def opened(self) -> set[Hashable]:
        """The kinds of which a host has become due since the last call."""
        opened, self._opened = self._opened, set()
        return opened

    def is_due(self, kind: Hashable) -> bool:
        """Whether a host has tasks of *kind* to give now, though perhaps not to every worker."""
        return bool(self._due[kind])

    def next_due(self) -> float | None:
        """When the next cooling lane may be due; None while none is cooling."""
        return self._cooling[0][0] if self._cooling else None

    def __len__(self) -> int:
        """Hosts with anything to do, or asked to be left alone for a while."""
        return len(self._lanes)

    def forget_idle(self) -> None:
        """Remove the lanes of hosts that have nothing to do.

        To be called at the end of a step, not within it: a task that is given back is in no hand for a moment before it
        waits again, and the time of its host's latest request still counts.
        """
        for host in self._idle:
            lane = self._lanes.get(host)
            if lane is not None and lane.is_idle:
                del self._lanes[host]
                self._part(host, lane)
        self._idle.clear()

    def _wake_lanes(self, now: float) -> None:
        """Place the lanes whose time has come, and those of domains that have room again."""
        for name in list(self._roomy):
            self._unblock(self._domains[name], now)
        while self._cooling and self._cooling[0][0] <= now:
            _, host = heapq.heappop(self._cooling)
            lane = self._lanes[host]
            lane.cooling = False
            self._place(host, lane, now)

    def _cap(self, host: int) -> int:
        """The most requests in flight to *host*."""
        return self._limits.get(host, self._per_host)

    def _place(self, host: int, lane: Lane, now: float) -> None:
        """Put a lane that has changed where it belongs: due, cooling, blocked or shut."""
        cap = self._cap(host) if self._limits else self._per_host
        opens = max(lane.due, lane.crowded + policy.CROWDED_S)
        open_now = opens <= now and lane.in_flight < cap and self._has_room(host, lane)
        for kind, row in self._due.items():
            if not (open_now and kind in lane.ready):
                row.pop(host, None)
        if open_now:
            for kind in lane.ready:
                row = self._due[kind]
                if host not in row:
                    row[host] = None
                    self._opened.add(kind)
        if opens > now and not lane.cooling:
            lane.cooling = True
            heapq.heappush(self._cooling, (opens, host))
        if not cap and lane.ready:
            self._shut[host] = None
        elif self._shut:
            self._shut.pop(host, None)
        if lane.is_idle:
            self._idle.add(host)

    def _lane(self, host: int) -> Lane:
        lane = self._lanes.get(host)
        if lane is None:
            lane = self._lanes[host] = Lane()
            if self._domains:
                self._join(host, lane)
            elif len(self._lanes) * self._per_host > self._per_domain:
                # from now on a domain may have too many in flight
                for other, known in self._lanes.items():
                    self._join(other, known)
        return lane

    def _join(self, host: int, lane: Lane) -> None:
        name = self._domain_of(host)
        lane.domain = self._domains.setdefault(name, Domain(name))
        lane.domain.lanes += 1
        lane.domain.in_flight += lane.in_flight
        lane.domain.away += len(lane.away)

    def _part(self, host: int, lane: Lane) -> None:
        if (domain := lane.domain) is not None:
            domain.blocked.pop(host, None)
            domain.lanes -= 1
            if not domain.lanes:
                del self._domains[domain.name]
                self._roomy.pop(domain.name, None)

    def _has_room(self, host: int, lane: Lane) -> bool:
        """Whether the domain of a due host has room; if not, the host is blocked until it has."""
        if lane.domain is None:
            return True
        lane.domain.blocked.pop(host, None)
        if self._room(lane) > 0:
            return True
        if lane.ready:
            lane.domain.blocked[host] = None
        return False

    def _room(self, lane: Lane) -> float:
        """How many more requests the domain may have in flight."""
        return self._per_domain - lane.domain.in_flight if lane.domain is not None else math.inf

    def _count(self, lane: Lane, by: int) -> None:
        """Add *by* to the requests in flight."""
        lane.in_flight += by
        if lane.domain is not None:
            lane.domain.in_flight += by
            if by < 0 and lane.domain.blocked:
                self._roomy[lane.domain.name] = None

    def _unblock(self, domain: Domain, now: float) -> None:
        """Place as many blocked hosts as the domain has room for; the rest has a turn at the next call."""
        room = self._per_domain - domain.in_flight
        for host in list(islice(domain.blocked, max(0, int(room)))):
            self._place(host, self._lanes[host], now)
        if not domain.blocked:
            self._roomy.pop(domain.name, None)
