"""Which worker may ask which host, and when: the politeness of all workers in one place.

Pure bookkeeping in memory: every moment is handed in as seconds on the caller's monotonic clock. Each host has a *lane*
of waiting tasks. The *hand* of a worker is the tasks that it holds of a host, of which it runs at most ``slots`` at
once. So leases can be large while the requests in flight to a host, over all workers, stay at or below ``per_host``. A
host with a delay gives out one task at a time; one with a limit gives no worker more than it can run at once.

A lease only says who may ask next. The delay holds between *requests*: a worker asks by ``turn`` right before it sends
one to a host with a delay, and right before one to a host that a redirect leads to, where it takes a slot as a *guest*.
Nothing is promised beforehand: a worker whose turn has not come asks again. So neither a worker that is gone nor a
manager that is restarted takes a promise along.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from crawler.models import HostStatus
from crawler.queues import policy
from crawler.queues.lanes import Lane, Lanes


@dataclass(slots=True)
class _Hand:
    """The tasks of one host that one worker holds, and how many of them it runs at once at most."""

    slots: int = 0
    tasks: int = 0

    @property
    def in_flight(self) -> int:
        return min(self.slots, self.tasks)


@dataclass(frozen=True, slots=True)
class Share:
    """Tasks of one host for one worker: *tasks* more, and at most *slots* at once of all that it then holds there."""

    host: int
    tasks: int
    slots: int


class Politeness(Lanes):
    """Shares out the hosts that are due, each in its turn.

    At most *per_host* requests are in flight to a host, and at most *per_domain* (but *per_host* at least) to all hosts
    for which *domain_of* gives the same name. From one request to the next *delay_s* seconds pass, or what the host
    asks for, or what was learned of it: the longest of these.

    Invariants beside those of Lanes: ``in_flight`` of a lane is that of all hands, and its guests; no hand is empty.
    """

    def __init__(
        self,
        *,
        per_host: int,
        delay_s: float,
        per_domain: float = math.inf,
        domain_of: Callable[[int], str] = str,
    ) -> None:
        super().__init__(per_host=per_host, per_domain=per_domain, domain_of=domain_of)
        self._delay_s = delay_s
        self._undelayed: set[int] = set()
        self._asked_s: dict[int, float] = {}
        """What hosts ask for between two requests."""
        self._paces_s: dict[int, float] = {}
        """What was learned of hosts."""
        self._other_schemes: dict[int, int] = {}
        """Hosts that are one server by two schemes: most sites redirect from http to https, and it is the same owner
        who sees both requests."""
        self._guests: deque[tuple[float, int, int]] = deque()
        """Until when each counts, its host and its task; in the order of time."""
        self._hands: dict[str, dict[int, _Hand]] = defaultdict(dict)
        self._starved: dict[Hashable, dict[str, float]] = defaultdict(dict)
        """By kind: workers that hold nothing and got nothing, and when they asked last, in the order of time."""

    def never_delay(self, host: int) -> None:
        """*host* stands for no server: its tasks send no requests."""
        self._undelayed.add(host)

    def same_server(self, host: int, other: int) -> None:
        """*other* is *host* by the other scheme: time has to pass between a request to one and the next to either."""
        self._other_schemes[host], self._other_schemes[other] = other, host

    def set_delay(self, host: int, delay_s: float, *, now: float, just_asked: bool = False) -> None:
        """*host* asks for *delay_s* seconds from one request to the next; 0 takes that back. *just_asked*: the request
        for the file that says so counts as the latest.
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
        """It was learned that *host* allows a request every *pace_s* seconds; 0 takes that back."""
        if pace_s > 0:
            self._paces_s[host] = pace_s
        else:
            self._paces_s.pop(host, None)

    def delay_s(self, host: int) -> float:
        """The delay that *host* asks for."""
        return self._asked_s.get(host, 0.0)

    def spacing_s(self, host: int) -> float:
        """Seconds between two requests to *host*: the longest of its wish, what was learned, and the setting."""
        if host in self._undelayed:
            return 0.0
        own_s = max(self._delay_s, self.delay_s(host), self._paces_s.get(host, 0.0))
        if (other := self._other_schemes.get(host)) is None:
            return own_s
        return max(own_s, self.delay_s(other), self._paces_s.get(other, 0.0))

    def add(self, host: int, kind: Hashable, count: int = 1, *, now: float) -> None:
        """*count* more tasks of *kind* wait for *host*."""
        lane = self._lane(host)
        lane.ready[kind] = lane.ready.get(kind, 0) + count
        self._place(host, lane, now)

    def remove(self, host: int, kind: Hashable, count: int = 1, *, now: float) -> None:
        """*count* waiting tasks were settled without a lease: by a late result, or as the host is down."""
        lane = self._lanes[host]
        self._take_ready(lane, kind, count)
        self._place(host, lane, now)

    def pause(self, host: int, pause_s: float, *, now: float) -> None:
        """Lease nothing of *host* for *pause_s* seconds."""
        lane = self._lane(host)
        lane.due = max(lane.due, now + pause_s)
        lane.paused_until = max(lane.paused_until, now + pause_s)
        self._place(host, lane, now)

    def turn(self, host: int, *, guest: int | None, now: float) -> float:
        """Seconds until a request to *host* is allowed; 0 allows one now, which counts as sent.

        *guest* is the id of a task of another host, which takes a slot; None for a task that has a slot by its lease.
        """
        self._leave_late(now)
        lane = self._lane(host)
        asked, paused_until = lane.asked, lane.paused_until
        if (other := self._lanes.get(self._other_schemes.get(host, host))) is not None:
            asked, paused_until = max(asked, other.asked), max(paused_until, other.paused_until)
        wait_s = max(paused_until, asked + self.spacing_s(host)) - now
        is_new = guest is not None and guest not in lane.guests
        if wait_s <= 0 and is_new and self._is_crowded(host, lane):
            lane.crowded, wait_s = now, policy.ASK_AGAIN_S
        if wait_s <= 0:
            self._sent_at(now, host, lane)
            if is_new and guest is not None:
                lane.guests[guest] = now + policy.GUEST_S
                self._count(lane, +1)
                self._guests.append((now + policy.GUEST_S, host, guest))
        self._place(host, lane, now)
        return max(0.0, wait_s)

    def taken(self, host: int, ago_s: float, *, now: float) -> None:
        """A request was sent *ago_s* seconds ago, and its response begins.

        Only the server knows when the request arrived, which may be much later than it was sent. So a delay that is
        asked for or configured counts from the response, if that is no more than half of the delay later: then no two
        requests arrive sooner after each other. A learned pace counts from the sending, as its average matters.
        """
        lane, wish_s = self._lanes.get(host), max(self._delay_s, self.delay_s(host))
        moment = min(now, now - ago_s + wish_s / 2)
        if lane is not None and lane.asked < moment:
            self._sent_at(moment, host, lane)
            self._place(host, lane, now)

    def _sent_at(self, moment: float, host: int, lane: Lane) -> None:
        """A request counts as sent at *moment*: the next one has the host's delay to wait."""
        lane.asked = moment
        if spacing_s := self.spacing_s(host):
            lane.due = max(lane.due, moment + spacing_s)

    def turn_over(self, host: int, guest: int, *, now: float) -> None:
        """A guest has its response; nothing happens if the task is no guest."""
        lane = self._lanes.get(host)
        if lane is not None and guest in lane.guests:
            del lane.guests[guest]
            self._count(lane, -1)
            self._place(host, lane, now)

    def go_away(self, host: int, task: int) -> None:
        """A leased task of *host* sends its requests elsewhere: a guest may have its place, but no lease."""
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

    def _is_crowded(self, host: int, lane: Lane) -> bool:
        """Whether there is no room for one more guest. Tasks that are away leave their places, but may return to them
        before we hear of it: so guests alone never exceed the cap either.
        """
        cap = max(1, self._cap(host))
        if max(lane.in_flight - len(lane.away), len(lane.guests)) >= cap:
            return True
        return lane.domain is not None and self._room(lane) + lane.domain.away <= 0

    def _leave_late(self, now: float) -> None:
        """Remove the guests whose time is over."""
        while self._guests and self._guests[0][0] <= now:
            until, host, guest = self._guests.popleft()
            lane = self._lanes.get(host)
            if lane is not None and lane.guests.get(guest) == until:  # it has not come once more
                self.turn_over(host, guest, now=now)

    def too_much(self, worker: str, *, now: float) -> list[int]:
        """Hosts with a limit, delay or pause of which *worker* holds more than it runs: it shall not begin the rest."""
        return [
            host
            for host, held in self._hands.get(worker, {}).items()
            if held.tasks > held.slots
            and (host in self._limits or self._lanes[host].paused_until > now or self.spacing_s(host) > 0)
        ]

    def take(
        self, kind: Hashable, worker: str, *, count: int, slots: int, worker_count: int, now: float
    ) -> list[Share]:
        """Share out up to *count* waiting tasks of *kind* to *worker*, which can run *slots* at once in all.

        *worker_count* is the number of workers of this kind: none gets more than its part of a host's slots. A worker
        that has more, because it was here before the others, gets no more of the host while another one starves, until
        it has used up enough. The tasks count as held from now on.
        """
        self.wake(now)
        hand = self._hands[worker]
        used = sum(held.in_flight for held in hand.values())
        due = self._due[kind]
        worker_count = max(1, worker_count)
        even = self._per_host // worker_count if self._others_starve(kind, worker, now) else self._per_host
        part = max(1, even) if even < self._per_host else -(-self._per_host // worker_count)
        shares: list[Share] = []
        # first the hosts in its hand: they need no free slot to give more
        hosts = [host for host in hand if self._lanes[host].due <= now and kind in self._lanes[host].ready]
        # each fresh host takes a slot, so that more of them are of no use
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
            due.pop(host, None)  # to the end of the queue: hosts take turns
            self._place(host, lane, now)
            shares.append(Share(host, tasks, hand[host].slots))
            used += hand[host].in_flight - before
            count -= tasks
        self._starved[kind].pop(worker, None)
        if not hand:
            self._starved[kind][worker] = now
            del self._hands[worker]
        return shares

    def _fresh(self, due: dict[int, None], hand: Mapping[int, _Hand], most: int, now: float) -> list[int]:
        """The due hosts among the first *most* that are not in *hand*. Those whose domain has no room are blocked."""
        while True:
            first = list(islice(due, most))
            full = [host for host in first if self._room(self._lanes[host]) <= 0]
            if not full:
                return [host for host in first if host not in hand]
            for host in full:
                self._place(host, self._lanes[host], now)

    def _others_starve(self, kind: Hashable, worker: str, now: float) -> bool:
        starved = self._starved[kind]  # who asked last comes last
        while starved and now - starved[oldest := next(iter(starved))] > policy.STARVED_S:
            del starved[oldest]  # it has left
        return len(starved) > (worker in starved)

    def hold(self, host: int, worker: str, *, now: float) -> None:
        """*worker* holds a task of *host* that was leased by an earlier run of the manager."""
        lane = self._lane(host)
        held = self._hands[worker].get(host) or _Hand()
        self._deal(lane, worker, host, slots=min(held.slots + 1, self._per_host), tasks=held.tasks + 1)
        self._place(host, lane, now)

    def drop(self, host: int, worker: str, count: int = 1, *, now: float) -> None:
        """*worker* holds *count* tasks of *host* less: they are settled, given back or lost.

        It needs no more slots than it had tasks to run when the last of them came back.
        """
        lane, held = self._lanes[host], self._hands[worker][host]
        slots = min(held.slots, held.tasks - count + 1)
        self._deal(lane, worker, host, slots=slots, tasks=held.tasks - count)
        self._place(host, lane, now)

    def wake(self, now: float) -> None:
        """Bring the memory up to the moment *now*."""
        self.forget_idle()
        self._leave_late(now)
        self._wake_lanes(now)

    def pauses(self, *, now: float) -> dict[int, float]:
        """Seconds for which hosts are still to be left alone, by host."""
        return {host: lane.due - now for host, lane in self._lanes.items() if lane.due > now}

    def busiest(self, most: int) -> list[int]:
        """The *most* hosts with the most tasks, waiting or in flight."""
        lanes = heapq.nlargest(
            most, self._lanes.items(), key=lambda item: sum(item[1].ready.values()) + item[1].in_flight
        )
        return [host for host, _ in lanes]

    def look_at(self, host: int, *, now: float) -> HostStatus:
        """The status of one host, which may have nothing to do, without its name."""
        lane = self._lanes.get(host) or Lane()
        ready: dict[str, Any] = {f"{kind}s": count for kind, count in lane.ready.items()}
        return HostStatus(
            name="",
            **ready,
            in_flight=lane.in_flight,
            due_s=max(0.0, lane.due - now),
            delay_s=self.spacing_s(host),
            crawl_delay_s=self.delay_s(host),
        )

    def startable(self, kind: Hashable) -> int:
        """How many more tasks of *kind* workers could begin now, at the first DUE_LOOKED_AT hosts that are due."""
        found = 0
        for host in islice(self._due[kind], policy.DUE_LOOKED_AT):
            lane = self._lanes[host]
            free = min(self._cap(host) - lane.in_flight, self._room(lane))
            found += int(max(0, min(lane.ready[kind], free, 1 if self.spacing_s(host) else free)))
        return found

    def some_that_wait(self, most: int) -> Iterator[int]:
        """Cheap candidates for hosts that wait: *most* that cool, the one due next among them, and *most* of all."""
        yield from (host for _, host in self._cooling[:most])
        yield from islice(self._lanes, most)

    def is_known(self, host: int) -> bool:
        """Whether *host* has a lane: it has something to do, or is to be left alone."""
        return host in self._lanes

    def _take_ready(self, lane: Lane, kind: Hashable, count: int) -> None:
        lane.ready[kind] -= count
        if not lane.ready[kind]:
            del lane.ready[kind]

    def _deal(self, lane: Lane, worker: str, host: int, *, slots: int, tasks: int) -> None:
        hand = self._hands[worker]
        held = hand.setdefault(host, _Hand())
        before = held.in_flight
        held.slots, held.tasks = slots, tasks
        self._count(lane, held.in_flight - before)
        if not tasks:
            del hand[host]
            if not hand:
                del self._hands[worker]
