"""The machine of tests/support/machine.py on the ledger."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis.stateful import invariant

from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile.schema import LEASED
from crawler.models import Task, TaskKind
from crawler.queues import QueueResults
from crawler.queues.ledger import Ledger
from tests.support.clocks import Clock
from tests.support.machine import SETTINGS, QueueMachine, TroubledMachine

pytestmark = [pytest.mark.slow, pytest.mark.untraced]


STATE = f"iif(tasks.id IN (SELECT tasks.id FROM {LEASED}), 'leased', tasks.state)"


class LedgerEngine:
    puts_ahead = False

    def __init__(self, clock: Clock, queue: QueueConfig) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name, "crawl.db")
        self._clock, self._settings = clock, queue
        self._open(new_run=True)

    def _open(self, *, new_run: bool) -> None:
        self.ledger = Ledger(
            self._path, queue=self._settings, scope=ScopeConfig(), new_run=new_run, clock=self._clock
        )
        self.queue, self.results = self.ledger, QueueResults(self.ledger)
        self.tick = self.ledger.tick
        self.refresh = self.ledger.refresh

    def restart(self, *, new_run: bool) -> None:
        self.ledger._db.close()
        self._open(new_run=new_run)

    def close(self) -> None:
        self.ledger.close()
        self._folder.cleanup()

    def retry(self, kind: TaskKind) -> tuple[int, int]:
        [(expected,)] = self._rows(
            f"SELECT count(*) FROM {kind}s JOIN tasks ON tasks.id = task_id"
            " WHERE (status IN ('failed', 'dead') OR revisit = 'failed') AND state IN ('done', 'dead')"
        )
        return self.queue.retry(kind=kind), expected

    def state_of(self, task: Task) -> str:
        return self._rows(f"SELECT {STATE} FROM tasks WHERE id = {task.id}")[0][0]

    def tasks(self) -> set[tuple[str, str]]:
        return set(self._rows("SELECT kind, url FROM tasks"))

    def states(self, kind: TaskKind) -> Counter[str]:
        return Counter(
            dict(self._rows(f"SELECT {STATE}, count(*) FROM tasks WHERE kind = '{kind}' GROUP BY 1"))
        )

    def recorded(self, kind: TaskKind) -> list[tuple[str, str]]:
        return self._rows(f"SELECT url, status FROM {kind}s")

    def details(self, kind: TaskKind, reason: str) -> list[str]:
        return [detail for (detail,) in self._rows(f"SELECT detail FROM {kind}s WHERE reason = '{reason}'")]

    def settled(self, kind: TaskKind) -> list[str]:
        return [
            url
            for (url,) in self._rows(
                f"SELECT url FROM tasks WHERE kind = '{kind}' AND state IN ('done', 'dead')"
            )
        ]

    def fellows(self) -> Counter[TaskKind]:
        return self.ledger._leases.worker_counts

    def in_flight(self) -> dict[str, tuple[int, int]]:
        leased = Counter(
            dict(self._rows(f"SELECT host_id, count(*) FROM tasks WHERE {STATE} = 'leased' GROUP BY 1"))
        )
        assert len(self.ledger._leases.by_task) == leased.total()
        return {
            name: (leased[host], self.ledger._state.politeness.look_at(host, now=0).in_flight)
            for host, name in self._rows("SELECT id, name FROM hosts")
        }

    def _rows(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self._path)) as db:
            return db.execute(sql).fetchall()


class LedgerMachine(QueueMachine):
    make = LedgerEngine


class TroubledLedgerMachine(TroubledMachine):
    make = LedgerEngine

    @invariant()
    def memory_knows_which_hosts_are_limited(self) -> None:
        assert isinstance(self.engine, LedgerEngine)
        ledger = self.engine.ledger
        slowed = ledger._state.watch.throttle._slow  # one that is probed has a limit for that
        limits = {host: most for host, most in ledger._state.politeness._limits.items() if host not in slowed}
        health = ledger._state.health
        assert limits == {host: health.in_flight(host) for host in health.troubled() if host not in slowed}


LedgerMachine.TestCase.settings = TroubledLedgerMachine.TestCase.settings = SETTINGS
TestLedgerMachine = LedgerMachine.TestCase
TestTroubledLedgerMachine = TroubledLedgerMachine.TestCase
