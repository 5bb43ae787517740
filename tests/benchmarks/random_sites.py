"""Crawls of random sites as their owners see them: the time between two requests, and how many are in flight.

    python -m tests.benchmarks.random_sites --seeds 1-40 --minutes 20 --busy 2

Each seed is a few servers on loopback with pages, redirects to each other, errors, resets, Retry-After, answers that
are slow or cut off, and settings: engine, transport, delay, slots, workers, of which some are killed. Each is crawled
and refreshed. ``--busy`` keeps processors busy beside. What is printed for each seed is the shortest time between two
requests to a server, as a part of its delay, and the most in flight; what breaks a promise is said, and is the exit
status.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

from tests.support.hostile import of_its_own
from tests.support.redisserver import RedisServer, find_server

TOLERANCE_S = 0.1
"""What a request may take from the worker to the server's socket. A worker that loses the processor in between
is late by as much, so a machine that is ten times too busy may show faults.
"""
_SO_TIMESTAMPNS = 35
"""Linux tells when a request arrived: the servers here, in Python beside the crawl, note it up to 0.4 s later."""
CRAWL_S = 25.0
"""A crawl is ended after so long: what it did until then counts."""
RETRY_AFTER = ["", "0", "1", "2", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "1.5"]
_ROBOTS_MOVED = "/robots.txt?again"
REDIRECTS = [301, 302, 303, 307, 308]


class Site(ThreadingHTTPServer):
    """A server that answers each path as *seed* says, with links to *others*."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, seed: int, number: int, crawl_delay_s: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.seed, self.number, self.crawl_delay_s = seed, number, crawl_delay_s
        self.others: list[Site] = []
        self.mutex = threading.Lock()
        self.asked: Counter[str] = Counter()
        self.arrivals: list[tuple[float, str]] = []
        self.in_flight = self.most_in_flight = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def chance(self, of: str) -> random.Random:
        return random.Random(f"{self.seed} {self.number} {of}")

    def place(self, chance: random.Random, path: str) -> str:
        """*path* here or on another server; of several a ``*`` in it stands for one."""
        host = chance.choice(["", "", "", *(other.url for other in self.others)])
        return host + path.replace("*", str(chance.randint(0, 9)))

    def page(self, path: str) -> str:
        chance = self.chance(path)
        parts = [
            *['<img src="{}">'] * chance.randint(2, 6),
            *['<a href="{}">x</a>'] * chance.randint(0, 3),
            *['<link rel=stylesheet href="{}">'] * (chance.random() < 0.4),
            *['<iframe src="{}"></iframe>'] * (chance.random() < 0.3),
            *['<meta http-equiv=refresh content="0; url={}">'] * (chance.random() < 0.2),
        ]
        pictures = ["/i*.png", "/i*.png", "/moved*.png", "/moved?n=*&u=/robots.txt", "/moved*/robots.txt"]
        return "".join(
            part.format(
                self.place(
                    chance,
                    chance.choice(pictures)
                    if "<img" in part
                    else "/s*.css"
                    if "stylesheet" in part
                    else f"/p{chance.randint(0, 3)}.html",
                )
            )
            for part in parts
        )

    def robots(self) -> bytes:
        delay = f"Crawl-delay: {self.crawl_delay_s}\n" if self.crawl_delay_s else ""
        return f"User-agent: *\n{delay}Disallow: /no\nSitemap: {self.url}/sitemap.xml\n".encode()

    def forget(self) -> None:
        self.arrivals.clear()
        self.most_in_flight = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Site

    def log_message(self, *_: object) -> None:
        pass

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        super().setup()

    def handle_one_request(self) -> None:
        _, notes, _, _ = self.connection.recvmsg(1, 64, socket.MSG_PEEK)
        self.arrived_at = time.time()
        for level, kind, data in notes:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("qq", data)
                self.arrived_at = seconds + nanoseconds / 1e9
        super().handle_one_request()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the client is gone
            self.close_connection = True

    def do_GET(self) -> None:
        site = self.server
        with site.mutex:
            site.arrivals.append((self.arrived_at, self.path))
            site.asked[self.path] += 1
            site.in_flight += 1
            site.most_in_flight = max(site.most_in_flight, site.in_flight)
        self.is_counted = True
        try:
            self._answer()
        finally:
            self._leave()

    def _leave(self) -> None:
        """The answer is about to be read: from now on the client may send the next request."""
        with self.server.mutex:
            self.server.in_flight -= self.is_counted
            self.is_counted = False

    def _answer(self) -> None:
        site, path = self.server, self.path
        chance = site.chance(f"{path} how")
        time.sleep(chance.choice([0, 0, 0.02, 0.05, 0.3]))
        if path in ("/robots.txt", _ROBOTS_MOVED):
            self._robots()
        elif path != "/" and site.asked[path] <= chance.randint(1, 3) and self._fails(chance):
            return
        elif path.startswith("/moved"):
            to = chance.choice(["/i*.png", "/moved*.png", "/moved*/robots.txt", "/i*.png?u=/robots.txt"])
            self._say(chance.choice(REDIRECTS), Location=site.place(chance, to))
        elif path == "/" or path.endswith(".html"):
            self._say(200, site.page(path).encode(), "text/html")
        elif path.endswith(".css"):
            style = f"a {{ background: url({site.place(chance, '/i*.png')}) }}"
            self._say(200, style.encode(), "text/css")
        elif path == "/sitemap.xml":
            one = f"<url><loc>{site.url}/p2.html</loc></url>"
            space = "http://www.sitemaps.org/schemas/sitemap/0.9"
            self._say(200, f'<urlset xmlns="{space}">{one}</urlset>'.encode(), "application/xml")
        elif ".png" in path:
            if self.headers.get("If-None-Match") == '"1"':
                self._say(304)
            else:
                self._say(200, of_its_own(f"{site.number} {path}"), "image/png", ETag='"1"')
        else:
            self._say(404)

    def _robots(self) -> None:
        site = self.server
        kind = site.chance("robots").choice(["there", "there", "none", "moved", "late"])
        if kind == "none" and not site.crawl_delay_s:
            self._say(404)
        elif kind == "moved" and self.path != _ROBOTS_MOVED:
            self._say(301, Location=_ROBOTS_MOVED)
        elif kind == "late" and site.asked[self.path] == 1:
            self._say(503, **{"Retry-After": "1"})
        else:
            self._say(200, site.robots(), "text/plain")

    def _fails(self, chance: random.Random) -> bool:
        """Fail in some way, if at all."""
        kind = chance.choice(
            ["busy", "busy", "storm", "broken", "late", "hangs up", "resets", "cut", *["fine"] * 22]
        )
        after = {"Retry-After": chance.choice(RETRY_AFTER)}
        if kind in ("busy", "storm"):
            self._say(503 if kind == "busy" else 429, **after)
        elif kind in ("broken", "late"):
            self._say(500 if kind == "broken" else 408)
        elif kind == "cut":
            self._say(200, b"x" * 10, "image/png", more=5000)
        elif kind in ("hangs up", "resets"):
            self._leave()
            if kind == "resets":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        return kind != "fine"

    def _say(self, status: int, body: bytes = b"", kind: str = "", *, more: int = 0, **fields: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **fields}.items():
            if value:
                self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body) + more))
        ends = self.server.chance(f"{self.path} ends").random()
        if ends < 0.1:
            self.send_header("Connection", "close")
        self._leave()
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = more > 0 or ends < 0.2  # half of them unsaid


@dataclass(frozen=True)
class Plan:
    """What is crawled, and how, as a seed says."""

    seed: int
    engine: str
    delay_s: float
    per_host: int
    crawl_delays_s: tuple[float, ...]
    options: tuple[str, ...]
    kills: bool

    @classmethod
    def of(cls, seed: int, *, engine: str = "", transport: str = "") -> Plan:
        chance = random.Random(seed)
        delay_s, per_host = chance.choice([0, 0.3, 0.5]), chance.randint(1, 4)
        drawn = {
            "transport": chance.choice(["requests", "curl"]),
            "downloaders": chance.randint(1, 3),
            "max-attempts": chance.randint(1, 3),
            "tries": chance.randint(1, 3),
            "scope": chance.choice(["host", "any"]),
        }
        if transport:
            drawn["transport"] = transport
        fixed = {"delay-s": delay_s, "per-host": per_host, "retry-delay-s": 0.1, "lease-s": 8}
        return cls(
            seed=seed,
            engine=engine or chance.choice(["manager", "redis"]),
            delay_s=delay_s,
            per_host=per_host,
            crawl_delays_s=tuple(chance.choice([0, 0.4, 0.6]) for _ in range(chance.randint(1, 3))),
            options=tuple(
                text for name, value in {**drawn, **fixed}.items() for text in (f"--{name}", str(value))
            ),
            kills=chance.random() < 0.4,
        )


@contextmanager
def sites_of(plan: Plan) -> Iterator[list[Site]]:
    sites = [Site(plan.seed, number, delay_s) for number, delay_s in enumerate(plan.crawl_delays_s)]
    for site in sites:
        site.others = [other for other in sites if other is not site]
        threading.Thread(target=site.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield sites
    finally:
        for site in sites:
            site.shutdown()
            site.server_close()


def run(command: list[str], folder: str, kills: random.Random | None) -> list[str]:
    """Run a crawl; *kills* ends some of its processes. What it says of faults of its own."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    killer = threading.Thread(target=_kill_some, args=(process, kills), daemon=True)
    if kills is not None:
        killer.start()
    try:
        _, said = process.communicate(timeout=CRAWL_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        _, said = process.communicate()
    return [said[-1500:]] if "Traceback" in said else []


def _kill_some(process: subprocess.Popen[str], chance: random.Random) -> None:
    for _ in range(3):
        time.sleep(chance.uniform(0.8, 2))
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
            os.kill(int(chance.choice(children.split())), signal.SIGKILL)
        except (OSError, IndexError):
            return


def shortest(site: Site, plan: Plan) -> tuple[float, str]:
    """The shortest time between two requests to *site*, as a part of its delay; and what breaks its promise."""
    least, fault = float("inf"), ""
    for nth, ((before, first), (after, path)) in enumerate(pairwise(sorted(site.arrivals))):
        # the Crawl-delay is known, and counts, when robots.txt is read
        is_known = "robots.txt" not in first or nth > 2
        delay_s = max(plan.delay_s, site.crawl_delay_s) if is_known else plan.delay_s
        if delay_s and (after - before) / delay_s < least:
            least = (after - before) / delay_s
            if after - before < delay_s - TOLERANCE_S:
                fault = f"{after - before:.3f} s of {delay_s} between {first} and {path}, request {nth + 2}"
    return least, fault


def check(plan: Plan, redis_url: str) -> tuple[float, list[str]]:
    """Crawl, and crawl again: the shortest gap as a part of the delay, and what is wrong."""
    least, faults, asked = float("inf"), [], 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, sites_of(plan) as sites:
        command = [sys.executable, "-m", "crawler", "crawl", *(f"{site.url}/" for site in sites)]
        command += ["-o", "crawl", "-q", *plan.options]
        if plan.engine == "redis":
            command += ["--queue", f"{redis_url}#{plan.seed}"]
        for more in ([], ["--refresh"]):
            kills = random.Random(plan.seed) if plan.kills else None
            faults += run([*command, *more], folder, kills)
            for site in sites:
                gap, fault = shortest(site, plan)
                least = min(least, gap)
                faults += [fault] * bool(fault)
                if site.most_in_flight > plan.per_host:
                    faults.append(f"{site.most_in_flight} requests in flight of {plan.per_host}")
                asked += len(site.arrivals)
                site.forget()
    print(
        json.dumps(
            {"seed": plan.seed, "engine": plan.engine, "options": " ".join(plan.options), "kills": plan.kills}
        ),
        f"{asked} requests, shortest gap {least:.2f} of the delay",
        *faults,
        sep="\n    ",
        flush=True,
    )
    return least, faults


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep *count* processors busy."""
    with ExitStack() as stack:
        for _ in range(count):
            hog = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(hog.kill)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="1-20", help="the first and the last")
    parser.add_argument("--minutes", type=float, default=20.0, help="begin no seed after so long")
    parser.add_argument(
        "--busy", type=int, default=0, metavar="N", help="processors that are kept busy beside"
    )
    parser.add_argument("--engine", choices=["manager", "redis"], default="")
    parser.add_argument("--transport", choices=["requests", "curl"], default="")
    args = parser.parse_args()
    first, _, last = args.seeds.partition("-")
    end = time.monotonic() + args.minutes * 60
    gaps, faulty = [], 0
    with ExitStack() as stack:
        redis_url = ""
        binary = find_server("redis")
        if binary is not None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            redis_url = stack.enter_context(RedisServer(Path(folder), binary)).url
        stack.enter_context(busy(args.busy))
        for seed in range(int(first), int(last or first) + 1):
            if time.monotonic() > end:
                break
            engine = args.engine if redis_url else "manager"
            least, faults = check(Plan.of(seed, engine=engine, transport=args.transport), redis_url)
            gaps.append(least)
            faulty += bool(faults)
    print(
        f"{len(gaps)} seeds, {faulty} with faults; shortest gap {min(gaps, default=float('inf')):.2f} of the delay"
    )
    return int(faulty > 0)


if __name__ == "__main__":
    sys.exit(main())
