"""The ledger as the two queues of a crawl."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import msgspec

from crawler.models import Result, TemplateAnswer
from crawler.queues import Plan, RecordPage, policy
from crawler.queues.bandwidth import BandwidthSchedule
from crawler.queues.ledger import Ledger


class LedgerTasks:
    """The ledger as a TaskQueue, of the crawl that *plan* tells of."""

    def __init__(self, ledger: Ledger, plan: Plan | None = None) -> None:
        self._plan = plan or Plan()
        self._line = BandwidthSchedule(self._plan.config.fetch.limit_rate_bytes_s)
        self._line_mutex = threading.Lock()
        self._template = ledger.template
        self.put = ledger.put
        self.lease = ledger.lease
        self.heartbeat = ledger.heartbeat
        self.release = ledger.release
        self.leave = ledger.leave
        self.turn = ledger.turn
        self.receive = self._receive
        self.turn_taken = ledger.turn_taken
        self.turn_over = ledger.turn_over
        self.host_file = ledger.host_file
        self.keep_host_file = ledger.keep_host_file
        self.tell_template = ledger.tell_template
        self.retry = ledger.retry
        self.halt = ledger.halt
        self.stop = ledger.stop
        self.pause = ledger.pause
        self.resume = ledger.resume
        self.stats = ledger.stats
        self.status = ledger.status

    def _receive(self, *, count: int) -> float:
        with self._line_mutex:
            return self._line.reserve(count, now=time.monotonic())

    def plan(self) -> Plan:
        return self._plan

    def template(self, *, host: str, name: str, task: int | None = None) -> TemplateAnswer:
        answer: TemplateAnswer = self._template(host=host, name=name, task=task)
        return msgspec.structs.replace(answer, has_renderer=self._plan.browser or answer.has_renderer)


class LedgerResults:
    """The ledger as a ResultQueue."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def put(self, results: Sequence[Result]) -> tuple[str, ...]:
        return self._ledger.settle(results)

    def get(self, *, after: int = 0, limit: int = policy.MAX_RECORDS, wait_s: float = 0.0) -> RecordPage:
        return self._ledger.records(after=after, limit=limit, wait_s=wait_s)
