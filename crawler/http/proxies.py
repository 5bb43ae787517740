"""The proxies of requests: the one in the settings, or, if it says so, those in the environment.

HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY have no standard: they are read as curl and Python's urllib agree on.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from crawler.config import FetchConfig
from crawler.errors import ConfigError
from crawler.http.address_guard import by_proxy, seed_networks
from crawler.urls import canonical, show_address

ENVIRONMENT = "environment"
"""The value of the setting that means: the proxies in the environment."""
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_OF_SOCKS = ("socks5", "socks5h")
_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_MAX_LOGIN_BYTES = 255
"""RFC 1929, section 2."""


def basic(user: str, password: str) -> str:
    """The value of Authorization and the like (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Proxy:
    """The proxy with the URL *setting*; errors name *source* for it. Raises ConfigError, without the password."""

    def __init__(self, setting: str, *, source: str = "proxy") -> None:
        try:
            parts = urlsplit(setting)
            usual = _PORTS[parts.scheme]
            port = parts.port or usual
            host = parts.hostname or ""
        except (ValueError, KeyError):
            host = ""
        url = canonical(f"http://{show_address((host, port))}/") if host else None
        if url is None:
            raise ConfigError(
                f"{source}: that is not the URL of a proxy; expected is http://[USER:PASSWORD@]HOST:PORT, socks5://… or"
                " socks5h://…, with %XX for what has a meaning in URLs"
            )
        self.is_socks = parts.scheme in _OF_SOCKS
        self.looks_names_up = parts.scheme != "socks5"
        """Whether the proxy looks names up; else we do, and it is given addresses."""
        self.is_encrypted = parts.scheme == "https"
        """Whether the connection to the proxy itself is by TLS."""
        self.host = (urlsplit(url).hostname or "").strip("[]")
        self.port = port
        self.url = canonical(f"{parts.scheme}://{show_address((host, port))}/") or url
        """The proxy's URL; used for HTTP proxies only."""
        self.name = show_address((host, port))
        self.headers: dict[str, str] = {}
        self.login: tuple[bytes, bytes] | None = None
        """User and password for SOCKS."""
        if parts.username is not None:
            user, password = unquote(parts.username), unquote(parts.password or "")
            self.headers["Proxy-Authorization"] = basic(user, password)
            self.login = user.encode(), password.encode()
            if self.is_socks and not all(0 < len(part) <= _MAX_LOGIN_BYTES for part in self.login):
                raise ConfigError(
                    f"{source}: SOCKS wants a user and a password of 1 to {_MAX_LOGIN_BYTES} bytes each"
                )

    def __repr__(self) -> str:
        return f"<Proxy {self.name}>"


class Proxies:
    """Chooses the proxy of each URL. *setting* is the URL of a proxy, ENVIRONMENT, or empty for none.

    Raises ConfigError for what is no proxy.
    """

    def __init__(self, setting: str, environment: Mapping[str, str] = os.environ) -> None:
        self._always = Proxy(setting) if setting not in ("", ENVIRONMENT) else None
        self._by_scheme: dict[str, Proxy] = {}
        self._direct: tuple[str, ...] = ()
        if setting == ENVIRONMENT:
            named = _named(environment)
            for scheme in ("http", "https"):
                if value := named.get(scheme) or named.get("all", ""):
                    source = f"{scheme}_proxy" if named.get(scheme) else "all_proxy"
                    self._by_scheme[scheme] = Proxy(
                        value if "://" in value else f"http://{value}", source=f"{source} of the environment"
                    )
            self._direct = tuple(named.get("no", "").replace(",", " ").split())

    def of(self, url: str) -> Proxy | None:
        """The proxy for a canonical URL; None for a direct connection."""
        if self._always is not None or not self._by_scheme:
            return self._always
        parts = urlsplit(url)
        proxy = self._by_scheme.get(parts.scheme)
        if proxy is None or any(_covers(entry, parts.hostname or "", parts.port) for entry in self._direct):
            return None
        return proxy


def networks_of(seeds: Iterable[str], proxies: Proxies) -> tuple[str, ...]:
    """The networks that *seeds* open beside the public internet, see ``address_guard.seed_networks``.

    A name that a proxy looks up is not looked up here.
    """
    asked: dict[bool, list[str]] = {True: [], False: []}
    for seed in seeds:
        proxy = proxies.of(seed)
        asked[proxy is not None and proxy.looks_names_up].append(seed)
    return tuple(dict.fromkeys((*seed_networks(asked[False]), *seed_networks(asked[True], by_proxy))))


def unused(config: FetchConfig, seeds: Iterable[str], environment: Mapping[str, str] = os.environ) -> str:
    """A hint that the environment names proxies for *seeds*, and that the settings do not use them; else empty."""
    if config.proxy:
        return ""
    names = sorted(name for name, value in environment.items() if name.lower() in _VARIABLES and value)
    try:
        through = Proxies(ENVIRONMENT, environment)
        matters = any(through.of(seed) is not None for seed in seeds)
    except ConfigError:
        matters = True
    if not names or not matters:
        return ""
    are = "are" if len(names) > 1 else "is"
    return f"{', '.join(names)} {are} set and not used: say --proxy {ENVIRONMENT} to send requests through that proxy"


def _named(environment: Mapping[str, str]) -> dict[str, str]:
    """As urllib's ``getproxies_environment``, for any mapping: a name in lower case wins."""
    found: dict[str, str] = {}
    for is_lower in (False, True):
        for name, value in environment.items():
            lower = name.lower()
            if lower.endswith("_proxy") and value and (name == lower) is is_lower:
                found[lower.removesuffix("_proxy")] = value
    return found


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether an *entry* of NO_PROXY covers *host*.

    An entry is a name, which covers all below it, an address, a network, or ``*``; ``:PORT`` limits it to that port.
    """
    if entry == "*":
        return True
    host = host.strip("[]").rstrip(".").lower()
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if address is not None:
        try:
            return address in ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and (":" not in name or name.endswith("]")):
        if port is not None and int(number) != port:
            return False
        return _covers(name, host, None)
    name = entry.removeprefix("*").removeprefix(".").rstrip(".").lower()
    url = canonical(f"http://{name}/") if name else None
    name = (urlsplit(url).hostname or "") if url else ""
    return bool(name) and (host == name or (address is None and host.endswith(f".{name}")))
