"""Our pool of decoders beside the same on ``pebble``: speed, latency, and what becomes of each fault.

``python -m tests.benchmarks.pools`` (Linux; ``pip install pebble``). Rounds are interleaved; prints a table.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import multiprocessing
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pebble
from PIL import Image

from crawler.config import Config
from crawler.download.decoder_pool import DecoderPool
from crawler.download.formats import ImageInfo
from crawler.download.verify import verify
from crawler.sandbox.memory_budget import Budget
from tests.support import decoders
from tests.support.images import samples

HEAD = decoders.HEAD
OK = HEAD + b"ok"
FAULTS = {"kill at work": HEAD + b"hang", "kill idle": OK}
PROCESSES, THREADS, SMALL_CALLS, TIMEOUT_S = 2, 4, 300, 3.0
MAX_PIXELS = Config().images.max_pixels
PEBBLE_BYTES = 2**30
"""Of address space for each process, once and for all: a task of pebble's can't ask for more while it runs."""


def decode(data: bytes, *, max_pixels: int, room: Callable[[int], int]) -> ImageInfo:
    """An image is verified; a word behind HEAD is a fault."""
    if not data.startswith(HEAD):
        return verify(data, max_pixels=max_pixels, room=room)
    if data == HEAD + b"hang in C":
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
    return decoders.decode(data, max_pixels=max_pixels, room=room)


class OnPebble:
    """What of DecoderPool can be had by ``pebble.ProcessPool``."""

    def __init__(self) -> None:
        self._pool = pebble.ProcessPool(
            PROCESSES,
            max_tasks=20_000,
            initializer=limit,
            context=multiprocessing.get_context("spawn"),  # a fork of a process with threads may hang
        )

    def verify(self, data: bytes) -> ImageInfo:
        info: ImageInfo = self._pool.schedule(unlimited_room, (data,), timeout=TIMEOUT_S).result()
        return info

    def close(self) -> None:
        self._pool.stop()
        self._pool.join()


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (PEBBLE_BYTES, PEBBLE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def unlimited_room(data: bytes) -> ImageInfo:
    return decode(data, max_pixels=MAX_PIXELS, room=lambda _: PEBBLE_BYTES)


def ours() -> DecoderPool:
    return DecoderPool(
        most=PROCESSES,
        max_pixels=MAX_PIXELS,
        timeout_s=TIMEOUT_S,
        budget=Budget(2**30),
        decode="tests.benchmarks.pools:decode",
    )


POOLS: dict[str, Callable[[], DecoderPool | OnPebble]] = {"ours": ours, "pebble": OnPebble}


def photos(count: int) -> list[bytes]:
    """JPEGs of about 100 KB, all different."""
    chance = random.Random(0)
    made = []
    for _ in range(count):
        rough = Image.frombytes("RGB", (160, 120), chance.randbytes(160 * 120 * 3))
        buffer = io.BytesIO()
        rough.resize((1024, 768), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=45)
        made.append(buffer.getvalue())
    return made


def cpu_s(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            ticks += sum(
                int(field)
                for field in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            )
    return ticks / os.sysconf("SC_CLK_TCK")


def workers() -> list[int]:
    """The children of this process that decode."""
    tasks = Path("/proc/self/task").iterdir()
    pids = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    return [pid for pid in pids if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def speed(name: str, images: list[bytes]) -> Iterator[tuple[str, float]]:
    pool = POOLS[name]()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(pool.verify, images[: 4 * THREADS]))  # all are started
        pids, begun = [os.getpid(), *workers()], time.monotonic()
        before_s = cpu_s(pids)
        list(threads.map(pool.verify, images))
        yield "images/s", len(images) / (time.monotonic() - begun)
        yield "CPU ms per image", 1000 * (cpu_s(pids) - before_s) / len(images)
    small, times = samples()["plain.png"], []
    for _ in range(SMALL_CALLS):
        begun = time.monotonic()
        pool.verify(small)
        times.append(1000 * (time.monotonic() - begun))
    yield "small image, median ms", statistics.median(times)
    yield "small image, 99 % ms", statistics.quantiles(times, n=100)[98]
    before_s = cpu_s(pids)
    time.sleep(3)
    yield "idle, CPU ms per s", 1000 * (cpu_s(pids) - before_s) / 3
    pool.close()


def faults(name: str) -> Iterator[tuple[str, float]]:
    """Seconds until each is told and until all work again after it, and what others wait meanwhile."""
    pool = POOLS[name]()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(pool.verify, [OK] * 20))
        for word in ("hang", "hang in C", "segfault", "exit", "memory", "kill at work", "kill idle"):
            begun = time.monotonic()
            fault = threads.submit(outcome, pool, FAULTS.get(word, HEAD + word.encode()))
            if word.startswith("kill"):
                time.sleep(0.5)
                kill(workers())
            waits = []
            while not fault.done():
                asked = time.monotonic()
                outcome(pool, OK)
                waits.append(time.monotonic() - asked)
                time.sleep(0.02)
            yield f"{word}: told after s", time.monotonic() - begun
            yield f"{word}: others wait s, at most", max(waits, default=0.0)
            begun = time.monotonic()
            again = set(threads.map(partial(outcome, pool), [OK] * 4 * PROCESSES))
            print(f"  {name:7}{word:13} {fault.result()}; the next {', '.join(sorted(again))}")
            yield f"{word}: all back after s", time.monotonic() - begun
    pool.close()


def outcome(pool: DecoderPool | OnPebble, data: bytes) -> str:
    try:
        return pool.verify(data).format
    except Exception as exc:  # noqa: BLE001 - which one is the question
        return type(exc).__name__


_PARENT = """
import sys, threading, time
from tests.benchmarks import pools
if __name__ == "__main__":
    pool = pools.POOLS[sys.argv[1]]()
    for _ in range(20):
        pool.verify(pools.OK)
    pids = pools.workers()
    if sys.argv[2] == "busy":
        pools.TIMEOUT_S = 1000.0
        threading.Thread(target=pool.verify, args=(pools.HEAD + b"hang in C",), daemon=True).start()
        time.sleep(0.5)
    print(*pids, flush=True)
    sys.stdin.read()
"""


def orphans(name: str, state: str, script: Path) -> Iterator[tuple[str, float]]:
    """How many of its processes are there 2 s after ``kill -9`` of a parent."""
    script.write_text(_PARENT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(script), name, state],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
        parent.wait()
        time.sleep(2)
        left = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        kill(left)
        yield f"{state} parent killed: left of {len(pids)}", len(left)


class Reply:
    """What a decoder that an image has taken over may send in place of a verdict."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("import os; os.environ['TAKEN_OVER'] = 'yes'",)


def replies() -> Iterator[tuple[str, float]]:
    """Whether a child's reply runs as code in its parent: pebble's are pickled, ours are JSON of a known form."""
    with pebble.ProcessPool(1, context=multiprocessing.get_context("spawn")) as pool:
        pool.schedule(Reply).result()
    yield "a reply runs code in the parent", float("TAKEN_OVER" in os.environ)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--photos", type=int, default=500)
    asked = arguments.parse_args()
    images = photos(asked.photos)
    print(f"{len(images)} photos, {sum(map(len, images)) / len(images) / 1000:.0f} kB each on average")
    found: dict[str, dict[str, list[float]]] = {}
    for number in range(asked.rounds):
        for name in sorted(POOLS, reverse=bool(number % 2)):
            for what, value in measures(name, images):
                found.setdefault(what, {}).setdefault(name, []).append(value)
                print(f"{number + 1} {name:7}{what:36}{value:8.2f}", flush=True)
    for what, values in found.items():
        medians = (f"{name} {statistics.median(values[name]):8.2f}" for name in sorted(values))
        print(f"{what:36}{'   '.join(medians)}")


def measures(name: str, images: list[bytes]) -> Iterator[tuple[str, float]]:
    yield from speed(name, images)
    yield from faults(name)
    with tempfile.TemporaryDirectory() as folder:
        for state in ("idle", "busy"):
            yield from orphans(name, state, Path(folder) / "parent.py")
    if name == "pebble":
        yield from replies()


if __name__ == "__main__":
    main()
