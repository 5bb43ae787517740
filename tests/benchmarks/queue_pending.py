"""What a long queue costs: the ledger's memory, its start, and the CPU of each task, by how many tasks wait.

    python -m tests.benchmarks.queue_pending [--tasks 10000,1000000,10000000] [--hosts 1000] [--folder /dev/shm]

The rows are written to crawl.db directly, as adding ten million tasks takes half an hour; about 350 bytes each. Then
the ledger opens the file in a process of its own, adds some tasks, and leases and settles as many.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from crawler.crawlfile.schema import connect, host_id
from crawler.models import NewTask, TaskKind, WorkerState
from crawler.queues import QueueResults
from crawler.queues.adding import packed_origin
from crawler.queues.ledger import Ledger
from crawler.urls import host_key, task_key
from tests.benchmarks.queue import new_task, own_cpu_s, put_all, result, rss_mib, settings

_MEASURED = 16_000
_BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default="10000,1000000,10000000")
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="where the files are made: 4 GB for ten million tasks")
    options = parser.parse_args()
    for count in map(int, options.tasks.split(",")):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            path = Path(folder, "crawl.db")
            began = time.monotonic()
            _fill(path, count, options.hosts)
            size_mib = path.stat().st_size / 2**20
            print(
                f"{count:,} tasks: made in {time.monotonic() - began:.0f} s, {size_mib:.0f} MiB", flush=True
            )
            process = multiprocessing.get_context("spawn").Process(
                target=_measure, args=(path, count, options.hosts)
            )
            process.start()
            process.join()


def _fill(path: Path, count: int, hosts: int) -> None:
    db = connect(path)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA cache_size = -1000000")
    db.execute("BEGIN")
    ids = [host_id(db, host_key(new_task(number, hosts).url)) for number in range(hosts)]
    db.executemany(
        "INSERT INTO tasks VALUES (?, 'image', ?, ?, ?, 1, 'ready', 0, 0, NULL, ?, 9, NULL, NULL, NULL)",
        _rows(count, ids),
    )
    db.execute("COMMIT")
    db.execute("PRAGMA journal_mode = WAL")
    db.close()


def _rows(count: int, ids: list[int]) -> Iterator[tuple[object, ...]]:
    for number in range(count):
        task = new_task(number, len(ids))
        key = task_key(task.kind, task.url)
        yield number + 1, task.url, key, ids[number % len(ids)], packed_origin(task.origin)


def _measure(path: Path, count: int, hosts: int) -> None:
    config, began, cpu_s = settings(_BATCH), time.monotonic(), own_cpu_s()
    before = rss_mib(os.getpid())
    ledger = Ledger(path, queue=config.queue, scope=config.scope, new_run=True)
    print(f"  opened in {time.monotonic() - began:.1f} s, {own_cpu_s() - cpu_s:.1f} s of CPU")
    cpu_s = own_cpu_s()
    put_all(_Beyond(ledger, count, hosts), _MEASURED, _BATCH, hosts)
    put_us = (own_cpu_s() - cpu_s) / _MEASURED * 1e6
    cpu_s, results, settled = own_cpu_s(), QueueResults(ledger), 0
    worker = WorkerState(id="benchmark", kind=TaskKind.IMAGE, threads=_BATCH)
    while settled < min(count, _MEASURED):
        lease = ledger.lease(worker, count=_BATCH, slots=_BATCH, wait_s=1, held=())
        taken = [result(task) for batch in lease.batches for task in batch.tasks]
        results.put(taken)
        settled += len(taken)
    settle_us = (own_cpu_s() - cpu_s) / settled * 1e6
    rss = rss_mib(os.getpid())
    print(
        f"  CPU of a task: put {put_us:.0f} us, lease and settle {settle_us:.0f} us;"
        f" memory {before:.0f} -> {rss:.0f} MiB",
        flush=True,
    )
    ledger.close()


class _Beyond:
    """The ledger as ``put_all`` sees it, with numbers that are not there."""

    def __init__(self, ledger: Ledger, count: int, hosts: int) -> None:
        self._ledger = ledger
        self._next = count
        self._hosts = hosts

    def put(self, tasks: Sequence[NewTask]) -> int:
        first, self._next = self._next, self._next + len(tasks)
        return self._ledger.put([new_task(number, self._hosts) for number in range(first, self._next)])


if __name__ == "__main__":
    main()
