"""Addresses of a queue in Redis or Valkey: what they say, what is wrong with others, and that no password is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import UsageError
from crawler.queues.redis.address import RedisAddress, is_redis, name_for, parse, without_password

LOCAL = RedisAddress(hosts=(("127.0.0.1", 6379),))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("redis://127.0.0.1", LOCAL),
        ("redis://127.0.0.1/", LOCAL),
        (" redis://127.0.0.1:6379/0\n", LOCAL),
        ("valkey://127.0.0.1/0", LOCAL),
        ("REDIS://127.0.0.1", LOCAL),
        ("rediss://127.0.0.1", replace(LOCAL, tls=True)),
        ("valkeys://127.0.0.1", replace(LOCAL, tls=True)),
        ("redis://127.0.0.1/3", replace(LOCAL, db=3)),
        ("redis://127.0.0.1#example.org", replace(LOCAL, name="example.org")),
        ("redis://127.0.0.1:1/3#a-b_c", replace(LOCAL, hosts=(("127.0.0.1", 1),), db=3, name="a-b_c")),
        ("redis://joe@127.0.0.1", replace(LOCAL, user="joe")),
        ("redis://:secret@127.0.0.1", replace(LOCAL, password="secret")),
        ("redis://joe:a:b@127.0.0.1", replace(LOCAL, user="joe", password="a:b")),
        ("redis://j%40e:p%2Fw%23%3f%25@127.0.0.1", replace(LOCAL, user="j@e", password="p/w#?%")),
        ("redis://joe:p%C3%A4ss@127.0.0.1", replace(LOCAL, user="joe", password="päss")),
        ("redis://[::1]", replace(LOCAL, hosts=(("::1", 6379),))),
        ("redis://:x@[2001:db8::7]:80/1", replace(LOCAL, hosts=(("2001:db8::7", 80),), password="x", db=1)),
        ("redis://m\u00fcller.example", replace(LOCAL, hosts=(("xn--mller-kva.example", 6379),))),
        ("redis+cluster://a", RedisAddress(kind="cluster", hosts=(("a", 6379),))),
        (
            "rediss+cluster://:pw@a:1,b,[::1]:2/0#n",
            RedisAddress(
                kind="cluster", hosts=(("a", 1), ("b", 6379), ("::1", 2)), tls=True, password="pw", name="n"
            ),
        ),
        ("valkeys+cluster://a,b", RedisAddress(kind="cluster", hosts=(("a", 6379), ("b", 6379)), tls=True)),
        (
            "redis+sentinel://a,b:1/mymaster",
            RedisAddress(kind="sentinel", hosts=(("a", 26379), ("b", 1)), service="mymaster"),
        ),
        (
            "valkeys+sentinel://joe:pw@a/my%20one/4#n",
            RedisAddress(
                kind="sentinel",
                hosts=(("a", 26379),),
                tls=True,
                user="joe",
                password="pw",
                db=4,
                service="my one",
                name="n",
            ),
        ),
        (
            "rediss://127.0.0.1/0?ca=/k/ca.pem&key=/k/a%20b.pem#n",
            replace(LOCAL, tls=True, ca=Path("/k/ca.pem"), key=Path("/k/a b.pem"), name="n"),
        ),
    ],
)
def test_what_an_address_says(text: str, address: RedisAddress) -> None:
    assert is_redis(text)
    assert parse(text) == address
    assert parse(address.url) == address
    assert parse(str(address)) == replace(address, password="", ca=None, cert=None, key=None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("redis://", "it names no host"),
        ("redis://:80", "is no host"),
        ("redis://a b", "'a b' is no host"),
        ("redis://a..b", "is no host"),
        ("redis://::1", "an IPv6 address stands in brackets"),
        ("redis://[::1", "is no host"),
        ("redis://[nonsense]", "'[nonsense]' is no host"),
        ("redis://a:", "'' is no port"),
        ("redis://a:x", "'x' is no port"),
        ("redis://a:0", "'0' is no port"),
        ("redis://a:65536", "'65536' is no port"),
        ("redis://a:\uff18", "is no port"),
        ("redis://a,b", "it has 2 hosts, of 1 at most; several are a cluster or sentinels: redis+cluster://"),
        ("redis+cluster://" + ",".join("a" * 65), "it has 65 hosts, of 64 at most"),
        ("redis+cluster://a,", "it names no host"),
        ("redis://a/x", "'x' is not the number of a database"),
        ("redis://a/-1", "'-1' is not the number of a database"),
        ("redis://a/1/2", "'1/2' is not the number of a database"),
        ("redis+cluster://a/1", "a cluster has no database 1, only the first"),
        ("redis+sentinel://a", "such as redis+sentinel://HOST,HOST/SERVICE: it does not say which service"),
        ("redis+sentinel://a/m/x", "'x' is not the number of a database"),
        ("redis+other://a", "its scheme is none of redis, rediss, redis+cluster"),
        ("http://a", "its scheme is none of redis, rediss, redis+cluster"),
        ("a:6379", "its scheme is none of redis, rediss, redis+cluster"),
        ("redis://a#x y", "the crawl's name 'x y' has other characters than letters, digits and . _ -"),
        ("redis://a#" + "x" * 101, "has other characters"),
        ("redis://a?db=1", "'db' is none of the parameters that there are: ca, cert, key"),
        ("rediss://a?ca=", "'ca' is none of the parameters"),
        ("redis://a?ca=/x", "certificates are for TLS: redis:// is without, rediss is with it"),
        ("redis://%ff@a", "what is percent-encoded there is no UTF-8"),
        ("redis://:s3cret/@a", "/ ? # and % are written %2F %3F %23 and %25"),
        ("redis://:s3cret#@a", "/ ? # and % are written %2F %3F %23 and %25"),
        ("redis://:s3cret?x@a", "/ ? # and % are written %2F %3F %23 and %25"),
        ("redis://joe:s3cret@", "it names no host"),
        ("redis://joe:s3c@ret@a:x", "'x' is no port"),
    ],
)
def test_what_is_wrong_with_it(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "is no address of a Redis or Valkey such as redis" in str(caught.value)
    assert "s3c" not in str(caught.value)


def test_a_password_is_neither_in_the_text_nor_in_the_repr() -> None:
    address = parse("rediss://joe:s3cret@redis.example/0#flowers")
    assert str(address) == "rediss://joe@redis.example:6379/0#flowers"
    assert "s3cret" not in repr(address)
    assert "s3cret" in address.url
    assert without_password("rediss://joe:s3c@ret@redis.example") == "rediss://…@redis.example"
    assert without_password("redis://redis.example") == "redis://redis.example"


@given(st.text() | st.builds("{}://{}".format, st.sampled_from(["redis", "rediss+cluster"]), st.text()))
def test_whatever_is_typed_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        address = parse(text)
    except UsageError:
        return
    assert parse(address.url) == address
    assert address.url.isascii()


@given(
    user=st.text(st.characters(exclude_categories=["Cs"])),
    password=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_any_login_survives_its_url(user: str, password: str) -> None:
    address = replace(LOCAL, user=user, password=password)
    assert parse(address.url) == address


@pytest.mark.parametrize(
    ("text", "redis"),
    [
        ("redis://a", True),
        ("valkeys+sentinel://a", True),
        ("redis+nonsense://", True),
        ("redis", False),
        ("redis:6379", False),
        ("http://redis://", False),
        ("data/redis", False),
    ],
)
def test_what_is_meant_for_redis(text: str, redis: bool) -> None:  # noqa: FBT001
    assert is_redis(text) is redis


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("data/example.org", "example.org"),
        ("data/127.0.0.1_8080", "127.0.0.1_8080"),
        ("my flowers/", "my_flowers"),
        ("blümchen", "bl_mchen"),
        ("x" * 200, "x" * 100),
        ("/", "crawl"),
    ],
)
def test_a_crawl_is_called_as_its_folder(folder: str, name: str) -> None:
    assert name_for(Path(folder)) == name
    assert parse(f"redis://a#{name}").name == name


def test_the_folder_that_one_is_in_has_a_name_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flowers").mkdir()
    monkeypatch.chdir(tmp_path / "flowers")
    assert name_for(Path()) == "flowers"
