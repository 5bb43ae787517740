"""Hostile pages are opened by a renderer as it works in a crawl, and what comes of each is compared with what must."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from crawler.config import load
from crawler.harvest.reader_pool import ReaderPool
from crawler.http.address_guard import AddressGuard, seed_networks, seed_ports
from crawler.http.request_retries import RetryingTransport
from crawler.http.requests_transport import RequestsTransport
from crawler.http.robots import Robots
from crawler.models import (
    Origin,
    RenderOutcome,
    RenderRecord,
    Result,
    Task,
    TaskKind,
    TemplateAnswer,
    TemplateVerdict,
)
from crawler.queues import validation
from crawler.render import behaviours
from crawler.render.browsers import Browsers
from crawler.render.handler import RenderHandler
from crawler.render.network import Network
from crawler.sandbox.memory_budget import Budget
from crawler.scope import Scope
from crawler.task_handler import HandlerContext
from tests.hostile_pages.kinds import Hostile
from tests.hostile_pages.server import HostileServer, Said, own_names

MOST_ATTEMPTS = 5
MOST_HONEST = 16
HONEST = "honest"
_MOST_RESULT_BYTES = 64 * 2**20
_MOST_TASK_BYTES = 3 * 2**20
"""A message to the queue may have 4 MiB, of which one new task is the least."""

HONEST_PAGE = (
    "<!DOCTYPE html><title>honest</title><div id=root></div><script defer src=app.js></script>"
    "<div style='height: 3000px'></div><p id=end>end</p>"
)
HONEST_SCRIPT = """
const show = (name) => {
  const image = new Image();
  image.src = `img/${name}.png`;
  image.alt = `picture ${name}`;
  document.querySelector("#root").append(image);
};
fetch("list.json").then((answer) => answer.json()).then((names) => names.forEach(show));
new IntersectionObserver(([entry]) => entry.isIntersecting && show("of-the-end")).observe(document.querySelector("#end"));
const host = document.body.appendChild(document.createElement("div"));
host.attachShadow({ mode: "closed" }).innerHTML = "<img src=img/of-the-shadow.png>";
"""
HONEST_LIST = '["1", "2", "3", "4", "5", "6"]'
HONEST_NAMES = (*(f"img/{n}.png" for n in range(1, 7)), "img/of-the-end.png", "img/of-the-shadow.png")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one page."""

    name: str
    result: Result
    attempts: int
    seconds: float
    """Of the longest attempt."""
    images: frozenset[str]
    """Found, as paths below the page's own."""
    requests: int
    """That the server has had for it."""

    @property
    def record(self) -> RenderRecord:
        assert isinstance(self.result.record, RenderRecord)
        return self.result.record


class _Templates:
    def template(self, *, host: str, name: str, task: int | None = None) -> TemplateAnswer:
        del host, name, task
        return TemplateAnswer(verdict=TemplateVerdict.RENDER)

    def tell_template(self, *, host: str, name: str, outcome: RenderOutcome) -> None:
        msgspec.convert(msgspec.to_builtins(outcome), RenderOutcome)  # what the queue would refuse


@contextmanager
def trying(program: Path, pages: Sequence[Hostile], **settings: Any) -> Iterator[Trial]:
    """A renderer with that browser, let loose on a server of *pages* and of honest ones. *settings* are the crawl's."""
    served: dict[str, Said] = {}
    for page in pages:
        served |= {page.name: page.page, **{f"{page.name}/{path}": said for path, said in page.parts.items()}}
    for n in range(len(pages) + MOST_HONEST):
        served |= {
            f"{HONEST}-{n}": HONEST_PAGE,
            f"{HONEST}-{n}/app.js": HONEST_SCRIPT,
            f"{HONEST}-{n}/list.json": HONEST_LIST,
        }
    with own_names(), HostileServer(served) as server:
        trial = Trial(program, server, {page.name: page for page in pages}, settings)
        try:
            yield trial
        finally:
            trial.close()


class Trial:
    """Its methods are for any thread."""

    def __init__(
        self, program: Path, server: HostileServer, pages: dict[str, Hostile], settings: dict[str, Any]
    ) -> None:
        seeds = (server.url,)
        self.server = server
        self.pages = pages
        self.config = load(flags=settings)
        patient = load(flags={**settings, "render_timeout_s": 60.0})
        five_times = {"render_timeout_s": 5 * self.config.render.render_timeout_s, "page_timeout_s": 60.0}
        longer = load(flags={**settings, **five_times})
        guard = AddressGuard((), seed_ports(seeds), of_seeds=seed_networks(seeds))
        self._transport = RequestsTransport(self.config.fetch, guard, seeds=seeds)
        self.stop = threading.Event()
        asking = RetryingTransport(self._transport, self.config.fetch.tries, stop=self.stop)
        self._readers = ReaderPool(seeds, self.config, most=2, budget=Budget(2**30))
        self.browsers = Browsers(program, page_memory_bytes=self.config.render.render_memory_bytes)
        robots = Robots(asking, agent="image-crawler")
        self._handlers = [
            RenderHandler(
                HandlerContext(
                    transport=asking,
                    scope=Scope(seeds, config.scope),
                    config=config,
                    worker_id="w",
                    robots=robots,
                ),
                read=self._readers.read,
                templates=_Templates(),
                browsers=self.browsers,
                network=Network(asking, config=config, robots=robots, stop=self.stop),
                script=behaviours.source(),
            )
            for config in (self.config, patient, longer)
        ]

    def close(self) -> None:
        self.stop.set()
        self.browsers.close()
        self._readers.close()
        self._transport.close()

    def hostile(self, name: str, *, patiently: bool = False) -> Outcome:
        """*patiently*: it has five times as long."""
        return self._opened(name, self._handlers[2 if patiently else 0])

    def crash_tabs(self) -> None:
        """What a fault of the browser does to its pages."""
        for lent in self.browsers._all:
            for tab in list(lent.browser._tabs.values()):
                tab.send("Page.crash")

    def honest(self, number: int) -> Outcome:
        """A page that has a minute: what else goes on must not keep it from anything, but may make it slow."""
        return self._opened(f"{HONEST}-{number}", self._handlers[1])

    def _opened(self, name: str, handler: RenderHandler) -> Outcome:
        longest_s = 0.0
        before = len(self.server.of(name))
        for attempt in range(1, MOST_ATTEMPTS + 1):
            task = Task(
                id=crc32(name.encode()),
                serial=attempt,
                kind=TaskKind.RENDER,
                url=f"{self.server.url}{name}/",
                depth=1,
                attempt=attempt,
                origin=Origin(page_url=self.server.url, found_in="a", template="f/t", signs="scripts"),
            )
            began = time.monotonic()
            result = handler(task)
            longest_s = max(longest_s, time.monotonic() - began)
            check(result, task)
            if result.retry_in_s is None or (attempt > 1 and result.record.reason != "browser-failed"):
                break
        base = f"{self.server.url}{name}/"
        images = frozenset(
            found.url.removeprefix(base) for found in result.discovered if found.kind is TaskKind.IMAGE
        )
        return Outcome(
            name=name,
            result=result,
            attempts=attempt,
            seconds=longest_s,
            images=images,
            requests=len(self.server.of(name)) - before,
        )


def check(result: Result, task: Task) -> None:
    """It is one that the queue takes, whatever its page has said."""
    data = msgspec.msgpack.encode(result)
    assert len(data) < _MOST_RESULT_BYTES, f"{task.url}: a result of {len(data)} bytes"
    msgspec.msgpack.decode(data, type=Result)
    (taken,) = validation.results_among([msgspec.Raw(data)])
    assert not validation.refusal(taken, kind=task.kind, url=task.url), validation.refusal(
        taken, kind=task.kind, url=task.url
    )
    for found in result.discovered:
        size = len(msgspec.msgpack.encode(found))
        assert size < _MOST_TASK_BYTES, f"{task.url}: a new task of {size} bytes"
        assert not validation.is_malformed(found), f"{task.url}: {found.url[:300]!r}"


def flaws(outcome: Outcome, page: Hostile, server: HostileServer) -> list[str]:
    """What has come of *page* that must not."""
    record = outcome.record
    found = []
    # it has less memory here than in a crawl: whether that is met before its time is up depends on the machine
    is_greedy = "" in page.reasons and record.reason == "page-crashed" and "more memory" in record.detail
    is_foreseen = record.reason in page.reasons or is_greedy
    if not is_foreseen or (record.status == "rendered") != (not record.reason):
        found.append(f"it is {record.status} ({record.reason}: {record.detail})")
    if record.status == "rendered":
        found += [
            f"{slugs} is not told"
            for slugs in page.left_out
            if not record.left_out.keys() & {*slugs.split("|")}
        ]
    found += [f"{image} was not found" for image in page.images if image not in outcome.images]
    found += [f"{image} is no image of it" for image in page.not_images if image in outcome.images]
    asked = server.of(page.name)
    for path in page.never:
        if any(one.path.split("?")[0].startswith(f"/{page.name}/{path}") for one in asked):
            found.append(f"{path} was asked for")
    if any(f"/{page.name}/img/" in one.path and "fetched" not in one.path for one in asked):
        found.append("an image was asked for by the renderer")
    if outcome.requests > page.most_requests * outcome.attempts:
        found.append(f"the server had {outcome.requests} requests for it")
    return found


def children(of: int = 0) -> set[int]:
    """All processes below this one, or another."""
    of = of or os.getpid()
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    below: set[int] = {of}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return below - {of}


def memory_bytes() -> int:
    """Of this process: what lies in memory and is no file's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0
