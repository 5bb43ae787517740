"""Many workers, for long, at a web that misbehaves: is the truth found, once each, and does nothing grow?

    python -m tests.benchmarks.soak [--minutes 20] [--workers 24] [--threads 2] [--hosts 20] [--kill] [--json FILE]

A server in a process of its own answers at 127.0.0.1, 127.0.0.2 …: with good images and broken ones, and at first often
with something else: late, cut short, reset, 503, 429, or nothing. What it does depends on the URL and on how often
that was asked for, so what has to become of each URL is known. Chains of pages go on until the time is up.

At the end every image of every page has exactly one record, which says the truth; files have the bytes that were sent;
the books balance; memory, descriptors and threads of each role are flat over the second half. Exit code 1 if not.
With --kill a worker is killed each minute, by -9.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from crawler.catalog import Catalog
from crawler.catalog.verify import FindingKind, verify
from crawler.config import load
from crawler.run.supervisor import Crawl
from tests.benchmarks.soaking import (
    Sample,
    Server,
    beside,
    image,
    report,
    sample,
    show,
)
from tests.support.hostile import gif_of

CHAINS = 4
IMAGES_PER_PAGE = 60
SAMPLE_S = 3.0
KILL_EVERY_S = 60.0
HANG_S = 8.0
SETTINGS = {
    "total_timeout_s": 4.0,
    "per_host": 64,
    "max_attempts": 6,
    "retry_delay_s": 1.0,
    "max_depth": 1_000_000,
    "max_pages": 1_000_000,
    "avoid_traps": False,
    "sitemaps": False,
    "harvester_threads": 4,
    "image_backlog": 2000,
}
_BESIDE = 20
_LINKS = 3
"""Connections that a worker keeps to the manager, see crawler.queues.rpc.connection_pool."""

# --- what a URL gives, known to both sides ------------------------------------------------------------------

PASSING = ("slow", "cut", "reset", "503", "429", "hang", "close", "bad-chunk", "not-http")
LASTING: dict[str, tuple[str, str]] = {
    "truncated": ("rejected", "truncated-image"),
    "corrupt": ("rejected", "corrupt-image"),
    "page": ("rejected", "not-an-image"),
    "empty": ("rejected", "empty"),
    "huge": ("rejected", "too-many-pixels"),
    "gone": ("failed", "not-found"),
    "forbidden": ("failed", "forbidden"),
    "down": ("failed", "server-error"),
}
SAVED = ("saved", "")


class Plan(NamedTuple):
    lasting: str
    """A key of LASTING, or empty for a good image."""
    passing: tuple[str, ...]
    """What the first requests get in its place."""


def plan(path: str) -> Plan:
    rng = random.Random(path)
    lasting = rng.choice(list(LASTING)) if rng.random() < 0.12 else ""
    if lasting == "down" and rng.random() < 0.8:
        lasting = "gone"
    troubled = rng.random() < 0.10
    weights = (30, 15, 15, 12, 1, 4, 10, 8, 5)
    passing = rng.choices(PASSING, weights, k=rng.randint(1, 3)) if troubled else []
    return Plan(lasting, tuple(passing))


def broken(lasting: str, path: str) -> bytes:
    data = image(path)
    if lasting == "truncated":
        return data[: len(data) * 2 // 3]
    if lasting == "corrupt":
        return data[:60] + bytes([data[60] ^ 0xFF]) + data[61:]
    return {"page": b"<!DOCTYPE html><p>Sorry.", "empty": b"", "huge": gif_of(60_000, 60_000)}[lasting]


def images_of(page_path: str, hosts: int, port: int) -> list[str]:
    """URLs of the images on a page, spread over the hosts."""
    names = [f"/image{page_path}/{number}.png" for number in range(IMAGES_PER_PAGE)]
    return [f"http://127.0.0.{1 + zlib.crc32(name.encode()) % hosts}:{port}{name}" for name in names]


# --- the server ---------------------------------------------------------------------------------------------


class Web:
    """What the servers of all hosts share."""

    def __init__(self, hosts: int, minutes: float) -> None:
        self.hosts = hosts
        self.port = 0
        self.until = time.monotonic() + minutes * 60
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    def times_asked(self, path: str) -> int:
        with self.lock:
            self.asked[path] += 1
            return self.asked[path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 20.0

    def __init__(self, web: Web, *args: Any) -> None:
        self.web = web
        super().__init__(*args)

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/image/"):
            self.give_image()
        elif self.path == "/":
            self.send(200, "".join(f'<a href="/{chain}/0">chain</a>' for chain in range(CHAINS)).encode())
        elif self.path == "/robots.txt":
            self.send(404, b"none")
        else:
            self.give_page()

    def send(self, status: int, body: bytes, media_type: str = "text/html", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def give_page(self) -> None:
        chain, _, number = self.path[1:].partition("/")
        urls = images_of(self.path, self.web.hosts, self.web.port)
        html = "<!DOCTYPE html>" + "".join(f'<img src="{url}">' for url in urls)
        if time.monotonic() < self.web.until:
            html += f'<a href="/{chain}/{int(number) + 1}">next</a>'
        self.send(200, html.encode())

    def give_image(self) -> None:
        lasting, passing = plan(self.path)
        turn = self.web.times_asked(self.path)
        if turn <= len(passing):
            getattr(self, "do_" + passing[turn - 1].replace("-", "_"))()
        elif lasting in {"gone", "forbidden", "down"}:
            self.send({"gone": 404, "forbidden": 403, "down": 500}[lasting], b"no")
        else:
            self.send(200, broken(lasting, self.path) if lasting else image(self.path), "image/png")

    def do_slow(self) -> None:
        time.sleep(random.Random(self.path).uniform(0.1, 1.5))
        self.send(503, b"so late")

    def do_cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b"\x89PNG\r\n\x1a\n and then")
        self.close_connection = True

    def do_reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.rfile.close()
        self.connection.close()

    def do_503(self) -> None:
        self.send(503, b"busy")

    def do_429(self) -> None:
        self.send(429, b"too much", Retry_After="1")

    def do_hang(self) -> None:
        time.sleep(HANG_S)
        self.close_connection = True

    def do_close(self) -> None:
        self.close_connection = True

    def do_bad_chunk(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"zz\r\nwhat?\r\n")
        self.close_connection = True

    def do_not_http(self) -> None:
        self.wfile.write(b"220 mail.example.org\r\n")
        self.close_connection = True


def serve(pipe: Connection, hosts: int, minutes: float) -> None:
    web = Web(hosts, minutes)
    for number in range(1, hosts + 1):
        server = Server((f"127.0.0.{number}", web.port), partial(Handler, web))
        web.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.5,), daemon=True).start()
    pipe.send(web.port)
    with contextlib.suppress(EOFError):
        pipe.recv()


@contextlib.contextmanager
def serving(hosts: int, minutes: float) -> Iterator[int]:
    """In a process of its own; gives the port."""
    with beside(serve, hosts, minutes) as pipe:
        yield pipe.recv()


# --- the end ------------------------------------------------------------------------------------------------


def wrongs(folder: Path, *, hosts: int, port: int, killed: int) -> Iterator[str]:
    """Whatever is not as it has to be."""
    with Catalog(folder) as catalog:
        found = list(catalog.images())
        pages = [page for page in catalog.pages() if page.status == "harvested"]
        findings = Counter(finding.finding for finding in verify(catalog))
    records = {record.url: record for record in found}
    if len(records) != len(found):
        yield f"{len(found) - len(records)} images are recorded twice"
    if strange := {kind: count for kind, count in findings.items() if kind != FindingKind.INTACT}:
        yield f"files: {strange}"
    paths = [page.url.partition(f":{port}")[2] for page in pages]
    wanted = {url for path in paths if path != "/" for url in images_of(path, hosts, port)}
    if wanted - records.keys():
        yield f"{len(wanted - records.keys())} images have no record, like {min(wanted - records.keys())}"
    if records.keys() - wanted:
        yield f"{len(records.keys() - wanted)} records of images that no page has"
    for url in sorted(wanted & records.keys()):
        record, path = records[url], url.partition(f":{port}")[2]
        truth = LASTING.get(plan(path).lasting, SAVED)
        said = (str(record.status), record.reason)
        lost = killed and truth == LASTING["down"] and record.reason == "lease-expired"
        if said != truth and not lost:
            yield f"{url}: {said} is not {truth}: {record.detail[:100]} (attempt {record.attempts}, {plan(path)})"
        elif truth == SAVED and record.sha256 != hashlib.sha256(image(path)).hexdigest():
            yield f"{url}: other bytes were saved"


def ceilings(options: argparse.Namespace) -> dict[tuple[str, str], int]:
    """What grows until it is full: connections are made one by one, as they are needed, and kept."""
    links = _LINKS * (options.workers + 2)  # a harvester, and the crawl itself
    return {
        ("downloader", "descriptors"): _BESIDE + options.hosts * options.threads,
        ("manager", "descriptors"): _BESIDE + links,
        ("manager", "threads"): _BESIDE + links,
    }


def soak(options: argparse.Namespace, folder: Path) -> list[str]:
    samples: list[Sample] = []
    killed = 0
    rng = random.Random(1)
    flags = {**SETTINGS, "downloaders": options.workers, "downloader_threads": options.threads}
    with serving(options.hosts, options.minutes) as port:
        began = time.monotonic()
        kill_at, end = began + KILL_EVERY_S, began + options.minutes * 60
        with Crawl([f"http://127.0.0.1:{port}/"], folder=folder, config=load(flags=flags)) as crawl:
            for stats in crawl.watch(every_s=SAMPLE_S):
                now = time.monotonic()
                settled = stats.images.done + stats.pages.done
                if now < end:
                    samples.append(sample(crawl.pids, now - began, settled))
                    show(samples)
                if options.kill and kill_at <= now < end:
                    os.kill(
                        rng.choice([pid for name, pid in crawl.pids if name == "downloader"]), signal.SIGKILL
                    )
                    killed, kill_at = killed + 1, now + KILL_EVERY_S
        took_s = time.monotonic() - began
        summary = crawl.summary()
    counts = ", ".join(f"{name} {count}" for name, count in sorted(summary.stats.image_status.items()))
    print(f"\n{summary.stats.images.done:,} images in {took_s:,.0f} s: {counts}; {killed} workers killed")
    print(f"reasons: {dict(sorted(summary.stats.image_reasons.items()))}")
    found = [] if summary.balanced else ["the books do not balance"]
    size_mib = (folder / "crawl.db").stat().st_size / 2**20
    found += report(samples, database_mib=size_mib, ceilings=ceilings(options))
    found += wrongs(folder, hosts=options.hosts, port=port, killed=killed)
    if options.json:
        options.json.write_text("".join(json.dumps(s._asdict()) + "\n" for s in samples), encoding="utf-8")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=24)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--json", type=Path, help="the samples, a line each")
    parser.add_argument("--folder", type=Path, help="keep the crawl there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = soak(options, options.folder or Path(scratch, "crawl"))
    for wrong in found[:50]:
        print(f"WRONG: {wrong}")
    print(f"{len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
