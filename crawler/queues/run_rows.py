"""The runs of a crawl, as its file has them: when each began and ended, with which settings, and what it came to.

All of these are called within a transaction, but for those that only read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from crawler import __version__
from crawler.crawlfile.columns import RUN_COLUMNS, run_of
from crawler.crawlfile.connection import Connection
from crawler.models import Run, RunKind, RunOutcome


def begin(db: Connection, *, kind: RunKind, settings: Mapping[str, Any], notes: Sequence[str] = ()) -> int:
    """Add a run that begins now; returns its number."""
    row = db.execute(
        "INSERT INTO runs SELECT 1 + coalesce(max(number), 0), ?, '', ?, '', ?, ?, ? FROM runs RETURNING number",
        (_now(), kind.value, __version__, json.dumps(settings), json.dumps(notes)),
    ).fetchone()
    return int(row[0])


def end(db: Connection, number: int, outcome: RunOutcome) -> None:
    """Note that the run *number* ends now, unless it has ended."""
    db.execute(
        "UPDATE runs SET ended_at = ?, outcome = ? WHERE number = ? AND outcome = ''",
        (_now(), outcome.value, number),
    )


def going_on(db: Connection) -> int | None:
    """The number of the latest run; None if it has ended, or there is none."""
    row = db.execute(
        "SELECT number FROM runs WHERE number = (SELECT max(number) FROM runs) AND outcome = ''"
    ).fetchone()
    return None if row is None else int(row[0])


def latest(db: Connection) -> Run | None:
    """The latest run; None of a crawl that has not begun, or was begun by a version without this table."""
    row = db.execute(
        f"SELECT {RUN_COLUMNS} FROM runs ORDER BY number DESC LIMIT 1"  # noqa: S608 - our own names
    ).fetchone()
    return None if row is None else run_of(row)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
