"""TLS between workers and the manager, on real sockets: who gets in, who does not, and how soon either knows."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from crawler import errors
from crawler.config import QueueConfig, ScopeConfig
from crawler.models import NewTask, PageRecord, PageStatus, TaskKind
from crawler.queues import RecordPage
from crawler.queues.rpc import transport
from crawler.queues.rpc.manager import QueueManager
from crawler.queues.rpc.server import RpcServer
from crawler.queues.rpc.tls import Tls, refusal
from crawler.queues.rpc.transport import RpcTransport
from crawler.queues.rpc.wire import MAX_MESSAGE_BYTES, Connection
from crawler.run import keygen
from tests.support import certificates
from tests.support.cpu_time import soon
from tests.support.peer import dial
from tests.support.queues import (
    AUTHKEY,
    Queues,
    connected,
    embedded,
    image,
    in_thread,
    lease,
    page,
    served,
    wait_until,
)
from tests.support.queues import worker as a_worker
from tests.unit.queues.rpc.test_client import Scripted, call_everything

_AT_ONCE_S = 2.0
_BIG = 3 * 2**20


@pytest.fixture(name="manager", scope="module")
def managers_files(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return certificates.make(tmp_path_factory.mktemp("ours"))[0]


@pytest.fixture(name="worker", scope="module")
def workers_files(manager: Tls) -> Tls:
    return certificates.held_in(manager.ca.parent.with_name("worker"))


@pytest.fixture(name="strangers", scope="module")
def anothers_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tls, Tls]:
    """A manager and a worker of another crawl."""
    return certificates.make(tmp_path_factory.mktemp("theirs"))


@pytest.fixture(name="embedded_queues")
def embedded_(tmp_path: Path) -> Iterator[Queues]:
    with embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()) as (_, queues):
        yield queues


@pytest.fixture(name="server")
def a_server(embedded_queues: Queues, manager: Tls) -> Iterator[RpcServer]:
    with served(embedded_queues.tasks, embedded_queues.results, tls=manager) as server:
        yield server


@contextmanager
def serving(tls: Tls | None) -> Iterator[RpcServer]:
    queue = Scripted()
    with served(queue, queue, tls=tls) as server:  # type: ignore[arg-type]
        yield server


def refused(server: RpcServer, tls: Tls | None, *, authkey: bytes = AUTHKEY) -> errors.QueueError:
    """What one with these files is told: at once, for asking again would not help."""
    client = QueueManager(server.listener.address, authkey, tls=tls, reconnect_s=30.0)
    started = time.monotonic()
    with pytest.raises(errors.QueueError) as caught:
        client.connect()
    assert time.monotonic() - started < _AT_ONCE_S
    assert "the manager at 127.0.0.1:" in str(caught.value)
    wait_until(lambda: not server._open)
    return caught.value


def lets_in(server: RpcServer, tls: Tls) -> bool:
    with connected(server, tls=tls):
        return len(server._authenticated) == 1


@contextmanager
def pair(
    manager: Tls, worker: Tls, *, buffer_bytes: int | None = None
) -> Iterator[tuple[Connection, Connection]]:
    """The two ends of a connection over TLS: the worker's, and the manager's."""
    listener = RpcTransport(manager).listen(("127.0.0.1", 0))
    client = RpcTransport(worker).open(listener.address)
    peer = listener.accept()
    listener.close()
    if buffer_bytes is not None:
        client._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        peer._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    try:
        with in_thread(lambda: RpcTransport(manager).welcome(peer, AUTHKEY)) as outcome:
            RpcTransport(worker).greet(client, AUTHKEY)
        assert outcome == [None]
        yield client, peer
    finally:
        client.close()
        peer.close()


# --- honest ones ---


def test_every_call_works(server: RpcServer, worker: Tls, embedded_queues: Queues) -> None:
    with connected(server, tls=worker) as client:
        (peer,) = server._authenticated
        assert peer._sock.version() == "TLSv1.3"  # type: ignore[attr-defined]
        call_everything(
            Queues(
                tasks=client.get_task_queue(),
                results=client.get_result_queue(),
                pass_time=embedded_queues.pass_time,
            )
        )


def test_large_messages_cross_both_ways(manager: Tls, worker: Tls) -> None:
    sent = [
        NewTask(kind=TaskKind.PAGE, url=f"http://a.example/{n}?{'x' * 1024}") for n in range(_BIG // 1024)
    ]
    got = RecordPage(
        records=tuple(
            PageRecord(url=f"http://a.example/{n}", status=PageStatus.HARVESTED, title="y" * 2**18)
            for n in range(_BIG // 2**18)
        )
    )
    arrived: list[NewTask] = []

    def put(tasks: list[NewTask]) -> int:
        arrived.extend(tasks)
        return len(tasks)

    queue = Scripted(put=put, get=lambda **_: got)
    with (
        served(queue, queue, tls=manager) as server,  # type: ignore[arg-type]
        connected(server, tls=worker) as client,
    ):
        assert client.get_task_queue().put(sent) == len(sent)
        assert client.get_result_queue().get() == got
    assert arrived == sent


def test_the_largest_message_crosses(manager: Tls, worker: Tls) -> None:
    data = bytes(range(256)) * (MAX_MESSAGE_BYTES // 256)
    with pair(manager, worker) as (client, peer):
        for sender, receiver in ((client, peer), (peer, client)):
            with in_thread(lambda sender=sender: sender.send_bytes(data)) as outcome:  # type: ignore[misc]
                assert receiver.recv_bytes() == data
            assert outcome == [None]


def test_nothing_can_be_read_on_the_way(manager: Tls, worker: Tls) -> None:
    """Between the two, the challenges and the calls are nothing but noise."""
    seen = bytearray()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                seen.extend(chunk)
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)

    task = NewTask(kind=TaskKind.PAGE, url="http://secret.example/")
    queue = Scripted(put=len)
    with (
        served(queue, queue, tls=manager) as server,  # type: ignore[arg-type]
        socket.create_server(("127.0.0.1", 0)) as middle,
    ):
        client = QueueManager(middle.getsockname()[:2], AUTHKEY, tls=worker, reconnect_s=0.0)
        with (
            in_thread(lambda: client.get_task_queue().put([task])) as outcome,
            middle.accept()[0] as near,
            socket.create_connection(server.listener.address) as far,
            in_thread(lambda: pump(near, far)),
            in_thread(lambda: pump(far, near)),
        ):
            wait_until(lambda: outcome)
            client.disconnect()
        assert outcome == [1]
    assert len(seen) > 1000
    for clear in (b"CHALLENGE", b"WELCOME", b"secret", b"image-crawler worker"):
        assert clear not in seen


# --- certificates that will not do ---


def test_a_workers_certificate_can_t_stand_for_a_manager(worker: Tls) -> None:
    with serving(worker) as server:
        error = refused(server, worker)
    assert isinstance(error, errors.AuthenticationFailed)
    assert "purpose" in str(error), "by its extended key usage, not by its name alone"


def test_a_managers_certificate_can_t_stand_for_a_worker(
    server: RpcServer, manager: Tls, worker: Tls
) -> None:
    error = refused(server, manager)
    assert isinstance(error, errors.AuthenticationFailed)
    assert "does not accept our certificate" in str(error)
    assert lets_in(server, worker)


def test_a_manager_of_another_crawl_is_not_trusted(worker: Tls, strangers: tuple[Tls, Tls]) -> None:
    with serving(strangers[0]) as server:
        error = refused(server, worker)
    assert isinstance(error, errors.AuthenticationFailed)
    assert "its certificate is not one that we trust" in str(error)
    assert "--tls-ca" in str(error)


def test_a_worker_of_another_crawl_is_not_let_in(
    server: RpcServer, worker: Tls, strangers: tuple[Tls, Tls]
) -> None:
    """It trusts this manager; the manager does not trust it."""
    error = refused(server, replace(strangers[1], ca=worker.ca))
    assert isinstance(error, errors.AuthenticationFailed)
    assert "it does not accept our certificate" in str(error)
    assert lets_in(server, worker)


@pytest.fixture(name="expired", scope="module")
def files_of_yesterday(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tls, Tls]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keygen, "_valid_until", lambda _: datetime.now(UTC) - timedelta(hours=1))
        return certificates.make(tmp_path_factory.mktemp("expired"))


def test_a_managers_certificate_has_its_time(expired: tuple[Tls, Tls]) -> None:
    with serving(expired[0]) as server:
        error = refused(server, expired[1])
    assert isinstance(error, errors.AuthenticationFailed)
    assert "certificate has expired" in str(error)


def test_a_workers_certificate_has_its_time(manager: Tls, worker: Tls, expired: tuple[Tls, Tls]) -> None:
    with serving(replace(manager, ca=expired[1].ca)) as server:
        error = refused(server, replace(expired[1], ca=worker.ca))
    assert isinstance(error, errors.AuthenticationFailed)
    assert "certificate expired" in str(error)


class Peculiar(Tls):
    """A client that begins TLS in its own way."""

    def on_client(self, sock: socket.socket) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.ca)
        self.prepare(context)
        return context.wrap_socket(sock, server_hostname=self.server_name, do_handshake_on_connect=False)

    def prepare(self, context: ssl.SSLContext) -> None:
        """With no certificate."""


class OfYesterday(Peculiar):
    def prepare(self, context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.cert, self.key)


def test_one_without_a_certificate_is_not_let_in(server: RpcServer, worker: Tls) -> None:
    error = refused(server, Peculiar(cert=worker.cert, key=worker.key, ca=worker.ca))
    assert isinstance(error, errors.AuthenticationFailed)
    assert "certificate required" in str(error)
    assert lets_in(server, worker)


def test_one_who_speaks_tls_1_2_is_not_let_in(server: RpcServer, worker: Tls) -> None:
    error = refused(server, OfYesterday(cert=worker.cert, key=worker.key, ca=worker.ca))
    assert isinstance(error, errors.ProtocolError)
    assert "TLS 1.3" in str(error)
    assert lets_in(server, worker)


@pytest.mark.parametrize("name", ["crawl.example.org", "127.0.0.1", "internal"])
def test_a_certificate_for_another_name_will_not_do(server: RpcServer, worker: Tls, name: str) -> None:
    error = refused(server, replace(worker, server_name=name))
    assert isinstance(error, errors.AuthenticationFailed)
    assert "--tls-server-name" in str(error)
    assert lets_in(server, worker)


def test_a_certificate_alone_does_not_let_in(server: RpcServer, worker: Tls) -> None:
    error = refused(server, worker, authkey=b"another key")
    assert isinstance(error, errors.AuthenticationFailed)
    assert "has another authkey" in str(error)
    assert lets_in(server, worker)


# --- TLS on one side only ---


def test_a_plain_client_gets_no_answer_from_a_manager_with_tls(
    server: RpcServer, worker: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other to begin."""
    monkeypatch.setattr(transport, "HANDSHAKE_S", 0.2)
    client = QueueManager(server.listener.address, AUTHKEY, reconnect_s=1.0)
    started = time.monotonic()
    with pytest.raises(errors.QueueUnreachable, match=r"no answer from the manager at 127\.0\.0\.1:"):
        client.connect()
    assert soon(time.monotonic() - started, 3.0)
    wait_until(lambda: not server._open)
    monkeypatch.undo()
    assert lets_in(server, worker)


def test_a_plain_message_to_a_manager_with_tls_is_refused(server: RpcServer, worker: Tls) -> None:
    with socket.create_connection(server.listener.address) as sock:
        sock.sendall(b"\0\0\0\x20" + b"#CHALLENGE#" + b"x" * 21)
        sock.settimeout(_AT_ONCE_S)
        with suppress(ConnectionResetError):
            assert b"#" not in sock.recv(65536)
    wait_until(lambda: not server._open)
    assert lets_in(server, worker)


def test_a_client_with_tls_is_told_that_the_manager_has_none(worker: Tls) -> None:
    with serving(None) as server:
        error = refused(server, worker)
        assert isinstance(error, errors.ProtocolError)
        assert "does not speak TLS 1.3" in str(error)
        assert "--insecure-plaintext" in str(error)
        with connected(server):
            assert len(server._authenticated) == 1


# --- files that will not do ---


def garbage(path: Path) -> None:
    path.write_bytes(b"no PEM \xff\0 at all\n" * 9)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-80])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [Path.unlink, garbage, half, empty, folder])
@pytest.mark.parametrize("name", ["cert", "key", "ca"])
def test_a_file_that_can_t_be_used_is_named(tmp_path: Path, spoil: Callable[[Path], None], name: str) -> None:
    tls, _ = certificates.make(tmp_path)
    path: Path = getattr(tls, name)
    spoil(path)
    with pytest.raises(errors.UsageError, match="can't use") as caught:
        tls.check(server_side=True)
    assert str(path) in str(caught.value)


def test_an_encrypted_key_is_not_asked_about(tmp_path: Path) -> None:
    tls, _ = certificates.make(tmp_path)
    key = serialization.load_pem_private_key(tls.key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    tls.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    with pytest.raises(errors.UsageError, match="the key is encrypted") as caught:
        tls.check(server_side=True)
    assert str(tls.key) in str(caught.value)


def test_a_key_that_is_not_the_certificates_is_noticed(manager: Tls, worker: Tls) -> None:
    with pytest.raises(errors.UsageError) as caught:
        replace(manager, key=worker.key).check(server_side=True)
    assert str(manager.cert) in str(caught.value)
    assert str(worker.key) in str(caught.value)


def test_one_who_connects_with_such_files_is_told_so(server: RpcServer, worker: Tls, tmp_path: Path) -> None:
    missing = replace(worker, cert=tmp_path / "none.pem")
    client = QueueManager(server.listener.address, AUTHKEY, tls=missing, reconnect_s=30.0)
    started = time.monotonic()
    with pytest.raises(errors.UsageError, match=r"none\.pem"):
        client.connect()
    assert time.monotonic() - started < _AT_ONCE_S
    wait_until(lambda: not server._open)
    assert lets_in(server, worker)


@pytest.mark.parametrize("name", [".example.org", "a..b", "x" * 64, "a\0b", ""])
def test_a_server_name_that_is_none_is_refused_beforehand(worker: Tls, name: str) -> None:
    with pytest.raises(errors.UsageError, match="tls-server-name"):
        replace(worker, server_name=name).check(server_side=False)


@pytest.mark.parametrize("name", ["cert", "key"])
def test_it_says_which_file_is_missing(tmp_path: Path, name: str) -> None:
    tls, _ = certificates.make(tmp_path)
    getattr(tls, name).unlink()
    other = {"cert": tls.key, "key": tls.cert}[name]
    with pytest.raises(errors.UsageError, match=rf"{name}\.pem: there is no such file") as caught:
        tls.check(server_side=True)
    assert str(other) not in str(caught.value)


def test_the_other_sides_folder_is_noticed_before_anybody_is_refused(manager: Tls, worker: Tls) -> None:
    with pytest.raises(
        errors.UsageError, match=r"cert\.pem won't do for a manager: unsuitable certificate purpose"
    ):
        worker.check(server_side=True)
    with pytest.raises(
        errors.UsageError, match=r"cert\.pem won't do for a worker: unsuitable certificate purpose"
    ):
        manager.check(server_side=False)


def test_what_has_expired_is_noticed_too(expired: tuple[Tls, Tls]) -> None:
    for tls, server_side in zip(expired, (True, False), strict=True):
        with pytest.raises(errors.UsageError, match="certificate has expired"):
            tls.check(server_side=server_side)


def test_an_authority_of_ones_own_for_each_side_is_no_fault(
    manager: Tls, worker: Tls, strangers: tuple[Tls, Tls]
) -> None:
    replace(manager, ca=strangers[0].ca).check(server_side=True)
    replace(worker, ca=strangers[0].ca).check(server_side=False)


def test_files_that_are_right_pass(manager: Tls, worker: Tls) -> None:
    manager.check(server_side=True)
    worker.check(server_side=False)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(104, "Connection reset by peer"),
        TimeoutError(),
        EOFError(),
        ssl.SSLError(1, "no reason known"),
        ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
    ],
)
def test_what_may_heal_is_no_refusal(error: BaseException) -> None:
    assert refusal(error) is None


# --- slow and silent ones ---


def client_hello(tls: Tls) -> bytes:
    context = ssl.create_default_context(cafile=tls.ca)
    out = ssl.MemoryBIO()
    hello = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=tls.server_name)
    with suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    return out.read()


def test_one_who_drips_its_hello_is_dropped_and_keeps_nobody_waiting(
    server: RpcServer, worker: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes well in time; the handshake as a whole does not."""
    monkeypatch.setattr(transport, "HANDSHAKE_S", 0.3)
    hello = client_hello(worker)
    assert len(hello) * 0.01 > 2.0, "or it would come to its end by itself"
    stop = threading.Event()
    with socket.create_connection(server.listener.address) as sock:
        started = time.monotonic()

        def drip() -> None:
            with suppress(OSError):
                for byte in hello:
                    sock.sendall(bytes([byte]))
                    if stop.wait(0.01):
                        return

        with in_thread(drip):
            wait_until(lambda: server._open)
            assert lets_in(server, worker)
            assert soon(time.monotonic() - started, 1.0)
            wait_until(lambda: not server._open, within_s=2.0)
            taken_s = time.monotonic() - started
            assert taken_s > 0.25
            assert soon(taken_s, 1.5)
            stop.set()


def test_a_client_gives_a_silent_manager_up(worker: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "HANDSHAKE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            dial(silent.getsockname()[:2], tls=worker, authkey=AUTHKEY)
        assert soon(time.monotonic() - started, 1.0)


@pytest.mark.parametrize("side", [0, 1], ids=["worker", "manager"])
def test_interrupt_frees_a_reader_at_once(manager: Tls, worker: Tls, side: int) -> None:
    with pair(manager, worker) as ends:
        ends[side].deadline_s = 20.0
        with in_thread(ends[side].recv_bytes) as outcome:
            wait_until(lambda: outcome.is_in("recv_bytes"))
            assert not outcome
            started = time.monotonic()
            ends[side].interrupt()
        assert soon(time.monotonic() - started, 0.5)
        assert isinstance(outcome[0], (EOFError, OSError))


def test_interrupt_frees_a_handshake_at_once(worker: Tls) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = RpcTransport(worker).open(silent.getsockname()[:2])
        with in_thread(lambda: RpcTransport(worker).greet(client, AUTHKEY)) as outcome:
            wait_until(lambda: isinstance(client._sock, ssl.SSLSocket) and outcome.is_in("do_handshake"))
            started = time.monotonic()
            client.interrupt()
        assert soon(time.monotonic() - started, 0.5)
        assert isinstance(outcome[0], OSError)
        client.close()


def test_nothing_goes_out_in_the_clear_after_an_interrupt(manager: Tls, worker: Tls) -> None:
    """As it would with SSLSocket's own shutdown, which leaves TLS."""
    with pair(manager, worker) as (client, _):
        client.interrupt()
        assert isinstance(client._sock, ssl.SSLSocket)
        assert client._sock.version() == "TLSv1.3"
        with pytest.raises(OSError):
            client.send_bytes(b"x")


@pytest.mark.parametrize("reads_bytes", [0, 65536])
def test_a_peer_that_reads_too_slowly_is_given_up_at_the_deadline(
    manager: Tls, worker: Tls, reads_bytes: int
) -> None:
    """Each record of 16 KiB goes well in time; the message as a whole does not."""
    with pair(manager, worker, buffer_bytes=65536) as (client, peer):
        client.deadline_s = 0.2
        stop = threading.Event()

        def read() -> None:
            while reads_bytes and not stop.wait(0.01):
                with suppress(OSError):
                    socket.socket.recv(peer._sock, reads_bytes, socket.MSG_DONTWAIT)

        with in_thread(read):
            started = time.monotonic()
            with pytest.raises(TimeoutError):
                client.send_bytes(b"x" * MAX_MESSAGE_BYTES)
            taken_s = time.monotonic() - started
            assert taken_s > 0.15
            assert soon(taken_s, 0.6)
            stop.set()


def test_a_lease_goes_back_at_once_when_its_worker_has_gone(
    server: RpcServer, worker: Tls, embedded_queues: Queues
) -> None:
    """To see that it has gone takes a look at the bare connection, below TLS."""
    embedded_queues.tasks.put([page(1)])  # or all would be done, and nobody would wait
    client = QueueManager(server.listener.address, AUTHKEY, tls=worker, reconnect_s=0.0)
    tasks = client.get_task_queue()
    with in_thread(lambda: tasks.lease(a_worker(), count=1, slots=1, wait_s=10.0, held=[])) as outcome:
        wait_until(embedded_queues.waiting)
        client.abandon()
    assert isinstance(outcome[0], errors.QueueUnreachable)
    embedded_queues.tasks.put([image(1)])
    (batch,) = lease(embedded_queues, a_worker("w2"), wait_s=5.0).batches
    assert [(task.url, task.attempt) for task in batch.tasks] == [(image(1).url, 1)]
    client.disconnect()
