"""What a crawl asks of a machine that works for it, and how much of that the machine's operator allows.

A worker gets its settings from whoever runs the crawl. Most concern sites and pages. Some reach further: into the
networks of this machine, its passwords, its credentials, its memory. Such a setting has a rule here that says what it
asks; a test has the list of those that ask nothing, whatever their value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import msgspec

from crawler.config import SETTINGS
from crawler.errors import UsageError
from crawler.http.address_guard import BAD_PORTS, kind_of, seed_networks, seed_ports
from crawler.models import TaskKind
from crawler.queues import Plan
from crawler.urls import show_address, without_login


class Trust(StrEnum):
    """What an operator may allow: the values of the setting ``trust``."""

    MANAGER_NETWORK = "manager-network"
    """Private addresses of the manager's own network; loopback if the manager is at loopback."""
    NETWORKS = "networks"
    """Any other private addresses, names that may have one, and ports that no web server has."""
    PROXY = "proxy"
    INSECURE_TLS = "insecure-tls"
    NETRC = "netrc"
    STORAGE = "storage"
    POSTS = "posts"
    """Requests with a body (POST) that scripts of pages send from this machine to any host."""
    LIMITS = "limits"
    """More memory, disk or time than by default."""


USUAL = frozenset({Trust.MANAGER_NETWORK, Trust.LIMITS})
"""What is allowed by default, for neither gives anything of this machine away: whoever reaches a manager at a private
address is in that network already, and machines differ as crawls do.
"""


@dataclass(frozen=True, kw_only=True)
class Ask:
    trust: Trust
    what: str
    """What the plan asks the machine to do, after "to"."""


@dataclass(frozen=True, kw_only=True)
class _Rule:
    trust: Trust
    told: Callable[[Any], str]
    """What a value of the setting asks, in words; empty for nothing."""
    kinds: Collection[TaskKind] = tuple(TaskKind)
    """The kinds of workers that the setting matters to."""


def _limit(key: str, *kinds: TaskKind, least: float | None = None) -> _Rule:
    """Asks for a limit above the default; with *least*, for one below that."""
    usual = SETTINGS[key].default

    def told(value: float) -> str:
        is_usual = value <= usual if least is None else value >= least  # nan is neither
        return "" if is_usual else f"{key} = {value:,}, {usual:,} being usual"

    return _Rule(trust=Trust.LIMITS, kinds=kinds or tuple(TaskKind), told=told)


def _through(proxy: str) -> str:
    if proxy == "environment":
        return "send requests through the proxies that its own environment names"
    return proxy and f"send every request through the proxy {without_login(proxy)}"


_PAGE, _IMAGE, _RENDER = TaskKind.PAGE, TaskKind.IMAGE, TaskKind.RENDER
RULES: dict[str, _Rule] = {
    "proxy": _Rule(trust=Trust.PROXY, told=_through),
    "verify_tls": _Rule(
        trust=Trust.INSECURE_TLS,
        told=lambda checked: "" if checked else "believe every https server, whatever its certificate",
    ),
    "netrc": _Rule(
        trust=Trust.NETRC,
        told=lambda used: "log in at sites with the passwords of its ~/.netrc" if used else "",
    ),
    "storage": _Rule(
        trust=Trust.STORAGE,
        kinds=(_IMAGE,),
        told=lambda place: (
            "" if place in {"local", "manager"} else f"write to {place} with its own credentials"
        ),
    ),
    "render_posts": _Rule(
        trust=Trust.POSTS,
        kinds=(_RENDER,),
        told=lambda to: (
            "send what scripts of pages want sent (POST) to hosts of any domain" if to == "any" else ""
        ),
    ),
    "harvester_threads": _limit("harvester_threads", _PAGE),
    "max_page_bytes": _limit("max_page_bytes", _PAGE, _RENDER),
    "page_timeout_s": _limit("page_timeout_s", _PAGE, _RENDER),
    "renderer_threads": _limit("renderer_threads", _RENDER),
    "render_timeout_s": _limit("render_timeout_s", _RENDER),
    "render_requests": _limit("render_requests", _RENDER),
    "render_bytes": _limit("render_bytes", _RENDER),
    "render_memory_bytes": _limit("render_memory_bytes", _RENDER),
    "downloader_threads": _limit("downloader_threads", _IMAGE),
    "max_image_bytes": _limit("max_image_bytes", _IMAGE),
    "max_svg_bytes": _limit("max_svg_bytes", _IMAGE),
    "max_pixels": _limit("max_pixels", _IMAGE),
    "decode_timeout_s": _limit("decode_timeout_s", _IMAGE),
    "storage_patience_s": _limit("storage_patience_s", _IMAGE),
    "min_free_bytes": _limit("min_free_bytes", _IMAGE, least=SETTINGS["min_free_bytes"].default),
    "connect_timeout_s": _limit("connect_timeout_s"),
    "total_timeout_s": _limit("total_timeout_s"),
    "max_lease_s": _limit("max_lease_s"),
    "heartbeat_s": _limit("heartbeat_s", least=0.1),  # it is a request each time
}
"""By setting, the rule that says what its value asks."""


def allowed(words: Sequence[str], *, usual: frozenset[Trust] = USUAL) -> frozenset[Trust]:
    """What the *words* of the setting ``trust`` allow: the *usual*, unless one is ``none``, and what they name."""
    if "all" in words:
        return frozenset(Trust)
    named = frozenset(Trust(word) for word in words if word != "none")
    return named if "none" in words else usual | named


def checked(
    plan: Plan, kind: TaskKind, trust: frozenset[Trust], *, hosts: Iterable[str], where: object
) -> tuple[Ask, ...]:
    """What *plan* asks of this machine beyond what any crawl does. Raises UsageError if *trust* does not cover it.

    *hosts* are the manager's, *where* is its address for people.
    """
    found = tuple(asks(plan, kind, hosts))
    if refused := [ask for ask in found if ask.trust not in trust]:
        listed = "; and to ".join(ask.what for ask in refused)
        names = ",".join(dict.fromkeys(ask.trust for ask in refused))
        raise UsageError(
            f"the crawl at {where} asks this machine to {listed}. If whoever runs it may ask that of you, say --trust"
            f" {names}; nothing was fetched"
        )
    return found


def asks(plan: Plan, kind: TaskKind, hosts: Iterable[str]) -> Iterator[Ask]:
    """What *plan* asks of a machine with workers of this *kind*, whose manager is at *hosts*."""
    yield from _networks(plan, hosts)
    limits = []
    for key, rule in RULES.items():
        value = getattr(getattr(plan.config, SETTINGS[key].section), key)
        told = rule.told(value) if kind in rule.kinds else ""
        if told and rule.trust is Trust.LIMITS:
            limits.append(told)
        elif told:
            yield Ask(trust=rule.trust, what=told)
    if limits:
        yield Ask(trust=Trust.LIMITS, what=f"spend more on it than is usual ({'; '.join(limits)})")


def own(plan: Plan) -> Plan:
    """*plan* without the settings that are each machine's own."""
    return msgspec.structs.replace(plan, config=plan.config.for_workers())


def _networks(plan: Plan, hosts: Iterable[str]) -> Iterator[Ask]:
    asked = [(entry, *_parsed(entry)) for entry in (*plan.networks, *plan.config.fetch.allow_addresses)]
    near = _near(hosts) if asked else ()
    by_trust: dict[Trust, list[str]] = {}
    for entry, network, host in asked:
        if network is None:
            by_trust.setdefault(Trust.NETWORKS, []).append(f"{entry}, wherever that is")
        elif network.num_addresses > 1 or kind_of(network.network_address):
            is_near = any(network.version == block.version and network.subnet_of(block) for block in near)  # type: ignore[arg-type]
            trust = Trust.MANAGER_NETWORK if is_near else Trust.NETWORKS
            shown = str(network.network_address if network.num_addresses == 1 else network)
            by_trust.setdefault(trust, []).append(f"{shown} ({host})" if host else shown)
    for trust, listed in by_trust.items():
        private = "addresses that are not public"
        which = f"{private}, of the manager's network" if trust is Trust.MANAGER_NETWORK else private
        yield Ask(trust=trust, what=f"connect to {which}: {', '.join(listed)}")
    if ports := sorted(seed_ports(plan.seeds) & BAD_PORTS):
        listed_ports = ", ".join(map(str, ports))
        yield Ask(trust=Trust.NETWORKS, what=f"connect to a port that no web server has: {listed_ports}")


def _parsed(entry: str) -> tuple[IPv4Network | IPv6Network | None, str]:
    """The network that *entry* of a plan names, None for a host name; and the seed's host that it belongs to."""
    text, _, host = entry.partition("@")
    try:
        return ip_network(text.strip("[]")), host
    except ValueError:
        return None, host


def _near(hosts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """The private networks of those *hosts* that are addresses.

    Names do not count: whoever runs the crawl may own the name, and let it stand for another address a moment later.
    """
    found: list[IPv4Network | IPv6Network] = []
    for host in hosts:
        bare = host.strip("[]").partition("%")[0]
        try:
            address = ip_address("127.0.0.1" if bare.lower() == "localhost" else bare)
        except ValueError:
            continue
        if kind_of(address):
            found += map(ip_network, seed_networks([f"http://{show_address((str(address), 80))}/"]))
    return tuple(found)
