"""A whole crawl in one thread, of a site that is made on the way: the real ledger, harvester and downloader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Unpack

from crawler.config import Config, load
from crawler.download.handler import ImageHandler
from crawler.errors import NotFound
from crawler.harvest.handler import PageHandler
from crawler.http import Asked, Fetched
from crawler.models import Lease, TaskKind, WorkerState
from crawler.queues.ledger import Ledger
from crawler.run.context import CrawlContext, StartMode
from crawler.run.endpoints import Access, ManagerEndpoint
from crawler.run.run_start import begin_run
from crawler.scope import Scope
from crawler.storage.local import LocalStorage
from crawler.task_handler import HandlerContext

Answer = tuple[str, str | bytes, dict[str, str]]
"""Media type, content, further headers."""
Site = Callable[[str], Answer | None]
"""From a URL to its answer; None: 404."""
SEED = "https://e.example/"
NOWHERE = ManagerEndpoint(address=("127.0.0.1", 0), access=Access(authkey=b""))


class SiteTransport:
    """Fetches from *site*; counts what it was asked for."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.asked: list[str] = []

    def fetch(self, url: str, **asked: Unpack[Asked]) -> Fetched:
        if (check := asked.get("check")) is not None:
            check(url)
        self.asked.append(url)
        answer = self._site(url)
        if answer is None:
            raise NotFound("the server answered 404 Not Found", http_status=404, final_url=url)
        media_type, content, headers = answer
        return Fetched(
            url=url,
            final_url=url,
            http_status=200,
            headers={"content-type": media_type} | headers,
            content=content.encode() if isinstance(content, str) else content,
        )


class Crawl:
    """Of *site*, in *folder*; it may be run several times."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.folder = folder
        self.transport = SiteTransport(site)

    def run(self, *, start: StartMode = StartMode.GO_ON, most: int = 10_000, **settings: Any) -> None:
        """Run it with *settings*, for *most* tasks. Raises what the start of a run raises."""
        config = load(flags={"render": "never", "sitemaps": False, "obey_robots_txt": False} | settings)
        with self.opened(config) as ledger:
            context = CrawlContext(folder=self.folder, config=config, seeds=(SEED,), endpoint=NOWHERE)
            begin_run(ledger, context, start, finished=ledger.stats().drained)
            handlers = self._handlers(config)
            workers = {
                kind: WorkerState(id=f"w-{kind}", kind=kind, machine="m", pid=1, version="1", threads=1)
                for kind in handlers
            }
            while most > 0 and not ledger.stats().drained:
                for kind, handler in handlers.items():
                    lease = ledger.lease(workers[kind], count=1, slots=1, wait_s=0.0, held=())
                    for task in _tasks(lease):
                        ledger.settle([handler(task)])
                        most -= 1
            ledger.end_run()

    @contextmanager
    def opened(self, config: Config) -> Iterator[Ledger]:
        ledger = Ledger(
            self.folder / "crawl.db",
            queue=config.queue,
            scope=config.scope,
            new_run=True,
            largest_only=config.images.images == "best",
        )
        try:
            yield ledger
        finally:
            ledger.close()

    def _handlers(self, config: Config) -> dict[TaskKind, Callable[[Any], Any]]:
        context = HandlerContext(
            transport=self.transport,  # type: ignore[arg-type]
            scope=Scope((SEED,), config.scope),
            config=config,
            worker_id="w",
        )
        return {
            TaskKind.PAGE: PageHandler(context),
            TaskKind.IMAGE: ImageHandler(context, LocalStorage(self.folder, fsync=False, min_free_bytes=0)),
        }


def _tasks(lease: Lease) -> Iterator[Any]:
    for batch in lease.batches:
        yield from batch.tasks
