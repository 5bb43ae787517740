"""cookies.txt: what add-ons and programs write, what won't do with its line, and that no value is ever told."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import Config, load, settings_of, to_toml
from crawler.errors import ConfigError
from crawler.http.cookie_file import parsed, read
from crawler.http.cookies import CookieJar
from crawler.models import Cookie
from crawler.run.supervisor import Crawl
from crawler.scope import is_public_suffix

NOW = 1_700_000_000.0
LATER = "1800000000"
HEAD = "# Netscape HTTP Cookie File\n"


def line(domain: str = "site.example", *rest: str) -> str:
    fields = [domain, *rest]
    usual = [domain, "FALSE", "/", "FALSE", LATER, "sid", "s3cret"]
    return "\t".join([*fields, *usual[len(fields) :]]) + "\n"


def cookies(text: str | bytes) -> tuple[Cookie, ...]:
    data = text if isinstance(text, bytes) else text.encode()
    return parsed(data, "cookies.txt", ["site.example"], now=NOW).cookies


def sent(text: str | bytes, url: str) -> str:
    jar = CookieJar(is_suffix=is_public_suffix)
    jar.learn(cookies(text))
    return jar.header(url)


@pytest.mark.parametrize(
    "text",
    [
        HEAD + line(),
        "# HTTP Cookie File\n\n" + line(),
        line(),  # no heading
        "\ufeff" + HEAD + line(),
        (HEAD + line()).replace("\n", "\r\n"),
        HEAD + "#HttpOnly_" + line(),
        HEAD + "# a comment\n#another\n" + line() + "\n   \n",
        HEAD + line().rstrip("\n"),
        line("site.example", "false", "/", "false", "0"),  # of a session
        line("site.example", "FALSE", "/", "FALSE", ""),
        line("site.example", "FALSE", "/", "FALSE", "-1"),
        line("site.example", "FALSE", "/", "FALSE", "1800000000.123"),
        line(
            "site.example", "FALSE", "/", "FALSE", "13350000000000000"
        ),  # microseconds of Chromium: for long
        line("Site.Example"),
    ],
)
def test_what_browsers_add_ons_and_programs_write(text: str) -> None:
    assert sent(text, "http://site.example/a") == "sid=s3cret"
    assert sent(text, "http://www.site.example/") == "", "of that host alone"


def test_utf_16_as_windows_writes_it() -> None:
    assert sent((HEAD + line()).encode("utf-16"), "http://site.example/") == "sid=s3cret"


@pytest.mark.parametrize("domain", [".site.example", "site.example"])
def test_a_domain_cookie_goes_to_the_hosts_below(domain: str) -> None:
    text = line(domain, "TRUE")
    assert sent(text, "http://www.site.example/") == "sid=s3cret"
    assert sent(text, "http://notsite.example/") == ""


@pytest.mark.parametrize("domain", [".co.uk", ".com", ".github.io"])
def test_one_of_a_public_suffix_goes_to_nobody_below(domain: str) -> None:
    for host in ("shop.co.uk", "a.com", "me.github.io"):
        assert sent(line(domain, "TRUE"), f"http://{host}/") == ""


def test_path_and_https_count() -> None:
    text = line("site.example", "FALSE", "/shop", "TRUE")
    assert sent(text, "https://site.example/shop/1") == "sid=s3cret"
    assert sent(text, "https://site.example/") == ""
    assert sent(text, "http://site.example/shop/1") == "", "for https only"


def test_names_in_other_scripts_are_those_of_urls() -> None:
    assert sent(line("bücher.example"), "http://xn--bcher-kva.example/") == "sid=s3cret"


def test_a_value_is_sent_as_the_bytes_that_it_came_as() -> None:
    assert (
        sent(line("site.example", "FALSE", "/", "FALSE", LATER, "n", "ü=x y"), "http://site.example/").encode(
            "latin-1"
        )
        == "n=ü=x y".encode()
    )


def test_a_value_that_is_empty_may_have_lost_its_tab() -> None:
    assert sent("site.example\tFALSE\t/\tFALSE\t0\tflag\n", "http://site.example/") == "flag="


@pytest.mark.parametrize(
    ("name", "rest", "taken"),
    [
        ("__Secure-a", ("FALSE", "/", "TRUE"), True),
        ("__Secure-a", ("FALSE", "/", "FALSE"), False),
        ("__Host-a", ("FALSE", "/", "TRUE"), True),
        ("__Host-a", ("TRUE", "/", "TRUE"), False),
        ("__host-a", ("FALSE", "/x", "TRUE"), False),
        ("a;b", ("FALSE", "/", "FALSE"), False),
        ("a" * 5000, ("FALSE", "/", "FALSE"), False),
    ],
)
def test_what_no_server_could_set_is_not_taken_and_said(
    name: str, rest: tuple[str, ...], *, taken: bool
) -> None:
    found = parsed(line("site.example", *rest, LATER, name).encode(), "c", ["site.example"], now=NOW)
    assert bool(found.cookies) is taken
    assert any("such as no server can set" in note for note in found.notes) is not taken


def test_what_has_expired_is_said_and_not_sent() -> None:
    text = line("site.example", "FALSE", "/", "FALSE", "1600000000") + line("b.example")
    found = parsed(text.encode(), "cookies.txt", ["site.example"], now=NOW)
    assert [cookie.domain for cookie in found.cookies] == ["b.example"]
    assert found.notes[0].startswith("cookies.txt: 1 cookie is not sent: expired (site.example)")
    assert found.notes[1] == "cookies.txt has no cookie for the hosts of the seeds"
    assert "s3cret" not in " ".join(found.notes)


def test_of_too_many_those_of_the_seeds_come_first() -> None:
    text = "".join(line(f"h{n}.example") for n in range(4000)) + line(".site.example", "TRUE")
    found = parsed(text.encode(), "c", ["www.site.example"], now=NOW)
    assert len(found.cookies) == 3000
    assert found.cookies[0].domain == "site.example"
    assert any("1,001 cookies are not sent" in note for note in found.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "site.example FALSE / FALSE 0 sid s3cret\n", "line 2 has spaces where tabs belong"),
        (HEAD + line() + "site.example\tFALSE\ts3cret\n", "line 3 has other fields"),
        (
            line("site.example", "s3cret"),
            "line 1: field 2 (whether hosts below it get it) is not TRUE or FALSE",
        ),
        (line("site.example", "TRUE", "s3cret"), "line 1: field 3 (path)"),
        (line("site.example", "TRUE", "/", "s3cret"), "line 1: field 4 (https only)"),
        (line("site.example", "TRUE", "/", "TRUE", "s3cret"), "line 1: field 5 (expiry)"),
        (line("s3c ret"), "line 1: field 1 (domain)"),
        (line("site.example/s3cret"), "line 1: field 1 (domain)"),
        ('[{"domain": "site.example", "value": "s3cret"}]', "that is JSON"),
        ("SQLite format 3\x00s3cret", "a browser's own database"),
        ("<!DOCTYPE html>s3cret", "that is a web page"),
        ("sid=s3cret; b=c", "line 1 has spaces where tabs belong"),
    ],
)
def test_what_won_t_do_is_told_with_its_line_and_no_value(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cookies(text)
    assert said in str(caught.value)
    assert "cookies.txt" in str(caught.value)
    assert "s3cret" not in repr(caught.value)


@given(st.binary(max_size=300) | st.text("a.\t\n\r #TRUEFALS/0189-;\ufeff", max_size=200).map(str.encode))
def test_any_bytes_are_cookies_or_a_configuration_error(data: bytes) -> None:
    try:
        found = parsed(data, "c", ["a.example"], now=NOW)
    except ConfigError:
        return
    CookieJar(is_suffix=is_public_suffix).learn(found.cookies)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't read the cookies in .*none\.txt: there is no such file"):
        read(str(tmp_path / "none.txt"), [])
    with pytest.raises(ConfigError, match="say --keep-cookies"):
        read("http://site.example/", [])


# --- the setting ---


@pytest.mark.parametrize("value", ["true", "False", "1", "on"])
def test_what_was_a_boolean_says_what_it_is_now(value: str) -> None:
    with pytest.raises(ConfigError, match="keep_cookies = true"):
        load(environment={"IMAGE_CRAWLER_COOKIES": value})


@pytest.mark.parametrize("section", ["fetch", "run"])
def test_in_a_file_too(section: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"[{section}]\ncookies = true\n")
    with pytest.raises(ConfigError, match="keep_cookies = true"):
        load(file=file)


def test_workers_are_told_to_keep_cookies_and_not_where_the_file_is() -> None:
    config = load(flags={"cookies": "/home/jörg/cookies.txt"})
    told = config.for_workers()
    assert (told.fetch.keep_cookies, told.run) == (True, Config().run)
    assert settings_of(config.of_the_crawl())["keep_cookies"] is True


def test_a_bad_file_changes_nothing_and_a_good_one_is_shown_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text("site.example FALSE / FALSE 0 sid s3cret\n")
    config = load(flags={"cookies": str(file)})
    with pytest.raises(ConfigError, match="line 1"):
        Crawl(["http://site.example/"], folder=tmp_path / "crawl", config=config)
    assert not (tmp_path / "crawl").exists()
    file.write_text(line() + line("site.example", "FALSE", "/", "FALSE", "5", "old", "s3cret"))
    with caplog.at_level(logging.DEBUG):
        crawl = Crawl(["http://site.example/"], folder=tmp_path / "crawl", config=config)
    assert "expired" in caplog.text
    assert crawl._cookies
    crawl._networks = ()
    site = replace(crawl._context(), cookies=crawl._cookies)
    assert "s3cret" not in f"{caplog.text} {crawl._cookies} {site} {to_toml(config)} {crawl._cookies}"


def test_a_cookie_that_hosts_below_do_not_get_is_not_sent_there_for_a_dot() -> None:
    text = ".site.example\tFALSE\t/\tFALSE\t0\ta\t1\n"
    assert sent(text, "http://site.example/") == "a=1"
    assert sent(text, "http://other.site.example/") == ""
