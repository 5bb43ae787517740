"""Facts of the crawl as a whole: the table meta, a row for each key."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from crawler.crawlfile.connection import Connection


class MetaKey(StrEnum):
    SCHEMA = "schema"
    """The version of the schema, as ``PRAGMA user_version``."""
    CRAWL = "crawl"
    """The id of the crawl, drawn at its first start."""
    SEEDS = "seeds"
    """The URLs that the crawl began with: a JSON array."""
    LISTS = "lists"
    """The lists of URLs that have been read, by path, each with the mark of its content: a JSON object."""
    CLOCK_S = "clock_s"
    """Seconds for which the crawl has run, over all runs; ``tasks.due_s`` is on this clock."""
    PAUSED = "paused"
    """Who has paused the crawl; no row while it is not paused."""
    STOPPED = "stopped"
    """Why the run was stopped; no row unless somebody has stopped it."""
    RENDERER = "renderer"
    """A renderer has joined this run."""
    RULES = "rules"
    """The hash of the rules by which pages were read so far; ``several`` if they were read by more than one."""
    REFRESHES = "refreshes"
    """How often the crawl has been refreshed."""
    REREAD = "reread"
    """Pages are read anew even if they have not changed: other rules than before apply."""
    REREADS = "rereads"
    """How often a run with other settings made pages due once more."""
    QUEUE = "queue"
    """The address of the Redis that holds the queue; no row for a crawl with a manager."""
    COMPLETE = "complete"
    """The id of the plan whose records crawl.db has all of; no row while Redis may know of more to do."""
    LOST = "lost"
    """Redis has lost the queue, and has not been told everything again."""
    INCARNATIONS = "incarnations"
    """The run ids of the Redis servers at the last full comparison: another one has lost what it held."""
    TAKEN = "taken"
    """Digests of the batches that were written last: Redis may send one of them again."""


def read(db: Connection, key: MetaKey) -> Any:
    """The value of *key*; None if it has no row."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def write(db: Connection, key: MetaKey, value: object) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def remove(db: Connection, *keys: MetaKey) -> None:
    db.executemany("DELETE FROM meta WHERE key = ?", ((key,) for key in keys))


def count_up(db: Connection, key: MetaKey) -> None:
    db.execute("INSERT INTO meta VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET value = value + 1", (key,))
