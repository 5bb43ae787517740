"""Files that speak for a host: each is asked for once."""

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
from crawler.web import Fetched
from crawler.web.hostfiles import KEPT_S, FetchedHostFiles

HOST, PATH = "https://example.org", "/.well-known/tdmrep.json"


class Answers:
    """A transport with one answer for all."""

    def __init__(self, answer: bytes | TaskError) -> None:
        self.answer = answer
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
        return Fetched(url=url, final_url=url, http_status=200, headers={}, content=self.answer)

    def close(self) -> None:
        pass


def test_it_is_asked_for_once_a_day() -> None:
    now = 0.0
    answers = Answers(b"[]")
    files = FetchedHostFiles(answers, clock=lambda: now)
    assert [files.get(HOST, PATH) for _ in range(3)] == [b"[]"] * 3
    assert files.get("http://other.example", PATH) == b"[]"
    assert answers.asked == [HOST + PATH, "http://other.example" + PATH]
    now = KEPT_S + 1
    answers.answer = b"[1]"
    assert files.get(HOST, PATH) == b"[1]"
    assert len(answers.asked) == 3


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
    answers = Answers(error)
    files = FetchedHostFiles(answers)
    assert files.get(HOST, PATH) is None
    assert files.get(HOST, PATH) is None
    assert len(answers.asked) == 1


@pytest.mark.parametrize(
    "error",
    [
        ConnectFailed("refused"),
        RateLimited("429", http_status=429, retry_after_s=7.0),
        ServerError("503", http_status=503, retry_after_s=9.0),
        RobotsUnavailable("no robots.txt", http_status=500),
        ForbiddenAddress("private", final_url=f"{HOST}/x"),
    ],
)
def test_a_host_that_is_not_to_be_had_is_asked_again(error: TaskError) -> None:
    answers = Answers(error)
    files = FetchedHostFiles(answers)
    for asked in (1, 2):
        with pytest.raises(type(error), match=r"tdmrep\.json is not to be had") as raised:
            files.get(HOST, PATH)
        assert raised.value.retry_after_s == error.retry_after_s
        assert len(answers.asked) == asked
    answers.answer = b"[]"
    assert files.get(HOST, PATH) == b"[]"


def test_what_may_not_be_asked_for_is_not() -> None:
    answers = Answers(b"[]")

    def check(url: str) -> None:
        raise RobotsDisallowed(url)

    assert FetchedHostFiles(answers, check=check).get(HOST, PATH) is None
    assert answers.asked == []


def test_many_threads_ask_once() -> None:
    answers = Answers(b"[7]")
    answers.wait.clear()
    files = FetchedHostFiles(answers)
    found: list[bytes | None] = []
    threads = [threading.Thread(target=lambda: found.append(files.get(HOST, PATH))) for _ in range(8)]
    for thread in threads:
        thread.start()
    answers.wait.set()
    for thread in threads:
        thread.join(10)
    assert found == [b"[7]"] * 8
    assert len(answers.asked) == 1


def test_little_is_kept() -> None:
    answers = Answers(b" " * 400_000)
    files = FetchedHostFiles(answers)
    for number in range(30):
        files.get(f"https://{number}.example", PATH)
    files.get("https://29.example", PATH)
    assert len(answers.asked) == 30
    files.get("https://0.example", PATH)
    assert len(answers.asked) == 31, "it has made room for others"
