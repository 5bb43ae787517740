"""A child process that is out of its mind, or taken over: what it says neither hangs nor crashes its parent, and of a
document or an image it can say no more than any other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from unittest.mock import patch

from crawler.config import Config
from crawler.download.decoder_pool import DecoderPool
from crawler.download.formats import EXTENSIONS
from crawler.errors import LEFT_OUT, REASONS, TaskError
from crawler.harvest.harvest import MOST_TITLE_CHARS
from crawler.harvest.reader_pool import ReaderPool
from crawler.http import Fetched
from crawler.models import NewTask, Task, TaskKind
from crawler.sandbox.child import _MAX_PART_BYTES, Child, Lifeline, OutOfMemoryError, SharedMemory
from crawler.sandbox.memory_budget import Budget
from tests.fuzz.drawn import Drawn

_URL = "https://example.org/"
_TASK = Task(id=1, serial=1, kind=TaskKind.PAGE, url=_URL, depth=0, attempt=1)
_FETCHED = Fetched(url=_URL, final_url=_URL, http_status=200, headers={}, content=b"<p>")
_BUDGET = Budget(2**28)


class NoProcess:
    """Has said all that it will ever say."""

    pid = peak_bytes = 0
    exitcode = 1

    def join(self, timeout: float | None = None) -> None:
        pass

    def kill(self) -> None:
        pass


def child(said: bytes) -> Child:
    made = Child.__new__(Child)
    made.requests, made.is_spent, made.due, made.overdue = 0, False, None, False
    made.allowed_bytes = made._allowance_bytes = made._ready_bytes = 0
    made._lifeline = Lifeline()
    made._shared = SharedMemory()
    asked, told = os.pipe()
    heard, answered = os.pipe()
    made._process = NoProcess()
    made._requests, made._replies = os.fdopen(told, "wb", 0), os.fdopen(heard, "rb")

    def say() -> None:
        with suppress(OSError), os.fdopen(answered, "wb", 0) as out:
            out.write(said)

    def listen() -> None:
        with os.fdopen(asked, "rb", 0) as requests:
            while requests.read(65536):
                pass

    for work in (say, listen):
        threading.Thread(target=work, daemon=True).start()
    return made


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    what = drawn.one_of((_protocol, _pool, _verdict, _harvest))
    what(drawn)


def _protocol(drawn: Drawn) -> None:
    said = drawn.rest()
    made = child(said)
    needs: list[int] = []

    def need(size_bytes: int) -> int:
        needs.append(size_bytes)
        assert size_bytes >= 0
        return min(size_bytes, 2**20)

    size = 0
    try:
        for part in made.ask((b"x",), granted_bytes=0, need=need):
            assert len(part) <= _MAX_PART_BYTES
            size += len(part)
    except (EOFError, OSError, OutOfMemoryError):
        pass
    finally:
        made.end()
    assert size + 5 * len(needs) <= len(said)


def _pool(drawn: Drawn) -> None:
    """Through the pool, whose child it is: what it wants of memory is bounded by what there is."""
    said = drawn.rest()
    with (
        patch("crawler.sandbox.pool.Child", lambda *_: child(b"\1\0\0\0\0" + said)),
        DecoderPool(most=1, max_pixels=1000, timeout_s=5.0, budget=_BUDGET) as decoders,
    ):
        _judge(decoders)


class Parts:
    """In place of a pool."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    def call(self, *_: bytes) -> Iterator[bytes]:
        return (part for part in self._parts)

    def close(self) -> None:
        pass


def _verdict(drawn: Drawn) -> None:
    decoders = DecoderPool.__new__(DecoderPool)
    decoders._timeout_s, decoders._pool = 5.0, Parts([drawn.rest()])  # type: ignore[assignment]
    _judge(decoders)


def _judge(decoders: DecoderPool) -> None:
    try:
        info = decoders.verify(b"GIF89a")
    except TaskError as exc:
        assert REASONS[exc.reason] is type(exc)
        return
    assert info.extension == EXTENSIONS[info.format]
    assert info.width_px >= 0
    assert info.height_px >= 0
    assert info.frames >= 1
    assert len(info.dhash) in (0, 16)


def _harvest(drawn: Drawn) -> None:
    readers = ReaderPool.__new__(ReaderPool)
    readers._timeout_s = Config().harvest.page_timeout_s
    pool: Any = Parts(drawn.rest().split(b"\n\n"))
    readers._pool = pool
    with suppress(TaskError), readers.read(_TASK, _FETCHED) as reading:
        assert reading.head.images >= 0
        assert reading.head.left_out.keys() <= LEFT_OUT.keys()
        assert len(reading.head.title) <= MOST_TITLE_CHARS
        for tasks in reading.tasks:  # whether they can be right, the queue asks
            assert all(isinstance(task, NewTask) for task in tasks)
    with suppress(TaskError):
        words = readers.words(_TASK, _FETCHED)
        assert all(isinstance(word, str) for word in words)
