"""The server, or servers, that a queue lies on: connections, scripts, wake-ups, and errors in words that help.

Redis and Valkey from 6.2 on; one server, a cluster, or the one that sentinels name.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from crawler import errors
from crawler.queues.patience import queue_patience
from crawler.queues.redis.address import RedisAddress
from crawler.queues.redis.scripts import script
from crawler.text.plain_errors import plain

_SOCKET_S = 10.0
_AT_ONCE = 500
_LEAST_VERSION = (6, 2)
_T = TypeVar("_T")
Argument = bytes | str | int | float

_HEALING_TYPES = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.MasterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterDownError,
)
_HEALING = ("OOM", "MISCONF", "NOREPLICAS", "BUSY", "UNBLOCKED", "NOCRAWL", "DAMAGED")
"""What another try may get over: a server without memory, a failover …; the same by the first words of the text."""
_WRONG_TYPE = "WRONGTYPE"
_IN_A_SCRIPT = re.compile(
    r"Error running script .*?-(?=(?:OOM|MISCONF|NOREPLICAS|READONLY|MASTERDOWN|TRYAGAIN|CLUSTERDOWN)\b)"
)
"""What stands before these words where Redis 6.2 tells of them."""


class RedisConnection:
    """The servers at *address*. Thread-safe; a forked process makes connections of its own.

    All calls try for ``patience.patience_s`` seconds, then raise QueueUnreachable; AuthenticationFailed, CrawlReplaced
    and UsageError (a server that can't be used) at once.
    """

    def __init__(self, address: RedisAddress, *, reconnect_s: float) -> None:
        self.address = address
        self.patience = queue_patience(
            lambda: str(address), reconnect_s=reconnect_s, may_heal=_may_heal, said=_said
        )
        self._redis: Any = None
        self._dialling = threading.Lock()

    def run(self, prefix: str, arguments: Sequence[Argument]) -> Any:
        """The answer to a command, for the shard whose keys begin with *prefix*. *arguments* are ARGV of base.lua: the
        third of them names the command.
        """
        text, sha = script(str(arguments[2]))

        def call() -> Any:
            client = self._client()
            try:
                return client.evalsha(sha, 1, prefix, *arguments)
            except redis.exceptions.NoScriptError:  # a server that was started anew, or another one
                return client.eval(text, 1, prefix, *arguments)

        return self._explained(call)

    def call(self, *words: Argument) -> Any:
        """The server's answer to a command of its own."""
        return self._of_key(str(words[1]), lambda: self._client().execute_command(*words))

    def hash(self, key: str) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = self._of_key(key, lambda: self._client().hgetall(key))
        return found

    def _of_key(self, key: str, call: Callable[[], _T]) -> _T:
        try:
            return self._explained(call)
        except errors.RemoteFault as exc:
            if _WRONG_TYPE in str(exc):
                raise errors.QueueDamaged(_damaged(key, _WRONG_TYPE)) from exc
            raise

    def info(self, section: str, prefix: str = "") -> dict[str, Any]:
        """INFO of the server that has the keys which begin with *prefix*."""

        def call() -> Any:
            client = self._client()
            if isinstance(client, RedisCluster):
                return client.info(section, target_nodes=client.get_node_from_key(prefix))
            return client.info(section)

        found: dict[str, Any] = self._explained(call)
        return found

    def delete(self, prefixes: Sequence[str], *, but: frozenset[str] = frozenset()) -> None:
        """Remove all keys that begin with one of *prefixes*, some at a time."""

        def call() -> None:
            client = self._client()
            for prefix in prefixes:
                pattern = "".join(f"[{char}]" if char in "*?[]\\" else char for char in prefix) + "*"
                found = client.scan_iter(match=pattern, count=1000)
                gone = (key for key in found if key.decode("utf-8", "surrogateescape") not in but)
                while keys := list(islice(gone, _AT_ONCE)):
                    client.unlink(*keys)

        self._explained(call)

    def wakeup_channel(self, channel: str) -> WakeupChannel:
        """Subscribe to the wake-ups published at *channel* from now on."""
        return WakeupChannel(self._explained(lambda: self._subscription(channel)))

    def _subscription(self, channel: str) -> Any:
        subscription = self._client().pubsub(ignore_subscribe_messages=True)
        subscription.subscribe(channel)
        subscription.get_message(ignore_subscribe_messages=False, timeout=_SOCKET_S)
        return subscription

    def close(self) -> None:
        """Close all connections, also of calls that are under way: these fail."""
        client, self._redis = self._redis, None
        if client is None:
            return
        nodes = client.get_nodes() if isinstance(client, RedisCluster) else ()
        pools = [node.redis_connection.connection_pool for node in nodes if node.redis_connection]
        for pool in pools or [client.connection_pool]:
            pool.disconnect(inuse_connections=True)
        client.close()

    def abandon(self) -> None:
        """Wait for no answer any more."""
        self.patience.stop.set()

    def _client(self) -> Any:
        with self._dialling:
            if self._redis is None:
                self._redis = self._dial()
            return self._redis

    def _dial(self) -> Any:
        address = self.address
        options: dict[str, Any] = {
            "username": address.user or None,
            "password": address.password or None,
            "socket_timeout": _SOCKET_S,
            "socket_connect_timeout": _SOCKET_S,
            "socket_keepalive": True,
            "protocol": 2,
        }
        if address.tls:
            options |= {
                "ssl": True,
                "ssl_ca_certs": str(address.ca) if address.ca else None,
                "ssl_certfile": str(address.cert) if address.cert else None,
                "ssl_keyfile": str(address.key) if address.key else None,
                "ssl_min_version": ssl.TLSVersion.TLSv1_2,
            }
        once = Retry(NoBackoff(), 0)  # the trying is ours
        if address.kind == "cluster":
            nodes = [ClusterNode(host, port) for host, port in address.hosts]
            return RedisCluster(startup_nodes=nodes, **options)
        if address.kind == "sentinel":
            watchers = Sentinel(
                address.hosts, sentinel_kwargs={**options, "password": None, "username": None}
            )
            return watchers.master_for(address.service, db=address.db, retry=once, **options)
        (host, port), *_ = address.hosts
        return redis.Redis(host=host, port=port, db=address.db, retry=once, **options)

    def _explained(self, call: Callable[[], _T]) -> _T:
        where = str(self.address)
        try:
            return self.patience(call)
        except (redis.exceptions.AuthenticationError, redis.exceptions.NoPermissionError) as exc:
            raise errors.AuthenticationFailed(
                f"{where} does not let us in: {_said(exc)}; see the password and the user's rights"
            ) from exc
        except redis.exceptions.RedisError as exc:
            word = str(exc).partition(" ")[0]
            if word == "REPLACED":
                raise replaced(where) from exc
            if word == "OWNED":
                raise errors.FolderError(
                    f"at {where} the name is taken by another crawl; choose another one: --queue URL#NAME"
                ) from exc
            if (cause := _certificate(exc)) is not None:
                raise errors.AuthenticationFailed(
                    f"the certificate of {where} is not accepted: {cause}"
                ) from exc
            if word == "DAMAGED":
                raise errors.QueueDamaged(_said(exc)) from exc
            if _may_heal(exc):
                raise errors.QueueUnreachable(f"no answer from {where}: {_said(exc)}") from exc
            raise errors.RemoteFault(f"{where} failed at a call: {_said(exc)}") from exc
        except OSError as exc:
            raise errors.QueueUnreachable(f"no answer from {where}: {_said(exc)}") from exc


_REFUSALS = {
    "NOAUTH": "it wants a password",
    "WRONGPASS": "the user name or the password is wrong",
    "NOPERM": "that user may not do this",
    "READONLY": "it is a replica, which takes no changes",
    "LOADING": "it is still loading its data",
    "CLUSTERDOWN": "its cluster is down",
    "MASTERDOWN": "its primary is down",
    "MISCONF": "it can't write to its disk",
    "BUSY": "it is busy with a script",
    "NOREPLICAS": "it has too few replicas at the moment",
}
"""By the word that a server begins its errors with."""


class WakeupChannel:
    """Pub/sub subscription to a worker's wake-ups; not thread-safe."""

    def __init__(self, subscription: Any) -> None:
        self._subscription = subscription

    def wait(self, for_s: float) -> bytes | None:
        """The message of the next wake-up, None after *for_s* seconds without one. Raises WakeupLost."""
        try:
            message = self._subscription.get_message(timeout=max(0.001, for_s))
        except (redis.exceptions.RedisError, OSError, ValueError) as exc:
            raise WakeupLost(_said(exc)) from exc
        return message["data"] if message else None

    def close(self) -> None:
        self._subscription.close()


class WakeupLost(Exception):
    """The subscription's connection is lost."""


def replaced(where: str) -> errors.CrawlReplaced:
    return errors.CrawlReplaced(f"{where} has another crawl by now, or this one with other settings")


def check_version(info: dict[str, Any], where: str) -> None:
    """Raises UsageError for a server that lacks what we need; *info* is of the section ``server``."""
    text = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in text.split(".")[:2] if part.isdigit()) < _LEAST_VERSION:
        raise errors.UsageError(f"{where} is Redis {text}, and it takes 6.2 or newer, or Valkey")


def _damaged(key: str, why: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in f"{key} can't be read ({why}"[:300])
    return f"{shown}): something else has written to it"


def _certificate(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message or plain(error)
        error = error.__cause__ or error.__context__
    return None


def _may_heal(error: BaseException) -> bool:
    if isinstance(error, redis.exceptions.AuthenticationError):
        return False
    broken = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError)
    if isinstance(error, (*broken, redis.exceptions.ClusterError, redis.exceptions.RedisClusterException)):
        return _certificate(error) is None
    return isinstance(error, _HEALING_TYPES) or (
        isinstance(error, redis.exceptions.ResponseError)
        and (str(error).startswith(_HEALING) or _IN_A_SCRIPT.match(str(error)) is not None)
    )


def _said(error: BaseException) -> str:
    text = _IN_A_SCRIPT.sub("", " ".join(str(error).split()))
    if text.startswith("DAMAGED"):
        _, key, why = f"{text}  ".split(" ", 2)
        return _damaged(key, why.strip())
    if text.startswith("NOCRAWL"):
        return "the crawl is not there (any more, or so far)"
    if text.startswith(("OOM", "command not allowed when used memory")):
        return "it has no memory left (maxmemory)"
    if (cause := _of_system(error)) is not None:
        return plain(cause)
    return _REFUSALS.get(text.partition(" ")[0]) or plain(error)


def _of_system(error: BaseException | None) -> OSError | None:
    """What redis-py tells by number: ``Error 111 connecting to …``."""
    while error is not None and not (isinstance(error, OSError) and error.errno):
        error = error.__cause__ or error.__context__
    return error
