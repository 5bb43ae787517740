"""Where a queue lies that is kept in Redis or Valkey: one server, a cluster, or whom sentinels name.

    redis://[USER[:PASSWORD]@]HOST[:PORT][/DB][#NAME]                  rediss:// the same over TLS
    redis+cluster://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]…][#NAME]
    redis+sentinel://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]…]/SERVICE[/DB][#NAME]

valkey:// and valkeys:// mean the same. NAME is the crawl's. Behind a ``?`` may stand ``ca``, ``cert`` and ``key``,
paths of PEM files, so that one line says all that it takes to get in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

from crawler.errors import UsageError
from crawler.text.plain_errors import quoted
from crawler.urls import show_address

Kind = Literal["single", "cluster", "sentinel"]

PORT = 6379
SENTINEL_PORT = 26379
_MOST_HOSTS = 64
_MOST_DB = 2**16
_SCHEME = re.compile(r"(redis|valkey)(s?)(\+[a-z]*)?://", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_PASSWORD = re.compile(r"\A((?>.*?://)).*@", re.DOTALL)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_FILES = ("ca", "cert", "key")
_quoted = partial(quote, safe="")
_FORMS: Mapping[Kind, str] = {
    "single": "redis://HOST/0",
    "cluster": "redis+cluster://HOST,HOST",
    "sentinel": "redis+sentinel://HOST,HOST/SERVICE",
}


@dataclass(frozen=True, kw_only=True)
class RedisAddress:
    """A server, or several, and the name of a crawl there; as text it never has the password."""

    kind: Kind = "single"
    hosts: tuple[tuple[str, int], ...]
    """Of the server, of some nodes of a cluster, or of the sentinels."""
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    service: str = ""
    """What sentinels know the server by; empty for the other kinds."""
    name: str = ""
    """The crawl's; empty for the only one there."""
    ca: Path | None = None
    """PEM; None for the authorities that this system trusts."""
    cert: Path | None = None
    key: Path | None = None

    def __str__(self) -> str:
        login = f"{_quoted(self.user)}@" if self.user else ""
        return self._text(login, "")

    @property
    def url(self) -> str:
        """All of it in ASCII, with the password: for a file that only its owner may read. ``parse`` reads it back."""
        password = f":{_quoted(self.password)}" if self.password else ""
        login = f"{_quoted(self.user)}{password}@" if self.user or password else ""
        given = ((name, getattr(self, name)) for name in _FILES)
        files = "&".join(f"{name}={quote(str(path))}" for name, path in given if path is not None)
        return self._text(login, f"?{files}" if files else "")

    def _text(self, login: str, query: str) -> str:
        scheme = f"redis{'s' if self.tls else ''}{'' if self.kind == 'single' else f'+{self.kind}'}"
        hosts = ",".join(show_address(host) for host in self.hosts)
        service = f"/{_quoted(self.service)}" if self.kind == "sentinel" else ""
        db = "" if self.kind == "cluster" else f"/{self.db}"
        return f"{scheme}://{login}{hosts}{service}{db}{query}{f'#{self.name}' if self.name else ''}"


def is_redis(text: str) -> bool:
    """Whether *text* is meant for ``parse``, be it right or wrong."""
    return _SCHEME.match(text.strip()) is not None


def parse(text: str) -> RedisAddress:
    """What *text* stands for. Raises UsageError, which does not show the password."""
    match = _SCHEME.match(text.strip())
    if match is None or (match[3] or "").lower() not in {"", "+cluster", "+sentinel"}:
        raise _wrong(text, "its scheme is none of redis, rediss, redis+cluster, redis+sentinel and the like")
    kind: Kind = "cluster" if match[3] and "c" in match[3].lower() else "sentinel" if match[3] else "single"
    rest, _, name = text.strip()[match.end() :].partition("#")
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    if "@" in path + query + name:
        raise _wrong(text, "in a user name or a password, / ? # and % are written %2F %3F %23 and %25")
    if name and not _NAME.fullmatch(name):
        raise _wrong(
            text, f"the crawl's name {quoted(name)} has other characters than letters, digits and . _ -"
        )
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    service, db = _place(text, kind, slash + path)
    files = _files(text, query)
    if files and not match[2]:
        raise _wrong(
            text, f"certificates are for TLS: redis{match[3] or ''}:// is without, rediss is with it"
        )
    return RedisAddress(
        kind=kind,
        hosts=_hosts(text, kind, hosts),
        tls=bool(match[2]),
        user=_unquoted(text, user),
        password=_unquoted(text, password),
        db=db,
        service=service,
        name=name,
        **files,
    )


def name_for(folder: Path) -> str:
    """What the crawl in *folder* is called, unless somebody has said so: as its folder, in safe characters."""
    return _UNSAFE.sub("_", folder.resolve().name)[:100] or "crawl"


def without_password(text: str) -> str:
    """What somebody typed for an address, right or wrong, with … for all that may be a password."""
    return _PASSWORD.sub(r"\1…@", text)


def _place(text: str, kind: Kind, path: str) -> tuple[str, int]:
    """Service and database."""
    words = path.removesuffix("/").split("/")[1:]
    service = ""
    if kind == "sentinel":
        service, words = _unquoted(text, words[0]) if words else "", words[1:]
        if not service:
            raise _wrong(text, "it does not say which service the sentinels are asked for", kind)
    db = words[0] if words else "0"
    if len(words) > 1 or not _is_number(db, below=_MOST_DB):
        raise _wrong(text, f"{quoted('/'.join(words))} is not the number of a database", kind)
    if kind == "cluster" and int(db):
        raise _wrong(text, f"a cluster has no database {int(db)}, only the first", kind)
    return service, int(db)


def _hosts(text: str, kind: Kind, given: str) -> tuple[tuple[str, int], ...]:
    default = SENTINEL_PORT if kind == "sentinel" else PORT
    parts = given.split(",")
    if len(parts) > _MOST_HOSTS or (kind == "single" and len(parts) > 1):
        at_most = 1 if kind == "single" else _MOST_HOSTS
        hint = "; several are a cluster or sentinels: redis+cluster://, redis+sentinel://" * (at_most == 1)
        raise _wrong(text, f"it has {len(parts)} hosts, of {at_most} at most{hint}", kind)
    return tuple(_host(text, kind, part, default) for part in parts)


def _host(text: str, kind: Kind, part: str, default: int) -> tuple[str, int]:
    host, colon, port = part.rpartition(":") if not part.endswith("]") and ":" in part else (part, "", "")
    if not colon:
        port = str(default)
    known = _ipv6(host[1:-1]) if host.startswith("[") and host.endswith("]") else _in_ascii(host)
    if not known:
        ipv6 = "; an IPv6 address stands in brackets" if part.count(":") > 1 else ""
        raise _wrong(text, f"{quoted(part)} is no host{ipv6}" if part else "it names no host", kind)
    if not _is_number(port, below=2**16) or not int(port):
        raise _wrong(text, f"{quoted(port)} is no port", kind)
    return known, int(port)


def _files(text: str, query: str) -> dict[str, Path]:
    given = dict(item.partition("=")[::2] for item in query.split("&")) if query else {}
    if unknown := [name for name, value in given.items() if name not in _FILES or not value]:
        raise _wrong(
            text, f"{quoted(unknown[0])} is none of the parameters that there are: {', '.join(_FILES)}"
        )
    return {name: Path(_unquoted(text, value)) for name, value in given.items()}


def _is_number(text: str, *, below: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) < below  # noqa: PLR2004 - digits


def _ipv6(text: str) -> str:
    """Empty for what is none."""
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        return ""


def _in_ascii(host: str) -> str:
    """As it is looked up; empty for what is no name and no IPv4 address."""
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    return name if _HOST.fullmatch(name) else ""


def _unquoted(text: str, part: str) -> str:
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError as exc:
        raise _wrong(text, "what is percent-encoded there is no UTF-8") from exc


def _wrong(text: str, why: str, kind: Kind = "single") -> UsageError:
    return UsageError(
        f"{quoted(without_password(text))} is no address of a Redis or Valkey such as {_FORMS[kind]}: {why}"
    )
