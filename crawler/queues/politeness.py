"""Which host is due: the politeness of the whole fleet in one place.

Pure bookkeeping in memory, without a clock of its own: every moment is handed in as seconds on the caller's
monotonic clock. Each host has a *lane* of waiting tasks. What a worker holds of a host is its *hand*: so many tasks,
of which it runs at most ``slots`` at once. So leases can be large while the requests in flight to a host, over all
workers, stay at or below ``per_host``. A host with a delay gives out one task at a time, so long after the last; one
with a limit gives nobody more than can run at once.

A lease only says who may ask next. The delay holds between *requests*: for a host that has one, each is asked for by
``turn`` right before it is sent, and so is each to a host that a redirect leads to, which takes one of its slots as a
*guest*. Nothing is promised beforehand: whose turn it is not yet asks again, so a worker that is gone, or a manager,
takes no promise along.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from crawler.queues import policy


@dataclass(slots=True)
class _Domain:
    """Hosts of one owner."""

    name: str
    lanes: int = 0
    in_flight: int = 0
    away: int = 0
    """As of its lanes, all together."""
    blocked: dict[int, None] = field(default_factory=dict)
    """Hosts that would have something to give, had it not so many requests under way; an ordered set."""


@dataclass(slots=True)
class _Lane:
    ready: dict[Hashable, int] = field(default_factory=dict)
    """Waiting tasks by kind; no zeros."""
    in_flight: int = 0
    due: float = 0.0
    """When something may be leased of it."""
    paused_until: float = 0.0
    asked: float = -math.inf
    """When the latest request was allowed by ``turn``."""
    guests: dict[int, float] = field(default_factory=dict)
    """Tasks that a redirect has led here, and that have a request under way; until when they count."""
    away: set[int] = field(default_factory=set)
    """Leased tasks of this host that are guests elsewhere: nothing of theirs is under way here."""
    crowded: float = -math.inf
    """When a guest found no room the last time."""
    domain: _Domain | None = None
    """None while no domain can have too much: it costs time to tell which it is."""
    cooling: bool = False
    """Stands in the heap of lanes to wake."""

    @property
    def is_idle(self) -> bool:
        return not (self.ready or self.in_flight or self.cooling)


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
    crawl_delay_s: float
    """Of that, what the host itself asks for."""


class Politeness:
    """Shares out the hosts that are due, each in its turn.

    *per_host* requests in flight to a host at the most, *delay_s* seconds from one to the next, or what the host itself
    asks for if that is longer, or what was learned of it. At most *per_domain*, and at least *per_host*, are in flight
    to all hosts for which *domain_of* gives the same.
    """

    def __init__(
        self,
        *,
        per_host: int,
        delay_s: float,
        per_domain: float = math.inf,
        domain_of: Callable[[int], str] = str,
    ) -> None:
        self._per_host = per_host
        self._per_domain = max(per_domain, per_host)
        self._domain_of = domain_of
        self._domains: dict[str, _Domain] = {}
        self._roomy: dict[str, None] = {}
        """Domains that have room again, and hosts that were blocked before; an ordered set."""
        self._delay_s = delay_s
        self._lanes: dict[int, _Lane] = {}
        self._hands: dict[str, dict[int, _Hand]] = defaultdict(dict)
        self._due: dict[Hashable, dict[int, None]] = defaultdict(
            dict
        )  # by kind; the inner dict is an ordered set
        self._cooling: list[tuple[float, int]] = []
        self._idle: set[int] = set()
        """Hosts that had nothing to do when that was looked at last."""
        self._opened: set[Hashable] = set()
        self._undelayed: set[int] = set()
        self._asked_s: dict[int, float] = {}
        self._paces_s: dict[int, float] = {}
        self._limits: dict[int, int] = {}
        self._shut: dict[int, None] = {}
        """Hosts with a limit of 0 for which something waits, as an ordered set."""
        self._guests: deque[tuple[float, int, int]] = deque()
        """Until when they count, the host and the task; in that order."""
        self._hungry: dict[Hashable, dict[str, float]] = defaultdict(dict)
        """By kind: workers that hold nothing and got nothing when they asked last, and when that was, in that order."""

    def never_delay(self, host: int) -> None:
        """*host* stands for no server: nothing is asked of it."""
        self._undelayed.add(host)

    def set_delay(self, host: int, delay_s: float, *, now: float, just_asked: bool = False) -> None:
        """*host* asks for so many seconds from one request to the next; 0 takes that back. The latest one counts, which
        has *just* been: what says so was asked for.
        """
        if delay_s > 0:
            self._asked_s[host] = delay_s
        else:
            self._asked_s.pop(host, None)
        if just_asked and delay_s > 0:
            self._lane(host).asked = now
        if (lane := self._lanes.get(host)) is not None:
            lane.due = max(lane.due, lane.asked + self.spacing_s(host))
            self._place(host, lane, now)

    def set_pace(self, host: int, pace_s: float) -> None:
        """It was learned that *host* lets itself be asked every *pace_s* seconds; 0 takes that back."""
        if pace_s > 0:
            self._paces_s[host] = pace_s
        else:
            self._paces_s.pop(host, None)

    def delay_s(self, host: int) -> float:
        """What *host* has asked for."""
        return self._asked_s.get(host, 0.0)

    def spacing_s(self, host: int) -> float:
        """The time from one request to *host* to the next: the longest of what it asks for, what was learned of it, and
        what is configured.
        """
        if host in self._undelayed:
            return 0.0
        return max(self._delay_s, self.delay_s(host), self._paces_s.get(host, 0.0))

    def add(self, host: int, kind: Hashable, count: int = 1, *, now: float) -> None:
        """*count* more tasks of *kind* wait for *host*."""
        lane = self._lane(host)
        lane.ready[kind] = lane.ready.get(kind, 0) + count
        self._place(host, lane, now)

    def remove(self, host: int, kind: Hashable, count: int = 1, *, now: float) -> None:
        """*count* waiting tasks were settled without a lease, by a late result or because the host is down."""
        lane = self._lanes[host]
        self._take_ready(lane, kind, count)
        self._place(host, lane, now)

    def pause(self, host: int, pause_s: float, *, now: float) -> None:
        """Nothing more of *host* before *pause_s* seconds from now."""
        lane = self._lane(host)
        lane.due = max(lane.due, now + pause_s)
        lane.paused_until = max(lane.paused_until, now + pause_s)
        self._place(host, lane, now)

    def turn(self, host: int, *, guest: int | None, now: float) -> float:
        """Seconds until *host* may be asked for something; 0 for now, and then it counts as asked.

        *guest* is the id of a task of another host, which takes a slot; None for one that has its slot by its lease.
        """
        self._leave_late(now)
        lane = self._lane(host)
        spacing_s = self.spacing_s(host)
        wait_s = max(lane.paused_until, lane.asked + spacing_s) - now
        is_new = guest is not None and guest not in lane.guests
        if wait_s <= 0 and is_new and self._is_crowded(host, lane):
            lane.crowded, wait_s = now, policy.ASK_AGAIN_S
        if wait_s <= 0:
            lane.asked = now
            if spacing_s:
                lane.due = max(lane.due, now + spacing_s)
            if is_new and guest is not None:
                lane.guests[guest] = now + policy.GUEST_S
                self._count(lane, +1)
                self._guests.append((now + policy.GUEST_S, host, guest))
        self._place(host, lane, now)
        return max(0.0, wait_s)

    def taken(self, host: int, ago_s: float, *, now: float) -> None:
        """A request was sent so many seconds ago, and is being answered.

        When it has arrived only the server knows, and on a busy way that may be much later than it was sent. So a delay
        that somebody wishes counts from the answer, where that is no more than half of it later: then no two requests
        arrive sooner after each other. A pace that was learned counts from when it was sent: it is the average that
        matters.
        """
        lane, wish_s = self._lanes.get(host), max(self._delay_s, self.delay_s(host))
        moment = min(now, now - ago_s + wish_s / 2)
        if lane is not None and lane.asked < moment:
            lane.asked = moment
            if spacing_s := self.spacing_s(host):
                lane.due = max(lane.due, moment + spacing_s)
            self._place(host, lane, now)

    def turn_over(self, host: int, guest: int, *, now: float) -> None:
        """A guest has got its answer, if it was one."""
        lane = self._lanes.get(host)
        if lane is not None and guest in lane.guests:
            del lane.guests[guest]
            self._count(lane, -1)
            self._place(host, lane, now)

    def go_away(self, host: int, task: int) -> None:
        """A leased task of *host* asks others from now on: a guest may have its place, but no lease."""
        lane = self._lanes.get(host)
        if lane is not None and task not in lane.away:
            lane.away.add(task)
            if lane.domain is not None:
                lane.domain.away += 1

    def come_back(self, host: int, task: int) -> None:
        """The lease of a task is about to end."""
        lane = self._lanes.get(host)
        if lane is not None and task in lane.away:
            lane.away.discard(task)
            if lane.domain is not None:
                lane.domain.away -= 1

    def _is_crowded(self, host: int, lane: _Lane) -> bool:
        """Whether there is no room for one more guest. Those of its own tasks that are away leave theirs, but what they
        leave may be in use again by who has not said so yet: guests alone are never more than may be in flight.
        """
        cap = max(1, self._cap(host))
        if max(lane.in_flight - len(lane.away), len(lane.guests)) >= cap:
            return True
        return lane.domain is not None and self._room(lane) + lane.domain.away <= 0

    def _leave_late(self, now: float) -> None:
        while self._guests and self._guests[0][0] <= now:
            until, host, guest = self._guests.popleft()
            if (
                host in self._lanes and self._lanes[host].guests.get(guest) == until
            ):  # it has not come once more
                self.turn_over(host, guest, now=now)

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

    def too_much(self, worker: str, *, now: float) -> list[int]:
        """The hosts of which *worker* holds more than it runs, and that have a limit, a delay or a pause: it shall not
        begin the rest.
        """
        return [
            host
            for host, held in self._hands.get(worker, {}).items()
            if held.tasks > held.slots
            and (host in self._limits or self._lanes[host].paused_until > now or self.spacing_s(host) > 0)
        ]

    def take(
        self, kind: Hashable, worker: str, *, count: int, slots: int, worker_count: int, now: float
    ) -> list[Share]:
        """Share out up to *count* waiting tasks of *kind* to *worker*, who can run *slots* at once in all.

        *worker_count* is the number of workers of this kind: none gets more than its part of a host's slots. Who has
        more than that, because it was here before the others, gets no more of the host until it has used up enough,
        as long as one of them waits with empty hands. The tasks count as held from now on.
        """
        self.wake(now)
        hand = self._hands[worker]
        used = sum(held.in_flight for held in hand.values())
        due = self._due[kind]
        worker_count = max(1, worker_count)
        even = self._per_host // worker_count if self._others_hungry(kind, worker, now) else self._per_host
        part = max(1, even) if even < self._per_host else -(-self._per_host // worker_count)
        shares: list[Share] = []
        # first what it holds already: such a host needs no free slot to give more
        hosts = [host for host in hand if self._lanes[host].due <= now and kind in self._lanes[host].ready]
        # every fresh host takes a slot, so that no more than these can be of use
        fresh = iter(self._fresh(due, hand, slots + len(hand), now))
        while count > 0:
            if hosts:
                host = hosts.pop()
            elif used < slots and (following := next(fresh, None)) is not None:
                host = following
            else:
                break
            lane, held = self._lanes[host], hand.get(host) or _Hand()
            before = held.in_flight
            if before > even or now - lane.crowded < policy.CROWDED_S:
                continue
            delay_s = self.spacing_s(host)
            free = min(self._cap(host) - lane.in_flight, self._room(lane))
            more_slots = int(max(0, min(free, slots - used, part - before)))
            if delay_s:
                room = min(1, more_slots)
            elif host in self._limits:
                room = more_slots
            else:
                room = policy.TASKS_PER_SLOT * (before + more_slots) - held.tasks
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

    def _fresh(self, due: dict[int, None], hand: Mapping[int, _Hand], most: int, now: float) -> list[int]:
        """Hosts that are due and not in *hand*, of the first *most*; those of a domain that has no room are blocked."""
        while True:
            first = list(islice(due, most))
            full = [host for host in first if self._room(self._lanes[host]) <= 0]
            if not full:
                return [host for host in first if host not in hand]
            for host in full:
                self._place(host, self._lanes[host], now)

    def _others_hungry(self, kind: Hashable, worker: str, now: float) -> bool:
        hungry = self._hungry[kind]  # who asked last comes last
        while hungry and now - hungry[oldest := next(iter(hungry))] > policy.HUNGRY_S:
            del hungry[oldest]  # it has gone
        return len(hungry) > (worker in hungry)

    def hold(self, host: int, worker: str, *, now: float) -> None:
        """*worker* holds a task of *host* that was leased before, by an earlier run of the manager."""
        lane = self._lane(host)
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
        self.forget_idle()
        self._leave_late(now)
        for name in list(self._roomy):
            self._unblock(self._domains[name], now)
        while self._cooling and self._cooling[0][0] <= now:
            _, host = heapq.heappop(self._cooling)
            lane = self._lanes[host]
            lane.cooling = False
            self._place(host, lane, now)

    def forget_idle(self) -> None:
        """Keep nothing of hosts that have nothing to do. To be called once all is told that happens together: what is
        given back is in nobody's hand before it waits again, and when its host was asked still counts.
        """
        for host in self._idle:
            lane = self._lanes.get(host)
            if lane is not None and lane.is_idle:
                del self._lanes[host]
                self._part(host, lane)
        self._idle.clear()

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
        return Waiting(
            host, dict(lane.ready), lane.in_flight, due_s, self.spacing_s(host), self.delay_s(host)
        )

    def some_that_wait(self, most: int) -> Iterator[int]:
        """Hosts that are left alone for a while, or may be, up to so many of each: the next ones that are due are among
        them, not in order, and so are the first ones that there were.
        """
        yield from (host for _, host in self._cooling[:most])
        yield from islice(self._lanes, most)

    def is_known(self, host: int) -> bool:
        """Whether it has anything to do, or had until a moment ago, or is to be left alone for a while."""
        return host in self._lanes

    def __len__(self) -> int:
        """Hosts with anything to do, or asked to be left alone for a while."""
        return len(self._lanes)

    def in_flight(self, host: int) -> int:
        """Requests that may be under way to *host* now."""
        return self._lanes[host].in_flight if host in self._lanes else 0

    def _cap(self, host: int) -> int:
        """How many requests may be in flight to *host*."""
        return self._limits.get(host, self._per_host)

    def _take_ready(self, lane: _Lane, kind: Hashable, count: int) -> None:
        lane.ready[kind] -= count
        if not lane.ready[kind]:
            del lane.ready[kind]

    def _deal(self, lane: _Lane, worker: str, host: int, *, slots: int, tasks: int) -> None:
        hand = self._hands[worker]
        held = hand.setdefault(host, _Hand())
        before = held.in_flight
        held.slots, held.tasks = slots, tasks
        self._count(lane, held.in_flight - before)
        if not tasks:
            del hand[host]
            if not hand:
                del self._hands[worker]

    def _place(self, host: int, lane: _Lane, now: float) -> None:
        """Put *lane* where it belongs: in the row of those that are due, among the cooling, or nowhere."""
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

    # domains

    def _lane(self, host: int) -> _Lane:
        lane = self._lanes.get(host)
        if lane is None:
            lane = self._lanes[host] = _Lane()
            if self._domains:
                self._join(host, lane)
            elif len(self._lanes) * self._per_host > self._per_domain:  # now one of them may have too much
                for other, known in self._lanes.items():
                    self._join(other, known)
        return lane

    def _join(self, host: int, lane: _Lane) -> None:
        name = self._domain_of(host)
        lane.domain = self._domains.setdefault(name, _Domain(name))
        lane.domain.lanes += 1
        lane.domain.in_flight += lane.in_flight
        lane.domain.away += len(lane.away)

    def _part(self, host: int, lane: _Lane) -> None:
        if (domain := lane.domain) is not None:
            domain.blocked.pop(host, None)
            domain.lanes -= 1
            if not domain.lanes:
                del self._domains[domain.name]
                self._roomy.pop(domain.name, None)

    def _has_room(self, host: int, lane: _Lane) -> bool:
        """Whether the domain of a host that is due has room for it; if not, it is told of when there is some."""
        if lane.domain is None:
            return True
        lane.domain.blocked.pop(host, None)
        if self._room(lane) > 0:
            return True
        if lane.ready:
            lane.domain.blocked[host] = None
        return False

    def _room(self, lane: _Lane) -> float:
        """How many more requests the domain may have under way."""
        return self._per_domain - lane.domain.in_flight if lane.domain is not None else math.inf

    def _count(self, lane: _Lane, by: int) -> None:
        """So many more requests are under way, or fewer."""
        lane.in_flight += by
        if lane.domain is not None:
            lane.domain.in_flight += by
            if by < 0 and lane.domain.blocked:
                self._roomy[lane.domain.name] = None

    def _unblock(self, domain: _Domain, now: float) -> None:
        """Let in as many of its hosts as it has room for; what they do not need is for others the next time."""
        room = self._per_domain - domain.in_flight
        for host in list(islice(domain.blocked, max(0, int(room)))):
            self._place(host, self._lanes[host], now)
        if not domain.blocked:
            self._roomy.pop(domain.name, None)
