"""A crawl for long, with harm on all sides: do all honest images arrive, and does nothing else come of the harm?

    python -m tests.benchmarks.hostile_soak [--minutes 30] [--memory-budget 1536MiB] [--rounds N] [--keep DIR]

One real crawl, open to workers over TLS (``--bind --keys``). Honest hosts give chains of pages with new images until
the time is up (``hostile_web``), and name each kind of harm, on a host of its own: pages and images that are heavy,
endless, slow or wrong. Workers with the key say what can't be, and strangers come without it (``hostile_crowd``).
Readers, decoders, downloaders, the harvester and twice the manager are killed by -9; readers are stopped for seconds.

At the end every image of every honest page that was sent is saved once, with its bytes; each hostile URL has one record
with a reason of the closed list, or is named in what was left out; the books balance; nothing was written but below the
crawl's folder; readers and decoders together never took more than the budget; the honest hosts were never left alone
for long; memory, descriptors and threads are flat over the second half; no log has a traceback. Exit code 1 if not.
Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import logging
import math
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from crawler.catalog import Catalog
from crawler.catalog.left_out import of_url
from crawler.catalog.summary import Summary
from crawler.catalog.verify import FindingKind, verify
from crawler.config import load
from crawler.crawlfile.image_paths import FORMAT_OF
from crawler.errors import REASONS
from crawler.models import ImageRecord, PageRecord
from crawler.run.keygen import make_keys
from crawler.run.supervisor import Crawl
from tests.benchmarks.hostile_crowd import serve_crowd
from tests.benchmarks.hostile_web import (
    KINDS,
    Told,
    honest_urls,
    kind_of,
    serve_harm,
    serve_honest,
    urls,
)
from tests.benchmarks.soaking import Below, Sample, below, beside, image, report, sample, show

MIB = 2**20
SAMPLE_S = 3.0
RSS_EACH_S = 0.1
KILL_EVERY_S = 20.0
STOPPED_S = 5.0
VICTIMS = ("reader", "decoder", "stopped reader", "downloader", "reader", "decoder", "harvester")
MANAGER_AT = (0.35, 0.7)
DRAIN_S = 420.0
SETTINGS = {
    "scope": "any",
    "cookies": True,
    "bind": "127.0.0.1:0",
    "max_depth": 1_000_000,
    "max_pages": 1_000_000,
    "image_backlog": 1000,
    "downloaders": 2,
    "page_timeout_s": 12.0,
    "decode_timeout_s": 20.0,
    "total_timeout_s": 10.0,
    "tries": 1,
    "harvester_threads": 16,
    "downloader_threads": 8,
    "lease_s": 15.0,
    "heartbeat_s": 3.0,
    "max_attempts": 6,
    "retry_delay_s": 0.5,
    "host_patience_s": 30.0,
}
KEPT = {"saved", "duplicate", "harvested"}
IN_THE_FOLDER = {"crawl.db", "crawl.db-wal", "crawl.db-shm", "crawl.toml", "crawl.lock", "images", ".index"}
_BESIDE = 60
_MAY_HOLD_MIB = 256.0
"""A worker, of documents and images in hand: four at a time, of 16 and 64 MiB."""


class Watcher(threading.Thread):
    """What readers and decoders take together, ten times a second."""

    def __init__(self, crawl: Crawl) -> None:
        super().__init__(daemon=True)
        self._crawl = crawl
        self._over = threading.Event()
        self.most_bytes = 0
        self.most_of_one: Counter[str] = Counter()
        self.then: dict[int, tuple[str, int]] = {}
        """All of them, when they took the most."""
        self.samples = 0

    def run(self) -> None:
        look = Below().look
        while not self._over.wait(RSS_EACH_S):
            with contextlib.suppress(RuntimeError):  # a worker was replaced in that moment
                found = look(self._crawl.pids)
                self.samples += 1
                total = sum(size for _, size in found.values())
                for role, size in found.values():
                    self.most_of_one[role] = max(self.most_of_one[role], size)
                if total > self.most_bytes:
                    self.most_bytes, self.then = total, found

    def end(self) -> None:
        self._over.set()
        self.join()


class Reaper:
    """Kills by -9 now and then, and stops for some seconds."""

    def __init__(self, crawl: Crawl, minutes: float) -> None:
        self._crawl = crawl
        self._began = time.monotonic()
        self._next = self._began + KILL_EVERY_S
        self._victims = itertools.cycle(VICTIMS)
        self._managers = [self._began + part * minutes * 60 for part in MANAGER_AT]
        self._rng = random.Random(1)
        self.done: Counter[str] = Counter()

    def look(self, now: float) -> None:
        if self._managers and now >= self._managers[0]:
            self._managers.pop(0)
            self._strike("manager")
        elif now >= self._next:
            self._next = now + KILL_EVERY_S
            self._strike(next(self._victims))

    def _strike(self, victim: str) -> None:
        role = victim.removeprefix("stopped ")
        pids = [pid for name, pid in self._crawl.pids if name == role]
        pids += [pid for pid, (name, _) in below(self._crawl.pids).items() if name == role]
        if not pids:
            return
        pid = self._rng.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if role == victim else signal.SIGSTOP)
            self.done[victim] += 1
        if role != victim:
            threading.Timer(STOPPED_S, self._go_on, (pid,)).start()

    def _go_on(self, pid: int) -> None:
        if pid in below(self._crawl.pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def logged(file: Path) -> Iterator[None]:
    """All that the crawl says, and what its processes write to stderr by themselves."""
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    log = logging.getLogger("crawler")
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    stderr = os.dup(2)
    os.dup2(handler.stream.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        log.removeHandler(handler)
        handler.close()


# --- the end ---------------------------------------------------------------------------------------------------------

Records = dict[str, ImageRecord | PageRecord]


def honest_wrongs(told: Told, images: Records, pages: Records, port: int) -> Iterator[str]:
    yield from (f"the page {path} was named by another one, and never sent" for path in told.open_ends)
    for path in told.pages - {"/"}:
        url = f"http://127.0.0.{1 + int(path.split('/')[1])}:{port}{path}"
        record = pages.get(url)
        if record is None or record.status != "harvested":
            yield f"page {url}: {record and (record.status, record.reason, record.detail)}"
    paths: Counter[str] = Counter()
    for url in honest_urls(told, port):
        found = images.get(url)
        if found is None:
            yield f"image {url} has no record"
            continue
        assert isinstance(found, ImageRecord)
        truth = hashlib.sha256(image(url.partition(f":{port}")[2])).hexdigest()
        if (found.status, found.sha256) != ("saved", truth):
            yield f"image {url}: {found.status} {found.reason} {found.detail[:200]} {found.sha256}"
        paths[found.path] += 1
    yield from (f"{count} honest images share {path}" for path, count in paths.items() if count > 1)


def hostile_wrongs(
    told: Told, images: Records, pages: Records, folder: Path, outcomes: dict[str, Counter[str]]
) -> Iterator[str]:
    """*outcomes* are those of each kind, what was found on its host included; they are counted here."""
    with Catalog(folder) as catalog:
        for url in told.offered:
            found = [records[url] for records in (images, pages) if url in records]
            if len(found) > 1 or (not found and not of_url(catalog, url)):
                yield f"{kind_of(url)}: {url} has {len(found)} records, and was not left out"
            for record in found:
                outcomes[kind_of(url)][record.reason or record.status] += 1
            if not found:
                outcomes[kind_of(url)]["left out"] += 1
    offered = set(told.offered)
    for record in itertools.chain(images.values(), pages.values()):
        if (record.status in KEPT) == bool(record.reason) or (record.reason and record.reason not in REASONS):
            yield f"{record.url}: {record.status} with the reason {record.reason!r}"
        if record.reason == "internal-error":
            yield f"{record.url}: {record.detail[:300]}"
        if kind_of(record.url) and record.url not in offered:
            outcomes[kind_of(record.url)][f"({record.reason or record.status})"] += 1


def outside_wrongs(scratch: Path, images: Records) -> Iterator[str]:
    """Whatever lies where nothing should."""
    for name in ("cwd", "tmp"):
        yield from (f"written outside of the folder: {file}" for file in (scratch / name).rglob("*"))
    expected = {"cwd", "tmp", "run", "keys", "crawl", "crawl.log"}
    yield from (
        f"written beside the folder: {file.name}" for file in scratch.iterdir() if file.name not in expected
    )
    folder = scratch / "crawl"
    yield from (f"in the folder: {file.name}" for file in folder.iterdir() if file.name not in IN_THE_FOLDER)
    recorded = {record.path for record in images.values() if isinstance(record, ImageRecord)}
    extensions = set(FORMAT_OF.values())
    for file in (folder / "images").rglob("*"):
        if file.is_symlink() or (file.is_file() and file.suffix[1:] not in extensions):
            yield f"among the images: {file}"
        elif file.is_file() and str(file.relative_to(folder)) not in recorded:
            yield f"an image without a record: {file}"


def log_wrongs(file: Path) -> Iterator[str]:
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines):
        if "Traceback" in line or "Fatal Python error" in line:
            yield "in the log: " + " | ".join(lines[max(0, number - 1) : number + 25])


def tell(outcomes: dict[str, Counter[str]]) -> None:
    print("\nof each kind that was offered what it came to, and (what was found on its host)")
    for kind in KINDS:
        told = ", ".join(f"{what} {count}" for what, count in sorted(outcomes[kind.name].items()))
        print(f"  {kind.name:<24} {told}")


def soak(options: argparse.Namespace, scratch: Path) -> list[str]:
    for name in ("cwd", "tmp", "run"):
        (scratch / name).mkdir(parents=True)
    # the budget is shared by all crawls of a user: not with others that run beside this one
    os.environ |= {"XDG_RUNTIME_DIR": str(scratch / "run"), "TMPDIR": str(scratch / "tmp")}
    os.chdir(scratch / "cwd")
    keys = make_keys(scratch / "keys", names=(), tls=True)
    flags = {**SETTINGS, "keys": str(keys.manager), "memory_budget_bytes": options.memory_budget}
    folder, log = scratch / "crawl", scratch / "crawl.log"
    with beside(serve_harm) as harm:
        harm_port = harm.recv()
        offers = [one for turn in range(math.ceil(options.rounds)) for one in urls(turn, harm_port)]
        offers = offers[: round(options.rounds * len(KINDS))]
        other = [url for url, _ in offers if kind_of(url).startswith("sitemap")]
        robots = "".join(f"Sitemap: {url}other.xml\n" for url in other).encode()
        with beside(serve_honest, options.minutes, offers, robots) as honest, logged(log):
            port = honest.recv()
            with Crawl([f"http://127.0.0.1:{port}/"], folder=folder, config=load(flags=flags)) as crawl:
                assert crawl.public is not None
                with beside(serve_crowd, crawl.public.address, str(keys.worker)) as crowd:
                    samples, watcher, reaper, found = watch(crawl, options, crowd)
            honest.send("told?")
            told = honest.recv()
        summary = crawl.summary()
    return found + judged(scratch, told, port, summary, Figures(samples, watcher, reaper), options)


class Figures(NamedTuple):
    samples: list[Sample]
    watcher: Watcher
    reaper: Reaper


def judged(
    scratch: Path, told: Told, port: int, summary: Summary, figures: Figures, options: argparse.Namespace
) -> list[str]:
    """Prints what it came to; returns whatever is not as it has to be."""
    folder = scratch / "crawl"
    with Catalog(folder) as catalog:
        listed = list(catalog.images())
        images: Records = {record.url: record for record in listed}
        pages: Records = {record.url: record for record in catalog.pages()}
        findings = Counter(finding.finding for finding in verify(catalog))
    found = [] if len(listed) == len(images) else [f"{len(listed) - len(images)} images are recorded twice"]
    found += [] if summary.balanced else ["the books do not balance"]
    if strange := {kind: count for kind, count in findings.items() if kind != FindingKind.INTACT}:
        found.append(f"files: {strange}")
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    found += honest_wrongs(told, images, pages, port)
    found += hostile_wrongs(told, images, pages, folder, outcomes)
    found += outside_wrongs(scratch, images)
    found += log_wrongs(scratch / "crawl.log")
    tell(outcomes)
    print(f"hostile: {len(told.offered):,} URLs offered, of {len(KINDS)} kinds")
    print(
        f"honest: {len(told.pages):,} pages, {sum(1 for _ in honest_urls(told, port)):,} images on them"
        f" ({told.images:,} sent); longest gaps: {', '.join(f'{name} {s:.1f} s' for name, s in told.gaps_s.items())}"
    )
    if told.gaps_s["anything"] > options.longest_gap_s:
        found.append(f"the honest hosts were left alone for {told.gaps_s['anything']:.0f} s")
    stats = summary.stats
    print(f"{len(pages):,} pages: {dict(stats.page_status)} {dict(sorted(stats.page_reasons.items()))}")
    print(f"{len(images):,} images: {dict(stats.image_status)} {dict(sorted(stats.image_reasons.items()))}")
    print(f"left out: {dict(sorted(stats.dropped.items()))}")
    return found + taken(figures, folder, options)


def taken(figures: Figures, folder: Path, options: argparse.Namespace) -> list[str]:
    """The same of the processes."""
    samples, watcher, reaper = figures
    print(f"killed or stopped: {dict(reaper.done)}")
    largest = ", ".join(
        f"a {role} {size / MIB:,.0f} MiB at most" for role, size in watcher.most_of_one.items()
    )
    print(
        f"readers and decoders: {watcher.most_bytes / MIB:,.0f} MiB at most of {options.memory_budget / MIB:,.0f}"
        f" ({watcher.samples:,} samples); {largest}"
    )
    found = report(
        samples, database_mib=(folder / "crawl.db").stat().st_size / MIB, ceilings=ceilings(options)
    )
    if watcher.most_bytes > options.memory_budget:
        then = sorted(((role, size // MIB) for role, size in watcher.then.values()), reverse=True)
        found.append(f"readers and decoders took {watcher.most_bytes / MIB:,.0f} MiB: {then}")
    if options.json:
        options.json.write_text("".join(json.dumps(s._asdict()) + "\n" for s in samples), encoding="utf-8")
    return found


def watch(
    crawl: Crawl, options: argparse.Namespace, crowd: Connection
) -> tuple[list[Sample], Watcher, Reaper, list[str]]:
    """Until the crawl has ended."""
    samples: list[Sample] = []
    found: list[str] = []
    watcher, reaper = Watcher(crawl), Reaper(crawl, options.minutes)
    watcher.start()
    began = time.monotonic()
    end, sampled, told = began + options.minutes * 60, 0.0, False
    for stats in crawl.watch(every_s=0.5):
        now = time.monotonic()
        if now < end:
            reaper.look(now)
        elif not told:
            told = True
            crowd.send("enough")
        if now - sampled >= SAMPLE_S and now < end:
            sampled = now
            samples.append(sample(crawl.pids, now - began, stats.images.done + stats.pages.done))
            show(samples)
        if now > end + DRAIN_S:
            found.append(f"it did not come to its end within {DRAIN_S:.0f} s: {stats.pages} {stats.images}")
            break
    print(f"drained {time.monotonic() - end:,.0f} s after the time was up")
    watcher.end()
    if not told:
        crowd.send("enough")
    deeds, taken = crowd.recv()
    print(f"the crowd: {dict(sorted(deeds.items()))}")
    return samples, watcher, reaper, found + taken


def ceilings(options: argparse.Namespace) -> dict[tuple[str, str], float]:
    """What is bounded otherwise, or grows until it is full."""
    budget_mib = options.memory_budget / MIB
    return {
        **{(role, "rss MiB"): budget_mib for role in ("reader", "decoder")},
        **{(role, "rss MiB"): _MAY_HOLD_MIB for role in ("harvester", "downloader")},
        **{(role, "descriptors"): float(_BESIDE + 160) for role in ("harvester", "downloader", "manager")},
        ("manager", "threads"): float(_BESIDE + 128),
    }


def size_bytes(text: str) -> int:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("", 1)):
        if text.endswith(unit):
            return int(float(text.removesuffix(unit)) * factor)
    raise ValueError(text)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--memory-budget", type=size_bytes, default=1536 * MIB, metavar="SIZE")
    parser.add_argument("--rounds", type=float, default=0.0, help="how often each kind of harm is offered")
    parser.add_argument("--longest-gap-s", type=float, default=60.0)
    parser.add_argument("--json", type=Path, help="the samples, a line each")
    parser.add_argument("--keep", type=Path, help="have the crawl and its log there, in a folder to be made")
    options = parser.parse_args()
    options.rounds = options.rounds or options.minutes / 15
    options.json = options.json and options.json.absolute()
    with tempfile.TemporaryDirectory() as temporary:
        began = time.monotonic()
        found = soak(options, options.keep.absolute() if options.keep else Path(temporary, "soak"))
    print(f"{time.monotonic() - began:,.0f} s in all")
    for wrong in found[:60]:
        print(f"WRONG: {wrong}")
    print(f"{len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
