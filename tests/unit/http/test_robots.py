"""robots.txt: the rules of one file against vectors of several implementations, and the manners of asking for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import structs

from crawler import errors
from crawler.errors import RobotsDisallowed, RobotsUnavailable
from crawler.http import Fetched
from crawler.http.robots import Robots, product_token
from crawler.http.robots_file import MAX_BYTES, MAX_STATEMENTS, RobotsFile
from tests.support.clocks import Clock
from tests.support.harvesting import Site, answer
from tests.support.vectors import vectors

HOST = "https://example.org"
FILE = f"{HOST}/robots.txt"
CLOSED = "User-agent: *\nDisallow: /private\n"


def rules(text: str | bytes, agent: str = "image-crawler") -> RobotsFile:
    return RobotsFile(text if isinstance(text, bytes) else text.encode(), agent=agent)


class Asking:
    """Robots over a site in memory."""

    def __init__(self, answers: Mapping[str, Any], *, agent: str = "image-crawler") -> None:
        self.answers = {
            f"{host}/robots.txt": answer(f"{host}/robots.txt", text, "text/plain")
            if isinstance(text, str)
            else text
            for host, text in answers.items()
        }
        self.site = Site(self.answers)
        self.clock = Clock()
        self.robots = Robots(self.site, agent=agent, clock=self.clock)

    def allows(self, url: str) -> bool:
        try:
            self.robots.check(url)
        except RobotsDisallowed:
            return False
        return True

    @property
    def asked(self) -> list[object]:
        return [request["url"] for request in self.site.requests]


# --- the rules of one file ---


def test_every_vector_that_implementations_agree_on() -> None:
    cases = [case for case in vectors("robots") if case["consensus"]]
    wrong = [
        case["id"]
        for case in cases
        if rules(case["robots"], case["user_agent"]).verdict(case["url"]).allowed != case["allowed"]
    ]
    assert len(cases) > 390
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", True),
        ("user-agent: *\ndisallow: /", False),
        ("user-agent: *\ndisallow:", True),
        ("user-agent: *\ndisallow: /a\nallow: /a/b", True),
        ("user-agent: *\ndisallow: /*.png$", False),
        ("user-agent: image-crawler\ndisallow: /\nuser-agent: *\nallow: /", False),
        ("user-agent: other\ndisallow: /", True),
        ("User-Agent: Image-Crawler\nUser-Agent: other\nDisallow: /a", False),
        ("\ufeffuser-agent: *\ndisallow: /", False),
        (b"user-agent: *\r\ndisallow: /a/\xff\r\ndisallow: /a/b", False),
        ("user-agent: *\rdisallow: /", False),
        ("<!DOCTYPE html><title>not found</title>", True),
    ],
)
def test_what_a_file_allows(text: str | bytes, allowed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert rules(text).verdict(f"{HOST}/a/b/c.png").allowed is allowed


def test_its_first_half_mebibyte_counts_and_no_more() -> None:
    padding = "# " + "x" * 998 + "\n"
    within = padding * (MAX_BYTES // 1001 - 1) + CLOSED
    beyond = padding * (MAX_BYTES // 1001 + 1) + CLOSED
    assert not rules(within).verdict(f"{HOST}/private").allowed
    assert rules(beyond).verdict(f"{HOST}/private").allowed


@pytest.mark.parametrize(
    ("asked", "delay_s"),
    [
        ("2.5", 2.5),
        ("0", 0.0),
        ("86400", 300.0),
        ("-1", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("soon", 0.0),
        ("", 0.0),
    ],
)
def test_crawl_delay(asked: str, delay_s: float) -> None:
    assert rules(f"user-agent: *\ncrawl-delay: {asked}").delay_s == delay_s


def test_a_delay_for_others_is_not_for_us() -> None:
    text = "user-agent: slow\ncrawl-delay: 9\n\nuser-agent: image-crawler\ncrawl-delay: 1\n"
    assert rules(text).delay_s == 1.0
    assert rules(text, "third").delay_s == 0.0


@pytest.mark.parametrize(
    ("user_agent", "token"),
    [
        ("image-crawler/1.0 (+https://example.org)", "image-crawler"),
        ("MyBot_2/1", "mybot_"),
        ("Mozilla/5.0 (compatible)", "mozilla"),
        ("2bot", "image-crawler"),
    ],
)
def test_the_name_that_robots_txt_knows_us_by(user_agent: str, token: str) -> None:
    assert product_token(user_agent) == token


# --- asking for it ---


def test_one_file_a_host_is_asked_for_and_kept_for_a_day() -> None:
    asking = Asking({HOST: CLOSED, "http://example.org": "", "https://example.org:8443": ""})
    assert not asking.allows(f"{HOST}/private/a")
    assert asking.allows(f"{HOST}/public")
    assert asking.allows("http://example.org/private"), "another scheme is another file"
    assert asking.allows("https://example.org:8443/private"), "and so is another port"
    assert asking.asked == [FILE, "http://example.org/robots.txt", "https://example.org:8443/robots.txt"]
    asking.clock.now += 24 * 3600 - 1
    asking.allows(f"{HOST}/")
    assert len(asking.asked) == 3
    asking.clock.now += 1
    asking.answers[FILE] = answer(FILE, "")
    assert asking.allows(f"{HOST}/private/a")
    assert len(asking.asked) == 4


def test_what_a_refusal_says() -> None:
    with pytest.raises(RobotsDisallowed) as caught:
        Asking({HOST: CLOSED}).robots.check(f"{HOST}/private/a")
    assert caught.value.detail == (
        f'robots.txt of {HOST}, line 2, "Disallow: /private", forbids image-crawler to ask for {HOST}/private/a;'
        " to take it all the same, say --no-obey-robots-txt"
    )


def test_the_last_line_of_a_file_that_was_cut_does_not_count() -> None:
    asking = Asking({HOST: structs.replace(answer(FILE, f"{CLOSED}Disallow: /p"), is_cut=True)})
    assert asking.allows(f"{HOST}/public")
    assert not asking.allows(f"{HOST}/private")


def test_lines_that_are_too_many_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    asking = Asking({HOST: "".join(f"License: https://l.example/{n}\n" for n in range(MAX_STATEMENTS + 3))})
    assert asking.allows(f"{HOST}/")
    assert f"{FILE}: 3 lines on the use of content are too many to be kept" in caplog.messages


def test_a_file_of_any_length_is_asked_for_up_to_the_limit() -> None:
    asking = Asking({HOST: ""})
    asking.robots.check(f"{HOST}/")
    (request,) = asking.site.requests
    assert (request["max_bytes"], request["cut"], request["within_s"]) == (MAX_BYTES, True, 30.0)


@pytest.mark.parametrize(
    "gone",
    [
        errors.NotFound("404", http_status=404),
        errors.Forbidden("403", http_status=403),
        errors.ClientError("418", http_status=418),
        errors.EmptyBody("empty", http_status=200),
        errors.UnexpectedStatus("204", http_status=204),
        errors.TooManyRedirects("in a circle"),
        errors.BadRedirect("to ftp"),
    ],
    ids=lambda error: error.reason,
)
def test_where_there_is_none_everything_is_allowed(gone: errors.TaskError) -> None:
    asking = Asking({HOST: gone})
    assert asking.allows(f"{HOST}/private")
    assert asking.robots.delay_s(f"{HOST}/private") == 0.0
    assert asking.robots.sitemaps(f"{HOST}/") == ()
    assert len(asking.asked) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        errors.ServerError("500", http_status=500),
        errors.RateLimited("429", http_status=429),
        errors.ConnectionLost("reset"),
        errors.TruncatedTransfer("short"),
        errors.DeadlineExceeded("slow"),
        errors.BadResponse("no HTTP"),
    ],
    ids=lambda error: error.reason,
)
def test_where_it_is_not_to_be_had_nothing_is_allowed_for_a_while(trouble: errors.TaskError) -> None:
    asking = Asking({HOST: trouble})
    for _ in range(3):
        with pytest.raises(RobotsUnavailable, match=f"{FILE} is not to be had: ") as caught:
            asking.robots.check(f"{HOST}/anything")
        assert caught.value.retryable
        assert caught.value.retry_after_s == 15.0
        assert caught.value.http_status == trouble.http_status
    assert len(asking.asked) == 1
    assert asking.robots.delay_s(f"{HOST}/") is None
    assert asking.robots.sitemaps(f"{HOST}/") == ()
    asking.clock.now += 15.0
    asking.answers[FILE] = answer(FILE, CLOSED)
    assert asking.allows(f"{HOST}/anything")
    assert not asking.allows(f"{HOST}/private")


def test_a_host_may_ask_for_a_longer_while() -> None:
    asking = Asking({HOST: errors.ServerError("503", http_status=503, retry_after_s=120.0)})
    with pytest.raises(RobotsUnavailable) as first:
        asking.robots.check(f"{HOST}/")
    asking.clock.now += 100.0
    with pytest.raises(RobotsUnavailable) as second:
        asking.robots.check(f"{HOST}/")
    assert (first.value.retry_after_s, second.value.retry_after_s) == (120.0, 20.0)


@pytest.mark.parametrize(
    "leaf",
    [
        errors.HostNotFound,
        errors.NameLookupFailed,
        errors.ConnectFailed,
        errors.ConnectTimeout,
        errors.TlsFailed,
        errors.ForbiddenAddress,
    ],
)
def test_a_host_out_of_reach_is_told_as_that(leaf: type[errors.TaskError]) -> None:
    asking = Asking({HOST: leaf("no way there")})
    for _ in range(2):
        with pytest.raises(leaf, match="no way there"):
            asking.robots.check(f"{HOST}/a")
    assert len(asking.asked) == 1
    asking.clock.now += 1.5
    with pytest.raises(leaf):
        asking.robots.check(f"{HOST}/a")
    assert len(asking.asked) == 2


def test_a_server_that_fails_has_not_said_that_there_is_none() -> None:
    asking = Asking({HOST: errors.ClientError("501 Not Implemented", http_status=501)})
    with pytest.raises(RobotsUnavailable):
        asking.robots.check(f"{HOST}/a")


def test_a_file_that_leads_to_a_forbidden_address_is_none() -> None:
    away = errors.ForbiddenAddress("no", final_url="http://10.0.0.1/robots.txt")
    asking = Asking({HOST: away})
    assert asking.allows(f"{HOST}/a")
    asking.robots.check(f"{HOST}/b")
    assert len(asking.asked) == 1


def test_sitemaps_and_delay() -> None:
    text = "user-agent: *\ncrawl-delay: 2\nsitemap: /s.xml\nSitemap: https://cdn.example/t.xml\n"
    asking = Asking({HOST: text})
    assert asking.robots.delay_s(f"{HOST}/a") is None, "it asks nobody"
    assert asking.robots.sitemaps(f"{HOST}/a") == ("/s.xml", "https://cdn.example/t.xml")
    assert asking.robots.delay_s(f"{HOST}/a") == 2.0
    assert len(asking.asked) == 1


def test_many_threads_ask_once() -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Site):
        def fetch(self, url: str, **options: Any) -> Fetched:
            begun.set()
            assert go_on.wait(5)
            return super().fetch(url, **options)

    site = Slow({FILE: answer(FILE, CLOSED)})
    robots = Robots(site, agent="image-crawler")
    refused: list[str] = []

    def check() -> None:
        with pytest.raises(RobotsDisallowed):
            robots.check(f"{HOST}/private")
        refused.append("once")

    threads = [threading.Thread(target=check) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert begun.wait(5)
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert len(refused) == 8
    assert len(site.requests) == 1


def test_a_fault_while_one_asks_leaves_nobody_waiting() -> None:
    class Faulty(Site):
        def fetch(self, url: str, **options: Any) -> Fetched:
            if not self.requests:
                super().fetch(url, **options)
                raise RuntimeError("a bug")
            return super().fetch(url, **options)

    robots = Robots(Faulty({FILE: answer(FILE, CLOSED)}), agent="image-crawler")
    with pytest.raises(RuntimeError):
        robots.check(f"{HOST}/private")
    with pytest.raises(RobotsDisallowed):
        robots.check(f"{HOST}/private")


def test_memory_is_bounded_over_any_number_of_hosts() -> None:
    filler = "# " + "x" * 100_000
    hosts = [f"https://h{n}.example" for n in range(100)]
    asking = Asking(dict.fromkeys(hosts, CLOSED + filler))
    for host in hosts:
        assert not asking.allows(f"{host}/private")
    known = [host for host in hosts if asking.robots.delay_s(host + "/") is not None]
    assert known == hosts[-len(known) :], "the latest are kept"
    assert 30 < len(known) < 45, "4 MiB of files"
    assert not asking.allows(f"{hosts[0]}/private"), "what was forgotten is asked for again"
    assert len(asking.asked) == 101
