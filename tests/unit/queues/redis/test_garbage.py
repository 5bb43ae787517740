"""Something else writes to a crawl's keys in Redis: the key is named, and the crawl comes to its end all the same."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler.catalog import Catalog
from crawler.catalog.summary import summarise
from crawler.config import Config, QueueConfig
from crawler.errors import QueueError
from crawler.models import ImageStatus
from crawler.queues.redis import address
from crawler.queues.redis.client import CRAWLS, RedisClient
from crawler.run import collector_main as coordinating
from crawler.run.context import ALL_COLLECTED, CrawlContext
from crawler.run.redis_endpoint import RedisEndpoint
from tests.support import policy
from tests.support.queues import HARVESTER, Queues, failed, holds, image, images, saved, take, worker
from tests.support.redisserver import RedisServer
from tests.unit.run.test_collector_main import collecting

pytestmark = pytest.mark.untraced

SEED = "http://a.example/"
PREFIX = "image-crawler:it:{it.0}:"
FOUND = images(6)
KEYS = [
    "m", "c", "x", "hosts", "tasks", "q:i:http://a.example", "r:i:http://a.example", "due:i", "due:p", "cool", "off",
    "delayed", "load", "runs", "slow", "shut", "workers", "alive", "wait:i", "hungry:i", "gone", "out", "words",
    "named", "left", "pictures", "held", "ck", "ck:seq", "ck:domains", "recent", "pushed", "guests", "files", "filed",
    "doms", "domains", "full", "missed", "blocked:a.example",
]  # fmt: skip
TYPES: dict[str, tuple[Any, ...]] = {
    "string": ("SET", "garbage"),
    "list": ("RPUSH", b"\xff\0garbage", b"N" + b"x" * 90, "R7"),
    "hash": ("HSET", "http://a.example", "garbage", "st", b"\x05", "cfg", "garbage", "plan", b"\xc1"),
    "zset": ("ZADD", "1", "garbage", "inf", b"\xff\0"),
    "set": ("SADD", "garbage"),
    "stream": ("XADD", "18446744073709551614-1", "foo", "bar"),
}


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("_COLLECT_EVERY_S", "_LOOK_EVERY_S", "_AGAIN_S"):
        monkeypatch.setattr(coordinating, name, 0.02)
    monkeypatch.setattr(coordinating, "_ANSWER_S", 0.2)
    with policy.changed(GIVING_UP_EVERY_S=0.0):  # else a crawl may end before that key is looked at once more
        yield


def begin(queues: Queues) -> None:
    """A page is read, of its images one is saved, one waits to be tried again, one is on lease."""
    (seed,) = take(queues, HARVESTER)
    queues.results.put([saved(seed, discovered=tuple(FOUND))])
    one, other, *_ = take(queues, worker("w1"), count=3)
    queues.results.put([saved(one), failed(other, retry_in_s=0.0)])


def finish(client: RedisClient, line: Any, *, within_s: float = 20.0) -> None:
    """As workers that ask again, whatever they are told."""
    end, number = time.monotonic() + within_s, 0
    while time.monotonic() < end:
        number += 1
        try:
            client.connect()
            queues = Queues(
                tasks=client.get_task_queue(), results=client.get_result_queue(), pass_time=lambda _: None
            )
            tasks = [
                *take(queues, worker(f"v{number}")),
                *take(queues, msgspec.structs.replace(HARVESTER, id=f"h{number}")),
            ]
            queues.tasks.leave("w1", charged=False)
            queues.tasks.leave(HARVESTER.id, charged=False)
            queues.results.put(
                [saved(task, discovered=tuple(FOUND)) if task.url == SEED else saved(task) for task in tasks]
            )
            if not tasks and queues.tasks.stats().drained and line.said[-1] == ALL_COLLECTED:
                return
        except QueueError:
            pass
        time.sleep(0.02)
    raise AssertionError("it stands still")


def site(folder: Path, server: RedisServer) -> CrawlContext:
    endpoint = RedisEndpoint(address=address.parse(f"{server.url}#it"))
    return CrawlContext(
        folder=folder, config=Config(queue=QueueConfig(per_host=8)), seeds=(SEED,), endpoint=endpoint
    )


def connected(server: RedisServer) -> tuple[RedisClient, Queues]:
    client = RedisClient(address.parse(f"{server.url}#it"), reconnect_s=5.0)
    client.connect()
    client.reconnect_s = 0.2
    return client, Queues(
        tasks=client.get_task_queue(), results=client.get_result_queue(), pass_time=lambda _: None
    )


def assert_whole(folder: Path, line: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert line.failure is None
    assert "Traceback" not in caplog.text
    with Catalog(folder) as catalog:
        summary = summarise(catalog)
        assert {record.url for record in catalog.images()} == {task.url for task in FOUND}
        assert {record.status for record in catalog.images()} == {"saved"}
    assert summary.balanced


@pytest.mark.parametrize("key", ["hosts", "tasks"])
def test_a_key_that_is_gone_is_noticed_and_the_crawl_comes_to_its_end(
    fresh_redis: RedisServer, tmp_path: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By hand, or by an eviction where the server's policy was changed: the crawl stood still for ever."""
    caplog.set_level(logging.WARNING)
    with collecting(site(tmp_path, fresh_redis)) as line:
        client, queues = connected(fresh_redis)
        begin(queues)
        with fresh_redis.client() as server:
            assert server.delete(PREFIX + key) == 1
        queues.tasks.leave("w1", charged=False)  # which makes a host anew, before anybody has looked
        finish(client, line)
        client.disconnect()
    assert_whole(tmp_path, line, caplog)
    assert f"{PREFIX}{key} is gone" in caplog.text


@pytest.mark.sampled(5)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_overwritten_is_named_and_the_crawl_comes_to_its_end(
    fresh_redis: RedisServer, tmp_path: Path, key: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with collecting(site(tmp_path, fresh_redis)) as line:
        client, queues = connected(fresh_redis)
        begin(queues)
        # at once, or the crawl writes the key anew in between
        with fresh_redis.client() as server, server.pipeline() as both:
            if server.type(PREFIX + key) != kind:  # else its content is garbage, among what is there
                both.delete(PREFIX + key)
            command, *values = TYPES[kind]
            both.execute_command(command, PREFIX + key, *values)
            both.execute()
        finish(client, line)
        client.disconnect()
        assert holds(lambda: line.failure is None, for_s=0.05)
    assert_whole(tmp_path, line, caplog)
    if "made anew" in caplog.text:
        assert f"{PREFIX}" in caplog.text


def test_a_foreign_entry_of_the_stream_is_warned_of_once_and_removed(
    fresh_redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with collecting(site(tmp_path, fresh_redis)) as line:
        client, queues = connected(fresh_redis)
        begin(queues)
        with fresh_redis.client() as server:
            for fields in (
                {"foo": "bar"},
                {"c": "i"},
                {"c": "i", "s": "done", "a": "x"},
                {"t": b"\x93\xa1a\x01\xa1b"},
            ):
                server.xadd(f"{PREFIX}out", fields)
                server.xadd(f"{PREFIX}words", fields)
                server.xadd(f"{PREFIX}named", fields)
        finish(client, line)
        client.disconnect()
        assert holds(lambda: line.failure is None, for_s=0.1)
    assert_whole(tmp_path, line, caplog)
    assert "made anew" not in caplog.text
    for key in ("out", "words", "named"):
        assert f"{PREFIX}{key} had" in caplog.text
    assert caplog.text.count("are not the crawl's") <= 8


@pytest.mark.parametrize(
    "values", [("SET", CRAWLS, "x"), ("HSET", CRAWLS, "other", "garbage"), ("HSET", CRAWLS, "it", "garbage")]
)
def test_garbage_in_the_list_of_crawls_is_named_and_a_collector_begins_all_the_same(
    fresh_redis: RedisServer, tmp_path: Path, values: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with fresh_redis.client() as server:
        server.execute_command(*values)
    with collecting(site(tmp_path, fresh_redis)) as line:
        client, queues = connected(fresh_redis)
        begin(queues)
        finish(client, line)
        client.disconnect()
        assert holds(lambda: line.failure is None, for_s=0.1)
    assert_whole(tmp_path, line, caplog)
    assert CRAWLS in caplog.text


HOSTILE = [
    b"garbage",
    msgspec.msgpack.encode({"kind": "image", "url": "nonsense", "status": "saved"}),
    msgspec.msgpack.encode({"kind": "image", "url": image(0).url, "status": "saved", "size_bytes": 2**62}),
    msgspec.msgpack.encode(
        {"kind": "image", "url": image(0).url, "status": "saved", "path": "../../etc/passwd"}
    ),
    msgspec.msgpack.encode({"kind": "image", "url": image(0).url, "status": "failed", "reason": "because"}),
    msgspec.msgpack.encode(
        {"kind": "image", "url": image(0).url, "status": "failed", "elapsed_s": float("nan")}
    ),
    msgspec.msgpack.encode({"kind": "image", "url": image(5).url, "status": "failed", "reason": "not-found"}),
    msgspec.msgpack.encode({"kind": "page", "url": image(0).url, "status": "harvested"}),
    b"\x81" * 5000,
]


@pytest.mark.parametrize("blob", HOSTILE, ids=range(len(HOSTILE)))
def test_a_record_that_was_put_past_all_checks_spoils_itself_only(
    fresh_redis: RedisServer, tmp_path: Path, blob: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with collecting(site(tmp_path, fresh_redis)) as line:
        client, queues = connected(fresh_redis)
        begin(queues)
        (task,) = take(queues, worker("w9"), count=1)
        honest = saved(task)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("crawler.queues.redis.settling._ENCODE", lambda _: blob)
            patched.setattr("crawler.queues.redis.settling.checked", lambda result: result)
            queues.results.put([honest])
        finish(client, line)
        client.disconnect()
        assert holds(lambda: line.failure is None, for_s=0.1)
    assert "Traceback" not in caplog.text
    with Catalog(tmp_path) as catalog:
        records = {record.url: record for record in catalog.images()}
    others = {one.url for one in FOUND} - {task.url}
    assert {url: records[url].status for url in others} == dict.fromkeys(others, ImageStatus.SAVED)
    if task.url in records:
        assert records[task.url].reason == "internal-error"
        assert "refused" in records[task.url].detail
    else:
        assert "are not the crawl's" in caplog.text
