"""URLs as a browser sees them; judged by the standard's own vectors where they are at hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.errors import SeedError
from crawler.scope import Scope
from crawler.urls import (
    MAX_URL_CHARS,
    Base,
    canonical,
    canonical_seed,
    host_key,
    identity,
    maybe_session,
    resolve,
    without_tracking,
)
from tests.support.vectors import vectors

BASE = "http://example.org/a/b.html?q=1"


def _without_what_is_dropped(url: str) -> str:
    """*url* as it is fetched: without fragment, user name and password."""
    scheme, _, rest = url.partition("#")[0].partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def test_references_resolve_as_in_a_browser() -> None:
    cases = vectors("urls")
    wrong = []
    for case in cases:
        expected = case["expect"] and _without_what_is_dropped(case["expect"])
        got = resolve(case["input"], case["base"] or "about:blank")
        if got != expected:
            wrong.append((case["input"], case["base"], expected, got))
    assert len(cases) > 400
    assert wrong == []


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("c.png", "http://example.org/a/c.png"),
        ("/c.png", "http://example.org/c.png"),
        ("../../../c.png", "http://example.org/c.png"),
        ("//cdn.example/c.png", "http://cdn.example/c.png"),
        ("?q=2", "http://example.org/a/b.html?q=2"),
        ("", BASE),
        ("#top", BASE),
        ("  c.png\n", "http://example.org/a/c.png"),
        ("c .png", "http://example.org/a/c%20.png"),
        ("ä.png", "http://example.org/a/%C3%A4.png"),
        ("%7Ec.png", "http://example.org/a/%7Ec.png"),
        ("\\c.png", "http://example.org/c.png"),
        ("HTTP://EXAMPLE.ORG:80/C.png", "http://example.org/C.png"),
        ("https://example.org:443/", "https://example.org/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://u:p@example.org/c.png", "http://example.org/c.png"),
        ("http://example.org/@c.png", "http://example.org/@c.png"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("c.png?a=b&c=d", "http://example.org/a/c.png?a=b&c=d"),
    ],
)
def test_a_reference_is_resolved_and_canonical(reference: str, expected: str) -> None:
    assert resolve(reference, BASE) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize(
    "reference",
    [
        "data:image/png;base64,AAAA",
        "javascript:void(0)",
        "mailto:a@b.example",
        "ftp://example.org/c.png",
        "blob:http://example.org/1",
        "http://",
        "http://exa mple.org/",
        "http://[::1/",
        "http://example.org:99999/",
        "http://a.example/" + "x" * MAX_URL_CHARS,
        "x" * 100_000,
        "http://\ud800.example/",
    ],
)
def test_what_can_not_be_fetched_is_none(reference: str) -> None:
    assert resolve(reference, BASE) is None


def test_a_relative_reference_needs_a_base_that_can_have_one() -> None:
    assert resolve("c.png", "about:blank") is None
    assert resolve("c.png", "not a url") is None
    assert canonical("c.png") is None


def test_the_longest_url_is_as_long_as_said() -> None:
    url = "http://a.example/" + "x" * (MAX_URL_CHARS - 17)
    assert len(url) == MAX_URL_CHARS
    assert canonical(url) == url
    assert canonical(url + "x") is None
    assert canonical(url + "#" + "f" * 100) == url, "the fragment does not count"


@given(st.text(), st.text())
def test_it_never_raises_and_its_answers_are_canonical(reference: str, base: str) -> None:
    for url in (resolve(reference, base), resolve(reference, BASE), canonical(reference)):
        if url is not None:
            assert url.startswith(("http://", "https://"))
            assert "#" not in url
            assert len(url) <= MAX_URL_CHARS
            assert canonical(url) == url
            assert url.startswith(host_key(url) + "/")
            assert Scope((url,)).admits(url)


@given(
    st.sampled_from(["http", "https", "HTTP"]),
    st.from_regex(r"[a-z0-9]{1,8}(\.[a-z]{2,5}){0,2}(:[0-9]{1,4})?", fullmatch=True),
    st.text(max_size=30),
)
def test_plausible_urls_are_canonical_once_and_for_all(scheme: str, host: str, path: str) -> None:
    url = canonical(f"{scheme}://{host}/{path}")
    if url is not None:
        assert canonical(url) == url
        assert resolve("", url) == url


# --- seeds ---


def test_a_seed_is_made_canonical() -> None:
    assert canonical_seed("  HTTPS://Example.ORG  ") == "https://example.org/"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("example.org", "has no scheme; did you mean https://example.org/ ?"),
        ("example.org/a b", "did you mean https://example.org/a%20b ?"),
        ("//example.org/x", "did you mean https://example.org/x ?"),
        ("localhost:8000", "did you mean http://localhost:8000/ ?"),
        ("127.0.0.1:8000/x", "did you mean http://127.0.0.1:8000/x ?"),
        ("ftp://example.org/", "is not an http or https URL"),
        ("https://", "is not an http or https URL"),
        ("example", "is not an http or https URL; give one such as https://example.org/"),
        ("", "the seed '' is not an http or https URL"),
    ],
)
def test_a_seed_that_won_t_do_says_what_would(text: str, said: str) -> None:
    with pytest.raises(SeedError) as caught:
        canonical_seed(text)
    assert said in str(caught.value)


# --- hosts and scope ---


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://a.example/", "http://a.example"),
        ("https://a.example:8443/x?y=/z", "https://a.example:8443"),
        ("http://[::1]:80/", "http://[::1]:80"),
    ],
)
def test_a_host_is_scheme_name_and_port(url: str, key: str) -> None:
    assert host_key(url) == key


@pytest.mark.parametrize(
    ("url", "admitted"),
    [
        ("http://example.org/deep/page", True),
        ("https://example.org/", True),
        ("https://www.example.org/", True),
        ("http://example.org:8080/", False),
        ("http://sub.example.org/", False),
        ("http://example.org.evil.example/", False),
        ("http://other.example/", False),
        ("http://second.example:81/", True),
        ("https://second.example/", False),
    ],
)
def test_a_scope_is_the_sites_of_its_seeds(url: str, *, admitted: bool) -> None:
    scope = Scope(("http://www.example.org/start", "http://second.example:81/"))
    assert scope.admits(url) is admitted


@pytest.mark.parametrize(
    ("url", "known_as"),
    [
        ("https://e.org/a;jsessionid=12AB?x=1", "https://e.org/a?x=1"),
        ("https://e.org/a;JSESSIONID=12AB.node1/b", "https://e.org/a/b"),
        ("https://e.org/a?PHPSESSID=abc&id=3", "https://e.org/a?id=3"),
        ("https://e.org/a?id=3&PHPSESSID=abc", "https://e.org/a?id=3"),
        ("https://e.org/a?phpsessid=abc", "https://e.org/a"),
        ("https://e.org/a?CFID=12&CFTOKEN=77", "https://e.org/a"),
        ("https://e.org/a?p=2&ASPSESSIONIDQQAACBTC=ABCDEFGHIJKLMNOPABCDEFGH", "https://e.org/a?p=2"),
        ("https://e.org/a;jsessionid=0A1B2C.node1?p=2", "https://e.org/a?p=2"),
        ("https://e.org/(A(b)S(lit3py55t21z5v55vlm25s55))/a.aspx", "https://e.org/a.aspx"),
        ("https://e.org/(S(lit3py55t21z5v55vlm25s55))/a.aspx", "https://e.org/a.aspx"),
        *((url, url) for url in (
            "https://e.org/",
            "https://e.org/?sid=12",
            "https://e.org/?s=roses",
            "https://e.org/?session=morning-of-the-second-day",
            "https://e.org/possession?assessment=1",
            "https://e.org/sid=0123456789abcdef0123456789abcdef",
            "https://e.org/wiki/Rose_(S(1))x/",
            "https://e.org/(S(1))/",
            "https://e.org/a?cfid=12&p=2",
            "https://e.org/a?zenid=5",
            "https://e.org/a?aspsessionidea=1",
            "https://e.org/a;sid=0123456789abcdef0123456789abcdef",
            *(f"https://e.org/thumb.php?{name}=0123456789abcdef0123456789abcdef" for name in (
                "s", "sid", "sess", "sessid", "session", "session_id", "token", "cfid",
            )),
            "https://e.org/a?b=1&&c&=2&d=",
            "https://e.org/a?",
        )),
    ],
)  # fmt: skip
def test_a_session_id_is_no_part_of_what_a_url_is_known_by(url: str, known_as: str) -> None:
    assert canonical(url) == url
    assert identity(url) == known_as
    assert identity(known_as) == known_as


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/a?sid=0123456789abcdef0", ("sid", "/a")),
        ("/a?p=2&S=0123456789abcdef0", ("s", "/a?p=2")),
        ("/a?token=0123456789abcdef0&p=2", ("token", "/a?p=2")),
        ("/a;sid=0123456789abcdef0/b?p=2", ("sid", "/a/b?p=2")),
        ("/a?s=roses", None),
        ("/a?s=a-rose-is-a-rose-is-a-rose", None),
        ("/a?sid=12", None),
        ("/a?session=2026-11-29+morning+and+evening", None),
        ("/a?ids=0123456789abcdef0", None),
        ("/sid=0123456789abcdef0", None),
    ],
)
def test_what_may_be_a_session_id(url: str, expected: tuple[str, str] | None) -> None:
    found = maybe_session(f"https://e.org{url}")
    assert found == (expected and (expected[0], f"https://e.org{expected[1]}"))


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://e.org/a?utm_source=x&id=1&utm_medium=y", "https://e.org/a?id=1"),
        ("https://e.org/a?fbclid=1&gclid=2&msclkid=3&b&c=", "https://e.org/a?msclkid=3&b&c="),
        ("https://e.org/a?UTM_SOURCE=x", "https://e.org/a"),
        ("https://e.org/a?futm_source=x&ref=1", "https://e.org/a?futm_source=x&ref=1"),
        ("https://e.org/utm_source=x", "https://e.org/utm_source=x"),
    ],
)
def test_tracking_parameters_can_be_left_out(url: str, left: str) -> None:
    assert without_tracking(url) == left


@given(st.text(alphabet="?&=;/()aSs1PHPSESIDutm_", max_size=60))
def test_what_is_taken_out_of_a_url_is_taken_out_at_once(text: str) -> None:
    url = resolve(text, "https://e.org/")
    if url is not None:
        assert identity(identity(url)) == identity(url)
        assert without_tracking(without_tracking(url)) == without_tracking(url)
        assert canonical(identity(url)) is not None


@pytest.mark.parametrize(
    "seed", ["ftp://joe:hunter2@host/", "https://joe:hunter2@", "gopher://joe:hunter2@h/a@b"]
)
def test_a_password_in_a_seed_is_not_told(seed: str) -> None:
    with pytest.raises(SeedError) as caught:
        canonical_seed(seed)
    assert "hunter2" not in str(caught.value)


_WORDS = "// .. ../ ../../ http: https:// HTTPS: //h %2e javascript: http://h/ https://h:8/ https://h:8 a.html d1/ é"
_PIECES = st.sampled_from(
    [*_WORDS.split(), *"/.?#:@\\%~_-+ab1 \t\n&=;|'\"<^`{", "\ud800", "\u3000", "\x0b", "\0"]
)


@pytest.mark.slow
@settings(max_examples=2000)
@given(
    st.lists(_PIECES, max_size=8).map("".join),
    st.sampled_from(["http://h/", "https://h:8/a/b.html?q=/x/y", "http://h/a//b/?c", "https://h/a;x=/b/c"]),
)
def test_a_reference_means_the_same_without_the_parser(reference: str, base: str) -> None:
    assert Base(base).resolve(reference) == resolve(reference, base)
