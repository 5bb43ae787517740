"""Of hundreds who wait, those are woken whom the news concerns: not all, and nobody is forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from crawler.queues.long_poll import LongPoll
from tests.support.queues import wait_until

LONG_S = 20.0


class Room:
    """Workers in threads of their own, who note that they were woken and wait again, until the test is over."""

    def __init__(self) -> None:
        self.mutex = threading.RLock()
        self.waiters = LongPoll(self.mutex)
        self.woken: list[str] = []
        self.more = False
        """Whether there is something left for the next, in the eyes of each who was woken."""
        self.over = False
        self.threads: list[threading.Thread] = []
        self.alarm_s = LONG_S

    def enter(self, name: str, kind: str = "image") -> None:
        inside = len(self.threads) + 1
        thread = threading.Thread(target=self._wait, args=(name, kind))
        self.threads.append(thread)
        thread.start()
        wait_until(lambda: sum(len(row.waiters) for row in self.waiters._rows.values()) == inside)

    def _wait(self, name: str, kind: str) -> None:
        with self.mutex:
            more = False
            while not self.over:
                now = time.monotonic()
                self.waiters.wait(
                    name, kind, now=now, until=now + LONG_S, alarm=now + self.alarm_s, more=more
                )
                self.woken.append(name)
                more = self.more
            self.waiters.leave(kind, more=False)

    def close(self) -> None:
        with self.mutex:
            self.over = True
            self.waiters.wake_all()
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()

    def settled(self) -> list[str]:
        """Who has been woken, once nobody is any more."""
        before = -1
        while before != len(self.woken):
            before = len(self.woken)
            time.sleep(0.03)
        return self.woken


@pytest.fixture(name="room")
def a_room() -> Iterator[Room]:
    room = Room()
    yield room
    room.close()


def test_news_wakes_one_and_the_next_news_another(room: Room) -> None:
    for name in ("a", "b", "c"):
        room.enter(name)
    for expected in (["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "a"]):
        with room.mutex:
            room.waiters.tell("image")
        assert room.settled() == expected


def test_news_of_one_kind_does_not_concern_the_other(room: Room) -> None:
    room.enter("harvester", "page")
    room.enter("downloader", "image")
    with room.mutex:
        room.waiters.tell("image")
    assert room.settled() == ["downloader"]


def test_what_one_can_not_take_is_offered_to_each_other_once(room: Room) -> None:
    for name in ("a", "b", "c"):
        room.enter(name)
    room.more = True
    with room.mutex:
        room.waiters.tell("image")
    assert room.settled() == ["a", "b", "c"], "and then they let it rest"


def test_two_pieces_of_news_at_once_wake_two(room: Room) -> None:
    for name in ("a", "b", "c"):
        room.enter(name)
    with room.mutex:
        room.waiters.tell("image")
        room.waiters.tell("image")
    assert sorted(room.settled()) == ["a", "b"]


def test_a_worker_is_woken_by_its_name_and_one_who_does_not_wait_is_no_trouble(room: Room) -> None:
    for name in ("a", "b"):
        room.enter(name)
    with room.mutex:
        room.waiters.wake("b")
        room.waiters.wake("nobody")
    assert room.settled() == ["b"]


def test_all_are_woken_when_it_concerns_all(room: Room) -> None:
    for name, kind in (("a", "image"), ("b", "page"), ("c", "image")):
        room.enter(name, kind)
    with room.mutex:
        room.waiters.wake_all()
    assert sorted(room.settled()) == ["a", "b", "c"]


def test_one_looks_at_the_clock_for_all(room: Room) -> None:
    room.alarm_s = 0.02
    for name in ("a", "b", "c"):
        room.enter(name)
    wait_until(lambda: len(room.woken) >= 4)
    with room.mutex:
        assert len(set(room.woken)) == 1


def test_who_leaves_hands_the_watch_over(room: Room) -> None:
    room.enter("a")
    assert room.waiters._on_watch is not None
    room.enter("b")
    with room.mutex:
        room.over = True  # whoever is woken now leaves
        room.waiters.wake("a")
    wait_until(lambda: not room.threads[1].is_alive())
    assert room.woken == ["a", "b"], "a has woken b, so that it takes the watch"


def test_who_is_on_the_watch_hears_of_what_will_be_due_sooner(room: Room) -> None:
    for name in ("a", "b"):
        room.enter(name)
    with room.mutex:
        room.waiters.expect(None)
        room.waiters.expect(time.monotonic() + 2 * LONG_S)
    assert room.settled() == []
    with room.mutex:
        room.waiters.expect(time.monotonic() + 1.0)
    assert room.settled() == ["a"]
