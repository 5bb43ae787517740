"""The machine of tests/support/machine.py on a queue in Redis, whose records go to a crawl's file now and then."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from crawler.config import Config, QueueConfig, ScopeConfig
from crawler.models import Task, TaskKind
from crawler.queues import Plan
from crawler.queues.ledger import Ledger
from crawler.queues.policy import WORTH_KEEPING
from crawler.queues.redis import address
from crawler.queues.redis.client import RedisClient
from crawler.queues.redis.codec import KINDS, local_id, unpacked
from crawler.queues.redis.collector import Collector
from crawler.queues.redis.shards import Shards
from crawler.queues.redis.writer import CrawlfileWriter
from tests.support.machine import SETTINGS, Clock, QueueMachine, TroubledMachine
from tests.support.redisserver import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.untraced]

STATES = {"r": "ready", "d": "delayed", "l": "leased"}
_numbers = itertools.count()


class RedisEngine:
    """*shards* parts on the server at *url*."""

    def __init__(self, clock: Clock, queue: QueueConfig, url: str, shards: int) -> None:
        self.puts_ahead = shards > 1
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name, "crawl.db")
        self._clock, self._url = clock, f"{url}#machine-{next(_numbers)}"
        self._settings = queue = msgspec.structs.replace(queue, queue_shards=shards)
        self._plan = Plan(id="one-crawl-0", seeds=("http://a.example/",), config=Config(queue=queue))
        self._server = redis.Redis.from_url(url)
        self._ledger().close()
        self._books: CrawlfileWriter | None = None
        self._open()
        self._client.new_run()

    def _ledger(self) -> Ledger:
        return Ledger(self._path, queue=self._settings, scope=ScopeConfig(), new_run=True, clock=self._clock)

    def _open(self) -> None:
        self._client = RedisClient(address.parse(self._url), reconnect_s=5.0, clock=self._clock)
        anew = self._client.create_or_update(self._plan)
        if self._books is None:
            self._books = CrawlfileWriter(self._path)
        self._collector = Collector(self._client.outlet(), self._books)
        self._collector.reconcile(outlet_is_empty=anew)
        self._client.opened()
        self.queue, self.results = self._client.get_task_queue(), self._client.get_result_queue()

    def tick(self) -> None:
        self._client.tick()
        assert not self._client.damage(), "nothing is gone"

    def restart(self, *, new_run: bool) -> None:
        self._client.disconnect()
        self._server.script_flush()
        self._open()
        if new_run:
            self._client.new_run()

    def close(self) -> None:
        self._books.close()
        self._client.delete()
        self._client.disconnect()
        self._server.close()
        self._folder.cleanup()

    def retry(self, kind: TaskKind) -> tuple[int, int]:
        """By way of the crawl's file, as ``image-crawler retry`` does it."""
        self._collector.collect()
        [(expected,)] = self._rows(
            f"SELECT count(*) FROM {kind}s JOIN tasks ON tasks.id = task_id"
            " WHERE (status IN ('failed', 'dead') OR revisit = 'failed') AND state IN ('done', 'dead')"
        )
        return self._in_the_file(lambda ledger: ledger.retry(kind=kind)), expected

    def refresh(self) -> int:
        if not self.queue.stats().drained:
            return 0
        self._collector.collect()
        return self._in_the_file(lambda ledger: ledger.refresh())

    def _in_the_file(self, change: Any) -> int:
        self._books.close()
        ledger = self._ledger()
        count = change(ledger)
        ledger.close()
        self._books = CrawlfileWriter(self._path)
        self._collector = Collector(self._client.outlet(), self._books)
        self._collector.reconcile(outlet_is_empty=False)
        return count

    # --- from behind ---

    @property
    def _shards(self) -> Shards:
        return self._client._known()

    def _look(self, shard: int) -> Look:
        tasks, lists, hosts, workers, fellows = self._server.eval(_LOOK, 1, self._shards.prefixes[shard])
        return Look(
            begun={
                number.decode(): (KINDS[c.decode()], STATES[s.decode()], h.decode(), b)
                for number, c, s, h, b in tasks
            },
            waiting=[(KINDS[kind.decode()], host.decode(), entry[21:]) for kind, host, entry in lists],
            in_flight={name.decode(): int(count) for name, count in hosts},
            workers={name.decode(): KINDS[kind.decode()] for name, kind in workers},
            fellows=Counter({kind: int(count) for kind, count in zip(KINDS.values(), fellows, strict=True)}),
        )

    def _looks(self) -> list[Look]:
        return [self._look(shard) for shard in range(self._shards.count)]

    def _unsettled(self) -> list[tuple[str, str, str]]:
        """Kind, URL and state."""
        found = []
        for look in self._looks():
            found += [
                (kind, unpacked(host, text).url, state) for kind, state, host, text in look.begun.values()
            ]
            found += [(kind, unpacked(host, text).url, "ready") for kind, host, text in look.waiting]
        return found

    def _uncollected(self) -> list[Any]:
        return self._client.outlet().settled(10_000)

    def state_of(self, task: Task) -> str:
        shard, number = local_id(task.id)
        one = self._look(shard).begun.get(number)
        return "done" if one is None else one[1]

    def tasks(self) -> set[tuple[str, str]]:
        known = {(kind, url) for kind, url, _ in self._unsettled()}
        known |= {(one.kind, one.url) for one in self._uncollected()}
        return known | set(self._rows("SELECT kind, url FROM tasks WHERE state IN ('done', 'dead')"))

    def states(self, kind: TaskKind) -> Counter[str]:
        found = Counter(state for of, _, state in self._unsettled() if of == kind)
        found.update(one.state.value for one in self._uncollected() if one.kind is kind)
        found.update(
            dict(
                self._rows(
                    f"SELECT state, count(*) FROM tasks WHERE kind = '{kind}' AND state IN ('done', 'dead')"
                    " GROUP BY state"
                )
            )
        )
        return found

    def recorded(self, kind: TaskKind) -> list[tuple[str, str]]:
        found = dict(self._rows(f"SELECT url, status FROM {kind}s"))
        for one in self._uncollected():
            if one.kind is kind and not (
                found.get(one.url) in WORTH_KEEPING and one.record.status not in WORTH_KEEPING
            ):
                found[one.url] = one.record.status.value
        return list(found.items())

    def details(self, kind: TaskKind, reason: str) -> list[str]:
        found = self._rows(f"SELECT detail FROM {kind}s WHERE reason = '{reason}'")
        waiting = [one.record for one in self._uncollected() if one.kind is kind]
        return [detail for (detail,) in found] + [one.detail for one in waiting if one.reason == reason]

    def settled(self, kind: TaskKind) -> list[str]:
        on_file = self._rows(f"SELECT url FROM tasks WHERE kind = '{kind}' AND state IN ('done', 'dead')")
        return [url for (url,) in on_file] + [one.url for one in self._uncollected() if one.kind is kind]

    def fellows(self) -> Counter[TaskKind]:
        known: dict[str, TaskKind] = {}
        for look in self._looks():
            assert +look.fellows == Counter(look.workers.values())
            known |= look.workers
        return Counter(known.values())

    def in_flight(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for look in self._looks():
            leased = Counter(host for _, state, host, _ in look.begun.values() if state == "leased")
            found |= {
                name: (leased[name], look.in_flight.get(name, 0)) for name in leased | Counter(look.in_flight)
            }
        return found

    def _rows(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self._path)) as db:
            return db.execute(sql).fetchall()


_LOOK = """
local P = KEYS[1]
local function fields(key, ...)
  local out, words = {}, redis.call('HGETALL', P .. key)
  for at = 1, #words, 2 do
    local row, value = {words[at]}, cmsgpack.unpack(words[at + 1])
    for _, name in ipairs({...}) do
      row[#row + 1] = type(value[name]) == 'number' and tostring(value[name]) or value[name]
    end
    out[#out + 1] = row
  end
  return out
end
local lists = {}
for _, key in ipairs(redis.call('KEYS', string.gsub(P, '[*?%[%]]', '?') .. 'q:*')) do
  local kind, host = string.match(string.sub(key, #P + 1), '^q:(.):(.*)$')
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    if string.byte(entry) == 78 then lists[#lists + 1] = {kind, host, entry} end
  end
end
local state = cmsgpack.unpack(redis.call('HGET', P .. 'm', 'st'))
return {
  fields('tasks', 'c', 's', 'h', 'b'), lists, fields('hosts', 'f'), fields('workers', 'kind'),
  {tostring(state.fellows.p), tostring(state.fellows.i), tostring(state.fellows.b)},
}
"""
"""What scripts keep: only they can read it, for its strings may be any bytes."""


@dataclass(frozen=True)
class Look:
    """A shard from behind."""

    begun: dict[str, tuple[str, str, str, bytes]]
    """Tasks that have been leased once and are not settled, by their number: kind, state, host and text."""
    waiting: list[tuple[str, str, bytes]]
    """Those that have not been leased: kind, host and text."""
    in_flight: dict[str, int]
    workers: dict[str, TaskKind]
    fellows: Counter[TaskKind]


def run_machine(url: str, shards: int, kind: type[QueueMachine] = QueueMachine) -> None:
    class Machine(kind):  # type: ignore[valid-type,misc]
        make = staticmethod(lambda clock, queue: RedisEngine(clock, queue, url, shards))

    examples = 12 if shards == 1 else 6  # each of whose calls goes to all of them
    run_state_machine_as_test(
        Machine, settings=settings(SETTINGS, max_examples=examples, stateful_step_count=30)
    )


@pytest.mark.parametrize("shards", [1, 3])
def test_the_machine_on_redis(redis_server: RedisServer, shards: int) -> None:
    run_machine(redis_server.url, shards)


def test_hosts_in_trouble_on_redis(redis_server: RedisServer) -> None:
    run_machine(redis_server.url, 1, TroubledMachine)


def test_the_machine_on_valkey(valkey_server: RedisServer) -> None:
    run_machine(valkey_server.url, 1)
