"""What a crawl is said to wait for, and how long the rest is said to take."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import errors
from crawler.config import Config
from crawler.models import Counts, HostStatus, ImageRecord, ImageStatus, Retry, Stats, TaskKind, WorkerStatus
from crawler.monitoring.wait_reasons import WHAT_HAPPENED, estimate, span, time_to_go, waits
from crawler.queues.host_evidence import Evidence, evidence
from crawler.queues.policy import Trouble
from crawler.run.supervisor import Crawl

H = "https://cdn.example"
READING = "no estimate while pages are read"
CREW = (WorkerStatus(id="d", kind=TaskKind.IMAGE), WorkerStatus(id="h", kind=TaskKind.PAGE))


def stats(**facts: object) -> Stats:
    usual = {
        "pages": Counts(done=3),
        "images": Counts(ready=5, done=2),
        "workers": CREW,
        "worker_count": 2,
        "up_s": 60.0,
    }
    return Stats(**{**usual, **facts})  # type: ignore[arg-type]


def said(**facts: object) -> list[str]:
    return [
        wait.text
        for wait in waits(stats(**facts), invitation="192.0.2.7 --keys …", go_on="image-crawler resume d")
    ]


def of_host(**facts: object) -> list[str]:
    retries = facts.pop("retries", ())
    return said(waiting=(HostStatus(name=H, **{"images": 5, **facts}),), retries=retries)  # type: ignore[arg-type]


# --- hosts ---


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"trouble": "slowed", "last_reason": "rate-limited", "due_s": 10.2},
         "cdn.example asks us to wait: 429, next try in 11 s (5 images wait)"),
        ({"trouble": "slowed", "last_reason": "server-error", "due_s": 3500, "images": 1},
         "cdn.example asks us to wait: 503, next try in 59 min (1 image waits)"),
        ({"trouble": "slowed", "last_reason": "rate-limited", "delay_s": 4.0, "images": 100},
         "cdn.example is asked every 4 s, as it said 429, about 7 min to go (100 images wait)"),
        ({"delay_s": 10.0, "crawl_delay_s": 10.0, "images": 19},
         "cdn.example: Crawl-delay 10 s, about 3 min to go"),
        ({"delay_s": 10.0, "crawl_delay_s": 10.0, "images": 0, "in_flight": 1, "due_s": 6.5},
         "cdn.example: Crawl-delay 10 s, next request in 7 s"),
        ({"delay_s": 0.5, "images": 200}, "cdn.example: 0.5 s between two requests, about 2 min to go"),
        ({"trouble": "backing off", "last_reason": "connect-failed", "due_s": 8, "images": 0, "pages": 1},
         "cdn.example can't be reached; next try in 8 s (1 page waits)"),
        ({"trouble": "backing off", "last_reason": "server-error"},
         "cdn.example answers with server errors (5 images wait)"),
        ({"trouble": "only errors", "last_reason": "server-error", "images": 0, "in_flight": 1},
         "cdn.example answers with server errors"),
        ({"trouble": "down", "last_reason": "connect-timeout", "due_s": 600},
         "cdn.example is given up for now: it does not answer; asked again in 10 min (5 images wait)"),
    ],
)  # fmt: skip
def test_a_host_is_named_with_reason_and_time(facts: dict[str, object], text: str) -> None:
    assert of_host(**facts) == [text]


def test_where_pages_are_left_the_time_is_that_of_what_is_known() -> None:
    host = HostStatus(name=H, images=19, pages=1, delay_s=10.0, crawl_delay_s=10.0)
    assert said(pages=Counts(ready=1, done=1), waiting=(host,)) == [
        "cdn.example: Crawl-delay 10 s, 4 min for the 20 URLs known"
    ]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"trouble": "recovering", "last_reason": "connect-failed"},
        {"delay_s": 0.05, "images": 10},
        {"trouble": "slowed", "last_reason": "rate-limited", "delay_s": 0.02},
        {"trouble": "down", "last_reason": "connect-failed", "images": 0, "due_s": 600},
        {"delay_s": 10.0, "images": 0},
    ],
)
def test_of_a_host_that_costs_no_time_nothing_is_said(facts: dict[str, object]) -> None:
    assert of_host(**facts) == []


def a_retry(**facts: object) -> Retry:
    return Retry(**{"host": H, "kind": TaskKind.IMAGE, "due_s": 8.0, "tries_left": 3, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"reason": "server-error", "http_status": 500}, "cdn.example answered 500; 3 tries left, next in 8 s"),
        ({"reason": "server-error", "http_status": 500, "tries_left": 1},
         "cdn.example answered 500; 1 try left, next in 8 s"),
        ({"reason": "connection-lost"}, "cdn.example closes the connection; 3 tries left, next in 8 s"),
        ({"reason": "rate-limited", "http_status": 429, "due_s": 3599},
         "cdn.example asks us to wait: 429, next try in 60 min"),
        ({"reason": "server-error", "http_status": 502, "tries_left": 0}, "cdn.example answered 502; next try in 8 s"),
        ({"due_s": 50.0}, "cdn.example is asked again in 50 s"),
    ],
)  # fmt: skip
def test_the_next_try_is_told_with_what_is_left(facts: dict[str, object], text: str) -> None:
    assert said(retries=(a_retry(**facts),)) == [text]


def test_one_whose_turn_it_was_not_for_a_moment_is_not_worth_a_word() -> None:
    assert said(retries=(a_retry(due_s=2.0),)) == []


def test_a_host_is_told_of_once() -> None:
    """Nothing of it is ready, all that it refused waits for its own Retry-After: that is what is waited for."""
    retry = a_retry(reason="rate-limited", http_status=429, due_s=3599, tries_left=4)
    facts = {"trouble": "slowed", "last_reason": "rate-limited", "due_s": 1.5, "images": 0}
    assert of_host(**facts, retries=(retry,)) == ["cdn.example asks us to wait: 429, next try in 60 min"]


def test_every_trouble_and_reason_has_its_words() -> None:
    """Whatever a host may be in trouble for is said in words, not as a slug."""
    for reason, cls in errors.REASONS.items():
        record = ImageRecord(url="http://a.example/", status=ImageStatus.FAILED, reason=reason)
        if evidence(record) in {Evidence.TROUBLE, Evidence.UNREACHED, Evidence.NO_SUCH_HOST, Evidence.BROKEN}:
            assert reason in WHAT_HAPPENED, cls
    assert set(WHAT_HAPPENED) <= set(errors.REASONS)
    for trouble in set(Trouble) - {Trouble.RECOVERING}:
        assert of_host(trouble=trouble.value, last_reason="connect-failed", due_s=5.0, delay_s=5.0)


# --- what a person has to do, and the whole ---


def test_that_nobody_downloads_is_said_after_a_while() -> None:
    alone = {"workers": CREW[1:], "worker_count": 1}
    assert said(**alone, images=Counts(ready=5)) == [
        "nobody downloads yet: image-crawler work 192.0.2.7 --keys …"
    ]
    assert said(**alone, images=Counts(ready=5), up_s=9.0) == []
    assert said(**alone) == ["nobody downloads any more: image-crawler work 192.0.2.7 --keys …"]
    assert said(**alone, images=Counts(done=5)) == [], "there is nothing to download"
    assert said(workers=CREW[1:], worker_count=900) == [], "others are there, too, and not all are told of"


def test_that_its_processes_are_being_started_is_said() -> None:
    """On a busy machine that takes seconds, in which nothing moves."""
    facts = {"workers": (), "worker_count": 0, "pages": Counts(ready=1), "images": Counts()}
    assert said(**facts, up_s=2.0) == ["starting: no worker is at work yet"]
    assert said(**facts) == ["nobody reads pages: image-crawler harvest 192.0.2.7 --keys …"]


def test_that_nobody_reads_pages_is_said() -> None:
    facts = {"workers": CREW[:1], "worker_count": 1, "pages": Counts(ready=2)}
    assert said(**facts) == ["nobody reads pages: image-crawler harvest 192.0.2.7 --keys …"]


def test_that_pages_wait_for_a_browser_is_said_once_nothing_else_is_left() -> None:
    assert said(renders=Counts(ready=3), images=Counts(done=2)) == [
        "3 pages wait for a browser: image-crawler render 192.0.2.7 --keys …"
    ]
    assert said(renders=Counts(ready=3)) == []


def test_a_pause_is_all_there_is_to_say() -> None:
    busy = {"waiting": (HostStatus(name=H, images=9, delay_s=10.0),), "paused": True}
    assert said(**busy, paused_by="alice on host7") == [
        "paused by alice on host7: image-crawler resume d has it go on"
    ]
    assert said(**busy) == ["paused: image-crawler resume d has it go on"]


def test_a_silent_queue_is_all_that_is_known() -> None:
    busy = {"waiting": (HostStatus(name=H, images=9, delay_s=10.0),), "silent_s": 7.3}
    assert said(**busy) == ["no answer from the queue for 8 s; it is asked on"]
    assert time_to_go(stats(**busy), 5.0) == (None, "")


def test_what_waits_for_others_of_its_crawl() -> None:
    assert said(images=Counts(delayed=12, done=1), held_images=12, pages=Counts(leased=1)) == [
        "12 images wait until the pages are read: one may name a larger size"
    ]
    assert said(images=Counts(ready=3, delayed=12), held_images=12) == [], "there is other work"
    assert said(backlogged=True, images=Counts(ready=9000, leased=8), pages=Counts(ready=40)) == [
        "40 pages wait until some of the 9,008 images are done"
    ]
    hungry = msgspec.structs.replace(CREW[0], short_of_memory=3)
    assert said(workers=(hungry, CREW[1])) == ["3 tasks wait for memory (--memory-budget)"]


def test_a_crawl_that_is_over_waits_for_nothing() -> None:
    facts = {"waiting": (HostStatus(name=H, images=9, delay_s=10.0),), "paused": True}
    assert said(**facts, drained=True) == []
    assert said(**facts, halted="the disk is full") == []


# --- the rest ---


@pytest.mark.parametrize(
    ("facts", "rate", "seconds", "why"),
    [
        ({"images": Counts(ready=470)}, 47.0, 10.0, ""),
        ({"images": Counts(ready=470), "pages": Counts(leased=1)}, 0.0, None, READING),
        ({"images": Counts(done=470), "pages": Counts(leased=1)}, 47.0, None, READING),
        ({"images": Counts(ready=470), "pages": Counts(leased=1)}, 47.0, None,
         "10 s for the 470 images known"),
        ({"images": Counts(ready=36), "pages": Counts(ready=700),
          "waiting": (HostStatus(name=H, images=1, pages=700, delay_s=0.02),)}, 18.0, None,
         "14 s for what is known"),
        ({"images": Counts(ready=1), "renders": Counts(ready=1)}, 47.0, None,
         "1 s for the 1 image known"),
        ({"images": Counts(), "pages": Counts(leased=1)}, 0.0, None, ""),
        ({"images": Counts(ready=470)}, 0.0, None, "no estimate: no image comes at the moment"),
        ({"images": Counts(ready=20), "waiting": (HostStatus(name=H, images=19, delay_s=10.0),)}, 5.0, 180.0, ""),
        ({"images": Counts(ready=20), "waiting": (HostStatus(name=H, images=19, delay_s=10.0),)}, 0.0, 180.0, ""),
        ({"images": Counts(delayed=1), "retries": (a_retry(due_s=3599),)}, 9.0, None,
         "no estimate: the image left waits"),
        ({"images": Counts(ready=90, delayed=10), "retries": (a_retry(due_s=3599),)}, 9.0, 10.0, ""),
        ({"images": Counts(ready=7), "waiting": (HostStatus(name=H, images=7, trouble="backing off", due_s=8.0),)}, 0.2,
         None, "no estimate: the 7 images left wait"),
        ({"images": Counts(ready=97), "waiting": (HostStatus(name=H, images=7, trouble="slowed", due_s=8.0),)}, 9.0,
         10.0, ""),
        ({"images": Counts(delayed=90, ready=1), "held_images": 90}, 9.1, 10.0, ""),
        ({"images": Counts(done=1)}, 9.0, None, ""),
        ({"images": Counts(ready=470), "paused": True}, 47.0, None, ""),
        ({"images": Counts(done=1), "drained": True}, 47.0, None, ""),
    ],
)  # fmt: skip
def test_an_estimate_is_given_where_one_is_honest(
    facts: dict[str, object], rate: float, seconds: float | None, why: str
) -> None:
    assert time_to_go(stats(**facts), rate) == (seconds, why)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"images": Counts(ready=470)}, "about 10 s to go"),
        ({"images": Counts(ready=471, delayed=1), "retries": (a_retry(due_s=3599),)},
         "about 11 s to go, without the 1 image that waits"),
        ({"images": Counts(ready=97), "waiting": (HostStatus(name=H, images=50, trouble="slowed", due_s=8.0),)},
         "about 1 s to go, without the 50 images that wait"),
        ({"images": Counts(ready=470), "pages": Counts(leased=1)},
         "10 s for the 470 images known"),
        ({"images": Counts(done=470), "drained": True}, ""),
    ],
)  # fmt: skip
def test_an_estimate_in_words_says_what_it_leaves_out(facts: dict[str, object], text: str) -> None:
    """It said "about 1 s to go" while seven images waited half a minute for their host."""
    assert estimate(stats(**facts), 47.0) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1 s"),
        (7.2, "8 s"), (99, "99 s"), (99.5, "2 min"), (3600, "60 min"), (6001, "1 h 41 min"), (7200, "2 h"),
        (4 * 86400, "4 days"),
    ],
)  # fmt: skip
def test_spans_are_rounded_up(seconds: float, text: str) -> None:
    assert span(seconds) == text


SECONDS = st.floats(0, 1e15)


@given(
    st.lists(st.builds(HostStatus, name=st.text(), pages=st.integers(0, 9), images=st.integers(0, 9), due_s=SECONDS,
                       delay_s=SECONDS, crawl_delay_s=SECONDS, trouble=st.text(), last_reason=st.text()), max_size=3),
    st.lists(st.builds(Retry, host=st.text(), kind=st.sampled_from(TaskKind), due_s=SECONDS, reason=st.text(),
                       http_status=st.integers(0, 2**31 - 1), tries_left=st.integers(0, 2**53)), max_size=3),
    SECONDS,
)  # fmt: skip
def test_whatever_others_say_there_are_words_for_it(
    hosts: list[HostStatus], retries: list[Retry], rate: float
) -> None:
    one = stats(waiting=tuple(hosts), retries=tuple(retries))
    assert len({wait.key for wait in waits(one)}) <= len(waits(one)) <= len(hosts) + len(retries)
    assert all(wait.text for wait in waits(one))
    seconds, _ = time_to_go(one, rate)
    assert seconds is None or seconds >= 0


def test_who_watches_a_silent_queue_hears_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The panel stood still, its clock as well, for as long as nobody answered."""
    monkeypatch.setattr(sys.modules["crawler.run.supervisor"], "_SILENCE_S", 0.0)
    running = Crawl(["http://a.example/"], folder=tmp_path / "crawl", config=Config())
    answers = iter([stats(), None, None, stats(images=Counts(done=7))])

    def answer() -> Stats:
        found = next(answers)
        if found is None:
            raise errors.QueueUnreachable("no answer")
        return found

    monkeypatch.setattr(running._processes, "supervise", lambda: None)
    monkeypatch.setattr(running._processes, "pause", lambda _: None)
    monkeypatch.setattr(running, "_stats", answer)
    seen = list(itertools.islice(running.watch(), 4))
    assert [bool(one.silent_s) for one in seen] == [False, True, True, False]
    assert [one.images.done for one in seen] == [2, 2, 2, 7]


def test_a_worker_that_has_died_is_told_of_when_what_it_has_is_all_that_is_left() -> None:
    """A crawl stood still for a minute, "about 2 s to go", until the leases of a worker that was killed had ended."""
    dead = WorkerStatus(id="x", kind=TaskKind.IMAGE, machine="w2", held=24, seen_s=41.2)
    assert said(workers=(*CREW, dead), images=Counts(leased=24, done=576)) == [
        "a downloader on w2 has said nothing for 42 s; after a while its 24 tasks go to others"
    ]
    assert said(workers=(dead, msgspec.structs.replace(dead, id="y", held=1)), images=Counts(leased=25)) == [
        "2 workers have said nothing for up to 42 s; after a while their 25 tasks go to others"
    ]
    assert not said(workers=(*CREW, dead), images=Counts(leased=24, ready=9)), "there is other work"
    assert not said(workers=(*CREW, msgspec.structs.replace(dead, held=0)), images=Counts(leased=1))
