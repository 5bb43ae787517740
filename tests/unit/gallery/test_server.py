"""A gallery that is served: live, and to nobody else."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import UsageError
from crawler.gallery import live as live_module
from crawler.gallery import server as module
from crawler.gallery.live import LiveGallery
from crawler.gallery.server import GalleryServer
from crawler.models import ImageRecord, ImageStatus, NewTask, Origin, TaskKind
from tests.support.crawls import SEED, SITE, keep, page, saved
from tests.support.gallery_files import DrawsHere, payload
from tests.support.images import encoded, picture, png

EVIL = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    crawl = tmp_path / "crawl"
    rose = saved(crawl, f"{SITE}/i/rose.png", png(), alt="A rose")
    path = "images/garden.example/i/Ünïcode %41 #x.png"
    named = saved(crawl, f"{SITE}/i/named.png", png(1), path=path)
    (crawl / "images/garden.example/i/named.png").rename(crawl / path)
    evil = saved(crawl, f"{SITE}/i/evil.svg", EVIL, format="svg")
    broken = saved(crawl, f"{SITE}/i/broken.png", b"no png")
    lost = ImageRecord(
        url=f"{SITE}/i/none.png", status=ImageStatus.FAILED, reason="not-found", http_status=404
    )
    return keep(crawl, page(SEED), rose, named, evil, broken, lost)


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GalleryServer]:
    monkeypatch.setattr(live_module, "Drawer", DrawsHere)
    gallery = LiveGallery(folder)
    made = GalleryServer(("127.0.0.1", 0), gallery)
    try:
        with made.serving():
            yield made
    finally:
        gallery.close()


class Answer:
    def __init__(self, said: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = said.status, said.headers, said.read()


def ask(server: GalleryServer, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    with closing(connection):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        return Answer(connection.getresponse())


def raw(server: GalleryServer, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        received = b""
        with suppress(OSError):  # it is ended before all is sent
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while block := connection.recv(65536):
                received += block
        return received


def test_data_are_made_of_the_records(server: GalleryServer) -> None:
    answer = ask(server, "/gallery/data/meta.js")
    meta = payload(answer.body)
    assert (answer.status, meta["live"], meta["images"], meta["failures"]) == (200, True, 4, 1)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    ((number, rows),) = meta["chunks"]
    index = payload(ask(server, f"/gallery/data/index-{number:05}.js").body)
    assert rows == len(index["url"]) == 4
    assert meta["hosts"][index["host"][0]] == "garden.example"
    assert index["text"][0] == "A rose"
    assert payload(ask(server, f"/gallery/data/detail-{number:05}.js").body)["alt"][0] == "A rose"
    failures = payload(ask(server, f"/gallery/data/failures-{meta['failure_chunks'][0][0]:05}.js").body)
    assert meta["reasons"][failures["reason"][0]]["slug"] == "not-found"


def test_what_is_saved_meanwhile_is_there_at_once(server: GalleryServer, folder: Path) -> None:
    before = payload(ask(server, "/gallery/data/meta.js").body)
    again = ask(server, "/gallery/data/meta.js")
    assert again.headers["ETag"] == ask(server, "/gallery/data/meta.js").headers["ETag"]
    keep(folder, saved(folder, "http://other.example/new.gif", encoded(picture(5), "GIF"), format="gif"))
    after = payload(ask(server, "/gallery/data/meta.js").body)
    assert after["images"] == before["images"] + 1
    assert after["hosts"] == [*before["hosts"], "other.example"]
    assert after["chunks"] != before["chunks"]
    origin = Origin(page_url=SEED, found_in="img")
    keep(folder, waiting=[NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/x.png", depth=1, origin=origin)])
    assert payload(ask(server, "/gallery/data/meta.js").body)["state"] == "stopped"


def test_the_end_of_a_crawl_is_seen_without_a_new_record(server: GalleryServer, folder: Path) -> None:
    origin = Origin(page_url=SEED, found_in="img")
    keep(folder, waiting=[NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/x.png", depth=1, origin=origin)])
    CrawlFolder(folder).publish_url("redis://127.0.0.1/0")
    assert payload(ask(server, "/gallery/data/meta.js").body)["state"] == "running"
    CrawlFolder(folder).unpublish()
    assert payload(ask(server, "/gallery/data/meta.js").body)["state"] == "stopped"


def test_another_crawl_in_the_same_folder_is_seen(server: GalleryServer, folder: Path) -> None:
    before = payload(ask(server, "/gallery/data/meta.js").body)
    CrawlFolder(folder).wipe()
    assert ask(server, "/gallery/data/meta.js").status == 503
    keep(folder, saved(folder, "http://other.example/new.gif", encoded(picture(5), "GIF"), format="gif"))
    after = payload(ask(server, "/gallery/data/meta.js").body)
    assert (after["images"], after["hosts"]) == (1, ["other.example"])
    assert after["epoch"] != before["epoch"]


def test_thumbnails_are_drawn_when_they_are_asked_for_and_kept(server: GalleryServer, folder: Path) -> None:
    index = payload(ask(server, "/gallery/data/index-00000.js").body)
    thumb = index["thumb"][0]
    file = folder / "gallery" / "thumbs" / f"{thumb}.webp"
    assert not file.exists()
    answer = ask(server, f"/gallery/thumbs/{thumb}.webp")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/webp")
    assert file.read_bytes() == answer.body
    file.write_bytes(b"from the disk")
    assert ask(server, f"/gallery/thumbs/{thumb}.webp").body == b"from the disk"
    broken = index["thumb"][3]
    for _ in range(2):
        assert ask(server, f"/gallery/thumbs/{broken}.webp").status == 404
    assert index["thumb"][2] == "", "an SVG is shown as it is"


def test_thumbnails_are_held_where_nothing_can_be_written(server: GalleryServer, folder: Path) -> None:
    (folder / "gallery").write_text("no folder")
    thumb = payload(ask(server, "/gallery/data/index-00000.js").body)["thumb"][0]
    assert ask(server, f"/gallery/thumbs/{thumb}.webp").body[:4] == b"RIFF"
    (folder / "images/garden.example/i/rose.png").unlink()
    assert ask(server, f"/gallery/thumbs/{thumb}.webp").status == 200


def test_an_image_is_sent_as_it_was_saved(server: GalleryServer, folder: Path) -> None:
    answer = ask(server, "/images/garden.example/i/rose.png")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "image/png", png())
    assert ask(server, "/images/garden.example/i/rose.png", "HEAD").headers["Content-Length"] == str(
        len(png())
    )
    assert (
        ask(server, "/images/garden.example/i/rose.png", If_None_Match=answer.headers["ETag"]).status == 304
    )
    name = quote("Ünïcode %41 #x.png")
    assert ask(server, f"/images/garden.example/i/{name}").body == png(1)


def test_no_script_runs_and_no_other_site_may_use_it(server: GalleryServer) -> None:
    for path in ("/gallery/data/meta.js", "/images/garden.example/i/evil.svg", "/nothing"):
        answer = ask(server, path)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe-eval" not in policy
        assert "script-src 'unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    svg = ask(server, "/images/garden.example/i/evil.svg")
    assert svg.headers["Content-Type"] == "image/svg+xml"
    assert "sandbox" in svg.headers["Content-Security-Policy"]
    assert "script-src" not in svg.headers["Content-Security-Policy"]


# --- hostile requests


NOWHERE = (
    "/images/../crawl.db",
    "/images/%2e%2e/crawl.db",
    "/images/garden.example/%2e%2e/%2e%2e/crawl.db",
    "/images/..%2fcrawl.db",
    "/images/%2fetc/passwd.png",
    "/images//etc/passwd",
    "/images/C:%5cWindows%5cx.png",
    "/images/garden.example/i/rose.png%00.svg",
    "/images/garden.example/i",
    "/images/link.png",
    "/images/folder/secret.png",
    "/images/pipe.png",
    "/images/.hidden.png",
    "/crawl.db",
    "/crawl.toml",
    "/gallery/../crawl.db",
    "/gallery/data/../../crawl.db",
    "/gallery/thumbs/../../crawl.db",
    "/gallery/thumbs/%2e%2e/%2e%2e/crawl.webp",
    "/gallery/data/index-99999999999999999999.js",
    "/gallery/data/index-1.js",
    "/gallery/data/tasks-00000.js",
    "//evil.example/",
    "/gallery/thumbs/ab/" + "0" * 32 + ".webp",
    "/.index/folder.id",
)


def test_nothing_else_is_sent(server: GalleryServer, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    (folder / "images/link.png").symlink_to(secret)
    (folder / "images/folder").symlink_to(tmp_path)
    os.mkfifo(folder / "images/pipe.png")
    for path in NOWHERE:
        answer = ask(server, path)
        assert answer.status == 404, path
        assert b"secret" not in answer.body, path
        assert b"SQLite" not in answer.body, path


def test_a_link_within_the_images_is_followed(server: GalleryServer, folder: Path) -> None:
    (folder / "images/again.png").symlink_to("garden.example/i/rose.png")
    assert ask(server, "/images/again.png").body == png()


def test_what_is_no_path_is_no_crash(server: GalleryServer) -> None:
    for path in (
        "/%ff",
        "/images/%ff.png",
        "/%",
        "/images/" + "a" * 5000 + ".png",
        "/images/" + "a/" * 2000 + "b.png",
    ):
        assert ask(server, path).status in {400, 404}


HOSTS = (
    ("127.0.0.1:{port}", 302),
    ("localhost:{port}", 302),
    ("[::1]:{port}", 302),
    ("127.0.0.1", 302),
    ("gallery.localhost", 302),
    ("evil.example", 421),
    ("evil.example:{port}", 421),
    ("127.0.0.1.evil.example", 421),
    ("localhost.evil.example", 421),
    ("evil@127.0.0.1:x", 421),
    ("", 421),
    ("[", 421),
)


def test_only_names_of_this_machine_pass(server: GalleryServer) -> None:
    for host, status in HOSTS:
        assert ask(server, "/", Host=host.format(port=server.server_port)).status == status


def test_a_request_without_a_host_is_refused(server: GalleryServer) -> None:
    assert b" 421 " in raw(server, b"GET /gallery/data/meta.js HTTP/1.1\r\n\r\n").split(b"\r\n")[0]


SITES = (
    ("same-origin", "no-cors", "script", 200),
    ("none", "navigate", "document", 200),
    ("cross-site", "navigate", "document", 200),
    ("cross-site", "no-cors", "script", 403),
    ("same-site", "no-cors", "script", 403),
    ("cross-site", "navigate", "iframe", 403),
    ("cross-site", "cors", "empty", 403),
)


def test_other_sites_get_nothing(server: GalleryServer) -> None:
    for site, mode, dest, status in SITES:
        headers = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
        assert ask(server, "/gallery/data/meta.js", **headers).status == status


def test_it_only_shows(server: GalleryServer) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"):
        answer = ask(server, "/gallery/data/meta.js", method)
        assert answer.status == 405, method
        assert answer.headers["Allow"] == "GET, HEAD"


NO_REQUESTS = (
    b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"\0" * 1000,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"",
)


def test_what_is_no_request_ends_the_connection_alone(server: GalleryServer) -> None:
    for data in NO_REQUESTS:
        answer = raw(server, data)
        assert b" 200 " not in answer.split(b"\r\n")[0]
        assert b"<" not in answer
        assert ask(server, "/gallery/data/meta.js").status == 200


def test_a_slow_client_is_let_go_and_holds_up_nobody(
    server: GalleryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HEAD_S", 0.3)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as slow:
        begun = time.monotonic()
        ended = threading.Event()

        def trickle() -> None:
            try:
                while not ended.wait(0.02):
                    slow.sendall(b"G")
            except OSError:
                pass

        thread = threading.Thread(target=trickle)
        thread.start()
        assert ask(server, "/gallery/data/meta.js").status == 200
        with suppress(ConnectionError):
            assert slow.recv(100) == b""
        assert time.monotonic() - begun < 10
        ended.set()
        thread.join()


def test_connections_are_bounded(server: GalleryServer) -> None:
    held = [socket.create_connection(("127.0.0.1", server.server_port), timeout=20) for _ in range(80)]
    try:
        closed = 0
        for connection in held:
            connection.settimeout(0.005)
            try:
                closed += connection.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                closed += 1
        assert 10 <= closed <= 20
    finally:
        for connection in held:
            connection.close()
    for _ in range(100):
        try:
            if ask(server, "/gallery/data/meta.js").status == 200:
                return
        except (ConnectionError, http.client.HTTPException):
            continue
    raise AssertionError("it did not recover")


def test_connections_are_kept(server: GalleryServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    with closing(connection):
        for _ in range(20):
            connection.request("GET", "/gallery/data/meta.js")
            assert connection.getresponse().read()
            assert connection.sock is not None


def test_a_port_that_is_taken(server: GalleryServer) -> None:
    with pytest.raises(UsageError, match="another port"):
        GalleryServer(("127.0.0.1", server.server_port), server.gallery)


def test_an_svg_has_no_thumbnail_and_its_file_is_sent(server: GalleryServer) -> None:
    assert ask(server, "/images/garden.example/i/evil.svg").body == EVIL
