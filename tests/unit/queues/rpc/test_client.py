"""The manager on real sockets: what strangers, key holders and accidents can do to it, and to its clients."""

from __future__ import annotations

import errno
import logging
import pickle
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from multiprocessing import AuthenticationError, managers, reduction
from multiprocessing import connection as mp_connection
from pathlib import Path
from select import select
from typing import Any

import msgspec
import pytest

from crawler import errors
from crawler.config import QueueConfig, ScopeConfig
from crawler.models import (
    Batch,
    ImageRecord,
    Lease,
    NewTask,
    Origin,
    Result,
    Stats,
    Task,
    TaskKind,
    Token,
    WorkerState,
)
from crawler.queues import RecordPage, ResultQueue, TaskQueue
from crawler.queues.rpc import server as server_module
from crawler.queues.rpc import transport, wire
from crawler.queues.rpc.calls import PROTOCOL, Method
from crawler.queues.rpc.manager import QueueManager
from crawler.queues.rpc.server import RpcServer
from crawler.queues.rpc.transport import Address, RpcTransport
from tests.support.cpu_time import soon
from tests.support.peer import dial, say_hello
from tests.support.queues import (
    AUTHKEY,
    Queues,
    connected,
    embedded,
    image,
    images,
    in_thread,
    lease,
    page,
    saved,
    served,
    take,
    wait_until,
    worker,
    working,
)
from tests.unit.queues.rpc.test_wire import VOCABULARY


class Scripted:
    """Both queues, answering as a test wants: each method calls the function set under its name."""

    def __init__(self, **answers: Callable[..., Any]) -> None:
        self.answers = answers
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwds: Any) -> Any:
            self.calls.append(name)
            return self.answers[name](*args, **kwds)

        return call


@pytest.fixture(name="embedded_queues")
def embedded_(tmp_path: Path) -> Iterator[Queues]:
    with embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()) as (_, queues):
        yield queues


@pytest.fixture(name="server")
def a_server(embedded_queues: Queues) -> Iterator[RpcServer]:
    with served(embedded_queues.tasks, embedded_queues.results) as server:
        yield server


@pytest.fixture(name="queues")
def some_queues(server: RpcServer, embedded_queues: Queues) -> Iterator[Queues]:
    with connected(server) as manager:
        yield Queues(
            tasks=manager.get_task_queue(),
            results=manager.get_result_queue(),
            pass_time=embedded_queues.pass_time,
        )


@contextmanager
def scripted(**answers: Callable[..., Any]) -> Iterator[tuple[TaskQueue, QueueManager, Scripted]]:
    queue = Scripted(**answers)
    with served(queue, queue) as server, connected(server) as manager:  # type: ignore[arg-type]
        yield manager.get_task_queue(), manager, queue


def key_holder(server: RpcServer) -> wire.Connection:
    """One who knows the key, and then says what he likes."""
    return key_holder_at(server.listener.address)


def key_holder_at(address: Address) -> wire.Connection:
    peer = dial(address, authkey=AUTHKEY)
    assert say_hello(peer, PROTOCOL, "1.0") is None
    return peer


def reply_to(server: RpcServer, message: bytes) -> Any:
    with key_holder_closing(server) as peer:
        peer.send_bytes(message)
        return msgspec.msgpack.decode(peer.recv_bytes())


@contextmanager
def key_holder_closing(server: RpcServer) -> Iterator[wire.Connection]:
    peer = key_holder(server)
    try:
        yield peer
    finally:
        peer.close()


# --- every method, and no pickle ---


def call_everything(queues: Queues) -> None:
    origin = Origin(page_url="http://a.example/", found_in="img", alt="ä")
    new = NewTask(kind=TaskKind.IMAGE, url=image(1).url, depth=1, origin=origin)
    assert queues.tasks.put([new, image(2), image(3)]) == 3
    first, second, third = take(queues)
    assert first.origin == origin
    assert queues.tasks.heartbeat(worker(), held=[first.token, Token(id=99, serial=1)]).lost == (
        Token(id=99, serial=1),
    )
    queues.results.put([saved(first)])
    queues.tasks.release(worker(), [second.token, third.token])
    queues.tasks.leave("w1", charged=True)
    found = queues.results.get(after=0, limit=10, wait_s=0.0)
    assert isinstance(found, RecordPage)
    assert isinstance(found.records[0], ImageRecord)
    queues.tasks.halt("that is all")
    stats = queues.tasks.stats()
    assert isinstance(stats, Stats)
    assert (stats.halted, stats.images.done, stats.images.ready) == ("that is all", 1, 2)


def test_every_method_of_both_protocols_is_served(queues: Queues) -> None:
    call_everything(queues)
    for proxy, protocol in ((queues.tasks, TaskQueue), (queues.results, ResultQueue)):
        methods = {name for name in vars(protocol) if not name.startswith("_")}
        assert {name for name in vars(proxy) if not name.startswith("_")} == methods


def test_nothing_is_ever_pickled(embedded_queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("pickle was used")

    for name in ("loads", "dumps", "load", "dump", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    for name in ("loads", "dumps", "__init__"):
        monkeypatch.setattr(reduction.ForkingPickler, name, never)
    monkeypatch.setattr(mp_connection, "_ForkingPickler", never)
    with served(embedded_queues.tasks, embedded_queues.results) as server, connected(server) as manager:
        call_everything(
            Queues(
                tasks=manager.get_task_queue(),
                results=manager.get_result_queue(),
                pass_time=embedded_queues.pass_time,
            )
        )


def test_it_is_a_base_manager(queues: Queues, server: RpcServer) -> None:
    manager = QueueManager(server.listener.address, AUTHKEY)
    assert isinstance(manager, managers.BaseManager)
    assert manager.address == server.listener.address
    for name, queue in (("get_task_queue", queues.tasks), ("get_result_queue", queues.results)):
        _, _, _, proxy = QueueManager._registry[name]  # type: ignore[attr-defined]
        assert isinstance(queue, proxy)
        assert repr(queue) == f"<RpcProxy {name}>"


def test_what_base_manager_would_serve_by_pickle_is_not_offered() -> None:
    manager = QueueManager(("127.0.0.1", 0), AUTHKEY)
    for serve in (manager.start, manager.get_server, manager.__enter__):
        with pytest.raises(NotImplementedError, match="server"):
            serve()


def test_wrong_arguments_do_not_reach_the_wire(queues: Queues) -> None:
    with pytest.raises(TypeError, match="missing a required"):
        queues.tasks.lease(worker())  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword"):
        queues.tasks.put([], wait_s=1)  # type: ignore[call-arg]


def test_defaults_of_the_protocol_hold(queues: Queues) -> None:
    assert queues.results.get() == RecordPage(complete=True)


def test_a_call_after_another_uses_the_same_connection(queues: Queues, server: RpcServer) -> None:
    queues.tasks.stats()
    before = set(server._open)
    for _ in range(20):
        queues.tasks.stats()
    assert set(server._open) == before


def test_each_call_under_way_has_a_connection_of_its_own(queues: Queues, embedded_queues: Queues) -> None:
    """So that a long poll keeps nobody waiting."""
    embedded_queues.tasks.put([NewTask(kind=TaskKind.PAGE, url="http://a.example/")])
    with in_thread(lambda: lease(queues, wait_s=10.0)) as outcome:
        wait_until(embedded_queues.waiting)
        started = time.monotonic()
        queues.tasks.stats()
        assert soon(time.monotonic() - started, 0.5)
        assert not outcome
        queues.tasks.halt("over")
    assert isinstance(outcome[0], Lease)


# --- strangers ---


def read_all(sock: socket.socket) -> bytes:
    sock.settimeout(10)
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


def frames(data: bytes) -> list[bytes]:
    found = []
    while data:
        (length,) = struct.unpack("!I", data[:4])
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


def test_a_stranger_learns_nothing_but_the_challenge(server: RpcServer) -> None:
    with socket.create_connection(server.listener.address) as sock:
        sock.sendall(struct.pack("!I", 16) + b"0" * 16)
        first, *others = frames(read_all(sock))
    assert first.startswith(b"#CHALLENGE#")
    assert others == [b"#FAILURE#"]


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        struct.pack("!I", 2**31),
        struct.pack("!I", 257) + b"x" * 257,
        b"\xff" * 64,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["http", "giant", "over", "ones", "tls"],
)
def test_noise_gets_no_answer(server: RpcServer, noise: bytes) -> None:
    with socket.create_connection(server.listener.address) as sock:
        sock.sendall(noise)
        try:
            data = read_all(sock)
        except ConnectionResetError:  # it closed without having read everything
            data = b""
    assert all(part.startswith(b"#CHALLENGE#") for part in frames(data))


def test_the_wrong_key_is_refused_on_both_sides(server: RpcServer) -> None:
    stranger = QueueManager(server.listener.address, b"another key", reconnect_s=5.0)
    started = time.monotonic()
    with pytest.raises(errors.AuthenticationFailed, match=r"127\.0\.0\.1:\d+ has another authkey"):
        stranger.connect()
    assert soon(time.monotonic() - started, 1.0), "asking again would not help"


def test_silent_peers_keep_no_honest_one_waiting(server: RpcServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "HANDSHAKE_S", 2.0)
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection(server.listener.address))
        started = time.monotonic()
        with connected(server) as manager:
            manager.get_task_queue().stats()
            assert soon(time.monotonic() - started, 0.5)
        wait_until(lambda: len(server._open) == 0, within_s=5.0)


def test_connections_have_a_limit(server: RpcServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 2)
    with ExitStack() as stack:
        inner = stack.enter_context(ExitStack())
        for _ in range(2):
            inner.enter_context(connected(server))
        one_more = QueueManager(server.listener.address, AUTHKEY, reconnect_s=0.3)
        with pytest.raises(errors.TooManyConnections, match="has 2 connections"):
            one_more.connect()
        patient = QueueManager(server.listener.address, AUTHKEY, reconnect_s=10.0)
        with in_thread(patient.connect) as outcome:
            wait_until(lambda: outcome.is_in("_retrying", "wait"))
            assert not outcome, "it goes on asking"
            inner.close()
        assert outcome == [None]
        patient.disconnect()


def test_an_idle_connection_is_closed_and_its_client_never_notices(
    server: RpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "IDLE_S", 0.05)
    with connected(server) as manager:
        tasks = manager.get_task_queue()
        tasks.stats()
        wait_until(lambda: not server._open)
        assert tasks.put([image(1)]) == 1


# --- out of descriptors, out of threads ---


def test_it_recovers_when_the_descriptors_are_used_up(
    server: RpcServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept, refused = server.listener.accept, []

    def exhausted() -> wire.Connection:
        if len(refused) < 3:
            refused.append(1)
            raise OSError(errno.EMFILE, "Too many open files")
        return accept()

    monkeypatch.setattr(server.listener, "accept", exhausted)
    with caplog.at_level(logging.WARNING):
        started = time.monotonic()
        for _ in range(2):  # the first may be the accept that was under way
            with connected(server):
                pass
    assert len(refused) == 3
    assert time.monotonic() - started > 0.1, "it does not spin meanwhile"
    assert "too many files are open" in caplog.text


def test_it_recovers_when_no_thread_can_be_started(
    server: RpcServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class NoThread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr(server_module.threading, "Thread", NoThread)
        with pytest.raises((EOFError, OSError)):
            key_holder(server)
        wait_until(lambda: "can't start new thread" in caplog.text)
    key_holder(server).close()


# --- key holders ---


@pytest.mark.parametrize(
    "method", ["shutdown", "debug_info", "number_of_objects", "get_methods", "__class__", "stop_event"]
)
def test_nobody_can_stop_it_or_look_inside(server: RpcServer, method: str) -> None:
    message = msgspec.msgpack.encode([None, method, [], {}])
    kind, fault = reply_to(server, message)
    assert (kind, fault["type"]) == ("#ERROR", "ValueError")
    first = dial(server.listener.address, authkey=AUTHKEY)
    first.send_bytes(message)
    kind, fault = msgspec.msgpack.decode(first.recv_bytes())
    assert kind == "#ERROR"
    assert fault["text"] == f"there is no call {method!r} before a connection is accepted"
    with pytest.raises((EOFError, ConnectionResetError)):
        first.recv_bytes()
    first.close()
    assert not server._stopped.is_set()
    key_holder(server).close()


@pytest.mark.parametrize(
    ("ident", "method"),
    [
        ("get_task_queue", "#GETVALUE"),
        ("get_task_queue", "__init__"),
        ("get_task_queue", "get"),
        ("get_result_queue", "lease"),
        ("7f3a", "put"),
        ("", "put"),
    ],
)
def test_unknown_methods_and_objects_are_refused(server: RpcServer, ident: str, method: str) -> None:
    kind, fault = reply_to(server, msgspec.msgpack.encode([ident, method, [], {}]))
    assert (kind, fault["type"]) == ("#ERROR", "ValueError")
    assert "there is no method" in fault["text"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"tasks": 7},
        {"tasks": [], "more": 1},
        [1, 2],
        None,
    ],
)
def test_arguments_of_the_wrong_shape_are_refused(server: RpcServer, arguments: object) -> None:
    with key_holder_closing(server) as peer:
        peer.send_bytes(msgspec.msgpack.encode(["get_task_queue", "put", [], arguments]))
        kind, fault = msgspec.msgpack.decode(peer.recv_bytes())
        assert (kind, fault["type"]) == ("#ERROR", "ValidationError")
        peer.send_bytes(msgspec.msgpack.encode(["get_task_queue", "put", [], {"tasks": []}]))
        assert msgspec.msgpack.decode(peer.recv_bytes()) == ["#RETURN", 0], "the connection goes on"


@pytest.mark.parametrize(
    "arguments", [["get_task_queue", "put"], ["elsewhere"], [7], [], {"typeid": "get_task_queue"}]
)
def test_control_calls_of_the_wrong_shape_are_refused(server: RpcServer, arguments: object) -> None:
    kind, _ = reply_to(server, msgspec.msgpack.encode([None, "create", arguments, {}]))
    assert kind == "#ERROR"


NESTED = b"\x91" * 100_000 + b"\xc0"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        b"\x93",
        msgspec.msgpack.encode("put"),
        msgspec.msgpack.encode([1, 2, 3, 4]),
        msgspec.msgpack.encode({"ident": "get_task_queue"}),
        NESTED,
        msgspec.msgpack.encode("get_task_queue").join([b"\x94", b"\xa3put\x90" + NESTED]),
        msgspec.msgpack.encode("get_task_queue").join([b"\x94", b"\xa3put\x90\x81\xa5tasks" + NESTED]),
        msgspec.msgpack.encode("get_task_queue").join([b"\x94", b"\xa3put\x90\x81\xa5tasks\xdd\xff\xff\xff\xff"]),
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        msgspec.msgpack.encode(["get_task_queue", "put", [], {"tasks": [msgspec.msgpack.Ext(1, b"x")]}]),
        pickle.dumps(("get_task_queue", "put", (), {})),
    ],
    ids=[
        "empty", "never-used", "cut", "text", "types", "map", "nested", "nested-raw", "nested-argument",
        "huge-array-argument", "huge-array", "huge-map", "ext", "pickle",
    ],
)  # fmt: skip
def test_malformed_messages_harm_nobody_but_their_sender(
    server: RpcServer, queues: Queues, message: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    queues.tasks.stats()
    with key_holder_closing(server) as peer:
        peer.send_bytes(message)
        try:
            kind, _ = msgspec.msgpack.decode(peer.recv_bytes())
        except (EOFError, ConnectionResetError):
            kind = "#CLOSED"
    assert kind in {"#ERROR", "#CLOSED"} or queues.tasks.stats().dropped == {"malformed": 1}
    assert queues.tasks.put([image(1)]) == 1
    assert "Traceback" not in caplog.text


def test_an_oversized_message_is_refused_and_its_sender_dropped(server: RpcServer) -> None:
    with key_holder_closing(server) as peer:
        peer._sock.sendall(struct.pack("!I", wire.MAX_MESSAGE_BYTES + 1))
        with pytest.raises((EOFError, ConnectionResetError)):
            peer.recv_bytes()


def test_a_call_that_is_too_large_fails_at_once_and_the_next_one_works(queues: Queues) -> None:
    huge = [NewTask(kind=TaskKind.IMAGE, url="http://a.example/" + "x" * wire.MAX_MESSAGE_BYTES)]
    started = time.monotonic()
    with pytest.raises(errors.ProtocolError, match="over the limit"):
        queues.tasks.put(huge)
    assert soon(time.monotonic() - started, 1.0)
    assert queues.tasks.put([image(1)]) == 1


def test_an_answer_that_is_too_large_says_so(caplog: pytest.LogCaptureFixture) -> None:
    record = ImageRecord(url="http://a.example/", status="saved", alt="x" * wire.MAX_MESSAGE_BYTES)  # type: ignore[arg-type]
    queue = Scripted(get=lambda **_: RecordPage(records=(record,)), stats=Stats)
    with served(queue, queue) as server, connected(server) as manager:  # type: ignore[arg-type]
        results = manager.get_result_queue()
        with pytest.raises(errors.ProtocolError, match=r"the answer to get has \d+ bytes; ask for less"):
            results.get()
        assert manager.get_task_queue().stats() == Stats()
    assert queue.calls == ["get", "stats"], "it is not asked again and again"


# --- exceptions ---


@pytest.mark.parametrize("kind", [kind for kind in VOCABULARY if kind is not errors.TooManyConnections])
def test_an_exception_of_the_vocabulary_crosses_as_itself(kind: type[Exception]) -> None:
    def fail() -> Stats:
        raise kind("the disk is full")

    with scripted(stats=fail) as (tasks, _, queue):
        with pytest.raises(kind, match="the disk is full") as caught:
            tasks.stats()
        assert caught.type is kind
        assert queue.calls == ["stats"], "an answer is an answer"


@pytest.mark.parametrize(
    "error", [KeyError("x"), ZeroDivisionError("oh"), OSError(28, "No space left"), RuntimeError("odd")]
)
def test_any_other_exception_crosses_as_a_remote_fault(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Stats:
        raise error

    with scripted(stats=fail) as (tasks, _, _):
        with pytest.raises(errors.RemoteFault, match=re.escape(wire.FAULT_THERE)):
            tasks.stats()
        with pytest.raises(errors.RemoteFault):
            tasks.stats()
    assert "a call of stats failed" in caplog.text, "the manager's log has the traceback"


# --- the client's side ---


@pytest.mark.parametrize(
    "answer", [b"", b"\xc1", b"\x90", msgspec.msgpack.encode(["#RETURN", "text"]), NESTED]
)
def test_a_server_that_talks_nonsense_is_a_protocol_error(
    queues: Queues, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    queues.tasks.stats()
    with monkeypatch.context() as patched:
        patched.setattr(wire.Connection, "recv_bytes", lambda self, maxlength=None: answer)
        with pytest.raises(errors.ProtocolError, match="no proper answer"):
            queues.tasks.stats()
    assert queues.tasks.put([image(1)]) == 1


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError, SystemExit])
def test_no_call_ever_reads_the_answer_to_another(interruption: type[BaseException]) -> None:
    """Interrupted between sending and receiving, a call leaves its answer in the stream: it must not be used again."""
    answered = threading.Event()

    def slow_lease(*_: object, **__: object) -> Lease:
        answered.set()
        return Lease(halted="the answer to lease")

    with scripted(lease=slow_lease, put=len) as (tasks, _, _):
        tasks.put([])
        receive = wire.Connection.recv_bytes

        def interrupted(self: wire.Connection, maxlength: int | None = None) -> bytes:
            assert answered.wait(5)
            assert select([self.fileno()], [], [], 5)[0], "the answer has arrived"
            raise interruption

        with pytest.MonkeyPatch.context() as patched:
            calls = []

            def first_time(self: wire.Connection, maxlength: int | None = None) -> bytes:
                if threading.current_thread() is threading.main_thread():
                    calls.append(self)
                    return interrupted(self, maxlength)
                return receive(self, maxlength)

            patched.setattr(wire.Connection, "recv_bytes", first_time)
            with pytest.raises(interruption):
                tasks.lease(worker(), count=1, slots=1, wait_s=0.0, held=[])
        assert len(calls) == 1
        assert calls[0].fileno() < 0
        assert tasks.put([image(1), image(2)]) == 2


@contextmanager
def restarting(queues: Queues) -> Iterator[tuple[Callable[[], None], Callable[[], None], tuple[str, int]]]:
    """A server on one port that can be stopped and started."""
    running: list[Any] = []
    address = ("127.0.0.1", 0)

    def start() -> None:
        nonlocal address
        context = served(queues.tasks, queues.results, address=address)
        address = context.__enter__().listener.address
        running.append(context)

    def stop() -> None:
        running.pop().__exit__(None, None, None)

    start()
    try:
        yield start, stop, address
    finally:
        while running:
            stop()


def test_a_proxy_outlives_its_server(embedded_queues: Queues) -> None:
    with restarting(embedded_queues) as (start, stop, address):
        manager = QueueManager(address, AUTHKEY, reconnect_s=10.0)
        manager.connect()
        tasks, results = manager.get_task_queue(), manager.get_result_queue()
        assert tasks.put([image(1)]) == 1
        for n in range(2, 5):
            stop()
            start()
            assert tasks.put([image(n)]) == 1
            assert results.get().records == ()
        stop()
        with in_thread(lambda: tasks.put([image(9)])) as outcome:
            wait_until(lambda: outcome.is_in("_retrying", "wait"))
            assert not outcome, "it goes on asking"
            start()
        assert outcome == [1]
        manager.disconnect()


def test_one_who_connects_before_the_server_is_there_waits_for_it(embedded_queues: Queues) -> None:
    with restarting(embedded_queues) as (start, stop, address):
        stop()
        manager = QueueManager(address, AUTHKEY, reconnect_s=10.0)
        with in_thread(manager.connect) as outcome:
            wait_until(lambda: outcome.is_in("_retrying", "wait"))
            assert not outcome
            start()
        assert outcome == [None]
        manager.disconnect()


def test_patience_has_an_end(embedded_queues: Queues) -> None:
    with restarting(embedded_queues) as (_, stop, address):
        manager = QueueManager(address, AUTHKEY, reconnect_s=0.3)
        manager.connect()
        tasks = manager.get_task_queue()
        stop()
        started = time.monotonic()
        with pytest.raises(
            errors.QueueUnreachable, match=rf"no answer from the manager at 127\.0\.0\.1:{address[1]}"
        ):
            tasks.stats()
        assert soon(time.monotonic() - started, 3.0)
        manager.disconnect()


def test_a_lost_reply_costs_nothing(embedded_queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection breaks after the call has been done: it is made again, and nothing counts twice."""
    broken = []
    send = wire.Connection.send_bytes

    def lose_one(self: wire.Connection, data: bytes) -> None:
        if threading.current_thread() is not threading.main_thread() and b"batches" in data and not broken:
            broken.append(1)
            self.interrupt()
            raise ConnectionResetError
        send(self, data)

    with (
        served(embedded_queues.tasks, embedded_queues.results) as server,
        connected(server) as manager,
    ):
        queues = Queues(
            tasks=manager.get_task_queue(), results=manager.get_result_queue(), pass_time=time.sleep
        )
        queues.tasks.put(images(5))
        monkeypatch.setattr(wire.Connection, "send_bytes", lose_one)
        tasks = take(queues)
        assert broken
        assert [task.attempt for task in tasks] == [1] * 5
        queues.results.put([saved(task) for task in tasks])
        assert queues.tasks.stats().balanced


def test_abandon_frees_calls_that_wait(server: RpcServer, embedded_queues: Queues) -> None:
    embedded_queues.tasks.put([NewTask(kind=TaskKind.PAGE, url="http://a.example/")])
    with connected(server, reconnect_s=30.0) as manager:
        tasks = manager.get_task_queue()
        with in_thread(lambda: tasks.lease(worker(), count=1, slots=1, wait_s=20.0, held=[])) as outcome:
            wait_until(embedded_queues.waiting)
            started = time.monotonic()
            manager.abandon()
        assert soon(time.monotonic() - started, 0.2)
        assert isinstance(outcome[0], errors.QueueUnreachable)
        started = time.monotonic()
        with pytest.raises(errors.QueueUnreachable):
            tasks.stats()
        assert soon(time.monotonic() - started, 0.2)


def test_abandon_frees_one_who_asks_a_dead_address_again_and_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = nobody.getsockname()[:2]
    manager = QueueManager(address, AUTHKEY, reconnect_s=30.0)
    with in_thread(manager.connect) as outcome:
        wait_until(lambda: outcome.is_in("_retrying", "wait"))
        started = time.monotonic()
        manager.abandon()
    assert soon(time.monotonic() - started, 0.2)
    assert isinstance(outcome[0], errors.QueueUnreachable)


def test_a_connection_made_while_all_is_abandoned_is_not_waited_for(
    embedded_queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not there yet when abandon() looked for what to interrupt."""
    embedded_queues.tasks.put([NewTask(kind=TaskKind.PAGE, url="http://a.example/")])
    greet = RpcTransport.greet

    with (
        served(embedded_queues.tasks, embedded_queues.results) as server,
        connected(server, reconnect_s=30.0) as manager,
    ):
        tasks = manager.get_task_queue()

        def late(self: RpcTransport, link: wire.Connection, authkey: bytes) -> None:
            greet(self, link, authkey)
            manager.abandon()

        monkeypatch.setattr(RpcTransport, "greet", late)
        manager.pool.close()
        started = time.monotonic()
        with pytest.raises(errors.QueueUnreachable):
            tasks.lease(worker(), count=1, slots=1, wait_s=20.0, held=[])
        assert soon(time.monotonic() - started, 1.0)


def test_a_slow_answer_is_waited_for_as_long_as_the_call_itself_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "CALL_S", 0.2)

    def slow(*_: object, wait_s: float, **__: object) -> Lease:
        working(wait_s)
        return Lease(drained=True)

    with scripted(lease=slow) as (tasks, _, queue):
        assert tasks.lease(worker(), count=1, slots=1, wait_s=0.4, held=[]).drained
        assert queue.calls == ["lease"]


# --- IPv6 ---


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_it_listens_on_ipv6(embedded_queues: Queues) -> None:
    with (
        served(embedded_queues.tasks, embedded_queues.results, address=("::1", 0)) as server,
        connected(server) as manager,
    ):
        assert manager.get_task_queue().put([image(1)]) == 1


@pytest.mark.skipif(
    not (has_ipv6() and socket.has_dualstack_ipv6()), reason="this machine has no socket for both"
)
def test_all_addresses_of_ipv6_are_all_addresses(embedded_queues: Queues) -> None:
    with served(embedded_queues.tasks, embedded_queues.results, address=("::", 0)) as server:
        for host in ("127.0.0.1", "::1"):
            manager = QueueManager((host, server.listener.address[1]), AUTHKEY, reconnect_s=5.0)
            manager.connect()
            manager.disconnect()


# --- one crawl after another ---


def test_who_has_joined_a_crawl_does_not_go_on_with_another_at_the_same_address(
    embedded_queues: Queues,
) -> None:
    """Its results would settle tasks of the other that happen to have the same numbers."""
    with served(embedded_queues.tasks, embedded_queues.results, crawl="one") as server:
        address = server.listener.address
        manager = QueueManager(address, AUTHKEY, reconnect_s=10.0)
        manager.connect()
        manager.crawl = "one"
        tasks = manager.get_task_queue()
        manager.pool.close()
        assert tasks.put([image(1)]) == 1
    with served(embedded_queues.tasks, embedded_queues.results, crawl="another", address=address):
        started = time.monotonic()
        with pytest.raises(errors.CrawlReplaced, match="serves another crawl by now"):
            tasks.put([image(2)])
        assert soon(time.monotonic() - started, 1.0), "asking again would not help"
        manager.crawl = ""
        assert tasks.put([image(3)]) == 1
    manager.disconnect()


# --- the end ---


def test_serving_ends_with_its_connections(embedded_queues: Queues) -> None:
    embedded_queues.tasks.put([NewTask(kind=TaskKind.PAGE, url="http://a.example/")])
    ticks: list[int] = []
    with ExitStack() as stack:
        inner = stack.enter_context(ExitStack())
        server = inner.enter_context(
            served(embedded_queues.tasks, embedded_queues.results, tick=lambda: ticks.append(1))
        )
        manager = stack.enter_context(connected(server, reconnect_s=0.0))
        tasks = manager.get_task_queue()
        call = stack.enter_context(
            in_thread(lambda: tasks.lease(worker(), count=1, slots=1, wait_s=15.0, held=[]))
        )
        wait_until(lambda: ticks and embedded_queues.tasks.stats().workers)
        started = time.monotonic()
        inner.close()
        wait_until(lambda: call)
        assert soon(time.monotonic() - started, 1.0)
    assert isinstance(call[0], errors.QueueUnreachable)


def test_signatures_come_from_the_protocols() -> None:
    """The proxies forward by name: a method that is added to a protocol is on the wire."""
    method = Method(TaskQueue, "lease")
    bound = method.bind(
        (WorkerState(id="w", kind=TaskKind.PAGE),), {"count": 1, "slots": 1, "wait_s": 0, "held": ()}
    )
    assert list(bound) == ["worker", "count", "slots", "wait_s", "held"]
    assert method.positional == ["worker"]
    assert method.decode_result(msgspec.msgpack.encode(Lease(drained=True))) == Lease(drained=True)


def test_results_keep_their_records_types(queues: Queues, embedded_queues: Queues) -> None:
    queues.tasks.put([image(1), NewTask(kind=TaskKind.PAGE, url="http://a.example/")])
    tasks = take(queues) + take(queues, worker("h1", TaskKind.PAGE))
    results: Sequence[Result] = [saved(task) for task in tasks]
    queues.results.put(results)
    assert [type(record) for record in queues.results.get().records] == [
        type(result.record) for result in results
    ]


# --- leases that can't be delivered ---


def serving_threads() -> int:
    return sum("_serve_peer" in thread.name for thread in threading.enumerate())


def lease_call(who: WorkerState, *, wait_s: float) -> bytes:
    asked = {"worker": who, "count": 32, "slots": 8, "wait_s": wait_s, "held": []}
    return msgspec.msgpack.encode(["get_task_queue", "lease", [], asked])


def gather(queues: Queues, who: WorkerState, count: int) -> list[Task]:
    """So many tasks, by as many leases as that takes; in a second, or it fails."""
    mine: list[Task] = []
    end = time.monotonic() + 1.0
    while len(mine) < count:
        left_s = end - time.monotonic()
        assert left_s > 0, f"{len(mine)} of {count} tasks after a second"
        mine += take(queues, who, slots=32, wait_s=left_s, held=mine)
    return mine


def test_who_dies_in_a_long_poll_swallows_nothing(
    server: RpcServer, queues: Queues, embedded_queues: Queues
) -> None:
    """The thread that waits for it is woken by the next put, and finds nobody to give the tasks to."""
    embedded_queues.tasks.put([page(1)])  # so that it is not drained
    queues.tasks.stats()
    before = serving_threads()
    for n in range(3):
        dead = key_holder(server)
        dead.send_bytes(lease_call(worker(f"dead {n}"), wait_s=1.5))
        wait_until(lambda n=n: len(embedded_queues.tasks.stats().workers) == n + 1)
        dead.close()
    assert serving_threads() == before + 3
    embedded_queues.tasks.put([image(n, host) for host in "abcdef" for n in range(5)])
    mine = gather(queues, worker("alive"), 30)
    assert len({task.id for task in mine}) == 30
    assert {task.attempt for task in mine} == {1}, "those who died are not charged"
    # those that were given none wait to the end of the poll
    wait_until(lambda: serving_threads() == before, within_s=3.0)
    queues.results.put([saved(task) for task in mine])
    assert queues.tasks.stats().images.done == 30


def leased(count: int, *, url: str = "http://a.example/") -> Lease:
    tasks = tuple(
        Task(id=n, serial=1, kind=TaskKind.IMAGE, url=url, depth=0, attempt=1) for n in range(1, count + 1)
    )
    return Lease(batches=(Batch(host="a", slots=1, tasks=tasks),))


@contextmanager
def noting_releases(
    answer: Callable[[], Lease],
) -> Iterator[tuple[QueueManager, list[tuple[str, list[int]]]]]:
    """A queue whose lease gives *answer*, and what is given back to it."""
    released: list[tuple[str, list[int]]] = []

    def release(who: WorkerState, tokens: Sequence[Token]) -> None:
        released.append((who.id, [token.id for token in tokens]))

    with scripted(lease=lambda *_, **__: answer(), release=release) as (_, manager, _):
        yield manager, released


def ask(manager: QueueManager, name: str = "w1") -> Lease:
    return manager.get_task_queue().lease(worker(name), count=3, slots=1, wait_s=0.0, held=[])


def test_a_lease_that_is_delivered_stays() -> None:
    with noting_releases(lambda: leased(3)) as (manager, released):
        assert ask(manager) == leased(3)
    assert not released


def test_who_says_something_while_it_waits_gets_no_lease() -> None:
    """The answers would be out of step with what it asked."""
    asked, answer_it = threading.Event(), threading.Event()

    def wait() -> Lease:
        asked.set()
        assert answer_it.wait(5)
        return leased(3)

    with noting_releases(wait) as (manager, released):
        impatient = key_holder_at(manager.address)
        impatient.send_bytes(lease_call(worker("impatient"), wait_s=1.0))
        assert asked.wait(5)
        impatient.send_bytes(lease_call(worker("impatient"), wait_s=1.0))
        answer_it.set()
        with pytest.raises((EOFError, ConnectionResetError)):
            impatient.recv_bytes()
        impatient.close()
    assert released == [("impatient", [1, 2, 3])]


@pytest.mark.parametrize("failure", [TimeoutError, ConnectionResetError, BrokenPipeError])
def test_a_lease_goes_back_when_sending_it_fails(
    monkeypatch: pytest.MonkeyPatch, failure: type[OSError]
) -> None:
    send = wire.Connection.send_bytes
    failed: list[int] = []

    def fail_once(self: wire.Connection, data: bytes) -> None:
        if b"batches" in data and not failed:
            failed.append(1)
            raise failure
        send(self, data)

    with noting_releases(lambda: leased(3)) as (manager, released):
        ask(manager, "w0")
        monkeypatch.setattr(wire.Connection, "send_bytes", fail_once)
        assert ask(manager, "w1") == leased(3)
    assert released == [("w1", [1, 2, 3])]


def test_a_lease_goes_back_when_it_is_too_large_for_a_message() -> None:
    huge = leased(2, url="http://a.example/" + "x" * wire.MAX_MESSAGE_BYTES)
    with (
        noting_releases(lambda: huge) as (manager, released),
        pytest.raises(errors.ProtocolError, match="the answer to lease has"),
    ):
        ask(manager)
    assert released == [("w1", [1, 2])]


def test_if_it_can_not_be_given_back_either_its_term_runs_out(
    server: RpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger's disk is full, say; the thread ends without a traceback all the same."""

    def full(*_: object, **__: object) -> None:
        raise errors.StorageFull("the disk is full")

    def waits(*_: object, **__: object) -> Lease:
        assert gone.wait(5)
        return leased(3)

    gone = threading.Event()
    with scripted(lease=waits, release=full, stats=Stats) as (tasks, manager, queue):
        dead = key_holder_at(manager.address)
        dead.send_bytes(lease_call(worker(), wait_s=30.0))
        wait_until(lambda: queue.calls)
        dead.close()
        gone.set()
        wait_until(lambda: "release" in queue.calls)
        assert tasks.stats() == Stats()


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_lease_is_delivered_though_the_descriptors_are_used_up(queues: Queues) -> None:
    """Looking whether its client is still there must not take another one."""
    import resource

    queues.tasks.put(images(3))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        first = stack.enter_context(socket.socket())
        resource.setrlimit(resource.RLIMIT_NOFILE, (first.fileno() + 1, limits[1]))
        with suppress(OSError):
            while True:
                stack.enter_context(first.dup())
        assert len(take(queues)) == 3


# --- those who play the manager, without the key ---


def believed(peer: wire.Connection, question: bytes) -> tuple[bytes, bytes]:
    """Ask *question* of a worker and believe whatever it says: its answer, and then what it asks itself."""
    peer.send_bytes(question)
    answer = peer.recv_bytes()
    peer.send_bytes(b"#WELCOME#")
    return answer, peer.recv_bytes()


QUESTION = b"#CHALLENGE#" + b"0" * 20  # one that all versions of Python answer
Trick = Callable[[list[wire.Connection]], None]


def relay(peers: list[wire.Connection]) -> None:
    """What one worker asks is asked of the next one, whose answer is passed back: managers.md, F9."""
    _, question = believed(peers[0], QUESTION)
    for asking, answering in pairwise(peers):
        answer, next_question = believed(answering, question)
        asking.send_bytes(answer)
        question = next_question


def reflect(peers: list[wire.Connection]) -> None:
    """Each gets its own question back, as the answer to it."""
    for peer in peers:
        _, question = believed(peer, QUESTION)
        peer.send_bytes(question)


def repeat(peers: list[wire.Connection]) -> None:
    """Each gets its own answer back, as if that were ours."""
    for peer in peers:
        answer, _ = believed(peer, QUESTION)
        peer.send_bytes(answer)


def let_in_by(trick: Trick, *, guests: int) -> list[object]:
    """What became of so many workers that took somebody without the key for their manager."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        address = listener.getsockname()[:2]
        dialling = [in_thread(lambda: dial(address, authkey=AUTHKEY)) for _ in range(guests)]
        outcomes = [stack.enter_context(thread) for thread in dialling]
        peers = [wire.Connection(listener.accept()[0], deadline_s=5.0) for _ in range(guests)]
        try:
            trick(peers)
        finally:
            for peer in peers:
                peer.deadline_s = 0.3  # relay() has no answer for the last one, which says nothing more
                with suppress(EOFError, OSError):
                    peer.recv_bytes()  # what it thinks of our answer
                peer.close()
    for (outcome,) in outcomes:
        if isinstance(outcome, wire.Connection):
            outcome.close()
    return [outcome for (outcome,) in outcomes]


@pytest.mark.parametrize("trick", [relay, reflect, repeat])
def test_who_does_not_know_the_key_is_nobodys_manager(trick: Trick) -> None:
    """Not with the help of other workers either. (Who passes everything on to the real one is: see transport.py.)"""
    for outcome in let_in_by(trick, guests=4):
        # EOFError: the last one that relay() asks, and has no answer for
        assert isinstance(outcome, AuthenticationError | EOFError), outcome


def test_one_key_for_both_directions_would_let_it_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above is known to be able to fail."""
    monkeypatch.setattr(transport, "manager_key", transport.worker_key)
    outcomes = let_in_by(relay, guests=2)
    assert sum(isinstance(outcome, wire.Connection) for outcome in outcomes) == 1, outcomes


def test_workers_that_a_rogue_relays_between_leave_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they really run: two of them, which try again for as long as that may help."""
    monkeypatch.setattr(transport, "HANDSHAKE_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        workers = [QueueManager(listener.getsockname()[:2], AUTHKEY, reconnect_s=0.0) for _ in range(2)]
        outcomes = [stack.enter_context(in_thread(manager.connect)) for manager in workers]
        peers = [wire.Connection(listener.accept()[0], deadline_s=5.0) for _ in workers]
        relay(peers)
        for peer in peers:
            peer.deadline_s = 0.3
            with suppress(EOFError, OSError):
                peer.recv_bytes()
            peer.close()
    became = {type(outcome) for (outcome,) in outcomes}
    assert became == {errors.AuthenticationFailed, errors.QueueUnreachable}
    assert not any(manager.pool._open for manager in workers)


# --- what a silence may mean ---


def test_who_has_never_answered_may_want_tls_or_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes connections for a process that is stopped, as for one that waits for us to speak first."""
    monkeypatch.setattr(transport, "HANDSHAKE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = QueueManager(silent.getsockname()[:2], AUTHKEY, reconnect_s=0.0)
        with pytest.raises(errors.QueueUnreachable, match="takes connections and says nothing") as caught:
            client.connect()
    assert "does it ask for TLS (--keys), or is it stopped" in str(caught.value)


def test_who_has_answered_before_is_stopped_or_overloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()) as (ledger, queues),
        served(queues.tasks, queues.results) as server,
    ):
        client = QueueManager(server.listener.address, AUTHKEY, reconnect_s=0.0)
        client.connect()
        monkeypatch.setattr(transport, "CALL_S", 0.1)
        with ledger._mutex, pytest.raises(errors.QueueUnreachable, match="answered before") as caught:
            client.get_task_queue().stats()
        client.disconnect()
    assert "is it stopped (SIGSTOP), or has it too much to do?" in str(caught.value)
    assert "TLS" not in str(caught.value)


def test_whom_nobody_reaches_says_nothing_of_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", nobody)
    client = QueueManager(("192.0.2.7", 9733), AUTHKEY, reconnect_s=0.0)
    with pytest.raises(errors.QueueUnreachable, match="is its machine on") as caught:
        client.connect()
    assert "TLS" not in str(caught.value)
