"""Spellings of hosts and addresses: what leads into a private network is refused, however it is written."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from crawler.errors import ConfigError, ForbiddenAddress
from crawler.http.address_guard import AddressGuard, _address, kind_of, seed_networks, seed_ports
from crawler.urls import canonical
from tests.fuzz.drawn import Drawn

_GUARD = AddressGuard()
_PRIVATE = "10.66.0.9"


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    what = drawn.one_of((_literal, _allowed, _packed))
    what(drawn)


def _literal(drawn: Drawn) -> None:
    """A host as a page may write it, and the address that the system would connect to."""
    text = drawn.rest().decode("utf-8", "replace")
    url = canonical(f"http://{text}/")
    if url is None:
        return
    networks = seed_networks((url,), resolve=_nobody)
    assert all(kind_of(ip_address(network.partition("/")[0])) for network in networks if "/" in network)
    assert all(0 <= port < 2**16 for port in seed_ports((url,)))
    host = url.split("/")[2]
    try:
        _GUARD.check_unresolved(url)
    except ForbiddenAddress as exc:
        assert str(exc)
        return
    bare = host.rpartition(":")[0] if host.count(":") == 1 else host
    meant = _meant(bare.strip("[]"))
    assert meant is None or not kind_of(ip_address(meant)), f"{url} was let through to {meant}"
    assert bare.rstrip(".") != "localhost"


def _meant(host: str) -> str | None:
    """What C libraries make of it: 0x7f.1, 2130706433, 017700000001."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError, ValueError):
        found = _address(host)
        return None if found is None else str(found)


def _allowed(drawn: Drawn) -> None:
    """A setting: what it allows, and that it allows nothing else."""
    text = drawn.rest().decode("utf-8", "replace")
    try:
        guard = AddressGuard((text,))
    except ConfigError as exc:
        assert text.isascii() is False or repr(text)[:20] in str(exc) or str(exc)
        return
    refused = guard.refusal("other.example", 80, "169.254.169.254")
    assert (
        refused
        or text.strip("[]").partition("/")[0] in ("169.254.169.254", "::ffff:a9fe:a9fe")
        or "169.254" in text
        or _is_spelt(text)
    )


def _is_spelt(text: str) -> bool:
    url = canonical(f"http://{text}/")
    return url is not None and "169.254.169.254" in url


def _packed(drawn: Drawn) -> None:
    """Addresses by their bytes."""
    raw = drawn.bytes(16)
    for family, packed in (
        (socket.AF_INET6, raw.ljust(16, b"\0")),
        (socket.AF_INET, raw[:4].ljust(4, b"\0")),
    ):
        text = socket.inet_ntop(family, packed)
        refused = _GUARD.refusal("a.example", 80, text)
        address = ip_address(text)
        assert bool(refused) == bool(kind_of(address))
        if not refused:
            assert address.is_global or str(address).startswith("2001:"), f"{address} is let through"
        opened = seed_networks(
            ("http://seed.test/",), resolve=lambda host, port, text=text: [(2, 1, 6, "", (text, port))]
        )
        assert len(opened) <= 1
        assert not opened or kind_of(address), "a public address opens nothing"


def _nobody(host: str, port: int) -> list[object]:
    raise OSError("nothing is looked up here")
