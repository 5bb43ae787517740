"""Messages over real sockets: what is too large, too slow or no message at all is refused, on both sides."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import AuthenticationError

import msgspec
import pytest

from crawler import errors
from crawler.queues.rpc import transport
from crawler.queues.rpc.calls import ENCODER, MALFORMED, Reply
from crawler.queues.rpc.transport import RpcTransport
from crawler.queues.rpc.wire import MAX_MESSAGE_BYTES, Connection, Fault
from tests.support.cpu_time import soon
from tests.support.peer import dial
from tests.support.queues import AUTHKEY, in_thread, wait_until


@pytest.fixture(name="pair")
def a_pair() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection, and its peer's bare socket."""
    ours, theirs = socket.socketpair()
    connection = Connection(ours, deadline_s=2.0)
    with theirs:
        yield connection, theirs
    connection.close()


def frame(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data


# --- whole messages ---


@pytest.mark.parametrize("size", [0, 1, 16_385, 65_536, MAX_MESSAGE_BYTES])
def test_a_message_arrives_as_it_was_sent(size: int) -> None:
    ours, theirs = socket.socketpair()
    sender, receiver = Connection(ours, deadline_s=5.0), Connection(theirs, deadline_s=5.0)
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    with in_thread(lambda: sender.send_bytes(data)) as outcome:
        assert receiver.recv_bytes() == data
    assert outcome == [None]
    sender.close()
    receiver.close()
    assert sender.fileno() < 0


def test_messages_in_one_packet_are_taken_one_by_one(pair: tuple[Connection, socket.socket]) -> None:
    connection, peer = pair
    peer.sendall(frame(b"one") + frame(b"") + frame(b"three"))
    assert connection.recv_bytes() == b"one"
    assert connection.poll(), "what is left in the buffer counts as arrived"
    assert connection.recv_bytes() == b""
    assert connection.recv_bytes() == b"three"
    assert not connection.poll(0.01)


def test_a_message_in_single_bytes_is_put_together(pair: tuple[Connection, socket.socket]) -> None:
    connection, peer = pair
    for byte in frame(b"slow"):
        peer.sendall(bytes([byte]))
    assert connection.recv_bytes() == b"slow"


def test_poll_sees_what_arrives_and_that_the_peer_has_gone(pair: tuple[Connection, socket.socket]) -> None:
    connection, peer = pair
    assert not connection.poll()
    peer.sendall(b"\0")
    assert connection.poll(1.0)
    peer.close()
    assert connection.poll(1.0)


# --- limits ---


def test_a_message_over_the_limit_is_not_sent(pair: tuple[Connection, socket.socket]) -> None:
    connection, peer = pair
    with pytest.raises(errors.ProtocolError, match=f"{MAX_MESSAGE_BYTES + 1} bytes is over the limit"):
        connection.send_bytes(b"x" * (MAX_MESSAGE_BYTES + 1))
    peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        peer.recv(1)


@pytest.mark.parametrize("announced", [MAX_MESSAGE_BYTES + 1, 2**31, 2**32 - 1])
def test_an_announced_giant_is_refused_before_it_is_read(
    pair: tuple[Connection, socket.socket], announced: int
) -> None:
    connection, peer = pair
    peer.sendall(struct.pack("!I", announced))
    with pytest.raises(errors.ProtocolError, match=f"announced a message of {announced} bytes"):
        connection.recv_bytes()


def test_the_handshakes_own_limit_holds(pair: tuple[Connection, socket.socket]) -> None:
    connection, peer = pair
    peer.sendall(frame(b"x" * 300))
    with pytest.raises(errors.ProtocolError, match="the limit is 256"):
        connection.recv_bytes(256)


# --- deadlines ---


def test_a_peer_that_trickles_is_given_up_at_the_deadline(pair: tuple[Connection, socket.socket]) -> None:
    """Each byte comes well in time; the message as a whole does not."""
    connection, peer = pair
    connection.deadline_s = 0.2
    stop = threading.Event()

    def trickle() -> None:
        with suppress(OSError):
            for byte in frame(b"x" * 1000):
                if stop.wait(0.01):
                    return
                peer.sendall(bytes([byte]))

    with in_thread(trickle):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            connection.recv_bytes()
        taken_s = time.monotonic() - started
        assert taken_s > 0.15
        assert soon(taken_s, 0.6)
        stop.set()


def test_a_silent_peer_is_given_up_at_the_deadline(pair: tuple[Connection, socket.socket]) -> None:
    connection, _ = pair
    connection.deadline_s = 0.1
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        connection.recv_bytes()
    assert soon(time.monotonic() - started, 0.5)


def test_a_peer_that_does_not_read_is_given_up_at_the_deadline(
    pair: tuple[Connection, socket.socket],
) -> None:
    connection, _ = pair
    connection.deadline_s = 0.1
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        connection.send_bytes(b"x" * MAX_MESSAGE_BYTES)
    assert soon(time.monotonic() - started, 1.0)


def test_an_end_in_mid_message_is_an_end(pair: tuple[Connection, socket.socket]) -> None:
    connection, peer = pair
    peer.sendall(frame(b"whole")[:-1])
    peer.close()
    with pytest.raises(EOFError, match="closed"):
        connection.recv_bytes()


def test_interrupt_frees_a_reader_at_once(pair: tuple[Connection, socket.socket]) -> None:
    connection, _ = pair
    connection.deadline_s = 20.0
    with in_thread(connection.recv_bytes) as outcome:
        wait_until(lambda: outcome.is_in("recv_bytes"))
        started = time.monotonic()
        connection.interrupt()
    assert soon(time.monotonic() - started, 0.2)
    assert isinstance(outcome[0], EOFError)
    connection.close()
    connection.interrupt()  # too late, and no error


# --- replies ---


def test_an_error_comes_out_as_an_exception() -> None:
    reply = msgspec.msgpack.decode(ENCODER.encode(Reply.of_error(ValueError("no such queue"))), type=Reply)
    error = reply.error()
    assert isinstance(error, ValueError)
    assert str(error) == "no such queue"


def test_a_value_is_no_error() -> None:
    assert Reply.of(["a", 1, None]).error() is None


@pytest.mark.parametrize("message", [{}, [], 7, None, "text", ["#ERROR", 7], ["#NOISE", None]])
def test_what_is_no_reply_is_refused(message: object) -> None:
    with pytest.raises(MALFORMED):
        msgspec.msgpack.decode(ENCODER.encode(message), type=Reply).error()


# --- exceptions ---

VOCABULARY = [
    errors.CrawlError,
    errors.FolderError,
    errors.StorageFull,
    errors.StorageFailed,
    errors.LedgerCorrupt,
    errors.ProtocolError,
    errors.VersionMismatch,
    errors.TooManyConnections,
    errors.CrawlReplaced,
    errors.UploadLost,
    ValueError,
    TypeError,
]


@pytest.mark.parametrize("kind", VOCABULARY)
def test_an_exception_of_the_vocabulary_crosses_as_itself(kind: type[Exception]) -> None:
    sent = msgspec.msgpack.encode(Fault.of(kind("what, which value, what to do")))
    revived = msgspec.msgpack.decode(sent, type=Fault).revived()
    assert type(revived) is kind
    assert str(revived) == "what, which value, what to do"


@pytest.mark.parametrize(
    "error", [KeyError("x"), ZeroDivisionError("by zero"), OSError(5, "no"), SystemExit(3)]
)
def test_any_other_exception_crosses_as_a_remote_fault(error: BaseException) -> None:
    revived = Fault.of(error).revived()
    assert type(revived) is errors.RemoteFault
    assert str(revived) == "the manager failed at what it was asked for; its log tells where"


def test_a_name_from_the_wire_never_makes_an_object() -> None:
    assert type(Fault("os.system", "echo").revived()) is errors.RemoteFault
    assert type(Fault("SystemExit", "1").revived()) is errors.RemoteFault
    assert type(Fault("__import__", "os").revived()) is errors.RemoteFault


# --- dialling ---


@contextmanager
def listening(behave: Callable[[Connection], None]) -> Iterator[tuple[str, int]]:
    """A peer that does as it likes with the one connection that it accepts."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            sock, _ = server.accept()
            connection = Connection(sock, deadline_s=2.0)
            try:
                behave(connection)
            finally:
                connection.close()

        with in_thread(serve):
            yield server.getsockname()[:2]


def test_both_sides_prove_that_they_know_the_key() -> None:
    proved: list[bool] = []

    def honest(peer: Connection) -> None:
        RpcTransport().welcome(peer, AUTHKEY)
        proved.append(True)

    with listening(honest) as address:
        connection = dial(address, authkey=AUTHKEY)
    assert proved
    assert connection.deadline_s == transport.CALL_S
    nodelay = connection._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert nodelay, "messages of 16 to 64 KB stall 44 ms without it"
    assert connection._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    connection.close()


def test_a_server_that_does_not_know_the_key_is_refused() -> None:
    def impostor(peer: Connection) -> None:
        with suppress(AuthenticationError, EOFError, OSError):
            RpcTransport().welcome(peer, b"another key")

    with listening(impostor) as address, pytest.raises(AuthenticationError):
        dial(address, authkey=AUTHKEY)


def test_a_server_that_accepts_anything_is_refused_all_the_same() -> None:
    """It says welcome without having checked; then it must prove itself, and can't."""

    def rogue(peer: Connection) -> None:
        with suppress(AuthenticationError, EOFError, OSError):
            peer.send_bytes(b"#CHALLENGE#" + b"0" * 20)
            peer.recv_bytes()
            peer.send_bytes(b"#WELCOME#")
            peer.recv_bytes()
            peer.send_bytes(b"0" * 16)
            peer.recv_bytes()

    with listening(rogue) as address, pytest.raises(AuthenticationError):
        dial(address, authkey=AUTHKEY)


def test_a_server_that_does_not_begin_with_a_challenge_is_refused() -> None:
    with (
        listening(lambda peer: peer.send_bytes(b"hello")) as address,
        pytest.raises((errors.ProtocolError, AuthenticationError)),
    ):
        dial(address, authkey=AUTHKEY)


def test_a_web_server_is_no_manager() -> None:
    def http(peer: Connection) -> None:
        peer._sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(http) as address, pytest.raises(errors.ProtocolError, match="announced a message of"):
        dial(address, authkey=AUTHKEY)


def test_nobody_at_the_address_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()[:2]
    with pytest.raises(ConnectionRefusedError):
        dial(address, authkey=AUTHKEY)


# --- listening ---


def test_an_accepted_connection_has_the_handshakes_deadline() -> None:
    listener = RpcTransport().listen(("127.0.0.1", 0))
    with in_thread(listener.accept) as outcome:
        connection = RpcTransport().open(listener.address)
    accepted = outcome[0]
    assert isinstance(accepted, Connection)
    assert accepted.deadline_s == transport.HANDSHAKE_S
    connection.send_bytes(b"hello")
    assert accepted.recv_bytes() == b"hello"
    for end in (connection, accepted, listener):
        end.close()


def test_a_closed_listener_wakes_its_thread_and_gives_the_port_up() -> None:
    listener = RpcTransport().listen(("127.0.0.1", 0))
    with in_thread(listener.accept) as outcome:
        wait_until(lambda: outcome.is_in("accept"))
        listener.close()
    assert isinstance(outcome[0], OSError)
    again = RpcTransport().listen(listener.address)
    assert again.address == listener.address
    again.close()
