"""Messages of a reader process to its harvester: a Head, then the tasks, in parts of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from crawler.config import Config
from crawler.errors import REASONS, InternalError, TaskError
from crawler.harvest.harvest import DocumentFacts, Harvest
from crawler.http import Fetched
from crawler.message_parts import MESSAGE_BUDGET_BYTES, parts
from crawler.models import NewTask, Task, Value

READ, WORDS = "read", "words"
QUESTION_BYTES = 4
"""Size of the length of a Question, which comes before the content."""

MOST_FAULT_CHARS, _MOST_DETAIL_CHARS = 4000, 64 * 1024
"""Bounds of a reader's messages: a stranger may have taken it over. Details name URLs, which may be long."""


class ReaderSettings(Value):
    """Settings of a reader process."""

    seeds: tuple[str, ...]
    config: Config


class Question(Value):
    """A request to a reader; the document's content follows it."""

    about: str
    """READ or WORDS."""
    task: Task
    fetched: Fetched
    """The answer without its content."""


class Head(DocumentFacts):
    """A Harvest with the numbers of its tasks, or why the document was not read."""

    images: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    links: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    reason: str = ""
    """Reason of the TaskError that reading ended in."""
    detail: Annotated[str, Meta(max_length=_MOST_DETAIL_CHARS)] = ""
    http_status: int = 0
    fault: Annotated[str, Meta(max_length=MOST_FAULT_CHARS)] = ""
    """The traceback of a fault of this program."""

    @classmethod
    def of(cls, harvest: Harvest) -> Self:
        facts = {name: getattr(harvest, name) for name in DocumentFacts.__struct_fields__}
        return cls(images=len(harvest.images), links=len(harvest.links), **facts)

    @classmethod
    def of_refusal(cls, error: TaskError) -> Self:
        return cls(reason=error.reason, detail=error.detail, http_status=error.http_status)

    def check(self) -> None:
        """Raise the error that reading ended in, if any."""
        if self.fault:
            raise InternalError(self.detail)
        if self.reason:
            raise REASONS.get(self.reason, InternalError)(self.detail, http_status=self.http_status)


TASKS = msgspec.msgpack.Decoder(list[NewTask])
_ENCODER = msgspec.msgpack.Encoder()


def in_order(harvest: Harvest) -> list[NewTask]:
    """Images, kept out tasks, links: consumers of links want to know the images first."""
    kept_out = (msgspec.structs.replace(task, origin=None) for task in harvest.kept_out)
    return [*harvest.images, *kept_out, *harvest.links]


def tasks_in_parts(harvest: Harvest) -> Iterator[bytes]:
    tasks = in_order(harvest)
    whole = _ENCODER.encode(tasks)
    if len(whole) <= MESSAGE_BUDGET_BYTES:
        return iter((whole,))
    del whole
    return map(_ENCODER.encode, parts(tasks))
