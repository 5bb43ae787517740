"""What the plan of a crawl asks of a machine, and that nobody gets more of it than its operator allows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crawler import cli
from crawler.config import SETTINGS, AccessConfig, Config, MachineConfig, ScopeConfig, load
from crawler.errors import UsageError
from crawler.models import TaskKind
from crawler.queues import Plan
from crawler.run.trust import RULES, USUAL, Ask, Trust, allowed, asks, checked, own

IMAGE, PAGE = TaskKind.IMAGE, TaskKind.PAGE
SEEDS = ("http://a.example/",)
LAN, ELSEWHERE, HERE = ("192.168.1.7",), ("203.0.114.9",), ("127.0.0.1",)
OF_NETWORKS = frozenset({"allow_addresses"})
"""Settings that ask for networks, together with the plan's own ``networks`` and the ports of its seeds."""
HARMLESS = frozenset(
    {
        # what is read, what is taken, and what is done with it
        "scope", "include", "exclude", "images_from", "include_images", "exclude_images", "strip_tracking",
        "avoid_traps", "max_depth", "max_pages", "max_images", "max_links_per_page", "parser", "sitemaps",
        "script_urls", "feeds", "render", "images", "incomplete", "formats", "min_width_px", "max_width_px",
        "min_height_px", "max_height_px", "min_image_bytes", "max_aspect", "layout", "fsync",
        # what owners ask, and how sites are talked to: with passwords of the crawl, not of this machine
        "obey_robots_txt", "obey_nofollow", "obey_rel_nofollow", "obey_noindex", "obey_noimageindex",
        "obey_noai", "obey_noimageai", "obey_tdm_reservation", "purpose", "obey_tdmrep", "record_tdmrep",
        "obey_content_usage", "obey_content_signal", "obey_data_mining", "obey_training_mining", "user_agent",
        "headers", "keep_cookies", "login", "transport",
        # bounded by themselves, or by others that have a rule
        "min_rate_bytes_s", "limit_rate_bytes_s", "max_redirects", "tries", "lease_batch", "render_scrolls",
        "render_clicks",
        # how many processes there are is said on this machine
        "harvesters", "downloaders", "renderers",
        # kept by the queue
        "per_host", "per_domain", "delay_s", "lease_s", "max_attempts", "retry_delay_s", "host_patience_s",
        "image_backlog", "result_backlog", "queue_shards",
    }
)  # fmt: skip
"""Settings that ask nothing of a machine, whatever their value."""
OWN_SECTIONS = frozenset({"run", "manager", "access", "machine", "log", "monitoring"})
"""Sections that are each machine's own, or of one run: those of a plan are ignored."""


def plan(*, networks: tuple[str, ...] = (), seeds: tuple[str, ...] = SEEDS, **settings: Any) -> Plan:
    return Plan(id="1", seeds=seeds, networks=networks, config=load(flags=settings))


def asked(plan: Plan, kind: TaskKind = IMAGE, hosts: tuple[str, ...] = ELSEWHERE) -> list[tuple[Trust, str]]:
    return [(ask.trust, ask.what) for ask in asks(plan, kind, hosts)]


# --- nothing is forgotten ---


def test_every_setting_is_harmless_or_has_a_rule_or_is_each_machines_own() -> None:
    """To add a setting, ask what whoever runs a crawl could do with it to the machines that work for it."""
    classes = [
        set(RULES),
        set(OF_NETWORKS),
        set(HARMLESS),
        {key for key, setting in SETTINGS.items() if setting.section in OWN_SECTIONS},
    ]
    assert sum(map(len, classes)) == len(set().union(*classes)), "one is in two of them"
    assert set().union(*classes) == set(SETTINGS)


def test_a_plan_has_nothing_else() -> None:
    assert set(Plan.__struct_fields__) == {"id", "seeds", "config", "browser", "networks"}
    assert set(Config.__struct_fields__) == {setting.section for setting in SETTINGS.values()}


REACHING: dict[str, tuple[Any, Trust, str]] = {
    "allow_addresses": (
        ["10.0.0.0/8"],
        Trust.NETWORKS,
        "connect to addresses that are not public: 10.0.0.0/8",
    ),
    "proxy": (
        "http://u:secret@p.example:3128",
        Trust.PROXY,
        "send every request through the proxy http://…@p.example:3128",
    ),
    "verify_tls": (False, Trust.INSECURE_TLS, "believe every https server, whatever its certificate"),
    "netrc": (True, Trust.NETRC, "log in at sites with the passwords of its ~/.netrc"),
    "storage": ("s3://b/c", Trust.STORAGE, "write to s3://b/c with its own credentials"),
    "render_posts": (
        "any",
        Trust.POSTS,
        "send what scripts of pages want sent (POST) to hosts of any domain",
    ),
}


@pytest.mark.parametrize("key", [*RULES, *OF_NETWORKS])
def test_what_reaches_further_is_told(key: str) -> None:
    setting = SETTINGS[key]
    if key in REACHING:
        value, trust, what = REACHING[key]
    else:
        less = key in {"min_free_bytes", "heartbeat_s"}
        value = setting.type(0.05 if key == "heartbeat_s" else 0) if less else setting.default + 1
        trust, what = Trust.LIMITS, f"{key} = {value:,}, {setting.default:,} being usual"
    kinds = RULES[key].kinds if key in RULES else tuple(TaskKind)
    for kind in TaskKind:
        found = asked(plan(**{key: value}), kind)
        if kind in kinds:
            assert [name for name, _ in found] == [trust]
            assert what in found[0][1]
            assert "secret" not in found[0][1]
        else:
            assert found == [], "it means nothing to this kind of worker"
    assert asked(plan()) == [], "by default nothing is asked"


@pytest.mark.parametrize("key", sorted(HARMLESS))
def test_what_is_harmless_asks_nothing(key: str) -> None:
    setting = SETTINGS[key]
    values: list[Any] = [setting.default]
    if setting.type is bool:
        values = [True, False]
    elif setting.choices:
        values = list(setting.choices)
    elif setting.type in (int, float):
        values = [1, 2]
    for value in values:
        assert asked(plan(**{key: value})) == []


def test_no_plan_has_a_say_in_what_is_each_machines_own() -> None:
    config = Config(
        access=AccessConfig(trust=("all",), insecure_plaintext=True),
        machine=MachineConfig(chromium="/bin/sh", behaviours="/etc/passwd"),
        scope=ScopeConfig(max_depth=3),
    )
    assert own(Plan(seeds=SEEDS, config=config)).config == Config(scope=ScopeConfig(max_depth=3))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_asked_for_too(value: float) -> None:
    """No setting is one, but who has the key may write its plans by hand."""
    config = Config(images=msgspec.structs.replace(Config().images, decode_timeout_s=value))
    assert [name for name, _ in asked(Plan(seeds=SEEDS, config=config))] == [Trust.LIMITS]


# --- networks ---


@pytest.mark.parametrize(
    ("networks", "hosts", "trust"),
    [
        ("192.168.0.0/16", LAN, Trust.MANAGER_NETWORK),
        ("192.168.77.3", LAN, Trust.MANAGER_NETWORK),
        ("192.168.77.3@a.example", LAN, Trust.MANAGER_NETWORK),
        ("10.0.0.0/8", LAN, Trust.NETWORKS),
        ("127.0.0.0/8", LAN, Trust.NETWORKS),
        ("192.0.0.0/8", LAN, Trust.NETWORKS),
        ("0.0.0.0/0", LAN, Trust.NETWORKS),
        ("0.0.0.0/0", HERE, Trust.NETWORKS),
        ("::/0", ("::1",), Trust.NETWORKS),
        ("169.254.169.254/32", LAN, Trust.NETWORKS),
        ("169.254.169.254", HERE, Trust.NETWORKS),
        ("127.0.0.0/8", HERE, Trust.MANAGER_NETWORK),
        ("127.0.0.1@a.example", ("localhost",), Trust.MANAGER_NETWORK),
        ("::1/128", ("::1",), Trust.MANAGER_NETWORK),
        ("fd12:3456:789a::/48", ("fd12:3456:789a::7",), Trust.MANAGER_NETWORK),
        ("fd00::/8", ("fd12:3456:789a::7",), Trust.NETWORKS),
        ("::ffff:10.0.0.1", LAN, Trust.NETWORKS),
        ("10.66.0.9@a.example", ELSEWHERE, Trust.NETWORKS),
        ("10.66.0.9@a.example", ("crawl.example",), Trust.NETWORKS),
        ("intranet", HERE, Trust.NETWORKS),
        ("intranet:8080", HERE, Trust.NETWORKS),
        ("0x7f.1", HERE, Trust.NETWORKS),
        ("2130706433", HERE, Trust.NETWORKS),
        ("@a.example", HERE, Trust.NETWORKS),
    ],
)
def test_networks_are_those_of_the_manager_or_others(
    networks: str, hosts: tuple[str, ...], trust: Trust
) -> None:
    assert [name for name, _ in asked(plan(networks=(networks,)), hosts=hosts)] == [trust]


def test_a_name_of_the_manager_opens_nothing_for_it_may_stand_for_anything_a_moment_later() -> None:
    looked_up: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("socket.getaddrinfo", lambda *args, **_: looked_up.append(args[0]) or [])
        names = [name for name, _ in asked(plan(networks=("10.0.0.0/8",)), hosts=("crawl.example",))]
    assert names == [Trust.NETWORKS]
    assert looked_up == []


def test_public_addresses_are_nothing_to_ask_for() -> None:
    assert asked(plan(allow_addresses=["93.184.216.34"])) == []


def test_networks_are_told_with_the_host_that_they_are_of() -> None:
    found = asked(
        plan(networks=("10.66.0.9@a.example", "192.168.0.0/16"), allow_addresses=["nas"]), hosts=LAN
    )
    assert found == [
        (
            Trust.NETWORKS,
            "connect to addresses that are not public: 10.66.0.9 (a.example), nas, wherever that is",
        ),
        (
            Trust.MANAGER_NETWORK,
            "connect to addresses that are not public, of the manager's network: 192.168.0.0/16",
        ),
    ]


def test_a_seed_at_a_port_of_no_web_server_asks_for_it() -> None:
    assert asked(plan(seeds=("http://a.example:25/",))) == [
        (Trust.NETWORKS, "connect to a port that no web server has: 25")
    ]


# --- what is allowed ---


@pytest.mark.parametrize(
    ("words", "trust"),
    [
        ((), USUAL),
        (("netrc",), USUAL | {Trust.NETRC}),
        (("none",), frozenset()),
        (("none", "netrc", "limits"), frozenset({Trust.NETRC, Trust.LIMITS})),
        (("all",), frozenset(Trust)),
    ],
)
def test_words_of_the_setting(words: tuple[str, ...], trust: frozenset[Trust]) -> None:
    assert allowed(words) == trust


def test_the_setting_has_these_words_and_no_others() -> None:
    assert set(SETTINGS["trust"].words) == {"all", "none", *Trust}
    assert load(environment={"IMAGE_CRAWLER_TRUST": "netrc,proxy"}).access.trust == ("netrc", "proxy")


def test_what_is_not_allowed_is_refused_with_the_flag_that_allows_it() -> None:
    greedy = plan(networks=("10.0.0.0/8",), netrc=True, max_pixels=10**12)
    with pytest.raises(UsageError) as caught:
        checked(greedy, IMAGE, USUAL, hosts=LAN, where="192.168.1.7:9733")
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        "the crawl at 192.168.1.7:9733 asks this machine to connect to addresses that are not public: 10.0.0.0/8; and"
        " to log in at sites with the passwords of its ~/.netrc. If whoever runs it may ask that of you, say --trust"
        " networks,netrc; nothing was fetched"
    )
    enough = allowed(("networks", "netrc"))
    told = checked(greedy, IMAGE, enough, hosts=LAN, where="192.168.1.7:9733")
    assert [ask.trust for ask in told] == [Trust.NETWORKS, Trust.NETRC, Trust.LIMITS]
    assert isinstance(told[0], Ask)
    with pytest.raises(UsageError, match="--trust limits"):
        checked(greedy, IMAGE, enough - {Trust.LIMITS}, hosts=LAN, where="192.168.1.7:9733")


def test_the_plan_is_msgspec_and_travels() -> None:
    greedy = plan(networks=("10.0.0.0/8",), proxy="http://p:1")
    again = msgspec.json.decode(msgspec.json.encode(greedy), type=Plan)
    assert asked(again) == asked(greedy)


@pytest.mark.parametrize("posts", ["none", "site"])
def test_what_a_page_sends_to_its_own_site_is_nothing_to_ask_for(posts: str) -> None:
    assert asked(plan(render_posts=posts), TaskKind.RENDER) == []


def test_pages_may_have_less_than_is_usual_and_no_more_unsaid() -> None:
    assert asked(plan(render_timeout_s=5.0, render_requests=1, renderer_threads=1), TaskKind.RENDER) == []
    greedy = plan(render_memory_bytes=2**34, render_bytes=2**30, max_page_bytes=2**30)
    [(trust, what)] = asked(greedy, TaskKind.RENDER)
    assert trust is Trust.LIMITS
    for part in ("render_memory_bytes = 17,179,869,184", "render_bytes = 1,073,741,824", "max_page_bytes = "):
        assert part in what
    assert [part in asked(greedy, PAGE)[0][1] for part in ("max_page_bytes", "render_")] == [True, False]


@pytest.mark.parametrize("command", ["work", "harvest", "render"])
def test_help_says_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "more than --trust allows ends with 2" in said
