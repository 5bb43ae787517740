"""A client's connections: one a call under way, kept for the next; none is used again after a failure, or by a fork."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from crawler import errors
from crawler.config import QueueConfig, ScopeConfig
from crawler.queues.rpc.connection_pool import ConnectionPool
from crawler.queues.rpc.transport import RpcTransport
from crawler.queues.rpc.wire import Connection
from tests.support.cpu_time import soon
from tests.support.queues import connected, embedded, image, images, in_thread, served, wait_until

MUTE = b"say nothing"


class Echo:
    """A peer that says everything again, on as many connections as it is asked for."""

    def __init__(self) -> None:
        self.listener = RpcTransport().listen(("127.0.0.1", 0))
        self.accepted: list[Connection] = []
        self.gone: list[Connection] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer = self.listener.accept()
                self.accepted.append(peer)
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: Connection) -> None:
        with suppress(EOFError, OSError):
            while True:
                peer.deadline_s = 20.0
                message = peer.recv_bytes()
                if message != MUTE:
                    peer.send_bytes(message)
        self.gone.append(peer)

    def dial(self) -> Connection:
        return RpcTransport().open(self.listener.address)

    def close(self) -> None:
        self.listener.close()
        self._accepting.join()
        for peer in self.accepted:
            peer.interrupt()
        wait_until(lambda: len(self.gone) == len(self.accepted))
        for peer in self.accepted:
            peer.close()


@pytest.fixture(name="echo")
def an_echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture(name="pool")
def a_pool(echo: Echo) -> Iterator[ConnectionPool]:
    pool = ConnectionPool(echo.dial, lambda connection: None)
    yield pool
    pool.close()


def exchange(connection: Connection, message: bytes) -> bytes:
    connection.send_bytes(message)
    return connection.recv_bytes()


# --- one for each call under way ---


def test_a_connection_is_made_when_it_is_needed(echo: Echo, pool: ConnectionPool) -> None:
    assert not pool._open
    with pool.connection() as connection:
        assert exchange(connection, b"hello") == b"hello"
    assert len(echo.accepted) == 1


def test_the_next_call_uses_the_same(echo: Echo, pool: ConnectionPool) -> None:
    used = set()
    for n in range(20):
        with pool.connection() as connection:
            used.add(connection)
            assert exchange(connection, b"%d" % n) == b"%d" % n
    assert len(used) == len(echo.accepted) == 1


def test_calls_at_the_same_time_have_one_each_and_keep_them(echo: Echo, pool: ConnectionPool) -> None:
    for _ in range(3):
        with ExitStack() as stack:
            together = [stack.enter_context(pool.connection()) for _ in range(3)]
            assert len(set(together)) == 3
            for n, connection in enumerate(together):
                connection.send_bytes(b"%d" % n)
            assert [connection.recv_bytes() for connection in together] == [b"%d" % n for n in range(3)]
    assert len(echo.accepted) == len(pool._open) == 3


def test_no_thread_ever_reads_the_answer_to_another(echo: Echo, pool: ConnectionPool) -> None:
    wrong: list[object] = []
    open_at_once: list[int] = []

    def talk(name: int) -> None:
        for n in range(50):
            message = f"{name}/{n}".encode()
            with pool.connection() as connection:
                open_at_once.append(len(pool._open))
                if (answer := exchange(connection, message)) != message:
                    wrong.append((message, answer))

    threads = [threading.Thread(target=talk, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert max(open_at_once) <= 8 + 3, "one for each call under way, and a few that lie idle"
    assert len(pool._open) == len(pool._idle) <= 3


def test_it_is_greeted_once(echo: Echo) -> None:
    greeted: list[Connection] = []
    pool = ConnectionPool(echo.dial, greeted.append)
    for _ in range(3):
        with pool.connection() as connection:
            exchange(connection, b"hello")
    assert greeted == [connection]
    pool.close()


# --- failures ---


@pytest.mark.parametrize(
    "failure", [EOFError, KeyboardInterrupt, MemoryError, errors.ProtocolError, SystemExit]
)
def test_after_a_failure_neither_it_nor_the_idle_ones_are_used_again(
    echo: Echo, pool: ConnectionPool, failure: type[BaseException]
) -> None:
    with pool.connection() as one, pool.connection() as two:
        pass

    def fail() -> None:
        with pool.connection() as broken:
            broken.send_bytes(b"the answer to this must never be read")
            raise failure

    with pytest.raises(failure):
        fail()
    assert one.fileno() < 0
    assert two.fileno() < 0
    assert not pool._open
    with pool.connection() as fresh:
        assert fresh not in {one, two}
        assert exchange(fresh, b"hello") == b"hello"
    wait_until(lambda: len(echo.gone) == 2)


def test_a_failure_leaves_alone_those_that_are_in_use(echo: Echo, pool: ConnectionPool) -> None:
    with pool.connection() as busy:
        busy.send_bytes(b"busy")
        with pytest.raises(EOFError), pool.connection():
            raise EOFError
        assert busy.recv_bytes() == b"busy"
    with pool.connection() as again:
        assert again is busy


def test_what_can_not_be_dialled_leaves_nothing_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = nobody.getsockname()[:2]
    pool = ConnectionPool(lambda: RpcTransport().open(address), lambda connection: None)
    with pytest.raises(ConnectionRefusedError), pool.connection():
        pass
    assert not pool._open


@pytest.mark.parametrize("failure", [errors.VersionMismatch, KeyboardInterrupt, TimeoutError])
def test_what_can_not_be_greeted_is_closed(echo: Echo, failure: type[BaseException]) -> None:
    made: list[Connection] = []

    def greet(connection: Connection) -> None:
        made.append(connection)
        raise failure

    pool = ConnectionPool(echo.dial, greet)
    with pytest.raises(failure), pool.connection():
        raise AssertionError("it is not given out")
    assert made[0].fileno() < 0
    assert not pool._open
    wait_until(lambda: len(echo.gone) == 1)


# --- interrupted ---


def failed_within(outcome: list[object], started: float, limit_s: float = 0.5) -> None:
    assert soon(time.monotonic() - started, limit_s)
    assert isinstance(outcome[0], (EOFError, OSError)), outcome


def talk(pool: ConnectionPool, message: bytes) -> bytes:
    with pool.connection() as connection:
        connection.deadline_s = 20.0
        return exchange(connection, message)


def test_interrupt_during_an_exchange(pool: ConnectionPool, echo: Echo) -> None:
    with in_thread(lambda: talk(pool, MUTE)) as outcome:
        wait_until(lambda: outcome.is_in("recv_bytes"))
        started = time.monotonic()
        pool.interrupt()
    failed_within(outcome, started)
    assert not pool._open


def test_interrupt_while_it_is_greeted(echo: Echo) -> None:
    greeting = threading.Event()

    def greet(connection: Connection) -> None:
        connection.deadline_s = 20.0
        greeting.set()
        exchange(connection, MUTE)

    pool = ConnectionPool(echo.dial, greet)
    with in_thread(lambda: talk(pool, b"hello")) as outcome:
        wait_until(lambda: outcome.is_in("greet", "recv_bytes"))
        started = time.monotonic()
        pool.interrupt()
    failed_within(outcome, started)
    assert not pool._open


def test_interrupt_while_it_is_dialled(echo: Echo) -> None:
    """It is not there yet, and must not be waited for once it is."""
    dialling, dialled = threading.Event(), threading.Event()

    def dial() -> Connection:
        dialling.set()
        assert dialled.wait(5)
        return echo.dial()

    def greet(connection: Connection) -> None:
        connection.deadline_s = 20.0
        exchange(connection, MUTE)

    pool = ConnectionPool(dial, greet)
    with in_thread(lambda: talk(pool, b"hello")) as outcome:
        assert dialling.wait(5)
        pool.interrupt()
        started = time.monotonic()
        dialled.set()
    failed_within(outcome, started)
    assert not pool._open


def test_interrupt_as_tls_takes_the_socket_over(echo: Echo) -> None:
    """Between two owners: the old socket has no descriptor any more, the new one is not known yet."""

    class Wrapped(socket.socket):
        def do_handshake(self) -> None:
            """The peer says nothing."""
            if not self.recv(1):
                raise EOFError

    def wrap(plain: socket.socket) -> Any:
        wrapped = Wrapped(fileno=plain.detach())
        pool.interrupt()
        return wrapped

    def greet(connection: Connection) -> None:
        connection.deadline_s = 2.0
        connection.secure(wrap)

    pool = ConnectionPool(echo.dial, greet)
    started = time.monotonic()
    with pytest.raises((EOFError, OSError)), pool.connection():
        pass
    assert soon(time.monotonic() - started, 0.5)


def test_later_calls_fail_at_once(pool: ConnectionPool) -> None:
    assert talk(pool, b"hello") == b"hello"
    pool.interrupt()
    for _ in range(2):  # the idle one, and then new ones
        started = time.monotonic()
        with pytest.raises((EOFError, OSError)):
            talk(pool, MUTE)
        assert soon(time.monotonic() - started, 0.5)


def test_a_few_idle_connections_are_kept(echo: Echo, pool: ConnectionPool) -> None:
    """Each is a thread and a descriptor of the manager's."""
    with ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(pool.connection())
        assert len(pool._open) == 12
    assert len(pool._open) == len(pool._idle) == 3
    wait_until(lambda: len(echo.gone) == 9)


def test_close_closes_all_and_may_come_twice(echo: Echo, pool: ConnectionPool) -> None:
    with pool.connection() as one, pool.connection() as two:
        pass
    pool.close()
    assert one.fileno() < 0
    assert two.fileno() < 0
    pool.close()
    wait_until(lambda: len(echo.gone) == 2)


def test_a_pool_that_nobody_knows_any_more_close_their_connections(echo: Echo) -> None:
    pool = ConnectionPool(echo.dial, lambda connection: None)
    assert talk(pool, b"hello") == b"hello"
    del pool
    wait_until(lambda: len(echo.gone) == 1)


# --- forks ---

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()")


@contextmanager
def forked(child: Callable[[], object]) -> Iterator[Callable[[], str]]:
    """Run *child* in a copy of this process meanwhile; the call waits for it, and gives its answer or failure."""
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads; those of the servers here are none of the child's business
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        try:
            os.write(theirs, repr(child()).encode())
        except BaseException as exc:  # noqa: BLE001 - nothing of pytest may run here
            os.write(theirs, f"failed: {exc!r}".encode())
        finally:
            os._exit(0)
    os.close(theirs)
    ended = False

    def answer() -> str:
        nonlocal ended
        with os.fdopen(ours, "rb") as pipe:
            text = pipe.read().decode()
        ended = True
        assert os.waitpid(pid, 0)[1] == 0
        return text

    try:
        yield answer
    finally:
        if not ended:
            answer()


@forking
def test_a_fork_gets_connections_of_its_own(echo: Echo, pool: ConnectionPool) -> None:
    with pool.connection() as one, pool.connection() as two:
        pass
    inherited = {one.fileno(), two.fileno()}

    def child() -> object:
        with pool.connection() as connection:
            answer = exchange(connection, b"the child's")
        return answer, connection not in {one, two}, len(pool._open), len(pool._idle)

    with forked(child) as answer:
        assert answer() == repr((b"the child's", True, 1, 1))
    assert len(echo.accepted) == 3
    assert {connection.fileno() for connection in pool._open} == inherited


@forking
def test_a_fork_harms_nothing_that_is_its_parents(echo: Echo, pool: ConnectionPool) -> None:
    """Not even when it forgets, fails, interrupts and closes."""
    assert talk(pool, b"before") == b"before"
    (kept,) = pool._open

    def child() -> object:
        gc.collect()
        with suppress(EOFError), pool.connection() as connection:
            exchange(connection, b"the child's")
            raise EOFError
        assert talk(pool, b"again") == b"again"
        pool.interrupt()
        pool.close()
        return "done"

    with forked(child) as answer:
        assert answer() == repr("done")
    with pool.connection() as connection:
        assert connection is kept
        assert exchange(connection, b"after") == b"after"
    wait_until(lambda: len(echo.gone) == 2)
    assert len(echo.accepted) == 3


@forking
def test_both_go_on_at_the_same_time_and_read_only_their_own_answers(
    echo: Echo, pool: ConnectionPool
) -> None:
    assert talk(pool, b"before") == b"before"

    def many(name: str) -> int:
        messages = [f"{name} {n}".encode() for n in range(150)]
        return sum(talk(pool, message) != message for message in messages)

    with forked(lambda: many("child")) as answer:
        assert many("parent") == 0
        assert answer() == "0"


@forking
def test_a_fork_while_another_thread_has_the_pool_in_its_hands(pool: ConnectionPool) -> None:
    """The copied lock is held by a thread that the copy does not have."""
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        with pool._mutex:
            holding.set()
            release.wait(10)

    with in_thread(hold):
        assert holding.wait(5)
        with forked(lambda: talk(pool, b"hello")) as answer:
            assert answer() == repr(b"hello")
        release.set()


@forking
def test_proxies_survive_a_fork_on_both_sides(tmp_path: Path) -> None:
    with (
        embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()) as (_, queues),
        served(queues.tasks, queues.results) as server,
        connected(server) as manager,
    ):
        tasks = manager.get_task_queue()
        assert tasks.put(images(3)) == 3
        with forked(lambda: [tasks.put([image(100 + n)]) for n in range(20)]) as answer:
            assert [tasks.put([image(200 + n)]) for n in range(20)] == [1] * 20
            assert answer() == repr([1] * 20)
        assert tasks.stats().images.ready == 43
