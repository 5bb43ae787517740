"""Who may send a request when, on every engine: the delay of a host holds between requests, whoever sends them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from crawler.http.page_turns import PageTurns
from crawler.models import HostFile, Task
from crawler.queues.policy import CLAIM_S, GUEST_S
from crawler.urls import host_key
from tests.contract.test_queues import a_maker
from tests.support.queues import Queues, failed, image, images, lease, saved, take, tokens, worker

__all__ = ["a_maker"]  # the fixture "make", of every engine

A, B = "http://a.example", "http://b.example"


def a_turn(queues: Queues, task: Task, host: str = A) -> float:
    is_guest = not task.url.startswith(f"{host}/")
    return queues.tasks.turn(task=task.id, host=host, is_guest=is_guest)


def leased(queues: Queues, *, count: int = 1, host: str = "a", who: str = "w1") -> list[Task]:
    queues.tasks.put(images(count, host))
    return take(queues, worker(who))


def test_each_request_to_a_host_with_a_delay_waits_for_its_turn(make: Callable[..., Queues]) -> None:
    queues = make(delay_s=10.0)
    (task,) = leased(queues)
    assert task.host_delay_s == 10.0
    assert a_turn(queues, task) == 0, "the lease has come at the right moment"
    assert a_turn(queues, task) == pytest.approx(10.0, abs=0.5), "a retry, or a redirect to the same host"
    queues.pass_time(6.0)
    assert a_turn(queues, task) == pytest.approx(4.0, abs=0.5)
    queues.pass_time(4.5)
    assert a_turn(queues, task) == 0
    assert a_turn(queues, task) > 9.0


def test_a_request_that_arrived_late_holds_back_the_next(make: Callable[..., Queues]) -> None:
    queues = make(delay_s=10.0)
    (task,) = leased(queues)
    assert a_turn(queues, task) == 0
    queues.pass_time(7.0)
    queues.tasks.turn_taken(host=A, ago_s=6.0)
    assert a_turn(queues, task) == pytest.approx(9.0, abs=0.5), "half of the delay is for the way"
    queues.tasks.turn_taken(host=A, ago_s=0.5)
    assert a_turn(queues, task) == pytest.approx(10.0, abs=0.5), "it has arrived by now"
    queues.tasks.turn_taken(host=A, ago_s=7.0)
    assert a_turn(queues, task) == pytest.approx(10.0, abs=0.5), "that was another one"
    queues.tasks.put([image(1)])
    queues.pass_time(9.0)
    assert take(queues, held=[task]) == []
    queues.pass_time(1.5)
    assert len(take(queues, held=[task])) == 1


def test_what_was_asked_without_a_lease_holds_back_the_next_lease(make: Callable[..., Queues]) -> None:
    queues = make(delay_s=10.0)
    (first,) = leased(queues, count=2)
    assert a_turn(queues, first) == 0
    queues.pass_time(10.5)
    assert a_turn(queues, first) == 0, "a retry in hand"
    assert take(queues, held=[first]) == []
    queues.pass_time(9.0)
    assert take(queues, held=[first]) == []
    queues.pass_time(1.5)
    assert len(take(queues, held=[first])) == 1


def test_a_host_without_a_delay_lets_all_go_on(make: Callable[..., Queues]) -> None:
    queues = make()
    for task in leased(queues, count=3):
        assert task.host_delay_s == 0
        assert a_turn(queues, task) == 0


def test_a_pause_holds_for_who_has_a_lease_already(make: Callable[..., Queues]) -> None:
    queues = make()
    first, second = leased(queues, count=2)
    queues.results.put([failed(first, host_pause_s=20.0)])
    assert a_turn(queues, second) == pytest.approx(20.0, abs=0.5)
    queues.pass_time(20.5)
    assert a_turn(queues, second) == 0


def test_a_redirect_counts_at_the_host_that_it_leads_to(make: Callable[..., Queues]) -> None:
    queues = make(delay_s=10.0)
    (task,) = leased(queues)
    assert a_turn(queues, task) == 0
    assert a_turn(queues, task, B) == 0
    assert a_turn(queues, task, B) > 9.0
    queues.tasks.put([image(1, "b")])
    assert take(queues, held=[task]) == [], "the other host has been asked for something, too"
    queues.pass_time(10.5)
    assert len(take(queues, held=[task])) == 1


def test_a_guest_takes_a_slot_until_it_is_over(make: Callable[..., Queues]) -> None:
    queues = make(per_host=2)
    guests = leased(queues, count=2)
    assert [a_turn(queues, task, B) for task in guests] == [0, 0]
    (third,) = leased(queues, host="c", who="w2")
    assert 0 < a_turn(queues, third, B) <= 1.0
    assert a_turn(queues, guests[0], B) == 0, "one that is there goes on"
    queues.tasks.put(images(3, "b"))
    others = worker("w3")
    assert take(queues, others) == []
    queues.tasks.turn_over(task=guests[0].id, host=B)
    queues.tasks.turn_over(task=guests[0].id, host=B)
    assert take(queues, others) == [], "a guest has found no room, and comes first"
    queues.pass_time(1.1)
    (batch,) = lease(queues, others).batches
    assert batch.slots == 1
    assert a_turn(queues, third, B) > 0
    queues.tasks.turn_over(task=guests[1].id, host=B)
    assert a_turn(queues, third, B) == 0


def test_who_is_led_elsewhere_leaves_its_place_to_guests(make: Callable[..., Queues]) -> None:
    queues = make(per_host=1)
    (mine,) = leased(queues)
    (other,) = leased(queues, host="b", who="w2")
    assert a_turn(queues, mine, B) > 0
    assert a_turn(queues, other, A) > 0
    queues.tasks.turn_over(task=mine.id, host=A)
    assert a_turn(queues, other, A) == 0
    queues.tasks.turn_over(task=other.id, host=B)
    assert a_turn(queues, mine, B) == 0
    queues.tasks.put([image(1), image(1, "b")])
    queues.pass_time(1.1)
    assert take(queues, worker("w3")) == [], "the leases stay what they are"
    for task, host in ((mine, B), (other, A)):
        queues.tasks.turn_over(task=task.id, host=host)
        queues.results.put([saved(task)])
    assert len(take(queues, worker("w3"))) == 2


def test_the_requests_of_a_page_in_the_browser_are_guests_of_their_own(make: Callable[..., Queues]) -> None:
    """Under ids far above those of tasks, which no engine may round."""
    queues = make(per_host=3)
    (task,) = leased(queues)
    page = PageTurns(queues.tasks, task)
    with page.request() as own, page.request() as first, page.request() as second, page.request() as third:
        own(f"{A}/own.js")
        for turn in (first, second, third):
            turn(f"{B}/a.js")
        (other,) = leased(queues, host="c", who="w2")
        assert a_turn(queues, other, B) > 0, "it has no room"
        second.close()
        assert a_turn(queues, other, B) == 0
        assert a_turn(queues, other, B) == 0
        queues.tasks.turn_over(task=other.id, host=B)
    fresh = [msgspec.structs.replace(task, id=number) for number in range(10, 14)]
    assert [a_turn(queues, one, B) == 0 for one in fresh] == [True] * 3 + [False], "all have gone"


def test_a_page_keeps_the_slot_of_its_lease(make: Callable[..., Queues]) -> None:
    queues = make(per_host=2)
    (task,) = leased(queues)
    page = PageTurns(queues.tasks, task)
    with page.request() as first, page.request() as second:
        first(task.url)
        second(task.url)
        queues.tasks.put([image(1)])
        assert take(queues, worker("w2")) == [], "both slots are in use"
    assert len(take(queues, worker("w2"))) == 1


def test_a_guest_of_whom_nothing_is_heard_is_forgotten(make: Callable[..., Queues]) -> None:
    queues = make(per_host=1)
    (guest,) = leased(queues)
    assert a_turn(queues, guest, B) == 0
    (other,) = leased(queues, host="c", who="w2")
    assert a_turn(queues, other, B) > 0
    queues.pass_time(GUEST_S + 1.0)
    assert a_turn(queues, other, B) == 0


def test_a_task_whose_turn_is_far_away_goes_back_and_is_charged_nothing(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=1)
    (task,) = leased(queues)
    queues.results.put([failed(task, untouched=True, retry_in_s=30.0)])
    assert take(queues) == []
    assert queues.tasks.stats().images.delayed == 1
    queues.pass_time(31.0)
    (again,) = take(queues)
    assert (again.url, again.attempt) == (task.url, 1)
    queues.results.put([saved(again)])
    assert queues.tasks.stats().image_status == {"saved": 1}


def test_who_has_more_than_it_runs_hears_with_each_result_what_to_leave_alone(
    make: Callable[..., Queues],
) -> None:
    queues = make(per_host=4)
    queues.tasks.put(images(20))
    tasks = take(queues, worker("w1"), count=20)
    assert len(tasks) == 20
    assert queues.results.put([saved(tasks[0])]) == ()
    assert queues.results.put([failed(tasks[1], host_pause_s=5.0)]) == (A,)
    assert queues.results.put([saved(tasks[2])]) == (A,)
    queues.tasks.release(worker("w1"), tokens(tasks[3:]))
    queues.pass_time(5.5)
    assert take(queues, worker("w1"))


# --- hosts of one owner ---


def test_hosts_of_one_domain_have_a_limit_together(make: Callable[..., Queues]) -> None:
    queues = make(per_host=2, per_domain=5)
    mine = [f"img{number}.b" for number in range(9)]
    for host in (*mine, "other"):
        queues.tasks.put([*images(4, host)])
    w1, w2, w3 = worker("w1"), worker("w2"), worker("w3")
    batches = [*lease(queues, w1, slots=4).batches, *lease(queues, w2, slots=4).batches]
    of_domain = [batch for batch in batches if ".b.example" in batch.host]
    assert sum(min(batch.slots, len(batch.tasks)) for batch in of_domain) == 5
    assert "http://other.example" in {batch.host for batch in batches} or any(
        "other" in batch.host for batch in lease(queues, w3).batches
    ), "the others go on"
    held = [task for batch in of_domain for task in batch.tasks]
    assert [batch for batch in lease(queues, w3).batches if ".b.example" in batch.host] == []
    queues.results.put([saved(task) for task in held])
    more = [batch for batch in lease(queues, w3, slots=32).batches if ".b.example" in batch.host]
    assert sum(min(batch.slots, len(batch.tasks)) for batch in more) == 5, "as soon as there is room"
    settled = len(held)
    while tasks := [task for batch in more for task in batch.tasks]:
        queues.results.put([saved(task) for task in tasks])
        settled += len(tasks)
        more = [batch for batch in lease(queues, w3, slots=32).batches if ".b.example" in batch.host]
    assert settled == 36, "none is forgotten"


def test_a_guest_counts_for_the_domain_that_it_asks(make: Callable[..., Queues]) -> None:
    queues = make(per_host=2, per_domain=2)
    queues.tasks.put([task for number in range(4) for task in images(1, f"x{number}.b")])
    held = take(queues)
    assert len(held) == 2, "of four that are due"
    (guest,) = leased(queues, who="w2")
    assert a_turn(queues, guest, "http://y.b.example") > 0
    queues.results.put([saved(held[0])])
    assert a_turn(queues, guest, "http://y.b.example") == 0
    assert take(queues, worker("w3")) == []
    queues.tasks.turn_over(task=guest.id, host="http://y.b.example")
    assert len(take(queues, worker("w3"))) == 1


def test_a_domain_whose_tasks_are_all_led_elsewhere_has_room_for_guests(make: Callable[..., Queues]) -> None:
    """All of a domain redirect to its www: with none of them asking anything any more nobody was let in."""
    queues = make(per_host=2, per_domain=4)
    queues.tasks.put([task for number in range(4) for task in images(1, f"x{number}.b")])
    held = take(queues)
    assert len(held) == 4
    www = "http://www.b.example"
    assert a_turn(queues, held[0], www) > 0
    for task in held:
        queues.tasks.turn_over(task=task.id, host=host_key(task.url))
    assert [a_turn(queues, task, www) > 0 for task in held] == [False, False, True, True], "per_host holds"
    for task in held[:2]:
        queues.tasks.turn_over(task=task.id, host=www)
        queues.results.put([saved(task)])
    assert [a_turn(queues, task, www) for task in held[2:]] == [0, 0]


def test_a_worker_that_waits_is_served_when_the_guests_have_gone(make: Callable[..., Queues]) -> None:
    queues = make(per_host=1)
    (guest,) = leased(queues, host="c", who="w2")
    (mine,) = leased(queues)
    assert a_turn(queues, guest) > 0, "it comes first from now on"
    queues.results.put([saved(mine)])
    queues.tasks.put([image(5)])
    assert take(queues, worker("w3")) == []
    assert a_turn(queues, guest) == 0
    queues.tasks.turn_over(task=guest.id, host=A)
    queues.pass_time(1.1)
    assert len(take(queues, worker("w3"))) == 1


# --- what hosts say of all that they have ---


def test_a_file_of_a_host_is_fetched_by_one_worker_for_all(make: Callable[..., Queues]) -> None:
    queues = make()
    look = queues.tasks.host_file
    queues.tasks.put(images(4))
    for name in ("w1", "w2"):
        lease(queues, worker(name), count=1, slots=1)
    assert look("w1", host=A, name="robots.txt").is_yours
    answer = look("w2", host=A, name="robots.txt")
    assert (answer.file, answer.is_yours) == (None, False)
    assert 0 < answer.again_s <= 1.0
    assert look("w1", host=A, name="robots.txt").is_yours, "its answer got lost"
    assert look("w2", host=A, name="other.txt").is_yours
    assert look("w2", host=B, name="robots.txt").is_yours
    file = HostFile(name="robots.txt", content=b"User-agent: *\n\xff\x00", http_status=200, kept_s=86400.0)
    lie = msgspec.structs.replace(file, content=b"User-agent: *\nDisallow: /")
    queues.tasks.keep_host_file("w2", host=A, file=lie)
    assert queues.tasks.host_file("w1", host=A, name="robots.txt").is_yours, (
        "it was not the other one's to tell"
    )
    queues.tasks.keep_host_file("w1", host=A, file=file)
    queues.tasks.keep_host_file("w2", host=A, file=lie)
    for name in ("w1", "w2"):
        found = look(name, host=A, name="robots.txt").file
        assert found is not None
        assert (found.content, found.http_status, found.reason) == (file.content, 200, "")
        assert found.kept_s == pytest.approx(86400.0, abs=60.0)


def test_who_does_not_come_back_with_a_file_is_not_waited_for(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put(images(4))
    for name in ("w1", "w2"):
        lease(queues, worker(name), count=1, slots=1)
    assert queues.tasks.host_file("w1", host=A, name="robots.txt").is_yours
    assert not queues.tasks.host_file("w2", host=A, name="robots.txt").is_yours
    queues.tasks.leave("w1", charged=True)
    assert queues.tasks.host_file("w2", host=A, name="robots.txt").is_yours
    queues.pass_time(CLAIM_S + 1.0)
    assert queues.tasks.host_file("w3", host=A, name="robots.txt").is_yours


def test_the_delay_that_a_file_asks_for_counts_from_the_request_for_it(make: Callable[..., Queues]) -> None:
    queues = make()
    first, second = leased(queues, count=2)
    assert first.host_delay_s == 0
    assert queues.tasks.host_file("w1", host=A, name="robots.txt").is_yours
    assert a_turn(queues, first) == 0
    file = HostFile(name="robots.txt", content=b"Crawl-delay: 10", kept_s=86400.0, delay_s=10.0)
    queues.tasks.keep_host_file("w1", host=A, file=file)
    assert a_turn(queues, second) == pytest.approx(10.0, abs=0.5)
    queues.tasks.release(worker("w1"), tokens([first, second]))
    assert take(queues) == []
    queues.pass_time(10.5)
    (task,) = take(queues)
    assert task.host_delay_s == 10.0


def test_a_host_was_asked_by_what_has_gone_back_since(make: Callable[..., Queues]) -> None:
    queues = make()
    (task,) = leased(queues)
    assert a_turn(queues, task) == 0
    queues.tasks.release(worker("w1"), tokens([task]))
    (task,) = take(queues)
    queues.results.put([saved(task, host_delay_s=10.0)])
    queues.tasks.put([image(2)])
    assert take(queues) == []
    queues.pass_time(10.5)
    assert len(take(queues)) == 1


def test_a_host_was_asked_by_what_another_size_takes_the_place_of(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put([image(1), msgspec.structs.replace(image(1), url=f"{image(1).url}?w=300")])
    (task,) = take(queues)
    assert a_turn(queues, task) == 0
    queues.results.put([failed(task, "not-found")])
    (size,) = take(queues)
    assert size.url == f"{task.url}?w=300"
    queues.results.put([saved(size, host_delay_s=10.0)])
    queues.tasks.put([image(2)])
    assert take(queues) == []
    queues.pass_time(10.5)
    assert len(take(queues)) == 1


def test_a_host_that_nothing_is_known_of_but_its_file_is_not_asked_at_once(
    make: Callable[..., Queues],
) -> None:
    queues = make()
    (task,) = leased(queues)
    assert queues.tasks.host_file("w1", host=B, name="robots.txt").is_yours
    assert queues.tasks.turn(task=task.id, host=B) == 0, "a file takes no slot"
    file = HostFile(name="robots.txt", content=b"Crawl-delay: 10", kept_s=86400.0, delay_s=10.0)
    queues.tasks.keep_host_file("w1", host=B, file=file)
    assert a_turn(queues, task, B) == pytest.approx(10.0, abs=0.5)


def test_the_two_schemes_of_a_host_are_one_server(make: Callable[..., Queues]) -> None:
    """Most sites redirect from http to https: the owner saw both requests within a few milliseconds."""
    by_tls = A.replace("http:", "https:")
    queues = make()
    (task,) = leased(queues)
    assert queues.tasks.host_file("w1", host=by_tls, name="robots.txt").is_yours
    file = HostFile(name="robots.txt", content=b"Crawl-delay: 10", kept_s=86400.0, delay_s=10.0)
    queues.tasks.keep_host_file("w1", host=by_tls, file=file)
    assert a_turn(queues, task) == pytest.approx(10.0, abs=0.5), "the file has just been asked for"
    queues.pass_time(10.5)
    assert a_turn(queues, task) == 0
    assert a_turn(queues, task, by_tls) == pytest.approx(10.0, abs=0.5), "where a redirect leads"
    assert a_turn(queues, task, f"{by_tls}:8443") == 0, "another port is another server"
    queues.pass_time(10.5)
    assert a_turn(queues, task, by_tls) == 0
    assert a_turn(queues, task) == pytest.approx(10.0, abs=0.5)
    queues.tasks.put([image(1)])
    (second,) = take(queues, worker("w2"))
    assert second.host_delay_s == 10.0


@pytest.mark.parametrize("host", ["", "ftp://a.example", "http://a.example/x", "http://A.example", "data:"])
def test_what_is_no_host_is_refused(make: Callable[..., Queues], host: str) -> None:
    queues = make()
    with pytest.raises(ValueError, match="is no host"):
        queues.tasks.turn(task=1, host=host)
