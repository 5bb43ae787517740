"""Hundreds of workers at one manager: threads, memory, idle CPU, latencies, and what a crowd costs a polite crawl.

    python -m tests.benchmarks.fleet [--workers 500] [--plain]

Each worker has its two connections, waits in long polls and gives signs of life, as real ones do; tasks cost it no
time. All live in one process of their own, so that what is measured here is the manager's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

from crawler.config import load
from crawler.errors import QueueError
from crawler.models import TaskKind, WorkerState
from crawler.queues.rpc.manager import QueueManager
from crawler.queues.rpc.tls import Tls
from crawler.run.endpoints import ManagerEndpoint
from tests.benchmarks.queue import cpu_s, manager, new_task, result, rss_mib
from tests.support import certificates

IDLE_S = 15.0
HEARTBEAT_S = 5.0
CALLS = 300
TASKS = 6_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=500)
    parser.add_argument("--plain", action="store_true", help="without TLS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tls = None if options.plain else certificates.make(Path(folder, "keys"))
        print(f"{options.workers} workers, {'plain' if options.plain else 'TLS'}")
        waiting(Path(folder, "waiting"), tls, options.workers)
        few = at_work(Path(folder, "few"), tls, 8)
        many = at_work(Path(folder, "many"), tls, options.workers)
        print(f"ratio: {many[0] / few[0]:.2f} of the rate, {many[1] / few[1]:.1f} times the CPU")


def waiting(folder: Path, tls: tuple[Tls, Tls] | None, workers: int) -> None:
    """Everybody is there, and there is nothing to do; then there is something for each."""
    config = load(flags={"per_host": 1024})
    with manager(folder, config, tls=tls and tls[0]) as (child, endpoint):
        inside = client(endpoint, tls and tls[1])
        tasks = inside.get_task_queue()
        tasks.pause()  # the seed is waiting, so it is not drained
        before = threads(child.pid), rss_mib(child.pid)
        began = time.monotonic()
        with crowd(endpoint, tls and tls[1], workers):
            while tasks.stats().worker_count < workers:
                time.sleep(0.02)
            print(f"all have come after {time.monotonic() - began:.1f} s")
            time.sleep(2 * HEARTBEAT_S)
            after = threads(child.pid), rss_mib(child.pid)
            print(f"threads {before[0]} -> {after[0]}, memory {before[1]:.0f} -> {after[1]:.0f} MiB")
            cpu, began = cpu_s(child.pid), time.monotonic()
            time.sleep(IDLE_S)
            print(f"idle: {(cpu_s(child.pid) - cpu) / (time.monotonic() - began):.1%} of a core")
            latency("heartbeat", lambda: tasks.heartbeat(state("h"), held=()))
            latency("lease", lambda: tasks.lease(state("l"), count=1, slots=1, wait_s=0, held=()))
            tasks.put([new_task(n, 97) for n in range(workers)])
            began = time.monotonic()
            tasks.resume()
            while tasks.stats().images.done < workers:
                time.sleep(0.005)
            print(f"{workers} tasks for them are settled after {time.monotonic() - began:.2f} s")
        inside.disconnect()


def at_work(folder: Path, tls: tuple[Tls, Tls] | None, workers: int) -> tuple[float, float]:
    """One host, which takes eight requests at a time, and so many workers who want to be the next.

    Returns tasks per second, and seconds of the manager's CPU.
    """
    config = load(flags={"per_host": 8})
    with manager(folder, config, tls=tls and tls[0]) as (child, endpoint):
        inside = client(endpoint, tls and tls[1])
        tasks = inside.get_task_queue()
        with crowd(endpoint, tls and tls[1], workers):
            while tasks.stats().worker_count < workers:
                time.sleep(0.02)
            cpu, began = cpu_s(child.pid), time.monotonic()
            for start in range(0, TASKS, 1000):
                tasks.put([new_task(n * 97, 97) for n in range(start, start + 1000)])
            while tasks.stats().images.done < TASKS:
                time.sleep(0.02)
            rate, spent = TASKS / (time.monotonic() - began), cpu_s(child.pid) - cpu
        inside.disconnect()
    print(
        f"{workers} workers for one polite host: {rate:,.0f} tasks/s, {spent / TASKS * 1e6:.0f} us CPU a task"
    )
    return rate, spent


def client(endpoint: ManagerEndpoint, tls: Tls | None) -> QueueManager:
    made = QueueManager(endpoint.address, endpoint.access.authkey, tls=tls)
    made.connect()
    return made


def state(name: str) -> WorkerState:
    return WorkerState(id=name, kind=TaskKind.IMAGE, machine="fleet", threads=4)


@contextmanager
def crowd(endpoint: ManagerEndpoint, tls: Tls | None, count: int) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    over = context.Event()
    process = context.Process(target=be_many, args=(endpoint, tls, count, over), daemon=True)
    process.start()
    try:
        yield
    finally:
        over.set()
        process.join(20)
        process.kill()


def be_many(endpoint: ManagerEndpoint, tls: Tls | None, count: int, over: Event) -> None:
    for number in range(count):
        threading.Thread(target=be_one, args=(endpoint, tls, f"w{number}", over), daemon=True).start()
    over.wait()


def be_one(endpoint: ManagerEndpoint, tls: Tls | None, name: str, over: Event) -> None:
    me = state(name)
    link = client(endpoint, tls)
    tasks, results = link.get_task_queue(), link.get_result_queue()
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_S):
            tasks.heartbeat(me, held=())

    threading.Thread(target=beat, daemon=True).start()
    try:
        while not over.is_set():
            lease = tasks.lease(me, count=8, slots=4, wait_s=5.0, held=())
            done = [result(task) for batch in lease.batches for task in batch.tasks]
            if done:
                results.put(done)
    except QueueError:
        pass  # it is over
    finally:
        ended.set()


def latency(what: str, call: Callable[[], object]) -> None:
    taken_s = []
    for _ in range(CALLS):
        began = time.monotonic()
        call()
        taken_s.append(time.monotonic() - began)
    taken_s.sort()
    print(
        f"{what}: median {statistics.median(taken_s) * 1e3:.1f} ms,"
        f" 99 % below {taken_s[int(CALLS * 0.99)] * 1e3:.1f} ms"
    )


def threads(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Threads"))


if __name__ == "__main__":
    main()
