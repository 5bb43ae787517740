"""Which addresses may be asked, and that none of the others is, whatever leads there."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import ConfigError, ForbiddenAddress
from crawler.http.address_guard import BAD_PORTS, AddressGuard, kind_of, seed_networks, seed_ports

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "172.15.255.255",
    "172.32.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "192.0.1.0",
    "169.253.255.255",
    "198.17.255.255",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "2001:0:808:808::f7f7:f7f7",
]
OTHERS = {
    "0.0.0.0": "unspecified",
    "10.1.2.3": "private",
    "100.64.0.1": "shared",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.1.1": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.8": "reserved",
    "192.0.2.1": "documentation",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarking",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "IPv4-compatible",
    "::8.8.8.8": "IPv4-compatible",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a00:1": "private",
    "64:ff9b:1::808:808": "local NAT64",
    "100::1": "reserved",
    "2001:2::1": "benchmarking",
    "2001:10::1": "reserved",
    "2001:db8::1": "documentation",
    "2001:0:a00:1::f7f7:f7f7": "private",
    "2001:0:808:808::f5ff:fffe": "private",
    "2002:7f00:1::": "loopback",
    "2002:c0a8:101::1": "private",
    "3fff::1": "documentation",
    "4000::1": "reserved",
    "fc00::1": "private",
    "fd12:3456:789a::1": "private",
    "fe80::1": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "169.254.169.254": "cloud metadata",
    "100.100.100.200": "cloud metadata",
    "192.0.0.192": "cloud metadata",
    "168.63.129.16": "cloud metadata",
    "fd00:ec2::254": "cloud metadata",
    "::ffff:169.254.169.254": "cloud metadata",
    "64:ff9b::a9fe:a9fe": "cloud metadata",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_open(address: str) -> None:
    assert kind_of(ip_address(address)) == ""
    assert AddressGuard().refusal("site.example", 80, address) == ""


@pytest.mark.parametrize(("address", "kind"), OTHERS.items())
def test_everything_else_is_not(address: str, kind: str) -> None:
    assert kind_of(ip_address(address)).startswith(kind)
    refusal = AddressGuard().refusal("site.example", 80, address)
    assert f"site.example resolves to {address}" in refusal
    assert "--allow-addresses" in refusal


@given(st.ip_addresses())
def test_what_the_standard_library_calls_special_is_never_open(address: Any) -> None:
    special = (
        address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
        or address.is_reserved or address.is_unspecified
    )  # fmt: skip
    held = address.version == 6 and (address.ipv4_mapped or address.sixtofour or address.teredo)
    nat64 = address.version == 6 and address in ip_network("64:ff9b::/96")
    if special and not held and not nat64:
        assert kind_of(address)


def test_a_scope_does_not_hide_an_address() -> None:
    assert "link-local" in AddressGuard().refusal("site.example", 80, "fe80::1%eth0")
    assert AddressGuard(["fe80::1"]).refusal("site.example", 80, "fe80::1%eth0") == ""
    assert "no address" in AddressGuard().refusal("site.example", 80, "nonsense")


@pytest.mark.parametrize(
    ("allowed", "host", "port", "address"),
    [
        ("10.1.0.0/16", "any.example", 80, "10.1.2.3"),
        ("10.1.2.3", "any.example", 80, "10.1.2.3"),
        ("127.0.0.0/8", "any.example", 80, "::ffff:127.0.0.1"),
        ("[::1]", "any.example", 80, "::1"),
        ("::1", "any.example", 80, "::1"),
        ("fd12:3456:789a::/48", "any.example", 80, "fd12:3456:789a::9"),
        ("Intranet.Example", "intranet.example", 80, "10.9.9.9"),
        ("intranet.example", "INTRANET.example.", 8080, "10.9.9.9"),
        ("intranet.example:8080", "intranet.example", 8080, "10.9.9.9"),
        ("bücher.example", "xn--bcher-kva.example", 80, "10.9.9.9"),
        ("127.0.0.1:8080", "127.0.0.1", 8080, "127.0.0.1"),
        ("[::1]:8080", "::1", 8080, "::1"),
        ("0x7f.1", "any.example", 80, "127.0.0.1"),
        ("169.254.169.254", "any.example", 80, "169.254.169.254"),
        ("fd00:ec2::254", "any.example", 80, "fd00:ec2::254"),
    ],
)
def test_what_is_named_is_open(allowed: str, host: str, port: int, address: str) -> None:
    assert AddressGuard([allowed]).refusal(host, port, address) == ""


@pytest.mark.parametrize(
    ("allowed", "host", "port", "address"),
    [
        ("10.1.0.0/16", "any.example", 80, "10.2.0.1"),
        ("intranet.example", "other.intranet.example", 80, "10.9.9.9"),
        ("intranet.example:8080", "intranet.example", 80, "10.9.9.9"),
        ("127.0.0.1:8080", "any.example", 8080, "127.0.0.1"),
        ("169.254.0.0/16", "any.example", 80, "169.254.169.254"),
        ("evil.example", "evil.example", 80, "169.254.169.254"),
        ("fd00:ec2::/48", "any.example", 80, "fd00:ec2::254"),
        ("100.64.0.0/10", "any.example", 80, "100.100.100.200"),
        ("169.254.169.254", "any.example", 80, "64:ff9b::a9fe:a9fe"),
    ],
)
def test_and_nothing_else(allowed: str, host: str, port: int, address: str) -> None:
    assert AddressGuard([allowed]).refusal(host, port, address)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("10.1.2.3/16", "10.1.0.0/16 is meant"),
        ("http://intranet.example/", "the name of a host"),
        ("intranet.example/path", "the name of a host"),
        ("*.example", "the name of a host"),
        ("10.0.0.0/33", "the name of a host"),
        ("a b", "the name of a host"),
        ("host:99999", "the name of a host"),
        ("user@host", "the name of a host"),
        ("", "the name of a host"),
    ],
)
def test_what_can_not_be_meant_is_refused(value: str, hint: str) -> None:
    with pytest.raises(ConfigError, match="allow_addresses") as caught:
        AddressGuard(["127.0.0.1", value])
    assert repr(value) in str(caught.value)
    assert hint in str(caught.value)


def test_a_refusal_says_who_resolved_to_what_and_what_to_say() -> None:
    guard = AddressGuard()
    assert guard.refusal("site.example", 80, "10.0.0.1") == (
        "site.example resolves to 10.0.0.1, a private address; to take it all the same, say"
        " --allow-addresses site.example"
    )
    assert guard.refusal("::1", 80, "::1").startswith("::1 is a loopback address; ")
    assert guard.refusal("::1", 80, "::1").endswith("--allow-addresses [::1]")
    assert guard.refusal("m.example", 80, "169.254.169.254").endswith("--allow-addresses 169.254.169.254")


# --- ports


def test_ports_that_no_web_server_has() -> None:
    assert {0, 22, 25, 6000, 6667, 10080} < BAD_PORTS
    assert not BAD_PORTS & {80, 443, 8000, 8080, 8443}
    with pytest.raises(ForbiddenAddress, match=r"port 25 .* --allow-addresses mail\.example:25"):
        AddressGuard().check_port("mail.example", 25)
    AddressGuard().check_port("mail.example", 8080)
    AddressGuard(ports={25}).check_port("mail.example", 25)
    AddressGuard(["mail.example:25"]).check_port("mail.example", 25)
    with pytest.raises(ForbiddenAddress):
        AddressGuard(["mail.example"]).check_port("mail.example", 25)


def test_the_ports_of_seeds() -> None:
    assert seed_ports(["http://a.example/", "https://b.example/x", "http://c.example:6000/"]) == {
        80,
        443,
        6000,
    }


# --- the seeds' own networks


def resolving(**addresses: list[str]) -> Any:
    def resolve(host: str, port: int) -> list[Any]:
        if host not in addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses[host]]

    return resolve


@pytest.mark.parametrize(
    ("seed", "networks"),
    [
        ("http://127.0.0.1:8000/", ("127.0.0.0/8", "::1/128")),
        ("http://[::1]/", ("127.0.0.0/8", "::1/128")),
        ("http://[::ffff:7f00:1]/", ("127.0.0.0/8", "::1/128")),
        ("http://10.1.2.3/", ("10.0.0.0/8",)),
        ("http://172.20.0.1/", ("172.16.0.0/12",)),
        ("http://192.168.7.7/", ("192.168.0.0/16",)),
        ("http://100.65.0.1/", ("100.64.0.0/10",)),
        ("http://169.254.7.7/", ("169.254.7.7/32",)),
        ("http://[fd12:3456:789a:1::1]/", ("fd12:3456:789a::/48",)),
        ("http://198.18.0.1/", ("198.18.0.1/32",)),
        ("http://[fe80::1]/", ("fe80::1/128",)),
        ("http://169.254.169.254/", ("169.254.169.254/32",)),
        ("http://8.8.8.8/", ()),
        ("http://site/", ()),
        ("http://mixed/", ()),
        ("http://mixed-with-loopback/", ()),
        ("http://intranet/", ("192.168.1.1@intranet", "fd00:1:2:3::4@intranet")),
        ("http://router-and-cloud/", ("192.168.1.1@router-and-cloud",)),
        ("http://mapped/", ("10.1.2.3@mapped",)),
        ("http://evil/", ()),
        ("http://nowhere/", ()),
    ],
)
def test_the_network_of_a_seed(seed: str, networks: tuple[str, ...]) -> None:
    resolve = resolving(
        site=["8.8.8.8"],
        mixed=["8.8.4.4", "10.0.0.7"],
        **{"mixed-with-loopback": ["127.0.0.1", "2a00:1450::1", "192.168.1.1"]},
        **{"router-and-cloud": ["192.168.1.1", "169.254.169.254"]},
        mapped=["::ffff:10.1.2.3"],
        intranet=["192.168.1.1", "fd00:1:2:3::4"],
        evil=["169.254.169.254", "fd00:ec2::254"],
    )
    assert seed_networks([seed], resolve) == networks
    AddressGuard(of_seeds=networks)  # which can be told what came of it


def test_a_private_seed_opens_its_own_address_and_none_that_it_has_later() -> None:
    guard = AddressGuard(
        of_seeds=seed_networks(["http://Intranet.test/"], resolving(**{"intranet.test": ["10.66.0.9"]}))
    )

    assert not guard.refusal("intranet.test", 80, "10.66.0.9")
    assert not guard.refusal("10.66.0.9", 80, "10.66.0.9"), "by whichever name"
    assert "private" in guard.refusal("intranet.test", 80, "10.66.0.10")
    assert "10.1.2.3" in guard.refusal("10.1.2.3", 80, "10.1.2.3")
    assert "when the crawl began" in guard.refusal("intranet.test.", 80, "93.184.216.34")
    assert not guard.refusal("elsewhere.test", 80, "93.184.216.34")


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        (["10.66.0.9"], "seed.test is at 10.66.0.9, in a private network; only that may be asked there"),
        (
            ["93.184.216.34", "10.66.0.9"],
            "seed.test has public addresses, and private ones, which are not asked: 10.66.0.9",
        ),
        (["127.0.0.1"], ""),
        (["93.184.216.34"], ""),
    ],
)
def test_what_a_private_name_opens_is_said(
    addresses: list[str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    seed_networks(["http://seed.test/"], resolving(**{"seed.test": addresses}))
    assert caplog.text.count("WARNING") == bool(said)
    assert said in caplog.text


def test_each_host_of_many_seeds_is_looked_up_once() -> None:
    asked = []

    def resolve(host: str, port: int) -> list[Any]:
        asked.append(host)
        return resolving(a=["10.0.0.1"], b=["10.0.0.2"])(host, port)

    assert seed_networks(["http://a/1", "http://a/2", "http://b/"], resolve) == ("10.0.0.1@a", "10.0.0.2@b")
    assert asked == ["a", "b"]
