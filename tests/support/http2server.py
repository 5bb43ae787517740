"""A server that speaks HTTP/2 (RFC 9113) as far as a test needs it: it says what it was told to, whatever is asked."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM = _ACK = 1
_END_HEADERS = 4
REFUSED_STREAM = 7

Part = list[tuple[str, str]] | bytes | int
"""Of an answer: fields of a header, content, or the number of an error."""


class Http2Server:
    """Answers each request with the next of *answers*, the last one for ever; a context manager.

    An answer ends its stream unless its last part is ``b""``; ``None`` in its place ends the connection.
    """

    def __init__(self, pem: Path, answers: Sequence[Sequence[Part] | None]) -> None:
        self._answers = list(answers)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(pem)
        self._context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.requests = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), self._context.wrap_socket(plain, server_side=True) as sock:
            stream = sock.makefile("rb")
            if stream.read(len(_PREFACE)) != _PREFACE:
                return  # it is asked by HTTP/1.1
            sock.sendall(_frame(_SETTINGS, 0, 0, b""))
            while head := stream.read(9):
                kind, flags, number = head[3], head[4], int.from_bytes(head[5:9], "big")
                payload = stream.read(int.from_bytes(head[:3], "big"))
                if kind in {_SETTINGS, _PING} and not flags & _ACK:
                    sock.sendall(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
                elif kind == _HEADERS:
                    self.requests += 1
                    answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                    if answer is None:
                        sock.unwrap()
                        return
                    sock.sendall(b"".join(_frames(answer, number)))
                elif kind == _GOAWAY:
                    return


def _frames(answer: Sequence[Part], number: int) -> list[bytes]:
    frames = []
    for place, part in enumerate(answer, 1):
        ends = _END_STREAM if place == len(answer) else 0
        if isinstance(part, int):
            frames.append(_frame(_RST_STREAM, 0, number, part.to_bytes(4, "big")))
        elif isinstance(part, bytes):
            if part:
                frames.append(_frame(_DATA, ends, number, part))
        else:
            packed = b"".join(map(_packed, part))
            frames.append(_frame(_HEADERS, _END_HEADERS | ends, number, packed))
    return frames


def _packed(field: tuple[str, str]) -> bytes:
    """A literal field that is not kept, with a new name (RFC 7541, section 6.2.2)."""
    name, value = (text.encode() for text in field)
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _frame(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + number.to_bytes(4, "big") + payload
