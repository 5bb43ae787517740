"""When a worker may send a request: what is asked of the queue, what is waited for, and what goes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from crawler.config import Config, ScopeConfig
from crawler.download.handler import ImageHandler
from crawler.errors import NotFound, ServerError
from crawler.http import Fetched
from crawler.http.host_files import QueueHostFileStore
from crawler.http.request_retries import RetryingTransport
from crawler.http.robots import Robots
from crawler.http.turns import HOLD_CROWDED_S, HOLD_FIRST_S, HOLD_S, NotYet, Turn, Turns
from crawler.models import ASK_AGAIN_S, FileAnswer, HostFile, Task, TaskKind
from crawler.scope import Scope
from crawler.storage.local import LocalStorage
from crawler.task_handler import HandlerContext
from tests.support.clocks import Stop

TASK = Task(id=7, serial=1, kind=TaskKind.IMAGE, url="http://a.example/a.png", depth=0, attempt=1)
SLOW = msgspec.structs.replace(TASK, host_delay_s=2.0)
OTHER = "http://b.example/b.png"


class Queue:
    """Says what it is told to, one after the other, and 0 after that."""

    def __init__(self, *waits_s: float) -> None:
        self.waits_s = list(waits_s)
        self.asked: list[tuple[str, bool]] = []
        self.over: list[str] = []
        self.late: list[tuple[str, float]] = []

    def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
        assert task == TASK.id
        self.asked.append((host, is_guest))
        return self.waits_s.pop(0) if self.waits_s else 0.0

    def turn_taken(self, *, host: str, ago_s: float) -> None:
        self.late.append((host, ago_s))

    def turn_over(self, *, task: int, host: str) -> None:
        assert task == TASK.id
        self.over.append(host)


def turn_of(task: Task, queue: Queue) -> tuple[Turn, Stop]:
    stop = Stop()
    return Turns(queue, stop=stop, clock=lambda: stop.now).of(task), stop


def test_the_lease_is_all_it_takes_where_there_is_no_delay() -> None:
    queue = Queue()
    turn, _ = turn_of(TASK, queue)
    for _ in range(3):
        turn(TASK.url)
    turn.close()
    assert (queue.asked, queue.over) == ([], [])


def test_every_request_to_a_host_with_a_delay_is_asked_for() -> None:
    queue = Queue(0.0, 1.5, 0.3)
    turn, stop = turn_of(SLOW, queue)
    for url in (SLOW.url, SLOW.url):
        turn(url)
    assert queue.asked == [("http://a.example", False)] * 4
    assert (stop.now, turn.waited_s) == (1.8, 1.8)


def test_robots_txt_is_asked_for_in_turn_even_without_a_delay() -> None:
    """It may ask for one, which counts from then on."""
    queue = Queue()
    turn, _ = turn_of(TASK, queue)
    turn("http://a.example/robots.txt", is_file=True)
    assert queue.asked == [("http://a.example", False)]


def test_another_host_is_asked_as_a_guest_until_the_task_is_over() -> None:
    queue = Queue()
    turn, _ = turn_of(TASK, queue)
    for url in (TASK.url, OTHER, OTHER):
        turn(url)
    assert queue.asked == [("http://b.example", True)] * 2
    assert queue.over == ["http://a.example"], "it holds no slot while it waits for one"
    turn("http://c.example/c.png")
    assert queue.over == ["http://a.example", "http://b.example"]
    turn(TASK.url)
    assert queue.asked[-1] == ("http://a.example", True), "back at home it is a guest as well"
    turn.close()
    turn.close()
    assert queue.over == ["http://a.example", "http://b.example", "http://c.example", "http://a.example"]


def test_what_has_asked_nothing_yet_goes_back_soon_and_what_was_led_on_later() -> None:
    turn, stop = turn_of(SLOW, Queue(HOLD_FIRST_S + 1))
    with pytest.raises(NotYet) as raised:
        turn(SLOW.url)
    assert (raised.value.url, raised.value.wait_s, stop.now) == (SLOW.url, HOLD_FIRST_S + 1, 0.0)
    turn, stop = turn_of(SLOW, Queue(0.0, 30.0, 0.0, HOLD_S - 29.0))
    turn(SLOW.url)
    turn(SLOW.url)
    with pytest.raises(NotYet):
        turn(SLOW.url)
    assert stop.now == 30.0, "no lease is held for minutes"


def test_a_guest_that_finds_no_room_for_long_goes_back() -> None:
    turn, stop = turn_of(TASK, Queue(*[ASK_AGAIN_S] * 1000))
    turn(TASK.url)
    with pytest.raises(NotYet) as raised:
        turn(OTHER)
    assert HOLD_CROWDED_S - 0.2 < stop.now < HOLD_CROWDED_S + 0.2
    assert 1.0 <= raised.value.wait_s <= 5.0


def test_a_worker_that_is_to_stop_waits_for_nothing() -> None:
    turn, stop = turn_of(SLOW, Queue(1.0))
    stop.set()
    with pytest.raises(NotYet):
        turn(SLOW.url)


def test_the_queue_hears_of_a_request_that_was_sent_late() -> None:
    queue = Queue()
    turn, stop = turn_of(SLOW, queue)
    turn(SLOW.url)
    turn.sent(SLOW.url, stop.now + 0.001)
    assert queue.late == []
    turn(SLOW.url)
    stop.now += 3.0
    turn.sent(SLOW.url, 2.0)
    turn.sent(SLOW.url, 2.0)
    assert queue.late == [("http://a.example", 1.0)], "each once"
    turn(SLOW.url)
    stop.now += 3.0
    turn.sent(SLOW.url, stop.now)
    assert queue.late[1:] == [("http://a.example", 0.0)]


# --- within a visit ---


class Site:
    """Redirects from the first host to the second."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[str] = []

    def fetch(self, url: str, **asked: Any) -> Fetched:
        for each in (url, OTHER) if url != OTHER else (url,):
            asked["check"](each)
            self.asked.append(each)
            if self.error is not None:
                raise self.error
        raise ServerError("it was asked for", http_status=500)

    def close(self) -> None:
        pass


@pytest.fixture(name="visit")
def a_visit(tmp_path: Path) -> Callable[..., Any]:
    def make(site: Site, queue: Queue, **more: Any) -> Any:
        stop = Stop()
        turns = Turns(queue, stop=stop, clock=lambda: stop.now)
        return ImageHandler(
            HandlerContext(
                transport=site,
                scope=Scope((SLOW.url,), ScopeConfig(scope="any")),
                config=Config(),
                worker_id="w",
                turns=turns,
                clock=lambda: stop.now,
                **more,
            ),
            LocalStorage(tmp_path, fsync=False, min_free_bytes=0),
        )

    return make


def test_a_task_that_has_to_wait_for_long_goes_back_and_goes_on_where_it_was(
    visit: Callable[..., Any],
) -> None:
    site = Site()
    queue = Queue(0.0, HOLD_S + 30.0)
    handle = visit(site, queue)
    result = handle(SLOW)
    assert (result.untouched, result.retry_in_s) == (True, HOLD_S + 30.0)
    assert site.asked == [SLOW.url]
    again = handle(SLOW)
    assert site.asked == [SLOW.url, OTHER], "what led there is not asked for again"
    assert (again.untouched, again.record.reason) == (False, "server-error")
    assert queue.over == ["http://a.example", "http://a.example", "http://b.example"]


def test_a_circle_ends_though_each_step_of_it_waits_for_long(visit: Callable[..., Any]) -> None:
    """On a host with a Crawl-delay over a minute: each lease made one request, and went back uncharged for ever."""

    class Circle(Site):
        def fetch(self, url: str, **asked: Any) -> Fetched:
            for _ in range(3):
                asked["check"](url)
                self.asked.append(url)
                url = SLOW.url if url != SLOW.url else "http://a.example/b.png"
            raise AssertionError

    class Slow(Queue):
        def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
            self.asked.append((host, is_guest))
            return 0.0 if len(self.asked) % 2 else HOLD_S + 30.0

    site = Circle()
    handle = visit(site, Slow())
    results = [handle(SLOW) for _ in range(12)]
    assert [result.untouched for result in results] == [True] * 11 + [False]
    assert results[-1].record.reason == "too-many-redirects"
    assert len(site.asked) == 11


def test_a_task_that_waited_for_a_file_of_its_host_comes_back_for_itself(visit: Callable[..., Any]) -> None:
    class Files(Site):
        def fetch(self, url: str, **asked: Any) -> Fetched:
            self.asked.append(url)
            asked["check"](url)
            raise ServerError("x", http_status=500)

    site = Files()
    turn_of_file = NotYet("http://a.example/.well-known/tdmrep.json", 9.0)
    handle = visit(site, Queue())
    admit, handle._admit = handle._admit, _raising(turn_of_file)
    assert handle(SLOW).retry_in_s == 9.0
    handle._admit = admit
    handle(SLOW)
    assert site.asked == [SLOW.url] * 2


def _raising(error: Exception) -> Callable[..., None]:
    def admit(*_: object) -> None:
        raise error

    return admit


def test_a_file_of_a_host_waits_for_no_slot_that_those_hold_who_wait_for_it() -> None:
    queue = Queue()
    turn, _ = turn_of(TASK, queue)
    for url in ("http://b.example/robots.txt", "http://b.example/.well-known/tdmrep.json"):
        turn(url, is_file=True)
    assert queue.asked == [("http://b.example", False)] * 2
    assert queue.over == []


def test_a_request_that_is_sent_late_is_told_at_once() -> None:
    """Only the answer said so, which may take longer than the delay: gaps of 0.02 of 0.3 s were seen under load."""
    queue = Queue()
    turn, stop = turn_of(SLOW, queue)
    turn(SLOW.url)
    stop.now += 0.5  # until there is a connection
    turn.sending(SLOW.url)
    assert queue.late == [("http://a.example", 0.0)]
    turn.sent(SLOW.url, stop.now)
    turn(SLOW.url)
    turn.sending(SLOW.url)
    assert len(queue.late) == 1, "what is sent and answered at once is not told"


def test_a_request_that_is_later_than_the_delay_waits_for_another_turn() -> None:
    """The next one may have been sent: 1 ms of 300 passed between two requests while the machine was busy."""
    queue = Queue()
    turn, stop = turn_of(SLOW, queue)
    turn(SLOW.url)
    stop.now += SLOW.host_delay_s  # until there is a connection
    queue.waits_s = [1.5]
    turn.sending(SLOW.url)
    assert (queue.asked, queue.late) == ([("http://a.example", False)] * 3, [])
    assert turn.waited_s == 1.5
    stop.now += SLOW.host_delay_s
    queue.waits_s = [HOLD_FIRST_S + 1]
    with pytest.raises(NotYet):
        turn.sending(SLOW.url)


def test_a_queue_that_hears_too_late_of_a_late_request_is_asked_for_another_turn() -> None:
    queue = Queue()
    turn, stop = turn_of(SLOW, queue)

    def hears_late(*, host: str, ago_s: float) -> None:
        queue.late.append((host, ago_s))
        stop.now += 1.5

    queue.turn_taken = hears_late  # type: ignore[method-assign]
    turn(SLOW.url)
    stop.now += 1.0
    turn.sending(SLOW.url)
    assert (len(queue.asked), len(queue.late)) == (2, 1)


def test_only_the_file_itself_needs_no_slot() -> None:
    """A site could make all our workers ask another one at once, by redirects to ``/pic?u=/robots.txt``; and hosts
    without end may have the robots.txt of one.
    """
    queue = Queue()
    turn, _ = turn_of(TASK, queue)
    turn("http://b.example/pic?u=/robots.txt")

    class Elsewhere:
        def fetch(self, url: str, **asked: Any) -> Fetched:
            asked["check"](url)
            asked["check"]("http://c.example/robots.txt")
            raise NotFound("x", http_status=404)

    Robots(cast("Any", Elsewhere()), agent="image-crawler").check("http://a.example/", turn)
    assert queue.asked == [
        ("http://b.example", True),
        ("http://a.example", False),
        ("http://c.example", True),
    ]


def test_time_spent_waiting_is_no_time_spent_on_the_task(visit: Callable[..., Any]) -> None:
    result = visit(Site(ServerError("x", http_status=500)), Queue(3.0))(SLOW)
    assert result.record.elapsed_s == 0.0


def test_a_further_try_at_a_host_with_a_delay_is_the_queues_to_give(visit: Callable[..., Any]) -> None:
    for task, tries in ((TASK, 3), (SLOW, 1)):
        site = Site(ServerError("x", http_status=500))
        patient = RetryingTransport(site, 3, sleep=lambda _: None)
        result = visit(patient, Queue())(task)
        assert len(site.asked) == tries
        assert result.retry_in_s is not None


def test_a_further_try_that_would_wait_for_long_ends_with_the_first_ones_error(
    visit: Callable[..., Any],
) -> None:
    site = Site(ServerError("x", http_status=500))
    hidden = msgspec.structs.replace(TASK, url=OTHER.replace("b.png", "first.png"))
    patient = RetryingTransport(site, 3, sleep=lambda _: None)

    class Guests(Queue):
        def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
            del task, host, is_guest
            return HOLD_S + 1 if site.asked else 0.0

    turns = Turns(Guests(), stop=Stop())
    turn = turns.of(msgspec.structs.replace(SLOW, url=hidden.url))
    with pytest.raises(ServerError):
        patient.fetch(hidden.url, max_bytes=1, accept="*/*", check=turn)
    assert site.asked == [hidden.url]


def test_a_worker_waits_for_another_one_that_fetches_robots_txt() -> None:
    answers = [
        FileAnswer(again_s=0.1),
        FileAnswer(again_s=0.1),
        FileAnswer(file=HostFile(name="robots.txt", content=b"User-agent: *\nDisallow: /", kept_s=60.0)),
    ]

    class Store:
        def host_file(self, worker_id: str, *, host: str, name: str) -> FileAnswer:
            assert (worker_id, host, name) == ("w1", "http://a.example", "robots.txt")
            return answers.pop(0)

        def keep_host_file(self, worker_id: str, *, host: str, file: HostFile) -> None:
            raise AssertionError("it is another one's to tell")

    class Nobody:
        def fetch(self, url: str, **_: Any) -> Fetched:
            raise AssertionError(url)

        def close(self) -> None:
            pass

    turn, stop = turn_of(TASK, Queue())
    robots = Robots(Nobody(), agent="image-crawler", store=QueueHostFileStore(Store(), "w1"))
    with pytest.raises(Exception, match="Disallow: /"):
        robots.check(TASK.url, turn)
    assert stop.now == pytest.approx(0.2)
    assert answers == []
