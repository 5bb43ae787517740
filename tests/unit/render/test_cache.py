"""What pages in the browser share: for how long by RFC 9111, and how one request serves several."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crawler.errors import ConnectionLost
from crawler.http import BrowserRequest, Exchanged, Pairs
from crawler.render.cache import HttpCache
from crawler.render.freshness import FLOOR_S, directives, initial_age_s, is_like, kept_s, value_of, varies
from tests.support.queues import is_in, wait_until

URL = "http://a.example/app.js"
NOW = 1_800_000_000.0
DAY_S = 24 * 3600.0


def at(offset_s: float) -> str:
    return formatdate(NOW + offset_s, usegmt=True)


def request(url: str = URL, method: str = "GET", /, **headers: str) -> BrowserRequest:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return BrowserRequest(url=url, method=method, headers=pairs)


def answer(content: bytes = b"1", /, *, status: int = 200, **headers: str) -> Exchanged:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Exchanged(url=URL, http_status=status, headers=pairs, content=content)


def kept(given: Exchanged, asked: BrowserRequest | None = None, kind: str = "XHR") -> float:
    return kept_s(asked or request(), given, kind=kind, now=NOW)


# --- for how long


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache_Control": "max-age=60"}, 60.0),
        ({"Cache_Control": 'MAX-AGE="60", private'}, 60.0),
        ({"Cache_Control": "max-age=60, max-age=90"}, 60.0),
        ({"Cache_Control": "max-age=60, must-revalidate, immutable"}, 60.0),
        ({"Cache_Control": "max-age=60, s-maxage=600"}, 60.0),
        ({"Cache_Control": "s-maxage=600"}, 0.0),
        ({"Cache_Control": "max-age=60", "Expires": at(-5)}, 60.0),
        ({"Cache_Control": "max-age=0"}, 0.0),
        ({"Cache_Control": "max-age=-1", "Last_Modified": at(-DAY_S)}, 0.0),
        ({"Cache_Control": "max-age=soon"}, 0.0),
        ({"Cache_Control": "max-age=" + "9" * 15}, 365 * DAY_S),
        ({"Cache_Control": "max-age=60", "Age": "20"}, 40.0),
        ({"Cache_Control": "max-age=60", "Age": "20, 30"}, 40.0),
        ({"Cache_Control": "max-age=60", "Age": "-3"}, 60.0),
        ({"Cache_Control": "max-age=60", "Age": "600"}, 0.0),
        ({"Cache_Control": "max-age=60", "Date": at(-15)}, 45.0),
        ({"Cache_Control": "max-age=60", "Date": at(15)}, 60.0),
        ({"Cache_Control": "no-store, max-age=60"}, 0.0),
        ({"Cache_Control": "no-cache, max-age=60"}, 0.0),
        ({"Cache_Control": 'no-cache="set-cookie", max-age=60'}, 0.0),
        ({"Cache_Control": 'foo="a, no-store", max-age=60'}, 60.0),
        ({"Pragma": "no-cache", "Expires": at(60)}, 0.0),
        ({"Pragma": "no-cache", "Cache_Control": "max-age=60"}, 60.0),
        ({"Expires": at(90)}, 90.0),
        ({"Expires": at(90), "Date": at(-10)}, 90.0),
        ({"Expires": "0"}, 0.0),
        ({"Expires": "-1", "Last_Modified": at(-DAY_S)}, 0.0),
        ({"Expires": at(-1)}, 0.0),
        ({"Last_Modified": at(-100 * DAY_S)}, DAY_S),
        ({"Last_Modified": at(-1000)}, 100.0),
        ({"Last_Modified": at(-1000), "Age": "30"}, 70.0),
        ({"Last_Modified": at(1000)}, 0.0),
        ({"Last_Modified": "yesterday"}, 0.0),
        ({"ETag": '"a"'}, 0.0),
        ({}, 0.0),
    ],
)
def test_how_long_an_answer_is_fresh(headers: dict[str, str], seconds: float) -> None:
    assert kept(answer(**headers)) == pytest.approx(seconds, abs=1.0)


def test_dates_have_commas_and_may_come_twice() -> None:
    early = 1_800_100_000.0 - NOW + 20 * DAY_S
    assert formatdate(NOW + early).startswith("Fri, 05")
    twice = Exchanged(url=URL, http_status=200, headers=(("Expires", at(early)), ("expires", at(0))))
    assert kept(twice) == pytest.approx(early, abs=1.0)


@pytest.mark.parametrize("kind", ["Script", "Stylesheet"])
def test_what_all_pages_have_in_common_is_kept_for_minutes_if_nothing_is_said(kind: str) -> None:
    assert kept(answer(), kind=kind) == FLOOR_S == 300.0
    assert kept(answer(Last_Modified=at(-60)), kind=kind) == FLOOR_S
    assert kept(answer(Last_Modified=at(-100 * DAY_S)), kind=kind) == DAY_S
    assert kept(answer(Cache_Control="max-age=5"), kind=kind) == 5.0, "what is said counts"
    assert kept(answer(Expires="0"), kind=kind) == 0.0
    assert kept(answer(Cache_Control="no-store"), kind=kind) == 0.0


def test_only_whole_good_answers_to_gets_are_kept() -> None:
    fresh = {"Cache_Control": "public, max-age=60"}
    assert kept(answer(**fresh)) == 60.0
    for method in ("HEAD", "POST", "OPTIONS"):
        assert kept(answer(**fresh), request(URL, method)) == 0.0
    assert kept(answer(**fresh), request(URL, Range="bytes=0-1")) == 0.0
    for status in (203, 204, 206, 301, 304, 404, 500):
        assert kept(answer(status=status, **fresh)) == 0.0
    cut = Exchanged(url=URL, http_status=200, headers=(("Cache-Control", "max-age=60"),), is_cut=True)
    assert kept(cut) == 0.0


def test_what_was_stopped_for_it_is_an_image_is_one_still() -> None:
    image = Exchanged(url=URL, http_status=200, stopped=True)
    assert kept(image) == FLOOR_S


@pytest.mark.parametrize(
    ("asked", "said", "kind", "seconds"),
    [
        ({"Authorization": "Bearer x"}, {"Cache_Control": "max-age=60"}, "Script", 0.0),
        ({"Authorization": "Bearer x"}, {"Cache_Control": "max-age=60, public"}, "XHR", 60.0),
        ({"Cookie": "a=1"}, {"Cache_Control": "max-age=60"}, "XHR", 0.0),
        ({"Cookie": "a=1"}, {"Cache_Control": "max-age=60"}, "Document", 0.0),
        ({"Cookie": "a=1"}, {"Cache_Control": "max-age=60, public"}, "XHR", 60.0),
        ({"Cookie": "a=1"}, {"Cache_Control": "max-age=60"}, "Script", 60.0),
        ({"Cookie": "a=1"}, {"Cache_Control": "max-age=60, private"}, "Script", 0.0),
        ({"Cookie": "a=1"}, {"Last_Modified": at(-60)}, "Stylesheet", FLOOR_S),
        ({"Cookie": "a=1"}, {}, "Script", 0.0),
        ({"Cookie": "a=1", "Authorization": "x"}, {"Last_Modified": at(-60)}, "Script", 0.0),
    ],
)
def test_what_was_asked_for_by_somebody_is_for_nobody_else(
    asked: dict[str, str], said: dict[str, str], kind: str, seconds: float
) -> None:
    assert kept(answer(**said), request(URL, **asked), kind) == seconds


def test_vary_says_for_which_requests_an_answer_is() -> None:
    asked = request(URL, Accept_Language="de", Origin="http://p.example", X_A="1")
    assert varies(asked, answer(Vary="*")) is None
    assert varies(asked, answer(Vary="accept-language, *")) is None
    varied = varies(asked, answer(Vary="Accept-Language, Accept-Encoding, User-Agent"))
    assert varied == (("accept-language", "de"), ("origin", "http://p.example"))
    assert is_like(request(URL, accept_language="de", origin="http://p.example"), varied)
    assert not is_like(request(URL, Accept_Language="fr", Origin="http://p.example"), varied)
    assert not is_like(request(URL, Accept_Language="de"), varied)
    for_all = varies(asked, answer(Access_Control_Allow_Origin="*"))
    assert for_all == ()
    assert varies(asked, answer(Vary="Origin", Access_Control_Allow_Origin="*")) == (
        ("origin", "http://p.example"),
    )
    assert kept(answer(Vary="*", Cache_Control="max-age=60")) == 0.0


HEADER_NAMES = st.sampled_from(
    [
        "Cache-Control",
        "Expires",
        "Date",
        "Age",
        "Last-Modified",
        "Vary",
        "Pragma",
        "Cookie",
        "Authorization",
        "Set-Cookie",
    ]
)
DIRECTIVES = ["no-store", "no-cache", "max-age=60", 'max-age="5"', "public", "private"]
WORDS = st.sampled_from([*DIRECTIVES, "*", "origin", at(0), at(60), at(-9e8), "0", '"', ",", "=", "\\"])
VALUES = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=4).map(", ".join), st.integers().map(str))
PAIRS = st.lists(st.tuples(HEADER_NAMES, VALUES), max_size=8).map(tuple)


@given(PAIRS, PAIRS, st.sampled_from(["Script", "XHR", "Document"]), st.sampled_from(["GET", "POST"]))
def test_whatever_is_said_nothing_is_kept_that_must_not_be(
    asked: Pairs, said: Pairs, kind: str, method: str
) -> None:
    given_ = Exchanged(url=URL, http_status=200, headers=said)
    wanted = BrowserRequest(url=URL, method=method, headers=asked)
    seconds = kept_s(wanted, given_, kind=kind, now=NOW)
    assert 0 <= seconds <= 366 * DAY_S
    assert initial_age_s(said, NOW) >= 0
    if {"no-store", "no-cache"} & directives(said).keys() or method == "POST":
        assert seconds == 0
    if "*" in [name.strip() for name in (value_of(said, "vary") or "").split(",")]:
        assert seconds == 0
    if value_of(asked, "authorization") is not None and "public" not in directives(said):
        assert seconds == 0


@given(st.text(max_size=80))
def test_directives_are_read_however_they_are_written(text: str) -> None:
    for name, value in directives((("Cache-Control", text),)).items():
        assert name == name.lower()
        assert "," not in name
        assert isinstance(value, str)


def test_directives() -> None:
    assert directives((("cache-control", 'a, B="c, d" ,e = 1,,=x, "f", g="h'), ("Cache-Control", "a=2, i"))) == {
        "a": "", "b": "c, d", "e": "1", "i": "",
    }  # fmt: skip


# --- what is kept


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at

    def now(self) -> float:
        return NOW + self.at


def a_cache(**limits: int) -> tuple[HttpCache, Clock]:
    clock = Clock()
    return HttpCache(clock=clock, now=clock.now, **limits), clock


FRESH = {"Cache_Control": "max-age=60"}


def test_an_answer_is_used_again_as_long_as_it_is_fresh() -> None:
    cache, clock = a_cache()
    assert cache.keep(request(), answer(b"1", Date=at(0), Set_Cookie="a=1", **FRESH), kind="XHR")
    clock.at = 59.0
    found = cache.find(request())
    assert found is not None
    assert found.content == b"1"
    assert value_of(found.headers, "age") == "59"
    assert value_of(found.headers, "set-cookie") is None, "cookies are for the one who asked"
    assert value_of(found.headers, "cache-control") == "max-age=60"
    clock.at = 60.0
    assert cache.find(request()) is None


def test_the_age_that_an_answer_came_with_goes_on() -> None:
    cache, clock = a_cache()
    assert cache.keep(request(), answer(Age="20", **FRESH), kind="XHR")
    clock.at = 30.0
    found = cache.find(request())
    assert found is not None
    assert [value for name, value in found.headers if name.lower() == "age"] == ["50"]
    clock.at = 40.5
    assert cache.find(request()) is None


def test_one_url_has_an_answer_for_each_kind_of_request() -> None:
    cache, _ = a_cache()
    for language in ("de", "fr"):
        given_ = answer(language.encode(), Vary="Accept-Language", **FRESH)
        assert cache.keep(request(URL, Accept_Language=language), given_, kind="XHR")
    for language in ("de", "fr"):
        found = cache.find(request(URL, Accept_Language=language))
        assert found is not None
        assert found.content == language.encode()
    assert cache.find(request()) is None
    for number in range(100):
        cache.keep(
            request(URL, Accept_Language=f"x-{number}"), answer(Vary="Accept-Language", **FRESH), kind="XHR"
        )
    assert cache.find(request(URL, Accept_Language="de")) is None, "and so many at most"
    assert cache.find(request(URL, Accept_Language="x-99")) is not None


def test_another_spelling_of_a_url_is_the_same() -> None:
    cache, _ = a_cache()
    cache.keep(request("http://A.example:80/x/../app.js#a"), answer(**FRESH), kind="XHR")
    assert cache.find(request()) is not None
    assert cache.find(request(URL + "?v=2")) is None
    assert cache.find(request("data:text/javascript,1")) is None


def test_what_something_was_sent_to_is_asked_for_again() -> None:
    cache, _ = a_cache()
    cache.keep(request(), answer(**FRESH), kind="XHR")
    cache.forget(URL + "#x")
    cache.forget(URL)
    cache.forget("nonsense")
    assert cache.find(request()) is None
    assert cache.size_bytes == 0


def test_what_was_not_used_for_the_longest_time_goes_first() -> None:
    cache, _ = a_cache(max_bytes=10_000, max_entry_bytes=5_000)
    urls = [f"http://a.example/{number}" for number in range(3)]
    for url in urls[:2]:
        assert cache.keep(request(url), answer(bytes(3000), **FRESH), kind="XHR")
    assert cache.find(request(urls[0])) is not None
    assert cache.keep(request(urls[2]), answer(bytes(4000), **FRESH), kind="XHR")
    assert [cache.find(request(url)) is not None for url in urls] == [True, False, True]
    assert cache.size_bytes <= 10_000
    assert not cache.keep(request(), answer(bytes(6000), **FRESH), kind="XHR"), "one alone is not all"


class Machine(RuleBasedStateMachine):
    """Whatever happens, the limit holds, what is found is fresh, and is what was kept last."""

    def __init__(self) -> None:
        super().__init__()
        self.cache, self.clock = a_cache(max_bytes=20_000, max_entry_bytes=9_000)
        self.model: dict[str, tuple[bytes, float]] = {}
        self.count = 0

    @rule(number=st.integers(0, 9), size=st.integers(0, 12_000), age=st.integers(0, 100))
    def keep(self, number: int, size: int, age: int) -> None:
        self.count += 1
        content = b"%d:" % self.count + bytes(size)
        url = f"http://a.example/{number}"
        was_kept = self.cache.keep(request(url), answer(content, Cache_Control=f"max-age={age}"), kind="XHR")
        assert was_kept == (age > 0 and self.size_of(content) <= 9_000)
        if was_kept:
            self.model[url] = (content, self.clock.at + age)

    def size_of(self, content: bytes) -> int:
        return 512 + len(content) + len("Cache-Control") + len("max-age=") + (0 if not content else 1)

    @rule(number=st.integers(0, 9))
    def find(self, number: int) -> None:
        url = f"http://a.example/{number}"
        found = self.cache.find(request(url))
        if found is not None:
            content, until = self.model[url]
            assert found.content == content
            assert self.clock.at < until

    @rule(number=st.integers(0, 9))
    def forget(self, number: int) -> None:
        url = f"http://a.example/{number}"
        self.cache.forget(url)
        assert self.cache.find(request(url)) is None

    @rule(seconds=st.integers(0, 50))
    def time_passes(self, seconds: int) -> None:
        self.clock.at += seconds

    @invariant()
    def the_limit_holds(self) -> None:
        entries = [entry for kept in self.cache._entries.values() for entry in kept]
        assert self.cache.size_bytes == sum(entry.size_bytes for entry in entries) <= 20_000


TestMachine = Machine.TestCase


# --- one request for several


class Origin:
    """Answers when it is told to; counts."""

    def __init__(self, given: Exchanged | Exception, *, is_open: bool = False) -> None:
        self.given = given
        self.count = 0
        self.let_go = threading.Event()
        self.asked = threading.Event()
        self._mutex = threading.Lock()
        if is_open:
            self.let_go.set()

    def __call__(self) -> Exchanged:
        with self._mutex:
            self.count += 1
        self.asked.set()
        assert self.let_go.wait(10)
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


def together(ask: Callable[[int], object], count: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def shared(cache: HttpCache, origin: Origin, count: int = 8, **headers: str) -> list[object]:
    got: list[object] = []

    def ask(_: int) -> None:
        try:
            got.append(cache.share(request(URL, **headers), kind="Script", ask=origin))
        except ConnectionLost as exc:
            got.append(exc)

    threads = together(ask, count)
    assert origin.asked.wait(5)
    wait_until(lambda: all(is_in(thread, "share", "wait") for thread in threads), within_s=10)
    origin.let_go.set()
    for thread in threads:
        thread.join(10)
    return got


def test_several_that_ask_at_the_same_time_are_one_request() -> None:
    origin = Origin(answer(b"app"))
    got = shared(HttpCache(), origin)
    assert origin.count == 1
    assert sorted(is_own for _, is_own in got) == [False] * 7 + [True]
    assert {given_.content for given_, _ in got} == {b"app"}


def test_what_is_not_to_be_kept_each_asks_for() -> None:
    cache = HttpCache()
    origin = Origin(answer(b"1", Cache_Control="no-store"))
    got = shared(cache, origin)
    assert origin.count == len(got) == 8
    assert all(is_own for _, is_own in got)
    # and from now on nobody waits for another one
    slow = Origin(answer(b"2", Cache_Control="no-store"))
    threads = together(lambda _: cache.share(request(), kind="Script", ask=slow), 4)
    deadline = time.monotonic() + 5
    while slow.count < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert slow.count == 4
    slow.let_go.set()
    for thread in threads:
        thread.join(10)


def test_an_answer_for_one_kind_of_request_is_not_for_another() -> None:
    cache = HttpCache()
    origin = Origin(answer(b"1", Vary="X-Token", Cache_Control="max-age=60"))
    first = threading.Thread(target=lambda: cache.share(request(URL, X_Token="a"), kind="Script", ask=origin))
    first.start()
    assert origin.asked.wait(5)
    other = Origin(answer(b"2", Vary="X-Token", Cache_Control="max-age=60"), is_open=True)
    got: list[object] = []
    second = threading.Thread(
        target=lambda: got.append(cache.share(request(URL, X_Token="b"), kind="Script", ask=other))
    )
    second.start()
    wait_until(lambda: is_in(second, "share", "wait"))
    assert other.count == 0, "nobody knows yet"
    origin.let_go.set()
    for thread in (first, second):
        thread.join(10)
    assert got == [(other.given, True)]
    for token, content in (("a", b"1"), ("b", b"2")):
        found = cache.find(request(URL, X_Token=token))
        assert found is not None
        assert found.content == content


def test_when_the_one_that_asks_fails_another_one_does() -> None:
    cache = HttpCache()

    class Mending(Origin):
        def __call__(self) -> Exchanged:
            first = self.count == 0
            given_ = super().__call__()
            if first:
                raise ConnectionLost("gone")
            return given_

    origin = Mending(answer(b"app"))
    got = shared(cache, origin)
    assert origin.count == 2
    assert len([one for one in got if isinstance(one, ConnectionLost)]) == 1
    assert len([one for one in got if not isinstance(one, ConnectionLost) and not one[1]]) == 6


def test_an_error_is_the_askers_own_and_leaves_nothing_behind() -> None:
    cache = HttpCache()
    with pytest.raises(ConnectionLost):
        cache.share(request(), kind="Script", ask=Origin(ConnectionLost("x"), is_open=True))
    assert cache._flights == {}
    assert cache.share(request(), kind="Script", ask=Origin(answer(b"1"), is_open=True))[1]


def test_nobody_waits_for_another_one_for_ever() -> None:
    cache = HttpCache()
    origin = Origin(answer(b"slow"))
    leader = threading.Thread(target=lambda: cache.share(request(), kind="Script", ask=origin))
    leader.start()
    assert origin.asked.wait(5)
    own = Origin(answer(b"own"), is_open=True)
    waits: list[float] = []

    def in_vain(_: threading.Event, for_s: float) -> bool:
        waits.append(for_s)
        return False

    assert cache.share(request(), kind="Script", ask=own, wait=in_vain) == (own.given, True)
    assert waits == [pytest.approx(20.0, abs=1.0)]
    origin.let_go.set()
    leader.join(10)


@pytest.mark.parametrize(
    "asked", [request(URL, "POST"), request(URL, "HEAD"), request(URL, Range="bytes=0-1")]
)
def test_what_can_not_be_shared_waits_for_nobody(asked: BrowserRequest) -> None:
    cache = HttpCache()
    origin = Origin(answer(**FRESH))
    threads = together(lambda _: cache.share(asked, kind="XHR", ask=origin), 3)
    deadline = time.monotonic() + 5
    while origin.count < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert origin.count == 3
    origin.let_go.set()
    for thread in threads:
        thread.join(10)
    assert cache.find(request()) is None


def test_many_threads_at_once() -> None:
    cache = HttpCache(max_bytes=100_000)
    wrong: list[object] = []
    asked: list[str] = []

    def work(number: int) -> None:
        for turn in range(200):
            url = f"http://a.example/{(number * 7 + turn) % 30}"

            def ask(url: str = url) -> Exchanged:
                asked.append(url)
                return answer(url.encode() + bytes(2000), **FRESH)

            given_, _ = cache.share(request(url), kind="Script", ask=ask)
            if not given_.content.startswith(url.encode() + b"\0"):
                wrong.append(url)

    for thread in together(work, 8):
        thread.join(30)
    assert not wrong
    assert len(set(asked)) == len(asked) == 30
