"""What a fleet with nothing to do asks of Redis: commands and scripts a second, and what these take of the server.

    python -m tests.benchmarks.idle_fleet [--workers 50] [--shards 1,8] [--for-s 20] [--waiting]

The workers are real ones, as threads of one process; each has a client of its own, as on a machine of its own. The
figures are for each worker, and grow with their number.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from crawler.config import Config
from crawler.models import NewTask, Result, Task, TaskKind, WorkerState
from crawler.queues.redis import address
from crawler.queues.redis.client import RedisClient
from crawler.run.worker import Worker
from tests.benchmarks.queue import cpu_s, new_task, redis_queue, result, settings
from tests.support.redisserver import RedisServer

_SETTLE_IN_S = 6.0
"""A worker has made its first calls by then."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--shards", default="1,8")
    parser.add_argument("--for-s", type=float, default=20.0)
    parser.add_argument("--waiting", action="store_true", help="images wait, in a crawl that is paused")
    options = parser.parse_args()
    for shards in map(int, options.shards.split(",")):
        measure(options.workers, shards, options.for_s, images_wait=options.waiting)


def measure(workers: int, shards: int, for_s: float, *, images_wait: bool) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = settings(32, queue_shards=shards, heartbeat_s=20.0)
        server, founder = stack.enter_context(redis_queue("redis", folder, config))
        tasks = founder.get_task_queue()
        tasks.put([NewTask(kind=TaskKind.PAGE, url="http://seed.example/")])  # or the crawl would be over
        if images_wait:
            tasks.pause()
            tasks.put([new_task(number, 97) for number in range(1000)])
        crowd = [_worker(server, config, f"w{number}") for number in range(workers)]
        for worker in crowd:
            threading.Thread(target=worker.run, daemon=True).start()
        while tasks.stats().worker_count < workers:
            time.sleep(0.1)
        time.sleep(_SETTLE_IN_S)
        bare = stack.enter_context(server.client())
        bare.config_resetstat()
        began, cpu = time.monotonic(), cpu_s(server.pid)
        time.sleep(for_s)
        span_s, spent_s = time.monotonic() - began, cpu_s(server.pid) - cpu
        scripts = bare.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
        began = time.monotonic()
        tasks.resume()
        tasks.put([new_task(number, workers) for number in range(1000, 1000 + workers)])
        while (done := tasks.stats().images.done) < workers:
            time.sleep(0.02)
        print(
            f"{workers} workers, {shards} shard(s): {scripts / span_s / workers:.3f} scripts/s a worker,"
            f" {spent_s / span_s:.2%} of a core; {done} new tasks done after {time.monotonic() - began:.2f} s",
            flush=True,
        )
        for worker in crowd:
            worker.stop()
        time.sleep(1.0)


def _worker(server: RedisServer, config: Config, name: str) -> Worker:
    client = RedisClient(address.parse(f"{server.url}#benchmark"))
    client.connect()
    return Worker(
        WorkerState(id=name, kind=TaskKind.IMAGE, threads=1),
        tasks=client.get_task_queue(),
        results=client.get_result_queue(),
        handler=_handled,
        lease_batch=8,
        heartbeat_s=config.queue.heartbeat_s,
    )


def _handled(task: Task) -> Result:
    return result(task)


if __name__ == "__main__":
    main()
