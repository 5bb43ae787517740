"""What the shards tell those who watch, put together."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest

from crawler.models import TaskKind, WorkerStatus
from crawler.queues.redis.status import workers_of


def of_shard(held: int, seen_s: str, per_s: bytes | None, *, done: int, name: str = "w1") -> list[Any]:
    """The fifth part of a shard's answer: what it knows of a single worker."""
    status = WorkerStatus(id=name, kind=TaskKind.IMAGE, threads=4, done=done)
    return [None] * 4 + [[(msgspec.msgpack.encode(status), held, seen_s.encode(), per_s)]]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_worker_is_as_the_last_shard_knows_it_and_as_fast_as_the_last_that_has_a_rate(
    order: tuple[int, ...],
) -> None:
    shards = [
        of_shard(1, "2.000001", None, done=6),  # the last that it spoke to, for the first time
        of_shard(2, "2.000002", b"0.6", done=6),
        of_shard(0, "50.0", b"9.0", done=1),
    ]
    (who,) = workers_of([shards[at] for at in order])
    assert (who.done, who.done_per_s, who.held, who.seen_s) == (6, 0.6, 3, 2.000001)


def test_one_of_whom_no_shard_has_a_rate_has_none() -> None:
    (who,) = workers_of([of_shard(1, "1.0", None, done=0)])
    assert who.done_per_s == 0.0


def test_what_somebody_else_has_written_there_is_left_out() -> None:
    broken = [None] * 4 + [[(b"\xc1", 0, b"1.0", None), (b"", 0, b"1.0", b"1")]]
    assert [one.id for one in workers_of([broken, of_shard(1, "1.0", b"1", done=0, name="w2")])] == ["w2"]
