"""A web server whose faults are named by its paths; ``python -m tests.support.faultserver`` runs it by hand.

    /good/NAME             an image of tests.support.images.samples(), whole and well described
    /truncated/N/NAME      its first N bytes, said to be all: a broken file, faithfully sent
    /cut/N/NAME            its Content-Length, N bytes, and the end of the connection: a broken transfer
    /chunked/NAME          in chunks                  /chunked-cut/NAME   in chunks, without the last one
    /chunked-bad/NAME      with a chunk size that is no number
    /gzip/NAME  /deflate/NAME  /deflate-raw/NAME  /br/NAME  /zstd/NAME  /twice/NAME     compressed
    /gzip-cut/NAME  /gzip-bad/NAME                    badly compressed
    /bomb/MIB              that many MiB of zeros, gzipped
    /encoding/X/NAME       said to be encoded as X, sent as it is
    /drip/MS/NAME          byte by byte               /drip-header/MS     the header byte by byte, for ever
    /stall/NAME            half of it, then nothing   /silent             no answer at all
    /reset                 the connection is reset    /reset-body/NAME    halfway through the body
    /garbage               not HTTP                   /close              closed without a word
    /headers/N             N header lines             /endless            a body that never ends
    /status/CODE           that status, with a body   /status/CODE/retry-after/VALUE
    /no-content  /not-modified  /empty                /conditional/NAME   304 for who has it
    /fail/CODE/N/KEY/NAME  that status N times for KEY, then the image
    /redirect/N/NAME       N redirects to /good/NAME  /loop               to itself
    /pingpong/a            to b, and b to a           /nowhere            a redirect without Location
    /to?URL                a redirect to URL
    /html-as-png           a page, as image/png       /lying/NAME         an image, as text/html
    /large/BYTES           so many, announced         /large-unannounced/BYTES   ended by the connection's end
    /slow/MS/NAME          after so long              /echo               the request's headers, as text
    /cookie/NAME           with Set-Cookie            /robots-tag/VALUE…/NAME    with X-Robots-Tag, one for each value
    /cookie-to?URL  /cookie-status/CODE               with Set-Cookie, and a redirect or that status
    /cookie-wall/NAME      to itself, until its cookie comes back
    /tdm/NAME              with tdm-reservation: 1
    /bomb-br/MIB  /bomb-zstd/MIB/WINDOWLOG            as /bomb/MIB, by these codings
    /gzip-more/NAME        gzip, and rubbish after it /http10/NAME        by HTTP/1.0, ended by the connection's end
    /hints/N/NAME          N times 103 before it      /continues          100 Continue without end
    /length/VALUE/NAME     that Content-Length, and the connection's end
    /two-lengths/NAME      of which one is wrong      /length-chunked/NAME    in chunks, and a wrong length as well
    /partial/NAME          206, without being asked   /as/TYPE/SUBTYPE/NAME   said to be of that media type
    /header-flood/MIB      of header lines            /status-line/BYTES  a long first line
    /chunk-line/MIB        a chunk's size, so long    /trailers/MIB       so much after the last chunk
    /retry-date/CODE/S     with a Retry-After that is a date, S seconds from now
    /own/ANYTHING…         a PNG of its own, whatever the name
    /attachment/NAME       with a Content-Disposition that leads out of the folder
    /hostile/NAME          of tests.support.hostile: an image that is made to do harm

Anything else is 404. Queries are not looked at, so that ``?n=1`` makes another URL of the same thing.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import socket
import socketserver
import struct
import sys
import threading
import time
import zlib
from collections import Counter
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

import brotli

from tests.support.hostile import hostile, of_its_own
from tests.support.images import samples

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "ico": "image/x-icon",
    "svg": "image/svg+xml",
}
HTML = b"<!DOCTYPE html><html><head><title>Not here</title></head><body><p>Sorry.</p></body></html>"
ETAG = '"v1"'
LAST_MODIFIED = "Mon, 02 Mar 2026 10:00:00 GMT"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One that came, as the log keeps it."""

    path: str
    headers: dict[str, str]
    connection: int
    """Which connection it came by, from 1."""


class FaultServer:
    """The server on a port of its own, in the background; a context manager.

    ``requests`` is all that came; ``most_in_flight`` how many were being answered at a time, at most.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()
        self._failures: Counter[str] = Counter()
        self._connections = itertools.count(1)
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.drop_connections()
        self._server.server_close()
        self._thread.join()

    def paths(self) -> list[str]:
        with self._lock:
            return [request.path for request in self.requests]

    def connections(self) -> int:
        """How many connections requests came by."""
        with self._lock:
            return len({request.connection for request in self.requests})

    def pause(self, seconds: float) -> None:
        """Wait, unless the server is stopped."""
        self._stopping.wait(seconds)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def next_connection(self) -> int:
        return next(self._connections)

    def fails_again(self, key: str, times: int) -> bool:
        with self._lock:
            self._failures[key] += 1
            return self._failures[key] <= times

    @contextlib.contextmanager
    def counted(self, request: Request) -> Any:
        with self._lock:
            self.requests.append(request)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], faults: FaultServer) -> None:
        self.faults = faults
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        with self._open_lock:
            for request in self._open:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are what this server is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # a header and its short body leave together
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.faults = self.server.faults
        self.connection_number = self.faults.next_connection()

    def log_message(self, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        kind, *rest = path.removeprefix("/").split("/")
        request = Request(
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            connection=self.connection_number,
        )
        answer = getattr(self, "serve_" + kind.replace("-", "_"), None)
        with self.faults.counted(request):
            try:
                if answer is None:
                    self.send(404, HTML, "text/html")
                else:
                    answer(*rest, **({"query": query} if kind in {"to", "cookie-to"} else {}))
                self.wfile.flush()
            except (KeyError, TypeError):
                self.send(404, HTML, "text/html")

    # --- what most are made of

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def send(self, status: int, body: bytes, media_type: str, **headers: str) -> None:
        self.head(status, Content_Type=media_type, Content_Length=str(len(body)), **headers)
        self.wfile.write(body)

    def part(self, name: str) -> tuple[bytes, str]:
        return samples()[name], MEDIA_TYPES[name.rpartition(".")[2]]

    def reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # the reader's and writer's files hold the socket open
        self.rfile.close()
        self.connection.close()

    # --- good

    def serve_good(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, body, media_type, ETag=ETAG, Last_Modified=LAST_MODIFIED)

    def serve_cookie(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, body, media_type, Set_Cookie="seen=1; Path=/")

    def serve_robots_tag(self, *parts: str) -> None:
        *values, name = parts
        body, media_type = self.part(name)
        self.send_response(200)
        for value in values:
            self.send_header("X-Robots-Tag", value.replace("%20", " "))
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve_tdm(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, body, media_type, TDM_Reservation="1")

    def serve_slow(self, milliseconds: str, name: str) -> None:
        self.faults.pause(int(milliseconds) / 1000)
        self.serve_good(name)

    def serve_echo(self) -> None:
        self.send(200, str(self.headers).encode(), "text/plain")

    def serve_chunked(self, name: str, *, end: bytes = b"0\r\n\r\n") -> None:
        body, media_type = self.part(name)
        self.head(200, Content_Type=media_type, Transfer_Encoding="chunked")
        for start in range(0, len(body), 500):
            piece = body[start : start + 500]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(end)
        if end != b"0\r\n\r\n":
            self.close_connection = True

    def serve_gzip(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, gzip.compress(body), media_type, Content_Encoding="gzip")

    def serve_deflate(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, zlib.compress(body), media_type, Content_Encoding="deflate")

    def serve_deflate_raw(self, name: str) -> None:
        body, media_type = self.part(name)
        raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        self.send(200, raw.compress(body) + raw.flush(), media_type, Content_Encoding="deflate")

    def serve_br(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, brotli.compress(body), media_type, Content_Encoding="br")

    def serve_zstd(self, name: str) -> None:
        body, media_type = self.part(name)
        half = len(body) // 2
        self.send(
            200, zstd.compress(body[:half]) + zstd.compress(body[half:]), media_type, Content_Encoding="zstd"
        )

    def serve_twice(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, brotli.compress(gzip.compress(body)), media_type, Content_Encoding="gzip, br")

    def serve_conditional(self, name: str) -> None:
        known = (
            self.headers.get("If-None-Match") == ETAG
            or self.headers.get("If-Modified-Since") == LAST_MODIFIED
        )
        if known:
            self.head(304, ETag=ETAG, Last_Modified=LAST_MODIFIED)
        else:
            self.serve_good(name)

    # --- broken bodies

    def serve_truncated(self, length: str, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, body[: int(length)], media_type)

    def serve_cut(self, length: str, name: str) -> None:
        body, media_type = self.part(name)
        self.head(200, Content_Type=media_type, Content_Length=str(len(body)))
        self.wfile.write(body[: int(length)])
        self.close_connection = True

    def serve_chunked_cut(self, name: str) -> None:
        self.serve_chunked(name, end=b"")

    def serve_chunked_bad(self, name: str) -> None:
        self.serve_chunked(name, end=b"zzz\r\n")

    def serve_gzip_cut(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, gzip.compress(body)[:-12], media_type, Content_Encoding="gzip")

    def serve_gzip_bad(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, body, media_type, Content_Encoding="gzip")

    def serve_encoding(self, coding: str, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, body, media_type, Content_Encoding=coding)

    def serve_bomb(self, mebibytes: str) -> None:
        packer = zlib.compressobj(9, wbits=31)
        zeros = bytes(2**20)
        body = b"".join(packer.compress(zeros) for _ in range(int(mebibytes))) + packer.flush()
        self.send(200, body, "image/png", Content_Encoding="gzip")

    def serve_html_as_png(self) -> None:
        self.send(200, HTML, "image/png")

    def serve_lying(self, name: str) -> None:
        self.send(200, self.part(name)[0], "text/html; charset=utf-8")

    def serve_empty(self) -> None:
        self.send(200, b"", "image/png")

    def serve_large(self, length: str) -> None:
        self.head(200, Content_Type="image/png", Content_Length=length)
        self._zeros(int(length))

    def serve_large_unannounced(self, length: str) -> None:
        self.head(200, Content_Type="image/png", Connection="close")
        self._zeros(int(length))
        self.close_connection = True

    def serve_endless(self) -> None:
        self.head(200, Content_Type="image/png", Connection="close")
        while not self.faults.stopping:
            self._zeros(2**16)

    def _zeros(self, length: int) -> None:
        for start in range(0, length, 2**16):
            self.wfile.write(bytes(min(2**16, length - start)))

    # --- broken servers

    def serve_drip(self, milliseconds: str, name: str) -> None:
        body, media_type = self.part(name)
        self.head(200, Content_Type=media_type, Content_Length=str(len(body)))
        self._drip(body, int(milliseconds) / 1000)

    def serve_drip_header(self, milliseconds: str) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 60_000, int(milliseconds) / 1000)

    def _drip(self, data: bytes, pause_s: float) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            self.faults.pause(pause_s)
            if self.faults.stopping:
                return

    def serve_stall(self, name: str) -> None:
        body, media_type = self.part(name)
        self.head(200, Content_Type=media_type, Content_Length=str(len(body)))
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.faults.pause(60)
        self.close_connection = True

    def serve_silent(self) -> None:
        self.faults.pause(60)
        self.close_connection = True

    def serve_reset(self) -> None:
        self.reset()

    def serve_reset_body(self, name: str) -> None:
        body, media_type = self.part(name)
        self.head(200, Content_Type=media_type, Content_Length=str(len(body)))
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        time.sleep(0.02)  # so that what was sent arrives before the reset
        self.reset()

    def serve_garbage(self) -> None:
        self.wfile.write(b"220 mail.example.org ESMTP ready\r\n")
        self.close_connection = True

    def serve_close(self) -> None:
        self.close_connection = True

    def serve_headers(self, count: str) -> None:
        self.head(200, Content_Length="1", **{f"X_{number}": "x" for number in range(int(count))})
        self.wfile.write(b"x")

    # --- other answers

    def serve_status(self, code: str, _word: str = "", retry_after: str = "") -> None:
        headers = {"Retry_After": retry_after.replace("%20", " ")} if retry_after else {}
        self.send(int(code), HTML, "text/html", **headers)

    def serve_no_content(self) -> None:
        self.head(204)

    def serve_not_modified(self) -> None:
        self.head(304, ETag=ETAG)

    def serve_fail(self, code: str, times: str, key: str, name: str) -> None:
        if self.faults.fails_again(f"{code}/{key}/{name}", int(times)):
            self.send(int(code), HTML, "text/html")
        else:
            self.serve_good(name)

    def serve_redirect(self, count: str, name: str) -> None:
        left = int(count)
        target = f"/redirect/{left - 1}/{name}" if left > 1 else f"/good/{name}"
        self.send(302, b"moved", "text/plain", Location=target)

    def serve_loop(self) -> None:
        self.send(301, b"", "text/plain", Location=self.path)

    def serve_pingpong(self, side: str) -> None:
        self.send(307, b"", "text/plain", Location="b" if side == "a" else "a")

    def serve_to(self, *, query: str) -> None:
        self.send(308, b"", "text/plain", Location=query)

    def serve_cookie_to(self, *, query: str) -> None:
        self.send(302, b"", "text/plain", Location=query, Set_Cookie="went=1; Path=/")

    def serve_cookie_status(self, code: str) -> None:
        self.send(int(code), HTML, "text/html", Set_Cookie="missed=1; Path=/")

    def serve_cookie_wall(self, name: str) -> None:
        if "let-in=1" in self.headers.get("Cookie", ""):
            self.serve_good(name)
        else:
            self.send(302, b"", "text/plain", Location=self.path, Set_Cookie="let-in=1")

    def serve_nowhere(self) -> None:
        self.send(302, b"", "text/plain")

    # --- answers that ask for much, or say two things at once

    def serve_bomb_br(self, mebibytes: str) -> None:
        packer = brotli.Compressor(quality=5)
        zeros = bytes(2**20)
        body = b"".join(packer.process(zeros) for _ in range(int(mebibytes))) + packer.finish()
        self.send(200, body, "image/png", Content_Encoding="br")

    def serve_bomb_zstd(self, mebibytes: str, window_log: str = "21") -> None:
        packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: int(window_log)})
        zeros = bytes(2**20)
        body = b"".join(packer.compress(zeros) for _ in range(int(mebibytes))) + packer.flush()
        self.send(200, body, "image/png", Content_Encoding="zstd")

    def serve_gzip_more(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, gzip.compress(body) + b"rubbish" * 20, media_type, Content_Encoding="gzip")

    def serve_http10(self, name: str) -> None:
        body, media_type = self.part(name)
        self.wfile.write(f"HTTP/1.0 200 OK\r\nContent-Type: {media_type}\r\n\r\n".encode() + body)
        self.close_connection = True

    def serve_hints(self, count: str, name: str) -> None:
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" * int(count))
        self.serve_good(name)

    def serve_continues(self) -> None:
        while not self.faults.stopping:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            self.wfile.flush()
            self.faults.pause(0.005)

    def serve_length(self, value: str, name: str) -> None:
        body, media_type = self.part(name)
        self.head(200, Content_Type=media_type, Content_Length=value.replace("%20", " "), Connection="close")
        self.wfile.write(body)
        self.close_connection = True

    def serve_two_lengths(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send_response(200)
        for length in (len(body), len(body) // 2):
            self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", media_type)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def serve_length_chunked(self, name: str) -> None:
        body, media_type = self.part(name)
        self.head(200, Content_Type=media_type, Content_Length="5", Transfer_Encoding="chunked")
        self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        self.close_connection = True

    def serve_partial(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(206, body, media_type, Content_Range=f"bytes 0-{len(body) - 1}/{2 * len(body)}")

    def serve_as(self, kind: str, subtype: str, name: str) -> None:
        self.send(200, self.part(name)[0], f"{kind}/{subtype}")

    def serve_header_flood(self, mebibytes: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        line = b"X-Flood: " + b"x" * 60_000 + b"\r\n"
        for _ in range(int(mebibytes) * 2**20 // len(line)):
            self.wfile.write(line)
        self.wfile.write(b"Content-Length: 1\r\n\r\nx")

    def serve_status_line(self, length: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 " + b"O" * int(length) + b"\r\nContent-Length: 1\r\n\r\nx")

    def serve_chunk_line(self, mebibytes: str) -> None:
        self.head(200, Content_Type="image/png", Transfer_Encoding="chunked")
        self.wfile.write(b"5;")
        for _ in range(int(mebibytes)):
            self.wfile.write(b"x" * 2**20)
        self.wfile.write(b"\r\nhello\r\n0\r\n\r\n")
        self.close_connection = True

    def serve_trailers(self, mebibytes: str) -> None:
        body = self.part("plain.png")[0]
        self.head(200, Content_Type="image/png", Transfer_Encoding="chunked")
        self.wfile.write(b"%x\r\n%b\r\n0\r\n" % (len(body), body))
        for _ in range(int(mebibytes)):
            self.wfile.write(b"X-Trailer: " + b"x" * (2**20 - 13) + b"\r\n")
        self.wfile.write(b"\r\n")
        self.close_connection = True

    def serve_retry_date(self, code: str, seconds: str) -> None:
        due = formatdate(time.time() + float(seconds), usegmt=True)
        self.send(int(code), HTML, "text/html", Retry_After=due)

    def serve_own(self, *_: str) -> None:
        self.send(200, of_its_own(self.path), "image/png")

    def serve_attachment(self, name: str) -> None:
        body, media_type = self.part(name)
        self.send(200, body, media_type, Content_Disposition='attachment; filename="../../../out.png"')

    def serve_hostile(self, name: str) -> None:
        self.send(200, hostile(name), MEDIA_TYPES[name.rpartition(".")[2]])


def main() -> None:
    with FaultServer(8765) as server:
        print(__doc__)
        print(f"serving at {server.url}; samples: {', '.join(samples())}; Ctrl-C ends it")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
