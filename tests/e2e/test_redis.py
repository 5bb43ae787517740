"""A crawl whose queues lie in Redis, with real servers and workers: whatever dies or forgets, the crawl ends whole.

What is counted at the site tells what an accident costs: images that are asked for once more. Never does one go
missing, and never is one recorded twice.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from crawler.catalog import Catalog
from crawler.catalog.verify import FindingKind, verify
from crawler.models import ImageRecord
from crawler.queues.redis.codec import shard_of
from crawler.urls import host_key
from tests.e2e.running import (
    Outcome,
    Running,
    image_crawler,
    in_session,
    kill_all,
    recorded,
    wait_until_recorded,
)
from tests.support import certificates
from tests.support.cpu_time import soon
from tests.support.queues import wait_until
from tests.support.redisserver import HOST, MASTER_NAME, RedisServer, cluster, need_server, sentinel
from tests.support.sites import HELD_S, SiteServer, make_site, serving

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

PATIENCE_S = 60.0
LEASE_S = 4.0
OUTAGE_S = 2 * LEASE_S
FEW = ("--lease-s", str(LEASE_S), "--heartbeat-s", "1", "--retry-delay-s", "0.2", "--sitemaps")
DOWNLOADERS = 2
HELD = 80
"""Tasks that a worker process may have in hand or, with their results, on their way, and a few more."""
NAME = "shop"


class Place:
    """A site, and the crawl of it; every command runs in one folder, and finds the queue at ``queue``."""

    def __init__(self, path: Path, server: SiteServer, digests: Mapping[str, str], stack: ExitStack) -> None:
        self.path = path
        self.server = server
        self.hosts = [server]
        """Who has the images."""
        self.digests = digests
        self.crawl = path / "crawl"
        self.queue = ""
        self.access: tuple[str | Path, ...] = ()
        """What it takes to be let in there."""
        self.environment: Mapping[str, str] = {}
        self._stack = stack

    def start(self, *arguments: str | Path) -> Running:
        started = Running(arguments, folder=self.path, environment=self.environment)
        self._stack.callback(kill_all, started)
        return started

    def serve(self, *options: str | Path) -> Running:
        return self.start(
            "serve", self.server.url, "-o", "crawl", "-q", "--queue", self.queue, *self.access, *FEW, *options
        )

    def work(self, *options: str | Path, folder: str = "crawl") -> Running:
        return self.start(
            "work", self.queue, "-o", folder, "--downloaders", str(DOWNLOADERS), "--reconnect-s", "60",
            *self.access, *options,
        )  # fmt: skip

    def say(self, command: str, *options: str | Path) -> Outcome:
        """A command of who operates the crawl, at its queue."""
        return image_crawler(
            command, self.queue, *self.access, *options, folder=self.path, **self.environment
        )

    def status(self) -> dict[str, object]:
        outcome = self.say("status", "--json")
        assert outcome.code == 0, outcome.err
        status: dict[str, object] = json.loads(outcome.out)
        return status

    def asked(self) -> int:
        """Requests, for pages and images, at all hosts."""
        return sum(host.requests.total() for host in self.hosts)

    def repeats(self, *, at_most: int = 2) -> int:
        """Images that have been fetched once more; fails if one was asked for more than *at_most* times."""
        asked = sum((host.requests for host in self.hosts), Counter[str]())
        assert not [path for path in self.digests if not asked[path]]
        assert max(asked[path] for path in self.digests) <= at_most
        return sum(asked[path] - 1 for path in self.digests)

    def slow_down(self, delay_s: float) -> None:
        for host in self.hosts:
            host.delay_s = delay_s


@pytest.fixture(name="place")
def a_place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """With 200 images on 40 pages, unless the test wants another number of pages."""
    digests = make_site(tmp_path / "site", pages=getattr(request, "param", 40), images_per_page=5)
    with serving(tmp_path / "site", delay_s=0.05) as server, ExitStack() as stack:
        yield Place(tmp_path, server, digests, stack)


@pytest.fixture(name="store")
def a_server(place: Place) -> Iterator[RedisServer]:
    """A Redis with an append-only file, where the crawl has its queue."""
    with RedisServer(place.path / "redis", need_server("redis")) as server:
        place.queue = f"{server.url}#{NAME}"
        yield server


@pytest.fixture(name="tell")
def to_tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints figures that are worth to be seen when all is well."""

    def tell(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", end=" ")

    return tell


def ended(started: Running, code: int = 0) -> Outcome:
    outcome = started.outcome()
    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err, outcome.err
    return outcome


def images_of(folder: Path) -> list[ImageRecord]:
    with Catalog(folder) as catalog:
        return list(catalog.images())


def check_complete(
    place: Place, served: Running, workers: Sequence[Running], *, folders: Sequence[str] = ("crawl",)
) -> Outcome:
    """All processes end well, and every image is there: one file, one record, and the books balance."""
    outcome = ended(served)
    assert "the books balance" in outcome.out
    for worker in workers:
        ended(worker)
    check_saved(place, folders=folders)
    return outcome


def check_saved(place: Place, *, folders: Sequence[str] = ("crawl",)) -> None:
    found = images_of(place.crawl)
    assert len({record.url for record in found}) == len(found), "an image is recorded twice"
    assert {urlsplit(record.url).path: record.sha256 for record in found} == place.digests
    assert {str(record.status) for record in found} <= {"saved", "duplicate"}
    files = [
        file for folder in folders for file in (place.path / folder / "images").rglob("*") if file.is_file()
    ]
    assert Counter(hashlib.sha256(file.read_bytes()).hexdigest() for file in files) == Counter(
        place.digests.values()
    ), "each image is in one file"
    with Catalog(place.crawl) as catalog:
        states = dict(catalog.rows("SELECT state, count(*) FROM tasks GROUP BY state"))
        if folders == ("crawl",):
            assert {finding.finding for finding in verify(catalog)} == {FindingKind.INTACT}
    assert set(states) == {"done"}, states


def attempts(place: Place) -> set[int]:
    return {record.attempts for record in images_of(place.crawl)}


def check_gone(store: RedisServer) -> None:
    """A crawl that has ended leaves nothing in Redis but the word that it has."""
    with store.client() as client:
        assert [key for key in client.scan_iter() if not str(key).endswith(":m")] == []


# --- whatever is killed ---


@pytest.mark.parametrize("place", [100], indirect=True)
@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 8))])
def test_all_that_there_is_may_be_killed_at_any_moment(
    place: Place, store: RedisServer, seed: int, tell: Callable[[str], None]
) -> None:
    rng = random.Random(seed)
    place.slow_down(0.1)
    served, workers = place.serve("--max-attempts", "20"), [place.work(), place.work()]
    dealt: list[str] = []
    began = time.monotonic()
    for blow in rng.sample(["redis", "worker", "machine", "serve"] * 2, 8):
        wait_until_asked(place, served, place.asked() + rng.randrange(5, 50))
        if place.asked() > 450:
            break  # nobody is to find that the crawl has ended
        dealt.append(blow)
        if blow == "redis":
            store.kill()
            store.start()
        elif blow == "serve":
            kill(served)
            served = place.serve("--max-attempts", "20")
        elif blow == "machine":
            which = rng.randrange(len(workers))
            kill(workers[which])
            workers[which] = place.work()
        else:
            worker = rng.choice(workers)
            pids = sorted(in_session(worker.process.pid).keys() - {worker.process.pid})
            if pids:  # it may have been killed a moment ago
                os.kill(rng.choice(pids), signal.SIGKILL)
    place.slow_down(0.01)
    check_complete(place, served, workers)
    took_s, repeats = time.monotonic() - began, place.repeats(at_most=9)
    tell(f"{len(dealt)} kills ({', '.join(dealt)}), {took_s:.1f} s, {repeats} of 500 images fetched again")
    assert len(dealt) >= 4
    assert repeats <= HELD * len(dealt)
    check_gone(store)


def wait_until_asked(place: Place, served: Running, count: int) -> None:
    """Until the site has seen so many requests; fails if the crawl has ended before."""

    def asked() -> bool:
        assert served.process.poll() is None, served.process.communicate()
        return place.asked() >= count

    wait_until(asked, PATIENCE_S)


def kill(started: Running) -> None:
    """The whole machine, so to say."""
    os.killpg(started.process.pid, signal.SIGKILL)
    started.process.wait()


# --- away for a while ---


@pytest.mark.parametrize(
    ("how", "outage_s"),
    [
        ("paused", OUTAGE_S),
        pytest.param("dead", OUTAGE_S, marks=pytest.mark.soak),  # the blows above are as deadly, if shorter
        pytest.param("paused", 75.0, marks=pytest.mark.soak),
        pytest.param("dead", 75.0, marks=pytest.mark.soak),
    ],
)
def test_a_redis_that_is_gone_for_longer_than_a_lease_costs_nothing(
    place: Place, store: RedisServer, how: str, outage_s: float, tell: Callable[[str], None]
) -> None:
    served, workers = place.serve(), [place.work("--reconnect-s", "300"), place.work("--reconnect-s", "300")]
    wait_until_recorded(served, place.crawl, 30)
    if how == "paused":
        store.pause()
    else:
        store.kill()
    time.sleep(outage_s)  # which is what this is about
    before = recorded(place.crawl)
    if how == "paused":
        store.resume()
    else:
        store.start()
    back = time.monotonic()
    check_complete(place, served, workers)
    tell(f"{how} for {outage_s:.0f} s: {before} images before, the others in {time.monotonic() - back:.1f} s")
    assert before < len(place.digests)
    assert attempts(place) == {1}, "no lease has run out"
    assert place.repeats() == 0


# --- what a Redis forgets ---


def test_a_lost_second_is_done_once_more(
    place: Place, store: RedisServer, tell: Callable[[str], None]
) -> None:
    served, workers = place.serve(), [place.work(), place.work()]
    wait_until_recorded(served, place.crawl, 40)
    save_disk(store)
    then = recorded(place.crawl)
    wait_until_recorded(served, place.crawl, 90)
    set_back(store)
    lost = recorded(place.crawl) - then
    check_complete(place, served, workers)
    repeats = place.repeats()
    tell(f"{lost} settled images forgotten, {repeats} of 200 fetched again")
    assert lost > 0
    assert repeats > 0


@pytest.mark.parametrize("lost", ["its latest", pytest.param("everything", marks=pytest.mark.soak)])
def test_a_server_of_several_may_lose_what_another_had_told_it(
    place: Place, tmp_path: Path, lost: str, tell: Callable[[str], None]
) -> None:
    """Pages of one host are read, and settled at one server; what they led to is forgotten by the other ones.

    With *everything* nothing at all is left to do, until the collector has seen what has happened: no worker may
    leave before it has.
    """
    shards = 4
    with ExitStack() as stack:
        nodes = stack.enter_context(cluster(tmp_path / "cluster", need_server("redis")))

        def port_for(url: str) -> int:
            """Of the node that has the part of the queue with that host."""
            shard = shard_of(host_key(url), shards)
            with nodes.client() as client:
                return int(client.get_node_from_key(f"image-crawler:{NAME}:{{{NAME}.{shard}}}:m").port)

        pages_at = port_for(place.server.url)
        # hosts of one address are of one domain, and lie together
        others = (
            stack.enter_context(serving(tmp_path / "site", host=f"127.0.0.{number}"))
            for number in range(2, 99)
        )
        place.hosts += itertools.islice((one for one in others if port_for(one.url) != pages_at), 2)
        spread_images(tmp_path / "site", [host.url for host in place.hosts[1:]])
        place.slow_down(0.3)
        place.queue = f"{nodes.url_of_all}#{NAME}"
        served = place.serve("--queue-shards", str(shards), "--allow-addresses", "127.0.0.0/8")
        workers = [place.work(), place.work()]
        if lost == "everything":
            wait_until(lambda: place.server.in_flight, PATIENCE_S)  # all is founded
        else:
            wait_until_recorded(served, place.crawl, 10)
        for node in nodes.nodes:
            save_disk(node)
        wait_until(lambda: harvested(place.crawl) == 40, PATIENCE_S)
        known = recorded(place.crawl)
        for node in nodes.nodes:
            if node.port != pages_at:
                node.kill()
        for node in nodes.nodes:
            if node.port != pages_at:
                set_back(node)
        check_complete(place, served, workers)
        pages = sum(place.server.requests[path] - 1 for path in place.server.requests if "html" in path)
        tell(f"{known} of 200 were known; {place.repeats()} images and {pages} pages fetched again")
        assert known < len(place.digests), "some were forgotten before they were fetched"
        assert pages > 0, "the pages that led to them are read again"


def harvested(folder: Path) -> int:
    """Pages whose records have been collected."""
    with Catalog(folder) as catalog:
        return int(catalog.value("SELECT count(*) FROM pages WHERE status = 'harvested'"))


def spread_images(site: Path, hosts: Sequence[str]) -> None:
    """Each page's images are on one of *hosts* by turns."""
    for number, page in enumerate(sorted(site.glob("*.html"))):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace('src="/', f'src="{hosts[number % len(hosts)]}'), encoding="utf-8")


def save_disk(store: RedisServer) -> None:
    """Remember what is on its disk now; a last line that is not whole is cut off by the server."""
    copy = store.folder / "saved"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in ("appendonlydir", "appendonly.aof"):  # from Redis 7 on, and before
        file = store.folder / name
        if file.is_dir():
            shutil.copytree(file, copy / name)
        elif file.exists():
            shutil.copy(file, copy / name)


def set_back(store: RedisServer) -> None:
    """Kill it and have it start with what ``save_disk`` has seen: as if all since then had never got to the disk."""
    store.kill()
    for file in (store.folder / "saved").iterdir():
        there = store.folder / file.name
        if there.is_dir():
            shutil.rmtree(there)
            shutil.copytree(file, there)
        else:
            shutil.copy(file, there)
    store.start()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("how", ["flushed", "without AOF"])
def test_a_redis_that_has_forgotten_all_is_given_it_again(
    place: Place, how: str, tell: Callable[[str], None]
) -> None:
    with RedisServer(place.path / "redis", need_server("redis"), aof=how == "flushed") as store:
        place.queue = f"{store.url}#{NAME}"
        served, workers = place.serve(), [place.work(), place.work()]
        wait_until_recorded(served, place.crawl, 60)
        known = {urlsplit(record.url).path for record in images_of(place.crawl)}
        before = Counter(place.server.requests)
        if how == "flushed":
            with store.client() as client:
                client.flushall()
        else:
            store.kill()
            store.start()
        said = check_complete(place, served, workers).err
        assert ("keeps no append-only file" in said) is (how == "without AOF")
        again = {path for path in known if place.server.requests[path] > before[path]}
        pages = sum(number > 1 for path, number in place.server.requests.items() if "html" in path)
        tell(f"{how}: {len(known)} were known, {place.repeats()} images and {pages} pages fetched again")
        assert not again, "what was in crawl.db is not fetched again"
        assert pages > 0
        assert place.repeats() <= 2 * DOWNLOADERS * HELD
        check_gone(store)


def test_forgotten_scripts_are_sent_again(place: Place, store: RedisServer) -> None:
    served, workers = place.serve(), [place.work()]
    for count in (20, 60, 100):
        wait_until_recorded(served, place.crawl, count)
        with store.client() as client:
            client.script_flush()
    check_complete(place, served, workers)
    assert place.repeats() == 0


# --- several servers ---


def test_the_crawl_follows_a_sentinel_to_the_replica(place: Place, tell: Callable[[str], None]) -> None:
    binary = need_server("redis")
    with (
        RedisServer(place.path / "first", binary) as first,
        RedisServer(place.path / "second", binary, replica_of=first.port) as second,
        sentinel(place.path / "sentinel", binary, first, second) as watcher,
    ):
        place.queue = f"{watcher.url}#{NAME}"
        assert f"/{MASTER_NAME}/" in place.queue
        served, workers = place.serve(), [place.work(), place.work()]
        wait_until_recorded(served, place.crawl, 40)
        first.kill()
        watcher.wait_for_master(second.port)
        then = time.monotonic()
        check_complete(place, served, workers)
        tell(f"{place.repeats()} of 200 images fetched again, {time.monotonic() - then:.1f} s after it")
        assert place.repeats() <= 2 * DOWNLOADERS * HELD
        check_gone(second)


@pytest.mark.soak
def test_nodes_of_a_cluster_may_be_killed(place: Place, tmp_path: Path, tell: Callable[[str], None]) -> None:
    with (
        serving(tmp_path / "site", delay_s=0.05, host="127.0.0.2") as other,
        cluster(tmp_path / "cluster", need_server("redis")) as nodes,
    ):
        place.hosts = [place.server, other]
        spread_images(tmp_path / "site", [host.url for host in place.hosts])
        place.queue = f"{nodes.url_of_all}#{NAME}"
        served = place.serve("--queue-shards", "4", "--allow-addresses", "127.0.0.0/8")
        workers = [place.work(), place.work(folder="other")]
        wait_until_recorded(served, place.crawl, 10)
        for number, node in enumerate(nodes.nodes):
            wait_until_recorded(served, place.crawl, 30 * (number + 1))
            node.kill()
            node.start()
        check_complete(place, served, workers, folders=("crawl", "other"))
        tell(f"three nodes killed: {place.repeats()} of 200 images fetched again")


# --- being let in, and what is demanded of a server ---


def test_tls_with_a_user_and_a_password_of_the_environment(place: Place, tmp_path: Path) -> None:
    tls = certificates.make(tmp_path / "keys", names=(HOST,))
    with RedisServer(
        tmp_path / "redis", need_server("redis", tls=True), tls=tls, user="crawler", password="let/me-in"
    ) as store:
        place.queue = f"rediss://crawler@{store.address}/0#{NAME}"
        place.access = ("--keys", tmp_path / "keys" / "worker")
        place.environment = {"IMAGE_CRAWLER_QUEUE_PASSWORD": "wrong"}
        for refused in (place.serve(), place.work()):
            began = time.monotonic()
            outcome = refused.outcome()
            assert outcome.code in {1, 2}
            assert "does not let us in" in outcome.error
            assert len(outcome.err.splitlines()) == 1, outcome.err
            assert soon(time.monotonic() - began, 5)
        place.environment = {"IMAGE_CRAWLER_QUEUE_PASSWORD": "let/me-in"}
        said = check_complete(place, place.serve(), [place.work()])
        assert "me-in" not in said.out + said.err
        assert "me-in" not in (place.crawl / "crawl.toml").read_text(encoding="utf-8")


def test_a_server_that_would_throw_things_away_is_refused(place: Place) -> None:
    with RedisServer(
        place.path / "redis", need_server("redis"), config=["maxmemory-policy allkeys-lru"]
    ) as store:
        place.queue = f"{store.url}#{NAME}"
        outcome = place.serve().outcome()
        assert outcome.code == 2
        assert "maxmemory-policy allkeys-lru" in outcome.error
        assert "noeviction" in outcome.error
        with store.client() as client:
            assert client.dbsize() == 0
    assert place.server.requests.total() == 0


def test_a_server_without_memory_is_waited_for(place: Place, store: RedisServer) -> None:
    served, workers = place.serve("--lease-batch", "4"), [place.work(), place.work()]
    wait_until_recorded(served, place.crawl, 40)
    with store.client() as client:
        client.config_set("maxmemory", "1mb")
        wait_until(lambda: refusals(client) > 20, PATIENCE_S)
        still = place.asked()
        wait_until(lambda: refusals(client) > 40, PATIENCE_S)
        assert place.asked() - still <= len(workers) * HELD, "they wait"
        assert recorded(place.crawl) < len(place.digests)
        client.config_set("maxmemory", "0")
    check_complete(place, served, workers)
    assert attempts(place) == {1}
    assert place.repeats() == 0


def refusals(client: redis.Redis) -> int:
    """Calls that it had no memory for."""
    found = client.info("errorstats")
    return int(found.get("errorstat_OOM", {}).get("count", 0))  # type: ignore[union-attr]


# --- the operator ---


def test_a_crawl_is_paused_looked_at_and_stopped(place: Place, store: RedisServer) -> None:
    place.slow_down(0.4)
    served, workers = place.serve("--lease-batch", "8"), [place.work()]
    wait_until_recorded(served, place.crawl, 20)
    place.slow_down(HELD_S)
    outcome = place.say("pause")
    place.slow_down(0.4)
    assert (outcome.code, outcome.out) == (0, f"paused; to go on: image-crawler resume {place.queue}\n")

    def nothing_leased() -> bool:
        now = place.status()
        return now["pages"]["leased"] == now["images"]["leased"] == 0  # type: ignore[index]

    wait_until(nothing_leased, PATIENCE_S)
    before = place.asked()
    status = place.status()
    assert status["paused"] is True
    assert {who["kind"] for who in status["workers"]} == {"image", "page"}  # type: ignore[attr-defined]
    shown = place.say("status").out
    assert "paused" in shown
    assert place.server.url.rstrip("/") in shown
    assert place.asked() == before < 200
    # by the folder as well, where the crawl has left its address
    assert image_crawler("resume", "crawl", folder=place.path).out == "it goes on\n"

    wait_until(lambda: place.asked() > before + 10, PATIENCE_S)
    place.slow_down(HELD_S)
    assert place.say("stop").code == 0
    place.slow_down(0.01)
    assert "Stopped by " in ended(served, 130).err
    for worker in workers:
        ended(worker)
    with Catalog(place.crawl) as catalog:
        states = dict(catalog.rows("SELECT state, count(*) FROM tasks GROUP BY state"))
    assert states["done"] > 20
    assert len(images_of(place.crawl)) < len(place.digests)
    check_complete(place, place.serve(), [place.work()])  # who comes too early waits for it to go on
    assert place.repeats() == 0
    check_gone(store)


@pytest.mark.parametrize("place", [5], indirect=True)
def test_a_crawl_that_has_ended_is_explained_retried_refreshed_and_begun_anew(
    place: Place, store: RedisServer
) -> None:
    server = place.server
    bad = "/images/p1/i1.png"
    server.overloaded = {bad: 10**6}
    server.etags = True
    options = ("--tries", "1", "--max-attempts", "2")
    served, worker = place.serve(*options), place.work()
    assert "1 failed" in ended(served).out
    ended(worker)

    def told(command: str, *more: str) -> str:
        outcome = image_crawler(command, "crawl", *more, folder=place.path)
        assert outcome.code == 0, outcome.err
        return outcome.out

    assert bad in told("inspect", "--failures")
    assert "503" in told("explain", server.url.rstrip("/") + bad)
    assert json.loads(told("status", "--json"))["image_status"] == {"saved": 24, "failed": 1}

    server.overloaded = {}
    assert f"--queue {place.queue}" in told("retry")
    check_complete(place, place.serve(*options), [place.work()])
    asked = Counter(server.requests)
    assert {asked[path] for path in place.digests if path != bad} == {1}

    server.statuses.clear()
    check_complete(place, place.serve("--refresh"), [place.work()])
    assert {server.statuses[path, 304] for path in place.digests} == {1}
    assert not [path for path in place.digests if server.statuses[path, 200]], "nothing is fetched again"

    server.statuses.clear()
    check_complete(place, place.serve("--fresh"), [place.work()])
    assert {server.statuses[path, 200] for path in place.digests} == {1}
    check_gone(store)

    before = server.requests.total()
    outcome = ended(place.serve())
    assert "the books balance" in outcome.out
    assert server.requests.total() == before, "there is nothing left to do"


@pytest.mark.parametrize("place", [10], indirect=True)
def test_two_crawls_in_one_redis_are_told_apart(place: Place, store: RedisServer, tmp_path: Path) -> None:
    digests = make_site(tmp_path / "second", pages=10, images_per_page=5, seed=2)
    with serving(tmp_path / "second", delay_s=0.02) as server:
        served = place.serve()
        other = place.start("serve", server.url, "-o", "garden", "-q", "--queue", f"{store.url}#garden", *FEW)
        with store.client() as client:
            wait_until(lambda: client.hlen("image-crawler:crawls") == 2, PATIENCE_S)
        outcome = image_crawler("work", store.url, "-o", "unsure", folder=tmp_path)
        assert outcome.code == 2
        assert f"there are several crawls at {store.url}: garden, {NAME}" in outcome.error
        assert f"{store.url}#garden" in outcome.error
        workers = [
            place.work(),
            place.start("work", f"{store.url}#garden", "-o", "garden", "--downloaders", "1"),
        ]
        check_complete(place, served, workers)
        assert "the books balance" in ended(other).out
        found = {urlsplit(record.url).path: record.sha256 for record in images_of(tmp_path / "garden")}
        assert found == digests
    check_gone(store)
