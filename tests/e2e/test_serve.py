"""A crawl that workers join, over TLS on loopback: how they find it, are let in or not, leave, wait and end."""

from __future__ import annotations

import json
import random
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.catalog.elsewhere import elsewhere
from crawler.models import Stats, TaskKind
from crawler.queues import TaskQueue
from crawler.queues.rpc.manager import QueueManager
from tests.e2e.running import (
    Outcome,
    Running,
    image_crawler,
    records,
    running,
    saved_digests,
    wait_until_recorded,
)
from tests.support import certificates
from tests.support.cpu_time import soon
from tests.support.crawls import garden
from tests.support.queues import wait_until
from tests.support.sites import HELD_S, SiteServer, make_site, serving

pytestmark = pytest.mark.timeout(300)

PATIENCE_S = 60.0
QUIET_S = 1.5
SECOND = 1.0
HEARTBEAT = ("--heartbeat-s", "0.5")
_PORTS = range(20_000, 32_000)  # where systems put no outgoing connections


def free_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@pytest.fixture(name="keys", scope="module")
def some_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``keygen`` makes."""
    folder = tmp_path_factory.mktemp("keygen")
    outcome = image_crawler("keygen", "keys", folder=folder)
    assert outcome.code == 0, outcome.err
    return folder / "keys"


class Place:
    """A site, and an address at which a crawl of it lets workers in; every command runs in one folder."""

    def __init__(
        self, tmp_path: Path, keys: Path, server: SiteServer, digests: Mapping[str, str], stack: ExitStack
    ) -> None:
        self.path = tmp_path
        self.digests = digests
        self.crawl = tmp_path / "crawl"
        self.server = server
        self.keys = keys
        self._stack = stack
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"

    def serve(self, *options: str | Path) -> Running:
        return self.start(
            "serve", self.server.url, "-o", "crawl", "-q", "--bind", self.address, "--keys", self.keys / "manager",
            "--storage", "manager", *options,
        )  # fmt: skip

    def work(self, *options: str | Path) -> Running:
        """One process with four threads."""
        return self.start(
            "work", self.address, "--keys", self.keys / "worker", "--downloaders", "1", "--reconnect-s", "30",
            *options,
        )  # fmt: skip

    def start(self, *arguments: str | Path) -> Running:
        return self._stack.enter_context(running(*arguments, folder=self.path))

    def say(self, command: str, *options: str | Path) -> Outcome:
        """A command of who operates the crawl."""
        return image_crawler(
            command, self.address, "--keys", self.keys / "worker", *options, folder=self.path
        )

    @contextmanager
    def tasks(self) -> Iterator[TaskQueue]:
        """The queue, as a worker has it."""
        authkey = (self.keys / "worker" / "authkey").read_bytes().strip()
        tls = certificates.held_in(self.keys / "worker")
        manager = QueueManager(("127.0.0.1", self.port), authkey, tls=tls, reconnect_s=PATIENCE_S)
        manager.connect()
        try:
            yield manager.get_task_queue()
        finally:
            manager.disconnect()

    def stats(self) -> Stats:
        with self.tasks() as tasks:
            return tasks.stats()

    def wait_until(self, condition: Callable[[Stats], object]) -> None:
        with self.tasks() as tasks:
            wait_until(lambda: condition(tasks.stats()), PATIENCE_S)

    def leased(self) -> int:
        return self.stats().images.leased


def downloaders(stats: Stats) -> int:
    return sum(worker.kind is TaskKind.IMAGE for worker in stats.workers)


@pytest.fixture(name="place")
def a_place(tmp_path: Path, keys: Path) -> Iterator[Place]:
    digests = make_site(tmp_path / "site", pages=20, images_per_page=5)
    with serving(tmp_path / "site", delay_s=0.02) as server, ExitStack() as stack:
        yield Place(tmp_path, keys, server, digests, stack)


def check_all_saved(place: Place, *, repeats: int = 0) -> None:
    """Each image is there, none has lost its worker, and so many have been asked for a second time."""
    assert saved_digests(place.crawl, place.server.url) == place.digests
    assert {record.attempts for record in records(place.crawl).values()} == {1}
    asked = Counter(place.server.requests[path] for path in place.digests)
    assert asked == +Counter({1: len(place.digests) - repeats, 2: repeats})


def ended(started: Running, code: int = 0) -> Outcome:
    outcome = started.outcome()
    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err, outcome.err
    return outcome


# --- joining ---


@pytest.mark.measured
def test_two_workers_finish_a_crawl(place: Place) -> None:
    workers = [place.work(), place.work()]  # they wait for it
    place.server.delay_s = HELD_S  # else the first may have done all of it before the other has joined
    served = place.serve("--per-host", "16")
    place.wait_until(lambda stats: downloaders(stats) == 2)
    place.server.delay_s = 0.1
    assert "the books balance" in ended(served).out
    for worker in workers:
        said = ended(worker).err
        assert f"downloading for the crawl of {place.server.url}" in said
    check_all_saved(place)
    by_worker = {record.worker for record in records(place.crawl).values()}
    assert len(by_worker) == 2, "both have worked"
    assert not list(place.path.glob("data")), "nothing is kept where they run"


def test_a_worker_that_comes_too_early_waits(place: Place) -> None:
    worker = place.work("-v")
    assert worker.process.stderr is not None
    said = worker.process.stderr.readline()
    assert f"no answer from the manager at {place.address} so far" in said
    ended(place.serve())
    assert "downloading for the crawl" in ended(worker).err
    check_all_saved(place)


@pytest.mark.parametrize(
    ("foreign", "said"),
    [
        (("authkey",), "has another authkey"),
        (("cert.pem", "key.pem"), "it does not accept our certificate"),
        (("cert.pem", "key.pem", "ca.pem"), "its certificate is not one that we trust"),
    ],
)
def test_a_stranger_leaves_at_once(place: Place, tmp_path: Path, foreign: tuple[str, ...], said: str) -> None:
    place.serve()
    place.stats()  # it is there
    certificates.make(tmp_path / "other")
    shutil.copytree(place.keys / "worker", tmp_path / "mixed")
    for file in foreign:
        shutil.copy(tmp_path / "other" / "worker" / file, tmp_path / "mixed" / file)
    began = time.monotonic()
    outcome = image_crawler("work", place.address, "--keys", "mixed", folder=tmp_path)
    assert outcome.code == 1
    assert said in outcome.error
    assert len(outcome.err.splitlines()) == 1
    assert soon(time.monotonic() - began, 5 * SECOND)
    assert downloaders(place.stats()) == 0


def test_a_folder_of_another_crawl_is_refused(place: Place, tmp_path: Path) -> None:
    garden(tmp_path / "other")
    place.serve("--storage", "local")
    outcome = place.work("-o", "other").outcome()
    assert outcome.code == 2
    assert "other belongs to another crawl, of http://garden.example/" in outcome.error
    assert downloaders(place.stats()) == 0


def test_what_a_crawl_asks_of_a_workers_machine_is_said_and_no_more_than_is_allowed_is_done(
    place: Place, tmp_path: Path
) -> None:
    served = place.serve("--netrc", "--allow-addresses", "10.66.0.0/16", "--max-pixels", "900000000")
    place.wait_until(lambda stats: stats.images.ready)
    refused = place.work().outcome()
    assert refused.code == 2
    assert (
        f"the crawl at {place.address} asks this machine to connect to addresses that are not public:"
        in refused.error
    )
    assert "10.66.0.0/16; and to log in at sites with the passwords of its ~/.netrc" in refused.error
    assert "say --trust networks,netrc; nothing was fetched" in refused.error
    assert downloaders(place.stats()) == 0
    refused = place.start(
        "harvest", place.address, "--keys", place.keys / "worker", "--trust", "netrc"
    ).outcome()
    assert refused.code == 2
    assert "say --trust networks; nothing was fetched" in refused.error
    assert not [path for path in place.server.requests if path in place.digests], "an image was asked for"

    said = ended(place.work("--trust", "networks,netrc")).err
    assert said.splitlines()[:5] == [
        f"downloading for the crawl of {place.server.url} into its own folder, through its manager",
        "it asks this machine to",
        "    connect to addresses that are not public, of the manager's network: 127.0.0.0/8, ::1  (manager-network)",
        "    connect to addresses that are not public: 10.66.0.0/16  (networks)",
        "    log in at sites with the passwords of its ~/.netrc  (netrc)",
    ]
    assert "max_pixels = 900,000,000, 178,956,970 being usual" in said
    ended(served)
    check_all_saved(place)


# --- the address ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "0.0.0.0 can be reached by others, and so the crawl needs a key: --keys DIR"),
        (
            ("--authkey-file", "authkey"),
            "without TLS whoever is on the path to 0.0.0.0 can read and change everything",
        ),
    ],
)
def test_others_are_let_in_with_key_and_tls_only(
    tmp_path: Path, keys: Path, options: tuple[str, ...], said: str
) -> None:
    shutil.copy(keys / "worker" / "authkey", tmp_path)
    outcome = image_crawler(
        "serve", "http://127.0.0.1:9/", "-o", "crawl", "--bind", "0.0.0.0", *options, folder=tmp_path
    )
    assert outcome.code == 2
    assert said in outcome.error
    assert not (tmp_path / "crawl").exists()


def test_without_tls_if_somebody_says_so(place: Place, keys: Path) -> None:
    plain = ("--authkey-file", keys / "worker" / "authkey", "--insecure-plaintext")
    port = free_port()
    served = place.start(
        "serve", place.server.url, "-o", "crawl", "-q", "--bind", f"0.0.0.0:{port}", "--storage", "manager", *plain
    )  # fmt: skip
    worker = place.start("work", f"127.0.0.1:{port}", "--downloaders", "1", *plain)
    ended(served)
    ended(worker)
    check_all_saved(place)


def test_an_address_that_is_taken(place: Place) -> None:
    with socket.create_server(("127.0.0.1", place.port)):
        outcome = place.serve().outcome()
    assert outcome.code == 2
    assert f"can't listen at {place.address}: Address already in use" in outcome.error


# --- leaving ---


def test_a_worker_that_is_terminated_finishes_what_it_has_in_hand(place: Place) -> None:
    served = place.serve("--lease-s", "60")
    place.server.delay_s = 0.3
    worker = place.work()
    wait_until_recorded(served, place.crawl, 8)
    worker.interrupt(signal.SIGTERM)
    said = ended(worker, 143).err
    assert "terminated" in said
    assert place.leased() == 0, "what it had not begun was given back"
    place.server.delay_s = 0.0
    ended(place.work())
    ended(served)
    check_all_saved(place)


def test_one_that_is_terminated_twice_leaves_at_once_and_gives_back_what_it_had(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    server, threads = place.server, 4
    served = place.serve("--lease-s", "60")
    place.wait_until(lambda stats: stats.pages.done and not stats.pages.unsettled)
    server.delay_s = 0.1
    worker = place.work()
    wait_until_recorded(served, place.crawl, 1)
    server.delay_s = 20.0
    wait_until(
        lambda: server.in_flight == threads and time.monotonic() - server.arrivals_s[-1] > SECOND / 2,
        PATIENCE_S,
    )
    worker.interrupt(signal.SIGTERM)
    with pytest.raises(AssertionError, match="it did not come to pass"):
        wait_until(lambda: worker.process.poll() is not None, SECOND)
    began = time.monotonic()
    worker.interrupt(signal.SIGTERM)
    ended(worker, 143)
    left_s = time.monotonic() - began
    assert place.leased() == 0
    server.delay_s = 0.0
    began = time.monotonic()
    ended(place.work())
    ended(served)
    rest_s = time.monotonic() - began
    with capsys.disabled():
        print(f"\nit left within {1000 * left_s:.0f} ms, and the rest of the crawl took {rest_s:.1f} s")
    assert soon(left_s, 2 * SECOND)
    assert soon(rest_s, 15 * SECOND), "nobody waits for its leases to run out"
    check_all_saved(place, repeats=threads)


# --- the operator ---


def test_a_crawl_that_is_paused_leaves_the_site_alone(place: Place) -> None:
    server = place.server
    served = place.serve(*HEARTBEAT)
    server.delay_s = 0.2
    worker = place.work()
    wait_until_recorded(served, place.crawl, 5)
    server.delay_s = HELD_S
    outcome = place.say("pause")
    server.delay_s = 0.0
    assert (outcome.code, outcome.out) == (0, f"paused; to go on: image-crawler resume {place.address}\n")
    place.wait_until(lambda stats: stats.pages.leased == stats.images.leased == 0)
    before = server.requests.total()
    time.sleep(QUIET_S)
    assert server.requests.total() == before < 120

    status = json.loads(place.say("status", "--json").out)
    assert status["paused"] is True
    assert status["hosts"][0]["name"] == server.url.rstrip("/")
    assert status["hosts"][0]["images"] > 0
    assert sorted(who["kind"] for who in status["workers"]) == ["image", "page"]
    shown = place.say("status").out
    assert "paused" in shown
    assert server.url.rstrip("/") in shown

    server.delay_s = 0.0
    assert place.say("resume").out == "it goes on\n"
    ended(served)
    ended(worker)
    check_all_saved(place)


def test_a_crawl_that_is_stopped_goes_on_with_the_same_command(place: Place) -> None:
    served = place.serve(*HEARTBEAT)
    place.server.delay_s = 0.2
    workers = [place.work(), place.work()]
    place.wait_until(lambda stats: downloaders(stats) == len(workers))  # who comes later finds nobody there
    wait_until_recorded(served, place.crawl, 5)
    place.server.delay_s = HELD_S
    assert place.say("stop").code == 0
    place.server.delay_s = 0.0
    assert "Stopped by " in ended(served, 130).err
    for worker in workers:
        ended(worker)
    with Catalog(place.crawl) as catalog:
        states = dict(catalog.rows("SELECT state, count(*) FROM tasks GROUP BY state"))
    assert states["ready"] > 0
    assert "leased" not in states
    served, worker = place.serve(), place.work()
    ended(served)
    ended(worker)
    check_all_saved(place)


# --- images that stay with the workers ---


def test_what_workers_keep_in_folders_of_their_own_is_said_to_be_there(place: Place) -> None:
    """Both are on one machine, whose name tells nothing of where a file is."""
    workers = [place.work("-o", f"pics{n}") for n in range(2)]
    place.server.delay_s = HELD_S  # as above
    served = place.serve("--storage", "local", "--per-host", "16")
    place.wait_until(lambda stats: downloaders(stats) == 2)
    place.server.delay_s = 0.05
    said = ended(served).out
    for worker in workers:
        ended(worker)
    assert not list((place.path / "crawl").glob("images/**/*.png"))
    for n in range(2):
        assert f"in {place.path / f'pics{n}'}" in said
    assert "none here" in said
    with Catalog(place.path / "crawl") as catalog:
        kept = {Path(one.folder).name: one for one in elsewhere(catalog)}
        assert all(record.file is None for record in catalog)
    assert sum(one.files for one in kept.values()) == len(place.digests)
    for name, one in kept.items():
        assert one.files == len(list((place.path / name).glob("images/**/*.png"))) > 0
    checked = image_crawler("inspect", "crawl", "--verify", folder=place.path)
    assert (checked.code, len(checked.out.splitlines())) == (0, 3), checked.out

    (place.path / "pics0").rename(place.path / "moved")
    again = ended(place.serve("--storage", "local"))
    assert "missing" not in again.err, "they were never to be here"
    for name in ("moved", "pics1"):
        shutil.copytree(place.path / name / "images", place.path / "crawl" / "images", dirs_exist_ok=True)
    checked = image_crawler("inspect", "crawl", "--verify", folder=place.path)
    assert f"every saved file is what was saved ({len(place.digests)} intact" in checked.out
