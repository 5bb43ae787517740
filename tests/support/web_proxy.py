"""An HTTP proxy that sends everything to this machine."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import threading
from contextlib import suppress

from tests.support.tcpserver import TcpServer


class Proxy(TcpServer):
    """Connects, or passes a request on; to 127.0.0.1, whatever the name."""

    def __init__(
        self, *, login: str = "", refusal: bytes = b"", context: ssl.SSLContext | None = None
    ) -> None:
        self.heads: list[str] = []
        self._login = login
        self._refusal = refusal
        self._context = context
        super().__init__()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += sock.recv(65536)
            self.heads.append(head.decode())
            method, target, _ = head.decode().split("\r\n")[0].split(" ")
            wanted = "Proxy-Authorization: Basic " + base64.b64encode(self._login.encode()).decode()
            if self._refusal or (self._login and wanted not in head.decode()):
                status = self._refusal or b"407 Proxy Authentication Required"
                sock.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                sock.close()
                return
            port = int(re.search(r":(\d+)(?:/|$)", target)[1])  # type: ignore[index]
            far = socket.create_connection(("127.0.0.1", port))
            self._open.append(far)
            if method == "CONNECT":
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=self._pass_on, args=(sock, far), daemon=True).start()
            else:
                path = "/" + target.split("/", 3)[3]
                far.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            self._pass_on(far, sock)

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
