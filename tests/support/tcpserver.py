"""A server of TCP on 127.0.0.1, for what tests need in its place: a thread for each connection."""

from __future__ import annotations

import abc
import socket
import threading
from contextlib import suppress
from typing import Self


class TcpServer(abc.ABC):
    """Listens at ``port`` from when it is entered until it is left, which ends all its connections."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a plain close would not wake who waits in accept
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    @abc.abstractmethod
    def _serve(self, sock: socket.socket) -> None:
        """Answer at a connection."""
