"""A site for who is logged in: the cookies of a browser's file reach every worker, by either queue."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.running import image_crawler, records
from tests.support.redisserver import RedisServer
from tests.support.sites import png


@contextmanager
def members_only() -> Iterator[tuple[str, list[str]]]:
    """Its URL, and the paths that were asked for without the cookie; the login is renewed once."""
    strangers: list[str] = []
    images = {f"/{n}.png": png(random.Random(n)) for n in range(6)}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            sent = self.headers.get("Cookie", "")
            if self.path == "/robots.txt":
                return self._answer(404, b"")
            if "sid=s3cret" not in sent and "sid=renewed" not in sent:
                strangers.append(self.path)
                return self._answer(403, b"")
            if self.path in images:
                return self._answer(200, images[self.path], "image/png")
            page = "".join(f'<img src="{path}">' for path in images)
            return self._answer(200, page.encode(), "text/html", "sid=renewed; Path=/")

        def _answer(self, status: int, body: bytes, kind: str = "text/plain", cookie: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if cookie:
                self.send_header("Set-Cookie", cookie)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", strangers
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("engine", ["manager", "redis"])
def test_who_is_logged_in_in_a_browser_is_so_in_the_crawl(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    queue: tuple[str, ...] = ()
    if engine == "redis":
        server: RedisServer = request.getfixturevalue("fresh_redis")
        queue = ("--queue", f"{server.url}#cookies")
    file = tmp_path / "cookies.txt"
    file.write_text("127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\ts3cret\r\n")
    with members_only() as (url, strangers):
        command = ("crawl", url, "-o", "crawl", "--no-sitemaps", "--downloaders", "1", *queue)
        refused = image_crawler(*command, folder=tmp_path)
        assert refused.code == 1
        assert strangers == ["/"]
        outcome = image_crawler(*command, "--cookies", "cookies.txt", folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert strangers == ["/"], "nothing was asked for without it"
    assert [record.status for record in records(tmp_path / "crawl").values()] == ["saved"] * 6
    said = outcome.out + outcome.err + (tmp_path / "crawl" / "crawl.toml").read_text()
    assert "s3cret" not in said
    assert b"s3cret" not in (tmp_path / "crawl" / "crawl.db").read_bytes(), "it has ended"
