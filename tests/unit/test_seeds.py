"""What is typed as a seed: URLs, hosts without a scheme, names of files, and what is nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.config import Config, FetchConfig
from crawler.errors import SeedError, SeedUnreachable
from crawler.run import seed_schemes
from crawler.seeds import Seed, seed_of, whole
from crawler.urls import canonical


@pytest.mark.parametrize(
    ("typed", "rest"),
    [
        ("example.org", "example.org/"),
        (" www.example.org/a/b.html?c=d#e ", "www.example.org/a/b.html?c=d"),
        ("example.org:8080", "example.org:8080/"),
        ("EXAMPLE.org.", "example.org./"),
        ("//example.org/x", "example.org/x"),
        ("localhost", "localhost/"),
        ("localhost:8000/x", "localhost:8000/x"),
        ("intranet:8080", "intranet:8080/"),
        ("127.0.0.1:8801", "127.0.0.1:8801/"),
        ("[::1]:8801", "[::1]:8801/"),
        ("[2001:db8::7]", "[2001:db8::7]/"),
        ("bücher.example", "xn--bcher-kva.example/"),
        ("例え。jp", "xn--r8jz45g.jp/"),
        ("example.org/a b", "example.org/a%20b"),
        ("my_host.example", "my_host.example/"),
    ],
)
def test_a_host_without_a_scheme_is_tried_by_https_and_by_http(typed: str, rest: str) -> None:
    assert seed_of(typed).urls == (f"https://{rest}", f"http://{rest}")


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("http://example.org", "http://example.org/"),
        ("HTTPS://Example.ORG/a", "https://example.org/a"),
        ("http:/example.org", "http://example.org/"),
        ("example.org:80/a", "http://example.org/a"),
        ("[::1]:80", "http://[::1]/"),
        ("example.org:443", "https://example.org/"),
        ("example.org:0443", "https://example.org/"),
    ],
)
def test_who_says_the_scheme_or_its_port_has_said_it(typed: str, url: str) -> None:
    assert seed_of(typed).urls == (url,)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "the seed '' is not an http or https URL; give one such as https://example.org/"),
        ("https://", "is not an http or https URL"),
        ("ftp://example.org/", "the seed 'ftp://example.org/' is not an http or https URL"),
        ("example", "or, if 'example' is a host of your network, http://example/"),
        ("mailto:a@example.org", "has no user name"),
        ("javascript:alert(1)", "is not an http or https URL"),
        ("tel:5551234", "is not an http or https URL"),
        ("5", "is not an http or https URL"),
        ("1.2", "is not an http or https URL"),
        ("0x7f.1", "is not an http or https URL"),
        ("::1", "is not an http or https URL"),
        ("*.example.org", "is not an http or https URL"),
        ("example..org", "is not an http or https URL"),
        ("example.org:99999", "is not an http or https URL"),
        ("..", "is not an http or https URL"),
        ("../index.html", "say image-crawler extract ../index.html"),
        ("./urls.txt", "say -i ./urls.txt"),
        (r"C:\lists\urls.csv", "say -i C:\\lists\\urls.csv"),
        ("cookies.txt", "to send the cookies in it, say --cookies cookies.txt"),
        ("photo.jpg", "looks like the name of a file, and there is none; give a URL"),
    ],
)
def test_what_is_no_seed_says_what_would_be_right(typed: str, says: str) -> None:
    with pytest.raises(SeedError) as caught:
        seed_of(typed)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("example.org", "say -i "),
        ("page.html", "say image-crawler extract "),
        ("lists/my.urls", "--image-list "),
        ("jar/example.cookies", "--cookies "),
    ],
)
def test_a_file_that_is_there_is_no_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).touch()
    with pytest.raises(SeedError, match="is a file, and no URL") as caught:
        seed_of(name)
    assert f"{says}{name}" in str(caught.value)


@pytest.mark.parametrize(
    "typed", ["user:hunter2@example.org", "user:hunter2@h", "user:hunter2@h/x.txt", "//u:hunter2@h.example/"]
)
def test_a_password_is_not_told(typed: str) -> None:
    with pytest.raises(SeedError) as caught:
        seed_of(typed)
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=40) | st.from_regex(r"[a-z0-9.:@/?#\[\]\\ -]{0,30}", fullmatch=True))
@example("\0")
@example("a.b:" + "9" * 30)
def test_anything_is_a_seed_or_an_error(typed: str) -> None:
    try:
        seed = seed_of(typed)
    except SeedError:
        return
    assert all(canonical(url) == url for url in seed.urls)
    assert len(seed.urls) in {1, 2}
    assert [url.partition(":")[0] for url in seed.urls] in ([["https"], ["http"], ["https", "http"]])


# --- which of the two it is -------------------------------------------------------------------------------


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """URLs that nobody answers for, and why; what was asked for is added, by an empty reason."""
    told: dict[str, str] = {}

    def silence(url: str, fetch: FetchConfig) -> str:
        assert isinstance(fetch, FetchConfig)
        return told.setdefault(url, "")

    monkeypatch.setattr(seed_schemes, "silence", silence)
    return told


def seeds(*typed: str) -> Sequence[Seed]:
    return [seed_of(each) for each in typed]


def test_https_is_taken_where_it_answers(silent: dict[str, str]) -> None:
    found = seed_schemes.settled(seeds("example.org/a", "http://b.example/"), (), Config().fetch)
    assert found.seeds == ("https://example.org/a", "http://b.example/")
    assert (found.notes, found.by_http, found.were_asked) == ((), (), True)
    assert list(silent) == ["https://example.org/a"], "http is not asked, nor who has a scheme"


def test_http_is_taken_where_https_does_not_answer_and_it_says_why(silent: dict[str, str]) -> None:
    silent["https://example.org/"] = "refused"
    found = seed_schemes.settled(seeds("example.org"), (), Config().fetch)
    assert found.seeds == ("http://example.org/",)
    assert (found.notes, found.by_http) == ((), ("by http: no answer by https (refused)",))


def test_of_several_hosts_it_says_which_is_asked_by_http(silent: dict[str, str]) -> None:
    silent |= {"https://example.org/a": "refused", "https://example.org/b": "refused"}
    found = seed_schemes.settled(seeds("example.org/a", "b.example", "example.org/b"), (), Config().fetch)
    assert found.by_http == ("example.org by http: no answer by https (refused)",)


def test_a_host_is_asked_once(silent: dict[str, str]) -> None:
    found = seed_schemes.settled(seeds("example.org/a", "example.org/b", "example.org/a"), (), Config().fetch)
    assert found.seeds == ("https://example.org/a", "https://example.org/b")
    assert len(silent) == 1


def test_who_does_not_answer_at_all_is_an_error(silent: dict[str, str]) -> None:
    silent |= {"https://example.org/": "refused", "http://example.org/": "lost"}
    with pytest.raises(SeedUnreachable, match=r"does not answer: by https: refused; by http: lost"):
        seed_schemes.settled(seeds("example.org"), (), Config().fetch)


def test_one_of_several_that_does_not_answer_is_left_to_the_crawl(silent: dict[str, str]) -> None:
    silent |= {"https://a.example/": "refused", "http://a.example/": "refused"}
    for others in (["b.example"], ["http://b.example/"]):
        found = seed_schemes.settled(seeds("a.example", *others), (), Config().fetch)
        assert found.seeds == ("https://a.example/", seed_of(others[0]).urls[0])
        assert (
            found.notes[0] == "a.example does not answer: refused; https://a.example/ is tried in the crawl"
        )


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_crawl_goes_on_by_its_own_scheme_and_nobody_is_asked(silent: dict[str, str], scheme: str) -> None:
    silent |= {"https://example.org/": "offline", "http://example.org/": "offline"}
    found = seed_schemes.settled(seeds("example.org"), (f"{scheme}://example.org/",), Config().fetch)
    assert found.seeds == (f"{scheme}://example.org/",)
    assert (found.notes, found.by_http, found.were_asked) == ((), (), False)


def test_a_password_is_not_sent_by_http_because_https_is_silent(silent: dict[str, str]) -> None:
    silent["https://example.org/"] = "refused"
    fetch = FetchConfig(login="user:hunter2")
    with pytest.raises(
        SeedUnreachable, match=r"not sent by http unless the seed says so: http://example\.org/"
    ):
        seed_schemes.settled(seeds("example.org"), (), fetch)
    assert "http://example.org/" not in silent
    assert seed_schemes.settled([whole("http://example.org/")], (), fetch).seeds == ("http://example.org/",)
