"""Where the queues of a crawl are if they lie in Redis or Valkey, and how a machine gets in there.

A module of its own: parsing such addresses costs each process 6 ms, and few crawls have one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from crawler.config import QUEUE_PASSWORD_VARIABLE, AccessConfig
from crawler.errors import UsageError
from crawler.extras import install
from crawler.queues.redis.address import RedisAddress, parse
from crawler.run.endpoints import QueueClient, is_loopback, read_secret
from crawler.text.plain_errors import plain

if TYPE_CHECKING:
    from crawler.queues.redis.client import RedisClient


@dataclass(frozen=True, kw_only=True)
class RedisEndpoint:
    """A Redis or Valkey that has the queues; the address has the credentials."""

    address: RedisAddress

    def __str__(self) -> str:
        return str(self.address)

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(host for host, _ in self.address.hosts)

    def client(self, *, reconnect_s: float) -> RedisClient:
        """A client, which has not dialled yet. Raises UsageError when the extra for it is not installed."""
        try:
            from crawler.queues.redis.client import RedisClient
        except ModuleNotFoundError as exc:
            if exc.name != "redis":
                raise
            raise UsageError(
                f"a queue at {self} takes the library redis, which is not installed: {install('redis')}"
            ) from exc
        return RedisClient(self.address, reconnect_s=reconnect_s)

    def pinned_to(self, client: QueueClient) -> RedisEndpoint:
        """The same endpoint, with the name of the crawl that *client* has found there."""
        return RedisEndpoint(address=cast("RedisClient", client).address)


def read_redis(text: str, config: AccessConfig, environment: Mapping[str, str] = os.environ) -> RedisEndpoint:
    """The Redis at *text*, with the password and the certificates of the settings, checked by :func:`demand_redis`.

    A password in a file wins over one in the environment, and that over one in *text*. Raises UsageError.
    """
    address = parse(text)
    if config.queue_password_file:
        address = replace(address, password=_password(Path(config.queue_password_file)))
    elif QUEUE_PASSWORD_VARIABLE in environment:
        address = replace(address, password=environment[QUEUE_PASSWORD_VARIABLE])
    address = _with_certificates(address, config)
    demand_redis(address, insecure_plaintext=config.insecure_plaintext)
    return RedisEndpoint(address=address)


def demand_redis(address: RedisAddress, *, insecure_plaintext: bool) -> None:
    """Raise UsageError unless *address* is enough for its hosts: TLS and a password, nothing at loopback.

    *insecure_plaintext* allows other hosts without either.
    """
    if insecure_plaintext and address.tls:
        raise UsageError(
            f"--insecure-plaintext and {address}, which is TLS, exclude each other; leave out one"
        )
    foreign = [host for host, _ in address.hosts if not is_loopback(host)]
    if not foreign or insecure_plaintext:
        return
    if not address.tls:
        raise UsageError(
            f"without TLS whoever is on the path to {foreign[0]} can read and change everything: say rediss://… for"
            " redis://…, or say --insecure-plaintext"
        )
    if not address.password and address.cert is None:
        raise UsageError(
            f"{foreign[0]} can be reached by others, and so its Redis needs a password: --queue-password-file FILE, the"
            f" environment variable {QUEUE_PASSWORD_VARIABLE} or rediss://:PASSWORD@HOST; or a certificate, --tls-cert"
            " and --tls-key"
        )


def _password(file: Path) -> str:
    try:
        password = read_secret(file, "password", "password").decode().strip("\r\n")
    except UnicodeDecodeError as exc:
        raise UsageError(f"the password file {file} holds no text in UTF-8") from exc
    if not password:
        raise UsageError(f"the password file {file} is empty")
    return password


def _with_certificates(address: RedisAddress, config: AccessConfig) -> RedisAddress:
    """*address* with the certificate files of the settings; those that it names itself win over a folder of keys.

    Raises UsageError.
    """
    given = {"ca": config.tls_ca, "cert": config.tls_cert, "key": config.tls_key}
    if not address.tls:
        if any(given.values()):
            raise UsageError(
                f"certificates are for TLS, and {address} is without it; say rediss:// for redis://"
            )
        return address
    folder = Path(config.keys) if config.keys else None
    files: dict[str, Any] = {}
    for name, path in given.items():
        beside = folder / f"{name}.pem" if folder is not None else None
        if path:
            files[name] = Path(path)
        elif (own := getattr(address, name)) is not None:
            files[name] = own
        elif beside is not None and beside.exists():
            files[name] = beside
    for file in files.values():
        try:
            file.open("rb").close()
        except OSError as exc:
            raise UsageError(f"can't use {file}: {plain(exc)}") from exc
    if ("cert" in files) is not ("key" in files):
        missing = "--tls-key" if "cert" in files else "--tls-cert"
        raise UsageError(f"a certificate and its key belong together; {missing} is missing")
    return replace(address, **{name: file.absolute() for name, file in files.items()})
