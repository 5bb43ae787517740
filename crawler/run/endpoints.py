"""Where the queues of a crawl are, and how a machine gets in: addresses, the authkey, certificates."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from crawler.config import AUTHKEY_VARIABLE, AccessConfig
from crawler.errors import UsageError
from crawler.logs.events import KEY_EXPOSED, tell
from crawler.queues import ResultQueue, TaskQueue
from crawler.queues.rpc.manager import QueueManager
from crawler.queues.rpc.tls import SERVER_NAME, Tls
from crawler.queues.rpc.transport import Address
from crawler.storage import Inbox
from crawler.text.plain_errors import plain, quoted
from crawler.urls import show_address

log = logging.getLogger(__name__)

PORT = 9733
"""The default port: below those that systems give to outgoing connections (32768 and up on Linux), so it is free."""
MIN_AUTHKEY_BYTES = 32
_PORT = re.compile("[0-9]{1,9}")
"""Leading zeros included: Python converts no number of thousands of digits."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """The credentials that a machine shows to the other side, and demands of it."""

    authkey: bytes = field(repr=False)
    tls: Tls | None = None


class QueueClient(Protocol):
    """A client of the queues of a crawl: a QueueManager, or a RedisClient."""

    reconnect_s: float
    crawl: str

    def connect(self) -> None: ...
    def get_task_queue(self) -> TaskQueue: ...
    def get_result_queue(self) -> ResultQueue: ...
    def get_inbox(self) -> Inbox: ...
    def abandon(self) -> None: ...
    def disconnect(self) -> None: ...


class QueueEndpoint(Protocol):
    """Where the queues of a crawl are: a ManagerEndpoint, or a RedisEndpoint."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names or addresses, as they were given."""
        ...

    def client(self, *, reconnect_s: float) -> QueueClient:
        """A client that tries for *reconnect_s* seconds to reach the queues; it has not dialled yet."""
        ...

    def pinned_to(self, client: QueueClient) -> QueueEndpoint:
        """The same endpoint, pinned to the crawl that *client* has found there."""
        ...


@dataclass(frozen=True, kw_only=True)
class ManagerEndpoint:
    """Where a manager listens, and what lets one in."""

    address: Address
    access: Access

    def __str__(self) -> str:
        return show_address(self.address)

    @property
    def hosts(self) -> tuple[str, ...]:
        return (self.address[0],)

    def client(self, *, reconnect_s: float) -> QueueManager:
        """Either end of the connection: it has neither listened nor dialled yet."""
        access = self.access
        return QueueManager(self.address, access.authkey, tls=access.tls, reconnect_s=reconnect_s)

    def pinned_to(self, client: QueueClient) -> ManagerEndpoint:  # noqa: ARG002 - there is one crawl at an address
        return self


def parse_address(text: str) -> Address:
    """``HOST``, ``HOST:PORT``, ``[IPV6]:PORT`` or a bare IPv6 address. Raises UsageError."""
    host, port = text, str(PORT)
    if text.startswith("[") or text.count(":") == 1:
        host, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", port)
    host = host.removeprefix("[").removesuffix("]")
    if not _is_host(host) or not _PORT.fullmatch(port) or int(port) >= 2**16:
        raise UsageError(
            f"{quoted(text)} is not an address such as 192.0.2.7:{PORT}, manager.example or [2001:db8::7]:{PORT}"
        )
    return host, int(port)


def _is_host(text: str) -> bool:
    try:
        text.encode("idna")  # as it is looked up
    except UnicodeError:
        return False
    return bool(text) and "/" not in text


def read_access(
    config: AccessConfig, environment: Mapping[str, str] = os.environ, *, manager: bool
) -> Access | None:
    """The credentials that the settings name, for a *manager* or else for a worker; None when there is no key.

    Raises UsageError.
    """
    if config.keys and not config.authkey_file and AUTHKEY_VARIABLE not in environment:
        _check_keys(Path(config.keys), "manager" if manager else "worker")
    authkey = _authkey(config, environment)
    tls = _tls(config)
    if tls is not None:
        tls.check(server_side=manager)
    if authkey is None:
        if tls is not None:
            raise UsageError("a certificate without a key is not enough: give --authkey-file or --keys, too")
        return None
    return Access(authkey=authkey, tls=tls)


def demand(access: Access | None, host: str, *, insecure_plaintext: bool) -> None:
    """Raise UsageError unless *access* is enough for *host*: a key, and TLS or *insecure_plaintext*; or loopback."""
    if is_loopback(host):
        return
    if access is None:
        raise UsageError(
            f"{host} can be reached by others, and so the crawl needs a key: --keys DIR (image-crawler keygen makes"
            f" it), --authkey-file FILE or the environment variable {AUTHKEY_VARIABLE}"
        )
    if access.tls is None and not insecure_plaintext:
        raise UsageError(
            f"without TLS whoever is on the path to {host} can read and change everything: --keys DIR (image-crawler"
            " keygen makes it), or --tls-cert, --tls-key and --tls-ca; or say --insecure-plaintext"
        )


def is_loopback(host: str) -> bool:
    """Whether all addresses of *host* are loopback addresses; a name that nobody knows has none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def _authkey(config: AccessConfig, environment: Mapping[str, str]) -> bytes | None:
    if config.authkey_file:
        return read_authkey(Path(config.authkey_file))
    in_folder = Path(config.keys, "authkey")
    if AUTHKEY_VARIABLE in environment and not (config.keys and os.path.lexists(in_folder)):
        key = os.fsencode(environment[AUTHKEY_VARIABLE])
        return _long_enough(key, f"the environment variable {AUTHKEY_VARIABLE}")
    return read_authkey(in_folder) if config.keys else None


def _check_keys(folder: Path, side: str) -> None:
    """Raise UsageError if *folder* has no key, but a folder has that keygen made for this *side* beside it."""
    # os.path tells nothing of a folder that may not be read: reading the key will
    if os.path.lexists(folder / "authkey"):
        return
    for guess in (folder / side, folder.parent / "keys" / side):
        if os.path.lexists(guess / "authkey"):
            raise UsageError(f"there is no key in {folder}; did you mean --keys {guess}?")


def read_authkey(file: Path) -> bytes:
    """The key in *file*, without white space around it. Raises UsageError."""
    content = read_secret(file, "authkey", "key")
    return _long_enough(content, f"the authkey file {file}")


def read_secret(file: Path, kind: str, what: str) -> bytes:
    """The bytes of *file*; logs that the file is readable by others. Raises UsageError.

    Messages call it the *kind* file, and its content a *what*.
    """
    try:
        content = file.read_bytes()
        mode = file.stat().st_mode
    except OSError as exc:
        raise UsageError(
            f"can't read the {kind} file {file}: {plain(exc)}; give one that is there, and may be read"
        ) from exc
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO) and not _is_credential(file):
        tell(log, KEY_EXPOSED, what=what, file=file)
    return content


def _is_credential(file: Path) -> bool:
    """Whether *file* is a systemd credential: an access list lets its user read it, and looks like a group's right."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")  # systemd.exec(5)
    return bool(folder) and file.resolve().parent == Path(str(folder)).resolve()


def _long_enough(content: bytes, where: str) -> bytes:
    key = content.strip()
    if len(key) < MIN_AUTHKEY_BYTES:
        raise UsageError(
            f"{where} holds {len(key)} bytes, and a key has {MIN_AUTHKEY_BYTES} or more; image-crawler keygen makes one"
        )
    return key


def _tls(config: AccessConfig) -> Tls | None:
    given = {"tls_cert": config.tls_cert, "tls_key": config.tls_key, "tls_ca": config.tls_ca}
    if config.insecure_plaintext:
        if any(given.values()):
            raise UsageError(
                "--insecure-plaintext and certificates exclude each other; leave one of them out"
            )
        return None
    folder = Path(config.keys) if config.keys else None
    if folder is not None and os.path.lexists(folder / "cert.pem"):
        defaults = {"tls_cert": "cert.pem", "tls_key": "key.pem", "tls_ca": "ca.pem"}
        given = {name: path or str(folder / defaults[name]) for name, path in given.items()}
    if not any(given.values()):
        return None
    if missing := [name for name, path in given.items() if not path]:
        flags = " and ".join("--" + name.replace("_", "-") for name in missing)
        raise UsageError(
            f"TLS needs a certificate, its key and the other side's authority; {flags} is missing"
        )
    return Tls(
        cert=Path(given["tls_cert"]),
        key=Path(given["tls_key"]),
        ca=Path(given["tls_ca"]),
        server_name=config.tls_server_name or SERVER_NAME,
    )
