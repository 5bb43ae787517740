"""What is said before anybody has proved anything, to the manager and to its client: nobody gets in without the key."""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from multiprocessing import AuthenticationError

from crawler import errors
from crawler.queues.rpc import wire
from crawler.queues.rpc.transport import RpcTransport, manager_key, worker_key
from tests.fuzz.books import server
from tests.fuzz.drawn import Drawn
from tests.support.queues import AUTHKEY

_PLAIN = RpcTransport()
_REFUSALS = (AuthenticationError, errors.ProtocolError, EOFError, OSError)
_BETWEEN = b"\n\n"


def fuzz(data: bytes) -> None:
    assert worker_key(AUTHKEY) != manager_key(AUTHKEY)
    drawn = Drawn(data)
    is_manager = drawn.one_of((True, False))
    is_framed = drawn.one_of((True, False))
    sent = drawn.rest()
    if is_framed:
        sent = b"".join(struct.pack("!I", len(part)) + part for part in sent.split(_BETWEEN))
    ours, theirs = socket.socketpair()
    with theirs, closing(wire.Connection(ours, deadline_s=1.0)) as peer:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        if is_manager:
            served = server(_PLAIN)
            served._open.add(peer)
            served._served = {}
            served._serve_peer(peer)
            assert not served._authenticated, "somebody is in who knows no key"
            assert not served._open
            return
        try:
            _PLAIN.greet(peer, AUTHKEY)
        except _REFUSALS:
            return
        raise AssertionError("a manager was believed that knows no key")
