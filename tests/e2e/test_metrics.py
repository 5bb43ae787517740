"""What Prometheus and Kubernetes ask of real processes: figures that are right, health, and workers from none to many.

On the manager and on Redis alike.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.running import Running, image_crawler, in_session, kill_all, records, saved_digests
from tests.support.cpu_time import soon
from tests.support.redisserver import RedisServer
from tests.support.sites import SiteServer, make_site, serving

pytestmark = pytest.mark.timeout(300)

PAGES, IMAGES_PER_PAGE = 40, 5
IMAGES = PAGES * IMAGES_PER_PAGE
DELAY_S = 0.3
TOLD_S = 1.0
"""Workers tell their figures so often."""
_OPEN = re.compile(r"metrics are at http://127\.0\.0\.1:([0-9]+)/metrics")
Figures = dict[tuple[str, ...], float]


class Watched:
    """A command with ``--metrics``: what it serves is asked for as Prometheus does."""

    def __init__(self, started: Running) -> None:
        self.started = started
        assert started.process.stderr is not None
        said = ""
        while not (found := _OPEN.search(said)):
            line = started.process.stderr.readline()
            assert line, f"it has ended: {said}"
            said += line
        self.port = int(found[1])

    @property
    def pid(self) -> int:
        return self.started.process.pid

    def get(self, path: str, *, patience_s: float = 5.0) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=patience_s)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def figures(self) -> Figures:
        """By name without its prefix, and the values of the labels."""
        status, text = self.get("/metrics")
        assert status == 200
        return {
            (sample.name.removeprefix("image_crawler_"), *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def done(self) -> float:
        """Results of images, as its own workers tell."""
        return sum(
            value
            for key, value in self.figures().items()
            if key[:2] == ("results_total", "image") and key[2] != "retried"
        )

    def children(self, name: str) -> list[int]:
        return [pid for pid, said in in_session(self.pid).items() if said.split(maxsplit=1)[0] == name]

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)


class Place:
    """A site with 200 images, and a crawl of it: *queue* is where its workers find the queue."""

    def __init__(self, path: Path, server: SiteServer, digests: Mapping[str, str], stack: ExitStack) -> None:
        self.path, self.server, self.digests = path, server, digests
        self.queue = "crawl"
        self._stack = stack

    def start(self, *arguments: str | Path) -> Running:
        started = Running(arguments, folder=self.path)
        self._stack.callback(kill_all, started)
        return started

    def serve(self, *options: str) -> Watched:
        queue = ("--queue", self.queue) if self.queue != "crawl" else ()
        short = ("--lease-s", "8", "--heartbeat-s", "0.5")
        return Watched(
            self.start("serve", self.server.url, "-o", "crawl", "--metrics", "0", *short, *queue, *options)
        )

    def work(self, *options: str) -> Watched:
        return Watched(
            self.start("work", self.queue, "-o", "crawl", "--downloaders", "2", "--metrics", "0", *options)
        )

    def check_all_saved(self) -> None:
        assert saved_digests(self.path / "crawl", self.server.url) == self.digests
        assert len(records(self.path / "crawl")) == IMAGES


@pytest.fixture(name="place")
def a_place(tmp_path: Path) -> Iterator[Place]:
    digests = make_site(tmp_path / "site", pages=PAGES, images_per_page=IMAGES_PER_PAGE)
    with serving(tmp_path / "site") as server, ExitStack() as stack:
        yield Place(tmp_path, server, digests, stack)


@pytest.fixture(name="_engine", params=["manager", pytest.param("redis", marks=pytest.mark.servers)])
def an_engine(request: pytest.FixtureRequest, place: Place) -> None:
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        place.queue = f"{server.url}#{request.node.name.replace('[', '-').strip(']')}"


def of(figures: Figures, name: str) -> dict[tuple[str, ...], float]:
    return {key[1:]: value for key, value in figures.items() if key[0] == name}


def waits(condition: Callable[[], object]) -> None:
    """More than some scrapes a second would be hung up on."""
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.15)


@pytest.mark.sampled(2)
@pytest.mark.usefixtures("_engine")
def test_workers_go_to_none_and_come_back_and_nothing_is_lost(place: Place) -> None:
    """What a scaler does: it looks at what is due, ends the workers by SIGTERM, and starts others."""
    place.server.delay_s = 0.3
    served = place.serve()
    assert served.get("/healthz") == (200, "ok\n")
    waits(lambda: served.get("/readyz") == (200, "ok\n"))
    waits(
        lambda: served.figures()["tasks", "image", "ready"] + served.figures()["tasks", "image", "leased"] > 0
    )
    assert served.figures()["workers", "image"] == 0
    assert served.figures()["work", "image"] == served.figures()["tasks_due", "image"] > 0, (
        "the first worker's"
    )

    first = place.work()
    waits(lambda: first.done() >= 10)
    waits(lambda: served.figures()["workers", "image"] == 2)
    waits(lambda: 0 < served.figures()["work", "image"] <= 2 * 8)  # and not the many that they hold
    assert of(served.figures(), "state")["running",] == 1
    first.terminate()
    assert first.started.outcome().code == 143
    waits(lambda: served.figures()["workers", "image"] == 0)
    waits(lambda: served.figures()["tasks", "image", "leased"] == 0)
    alone = served.figures()
    assert alone["work", "image"] == alone["tasks_due", "image"] == 8, (
        "this wakes the scaler: what the host allows"
    )
    before = sum(of(alone, "records")["image", status] for status in ("saved", "duplicate"))
    assert 10 <= before < IMAGES
    asked_before = place.server.requests.total()
    assert (alone["leases_lost_total",], alone["ready",]) == (0, 1)

    place.server.delay_s = 0.0
    second = place.work()
    assert second.started.outcome().code == 0
    assert served.started.outcome().code == 0
    place.check_all_saved()
    assert place.server.requests.total() > asked_before
    repeated = {path: count for path, count in place.server.requests.items() if count > 1}
    assert repeated == {}, "what was in hand was finished, what was not had not been begun"


@pytest.mark.usefixtures("_engine")
def test_a_killed_worker_takes_no_total_with_it(place: Place) -> None:
    place.server.delay_s = DELAY_S
    served = place.serve()
    crew = place.work()
    waits(lambda: crew.done() >= 20)
    before = crew.figures()
    victim = crew.children("downloader")[0]
    os.kill(victim, signal.SIGKILL)
    waits(lambda: crew.figures()["process_deaths_total",] == 1)
    waits(lambda: crew.figures()["processes", "image"] == 2)
    after = crew.figures()
    for key, value in before.items():
        if key[0].endswith(("_total", "_bucket", "_count", "_sum")):
            assert after.get(key, 0.0) >= value, f"{key} fell"
    # nothing is begun any more: what workers told, and what the books say, is the same but for the last second of one
    assert image_crawler("pause", place.queue, folder=place.path).code == 0
    waits(lambda: served.figures()["tasks", "image", "leased"] == 0)
    time.sleep(2.5 * TOLD_S)
    books = sum(of(served.figures(), "records")["image", status] for status in ("saved", "duplicate"))
    told = crew.done()
    assert told <= books <= told + 8 * (TOLD_S / DELAY_S), (told, books)
    figures = crew.figures()
    assert figures["verify_seconds_count",] >= told
    assert figures["store_seconds_count",] >= told
    assert figures["fetch_seconds_count", "image"] >= told
    assert figures["fetch_seconds_sum", "image"] >= DELAY_S * told, "each took as long as the server"
    assert ("leases_lost_total",) in served.figures()
    assert image_crawler("resume", place.queue, folder=place.path).code == 0
    assert crew.started.outcome().code == 0
    assert served.started.outcome().code == 0
    place.check_all_saved()


def test_a_manager_that_hangs_makes_no_scrape_wait(place: Place) -> None:
    place.server.delay_s = 0.1
    served = place.serve()
    waits(lambda: ("tasks", "image", "ready") in served.figures())
    waits(lambda: served.figures()["figures_age_seconds",] < 5)
    [manager] = served.children("manager")
    os.kill(manager, signal.SIGSTOP)
    waits(lambda: served.figures()["figures_age_seconds",] > 5)
    for _ in range(3):
        began = time.monotonic()
        status, text = served.get("/metrics", patience_s=20.0)
        assert status == 200
        assert 'image_crawler_tasks{kind="image",state="ready"}' in text, "what is known is told"
        assert soon(time.monotonic() - began, 1.0)
    waits(lambda: served.get("/readyz") == (503, "the queue does not answer\n"))
    assert served.figures()["ready",] == 0
    os.kill(manager, signal.SIGCONT)
    waits(lambda: served.get("/readyz")[0] == 200)


def test_a_whole_crawl_on_one_machine_tells_of_all_its_parts(place: Place) -> None:
    place.server.delay_s = DELAY_S
    crawl = Watched(place.start("crawl", place.server.url, "-o", "crawl", "--metrics", "127.0.0.1:0"))
    waits(lambda: crawl.figures().get(("read_seconds_count",), 0) >= 2)
    waits(lambda: crawl.done() >= 10)
    figures = crawl.figures()
    assert figures["processes", "image"] >= 1
    assert figures["processes", "page"] == 1
    assert figures["results_total", "page", "harvested"] >= 2
    assert figures["received_bytes_total", "image"] >= figures["written_bytes_total",] > 0
    assert place.server.url.rstrip("/") not in crawl.get("/metrics")[1]
    assert crawl.started.outcome().code == 0
    place.check_all_saved()


def test_an_address_that_is_taken_ends_the_command_with_a_word(place: Place) -> None:
    served = place.serve()
    port = str(served.port)
    outcome = image_crawler("crawl", place.server.url, "-o", "other", "--metrics", port, folder=place.path)
    assert outcome.code == 2
    assert outcome.error.endswith(
        f"can't serve metrics at 127.0.0.1:{port}: Address already in use; choose another address with --metrics"
    )
    for wrong in ("nonsense", "0.0.0.0", "::1", "http://127.0.0.1:1/"):
        outcome = image_crawler("crawl", place.server.url, "-o", "x", "--metrics", wrong, folder=place.path)
        assert outcome.code == 2
        assert "a port, or HOST:PORT" in outcome.error
