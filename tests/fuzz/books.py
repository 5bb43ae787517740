"""A crawl's queues behind their server, for hostile clients; and what has to be true of them whatever was said."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec

from crawler.config import QueueConfig, ScopeConfig
from crawler.download.sniff import extension_for
from crawler.models import NewTask, Stats, TaskKind
from crawler.queues import QueueResults
from crawler.queues.ledger import Ledger
from crawler.queues.rpc import server as server_module
from crawler.queues.rpc import wire
from crawler.queues.rpc.calls import PROTOCOL
from crawler.queues.rpc.server import RpcServer
from crawler.queues.rpc.transport import RpcTransport
from crawler.storage.local import LocalStorage
from crawler.storage.uploads import UploadReceiver
from tests.support.queues import AUTHKEY, Queues, images, lease, page, render, saved, worker

CRAWL = "crawl-settings-0"
GREETING = msgspec.msgpack.encode((None, "accept_connection", (PROTOCOL, "1.0", CRAWL), {}))
MAX_IMAGE_BYTES = 1000
_MOST_LEASES = 50
server_module.LONGEST_WAIT_S = 0.0  # who waits for something here waits in vain


class Faults(logging.Handler):
    """What the server logs as a fault of its own: no call may bring one about."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._records: list[logging.LogRecord] = []
        logger = logging.getLogger("crawler.queues.rpc.server")
        logger.addHandler(self)
        logger.setLevel(logging.ERROR)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)

    def check(self) -> None:
        records, self._records = self._records, []
        for record in records:
            error = record.exc_info[1] if record.exc_info else None
            raise AssertionError(record.getMessage()) from error


@cache
def faults() -> Faults:
    return Faults()


class Known(RpcTransport):
    """Whoever comes has proved already that they know the key."""

    def welcome(self, peer: wire.Connection, authkey: bytes) -> None:
        pass


@cache
def server(transport: RpcTransport) -> RpcServer:
    """One whose queues are put in later: a port for each input would be too many."""
    made = RpcServer({}, ("127.0.0.1", 0), AUTHKEY, transport, crawl=CRAWL)
    made.listener.close()
    return made


class Crawl:
    """A ledger and an inbox, with some tasks, of which an honest worker has leased a few."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._now_s = 1000.0
        self._open(new_run=True)
        storage = LocalStorage(folder, fsync=False, min_free_bytes=0)
        self.inbox = UploadReceiver(storage, max_image_bytes=MAX_IMAGE_BYTES, extension_for=extension_for)
        self.queues.tasks.put(
            [*images(3, "victim"), page(0, "victim"), page(1, "victim"), render(0, "victim")]
        )
        lease(self.queues, worker("victim"), count=2)

    def _open(self, *, new_run: bool) -> None:
        self.ledger = Ledger(
            self.folder / "crawl.db",
            queue=QueueConfig(delay_s=0.0),
            scope=ScopeConfig(),
            new_run=new_run,
            clock=lambda: self._now_s,
        )
        self.queues = Queues(tasks=self.ledger, results=QueueResults(self.ledger), pass_time=self._pass_time)

    def _pass_time(self, by_s: float) -> None:
        self._now_s += by_s
        self.ledger.tick()

    def serve(self, peer: wire.Connection, transport: RpcTransport) -> None:
        """As the thread of one connection does."""
        served = server(transport)
        inbox = {"get_inbox": self.inbox}
        served._served = {
            "get_task_queue": self.queues.tasks,
            "get_result_queue": self.queues.results,
        } | inbox
        faults().check()
        served._serve_peer(peer)
        faults().check()
        assert not served._authenticated
        assert not served._open
        assert not len(served._pending)

    def check(self) -> None:
        """The books balance, also once they are opened again; and an honest worker's task gets done."""
        self._pass_time(1.0)
        before = self._books()
        self.ledger.close()
        self._open(new_run=True)
        after = self._books()
        assert after.image_status == before.image_status
        assert after.page_status == before.page_status
        assert after.render_status == before.render_status
        assert after.images.discovered == before.images.discovered
        assert after.pages.discovered == before.pages.discovered
        assert after.renders.discovered == before.renders.discovered
        self._work(before)

    def _work(self, before: Stats) -> None:
        me = worker("an honest worker")
        url = "http://honest.example/a.png"
        assert self.queues.tasks.put([NewTask(kind=TaskKind.IMAGE, url=url)]) == 1
        for _ in range(_MOST_LEASES):
            given = lease(self.queues, me, count=1000, slots=1000)
            tasks = [task for batch in given.batches for task in batch.tasks]
            if mine := [task for task in tasks if task.url == url]:
                self.queues.results.put([saved(task) for task in mine])
                break
            assert given.halted is None
            self.queues.results.put([saved(task) for task in tasks])
            self._pass_time(60.0)
        else:
            raise AssertionError("an honest worker gets no work")
        assert self._books().image_status["saved"] > before.image_status.get("saved", 0)

    def _books(self) -> Stats:
        stats, status = self.queues.tasks.stats(), self.queues.tasks.status()
        for told in (stats, status):
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=type(told)) is not None
            for counts in (told.pages, told.images, told.renders):
                assert min(counts.ready, counts.delayed, counts.leased, counts.done, counts.dead) >= 0
        for counts, records in (
            (stats.images, stats.image_status),
            (stats.pages, stats.page_status),
            (stats.renders, stats.render_status),
        ):
            assert sum(records.values()) == counts.done + counts.dead, (
                "a record for each task that is settled"
            )
        assert len(self.queues.results.get(after=0, limit=200).records) <= 200
        rows = self.ledger._db.execute("SELECT kind, count(*) FROM tasks GROUP BY kind").fetchall()
        assert dict(rows) == {
            kind: counts.discovered
            for kind, counts in (("image", stats.images), ("page", stats.pages), ("render", stats.renders))
            if counts.discovered
        }
        return stats


@contextmanager
def crawl() -> Iterator[Crawl]:
    """A new one, for one input."""
    folder = Path(tempfile.mkdtemp(dir=memory()))
    try:
        made = Crawl(folder)
        try:
            yield made
        finally:
            made.ledger.close()
    finally:
        shutil.rmtree(folder)


@cache
def memory() -> Path | None:
    """Where files cost no disk, if there is such a place."""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() else None
