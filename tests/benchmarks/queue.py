"""Image tasks put, leased and settled through the manager: rate, CPU and the manager's memory.

    python -m tests.benchmarks.queue [--tasks 1000000] [--batch 32] [--hosts 1000]

The manager is a process of its own, as in a crawl; this process is its only client.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from crawler.access import Access, Endpoint
from crawler.config import Config, load
from crawler.models import ImageRecord, ImageStatus, NewTask, Origin, Result, Task, TaskKind, WorkerState
from crawler.processes import Child
from crawler.queues.manager import QueueManager
from crawler.queues.tls import Tls
from crawler.roles import Site, Start, manage


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--hosts", type=int, default=1000)
    options = parser.parse_args()
    config = load(flags={"per_host": 64, "lease_batch": min(256, options.batch)})
    with tempfile.TemporaryDirectory() as folder, manager(Path(folder), config) as (child, endpoint):
        client = QueueManager(endpoint.address, endpoint.access.authkey)
        client.connect()
        tasks, results = client.get_task_queue(), client.get_result_queue()
        worker = WorkerState(id="benchmark", kind=TaskKind.IMAGE, threads=options.batch)
        before = rss_mib(child.pid)
        print(f"{options.tasks:,} tasks of {options.hosts:,} hosts, batches of {options.batch}")
        print(f"manager before: {before:.0f} MiB")
        with measured("put", options.tasks, child.pid):
            for start in range(0, options.tasks, options.batch):
                end = min(start + options.batch, options.tasks)
                tasks.put([new_task(n, options.hosts) for n in range(start, end)])
        print(f"manager with all of them queued: {rss_mib(child.pid):.0f} MiB")
        settled = 0
        with measured("lease and settle", options.tasks, child.pid):
            while settled < options.tasks:
                lease = tasks.lease(worker, count=options.batch, slots=options.batch, wait_s=1, held=())
                taken = [result(task) for batch in lease.batches for task in batch.tasks]
                results.put(taken)
                settled += len(taken)
        stats = tasks.stats()
        assert stats.images.done == options.tasks, stats
        assert stats.image_status == {"saved": options.tasks}, stats
        size = (Path(folder) / "crawl.db").stat().st_size
        print(
            f"manager after: {rss_mib(child.pid):.0f} MiB (before {before:.0f}); crawl.db {size / 2**20:.0f} MiB"
        )
        client.disconnect()


@contextmanager
def manager(folder: Path, config: Config, *, tls: Tls | None = None) -> Iterator[tuple[Child, Endpoint]]:
    """A manager's process, as in a crawl, and how to get in."""
    access = Access(authkey=secrets.token_bytes(32), tls=tls)
    endpoint = Endpoint(address=("127.0.0.1", 0), access=access)
    site = Site(folder=folder, config=config, seeds=("http://seed.example/",), endpoint=endpoint)
    child = Child("manager", manage, site, Start.GO_ON)
    try:
        while not child.ready:
            child.listen(0.1)
        yield child, replace(endpoint, address=("127.0.0.1", int(child.said)))
        child.stop()
        child.join(30)
    finally:
        child.kill()


def new_task(number: int, hosts: int) -> NewTask:
    host = number % hosts
    page = f"https://host{host}.example/gallery/page-{number // 50}.html"
    origin = Origin(page_url=page, found_in="img", alt=f"A picture, number {number}", page_title="A gallery")
    url = f"https://host{host}.example/images/2026/picture-{number}.jpg"
    return NewTask(kind=TaskKind.IMAGE, url=url, depth=1, origin=origin)


def result(task: Task) -> Result:
    assert task.origin is not None
    return Result(
        token=task.token,
        record=ImageRecord(
            url=task.url,
            final_url=task.url,
            status=ImageStatus.SAVED,
            path=f"images/{task.url[8:]}",
            sha256=f"{task.id:064x}",
            format="jpeg",
            width_px=800,
            height_px=600,
            size_bytes=100_000,
            http_status=200,
            content_type="image/jpeg",
            page_url=task.origin.page_url,
            found_in=task.origin.found_in,
            alt=task.origin.alt,
            page_title=task.origin.page_title,
            depth=task.depth,
            attempts=task.attempt,
            worker="benchmark",
            elapsed_s=0.05,
            finished_at="2026-01-01T00:00:00Z",
        ),
    )


@contextmanager
def measured(what: str, count: int, pid: int) -> Iterator[None]:
    wall, own, theirs = time.monotonic(), own_cpu_s(), cpu_s(pid)
    yield
    wall, own, theirs = time.monotonic() - wall, own_cpu_s() - own, cpu_s(pid) - theirs
    print(
        f"{what}: {count / wall:,.0f} tasks/s; CPU per task: manager {theirs / count * 1e6:.0f} us,"
        f" client {own / count * 1e6:.0f} us"
    )


def own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100  # in ticks of 10 ms


def rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main()
