"""One robots.txt: the standard's own examples, Google's published tests, and whatever a stranger may write."""

from __future__ import annotations

import json
import random
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.http import robots_file, robots_patterns
from crawler.http.robots_file import MAX_BYTES, MAX_QUOTED_CHARS, MAX_STATEMENTS, RobotsFile, UsageLine
from crawler.models import Value
from tests.support.cpu_time import cpu_below, cpu_s

HOST = "https://a.example"
GOOGLE = json.loads(Path(__file__).with_name("robots_google.json").read_text(encoding="utf-8"))["cases"]
OTHERWISE_BY_THE_RFC = {
    ("/foo/bar/ツ", "http://foo.bar/foo/bar/ツ"): "both are percent-encoded first",
    ("/foo/bar/%E3%83%84", "http://foo.bar/foo/bar/ツ"): "the same",
    ("/foo/bar/%62%61%7A", "http://foo.bar/foo/bar/baz"): "what need not be encoded is plain",
}
"""Where Google leaves it to the caller to encode URLs, the table in RFC 9309, section 2.2.2, has them match."""


def read(text: str | bytes, agent: str = "image-crawler", **options: Any) -> RobotsFile:
    return RobotsFile(text if isinstance(text, bytes) else text.encode(), agent=agent, **options)


def allows(text: str | bytes, path: str, agent: str = "image-crawler") -> bool:
    return read(text, agent).verdict(f"{HOST}{path}").allowed


def fits(pattern: str, path: str) -> bool:
    return not allows(f"User-agent: *\nDisallow: {pattern}\n", path)


def said(text: str, path: str = "/", agent: str = "image-crawler") -> list[tuple[str, str, int]]:
    return [(one.name, one.value, one.number) for one in read(text, agent).statements(f"{HOST}{path}")]


# --- Google's tests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", GOOGLE, ids=lambda case: case["test"])
def test_what_googles_matcher_is_published_to_say(case: dict[str, Any]) -> None:
    of_case = read("\n".join(case["robots"]), case["agent"])
    for url in case.get("allowed", ()):
        assert of_case.verdict(url).allowed, url
    for url in case.get("disallowed", ()):
        is_ours = any((line.partition(": ")[2], url) in OTHERWISE_BY_THE_RFC for line in case["robots"])
        assert of_case.verdict(url).allowed is is_ours, url


def test_all_of_googles_tests_are_there() -> None:
    assert sum(len(case.get("allowed", ())) + len(case.get("disallowed", ())) for case in GOOGLE) == 136
    assert len({case["test"] for case in GOOGLE}) == 13


def test_a_line_too_long_is_cut_as_googles_parser_does() -> None:
    """GoogleOnly_LineTooLong"""
    most = 2083 * 8
    disallowed = "/x/".ljust(most - len("disallow: ") + 1, "a")
    text = f"user-agent: FooBot\ndisallow: {disallowed}/qux\n"
    assert allows(text, "/fux", "FooBot")
    assert not allows(text, f"{disallowed}/fux", "FooBot")
    of_a, of_b = ("/x/".ljust(most - len("allow: ") + 1, char) for char in "ab")
    text = f"user-agent: FooBot\ndisallow: /\nallow: {of_a}/qux\nallow: {of_b}/qux\n"
    assert not allows(text, "/", "FooBot")
    assert allows(text, f"{of_a}/qux", "FooBot")
    assert allows(text, f"{of_b}/fux", "FooBot")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_they_end_in(end: str) -> None:
    """ID_LinesNumbersAreCountedCorrectly"""
    lines = ["User-Agent: foo", "Allow: /some/path", "User-Agent: bar", "", "", "Disallow: /"]
    for text in (end.join(lines), end.join(lines) + end):
        assert read(text, "bar").verdict(f"{HOST}/x").number == 6
        assert read(text, "foo").verdict(f"{HOST}/some/path").number == 2
    mixed = "User-Agent: foo\nAllow: /some/path\r\nUser-Agent: bar\n\r\n\nDisallow: /"
    assert read(mixed, "bar").verdict(f"{HOST}/x").number == 6


@pytest.mark.parametrize(
    ("content", "is_read"),
    [
        (b"\xef\xbb\xbfUser-Agent: foo\nDisallow: /a\n", True),
        (b"\xef\xbbUser-Agent: foo\nDisallow: /a\n", True),
        (b"\xefUser-Agent: foo\nDisallow: /a\n", True),
        (b"\xef\x11\xbfUser-Agent: foo\nDisallow: /a\n", False),
        (b"User-Agent: foo\n\xef\xbb\xbfDisallow: /a\n", False),
        ("User-Agent: foo\nDisallow: /a\n".encode("utf-16"), True),
    ],
)
def test_a_byte_order_mark(content: bytes, is_read: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """ID_UTF8ByteOrderMarkIsSkipped; and UTF-16, as some editors save it."""
    assert allows(content, "/a", "foo") is not is_read


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", "/"),
        ("http://www.example.com", "/"),
        ("http://www.example.com/", "/"),
        ("http://www.example.com/a", "/a"),
        ("http://www.example.com/a/", "/a/"),
        ("http://www.example.com/a/b?c=http://d.e/", "/a/b?c=http://d.e/"),
        ("http://www.example.com/a/b?c=d&e=f#fragment", "/a/b?c=d&e=f"),
        ("example.com", "/"),
        ("example.com/", "/"),
        ("example.com/a", "/a"),
        ("example.com/a/", "/a/"),
        ("example.com/a/b?c=d&e=f#fragment", "/a/b?c=d&e=f"),
        ("a", "/"),
        ("a/", "/"),
        ("/a", "/a"),
        ("a/b", "/b"),
        ("example.com?a", "/?a"),
        ("example.com/a;b#c", "/a;b"),
        ("//a/b/c", "/b/c"),
    ],
)
def test_what_of_a_url_is_matched(url: str, path: str) -> None:
    """TestGetPathParamsQuery"""
    assert not read(f"user-agent: a\nallow: /\ndisallow: {path}$", "a").verdict(url).allowed or path == "/"
    assert read("user-agent: a\ndisallow: /\nallow: /$", "a").verdict(url).allowed is (path == "/")


def test_what_googles_reports_take_for_a_typo() -> None:
    """reporting_robots_test.cc, LinesNumbersAreCountedCorrectly"""
    text = (
        "User-Agent: foo\nAllow: /some/path\nUser-Agent bar # no\nabsolutely random line\n#so comment, much wow\n\n"
        "unicorns: /extinct\nnoarchive: /some\nDisallow: /\nError #and comment\nuseragent: baz\ndisallaw: /some\n"
        "site-map: https://e/s.xml #comment\nsitemap: https://e/t.xml\nNoarchive: /someCapital\n"
    )
    assert read(text, "foo").verdict(f"{HOST}/some/path").number == 2
    assert read(text, "bar").verdict(f"{HOST}/some").number == 9
    assert read(text, "baz").verdict(f"{HOST}/some").number == 12
    assert read(text, "baz").sitemaps == ("https://e/s.xml", "https://e/t.xml")


@pytest.mark.parametrize("name", ["disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"])
@pytest.mark.parametrize("agent", ["user-agent", "useragent", "user agent"])
def test_names_are_known_however_they_are_spelt(name: str, agent: str) -> None:
    for text in (f"{agent}: *\n{name}: /a", f"{agent.upper()} :*\n\t{name.title()}\t:\t/a  # why"):
        assert not allows(text, "/a")


@pytest.mark.parametrize(
    "line", ["disallow /a b", "disallow", "/a", ": /a", "disallow-all: /a", "disallowed: /a", "dis allow: /a"]
)
def test_what_is_no_rule(line: str) -> None:
    assert allows(f"user-agent: *\n{line}\n", "/a")


# --- RFC 9309 -----------------------------------------------------------------------------------------------

SECTION_5_1 = """User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""


@pytest.mark.parametrize(
    ("agent", "allowed", "disallowed"),
    [
        ("other", "/publications/ /publications/a.gif /x.gift /", "/a.gif /a?b.gif /example/x"),
        ("foobot", "/example/page.html /example/allowed.gif", "/ /example/ /publications/"),
        ("barbot", "/ /example/ /a.gif", "/example/page.html /example/page.html?x"),
        ("BazBot", "/ /example/", "/example/page.html"),
        ("quxbot", "/ /example/ /a.gif", ""),
    ],
)
def test_the_simple_example_of_section_5_1(agent: str, allowed: str, disallowed: str) -> None:
    assert [path for path in allowed.split() if not allows(SECTION_5_1, path, agent)] == []
    assert [path for path in disallowed.split() if allows(SECTION_5_1, path, agent)] == []


def test_the_longest_match_of_section_5_2() -> None:
    text = "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n"
    verdict = read(text, "foobot").verdict(f"{HOST}/example/page/disallowed.gif")
    assert not verdict.allowed
    assert (verdict.line, verdict.number) == ("Disallow: /example/page/disallowed.gif", 3)
    assert read(text, "foobot").verdict(f"{HOST}/example/page/").line == "Allow: /example/page/"
    assert read(text, "foobot").verdict(f"{HOST}/example/").number == 0


@pytest.mark.parametrize(
    ("pattern", "path", "is_match"),
    [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", True),
        ("/foo/bar?baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/foo/bar?baz=https%3a%2f%2ffoo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", True),
        ("/foo/bar?*=https://*.bar$", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", True),
        ("/*baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/*/b", "/a?b=/b", True),
        ("/a?x*y*=/b", "/a?xy=%2Fb", True),
        ("/voil\u00e0", "/voil%C3%A0", True),
        ("/voil\u00e0", "/voil%C3%A1", False),
        ("/foo/bar/\u30c4", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/\u30c4", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        ("/foo/bar/baz", "/foo/bar/%62%61%7a", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-b.html", False),
        ("/path/foo-%24", "/path/foo-$bar", True),
        ("/a$b", "/a%24b", True),
        ("/a b", "/a%20b", True),
        # a slash or a question mark that is data is not one that parts a path (the draft of 1996 had that)
        ("/a%2fb", "/a/b", False),
        ("/a/b", "/a%2Fb", False),
        ("/a%3Fb", "/a?b", False),
        ("/*/secret/", "/a?next=/secret/b", True),
        ("/100%", "/100%", True),
        ("/%zz", "/%zz", True),
        ("/%E9", "/\u00e9", False),
    ],
)
def test_how_paths_are_spelt(pattern: str, path: str, is_match: bool) -> None:  # noqa: FBT001 - as above
    assert fits(pattern, path) is is_match


@pytest.mark.parametrize(
    ("pattern", "path", "is_match"),
    [
        ("/a*", "/a", True),
        ("/a**b", "/axxb", True),
        ("*", "/anything", True),
        ("*.gif$", "/a.gif", True),
        ("/*.gif$", "/a.gif.gif", True),
        ("/a*a$", "/a", False),
        ("/a*$", "/abc", True),
        ("/a***$", "/a", True),
        ("/*b", "/ab~", True),
        ("/$", "/", True),
        ("/$", "/a", False),
        ("/a$$", "/a$", True),
        ("$", "/", False),
        ("a", "/a", False),
        ("/*b*a*b", "/aba", False),
        ("/*aa*aa$", "/aaa", False),
        ("/*aa*aa$", "/aaaa", True),
        ("http://a.example/a", "/a", False),
    ],
)
@pytest.mark.parametrize("octets", [0, robots_patterns._FIND_OCTETS], ids=["by index", "by search"])
def test_stars_and_ends(
    monkeypatch: pytest.MonkeyPatch,
    pattern: str,
    path: str,
    is_match: bool,  # noqa: FBT001 - as above
    octets: int,
) -> None:
    monkeypatch.setattr(robots_patterns, "_FIND_OCTETS", octets)
    assert fits(pattern, path) is is_match


def test_unknown_lines_end_no_group() -> None:
    text = "User-agent: *\nCrawl-delay: 2\nUser-agent: Googlebot\nDisallow: /search/\n"
    assert not allows(text, "/search/a")
    assert not allows(text, "/search/a", "googlebot")
    assert (read(text).delay_s, read(text, "googlebot").delay_s) == (2.0, 0.0), (
        "a delay is for those before it"
    )
    for line in (
        "Sitemap: /s.xml",
        "Host: a",
        "Content-Signal: ai-train=no",
        "License: https://l.example/",
        "what",
    ):
        assert not allows(
            f"User-agent: *\n{line}\nUser-agent: Googlebot\nDisallow: /search/\n", "/search/a"
        ), line


def test_what_is_no_rule_is_for_the_agents_before_it() -> None:
    text = (
        "Crawl-delay: 9\nUser-agent: slow\nUser-agent: slower\nCrawl-delay: 8\nContent-Signal: a=no\n\n"
        "User-agent: *\nCrawl-delay: 1\nDisallow: /a\nContent-Signal: b=no\n"
    )
    assert [read(text, agent).delay_s for agent in ("slow", "slower", "third")] == [8.0, 8.0, 1.0]
    assert [value for _, value, _ in said(text)] == ["b=no"]
    assert [value for _, value, _ in said(text, agent="slow")] == ["a=no"]
    assert not any(allows(text, "/a", agent) for agent in ("slow", "slower", "third"))


def test_content_usage_is_a_rule_and_ends_the_agents_of_a_group() -> None:
    text = "User-agent: *\nContent-Usage: train-ai=n\nUser-agent: GPTBot\nDisallow: /\n"
    assert allows(text, "/")
    assert said(text) == [("content-usage", "train-ai=n", 2)]
    assert not allows(text, "/", "gptbot")
    assert said(text, agent="gptbot") == []


def test_groups_of_one_agent_are_one() -> None:
    text = "User-agent: us\nDisallow: /a\n\nUser-agent: *\nDisallow: /\n\nUser-agent: US/2.0 beta\nDisallow: /b\n"
    assert [allows(text, path, "us") for path in ("/a", "/b", "/c")] == [False, False, True]
    text = "User-agent: *\nDisallow: /a\nUser-agent: other\nDisallow: /\nUser-agent: *\nDisallow: /b\n"
    assert [allows(text, path, "us") for path in ("/a", "/b", "/c")] == [False, False, True]


def test_whose_group_it_is() -> None:
    text = "User-agent: {}\nDisallow: /\n"
    for ours in ("image-crawler", "Image-Crawler/1.0", "IMAGE-CRAWLER (all)", "*", "* all"):
        assert not allows(text.format(ours), "/"), ours
    for others in (
        "image",
        "image-crawler-news",
        "crawler",
        "*bot",
        "",
        "image_crawler",
        "xn--image-crawler",
    ):
        assert allows(text.format(others), "/"), others


def test_a_group_of_ours_without_rules_counts_too() -> None:
    assert allows("User-agent: *\nDisallow: /\n\nUser-agent: image-crawler\n", "/a")
    assert allows("User-agent: image-crawler\nDisallow:\n\nUser-agent: *\nDisallow: /\n", "/a")


def test_robots_txt_itself_is_allowed() -> None:
    verdict = read("User-agent: *\nDisallow: /\n").verdict(f"{HOST}/robots.txt")
    assert (verdict.allowed, verdict.line, verdict.number) == (True, "", 0)
    assert not allows("User-agent: *\nDisallow: /\n", "/robots.txt.bak")


# --- the line that decided ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "line", "number"),
    [
        ("/private/a", "Disallow: /private/   # ours", 3),
        ("/private/open", "allow :/private/open", 5),
        ("/other", "", 0),
        ("/\u6e29", "Disallow: /\u6e29", 6),
        ("/index/", "Allow: /index/index.html", 7),
        ("/voil\u00e0", "Disallow: /voil\u00e0", 9),
    ],
)
def test_the_line_is_quoted_as_written(path: str, line: str, number: int) -> None:
    text = (
        "# hello\r\nUser-agent: *\r\n  Disallow: /private/   # ours\r\n\r\nallow :/private/open\r\n"
        "Disallow: /\u6e29\r\nAllow: /index/index.html\nDisallow: /index\nDisallow: /voil\u00e0\n"
    )
    verdict = read(text).verdict(f"{HOST}{path}")
    assert (verdict.line, verdict.number) == (line, number)


def test_of_two_as_long_the_first_is_quoted_that_allows() -> None:
    text = "User-agent: *\nDisallow: /a\nDisallow: /a\nAllow: /a\nAllow: /a\nDisallow: /b\nDisallow: /b"
    assert read(text).verdict(f"{HOST}/a").number == 4
    assert read(text).verdict(f"{HOST}/b").number == 6


def test_what_is_quoted_is_bounded() -> None:
    verdict = read("User-agent: *\nDisallow: /a #".ljust(9000, "\u00e9")).verdict(f"{HOST}/a")
    assert verdict.line.startswith("Disallow: /a #\u00e9\u00e9")
    assert verdict.line.endswith("\u00e9…")
    assert len(verdict.line) == MAX_QUOTED_CHARS


def test_the_delay_has_its_line() -> None:
    text = "User-agent: *\nCrawl-delay: 2\nDisallow: /a\nUser-agent: *\ncrawl delay: 7.5 \nCrawl-delay: 7.5\n"
    of_all = read(text)
    assert (of_all.delay_s, of_all.delay_line, of_all.delay_number) == (7.5, "crawl delay: 7.5", 5)
    for written, delay_s in (("10 s", 10.0), ("2,5", 2.5), ("5sec", 5.0), ("-3 s", 0.0), ("inf", 0.0)):
        assert read(f"User-agent: *\nCrawl-delay: {written}\n").delay_s == delay_s, "what is meant is plain"
    none = read("User-agent: *\nCrawl-delay: soon\n")
    assert (none.delay_s, none.delay_line, none.delay_number) == (0.0, "", 0)


# --- the size limit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_line_that_was_cut_does_not_count(end: bytes) -> None:
    whole = end.join((b"User-agent: *", b"Disallow: /a", b"Disallow: /b"))
    assert not allows(whole, "/bc")
    cut = read(whole, is_cut=True)
    assert cut.verdict(f"{HOST}/bc").allowed
    assert not cut.verdict(f"{HOST}/ac").allowed
    assert not read(whole + end, is_cut=True).verdict(f"{HOST}/bc").allowed
    assert read(b"User-agent: *", is_cut=True).verdict(f"{HOST}/").allowed


def test_beyond_the_limit_nothing_counts() -> None:
    head, last = b"User-agent: *\nDisallow: /a\n", b"Disallow: /b"
    padding = b"#".ljust(MAX_BYTES - len(head) - len(last) - 1, b"x") + b"\n"
    full = head + padding + last
    assert len(full) == MAX_BYTES
    assert not allows(full, "/b"), "it ends at the limit"
    assert not allows(full + b"\nDisallow: /c\n", "/b"), "so does the line"
    assert allows(full + b"\nDisallow: /c\n", "/c")
    assert allows(full + b"ar\n", "/b"), "the line was cut"
    assert not allows(full + b"ar\n", "/a")
    assert allows(b"x" * (MAX_BYTES + 1), "/")


# --- what may be done with content --------------------------------------------------------------------------

AIPREF = """User-Agent: *
Allow: /
Disallow: /never/
Content-Usage: train-ai=n
Content-Usage: /ai-ok/ train-ai=y

User-Agent: ExampleBot
Allow: /
Content-Usage: train-ai=y
"""
"""draft-ietf-aipref-attach, the example in section 3"""


@pytest.mark.parametrize(
    ("agent", "path", "allowed", "usage"),
    [
        ("other", "/test", True, "train-ai=n"),
        ("other", "/never/test", False, "train-ai=n"),
        ("other", "/ai-ok/test", True, "train-ai=y"),
        ("examplebot", "/never/test", True, "train-ai=y"),
    ],
)
def test_the_example_of_aipref(agent: str, path: str, allowed: bool, usage: str) -> None:  # noqa: FBT001 - as above
    assert allows(AIPREF, path, agent) is allowed
    assert [value for _, value, _ in said(AIPREF, path, agent)] == [usage]


def test_the_statement_has_its_line() -> None:
    (stated,) = read(AIPREF).statements(f"{HOST}/ai-ok/")
    assert stated == UsageLine(
        name="content-usage", value="train-ai=y", line="Content-Usage: /ai-ok/ train-ai=y", number=5
    )


def test_the_longest_path_states_and_all_of_the_same_length() -> None:
    text = (
        "User-agent: *\nContent-Usage: a=y\ncontent-usage :\t/x/*.png$\tb=y, c=n\nContent-Usage: /x/ d=n\n"
        "Content-Usage: /x/ e=n\nContent-Usage: /y/\nContent-Usage: x/ f=y # no path\n"
    )
    assert said(text, "/x/1.png") == [("content-usage", "b=y, c=n", 3)]
    assert said(text, "/x/1.gif") == [("content-usage", "d=n", 4), ("content-usage", "e=n", 5)]
    assert said(text, "/y/1.gif") == [("content-usage", "", 6)]
    assert said(text, "/z") == [("content-usage", "a=y", 2), ("content-usage", "x/ f=y", 7)]


def test_content_signal_is_a_line_of_a_group() -> None:
    """As Cloudflare writes it for those who ask for nothing else."""
    text = (
        "Content-Signal: nobody=yes\nUser-agent: *\nContent-Signal: search=yes,ai-train=no,use=reference\nAllow: /\n\n"
        "User-agent: Amazonbot\nDisallow: /\n"
    )
    assert said(text) == [("content-signal", "search=yes,ai-train=no,use=reference", 3)]
    assert said(text, agent="amazonbot") == []
    assert allows(text, "/a")


def test_signals_and_usages_are_each_their_own() -> None:
    text = (
        "User-agent: *\nContent-Signal: ai-train=no\nContent-Usage: /a train-ai=y\n"
        "Content-Signal: /a/b ai-train=yes\n"
    )
    assert said(text, "/a/b") == [("content-usage", "train-ai=y", 3), ("content-signal", "ai-train=yes", 4)]
    assert said(text, "/a") == [("content-signal", "ai-train=no", 2), ("content-usage", "train-ai=y", 3)]


def test_a_license_is_everyones_wherever_it_is() -> None:
    """rslstandard.org/guide/robots-txt"""
    text = "License: https://example.com/license.xml\n\nUser-agent: Googlebot\nAllow: /\nLICENSE : https://l.example/2\nLicense:\n"
    assert said(text) == [
        ("license", "https://example.com/license.xml", 1),
        ("license", "https://l.example/2", 5),
    ]


def test_more_statements_than_honest_ones_are_left_out_and_counted() -> None:
    usages = "".join(f"Content-Usage: a{n}=y\n" for n in range(MAX_STATEMENTS + 5))
    licenses = "".join(f"License: https://l.example/{n}\n" for n in range(MAX_STATEMENTS + 2))
    of_all = read(f"User-agent: *\n{usages}{licenses}")
    assert len(of_all.statements(HOST)) == 2 * MAX_STATEMENTS
    assert of_all.left_out == 7
    assert read(AIPREF).left_out == 0


# --- whatever it is -----------------------------------------------------------------------------------------

LINES = st.sampled_from(
    [
        "User-agent: *", "User-agent: us", "user-agent: other", "Disallow: /", "Disallow: /a", "Allow: /a/b",
        "Disallow:", "Allow: /*b$", "Disallow: /a*b", "Content-Usage: /a x=y", "Allow: /a/index.html",
        "Disallow: /\u6e29",
    ]
)  # fmt: skip
UNKNOWN = st.sampled_from(
    [
        "", "# a: b", "Host: a", "Crawl-delay: 3", "Sitemap: /s", "Content-Signal: a=no", "License: l", "what",
        "no: /a", " \t",
    ]
)  # fmt: skip
PATHS = ("/", "/a", "/a/b", "/a/", "/xb", "/\u6e29")


def verdicts(text: str | bytes) -> list[tuple[bool, str]]:
    of_us = read(text, "us")
    return [(found.allowed, found.line.lower()) for found in (of_us.verdict(HOST + path) for path in PATHS)]


@given(st.binary(max_size=600), st.text(max_size=30), st.booleans())
def test_nothing_is_too_odd_to_read(content: bytes, path: str, is_cut: bool) -> None:  # noqa: FBT001 - as above
    for start in (b"", b"User-agent: *\nDisallow: ", b"User-agent:*\nContent-Usage: "):
        of_all = read(start + content, is_cut=is_cut)
        for url in (f"{HOST}/{path}", path, content.decode("utf-8", "surrogateescape")):
            verdict = of_all.verdict(url)
            assert bool(verdict.line) is bool(verdict.number)
            assert verdict.allowed or verdict.number > 0
            assert all(one.number > 0 for one in of_all.statements(url))
        assert 0.0 <= of_all.delay_s <= robots_file.MAX_DELAY_S


@given(
    st.lists(LINES, max_size=12), st.lists(st.sampled_from(["\n", "\r", "\r\n"]), min_size=12, max_size=12)
)
def test_line_ends_change_nothing(lines: list[str], ends: list[str]) -> None:
    mixed = "".join(line + end for line, end in zip(lines, ends, strict=False))
    assert verdicts(mixed) == verdicts("\n".join(lines))


@given(st.lists(LINES, max_size=12), st.data())
def test_unknown_lines_anywhere_change_nothing(lines: list[str], data: st.DataObject) -> None:
    more = list(lines)
    for line in data.draw(st.lists(UNKNOWN, max_size=8)):
        more.insert(data.draw(st.integers(0, len(more))), line)
    assert verdicts("\n".join(more)) == verdicts("\n".join(lines))


@given(st.lists(LINES, max_size=12), st.sampled_from([str.lower, str.upper, str.swapcase]))
def test_the_case_of_names_changes_nothing(lines: list[str], change: Callable[[str], str]) -> None:
    changed = [change(name) + colon + value for name, colon, value in (line.partition(":") for line in lines)]
    assert verdicts("\n".join(changed)) == verdicts("\n".join(lines))


PATTERNS = st.text("ab/*$?~", max_size=8).map("/{}".format)


@given(st.lists(PATTERNS, min_size=1, max_size=6), st.text("ab/$?~", max_size=12), st.booleans())
def test_patterns_are_what_expressions_say(patterns: list[str], path: str, is_indexed: bool) -> None:  # noqa: FBT001
    """Against regular expressions, which are not bounded in time; with and without the index of the path."""
    with pytest.MonkeyPatch.context() as patched:
        if is_indexed:
            patched.setattr(robots_patterns, "_FIND_OCTETS", 0)
        for pattern in patterns:
            is_anchored = pattern.endswith("$")
            written = pattern[: len(pattern) - is_anchored]
            expression = ".*".join(map(re.escape, written.split("*"))) + (r"\Z" if is_anchored else "")
            assert fits(pattern, f"/{path}") is bool(re.match(expression, f"/{path}", re.DOTALL))


@given(st.lists(PATTERNS, min_size=1, max_size=6), st.text("ab/$?~", max_size=12))
def test_the_longest_decides(patterns: list[str], path: str) -> None:
    text = "User-agent: *\n" + "\n".join(
        f"{'Allow' if n % 2 else 'Disallow'}: {pattern}" for n, pattern in enumerate(patterns)
    )
    verdict = read(text).verdict(f"{HOST}/{path}")
    fitting = [(len(pattern), n % 2, -n) for n, pattern in enumerate(patterns) if fits(pattern, f"/{path}")]
    expected = max(fitting, default=None)
    assert verdict.number == (2 - expected[2] if expected else 0)
    assert verdict.allowed is (not expected or bool(expected[1]))


# --- bounds -------------------------------------------------------------------------------------------------


def filled(make: Callable[[int], str]) -> bytes:
    """A file of the size limit."""
    lines = ["User-agent: *"]
    left, n = MAX_BYTES - 14, 0
    while (line := make(n)) and len(line) < left:
        lines.append(line)
        left -= len(line) + 1
        n += 1
    return "\n".join(lines).encode()


DICE = random.Random(15)
TWO = "".join(DICE.choice("ab") for _ in range(8180))
HOSTILE = {
    "short rules": filled(lambda n: f"Allow:/{n:x}"),
    "pieces": filled(lambda n: f"Allow:/*{''.join(DICE.choice('ab') for _ in range(16))}"),
    "pieces that almost fit": filled(lambda _: f"Allow:/*{'a' * 49}b{'a' * 49}"),
    "long pieces": filled(lambda _: f"Allow:/*{'a' * 70}b{'a' * 69}"),
    "stars": filled(lambda n: f"Allow:/{'*a' * 8000}{n}"),
    "one line of stars": b"User-agent: *\nDisallow: /" + b"*a" * 100_000 + b"*b",
    "stars in every rule": filled(lambda n: f"Allow:*a*a*a*b{n}"),
    "stars in queries": filled(lambda n: f"Allow:*?*/*/*b{n}"),
    "pieces of all lengths": filled(lambda n: f"Allow:/*{'a' * (n % 127 + 1)}*c{n}"),
    "escapes": filled(lambda _: f"Allow:/{'%aa' * 5000}"),
    "empty lines": b"\n" * MAX_BYTES,
    "agents": b"User-agent:*\n" * (MAX_BYTES // 13),
    "usages": filled(lambda n: f"Content-Usage:/*a*b{n} c"),
    "spaces": b"User-agent: *\nDisallow" + b" \t" * (MAX_BYTES // 2 - 20),
}  # fmt: skip
LONG_URLS = [f"{HOST}/{'a' * 8180}", f"{HOST}/{TWO}", f"{HOST}/?{'a/' * 4000}", f"{HOST}/{'%61' * 2700}"]


@pytest.mark.sampled(4)
@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_takes_little_time_and_memory(name: str) -> None:
    tracemalloc.start()
    try:
        of_all = read(HOSTILE[name])
        kept_bytes, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 30 * MAX_BYTES
    assert peak_bytes < 50 * MAX_BYTES
    with cpu_below(3.0):
        read(HOSTILE[name])
    for url in LONG_URLS:
        with cpu_below(1.5):
            of_all.verdict(url)
            of_all.statements(url)


@pytest.mark.slow
@pytest.mark.untraced
@pytest.mark.parametrize(("name", "share"), [("pieces", 0.5), ("stars in every rule", 3.0)])
def test_a_verdict_is_no_search_of_the_whole_url_for_each_rule(name: str, share: float) -> None:
    """Of what str.find takes for the last piece of each rule it takes this much; and says the same."""
    of_all, url = read(HOSTILE[name]), LONG_URLS[0]
    path = url.removeprefix(HOST)
    pieces = [rule.pattern.rest[-1] for rule in of_all._rules]
    plain_s = cpu_s(lambda: [path.find(piece) for piece in pieces], times=3)
    assert cpu_s(lambda: of_all.verdict(url), times=3) < plain_s * share
    assert of_all.verdict(url).allowed


def test_verdicts_are_values() -> None:
    assert isinstance(read("").verdict(HOST), Value)
