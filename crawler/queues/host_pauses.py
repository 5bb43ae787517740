"""Pauses and paces of hosts, in crawl.db: a restarted crawl does not ask a host too soon.

Moments are kept by the wall clock, as the monotonic one does not outlive a reboot. Setting the clock back makes no
pause longer than it was asked for; setting it forward makes it shorter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from crawler.crawlfile.connection import Connection

MOST_S = 3600.0
"""The longest pause that a worker of ours reports."""
LEAST_S = 1.0
"""A shorter pause is over when the next manager has started."""


class HostPauses:
    """The pauses in the file *db*, which an earlier run last wrote to at *written_at*. Writing methods are called
    within a transaction. *clock* is the wall clock, in seconds.
    """

    def __init__(self, db: Connection, *, written_at: float, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock
        self._left_at = written_at
        # not in the schema: crawls of before, and programs, go on with each other's files
        db.execute(
            "CREATE TABLE IF NOT EXISTS pauses"
            " (host_id INTEGER PRIMARY KEY, until REAL NOT NULL, asked_s REAL NOT NULL)"
        )
        db.execute("CREATE TABLE IF NOT EXISTS paces (host_id INTEGER PRIMARY KEY, pace_s REAL NOT NULL)")

    def note(self, host: int, pause_s: float) -> None:
        """Note a pause of *host* from now on; one that ends later stays."""
        if pause_s < LEAST_S:
            return
        self._db.execute(
            "INSERT INTO pauses VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
            " SET until = excluded.until, asked_s = excluded.asked_s WHERE excluded.until > until"
            " OR until > ? + asked_s",  # the clock was set back
            (host, self._clock() + pause_s, pause_s, self._clock()),
        )

    def left(self, *, delay_s: float) -> Iterator[tuple[int, float]]:
        """Hosts, and the seconds left of their pauses, or of the delay since their latest request: *delay_s*, or what
        the host asks for. The latest request may have come right before the end: delays below LEAST_S are not noted.
        """
        now = self._clock()
        for host, until, asked_s in self._db.execute("SELECT host_id, until, asked_s FROM pauses").fetchall():
            left_s = min(until - now, asked_s, MOST_S)
            if left_s > 0:
                yield host, left_s
            else:
                self._db.execute("DELETE FROM pauses WHERE host_id = ?", (host,))
        for host, spacing_s in self._db.execute(
            "SELECT id, max(delay_s, ?) FROM hosts WHERE max(delay_s, ?) > 0", (delay_s, delay_s)
        ).fetchall():
            left_s = min(self._left_at + spacing_s - now, spacing_s)
            yield host, max(left_s, min(spacing_s, LEAST_S))

    def note_pace(self, host: int, pace_s: float) -> None:
        """*host* allows a request every *pace_s* seconds; 0 for no limit."""
        if pace_s > 0:
            self._db.execute("INSERT OR REPLACE INTO paces VALUES (?, ?)", (host, pace_s))
        else:
            self._db.execute("DELETE FROM paces WHERE host_id = ?", (host,))

    def paces(self) -> list[tuple[int, float]]:
        """Hosts and their paces; values that are no pace are left out."""
        rows = self._db.execute("SELECT host_id, pace_s FROM paces WHERE typeof(pace_s) = 'real'").fetchall()
        return [(host, pace_s) for host, pace_s in rows if 0 < pace_s < MOST_S]


def written_at(path: Path) -> float:
    """When the file was last written to, by the wall clock. Called before the file is opened, which may write."""
    moments = [0.0]
    for file in (path, path.with_name(f"{path.name}-wal")):
        with suppress(OSError):
            moments.append(file.stat().st_mtime)
    return max(moments)
