"""What goes between the queue in Redis and the crawl's file: settled tasks one way, tasks to be done the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from crawler.models import (
    HostFile,
    NewTask,
    Origin,
    Record,
    Stats,
    TaskKind,
    TaskState,
    Value,
)
from crawler.models.image_words import Words


class Settled(Value):
    """A task that has been settled in the queue, with its record, on its way to the catalogue."""

    shard: int
    entry: str
    """The name of its entry in the shard's stream."""
    id: int
    """Of the task: 0 < id < 2**63."""
    serial: int
    attempts: int
    kind: TaskKind
    url: str
    """The task's own."""
    depth: int
    state: TaskState
    """DONE or DEAD."""
    record: Record
    next_size: NewTask | None = None
    """What is to be put before this is forgotten: a size of the picture that takes its place."""


class LaterWords(Value):
    """What a later page says of an image that the queue knew, on its way to the catalogue."""

    shard: int
    entry: str
    """As of Settled, in a stream of its own."""
    key: bytes
    """What the image's task is known by."""
    words: Words


class LeftOutOnce(Value):
    """A URL that the queue has left out, on its way to the catalogue."""

    shard: int
    entry: str
    """As of Settled, in a stream of its own."""
    slug: str
    task: NewTask


class KeptFile(Value):
    """What a host says of all that it has, on its way to the catalogue or back."""

    host: str
    file: HostFile


class Unsettled(Value):
    """A task of the catalogue that is to be done (again)."""

    id: int
    """0: the queue has never given it one."""
    serial: int
    kind: TaskKind
    url: str
    depth: int
    origin: Origin | None = None
    known: Record | None = None
    """The record of an earlier visit, in a crawl that is refreshed, as a worker is to be told of it."""
    last: Record | None = None
    """The record that stands, whatever it is."""


class Export(Protocol):
    """The queue, as whoever keeps the crawl's file sees it. Any call may be repeated: its caller may be killed."""

    def settled(self, limit: int) -> list[Settled]:
        """The oldest that have not been collected, *limit* at most; entries stay until they are forgotten."""
        ...

    def put(self, tasks: Sequence[NewTask]) -> None:
        """New tasks; what is known already stays as it is."""
        ...

    def words(self, limit: int) -> list[LaterWords]:
        """The oldest that have not been collected, *limit* at most; they stay until they are forgotten."""
        ...

    def forget_words(self, collected: Sequence[LaterWords]) -> None:
        """They are in the catalogue for good."""
        ...

    def left_out(self, limit: int) -> list[LeftOutOnce]:
        """The oldest that have not been collected, *limit* at most; they stay until they are forgotten."""
        ...

    def forget_left_out(self, collected: Sequence[LeftOutOnce]) -> None:
        """They are in the catalogue for good."""
        ...

    def host_files(self, limit: int) -> list[KeptFile]:
        """Some that have not been collected, *limit* at most; they stay until they are forgotten."""
        ...

    def forget_host_files(self, collected: Sequence[KeptFile]) -> None:
        """They are in the catalogue for good."""
        ...

    def keep_host_files(self, files: Sequence[KeptFile]) -> None:
        """What the catalogue has of them: the hosts need not be asked again."""
        ...

    def forget(self, settled: Sequence[Settled], totals: Stats) -> None:
        """They are in the catalogue for good, whose totals are these; without any, only the totals are news."""
        ...

    def push(self, tasks: Sequence[Unsettled]) -> int:
        """Have these done, and return how many were added: what is pending there already is left as it is."""
        ...

    def mark(self, tasks: Sequence[tuple[TaskKind, str, int]]) -> None:
        """These kinds and URLs are known, with the bits of their words, and settled, not to be done again; what is
        pending stays so.
        """
        ...

    def dropped(self) -> dict[str, int]:
        """As ``Stats.dropped``."""
        ...
