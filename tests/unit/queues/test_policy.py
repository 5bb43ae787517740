"""Each bound of the policy moves what both engines do, the ledger's Python and Redis's Lua alike.

A scenario is played twice on either engine: with small constants, and with one of them changed. What can be seen has to
differ, and has to be the same on both. ``python -m tests.benchmarks.policy_mutants`` shows that these tests are red
wherever one use of a constant, in Python or in Lua, is replaced by its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
import redis

from crawler.models import NewTask, Origin, RenderOutcome, TaskKind
from crawler.queues import policy
from crawler.queues.host_evidence import Evidence
from crawler.queues.host_health import HostHealth
from crawler.queues.page_templates import KnownTemplates, asked, told
from crawler.queues.redis.codec import shard_of
from crawler.queues.throttle import Throttle
from tests.support import policy as support
from tests.support import policy_scenarios as scenarios
from tests.support.policy_scenarios import Crawl, Scenario, on_ledger, on_redis
from tests.support.queues import HARVESTER, image, images, page, saved, take, worker
from tests.support.redisserver import RedisServer

pytestmark = pytest.mark.untraced

SETTINGS: dict[str, Any] = {"lease_s": 100_000.0, "per_host": 8, "max_attempts": 1, "host_patience_s": 20.0}
HEALTH = {
    "IN_A_ROW": 3, "FIRST_PAUSE_S": 1.0, "MOST_PAUSE_S": 5.0, "LEAST_TRIES": 4, "DOUBT_TIMES": 4, "BUSY_TIMES": 1.5,
    "COOL_OFF_S": 100.0, "MOST_COOL_OFF_S": 150.0,
}  # fmt: skip
CHANGED: dict[Scenario, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    scenarios.unreachable: ({}, HEALTH, {
        "IN_A_ROW": 5, "FIRST_PAUSE_S": 3.0, "MOST_PAUSE_S": 3.0, "LEAST_TRIES": 12, "COOL_OFF_S": 30.0,
        "MOST_COOL_OFF_S": 110.0,
    }),
    scenarios.nameless: ({}, HEALTH, {"IN_A_ROW": 5}),
    scenarios.nameless_at_once: ({}, HEALTH, {"IN_A_ROW": 2}),
    scenarios.overloaded: ({}, HEALTH, {"LEAST_TRIES": 12, "BUSY_TIMES": 3.0, "MOST_PAUSE_S": 3.0}),
    scenarios.broken: ({"max_attempts": 3, "host_patience_s": 2.5}, HEALTH, {
        "IN_A_ROW": 5, "BROKEN_SHARE": 4, "LEAST_TRIES": 6,
    }),
    scenarios.broken_after_worse: ({}, HEALTH, {"FIRST_PAUSE_S": 2.0}),
    scenarios.in_doubt: ({"host_patience_s": 5.0}, HEALTH, {"DOUBT_TIMES": 2, "LEAST_TRIES": 12}),
    scenarios.many_in_trouble: ({}, {"MOST_RUNS": 6}, {"MOST_RUNS": 3}),
    scenarios.many_that_refuse: ({}, {"MOST_RUNS": 6}, {"MOST_RUNS": 3}),
    scenarios.refusing: ({}, {"FIRST_GROWTH_S": 1.0, "LEAST_GIVEN": 10}, {
        "FIRST_PACE_S": 0.1, "LEAST_PACE_S": 0.015, "PACE_SHARE": 0.5, "LEAST_GIVEN": 2, "SLOWER_TIMES": 4.0,
        "ABOUT_TIMES": 30.0, "FIRST_GROWTH_S": 4.0, "MOST_GROWTH_S": 1.25, "REFUSED_FIRST_PAUSE_S": 3.0,
    }),
    scenarios.refusing_up_and_down: ({}, {"FIRST_GROWTH_S": 4.0, "FIRST_PACE_S": 1.0}, {"ABOUT_TIMES": 1.1}),
    scenarios.refusing_once_more: ({}, {"FIRST_PACE_S": 1.0}, {"LEAST_PACE_S": 0.25}),
    scenarios.refusing_slowly: ({}, {"LEAST_GIVEN": 1, "FIRST_PACE_S": 100.0, "FIRST_GROWTH_S": 400.0}, {
        "MOST_PACE_S": 8.0,
    }),
    scenarios.refusing_for_long: ({"host_patience_s": 1e6}, {}, {
        "REFUSED_MOST_PAUSE_S": 70.0, "REFUSED_FIRST_LONG_PAUSE_S": 5.0, "LATEST_ANSWERS": 5, "BELIEVED_REFUSALS": 3,
    }),
    scenarios.refusing_forever: ({"host_patience_s": 1.0}, {"REFUSED_TIMES": 2}, {
        "REFUSED_LEAST_TRIES": 7, "REFUSED_TIMES": 100, "SHOWN_DETAIL_CHARS": 20,
    }),
    scenarios.refusing_for_a_while: ({"host_patience_s": 1e6}, {}, {"REFUSED_MOST_PAUSE_S": 20.0}),
    scenarios.refusing_as_unavailable: ({"host_patience_s": 1.0}, {"BELIEVED_REFUSALS": 1, "REFUSED_TIMES": 2}, {
        "MOST_ASKED_S": 500.0,
    }),
    scenarios.refusing_halfway: ({"host_patience_s": 1e6}, {}, {"REFUSED_MOST_PAUSE_S": 20.0}),
    scenarios.refusing_for_ages: ({"host_patience_s": 1.0}, {"BELIEVED_REFUSALS": 1, "REFUSED_TIMES": 2}, {
        "REFUSED_ASKED_TIMES": 4, "MOST_ASKED_S": 500.0,
    }),
    scenarios.refused_again_and_again: ({"max_attempts": 2, "host_patience_s": 1e5}, {}, {"REFUSED_ATTEMPTS_TIMES": 2}),
    scenarios.slots: ({}, {}, {"TASKS_PER_SLOT": 3}),
    scenarios.starved: ({"per_host": 4}, {}, {"STARVED_S": 4.0}),
    scenarios.guests: ({"per_host": 2}, {"GUEST_S": 5.0}, {"GUEST_S": 12.0, "CROWDED_S": 0.25, "ASK_AGAIN_S": 0.3}),
    scenarios.crowded: ({"per_host": 3}, {}, {"CROWDED_S": 2.0}),
    scenarios.host_files: ({}, {"CLAIM_S": 60.0}, {"CLAIM_S": 30.0, "ASK_AGAIN_S": 0.3}),
    scenarios.given_up: ({}, {"GIVEN_UP_AT_ONCE": 10}, {
        "GIVEN_UP_AT_ONCE": 4, "GIVING_UP_EVERY_S": 0.55, "SHOWN_DETAIL_CHARS": 20,
    }),
    scenarios.sizes: ({}, {}, {"RELEASED_AT_ONCE": 3, "MAX_BEHIND": 2}),
    scenarios.malformed: ({"max_attempts": 5}, {}, {"REFUSED_RESULT_S": 7.0}),
    scenarios.replies: ({}, {}, {"REPLY_BYTES": 1}),
    scenarios.records: ({}, {}, {"MAX_RECORDS": 2}),
    scenarios.gone: ({}, {}, {"GONE_WORKERS": 5}),
    scenarios.cookies: ({}, {}, {"MOST_COOKIES": 9, "MOST_COOKIES_OF_DOMAIN": 4, "COOKIES_AT_ONCE": 5}),
    scenarios.left_out: ({}, {"MOST_LEFT_OUT": 10, "MOST_LEFT_OUT_OF_EACH": 2}, {
        "MOST_LEFT_OUT": 6, "MOST_LEFT_OUT_OF_EACH": 3,
    }),
    scenarios.shown: ({"max_attempts": 3, "delay_s": 10.0}, {}, {
        "SHOWN_WORKERS": 3, "SHOWN_HOSTS": 3, "SHOWN_WAITING": 7, "SHOWN_RETRIES": 7,
    }),
    scenarios.shown_failures: ({}, {}, {"SHOWN_FAILURES": 2, "SHOWN_URL": 12}),
    scenarios.shown_in_trouble: ({"max_attempts": 3, "per_host": 8}, {"SHOWN_HOSTS": 1}, {
        "SHOWN_TROUBLED": 3,
    }),
    scenarios.that_wait: ({"delay_s": 10.0}, {"SHOWN_WAITING": 8}, {"LOOKED_AT": 2, "SHOWN_WAITING": 3}),
    scenarios.that_wait_in_trouble: ({}, {"LOOKED_AT": 1, "SHOWN_WAITING": 20}, {"SHOWN_TROUBLED": 3}),
    scenarios.that_wait_as_they_refuse: ({}, {"LOOKED_AT": 1, "SHOWN_WAITING": 20}, {"SHOWN_TROUBLED": 3}),
    scenarios.later_retries: ({"max_attempts": 3}, {}, {"LOOKED_AT": 3}),
    scenarios.receiving: ({}, {}, {"BURST_S": 1.5, "HORIZON_S": 7.0}),
    scenarios.templates: ({}, {"FAMILY_RENDERS": 6, "GAINED_FAMILY_RENDERS": 20, "GAINED_FAMILY_TEMPLATES": 8}, {
        "PROBES": 2, "DRY_RENDERS": 3, "TEMPLATE_CLAIM_S": 30.0, "TEMPLATE_WAIT_S": 3.0, "FAILED_RENDERS": 3,
        "FAMILY_RENDERS": 18, "FAMILY_TEMPLATES": 4, "MOST_TEMPLATES": 3, "MOST_FOUND": 1,
        "GAINED_FAMILY_RENDERS": 30, "GAINED_FAMILY_TEMPLATES": 14, "MOST_BEHAVIOURS": 1, "MOST_TOLD_OF": 1,
    }),
}  # fmt: skip
"""By scenario: settings, constants as they are else, and another value of each that it can tell of."""


def seen(scenario: Scenario, engine: Any, url: str, **values: Any) -> list[Any]:
    settings, constants, _ = CHANGED[scenario]
    with (
        TemporaryDirectory() as folder,
        support.changed(**{**constants, **values}),
        engine(Path(folder), url, **{**SETTINGS, **settings}) as crawl,
    ):
        return list(scenario(crawl))


@cache
def unchanged(scenario: Scenario, url: str) -> list[Any]:
    ours = seen(scenario, on_ledger, url)
    assert seen(scenario, on_redis, url) == ours
    return ours


@pytest.mark.parametrize(
    ("scenario", "name"),
    [(scenario, name) for scenario, (_, _, changed) in CHANGED.items() for name in changed],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_both_engines_go_by_it(redis_server: RedisServer, scenario: Scenario, name: str) -> None:
    value = CHANGED[scenario][2][name]
    ours = seen(scenario, on_ledger, redis_server.url, **{name: value})
    assert ours != unchanged(scenario, redis_server.url), "nothing has changed in the ledger"
    assert seen(scenario, on_redis, redis_server.url, **{name: value}) == ours


# --- what the other has not, or not in the same way ---


@pytest.fixture(name="url")
def its_url(redis_server: RedisServer) -> str:
    return redis_server.url


def shard(crawl: Crawl, number: int = 0) -> tuple[str, dict[str, Any]]:
    """The prefix of a shard's keys, and its state."""
    assert crawl.client is not None
    shards = crawl.client._known()
    prefix = shards.prefixes[number]
    return prefix, msgspec.msgpack.decode(shards.engine.call("HGET", f"{prefix}m", "st"), strict=False)


@contextmanager
def in_the_servers(folder: Path, url: str, **values: Any) -> Iterator[Crawl]:
    with support.changed(**values), on_redis(folder, url, **SETTINGS) as crawl:
        yield crawl


@pytest.mark.parametrize("fields", [1, 2])
def test_so_many_known_urls_are_in_one_hash(url: str, tmp_path: Path, fields: int) -> None:
    with in_the_servers(tmp_path, url, BUCKET_FIELDS=fields) as crawl:
        crawl.put(*images(900))
        prefix, _ = shard(crawl)
        with redis.Redis.from_url(url) as server:
            keys = list(server.scan_iter(f"{prefix}s*"))
            sizes = [server.hlen(key) for key in keys if server.type(key) == b"hash"]
        assert max(sizes) == fields


@pytest.mark.parametrize("at_once", [3, 5])
def test_so_many_tasks_are_woken_at_once(url: str, tmp_path: Path, at_once: int) -> None:
    with in_the_servers(tmp_path, url, WOKEN_AT_ONCE=at_once) as crawl:
        crawl.put(*images(16))
        for task in crawl.take(count=8, slots=8):
            crawl.settle(task, untouched=True, retry_in_s=10.0)
        crawl.clock.now += 11.0
        assert crawl.queues.tasks.stats().images.delayed == 8 - at_once


@pytest.mark.parametrize("chars", [10, 30])
def test_so_much_is_kept_of_what_a_broken_host_says(monkeypatch: pytest.MonkeyPatch, chars: int) -> None:
    """Nobody is shown it, but it is kept in memory."""
    monkeypatch.setattr(policy, "SHOWN_DETAIL_CHARS", chars)
    health = HostHealth(per_host=4, patience_s=10.0)
    for _ in range(3):
        health.failed(1, Evidence.BROKEN, reason="server-error", detail="x" * 100, began=0.0, now=0.0)
    condition = health.condition(1, now=0.0)
    assert condition is not None
    assert len(condition.detail) == chars


@pytest.mark.parametrize("most", [3, 5])
def test_so_many_hosts_are_known_to_have_answered(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """A failure during which its host has answered others is its URL's own."""
    monkeypatch.setattr(policy, "MOST_RUNS", most)
    health = HostHealth(per_host=4, patience_s=10.0)
    for host in range(8):
        health.answered(host, now=1.0)
    for host in range(8):
        health.failed(host, Evidence.TROUBLE, reason="server-error", detail="", began=0.0, now=2.0)
    assert [health.is_known(host) for host in range(8)] == [True] * (8 - most) + [False] * most


@pytest.mark.parametrize("at_once", [3, 5])
def test_so_many_hosts_are_woken_at_once(url: str, tmp_path: Path, at_once: int) -> None:
    """Those that may be asked again, and those of which guests have not been heard."""
    with in_the_servers(tmp_path, url, WOKEN_AT_ONCE=at_once, GUEST_S=10.0) as crawl:
        for number in range(8):
            crawl.put(image(1, f"h{number}"))
        tasks = crawl.take(count=8, slots=8)
        for task in tasks:
            crawl.queues.tasks.turn(task=task.id, host=f"http://g{task.id}.example", is_guest=True)
            crawl.settle(task, host_pause_s=10.0)
        crawl.clock.now += 11.0
        prefix, _ = shard(crawl)
        with redis.Redis.from_url(url) as server:
            before = server.zcard(f"{prefix}cool"), server.zcard(f"{prefix}guests")
            crawl.queues.tasks.stats()
            after = server.zcard(f"{prefix}cool"), server.zcard(f"{prefix}guests")
        assert before == (8, 8)
        assert after == (8 - at_once, 8 - at_once)


@pytest.mark.parametrize("at_once", [3, 5])
def test_so_many_lost_workers_are_parted_with_at_once(url: str, tmp_path: Path, at_once: int) -> None:
    with in_the_servers(tmp_path, url, GIVEN_BACK_AT_ONCE=at_once) as crawl:
        for number in range(8):
            crawl.take(who=worker(f"w{number}"))
        crawl.clock.now += 2 * SETTINGS["lease_s"]
        assert crawl.queues.tasks.stats().worker_count == 8 - at_once


@pytest.mark.parametrize("at_once", [3, 5])
def test_so_many_hosts_are_forgotten_or_asked_again_at_once(url: str, tmp_path: Path, at_once: int) -> None:
    with in_the_servers(tmp_path, url, GIVEN_BACK_AT_ONCE=at_once, COOL_OFF_S=100.0) as crawl:
        for number in range(8):
            crawl.put(*images(3, f"h{number}"))
            for task in crawl.take(count=3, slots=3):
                crawl.settle(task, "host-not-found")
            crawl.put(*images(2, f"r{number}"))
            crawl.settle(*crawl.take(), "rate-limited", 429, refused_for_s=0.0)
        prefix, _ = shard(crawl)
        with redis.Redis.from_url(url) as server:
            off = server.zcard(f"{prefix}off")
            crawl.clock.now += 110.0
            crawl.queues.tasks.stats()
            assert (off, server.zcard(f"{prefix}off")) == (8, 8 - at_once)
            with support.changed(GIVEN_BACK_AT_ONCE=at_once, MOST_RUNS=0):
                before = server.zcard(f"{prefix}runs"), server.zcard(f"{prefix}slow")
                crawl.queues.tasks.stats()
                after = server.zcard(f"{prefix}runs"), server.zcard(f"{prefix}slow")
        assert [one - other for one, other in zip(before, after, strict=True)] == [at_once, at_once]


@pytest.mark.parametrize("most", [2, 4])
def test_so_many_hosts_with_failures_are_looked_at(url: str, tmp_path: Path, most: int) -> None:
    with in_the_servers(tmp_path, url, TROUBLED_LOOKED_AT=most, SHOWN_HOSTS=1) as crawl:
        for number in range(8):
            crawl.put(*images(8, f"h{number}"))
            for task in crawl.take(count=8, slots=8):
                crawl.settle(task, "server-error", 503)
        crawl.put(image(1))
        assert len(crawl.queues.tasks.status().hosts) == 1 + most


@pytest.mark.parametrize("seconds", [5, 20])
def test_a_rate_is_sampled_so_often(url: str, tmp_path: Path, seconds: int) -> None:
    with in_the_servers(tmp_path, url, SAMPLE_S=seconds) as crawl:
        crawl.put(*images(100))
        crawl.later(1.0)
        for _ in range(10):
            crawl.settle(*crawl.take())
        for _ in range(7):
            crawl.later(seconds / 4)
        assert crawl.queues.tasks.status().images_per_s > 0, "the first point is less than two samples old"
        crawl.later(seconds / 2)
        crawl.later(seconds)
        assert crawl.queues.tasks.status().images_per_s == 0


@pytest.mark.parametrize("seconds", [100, 200])
def test_a_page_can_be_recalled_for_so_long(url: str, tmp_path: Path, seconds: int) -> None:
    with support.changed(RECENT_S=seconds), on_redis(tmp_path, url, queue_shards=2, **SETTINGS) as crawl:
        for number, wait_s in enumerate((0.0, 150.0)):
            crawl.put(page(number))
            crawl.later(wait_s)
            crawl.queues.results.put([saved(*take(crawl.queues, HARVESTER))])
        assert crawl.client is not None
        assert crawl.client.recall() == (1 if seconds == 100 else 2)


@pytest.mark.parametrize("seconds", [1, 4])
def test_sizes_wait_until_it_has_been_quiet_for_so_long(url: str, tmp_path: Path, seconds: int) -> None:
    with support.changed(QUIET_S=seconds), on_redis(tmp_path, url, queue_shards=2, **SETTINGS) as crawl:
        crawl.put(page(1))
        [task] = take(crawl.queues, HARVESTER)
        sized = NewTask(
            kind=TaskKind.IMAGE, url=f"{scenarios.A}/x.jpg?w=100", depth=1, origin=Origin("", "img")
        )
        crawl.queues.results.put([saved(task, discovered=(sized,))])
        got = []
        for _ in range(12):
            got.append(len(crawl.take()))
            crawl.later(0.5)
        assert got.index(1) in {2 * seconds, 2 * seconds + 1}


@pytest.mark.parametrize("seconds", [1, 4])
def test_who_waits_for_such_a_size_asks_again_by_then(url: str, tmp_path: Path, seconds: int) -> None:
    with support.changed(QUIET_S=seconds), on_redis(tmp_path, url, queue_shards=2, **SETTINGS) as crawl:
        crawl.put(page(1), page(2))
        first, _ = take(crawl.queues, HARVESTER)
        sized = NewTask(
            kind=TaskKind.IMAGE, url=f"{scenarios.A}/x.jpg?w=100", depth=1, origin=Origin("", "img")
        )
        crawl.queues.results.put([saved(first, discovered=(sized,))])
        assert crawl.client is not None
        shards = crawl.client._known()
        at = shard_of(scenarios.A, 2)
        _, _, alarm_s, *_ = shards.run(at, "lease", 0, 0, 0, 0, 1, "w1", "i", b"", 0, 1, 1, "60.0", 0)
        assert float(alarm_s) == seconds


@pytest.mark.parametrize(("standstill_s", "part"), [(10, 1 / 8), (10, 1 / 2), (3, 1 / 8)])
def test_clocks_stand_still_while_nobody_can_reach_the_queue(
    url: str, tmp_path: Path, standstill_s: float, part: float
) -> None:
    with (
        support.changed(STANDSTILL_S=standstill_s, LEASE_STANDSTILL=part),
        on_redis(tmp_path, url, **{**SETTINGS, "lease_s": 8.0}) as crawl,
    ):
        prefix, state = shard(crawl)
        assert crawl.client is not None
        shards = crawl.client._known()
        state["real"] -= 1000.0
        shards.engine.call("HSET", f"{prefix}m", "st", msgspec.msgpack.encode(state))
        shards._clock = None
        shards.all("tick")
        _, after = shard(crawl)
        assert after["life"] - state["life"] == pytest.approx(standstill_s)
        assert after["behind"] - state.get("behind", 0.0) == pytest.approx(standstill_s - 8.0 * part)


def test_who_asks_hears_for_so_long_that_the_crawl_has_ended(url: str, tmp_path: Path) -> None:
    """And what workers still say by then goes with it."""
    with support.changed(ENDED_S=500), on_redis(tmp_path, url, **SETTINGS, queue_shards=2) as crawl:
        crawl.take()
        prefix, _ = shard(crawl)
        assert crawl.client is not None
        crawl.client.delete()
        assert crawl.queues.tasks.stats().drained
        with redis.Redis.from_url(url) as server:
            server.zadd(f"{prefix}wait:i", {"w9": 0.0})  # of a worker that began to wait as the crawl ended
            crawl.queues.tasks.lease(worker(), count=1, slots=1, wait_s=0.0, held=())
            waits_s = server.ttl(f"{prefix}wait:i")
            server.delete(f"{prefix}wait:i")
            crawl.queues.tasks.leave("w2", charged=False)
            lives = {
                key.removeprefix(prefix.encode()): server.ttl(key) for key in server.scan_iter(f"{prefix}*")
            }
        assert set(lives) == {b"m", b"workers", b"alive", b"gone"}
        assert all(0 < left_s <= 500 for left_s in (waits_s, *lives.values())), lives


def test_a_url_that_is_left_out_is_told_of_if_it_has_so_many_bytes_at_the_most(
    url: str, tmp_path: Path
) -> None:
    with in_the_servers(tmp_path, url, MOST_LEFT_OUT_BYTES=100) as crawl:
        for name in ("short", "x" * 200):
            crawl.put(NewTask(kind=TaskKind.IMAGE, url=f"{scenarios.A}/{name}.png", kept_out_by="excluded"))
        assert crawl.client is not None
        assert [one.task.url for one in crawl.client.outlet().left_out(10)] == [f"{scenarios.A}/short.png"]


@pytest.mark.parametrize("chars", [20, 40])
def test_so_much_is_said_of_a_host_of_another_part(url: str, tmp_path: Path, chars: int) -> None:
    """To which redirects have led, in vain."""
    here = shard_of("http://a.example", 2)
    name = next(name for name in "bcdefgh" if shard_of(f"http://{name}.example", 2) != here)
    with (
        support.changed(SHOWN_DETAIL_CHARS=chars),
        on_redis(tmp_path, url, queue_shards=2, **SETTINGS) as crawl,
    ):
        crawl.put(*images(8))
        tasks = crawl.take(count=8, slots=8)
        crawl.put(*images(4, name))
        for task in tasks:
            crawl.settle(task, "host-not-found", final_url=f"http://{name}.example/x.png")
        crawl.later(1.0)
        found = crawl.queues.results.get().records
        said = [record for record in found if f"{name}.example/" in record.url]
        assert {record.detail.count("x") - record.detail.count("ex") for record in said} == {chars}


@pytest.mark.parametrize("most_bytes", [1, 2**20])
def test_so_many_bytes_of_records_are_in_one_answer(tmp_path: Path, most_bytes: int) -> None:
    """Of the ledger's, which goes through a message."""
    with on_ledger(tmp_path, "", **SETTINGS) as crawl:
        crawl.put(*images(3))
        for task in crawl.take(count=3):
            crawl.settle(task)
        with support.changed(REPLY_BYTES=most_bytes):
            assert len(crawl.queues.results.get().records) == (1 if most_bytes == 1 else 3)


@pytest.mark.parametrize("seconds", [10.0, 40.0])
def test_a_pace_of_an_earlier_run_grows_so(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """As one whose limit was hit twice; Redis has no earlier runs."""
    monkeypatch.setattr(policy, "FIRST_GROWTH_S", seconds)
    throttle = Throttle(patience_s=10.0)
    throttle.restore(1, 8.0, now=0.0)
    pace = throttle.answered(1, began=1.0, now=2 * seconds)
    assert pace is not None
    assert pace.pace_s == pytest.approx(4.0)
    monkeypatch.setattr(policy, "MOST_PACE_S", seconds)
    assert throttle.restore(2, 1e6, now=0.0).pace_s == seconds


# --- templates: one module for both engines ---


def rendered(known: KnownTemplates, task: int, **outcome: Any) -> KnownTemplates:
    return told(known, RenderOutcome(task=task, **outcome))


def verdict(known: KnownTemplates, task: int | None = 99) -> str:
    return asked(known, task, 0.0)[1].verdict.value


@pytest.mark.parametrize("number", [2, 3])
def test_templates_go_by_their_numbers(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    for name in ("PROBES", "DRY_RENDERS", "FAILED_RENDERS", "FAMILY_TEMPLATES"):
        monkeypatch.setattr(policy, name, number)
    monkeypatch.setattr(policy, "FAMILY_RENDERS", 2 * number)
    monkeypatch.setattr(policy, "GAINED_FAMILY_RENDERS", 4 * number)
    monkeypatch.setattr(policy, "GAINED_FAMILY_TEMPLATES", 3 * number)
    fresh = known = KnownTemplates("family/a")
    for task in range(number):
        known, answer = asked(known, task, 0.0)
        assert answer.verdict == "render"
    assert verdict(known) == "wait"
    for task in range(number):
        assert verdict(known, task) == "render"
        known = rendered(known, task)
    assert verdict(known) == "skip", "its probes brought nothing"
    known = rendered(fresh, 1, gains={"scroll": 1}, found=(1,))
    for task in range(2, number + 2):
        is_probed = task > number
        assert asked(known, task, 0.0)[1].behaviours == (("scroll",) if is_probed else None)
        known = rendered(known, task, gains={"scroll": 1}, found=(1,))
    assert verdict(known) == "skip", "it has brought nothing fresh for so long"
    known = fresh
    for task in range(number):
        assert verdict(known, 0) == "render"
        known = rendered(known, task, failed=True)
    assert verdict(known) == "skip"
    assert rendered(known, 50, failed=True).template.failed == number
    family = fresh
    for task in range(2 * number):
        assert verdict(KnownTemplates("family/new", family=family.family), None) == "unknown"
        family = rendered(KnownTemplates(f"family/{task}", family=family.family), task)
    assert verdict(KnownTemplates("family/new", family=family.family), None) == "skip"
    family = rendered(KnownTemplates("family/gains", family=family.family), 60, found=(1,))
    for task in range(4 * number):
        assert verdict(KnownTemplates("family/new", family=family.family), None) == "unknown"
        family = rendered(KnownTemplates(f"family/{task}", family=family.family), task, found=(1,))
    assert verdict(KnownTemplates("family/new", family=family.family), None) == "skip"
    family = rendered(KnownTemplates("family/more", family=family.family), 61)
    assert (family.family.renders, len(family.family.templates)) == (4 * number, 3 * number)


ALONE = {
    "BUCKET_FIELDS", "WOKEN_AT_ONCE", "GIVEN_BACK_AT_ONCE", "TROUBLED_LOOKED_AT", "SAMPLE_S", "RECENT_S", "QUIET_S",
    "ENTRIES_BYTES",
    "STANDSTILL_S", "LEASE_STANDSTILL", "ENDED_S", "MOST_LEFT_OUT_BYTES", "DUE_LOOKED_AT",
}  # fmt: skip
"""What these tests are about."""


def test_each_number_is_tried_or_written_into_files() -> None:
    """Bits are not: they lie in Redis, and another version has to read them. So they are what they are."""
    numbers = {
        name for name, value in vars(policy).items() if name.isupper() and isinstance(value, int | float)
    }
    bits = {name: getattr(policy, name) for name in numbers if name.startswith(("FLAG_", "NOTE_"))}
    tried = {name for _, _, changed in CHANGED.values() for name in changed}
    assert numbers - tried - ALONE - set(bits) == set()
    assert bits == {
        "FLAG_SEED": 1, "FLAG_KEPT": 2, "FLAG_NEXT_SIZE": 4, "FLAG_HAS_NEXT": 8, "FLAG_SIZED": 16,
        "NOTE_WORDS": 15, "NOTE_SAVED": 16, "NOTE_FAILED": 32, "NOTE_MARKED": 64,
    }  # fmt: skip


NUMBERS = {
    "IN_A_ROW": 3, "FIRST_PAUSE_S": 1.0, "MOST_PAUSE_S": 60.0, "LEAST_TRIES": 4, "DOUBT_TIMES": 10,
    "BUSY_TIMES": 2.5, "BROKEN_SHARE": 2, "COOL_OFF_S": 600.0, "MOST_COOL_OFF_S": 3600.0, "MOST_RUNS": 20000,
    "SHOWN_DETAIL_CHARS": 200, "FIRST_PACE_S": 0.02, "MOST_PACE_S": 60.0, "LEAST_PACE_S": 0.002, "PACE_SHARE":
    0.9, "LEAST_GIVEN": 10, "SLOWER_TIMES": 2.0, "ABOUT_TIMES": 1.5, "FIRST_GROWTH_S": 15.0, "MOST_GROWTH_S":
    480.0, "REFUSED_FIRST_PAUSE_S": 1.0, "REFUSED_FIRST_LONG_PAUSE_S": 2.0, "REFUSED_MOST_PAUSE_S": 60.0,
    "LATEST_ANSWERS": 10, "BELIEVED_REFUSALS": 6, "MOST_ASKED_S": 3600.0, "REFUSED_LEAST_TRIES": 4,
    "REFUSED_TIMES": 10, "REFUSED_ASKED_TIMES": 2, "REFUSED_ATTEMPTS_TIMES": 4, "STARVED_S": 10.0, "CROWDED_S":
    1.0, "TASKS_PER_SLOT": 8, "GUEST_S": 120.0, "ASK_AGAIN_S": 0.1, "CLAIM_S": 60.0, "BURST_S": 0.25,
    "HORIZON_S": 60.0, "GIVEN_UP_AT_ONCE": 2000, "GIVING_UP_EVERY_S": 0.25, "RELEASED_AT_ONCE": 200,
    "REFUSED_RESULT_S": 2.0, "REPLY_BYTES": 1048576, "MAX_RECORDS": 200, "GONE_WORKERS": 10000, "MOST_COOKIES": 3000,
    "MOST_COOKIES_OF_DOMAIN": 50, "COOKIES_AT_ONCE": 100, "MOST_LEFT_OUT": 100000, "MOST_LEFT_OUT_OF_EACH":
    2000, "MOST_LEFT_OUT_BYTES": 16384, "MAX_BEHIND": 50, "SHOWN_WORKERS": 500, "SHOWN_HOSTS": 50,
    "SHOWN_FAILURES": 16, "SHOWN_URL": 300,
    "SHOWN_TROUBLED": 20, "SHOWN_WAITING": 5, "SHOWN_RETRIES": 5, "LOOKED_AT": 50, "PROBES": 3, "DRY_RENDERS":
    5, "TEMPLATE_CLAIM_S": 120.0, "TEMPLATE_WAIT_S": 1.0, "FAILED_RENDERS": 6, "FAMILY_RENDERS": 24,
    "FAMILY_TEMPLATES": 8, "GAINED_FAMILY_RENDERS": 72, "GAINED_FAMILY_TEMPLATES": 24, "MOST_TEMPLATES": 2000,
    "MOST_FOUND": 400, "MOST_BEHAVIOURS": 64, "MOST_TOLD_OF": 16, "STANDSTILL_S": 10, "LEASE_STANDSTILL": 0.125,
    "QUIET_S": 1, "RECENT_S": 600, "ENDED_S": 86400, "SAMPLE_S": 15, "BUCKET_FIELDS": 120, "WOKEN_AT_ONCE": 1000,
    "GIVEN_BACK_AT_ONCE": 100, "TROUBLED_LOOKED_AT": 201, "DUE_LOOKED_AT": 200,
}  # fmt: skip


def test_a_number_is_changed_on_purpose() -> None:
    """Each was found by measuring, and says in policy.py why it is what it is."""
    assert {name: getattr(policy, name) for name in NUMBERS} == NUMBERS
