"""Which host is due: the politeness of the whole fleet in one place.

Pure bookkeeping in memory, without a clock of its own: every moment is handed in as seconds on the caller's
monotonic clock. Each host has a *lane* of waiting tasks. What a worker holds of a host is its *hand*: so many tasks,
of which it runs at most ``slots`` at once. So leases can be large while the requests in flight to a host, over all
workers, stay at or below ``per_host``. A host with a delay gives out one task at a time, so long after the last; one
with a limit gives nobody more than can run at once.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import islice

HUNGRY_S = 10.0
"""So long a worker that got nothing counts as one who waits: twice as long as it waits for one answer."""
TASKS_PER_SLOT = 8
"""How many tasks a worker may hold for each slot: enough to hide a round trip to the queue."""


@dataclass(slots=True)
class _Lane:
    ready: dict[Hashable, int] = field(default_factory=dict)
    """Waiting tasks by kind; no zeros."""
    in_flight: int = 0
    due: float = 0.0
    cooling: bool = False
    """Stands in the heap of lanes to wake."""


@dataclass(slots=True)
class _Hand:
    slots: int = 0
    tasks: int = 0

    @property
    def in_flight(self) -> int:
        return min(self.slots, self.tasks)


@dataclass(frozen=True, slots=True)
class Share:
    """What one host has for one worker: *tasks* more, and at most *slots* at once of all it then holds there."""

    host: int
    tasks: int
    slots: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A host with something to do: waiting tasks by kind, requests in flight, and seconds until it is due."""

    host: int
    ready: dict[Hashable, int]
    in_flight: int
    due_s: float
    delay_s: float


class Pacing:
    """Shares out the hosts that are due, each in its turn.

    *per_host* requests in flight to a host at the most, *delay_s* seconds from one to the next, or what the host itself
    asks for if that is longer, or what was learned of it.
    """

    def __init__(self, *, per_host: int, delay_s: float) -> None:
        self._per_host = per_host
        self._delay_s = delay_s
        self._lanes: dict[int, _Lane] = {}
        self._hands: dict[str, dict[int, _Hand]] = defaultdict(dict)
        self._due: dict[Hashable, dict[int, None]] = defaultdict(
            dict
        )  # by kind; the inner dict is an ordered set
        self._cooling: list[tuple[float, int]] = []
        self._opened: set[Hashable] = set()
        self._undelayed: set[int] = set()
        self._asked_s: dict[int, float] = {}
        self._paces_s: dict[int, float] = {}
        self._limits: dict[int, int] = {}
        self._shut: dict[int, None] = {}
        """Hosts with a limit of 0 for which something waits, as an ordered set."""
        self._hungry: dict[Hashable, dict[str, float]] = defaultdict(dict)
        """By kind: workers that hold nothing and got nothing when they asked last, and when that was, in that order."""

    def never_delay(self, host: int) -> None:
        """*host* stands for no server: nothing is asked of it."""
        self._undelayed.add(host)

    def set_delay(self, host: int, delay_s: float) -> None:
        """*host* asks for so many seconds from one request to the next; 0 takes that back."""
        if delay_s > 0:
            self._asked_s[host] = delay_s
        else:
            self._asked_s.pop(host, None)

    def set_pace(self, host: int, pace_s: float) -> None:
        """It was learned that *host* lets itself be asked every *pace_s* seconds; 0 takes that back."""
        if pace_s > 0:
            self._paces_s[host] = pace_s
        else:
            self._paces_s.pop(host, None)

    def delay_s(self, host: int) -> float:
        """What *host* has asked for."""
        return self._asked_s.get(host, 0.0)

    def add(self, host: int, kind: Hashable, count: int = 1, *, now: float) -> None:
        """*count* more tasks of *kind* wait for *host*."""
        lane = self._lanes.setdefault(host, _Lane())
        lane.ready[kind] = lane.ready.get(kind, 0) + count
        self._place(host, lane, now)

    def remove(self, host: int, kind: Hashable, count: int = 1, *, now: float) -> None:
        """*count* waiting tasks were settled without a lease, by a late result or because the host is down."""
        lane = self._lanes[host]
        self._take_ready(lane, kind, count)
        self._place(host, lane, now)

    def pause(self, host: int, pause_s: float, *, now: float) -> None:
        """Nothing more of *host* before *pause_s* seconds from now."""
        lane = self._lanes.setdefault(host, _Lane())
        lane.due = max(lane.due, now + pause_s)
        self._place(host, lane, now)

    def limit(self, host: int, in_flight: int | None, *, now: float) -> None:
        """From now on share out *host* only while fewer than *in_flight* requests are under way; None takes that back.

        With 0 nothing is shared out at all. What is in somebody's hand stays there: see ``too_much``.
        """
        if in_flight is None:
            self._limits.pop(host, None)
        else:
            self._limits[host] = min(in_flight, self._per_host)
        if host in self._lanes:
            self._place(host, self._lanes[host], now)

    def shut(self) -> int | None:
        """A host with a limit of 0 for which something waits, if there is one."""
        return next(iter(self._shut), None)

    def too_much(self, worker: str) -> list[int]:
        """The hosts with a limit of which *worker* holds more than it runs: it shall not begin the rest."""
        hand = self._hands.get(worker) if self._limits else None
        if not hand:
            return []
        return [host for host, held in hand.items() if held.tasks > held.slots and host in self._limits]

    def take(
        self, kind: Hashable, worker: str, *, count: int, slots: int, fellows: int, now: float
    ) -> list[Share]:
        """Share out up to *count* waiting tasks of *kind* to *worker*, who can run *slots* at once in all.

        *fellows* is how many workers of this kind there are: none gets more than its part of a host's slots. Who has
        more than that, because it was here before the others, gets no more of the host until it has used up enough,
        as long as one of them waits with empty hands. The tasks count as held from now on.
        """
        self.wake(now)
        hand = self._hands[worker]
        used = sum(held.in_flight for held in hand.values())
        due = self._due[kind]
        fellows = max(1, fellows)
        even = self._per_host // fellows if self._others_hungry(kind, worker, now) else self._per_host
        part = max(1, even) if even < self._per_host else -(-self._per_host // fellows)
        shares: list[Share] = []
        # first what it holds already: such a host needs no free slot to give more
        hosts = [host for host in hand if self._lanes[host].due <= now and kind in self._lanes[host].ready]
        # every fresh host takes a slot, so that no more than these can be of use
        fresh = iter([host for host in islice(due, slots + len(hand)) if host not in hand])
        while count > 0:
            if hosts:
                host = hosts.pop()
            elif used < slots and (following := next(fresh, None)) is not None:
                host = following
            else:
                break
            lane, held = self._lanes[host], hand.get(host) or _Hand()
            before = held.in_flight
            if before > even:
                continue
            delay_s = self._spacing_s(host)
            more_slots = max(0, min(self._cap(host) - lane.in_flight, slots - used, part - before))
            if delay_s:
                room = min(1, more_slots)
            elif host in self._limits:
                room = more_slots
            else:
                room = TASKS_PER_SLOT * (before + more_slots) - held.tasks
            tasks = min(count, lane.ready[kind], room)
            if tasks <= 0:
                continue
            self._take_ready(lane, kind, tasks)
            self._deal(lane, worker, host, slots=before + min(more_slots, tasks), tasks=held.tasks + tasks)
            if delay_s:
                lane.due = now + delay_s
            due.pop(host, None)  # to the end of the row: hosts take turns
            self._place(host, lane, now)
            shares.append(Share(host, tasks, hand[host].slots))
            used += hand[host].in_flight - before
            count -= tasks
        self._hungry[kind].pop(worker, None)
        if not hand:
            self._hungry[kind][worker] = now
            del self._hands[worker]
        return shares

    def _others_hungry(self, kind: Hashable, worker: str, now: float) -> bool:
        hungry = self._hungry[kind]  # who asked last comes last
        while hungry and now - hungry[oldest := next(iter(hungry))] > HUNGRY_S:
            del hungry[oldest]  # it has gone
        return len(hungry) > (worker in hungry)

    def hold(self, host: int, worker: str, *, now: float) -> None:
        """*worker* holds a task of *host* that was leased before, by an earlier run of the manager."""
        lane = self._lanes.setdefault(host, _Lane())
        held = self._hands[worker].get(host) or _Hand()
        self._deal(lane, worker, host, slots=min(held.slots + 1, self._per_host), tasks=held.tasks + 1)
        self._place(host, lane, now)

    def drop(self, host: int, worker: str, *, now: float) -> None:
        """*worker* holds one task of *host* less: settled, given back or lost."""
        lane, held = self._lanes[host], self._hands[worker][host]
        self._deal(lane, worker, host, slots=held.in_flight, tasks=held.tasks - 1)
        self._place(host, lane, now)

    def opened(self) -> set[Hashable]:
        """The kinds of which a host has come to have something to give since this was last asked."""
        opened, self._opened = self._opened, set()
        return opened

    def is_due(self, kind: Hashable) -> bool:
        """Whether a host has something of *kind* to give now, though perhaps not to every worker."""
        return bool(self._due[kind])

    def wake(self, now: float) -> None:
        """Bring back the hosts whose pause is over."""
        while self._cooling and self._cooling[0][0] <= now:
            _, host = heapq.heappop(self._cooling)
            lane = self._lanes[host]
            lane.cooling = False
            self._place(host, lane, now)

    def pauses(self, *, now: float) -> dict[int, float]:
        """Hosts that are to be left alone, and for how many seconds still."""
        return {host: lane.due - now for host, lane in self._lanes.items() if lane.due > now}

    def next_due(self) -> float | None:
        """When the next cooling host is due at the earliest; None while none is cooling."""
        return self._cooling[0][0] if self._cooling else None

    def busiest(self, most: int, *, now: float) -> list[Waiting]:
        """The hosts with the most tasks, waiting or in flight: *most* of them at the most."""
        lanes = heapq.nlargest(
            most, self._lanes.items(), key=lambda item: sum(item[1].ready.values()) + item[1].in_flight
        )
        return [self.look_at(host, now=now) for host, _ in lanes]

    def look_at(self, host: int, *, now: float) -> Waiting:
        """One host, which may have nothing to do."""
        lane = self._lanes.get(host) or _Lane()
        due_s = max(0.0, lane.due - now)
        return Waiting(host, dict(lane.ready), lane.in_flight, due_s, self._spacing_s(host))

    def __len__(self) -> int:
        """Hosts with anything to do, or asked to be left alone for a while."""
        return len(self._lanes)

    def in_flight(self, host: int) -> int:
        """Requests that may be under way to *host* now."""
        return self._lanes[host].in_flight if host in self._lanes else 0

    def _cap(self, host: int) -> int:
        """How many requests may be in flight to *host*."""
        return self._limits.get(host, self._per_host)

    def _spacing_s(self, host: int) -> float:
        """From one request to the next."""
        if host in self._undelayed:
            return 0.0
        return max(self._delay_s, self.delay_s(host), self._paces_s.get(host, 0.0))

    def _take_ready(self, lane: _Lane, kind: Hashable, count: int) -> None:
        lane.ready[kind] -= count
        if not lane.ready[kind]:
            del lane.ready[kind]

    def _deal(self, lane: _Lane, worker: str, host: int, *, slots: int, tasks: int) -> None:
        hand = self._hands[worker]
        held = hand.setdefault(host, _Hand())
        before = held.in_flight
        held.slots, held.tasks = slots, tasks
        lane.in_flight += held.in_flight - before
        if not tasks:
            del hand[host]
            if not hand:
                del self._hands[worker]

    def _place(self, host: int, lane: _Lane, now: float) -> None:
        """Put *lane* where it belongs: in the row of those that are due, among the cooling, or nowhere."""
        cap = self._cap(host) if self._limits else self._per_host
        open_now = lane.due <= now and lane.in_flight < cap
        for kind, row in self._due.items():
            if not (open_now and kind in lane.ready):
                row.pop(host, None)
        if open_now:
            for kind in lane.ready:
                row = self._due[kind]
                if host not in row:
                    row[host] = None
                    self._opened.add(kind)
        if lane.due > now and not lane.cooling:
            lane.cooling = True
            heapq.heappush(self._cooling, (lane.due, host))
        if not cap and lane.ready:
            self._shut[host] = None
        elif self._shut:
            self._shut.pop(host, None)
        if not (lane.ready or lane.in_flight or lane.cooling):
            del self._lanes[host]
