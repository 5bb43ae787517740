"""Files in which hosts speak of themselves (robots.txt …), in crawl.db: each is fetched once for the whole crawl.

A worker that needs a missing file is told to fetch it, one worker at a time. A file expires by the wall clock, which
outlives a reboot; setting the clock never makes that later.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

import msgspec

from crawler.crawlfile.columns import UNREADABLE, packed_file, unpacked_file
from crawler.crawlfile.connection import Connection
from crawler.models import FileAnswer, HostFile
from crawler.queues import policy

_MOST_CLAIMS = 10_000


class HostFileRows:
    """Those in the file *db*. *clock* is monotonic, *wall_clock* the time of day, both in seconds. *is_alive*: whether
    the claim of a worker counts.
    """

    def __init__(
        self,
        db: Connection,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        is_alive: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._db = db
        self._clock = clock
        self._wall_clock = wall_clock
        self._is_alive = is_alive
        self._claims: OrderedDict[tuple[int, str], tuple[str, float]] = OrderedDict()
        """The worker that fetches a file, and until when no other one does, by host and name."""
        # not in the schema: crawls of before, and programs, go on with each other's files
        db.execute(
            "CREATE TABLE IF NOT EXISTS host_files (host_id INTEGER NOT NULL, name TEXT NOT NULL,"
            " until REAL NOT NULL, kept_s REAL NOT NULL, file BLOB NOT NULL, PRIMARY KEY (host_id, name))"
            " WITHOUT ROWID"
        )

    def look(self, worker: str, host: int, name: str) -> FileAnswer:
        """The file, or whether *worker* is to fetch it."""
        if (file := self.known(host, name)) is not None:
            return FileAnswer(file=file)
        now = self._clock()
        if (until := self._claimed_by_another(worker, host, name)) is not None:
            return FileAnswer(again_s=min(policy.ASK_AGAIN_S, until - now))
        self._claims[host, name] = (worker, now + policy.CLAIM_S)
        self._claims.move_to_end((host, name))
        if len(self._claims) > _MOST_CLAIMS:
            self._claims.popitem(last=False)
        return FileAnswer(is_yours=True)

    def may_tell(self, worker: str, host: int, name: str) -> bool:
        """Whether *worker* is believed: the file is missing, and no other worker is to fetch it."""
        is_claimed = self._claimed_by_another(worker, host, name) is not None
        return not is_claimed and self.known(host, name) is None

    def _claimed_by_another(self, worker: str, host: int, name: str) -> float | None:
        """Until when another worker is to fetch the file; None if none is."""
        whose, until = self._claims.get((host, name), ("", 0.0))
        is_anothers = whose not in ("", worker) and self._clock() < until and self._is_alive(whose)
        return until if is_anothers else None

    def known(self, host: int, name: str) -> HostFile | None:
        """The file with the seconds until it expires; None without one."""
        row = self._db.execute(
            "SELECT until, kept_s, file FROM host_files WHERE host_id = ? AND name = ?", (host, name)
        ).fetchone()
        if row is None:
            return None
        until, kept_s, blob = row
        try:
            left_s = min(until - self._wall_clock(), kept_s)
            file = unpacked_file(blob)
        except UNREADABLE:
            return None  # another program has written it: the host is asked once more
        return msgspec.structs.replace(file, kept_s=left_s) if left_s > 0 else None

    def keep(self, host: int, file: HostFile) -> None:
        """Keep a file that was fetched, within a transaction."""
        self._claims.pop((host, file.name), None)
        until = self._wall_clock() + file.kept_s
        self._db.execute(
            "INSERT OR REPLACE INTO host_files VALUES (?, ?, ?, ?, ?)",
            (host, file.name, until, file.kept_s, packed_file(file)),
        )

    def all(self) -> Iterator[tuple[str, HostFile]]:
        """Those that still count, by host."""
        rows = self._db.execute(
            "SELECT h.id, h.name, f.name FROM host_files f JOIN hosts h ON h.id = f.host_id"
        ).fetchall()
        for host, host_name, name in rows:
            if (file := self.known(host, name)) is not None:
                yield host_name, file
