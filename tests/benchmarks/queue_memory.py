"""What a URL takes in Redis: while it waits, and for good once it is settled (``tests.benchmarks.queue --memory``)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import redis

from crawler.models import Stats, TaskKind, WorkerState
from crawler.queues import TaskQueue
from crawler.queues.redis.client import RedisClient
from crawler.urls import task_key
from tests.benchmarks.queue import new_task, redis_queue, result, settings
from tests.support.redisserver import RedisServer

_PUT, _LEASED = 1000, 256
_COLLECTED = 20_000
_PARTS = {"s": "the seen set", "q": "waiting tasks", "hosts": "hosts", "due": "hosts", "load": "hosts"}


def report(count: int, *, hosts: int) -> None:
    print(f"{count:,} image URLs of {hosts:,} hosts; bytes per URL")
    for shards in (1, 16):
        with tempfile.TemporaryDirectory() as folder:
            config = settings(_LEASED, queue_shards=shards)
            with redis_queue("redis", Path(folder), config, aof=False) as (server, client):
                print(f"\n{shards} shard(s)")
                _measure(count, hosts, server, client)
    with (
        tempfile.TemporaryDirectory() as folder,
        redis_queue("redis", Path(folder), settings(1), aof=False) as (server, _),
    ):
        _compare(count, hosts, server)


def _measure(count: int, hosts: int, server: RedisServer, client: RedisClient) -> None:
    tasks = client.get_task_queue()
    with server.client(decode_responses=False) as bare:
        empty = _used_bytes(bare)
        for start in range(0, count, _PUT):
            tasks.put([new_task(n, hosts) for n in range(start, min(start + _PUT, count))])
        full = _used_bytes(bare)
        _tell("known and waiting (INFO)", (full - empty) / count)
        parts = _by_part(bare, client)
        for part in dict.fromkeys(_PARTS.values()):
            _tell(f"  {part} (MEMORY USAGE)", parts.get(part, 0) / count)
        text = sum(len(new_task(n, hosts).url) for n in range(0, count, 1 + count // 1000)) / min(count, 1000)
        _tell("  for comparison: its URL", text)
        _settle(count, tasks, client, bare)
        known = _used_bytes(bare)
        _tell("known and settled (INFO)", (known - empty) / count)
        buckets = _by_part(bare, client)
        _tell("  the seen set (MEMORY USAGE)", buckets.get("the seen set", 0) / count)
        print(f"  in {_buckets(bare, client):,} hashes")


def _settle(count: int, tasks: TaskQueue, client: RedisClient, bare: redis.Redis) -> None:
    """All of them, and have their records collected and forgotten now and then."""
    results, outlet = client.get_result_queue(), client.outlet()
    worker = WorkerState(id="benchmark", kind=TaskKind.IMAGE, threads=_LEASED)
    settled = kept = 0
    told = False
    while settled < count:
        lease = tasks.lease(worker, count=_LEASED, slots=_LEASED, wait_s=1, held=())
        taken = [result(task) for batch in lease.batches for task in batch.tasks]
        results.put(taken)
        settled, kept = settled + len(taken), kept + len(taken)
        if kept < _COLLECTED and settled < count:
            continue
        if not told:
            told = True
            streams = sum(_bytes_of(bare, f"{prefix}out".encode()) for prefix in client._known().prefixes)
            _tell("settled and not collected: its record (MEMORY USAGE)", streams / kept)
        while found := outlet.settled(2 * _COLLECTED):
            outlet.forget(found, Stats())
            kept -= len(found)


def _compare(count: int, hosts: int, server: RedisServer) -> None:
    """What Redis takes for the bare keys of the URLs, without us."""
    keys = [task_key(TaskKind.IMAGE, new_task(n, hosts).url) for n in range(count)]
    print("\nfor comparison, their 16-byte keys")
    with server.client(decode_responses=False) as bare:
        for what, words in (("each a key of its own (SET key '')", "SET"), ("in one set (SADD)", "SADD")):
            empty = _used_bytes(bare)
            for start in range(0, count, _PUT):
                part = keys[start : start + _PUT]
                if words == "SADD":
                    bare.sadd("all", *part)
                else:
                    bare.mset(dict.fromkeys(part, b""))
            _tell(what, (_used_bytes(bare) - empty) / count)
            bare.flushall()


def _by_part(bare: redis.Redis, client: RedisClient) -> dict[str, int]:
    found: dict[str, int] = {}
    pipe = bare.pipeline(transaction=False)
    names = []
    for key in bare.scan_iter(count=1000):
        part = _part(key, client)
        if part:
            pipe.memory_usage(key, samples=0)
            names.append(part)
    for part, size in zip(names, pipe.execute(), strict=True):
        found[part] = found.get(part, 0) + int(size)
    return found


def _buckets(bare: redis.Redis, client: RedisClient) -> int:
    return sum(_part(key, client) == _PARTS["s"] for key in bare.scan_iter(count=1000))


def _part(key: bytes, client: RedisClient) -> str:
    """What a key is part of; see lua/base.lua."""
    prefix = next((each for each in client._known().prefixes if key.startswith(each.encode())), None)
    if prefix is None:
        return ""
    word = key.removeprefix(prefix.encode()).partition(b":")[0].decode()
    return _PARTS.get(word) or (_PARTS["s"] if word.startswith("s") and word != "shut" else "")


def _bytes_of(bare: redis.Redis, key: bytes) -> int:
    return int(bare.memory_usage(key, samples=0) or 0)


def _used_bytes(bare: redis.Redis) -> int:
    return int(bare.info("memory")["used_memory"])


def _tell(what: str, size: float) -> None:
    print(f"{what:55} {size:8.1f}", flush=True)
