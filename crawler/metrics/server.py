"""An HTTP server for a few short answers, in a thread of its own: whoever asks can delay nothing but other answers.

Nobody has to say who he is, so it listens where it is told to and its answers have nothing secret. A client has
REQUEST_S for its request, of MOST_BYTES, and ANSWER_S to take its answer. MOST_CLIENTS are served at a time and
MOST_PER_S in a second; more are hung up on. Each connection serves one request.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

MOST_CLIENTS = 32
MOST_PER_S = 20
MOST_BYTES = 8192
REQUEST_S = 5.0
ANSWER_S = 10.0
_BACKLOG = 64


class Answer(NamedTuple):
    status: HTTPStatus
    body: bytes
    media_type: str = "text/plain; charset=utf-8"


class MetricsServer:
    """Serves GET and HEAD at *address*; *answer* gets the path and the ``Accept`` header. It must not wait.

    Raises OSError when it can't listen there.
    """

    def __init__(self, address: tuple[str, int], answer: Callable[[str, str], Answer]) -> None:
        self._answer = answer
        self._listener = socket.create_server(
            address, family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET, backlog=_BACKLOG
        )
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        """Where it listens; port 0 has been replaced by one that was free."""
        self._clients = 0
        self._this_second, self._answered = 0, 0
        self.hung_up = 0
        """Connections that were closed unheard, as there were too many."""
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; who is being answered is hung up on."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(ANSWER_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._talk, sock=self._listener, limit=MOST_BYTES, backlog=_BACKLOG
        )
        try:
            await self._over.wait()
        finally:
            server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = writer.transport
        if self._clients >= MOST_CLIENTS or self._is_too_fast():
            self.hung_up += 1
            transport.abort()
            return
        self._clients += 1
        try:
            transport.set_write_buffer_limits(high=0)  # drain() is over once all is with the kernel
            async with asyncio.timeout(REQUEST_S):
                head = await _head(reader)
            async with asyncio.timeout(ANSWER_S):
                writer.write(self._response(head))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # too slow, or gone
        finally:
            self._clients -= 1
            transport.abort()

    def _is_too_fast(self) -> bool:
        second = int(time.monotonic())
        if second != self._this_second:
            self._this_second, self._answered = second, 0
        self._answered += 1
        return self._answered > MOST_PER_S

    def _response(self, head: bytes | None) -> bytes:
        method, path, accept = _request(head)
        if head is None:
            answer = Answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, b"the request is too large\n")
        elif not path.startswith("/"):
            answer = Answer(HTTPStatus.BAD_REQUEST, b"this is no HTTP request\n")
        elif method not in {"GET", "HEAD"}:
            answer = Answer(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD are answered\n")
        else:
            answer = self._answer(path.partition("?")[0], accept)
        lines = (
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}",
            f"Content-Type: {answer.media_type}",
            f"Content-Length: {len(answer.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            *(("Allow: GET, HEAD",) if answer.status is HTTPStatus.METHOD_NOT_ALLOWED else ()),
            "Connection: close",
            "\r\n",
        )
        return "\r\n".join(lines).encode("latin-1") + (b"" if method == "HEAD" else answer.body)


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    """The lines of a request before its body; None if they are too long."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return None


def _request(head: bytes | None) -> tuple[str, str, str]:
    """Method, path and ``Accept`` header; empty where the request has none."""
    first, *fields = (head or b"").decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    path, _, version = rest.partition(" ")
    if not version.startswith("HTTP/1."):
        return "", "", ""
    named = (field.partition(":") for field in fields)
    accept = ", ".join(value.strip() for name, _, value in named if name.strip().lower() == "accept")
    return method, path, accept
