"""Cookies as RFC 6265 has them: who gets which back, for how long, how many; and what workers tell each other."""

from __future__ import annotations

import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.http.cookies import MAX_IN_ALL, MAX_NEWS, MAX_PER_DOMAIN, CookieJar
from crawler.models import Cookie
from tests.support.clocks import Clock

SITE = "https://www.site.example/shop/cart"


@pytest.fixture
def clock() -> Clock:
    return Clock(1e9)


@pytest.fixture
def jar(clock: Clock) -> CookieJar:
    return CookieJar(clock=clock, now=clock)


@pytest.mark.parametrize(
    ("header", "url", "sent"),
    [
        ("a=1", SITE, "a=1"),
        ("a=1", "https://www.site.example/shop/", "a=1"),
        ("a=1", "https://www.site.example/shop", "a=1"),
        ("a=1", "https://www.site.example/shopping", ""),
        ("a=1", "https://www.site.example/", ""),
        ("a=1; Path=/", "https://www.site.example/", "a=1"),
        ("a=1; Path=/shop/", "https://www.site.example/shop", ""),
        ("a=1; path=nowhere", "https://www.site.example/shop/x", "a=1"),
        # domains
        ("a=1", "https://site.example/shop/", ""),
        ("a=1", "https://x.www.site.example/shop/", ""),
        ("a=1; Path=/; Domain=site.example", "https://site.example/", "a=1"),
        ("a=1; Path=/; Domain=.Site.Example", "https://img.site.example/", "a=1"),
        ("a=1; Path=/; Domain=site.example", "https://notsite.example/", ""),
        ("a=1; Path=/; Domain=other.example", SITE, ""),
        ("a=1; Path=/; Domain=x.www.site.example", SITE, ""),
        ("a=1; Path=/; Domain=example", SITE, ""),
        ("a=1; Path=/; Domain=ite.example", SITE, ""),
        ("a=1; Path=/; Domain=", SITE, "a=1"),
        # https
        ("a=1; Path=/; Secure", "http://www.site.example/", ""),
        ("a=1; Path=/; Secure; HttpOnly", SITE, "a=1"),
        ("a=1; Path=/", "http://www.site.example/", "a=1"),
        ("__Secure-a=1; Path=/", SITE, ""),
        ("__Secure-a=1; Path=/; Secure", SITE, "__Secure-a=1"),
        ("__Host-a=1; Path=/; Secure; Domain=www.site.example", SITE, ""),
        ("__Host-a=1; Path=/; Secure", SITE, "__Host-a=1"),
        # spelling
        ("  a = b c ; Path = / ", SITE, "a=b c"),
        ('a="quoted"', SITE, 'a="quoted"'),
        ("a=x=y", SITE, "a=x=y"),
        ("a=", SITE, "a="),
        ("bare", SITE, "bare"),
        ("", SITE, ""),
        ("=", SITE, ""),
        ("a=1\r\nX-Evil: 1", SITE, ""),
        ("a=\0", SITE, ""),
        ("a=" + "x" * 4095, SITE, "a=" + "x" * 4095),
        ("a=" + "x" * 4096, SITE, ""),
        # how long
        ("a=1; Max-Age=10", SITE, "a=1"),
        ("a=1; Max-Age=0", SITE, ""),
        ("a=1; Max-Age=-5", SITE, ""),
        ("a=1; Max-Age=soon", SITE, "a=1"),
        ("a=1; Expires=Mon, 10 Sep 2001 00:00:00 GMT", SITE, "a=1"),
        ("a=1; Expires=Monday, 10-Sep-01 00:00:00 GMT", SITE, "a=1"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", SITE, ""),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=5", SITE, "a=1"),
        ("a=1; Expires=yesterday", SITE, "a=1"),
    ],
)
def test_who_gets_it_back(jar: CookieJar, header: str, url: str, sent: str) -> None:
    jar.store(SITE, [header])
    assert jar.header(url) == sent


@pytest.mark.parametrize(
    ("origin", "domain", "other"),
    [
        ("http://127.0.0.1:8000/", "127.0.0.1", "http://127.0.0.2:8000/"),
        ("http://[::1]/", "::1", "http://[::2]/"),
        ("http://localhost/", "localhost", "http://a.localhost/"),
    ],
)
def test_addresses_and_single_names_have_cookies_of_their_own(
    jar: CookieJar, origin: str, domain: str, other: str
) -> None:
    jar.store(origin, ["a=1", f"b=2; Domain={domain}", "c=3; Domain=0.0.1", "d=4; Domain=1"])
    assert jar.header(origin).startswith("a=1")
    assert jar.header(other) == ""
    assert "c=" not in jar.header(origin)
    assert jar.header(origin.replace(":8000", ":9000")) == jar.header(origin), "ports do not count"


def test_a_public_suffix_takes_none() -> None:
    jar = CookieJar(is_suffix=lambda domain: domain in {"example", "co.example"})
    jar.store("http://shop.co.example/", ["a=1; Domain=co.example", "b=2; Domain=shop.co.example"])
    assert jar.header("http://other.co.example/") == ""
    assert jar.header("http://x.shop.co.example/") == "b=2"
    jar.store("http://co.example/", ["c=3; Domain=co.example"])
    assert jar.header("http://co.example/") == "c=3"
    assert jar.header("http://other.co.example/") == ""


def test_the_longer_path_comes_first_and_then_the_older(jar: CookieJar) -> None:
    jar.store(SITE, ["a=1; Path=/", "b=2; Path=/shop", "c=3; Path=/"])
    jar.store(SITE, ["a=9; Path=/"])
    assert jar.header(SITE) == "b=2; a=9; c=3"


def test_an_end_comes_when_it_is_due(jar: CookieJar, clock: Clock) -> None:
    jar.store(SITE, ["a=1; Max-Age=10", "b=2; Expires=Sun, 09 Sep 2001 01:47:00 GMT", "c=3"])
    assert jar.header(SITE) == "a=1; b=2; c=3"
    clock.now += 10
    assert jar.header(SITE) == "b=2; c=3"
    clock.now += 10
    assert jar.header(SITE) == "c=3"
    jar.store(SITE, ["c=; Max-Age=0"])
    assert jar.header(SITE) == ""


def test_the_oldest_of_a_domain_go(jar: CookieJar) -> None:
    for number in range(MAX_PER_DOMAIN + 5):
        jar.store(SITE, [f"c{number}=x"])
    sent = jar.header(SITE).split("; ")
    assert len(sent) == MAX_PER_DOMAIN
    assert sent[0] == "c5=x"


def test_a_flood_is_cut(jar: CookieJar) -> None:
    jar.store(SITE, [f"a{n}={'x' * 4000}" for n in range(100_000)])
    assert len(jar.header(SITE)) <= 16 * 1024
    for number in range(MAX_IN_ALL + 500):
        jar.store(f"http://h{number}.example/", ["a=1"])
    kept = sum(bool(jar.header(f"http://h{number}.example/")) for number in range(MAX_IN_ALL + 500))
    assert MAX_IN_ALL - MAX_PER_DOMAIN <= kept <= MAX_IN_ALL


@given(
    st.lists(st.text(max_size=60), max_size=5),
    st.sampled_from([SITE, "http://127.0.0.1/", "http://[::1]/a/"]),
)
def test_nothing_that_servers_say_raises(headers: list[str], url: str) -> None:
    jar = CookieJar()
    jar.store(url, headers)
    sent = jar.header(url)
    assert sent.isprintable() or "\t" in sent or not sent.isascii()
    sent.encode("latin-1")
    for cookie in jar.news():
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(cookie), type=Cookie) == cookie


# --- what workers tell each other


def test_what_one_is_sent_the_others_send_back(clock: Clock) -> None:
    one, other = CookieJar(clock=clock, now=clock), CookieJar(clock=clock, now=clock)
    one.store(SITE, ["a=1; Max-Age=100; Secure", "b=2; Domain=site.example; Path=/"])
    told = one.news()
    assert told == (
        Cookie(
            domain="www.site.example",
            path="/shop",
            name="a",
            value="1",
            host_only=True,
            secure=True,
            expires_in_s=100.0,
        ),
        Cookie(domain="site.example", path="/", name="b", value="2"),
    )
    assert one.news() == ()
    other.learn(told)
    assert other.header(SITE) == "a=1; b=2"
    assert other.news() == (), "it was not its own news"
    one.store(SITE, ["a=; Max-Age=0"])
    gone = one.news()
    assert gone == (Cookie(domain="www.site.example", path="/shop", name="a", deleted=True),)
    other.learn(gone)
    assert other.header(SITE) == "b=2"


def test_only_changes_are_news(jar: CookieJar, clock: Clock) -> None:
    jar.store(SITE, ["a=1; Max-Age=100"])
    assert len(jar.news()) == 1
    clock.now += 10
    jar.store(SITE, ["a=1; Max-Age=100", "never=; Max-Age=0"])
    assert jar.news() == (), "renewed, as with each answer"
    clock.now += 50
    jar.store(SITE, ["a=1; Max-Age=100"])
    assert [cookie.expires_in_s for cookie in jar.news()] == [100.0], "the others would soon drop it"
    jar.store(SITE, ["a=1"])
    assert [cookie.expires_in_s for cookie in jar.news()] == [None]
    jar.store(SITE, ["a=1", "a=2"])
    assert [cookie.value for cookie in jar.news()] == ["2"]


def test_own_news_stand_against_older_ones_of_others(jar: CookieJar) -> None:
    jar.store(SITE, ["a=mine; Path=/"])
    theirs = Cookie(domain="www.site.example", path="/", name="a", value="theirs", host_only=True)
    jar.learn([theirs])
    assert jar.header(SITE) == "a=mine"
    jar.news()
    jar.learn([theirs])
    assert jar.header(SITE) == "a=theirs"


def test_news_come_in_parts(jar: CookieJar) -> None:
    for number in range(MAX_NEWS + 7):
        jar.store(f"http://h{number}.example/", ["a=1"])
    assert [len(jar.news()) for _ in range(3)] == [MAX_NEWS, 7, 0]


def test_what_is_learned_makes_no_header(jar: CookieJar) -> None:
    jar.learn([Cookie(domain="www.site.example", path="/", name="a", value="1\r\nX-Evil: 1")])
    jar.learn([Cookie(domain="www.site.example", path="/", name="b", value="\u2028")])
    assert jar.header(SITE) == ""


def test_threads_share_a_jar(jar: CookieJar) -> None:
    def work(name: str) -> None:
        for number in range(200):
            jar.store(SITE, [f"{name}{number % 7}={number}; Max-Age={number % 3}"])
            jar.header(SITE)
            jar.learn(jar.news())

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert jar.header(SITE)


# --- with a server
