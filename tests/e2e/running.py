"""Runs the program as a person does: a process of its own, in a session of its own, with pipes for its output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crawler.catalog import Catalog
from crawler.catalog.verify import FindingKind, verify
from crawler.errors import CrawlerError
from crawler.models import ImageRecord

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that says why; fails if there is a traceback, or another line like it."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if "error:" in line.lower()]
        assert len(lines) == 1, self.err
        return lines[0]

    def stats(self) -> dict[str, Any]:
        """Of ``--json``."""
        stats: dict[str, Any] = json.loads(self.out)["stats"]
        return stats


class Running:
    """``image-crawler`` with these arguments, started."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = ("-m", "crawler"),
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *program, *map(str, arguments)],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """What Ctrl-C in a terminal does: the signal goes to the whole group."""
        os.killpg(self.process.pid, number)

    def interrupted(self, number: int = signal.SIGINT) -> str:
        """What it says to that, once it knows of it; its outcome has what it says then."""
        assert self.process.stderr is not None
        self.interrupt(number)
        return self.process.stderr.readline()

    def outcome(self, *, patience_s: float = PATIENCE_S) -> Outcome:
        """Wait for its end; nothing of it may be left then."""
        try:
            out, err = self.process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            _, err = self.process.communicate()
            raise AssertionError(f"it did not end; stderr: {err}") from None
        assert_nothing_left(self.process.pid)
        return Outcome(self.process.returncode, out, err)


def image_crawler(*arguments: str | Path, folder: Path, **environment: str) -> Outcome:
    return Running(arguments, folder=folder, environment=environment).outcome()


@contextmanager
def running(*arguments: str | Path, folder: Path) -> Iterator[Running]:
    """Killed at the end, if the test has not ended it."""
    started = Running(arguments, folder=folder)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            os.killpg(started.process.pid, signal.SIGKILL)
        started.process.communicate()


def kill_all(started: Running) -> None:
    """By -9 and with all its processes, also when only the first of them is dead already."""
    for number in (signal.SIGCONT, signal.SIGKILL):
        for pid in in_session(started.process.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
    started.process.communicate()


def assert_nothing_left(session: int) -> None:
    """No process of the session outlives its leader, but for the moment that noticing takes."""
    end = time.monotonic() + 5
    while left := in_session(session):
        assert time.monotonic() < end, f"left behind: {left}"
        time.sleep(0.02)


def in_session(session: int) -> dict[int, str]:
    """Names and command lines of processes, by their ids; where there is no /proc, nothing is known."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                words = (entry / "cmdline").read_text(encoding="utf-8").replace("\0", " ")
                found[int(entry.name)] = f"{(entry / 'comm').read_text(encoding='utf-8').strip()} {words}"
        except (OSError, ValueError):
            continue  # it ended meanwhile
    return found


def wait_until_recorded(crawl: Running, folder: Path, count: int) -> None:
    """Until so many images of the running crawl in *folder* have their records."""
    end = time.monotonic() + PATIENCE_S
    while recorded(folder) < count:
        if crawl.process.poll() is not None:
            raise AssertionError(f"it has ended by itself: {crawl.process.communicate()}")
        assert time.monotonic() < end, f"{recorded(folder)} records, not {count}"
        time.sleep(0.02)


def recorded(folder: Path) -> int:
    try:
        with Catalog(folder) as catalog:
            return int(catalog.value("SELECT count(*) FROM images"))
    except CrawlerError:
        return 0  # not there, or being made


def records(folder: Path) -> dict[str, ImageRecord]:
    """By URL; each saved file is compared with its record on the way."""
    with Catalog(folder) as catalog:
        found = list(catalog.images())
        findings = {finding.finding for finding in verify(catalog)}
    assert findings <= {FindingKind.INTACT}, findings
    by_url = {record.url: record for record in found}
    assert len(by_url) == len(found), "an image is recorded twice"
    return by_url


def saved_digests(folder: Path, url: str) -> dict[str, str]:
    """URL path -> SHA-256 of the file that holds the image, as tests.support.sites.make_site tells it."""
    return {
        "/" + record.url.removeprefix(url): record.sha256
        for record in records(folder).values()
        if record.status in {"saved", "duplicate"}
    }
