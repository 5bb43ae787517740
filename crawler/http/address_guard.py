"""The guard against server-side request forgery (SSRF): a foreign page can link to anything that this machine reaches.

The very address of each connection is checked, at every hop, so that a name which resolves to another address a moment
later gains nothing (DNS rebinding). Sources: the special-purpose registries of IANA (RFC 6890), the bad ports of the
Fetch standard (https://fetch.spec.whatwg.org/#port-blocking).
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any
from urllib.parse import urlsplit

from crawler.errors import ConfigError, ForbiddenAddress
from crawler.logs.events import ADDRESS_LEFT_OUT, ADDRESS_PRIVATE, INFO, WARNING, tell
from crawler.text.plain_errors import quoted
from crawler.urls import canonical

log = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

BAD_PORTS = frozenset(
    {
        0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
        110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530,
        531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190,
        5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
    }
)  # fmt: skip

_V4 = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared (carrier-grade NAT)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_V6 = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
        ("2001:2::/48", "benchmarking"),
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),
        ("2001::/23", "reserved"),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
"""All addresses that IANA has given out for the internet."""
_NAT64 = IPv6Network("64:ff9b::/96")

_METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # most clouds
        "169.254.170.2",  # Amazon's containers
        "169.254.170.23",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",  # Google
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure, a public address that only its own machines see
    )
)
"""Metadata services of clouds, which give away credentials. Allowed only by exactly such an address."""

_SEED_BLOCKS: tuple[tuple[str, ...], ...] = (
    ("127.0.0.0/8", "::1/128"),
    ("10.0.0.0/8",),
    ("172.16.0.0/12",),
    ("192.168.0.0/16",),
    ("100.64.0.0/10",),
)
_OF = "@"
"""Separates an address from the seed's host that had it when the crawl began."""


def kind_of(address: Address) -> str:
    """The kind of an *address* that is not public, as an adjective; empty for a public one.

    An address that contains an IPv4 address (mapped, NAT64, 6to4, Teredo) is judged by that.
    """
    if address in _METADATA:
        return "cloud metadata"
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _V4 if address in network), "")
    if held := _held_v4(address):
        return next(filter(None, map(kind_of, held)), "")
    listed = next((kind for network, kind in _V6 if address in network), "")
    return listed or ("" if address in _GLOBAL_V6 else "reserved")


def _held_v4(address: IPv6Address) -> tuple[IPv4Address, ...]:
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    return address.teredo or ()


class AddressGuard:
    """Decides where connections may go. Has no state; thread-safe.

    *allowed* are exceptions that may be connected to although they are not public: host names (``:PORT`` limits one to
    that port), addresses and networks; a metadata service only by its very address. *of_seeds* is the result of
    :func:`seed_networks`. *ports* are exceptions to BAD_PORTS. Raises ConfigError for what is none of these.
    """

    def __init__(
        self, allowed: Sequence[str] = (), ports: Collection[int] = (), *, of_seeds: Iterable[str] = ()
    ) -> None:
        self._ports = frozenset(ports)
        networks: list[Network] = []
        hosts: set[str] = set()
        seeds = [text.partition(_OF) for text in of_seeds]
        for text in (*allowed, *(network for network, _, _ in seeds)):
            entry = _network(text) or _host(text)
            if isinstance(entry, str):
                hosts.add(entry)
            else:
                networks.append(entry)
        self._networks = tuple(networks)
        self._hosts = frozenset(hosts)
        self._private_seeds = frozenset(_bare(host) for _, _, host in seeds if host) - self._hosts

    def check_port(self, host: str, port: int) -> None:
        """Raise ForbiddenAddress for a port that no web server has."""
        if port in BAD_PORTS and port not in self._ports and f"{_bare(host)}:{port}" not in self._hosts:
            raise ForbiddenAddress(
                f"port {port} of {host} is not one of web servers; to ask it all the same, say"
                f" --allow-addresses {_shown(host)}:{port}"
            )

    def refusal(self, host: str, port: int, address: str) -> str:
        """Why *address*, to which *host* resolves, must not be connected to; empty if it may."""
        found = _address(address)
        if found is None:
            return f"{host} resolves to {quoted(address)}, which is no address"
        kind = kind_of(found)
        if not kind and _bare(host) in self._private_seeds:
            # else foreign pages could come from there, to which its former private addresses are still open
            return f"{host} was in a private network when the crawl began, and resolves to {address} now"
        if not kind or self._allows(host, port, found):
            return ""
        article = "an" if kind[0] in "aeiouAEIOU" else "a"
        where = (
            f"{host} is {article} {kind} address"
            if _address(host) == found
            else f"{host} resolves to {address}, {article} {kind} address"
        )
        named = address if _is_metadata(found) else _shown(host)
        return f"{where}; to take it all the same, say --allow-addresses {named}"

    def check_unresolved(self, url: str) -> None:
        """Raise ForbiddenAddress as far as the canonical *url* itself tells: for names that a proxy looks up."""
        host, port = _host_and_port(url)
        self.check_port(host, port)
        address = "127.0.0.1" if _is_local(host) else _bare(host)
        if _address(address) is not None and (refusal := self.refusal(host, port, address)):
            raise ForbiddenAddress(refusal)

    def _allows(self, host: str, port: int, address: Address) -> bool:
        forms = {address, _unmapped(address)}
        if _is_metadata(address):
            return any(
                network.num_addresses == 1 and network.network_address in forms for network in self._networks
            )
        bare = _bare(host)
        return (
            bare in self._hosts
            or f"{bare}:{port}" in self._hosts
            or any(form in network for network in self._networks for form in forms)
        )


Resolve = Callable[[str, int], Iterable[tuple[Any, Any, int, str, Any]]]
"""Like socket.getaddrinfo; raises OSError for what can't be resolved."""


def seed_networks(seeds: Iterable[str], resolve: Resolve | None = None) -> tuple[str, ...]:
    """The networks that seeds (canonical URLs) open beside the public internet.

    A private address opens its whole block: 192.168.1.5 opens 192.168.0.0/16. A name opens only the private addresses
    that it has now, as ADDRESS@NAME, because its owner decides what it resolves to; it must not become public later. A
    name that also has a public address opens none.

    Looks up each host once. It is called where a crawl is started, once for all its machines.
    """
    found: dict[str, None] = {}
    for host, port in dict.fromkeys(_host_and_port(seed) for seed in seeds):
        literal = _address(host)
        if literal is None:
            found |= dict.fromkeys(_of_name(host, port, resolve or _resolve))
        elif kind_of(literal):
            found |= dict.fromkeys(_block(literal))
    return tuple(found)


def _of_name(host: str, port: int, resolve: Resolve) -> list[str]:
    """The private addresses of a seed's host."""
    try:
        addresses = {
            _unmapped(address) for info in resolve(host, port) if (address := _address(str(info[4][0])))
        }
    except (OSError, UnicodeError):
        return []
    private = sorted(str(address) for address in addresses if kind_of(address) and not _is_metadata(address))
    if not private:
        return []
    listed = ", ".join(private)
    if any(not kind_of(address) for address in addresses):
        tell(log, ADDRESS_LEFT_OUT, host=host, addresses=listed)
        return []
    is_local = all(kind_of(address) == "loopback" for address in addresses)
    tell(log, ADDRESS_PRIVATE, level=INFO if is_local else WARNING, host=host, addresses=listed)
    return [f"{address}{_OF}{host}" for address in private]


def by_proxy(host: str, port: int) -> Iterable[tuple[Any, Any, int, str, Any]]:
    """Replaces a look-up for names that a proxy looks up: ``localhost`` is known without one (RFC 6761)."""
    if not _is_local(host):
        raise OSError(f"{host} is for a proxy to look up")
    return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]


def seed_ports(seeds: Iterable[str]) -> frozenset[int]:
    """The ports of seeds (canonical URLs)."""
    return frozenset(port for _, port in map(_host_and_port, seeds))


def _resolve(host: str, port: int) -> Iterable[tuple[Any, Any, int, str, Any]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _unmapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _block(address: Address) -> tuple[str, ...]:
    address = _unmapped(address)
    if not _is_metadata(address):
        for block in _SEED_BLOCKS:
            if any(address in ip_network(network) for network in block):
                return block
        if isinstance(address, IPv6Address) and address in IPv6Network("fc00::/7"):
            return (str(IPv6Network((address, 48), strict=False)),)
    return (str(ip_network(address)),)


def _is_metadata(address: Address) -> bool:
    held = _held_v4(address) if isinstance(address, IPv6Address) else ()
    return address in _METADATA or any(form in _METADATA for form in held)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text.strip("[]").partition("%")[0])  # without the scope of a link-local one
    except ValueError:
        return None


def _bare(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _is_local(host: str) -> bool:
    return f".{_bare(host)}".endswith(".localhost")


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _network(text: str) -> Network | None:
    try:
        return ip_network(text.strip("[]"))
    except ValueError:
        pass
    try:
        meant = ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None
    raise ConfigError(
        f"allow_addresses = {quoted(text)} won't do: it is within a network; perhaps {meant} is meant"
    )


def _host(text: str) -> str | Network:
    """A host name, with its port if there is one, as in URLs; or the address that *text* spells oddly."""
    url = canonical(f"http://{text}/")
    parts = urlsplit(url) if url else None
    if parts is None or not parts.hostname or parts.path != "/" or parts.query or "*" in text or "@" in text:
        raise ConfigError(
            f"allow_addresses = {quoted(text)} won't do: expected the name of a host, an address, or a network such as"
            " 10.1.0.0/16"
        )
    port = text.rpartition(":")[2] if ":" in text.rpartition("]")[2] else ""
    if port:
        return f"{_bare(parts.hostname)}:{80 if parts.port is None else parts.port}"  # which are http's
    address = _address(parts.hostname)
    return _bare(parts.hostname) if address is None else ip_network(address)
