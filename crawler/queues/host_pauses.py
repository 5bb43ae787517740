"""For how long hosts want to be left alone, in the file: a crawl that is started anew asks them no sooner. And at which
pace they were asked last.

The one place of the queue where a moment is kept by the wall clock, for the other ones do not outlive a reboot. A clock
that is set meanwhile makes no pause longer than it was asked for; set forward, it makes it shorter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from crawler.crawlfile.connection import Connection

MOST_S = 3600.0
"""What a Retry-After may ask for; more than that is what no worker of ours says."""
LEAST_S = 1.0
"""What is shorter is over when the next manager is there."""


class HostPauses:
    """Of the hosts in the file that *db* has open, and that an earlier run wrote to at *written_at* last; writes within
    transactions of the caller's. *clock* is the wall clock, in seconds.
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
        """*host* is to be left alone for so long from now on, at least."""
        if pause_s < LEAST_S:
            return
        self._db.execute(
            "INSERT INTO pauses VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
            " SET until = excluded.until, asked_s = excluded.asked_s WHERE excluded.until > until"
            " OR until > ? + asked_s",  # the clock was set back
            (host, self._clock() + pause_s, pause_s, self._clock()),
        )

    def left(self, *, delay_s: float) -> Iterator[tuple[int, float]]:
        """What is left of them, in seconds, by host; also of the time that is to pass from one request to the next,
        *delay_s* or what the host asks for: the last one may have been a moment before the end, and of a time below
        LEAST_S nothing was noted.
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
        """*host* lets itself be asked every *pace_s* seconds; 0 for no matter."""
        if pace_s > 0:
            self._db.execute("INSERT OR REPLACE INTO paces VALUES (?, ?)", (host, pace_s))
        else:
            self._db.execute("DELETE FROM paces WHERE host_id = ?", (host,))

    def paces(self) -> list[tuple[int, float]]:
        """By host; what others may have written there, and is no pace, is none."""
        rows = self._db.execute("SELECT host_id, pace_s FROM paces WHERE typeof(pace_s) = 'real'").fetchall()
        return [(host, pace_s) for host, pace_s in rows if 0 < pace_s < MOST_S]


def written_at(path: Path) -> float:
    """When the file was last written to, by the wall clock; before it is opened, which may be writing."""
    files = (path, path.with_name(path.name + "-wal"))
    moments = []
    for file in files:
        try:
            moments.append(file.stat().st_mtime)
        except OSError:
            continue
    return max(moments, default=0.0)
