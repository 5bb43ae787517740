from __future__ import annotations

import threading
from typing import Any

import pytest

from crawler.config import FetchConfig
from crawler.errors import (
    REASONS,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    NotFound,
    RateLimited,
    RobotsUnavailable,
    ServerError,
    TaskError,
    TooSlow,
    TruncatedTransfer,
)
from crawler.http import Fetched, Validators
from crawler.http.request_retries import RetryingTransport, host_pause_s, refused_for_s, retry_delay_s
from crawler.http.requests_transport import RequestsTransport
from crawler.http.status import status_error
from crawler.models import Origin, Task, TaskKind
from tests.support.faultserver import FaultServer

ANSWER = Fetched(url="u", final_url="u", http_status=200, headers={}, content=b"x")


ASKED: dict[str, Any] = {
    "max_bytes": 9,
    "accept": "image/*",
    "referer": "p",
    "check": print,
    "cut": True,
    "within_s": 3.0,
    "unless": Validators(url="http://a.example/", etag='"a"'),
}


class Script:
    """A transport that answers as written."""

    def __init__(self, *answers: Fetched | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Any, ...]] = []
        self.closed = False

    def fetch(self, url: str, **options: Any) -> Fetched:
        self.asked.append((url, options))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


def fetch(script: Script, tries: int = 3, **options: Any) -> tuple[Fetched, list[float]]:
    waits: list[float] = []
    transport = RetryingTransport(script, tries, sleep=waits.append, **options)
    return transport.fetch("u", **ASKED), waits


def test_what_may_pass_is_asked_again() -> None:
    script = Script(ConnectionLost("1"), ServerError("2", http_status=500), ANSWER)
    answer, waits = fetch(script)
    assert answer is ANSWER
    assert script.asked == [("u", ASKED)] * 3
    assert len(waits) == 2


def test_the_last_error_is_raised_when_the_tries_are_used_up() -> None:
    last = TruncatedTransfer("3")
    script = Script(ConnectionLost("1"), ConnectFailed("2"), last, ANSWER)
    with pytest.raises(TruncatedTransfer) as caught:
        fetch(script)
    assert caught.value is last
    assert script.answers == [ANSWER]


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no"),
        RateLimited("slowly"),
        RateLimited("slowly", retry_after_s=1.0),
        ServerError("later", http_status=503, retry_after_s=3.5),
        ConnectTimeout("10 s are gone"),
        DeadlineExceeded("120 s are gone"),
        TooSlow("and would be again"),
        ValueError("a bug"),
    ],
)
def test_what_takes_longer_than_a_moment_is_raised_at_once(error: Exception) -> None:
    script = Script(error, ANSWER)
    with pytest.raises(type(error)) as caught:
        fetch(script)
    assert caught.value is error
    assert len(script.asked) == 1


def test_waits_are_jittered_and_grow_up_to_three_seconds() -> None:
    longest = [0.0] * 9
    for _ in range(200):
        _, waits = fetch(Script(*[ConnectionLost("x")] * 9, ANSWER), tries=10)
        longest = [max(pair) for pair in zip(longest, waits, strict=True)]
    for wait, limit in zip(longest, [0.2, 0.4, 0.8, 1.6, 3, 3, 3, 3, 3], strict=True):
        assert limit / 2 < wait <= limit


def test_a_short_retry_after_is_waited_for() -> None:
    _, waits = fetch(Script(ServerError("busy", http_status=503, retry_after_s=2.5), ANSWER))
    assert waits == [2.5]


def test_a_stop_cuts_the_wait_short_and_raises_what_came_last() -> None:
    stop = threading.Event()
    error = ServerError("busy", http_status=503, retry_after_s=3.0)
    script = Script(error, ANSWER)
    transport = RetryingTransport(script, 3, stop=stop)
    threading.Timer(0.02, stop.set).start()
    with pytest.raises(ServerError) as caught:
        transport.fetch("u", max_bytes=1, accept="*/*")
    assert caught.value is error
    assert len(script.asked) == 1


def test_after_a_stop_there_is_one_try() -> None:
    stop = threading.Event()
    stop.set()
    script = Script(ConnectionLost("x"), ANSWER)
    with pytest.raises(ConnectionLost):
        fetch(script, stop=stop)
    assert len(script.asked) == 1


def test_it_closes_what_it_wraps() -> None:
    script = Script()
    RetryingTransport(script, 1).close()
    assert script.closed


def test_with_a_real_server_and_several_threads() -> None:
    with FaultServer() as server:
        transport = RetryingTransport(
            RequestsTransport(FetchConfig(total_timeout_s=5)), 3, sleep=lambda seconds: None
        )
        results: list[int] = []

        def work(key: int) -> None:
            url = f"{server.url}/fail/500/{key % 4}/{key}/plain.png"
            try:
                results.append(transport.fetch(url, max_bytes=10**6, accept="*/*").http_status)
            except ServerError as exc:
                results.append(exc.http_status)

        threads = [threading.Thread(target=work, args=(key,)) for key in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        transport.close()
        assert sorted(results) == [200] * 9 + [500] * 3
        assert len(server.requests) == 3 * (1 + 2 + 3 + 3)


# --- what the queue is told


def attempted(attempt: int, *, seed: bool = False) -> Task:
    origin = None if seed else Origin(page_url="https://example.org/", found_in="img")
    return Task(
        id=1,
        serial=1,
        kind=TaskKind.IMAGE,
        url="https://example.org/i",
        depth=0,
        attempt=attempt,
        origin=origin,
    )


@pytest.mark.parametrize(
    ("error", "attempt", "seconds"),
    [
        (ConnectionLost("x"), 1, 5.0),
        (ConnectionLost("x"), 2, 10.0),
        (ConnectionLost("x"), 4, 40.0),
        (ConnectionLost("x"), 100, 3600.0),
        (ConnectionLost("x"), 0, 5.0),
        (RateLimited("x", retry_after_s=60), 1, 60.0),
        (RateLimited("x", retry_after_s=6), 2, 10.0),
        (RateLimited("x", retry_after_s=1e9), 1, 3600.0),
        (NotFound("x"), 1, None),
    ],
)
def test_when_a_task_is_due_again(error: TaskError, attempt: int, seconds: float | None) -> None:
    assert retry_delay_s(error, attempted(attempt), 5.0) == seconds


WORTH_IT = {
    # our own machine was short of memory
    "out-of-memory",
    # nobody answered, this time
    "name-lookup-failed",
    "connect-failed",
    "connect-timeout",
    "connection-lost",
    "deadline-exceeded",
    "too-slow",
    # the answer was broken on its way
    "truncated-transfer",
    "bad-response",
    # the server says so: 408 and 425, 429, 5xx
    "request-timeout",
    "rate-limited",
    "server-error",
    "robots-unavailable",
    # not the page's doing
    "browser-failed",
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_is_worth_another_try(reason: str) -> None:
    """A closed list: to make another reason retryable, or to stop at one, is to be decided here as well."""
    assert REASONS[reason].retryable == (reason in WORTH_IT)


@pytest.mark.parametrize(
    ("status", "again"),
    [
        *(
            (status, False)
            for status in (300, 304, 400, 401, 402, 403, 404, 405, 406, 407, 410, 411, 418, 451, 499)
        ),
        *((status, True) for status in (408, 425, 429)),
        *((status, True) for status in (500, 502, 503, 504, 507, 508, 520, 521, 522, 529, 598, 599)),
        (501, False),  # GET is not implemented: not in a minute either
        (505, False),  # nor is HTTP/1.1
        (511, True),  # the network wants a login, somewhere between here and there; somebody may give it
    ],
)
def test_which_statuses_are(status: int, again: bool) -> None:  # noqa: FBT001 - a parameter of the test
    error = status_error(status, {}, "https://example.org/a")
    assert error is not None
    assert error.retryable is again


def test_only_what_is_retryable_is_due_again() -> None:
    for leaf in REASONS.values():
        assert (retry_delay_s(leaf("x"), attempted(1), 5.0) is not None) == leaf.retryable


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (RateLimited("x", http_status=429, retry_after_s=30), 30.0),
        (RateLimited("x", http_status=429, retry_after_s=86_400), 3600.0),
        (RateLimited("x", http_status=429), 0.0),
        (ServerError("x", http_status=503, retry_after_s=30), 30.0),
        (ServerError("x", http_status=503), None),
        (ServerError("x", http_status=500, retry_after_s=30), None),
        (RobotsUnavailable("x", http_status=503, retry_after_s=30), None),
        (NotFound("x", http_status=404), None),
    ],
)
def test_what_is_a_refusal_of_the_host(error: TaskError, seconds: float | None) -> None:
    assert refused_for_s(error) == seconds
    assert host_pause_s(error) == (30.0 if isinstance(error, RobotsUnavailable) else None)
