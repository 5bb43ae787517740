"""A crawl of a host that answers 429, beside what the host would have allowed.

    python -m tests.benchmarks.storm --images 300 --per-s 10 --burst 10 --retry-after 1
    python -m tests.benchmarks.storm --queue redis

What is printed: seconds from the first image given to the last, the ideal, answers by status, what was not saved.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.limits import Concurrent, FixedWindow, Limit, SlidingWindow, TokenBucket, limited
from tests.support.redisserver import RedisServer, find_server


def crawl(limit: Limit, *, images: int, retry_after: str | None, engine: str, more: list[str]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        limited(limit, images=images, retry_after=retry_after) as server,
    ):
        command = [sys.executable, "-m", "crawler", "crawl", server.url, "-o", "crawl", "--json", *more]
        began = time.monotonic()
        if engine == "redis":
            binary = find_server("redis")
            if binary is None:
                raise SystemExit("there is no redis-server")
            with RedisServer(Path(folder, "redis"), binary) as own:
                done = subprocess.run(
                    [*command, "--queue", f"{own.url}#storm"],
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    check=False,
                )
        else:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        whole_s = time.monotonic() - began
        given_s = server.served_s[-1] - server.served_s[0] if server.served_s else 0.0
        stats = json.loads(done.stdout)["stats"] if done.stdout else {}
        print(
            f"{engine}, Retry-After {retry_after}: {given_s:.1f} s for {len(server.served_s)} images,"
            f" {whole_s:.1f} s in all; {dict(server.statuses)};"
            f" {stats.get('image_status')} {stats.get('image_reasons')} exit {done.returncode}",
            flush=True,
        )
        if done.returncode:
            print(done.stderr[-2000:])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--model", choices=("bucket", "fixed", "sliding", "concurrent"), default="bucket")
    parser.add_argument("--per-s", type=float, default=10.0)
    parser.add_argument("--burst", type=float, default=10.0)
    parser.add_argument("--window-s", type=float, default=10.0)
    parser.add_argument("--most", type=int, default=100, help="in a window, or at a time")
    parser.add_argument("--retry-after")
    parser.add_argument("--queue", choices=("embedded", "redis"), default="embedded")
    options, more = parser.parse_known_args()
    limits: dict[str, Limit] = {
        "bucket": TokenBucket(options.per_s, options.burst),
        "fixed": FixedWindow(options.most, options.window_s),
        "sliding": SlidingWindow(options.most, options.window_s),
        "concurrent": Concurrent(options.most),
    }
    crawl(
        limits[options.model],
        images=options.images,
        retry_after=options.retry_after,
        engine=options.queue,
        more=more,
    )


if __name__ == "__main__":
    main()
