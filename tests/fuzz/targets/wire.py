"""Raw bytes of one who holds the key: lengths, messages that are none, values too deep, an end in the midst."""

from __future__ import annotations

import socket
import struct

from crawler.queues.rpc import wire
from tests.fuzz.books import GREETING, crawl
from tests.fuzz.drawn import Drawn
from tests.fuzz.targets.calls import KNOWN, check_answer

_BETWEEN = b"\n\n"
_MOST_BYTES = 60_000


class Peer(wire.Connection):
    """A real connection, of which only the answers are looked at here: nobody else reads them."""

    def send_bytes(self, data: bytes) -> None:
        assert len(data) <= wire.MAX_MESSAGE_BYTES
        check_answer(data, None)


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    form = drawn.one_of((framed, greeted, raw))
    sent = form(drawn.rest()[:_MOST_BYTES])
    ours, theirs = socket.socketpair()
    with theirs, crawl() as attacked:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        attacked.serve(Peer(ours, deadline_s=1.0), KNOWN)
        assert ours.fileno() < 0, "the connection is left open"
        attacked.check()


def framed(data: bytes) -> bytes:
    """Messages with their lengths, after a proper greeting."""
    return b"".join(struct.pack("!I", len(part)) + part for part in (GREETING, *data.split(_BETWEEN)))


def greeted(data: bytes) -> bytes:
    return struct.pack("!I", len(GREETING)) + GREETING + data


def raw(data: bytes) -> bytes:
    return data
