"""Reads documents in child processes (:mod:`crawler.sandbox`): some take for ever, or all memory."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import NamedTuple

import msgspec

from crawler.config import Config, FetchConfig
from crawler.errors import LEFT_OUT, PageTimeout, ReaderCrashed
from crawler.forkserver.client import ForkClient
from crawler.harvest.reader_protocol import QUESTION_BYTES, READ, TASKS, WORDS, Head, Question, ReaderSettings
from crawler.http import Fetched
from crawler.logs.events import INTERNAL_ERROR, tell
from crawler.models import NewTask, Task
from crawler.sandbox.child_main import ChildOrders
from crawler.sandbox.memory_budget import Budget
from crawler.sandbox.pool import Pool, raised_as
from crawler.text.plain_errors import quoted

log = logging.getLogger(__name__)

ALLOWANCE_BYTES = 64 * 2**20
"""Memory for pages of some 800 KB; a reader asks for more."""
LARGE_BYTES = 2 * 2**20
"""Size of a large document; one reader fewer than there may be works on these. A soak had a dozen pages of 15 MB that
took ten seconds each: with all readers busy, honest pages waited for a minute.
"""
_ENCODER = msgspec.msgpack.Encoder()
_HEADS = msgspec.msgpack.Decoder(Head)
_WORDS = msgspec.msgpack.Decoder(set[str])


class Reading(NamedTuple):
    """The harvest of one document, read part by part."""

    head: Head
    tasks: Iterator[list[NewTask]]
    """The tasks in parts: images and kept out ones first, then links. A queue checks them."""
    words: Callable[[], set[str]]
    """The shingles of the document (:func:`crawler.harvest.shingles.pieces`); to be called after the tasks are read."""


Read = Callable[[Task, Fetched], AbstractContextManager[Reading]]
"""Reads the answer to a task; raises a TaskError."""


class ReaderPool:
    """At most *most* reader processes, for several threads; ``close`` ends them all.

    A document may take ``page_timeout_s`` from when a reader has it. Memory beyond ALLOWANCE_BYTES comes from *budget*.
    *forks* is the fork server to ask for readers.
    """

    def __init__(
        self,
        seeds: tuple[str, ...],
        config: Config,
        *,
        most: int,
        budget: Budget,
        forks: ForkClient | None = None,
    ) -> None:
        self._timeout_s = config.harvest.page_timeout_s
        settings = ReaderSettings(seeds=seeds, config=_without_secrets(config))
        orders = ChildOrders(
            make="crawler.harvest.reader_main:make",
            settings=msgspec.json.encode(settings).decode(),
            timeout_s=self._timeout_s,
            allowance_bytes=ALLOWANCE_BYTES,
            most_bytes=budget.total_bytes,
        )
        self._pool = Pool(
            orders, most=most, budget=budget, what="reader of pages", large_bytes=LARGE_BYTES, forks=forks
        )

    @contextmanager
    def read(self, task: Task, fetched: Fetched) -> Iterator[Reading]:
        """As DocumentReader.read. Raises what that raises; PageTimeout, ReaderCrashed and TooMuchMemory, which are the
        document's doing as well; OutOfMemory, which is not; InternalError.
        """
        with self._replied(READ, task, fetched) as parts:
            head = _HEADS.decode(next(parts, b""))
            if not head.left_out.keys() <= LEFT_OUT.keys():
                raise msgspec.ValidationError(
                    f"{quoted(min(head.left_out.keys() - LEFT_OUT.keys()))} is no slug"
                )
            if head.reason or head.fault:
                deque(parts, maxlen=0)  # consume the reply, so that the reader stays usable
            if head.fault:
                tell(log, INTERNAL_ERROR, url=task.url, traceback=head.fault)
            head.check()
            yield Reading(head, map(TASKS.decode, parts), partial(self.words, task, fetched))

    @contextmanager
    def _replied(self, about: str, task: Task, fetched: Fetched) -> Iterator[Iterator[bytes]]:
        question = _ENCODER.encode(
            Question(
                about=about,
                task=msgspec.structs.replace(task, known=None) if task.known is not None else task,
                fetched=msgspec.structs.replace(fetched, content=b""),
            )
        )
        length = len(question).to_bytes(QUESTION_BYTES, "little")
        failures = raised_as(
            late=PageTimeout,
            crashed=ReaderCrashed,
            worker="reader",
            work="read",
            done="read",
            timeout_s=self._timeout_s,
            setting="page_timeout_s",
        )
        with failures, closing(self._pool.call(length + question, fetched.content)) as parts:
            yield parts

    def words(self, task: Task, fetched: Fetched) -> set[str]:
        with self._replied(WORDS, task, fetched) as parts:
            return _WORDS.decode(b"".join(parts))

    def close(self) -> None:
        """End all readers, also busy ones; may be called twice."""
        self._pool.close()


def _without_secrets(config: Config) -> Config:
    """The settings that reading needs: a reader under a stranger's control learns no login from them."""
    return Config(
        scope=config.scope,
        harvest=config.harvest,
        render=config.render,
        obey=config.obey,
        images=config.images,
        fetch=FetchConfig(user_agent=config.fetch.user_agent),
    )
