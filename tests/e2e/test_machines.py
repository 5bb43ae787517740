"""A crawl over several machines, each a network namespace: cables are pulled, packets lost, processes killed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crawler.catalog import Catalog
from crawler.catalog.summary import summarise
from tests.e2e.netns import Machine, NoNamespaces, machines, require_machines
from tests.e2e.running import Outcome, Running, in_session, recorded, records, wait_until_recorded
from tests.support import certificates
from tests.support.queues import wait_until
from tests.support.sites import make_site

pytestmark = pytest.mark.timeout(300)

PORT = 9733
PATIENCE_S = 120.0
LOST = 6
"""Workers that are lost with all that they hold: one machine is cut off, a process and a whole machine are killed, and
a harvester with its manager."""
MOST_ATTEMPTS = 4
HELD = 32
"""Tasks that each of them may hold: eight for each of four threads."""
WORKERS = ("worker-1", "worker-2", "worker-3")
DOWNLOADERS = 2
"""Processes on each of them."""
LEASE_S = 4.0
SETTINGS = (
    "--lease-s", str(LEASE_S), "--heartbeat-s", "1", "--retry-delay-s", "1", "--per-host", "8",
    "--images-from", "scope",
)  # fmt: skip
MANUAL = Path("/usr/share/gimp/2.0/help")
"""685 pages with 1,965 images, of Debian's package gimp-help-en."""
_PROJECT = Path(__file__).parents[2]
_REFERENCE = re.compile(r'(?:(?:src|href)=|url\()"?([^"()#?:]+\.(?:png|jpe?g|gif|svg|ico))"?', re.IGNORECASE)


@pytest.fixture(autouse=True)
def _machines_can_be_had() -> None:
    try:
        require_machines()
    except NoNamespaces as exc:
        pytest.skip(f"NOT TESTED: crawls over several machines, for {exc}")


@dataclass(frozen=True, kw_only=True)
class Site:
    folder: Path
    start: str
    digests: frozenset[str]
    """SHA-256 of each image that its pages show."""


def manual(tmp_path: Path) -> Site:
    """GIMP's, or a site of that size if it is not installed."""
    if not (MANUAL / "en" / "index.html").exists():
        made = make_site(tmp_path / "site", pages=300, images_per_page=6)
        return Site(folder=tmp_path / "site", start="", digests=frozenset(made.values()))
    files = {
        (file.parent / reference).resolve()
        for file in (*MANUAL.rglob("*.html"), *MANUAL.rglob("*.css"))
        for reference in _REFERENCE.findall(file.read_text(encoding="utf-8"))
    }
    there = {file for file in files if file.exists()}
    digests = frozenset(hashlib.sha256(file.read_bytes()).hexdigest() for file in there)
    return Site(folder=MANUAL, start="en/", digests=digests)


@contextmanager
def served_by(machine: Machine, site: Site, *, delay_s: float) -> Iterator[tuple[str, Running]]:
    """The URL to begin with, and the server."""
    with machine.python(
        "-m", "tests.support.sites", site.folder, machine.address, "80", str(delay_s), folder=_PROJECT
    ) as server:
        assert server.process.stdout is not None
        yield server.process.stdout.readline().strip() + site.start, server


def requests_seen_by(server: Running) -> Counter[str]:
    server.interrupt(signal.SIGTERM)
    outcome = server.outcome()
    assert outcome.code == 0, outcome.err
    return Counter(json.loads(outcome.out))


class Fleet:
    """Starts commands on machines, each in a folder of its machine's own."""

    def __init__(self, tmp_path: Path, stack: ExitStack, manager: Machine) -> None:
        self._folder = tmp_path
        self._stack = stack
        self._manager = manager
        self.crawl = self.folder(manager) / "crawl"
        certificates.make(tmp_path / "keys")

    def serve(self, url: str, *options: str) -> Running:
        address = f"{self._manager.address}:{PORT}"
        return self._start(
            self._manager, "serve", url, "--bind", address, "--keys", self._folder / "keys" / "manager",
            "-o", "crawl", "-q", *SETTINGS, *options,
        )  # fmt: skip

    def work(self, machine: Machine, *options: str) -> Running:
        return self._start(
            machine, "work", self._manager.address, "--keys", self._folder / "keys" / "worker",
            "--reconnect-s", "60", "--downloaders", str(DOWNLOADERS), *options,
        )  # fmt: skip

    def folder(self, machine: Machine) -> Path:
        return self._folder / machine.name

    def _start(self, machine: Machine, *arguments: str | Path) -> Running:
        folder = self.folder(machine)
        folder.mkdir(exist_ok=True)
        return self._stack.enter_context(machine.python("-m", "crawler", *arguments, folder=folder))

    def saved_by(self, machine: Machine) -> int:
        """Images that have come from it so far."""
        return self._value("count(*)", machine)

    def downloaders_of(self, machine: Machine) -> int:
        """Those of its processes from which images have come so far."""
        return self._value("count(DISTINCT worker)", machine)

    def _value(self, what: str, machine: Machine) -> int:
        if not recorded(self.crawl):
            return 0
        with Catalog(self.crawl) as catalog:
            saved = f"SELECT {what} FROM images WHERE status = 'saved' AND worker LIKE ?"
            return int(catalog.value(saved, (f"{machine.name}:%",)))


class Ear:
    """Hears what a process says on stderr while it runs."""

    def __init__(self, of: Running) -> None:
        assert of.process.stderr is not None
        self._of = of
        self._fd = of.process.stderr.fileno()
        self._heard = b""
        os.set_blocking(self._fd, False)

    def said(self) -> str:
        """All of it, so far."""
        with suppress(BlockingIOError):
            while part := os.read(self._fd, 1 << 16):
                self._heard += part
        return self._heard.decode(errors="replace")

    def wait_for(self, condition: Callable[[str], object]) -> None:
        """Until what it has said meets *condition*."""
        end = time.monotonic() + PATIENCE_S
        while not condition(self.said()):
            assert self._of.process.poll() is None, f"it has ended by itself: {self.said()}"
            assert time.monotonic() < end, f"it has not said so in time; it said: {self.said()}"
            time.sleep(0.02)


def lost_workers(said: str, machine: Machine) -> list[str]:
    """Those that the manager gave up while they had tasks, as often as it did."""
    return re.findall(
        rf"worker-lost: \w+ ({machine.name}:\S+) has not been seen for \d+ s; [1-9]\d* tasks requeued", said
    )


ROLES = {"manager", "harvester", "downloader"}


def children(of: Running) -> list[int]:
    """Process ids of those that do its work, in the order of their start."""
    found = (pid for pid, command in in_session(of.process.pid).items() if command.partition(" ")[0] in ROLES)
    return sorted(found, key=begun_at)  # numbers begin anew at 32,768


def begun_at(pid: int) -> int:
    """In ticks since the system's start, see proc(5)."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])


def kill_all(of: Running, ear: Ear) -> str:
    """Its whole group, by -9; returns what it had said until then."""
    of.interrupt(signal.SIGKILL)
    of.process.wait(PATIENCE_S)
    return ear.said()


def check_ended_well(outcome: Outcome) -> None:
    assert outcome.code == 0, outcome.err
    assert "Traceback" not in outcome.err, outcome.err


@dataclass(frozen=True, kw_only=True)
class Story:
    """What was seen of a crawl from outside."""

    took_s: float
    at_half_time: int
    """Images recorded when everything was killed."""
    said_by_first: str
    said_by_unlucky: str
    lost_by_the_cut: Sequence[str]
    """The workers of the machine that was cut off, as often as they were given up until it was back."""
    lost_by_first: Sequence[str]
    """The same, until everything was killed."""
    before_the_cut: int
    """Images from the machine that was cut off then."""
    saved: dict[str, int]
    """Images from each machine in the end."""
    requests: Counter[str]
    lost_packets: int

    @property
    def repeats(self) -> int:
        return self.requests.total() - len(self.requests)


def crawl_under_fire(site: Site, tmp_path: Path, stack: ExitStack) -> tuple[Path, Story]:
    of = stack.enter_context(machines("manager", "site", *WORKERS))
    # slow enough that it can't be over before everything has happened, however long the processes take to start
    url, server = stack.enter_context(served_by(of["site"], site, delay_s=0.25))
    fleet = Fleet(tmp_path, stack, of["manager"])

    def wait_for_more(count: int) -> None:
        wait_until_recorded(first, fleet.crawl, recorded(fleet.crawl) + count)

    of["worker-3"].lose(10)
    began = time.monotonic()
    first = fleet.serve(url, "--storage", "manager")
    cut_off, unlucky, lossy = (fleet.work(of[name]) for name in WORKERS)
    by_first, by_unlucky = Ear(first), Ear(unlucky)
    wait_until(lambda: all(fleet.saved_by(of[name]) for name in WORKERS), PATIENCE_S)
    # a process that is still on its way has nothing that could be lost with it
    wait_until(lambda: fleet.downloaders_of(of["worker-1"]) == DOWNLOADERS, PATIENCE_S)

    of["worker-1"].cut()
    # a lease runs longer than its term where its worker was waiting for tasks (5 s) when the plug was pulled
    cut_until = time.monotonic() + LEASE_S + 6
    wait_for_more(30)
    os.kill(children(unlucky)[0], signal.SIGKILL)
    by_unlucky.wait_for(lambda said: "a downloader has died (signal 9); starting another" in said)
    by_first.wait_for(lambda said: lost_workers(said, of["worker-1"]))
    time.sleep(max(0.0, cut_until - time.monotonic()))
    lost_by_the_cut = lost_workers(by_first.said(), of["worker-1"])
    before_the_cut = fleet.saved_by(of["worker-1"])
    of["worker-1"].join()

    wait_for_more(50)
    os.kill(children(first)[0], signal.SIGKILL)  # the manager, which is started before the harvester
    wait_for_more(50)
    said_by_unlucky = kill_all(unlucky, by_unlucky)
    saved_by_unlucky = fleet.saved_by(of["worker-2"])
    lucky = fleet.work(of["worker-2"])
    wait_until(lambda: fleet.saved_by(of["worker-2"]) > saved_by_unlucky, PATIENCE_S)
    wait_for_more(50)
    said_by_first = kill_all(first, by_first)
    at_half_time = recorded(fleet.crawl)
    second = fleet.serve(url, "--storage", "manager")
    server.interrupt(signal.SIGUSR1)  # the rest as fast as it goes

    outcome = second.outcome()
    took_s = time.monotonic() - began
    for ended in (outcome, *(worker.outcome() for worker in (cut_off, lucky, lossy))):
        check_ended_well(ended)
    return fleet.crawl, Story(
        took_s=took_s,
        at_half_time=at_half_time,
        said_by_first=said_by_first,
        said_by_unlucky=said_by_unlucky,
        lost_by_the_cut=lost_by_the_cut,
        lost_by_first=lost_workers(said_by_first, of["worker-1"]),
        before_the_cut=before_the_cut,
        saved={name: fleet.saved_by(of[name]) for name in WORKERS},
        requests=requests_seen_by(server),
        lost_packets=of["worker-3"].lost(),
    )


def test_cut_cables_lost_packets_and_kill_9(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = manual(tmp_path)
    with ExitStack() as stack:
        crawl, story = crawl_under_fire(site, tmp_path, stack)
    found = records(crawl)
    with capsys.disabled():
        print(
            f"\n{len(found):,} images in {story.took_s:.0f} s, {story.at_half_time:,} of them by the first run;"
            f" {sum(record.attempts > 1 for record in found.values())} leased again, {story.repeats} of"
            f" {story.requests.total():,} requests repeated; {story.lost_packets:,} packets lost; {story.saved}"
        )

    # what was meant to happen has happened
    # those that had something in hand, each once
    assert 1 <= len(story.lost_by_the_cut) == len(set(story.lost_by_the_cut)) <= DOWNLOADERS
    assert story.lost_by_first == story.lost_by_the_cut, "never before, nor again"
    assert "the manager has died (signal 9); starting another" in story.said_by_first
    assert "a downloader has died (signal 9); starting another" in story.said_by_unlucky
    assert story.before_the_cut < story.saved["worker-1"], "it works again after it was cut off"
    assert story.lost_packets > 100
    assert story.at_half_time < len(found)

    # and nothing has come of it
    kept = [record for record in found.values() if record.status in {"saved", "duplicate"}]
    assert {record.sha256 for record in kept} == site.digests
    with Catalog(crawl) as catalog:
        summary = summarise(catalog)
    assert summary.balanced
    assert summary.stats.images.dead == summary.stats.pages.dead == 0
    assert len(found) - len(kept) == summary.stats.image_reasons.get("not-found", 0)
    for record in found.values():
        assert record in kept or not (site.folder / urlsplit(record.url).path.lstrip("/")).exists()
    assert story.repeats <= LOST * HELD
    assert max(story.requests.values()) <= MOST_ATTEMPTS
    assert max(record.attempts for record in found.values()) <= MOST_ATTEMPTS


def test_each_machine_keeps_its_own_images(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=60, images_per_page=5)
    site = Site(folder=tmp_path / "site", start="", digests=frozenset(digests.values()))
    names = ("worker-1", "worker-2")
    with ExitStack() as stack:
        of = stack.enter_context(machines("manager", "site", *names))
        url, _ = stack.enter_context(served_by(of["site"], site, delay_s=0.1))
        fleet = Fleet(tmp_path, stack, of["manager"])
        workers = [fleet.work(of[name], "-o", "pictures") for name in names]
        for ended in (fleet.serve(url).outcome(), *(worker.outcome() for worker in workers)):
            check_ended_well(ended)
    with Catalog(fleet.crawl) as catalog:
        found = list(catalog.images())
    kept: Counter[tuple[str, str]] = Counter()
    for record in found:
        machine = record.worker.partition(":")[0]
        file = fleet.folder(of[machine]) / "pictures" / record.path
        assert hashlib.sha256(file.read_bytes()).hexdigest() == record.sha256
        kept[machine, record.path] += 1
    there = Counter(
        (name, file.relative_to(fleet.folder(of[name]) / "pictures").as_posix())
        for name in names
        for file in (fleet.folder(of[name]) / "pictures" / "images").rglob("*.png")
    )
    assert kept == there, "each image is at one machine, the one that its record names"
    assert {record.sha256 for record in found} == site.digests
    assert len(found) == len(digests)
    assert {machine for machine, _ in kept} == set(names), "both have worked"
    assert not (fleet.crawl / "images").exists()
