"""The proxies of the settings and of the environment: who is asked through what, and what is said of unused ones."""

from __future__ import annotations

import pytest

from crawler.config import FetchConfig, load
from crawler.errors import (
    ConfigError,
)
from crawler.http.proxies import ENVIRONMENT, Proxies, networks_of, unused
from crawler.models import TaskKind
from crawler.queues import Plan
from crawler.run.trust import Trust, asks
from tests.support.socksserver import look_ups  # noqa: F401 - a fixture

# --- what the setting takes ---


@pytest.mark.parametrize(
    "proxy", ["socks5://h", "socks5h://u:p@h:9050", "socks5://[::1]:1080/", "environment"]
)
def test_what_is_a_proxy(proxy: str) -> None:
    assert load(flags={"proxy": proxy}).fetch.proxy == proxy
    Proxies(proxy, {})


@pytest.mark.parametrize(
    "proxy", ["socks://h:1", "socks4://h:1", "h:1080", "Environment", "env", "socks5://"]
)
def test_what_is_none_says_what_would_be(proxy: str) -> None:
    with pytest.raises(ConfigError, match=r"expected .*socks5h://… or environment"):
        load(flags={"proxy": proxy})


@pytest.mark.parametrize("login", ["u:@", ":p@", f"{'u' * 256}:p@", f"u:{'%C3%BC' * 128}@"])
def test_a_login_that_socks_can_t_say(login: str) -> None:
    with pytest.raises(ConfigError, match="1 to 255 bytes"):
        Proxies(f"socks5h://{login}h:1")


def test_nothing_shows_the_password_of_a_proxy() -> None:
    proxy = Proxies("socks5h://me:s3cret@proxy.example:9").of("http://a.example/")
    assert "s3cret" not in f"{proxy!r} {proxy}"


# --- the environment's ---

CORPORATE = {
    "HTTPS_PROXY": "http://secure.proxy:3128",
    "http_proxy": "plain.proxy:8080",
    "NO_PROXY": "localhost,127.0.0.1, .internal.example,*.star.example 10.0.0.0/8,with.port:8443,[fd00::1]",
}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://site.example/", "secure.proxy:3128"),
        ("http://site.example/", "plain.proxy:8080"),
        ("http://localhost:8000/", None),
        ("http://127.0.0.1:9/", None),
        ("http://127.0.0.2:9/", "plain.proxy:8080"),
        ("https://internal.example/", None),
        ("https://a.internal.example./", None),
        ("https://notinternal.example/", "secure.proxy:3128"),
        ("https://a.star.example/", None),
        ("https://10.1.2.3/", None),
        ("https://11.1.2.3/", "secure.proxy:3128"),
        ("https://with.port:8443/", None),
        ("https://with.port:9443/", "secure.proxy:3128"),
        ("http://[fd00::1]/", None),
        ("http://[fd00::2]/", "plain.proxy:8080"),
    ],
)
def test_the_environment_says_who_is_asked_through_what(url: str, name: str | None) -> None:
    found = Proxies(ENVIRONMENT, CORPORATE).of(url)
    assert (found and found.name) == name
    assert Proxies("", CORPORATE).of(url) is None, "not asked for"
    always = Proxies("http://mine:1", CORPORATE).of(url)
    assert always is not None
    assert always.name == "mine:1", "NO_PROXY is for those of the environment"


def test_all_proxy_is_for_what_has_none_of_its_own() -> None:
    proxies = Proxies(ENVIRONMENT, {"ALL_PROXY": "socks5h://tor:9050", "https_proxy": "http://p:1"})
    plain, secure = proxies.of("http://a.example/"), proxies.of("https://a.example/")
    assert plain is not None
    assert secure is not None
    assert (plain.is_socks, plain.name, secure.name) == (True, "tor:9050", "p:1")
    assert Proxies(ENVIRONMENT, {"ALL_PROXY": "http://p:1", "no_proxy": "*"}).of("http://a.example/") is None


def test_what_the_environment_names_wrongly_says_where() -> None:
    with pytest.raises(ConfigError, match="all_proxy of the environment") as caught:
        Proxies(ENVIRONMENT, {"ALL_PROXY": "socks4://me:s3cret@h:1"})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "seed", "said"),
    [
        ({}, "https://a.example/", ""),
        (
            {"HTTPS_PROXY": "http://p:1"},
            "https://a.example/",
            "HTTPS_PROXY is set and not used: say --proxy environment",
        ),
        (
            {"HTTPS_PROXY": "http://p:1", "all_proxy": "x:1"},
            "https://a.example/",
            "HTTPS_PROXY, all_proxy are set",
        ),
        ({"HTTPS_PROXY": "http://p:1"}, "http://a.example/", ""),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "127.0.0.1"}, "http://127.0.0.1:8000/", ""),
        ({"HTTP_PROXY": ""}, "http://a.example/", ""),
        ({"HTTP_PROXY": "nonsense://"}, "http://a.example/", "HTTP_PROXY is set and not used"),
        ({"NO_PROXY": "*"}, "http://a.example/", ""),
    ],
)
def test_proxies_that_are_not_used_are_said_where_they_matter(
    environment: dict[str, str], seed: str, said: str
) -> None:
    told = unused(FetchConfig(), [seed], environment)
    assert told.startswith(said)
    assert bool(told) == bool(said)
    assert unused(FetchConfig(proxy="environment"), [seed], environment) == ""


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5h://127.0.0.1:1", "socks5://127.0.0.1:1", ""])
def test_what_seeds_open_is_not_looked_up_where_the_proxy_does_that(looked_up: list[str], proxy: str) -> None:
    networks = networks_of(
        ("http://secret.example/", "http://10.1.1.1/", "http://localhost/"), Proxies(proxy)
    )
    assert "10.0.0.0/8" in networks
    assert "127.0.0.1@localhost" in networks
    ours = proxy.startswith("socks5:") or not proxy
    assert ("secret.example" in looked_up) is ours


def test_a_guest_is_asked_for_leave() -> None:
    def what(proxy: str) -> list[tuple[Trust, str]]:
        plan = Plan(id="1", seeds=("http://a.example/",), config=load(flags={"proxy": proxy}))
        return [(ask.trust, ask.what) for ask in asks(plan, TaskKind.PAGE, ["203.0.114.9"])]

    ((trust, told),) = what("socks5h://me:s3cret@h:1")
    assert trust is Trust.PROXY
    assert "s3cret" not in told
    assert what("environment") == [
        (Trust.PROXY, "send requests through the proxies that its own environment names")
    ]
