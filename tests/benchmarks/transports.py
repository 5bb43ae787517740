"""Processor time of a GET by each transport, with all that a Transport does: headers, guard, turns, limits.

``python -m tests.benchmarks.transports`` (needs nginx, and the extra ``fast``). Rounds are interleaved. Prints medians
of user and system time of this process, in milliseconds; the server's own time does not count.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from crawler.config import FetchConfig
from crawler.http import Transport
from crawler.http.address_guard import AddressGuard
from tests.support.transports import KINDS
from tests.support.web_tls import Authority

SIZES = {"4 KB": 4_000, "100 KB": 100_000}
THREADS = (1, 4)
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
    access_log off; keepalive_requests 1000000; types {{ image/jpeg jpg; }} root {folder}/files;
    ssl_certificate {pem}; ssl_certificate_key {pem};
    server {{ listen 127.0.0.1:{ports[0]}; }}
    server {{ listen 127.0.0.1:{ports[1]} ssl; }}
    server {{ listen 127.0.0.1:{ports[2]} ssl http2; }}
}}
"""
WAYS = ("http", "https", "https, HTTP/2")


@contextmanager
def nginx(folder: Path, ports: list[int], pem: Path) -> Iterator[None]:
    files = folder / "files"
    files.mkdir()
    for name, size in SIZES.items():
        (files / f"{name.replace(' ', '')}.jpg").write_bytes(bytes(size))
    folder.chmod(0o755)
    (folder / "conf").write_text(NGINX.format(folder=folder, ports=ports, pem=pem))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    server = subprocess.Popen([program, "-c", str(folder / "conf"), "-p", str(folder)])
    try:
        time.sleep(0.5)
        yield
    finally:
        server.terminate()
        server.wait()


def used_ms() -> float:
    told = resource.getrusage(resource.RUSAGE_SELF)
    return (told.ru_utime + told.ru_stime) * 1000


def measured(transport: Transport, url: str, *, times: int, threads: int) -> float:
    """Milliseconds of processor time of a GET."""

    def work(_: int) -> None:
        for _ in range(times // threads):
            transport.fetch(url, max_bytes=10**7, accept="image/*", check=lambda _: None)

    with ThreadPoolExecutor(threads) as pool:
        before = used_ms()
        list(pool.map(work, range(threads)))
        return (used_ms() - before) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=800, help="requests in each round")
    parser.add_argument("--ports", type=int, nargs=3, default=[8390, 8391, 8392])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = Authority(folder)
        with nginx(folder, arguments.ports, authority.issue("localhost", "127.0.0.1")):
            compare(arguments, authority.file)


def compare(arguments: Any, ca_file: Path) -> None:
    guard = AddressGuard(["127.0.0.1"])
    print(f"{'':40}" + "".join(f"{kind:>10}" for kind in KINDS) + f"{'ratio':>8}")
    for way, (size, _), threads in product(range(len(WAYS)), SIZES.items(), THREADS):
        scheme = "https" if way else "http"
        url = f"{scheme}://127.0.0.1:{arguments.ports[way]}/{size.replace(' ', '')}.jpg"
        found: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(arguments.rounds):
            for kind, made in KINDS.items():
                with closing(made(FetchConfig(), guard, ca_file=ca_file)) as transport:
                    measured(transport, url, times=4 * threads, threads=threads)
                    found[kind].append(measured(transport, url, times=arguments.times, threads=threads))
        medians = {kind: statistics.median(values) for kind, values in found.items()}
        first, second = medians.values()
        row = f"{WAYS[way]}, {size}, {threads} thread{'s' if threads > 1 else ''}"
        print(
            f"{row:40}" + "".join(f"{value:10.3f}" for value in medians.values()) + f"{first / second:8.1f}"
        )


if __name__ == "__main__":
    main()
