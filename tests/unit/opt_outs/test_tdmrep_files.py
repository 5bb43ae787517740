"""tdmrep.json of hosts: each is asked for once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from crawler.errors import (
    ConnectFailed,
    ForbiddenAddress,
    NotFound,
    RateLimited,
    RobotsDisallowed,
    RobotsUnavailable,
    ServerError,
    TaskError,
    TooLarge,
)
from crawler.http import Fetched
from crawler.http.host_files import KEPT_S, OUTAGE_S
from crawler.http.turns import Turn
from crawler.opt_outs.tdmrep_files import TdmrepFiles

HOST, PATH = "https://example.org", "/.well-known/tdmrep.json"
RESERVED = b'[{"location": "/", "tdm-reservation": 1}]'


class Answers:
    """A transport with one answer for all."""

    def __init__(self, answer: bytes | TaskError, *, is_cut: bool = False) -> None:
        self.answer = answer
        self.is_cut = is_cut
        self.asked: list[str] = []
        self.wait = threading.Event()
        self.wait.set()

    def fetch(self, url: str, **asked: Any) -> Fetched:
        if asked.get("check"):
            asked["check"](url)
        self.asked.append(url)
        assert self.wait.wait(10)
        if isinstance(self.answer, TaskError):
            raise self.answer
        return Fetched(
            url=url, final_url=url, http_status=200, headers={}, content=self.answer, is_cut=self.is_cut
        )

    def close(self) -> None:
        pass


class Asking:
    def __init__(self, answer: bytes | TaskError, **more: Any) -> None:
        self.now = 0.0
        is_cut = more.pop("is_cut", False)
        self.answers = Answers(answer, is_cut=is_cut)
        self.files = TdmrepFiles(self.answers, clock=lambda: self.now, **more)

    def says(self, host: str = HOST) -> bool:
        return self.files.of(host).reservation(f"{host}/a.png") is not None


def test_it_is_asked_for_once_a_day() -> None:
    asking = Asking(RESERVED)
    assert [asking.says() for _ in range(3)] == [True] * 3
    assert asking.says("http://other.example")
    assert asking.answers.asked == [HOST + PATH, "http://other.example" + PATH]
    asking.now = KEPT_S + 1
    asking.answers.answer = b"[]"
    assert not asking.says()
    assert len(asking.answers.asked) == 3


@pytest.mark.parametrize(
    "error",
    [
        NotFound("404", http_status=404),
        ServerError("500", http_status=500),
        TooLarge("more than 500 KiB"),
        ForbiddenAddress("private", final_url="http://10.0.0.1/"),
        RobotsDisallowed("/.well-known/ is not for us"),
    ],
)
def test_none_there_is_nothing_said(error: TaskError) -> None:
    """TDMRep: "Failure to provide access … implies that the origin server does not implement this protocol"."""
    asking = Asking(error)
    assert not asking.says()
    assert not asking.says()
    assert len(asking.answers.asked) == 1


def test_one_that_is_cut_says_nothing() -> None:
    assert not Asking(RESERVED, is_cut=True).says()


@pytest.mark.parametrize(
    "error",
    [
        ConnectFailed("refused"),
        RateLimited("429", http_status=429, retry_after_s=7.0),
        ServerError("503", http_status=503, retry_after_s=90.0),
        RobotsUnavailable("no robots.txt", http_status=500),
        ForbiddenAddress("private", final_url=f"{HOST}/x"),
    ],
)
def test_a_host_that_is_not_to_be_had_is_asked_again(error: TaskError) -> None:
    asking = Asking(error)
    for _ in range(2):
        with pytest.raises(TaskError) as raised:
            asking.says()
        assert type(raised.value) in (type(error), RobotsUnavailable)
        assert len(asking.answers.asked) == 1, "not for each image that waits for it"
    asking.now = max(OUTAGE_S, error.retry_after_s or 0.0) + 1
    asking.answers.answer = RESERVED
    assert asking.says()


def test_what_may_not_be_asked_for_is_not() -> None:
    def check(url: str, turn: Turn | None) -> None:
        assert turn is None
        raise RobotsDisallowed(url)

    asking = Asking(RESERVED, check=check)
    assert not asking.says()
    assert asking.answers.asked == []


def test_many_threads_ask_once() -> None:
    asking = Asking(RESERVED)
    asking.answers.wait.clear()
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(asking.says())) for _ in range(8)]
    for thread in threads:
        thread.start()
    asking.answers.wait.set()
    for thread in threads:
        thread.join(10)
    assert found == [True] * 8
    assert len(asking.answers.asked) == 1


def test_little_is_kept() -> None:
    asking = Asking(b" " * 400_000)
    for number in range(30):
        asking.says(f"https://{number}.example")
    asking.says("https://29.example")
    assert len(asking.answers.asked) == 30
    asking.says("https://0.example")
    assert len(asking.answers.asked) == 31, "it has made room for others"
