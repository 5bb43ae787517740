"""Engines: what sends one request and reads its answer, below the one Transport of engine_transport.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from crawler.errors import TaskError
from crawler.http import Pairs


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """One request, as it is to be sent."""

    url: str
    """Canonical. Its path and query are sent as they are."""
    headers: Mapping[str, str]
    """All there are, in their order: an engine adds none."""
    method: str = "GET"
    body: bytes = b""
    on_send: Callable[[], None] | None = None
    """Called in the thread of ``send`` once there is a connection, right before the request is sent over it, which may
    have to wait; what it raises ends the request."""


class Answer(Protocol):
    """One answer, read as far as its header. Whoever has it closes it."""

    status: int
    fields: Pairs
    """The header's fields, in their order, without folds; values read as Latin-1."""
    sent_at: float
    """When the request was sent, on the monotonic clock."""
    will_close: bool
    """Whether the connection ends with the content."""

    @property
    def waited_s(self) -> float:
        """Seconds that reading had to wait for bandwidth; they count in no limit."""
        ...

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        """The next bytes of the content as it was sent, without its chunks: about *amt* at most; none at the end.

        Raises a TaskError when there is no more although the content has not ended, or when it takes too long.
        """
        ...

    def hurry(self, within_s: float) -> None:
        """Bring the deadline forward to *within_s* seconds from now, if it is later."""
        ...

    def close(self) -> None:
        """Keep the connection if the content was read to its end; else end it."""
        ...


class Engine(Protocol):
    """One way to send requests. Thread-safe. What it connects to, its guard has permitted."""

    def send(self, request: Outgoing, *, deadline: float) -> Answer:
        """Send *request*, and read the header of its answer by *deadline*, on the monotonic clock.

        Raises a TaskError, and SendAgain. An error of a connection that was kept from an earlier request has an
        IdleConnectionLost among its causes.
        """
        ...

    def close(self) -> None:
        """Close idle connections."""
        ...


class IdleConnectionLost(ConnectionError):
    """A connection kept from an earlier request ended before there was an answer.

    Most likely the server had closed it before it saw the request.
    """


class SendAgain(Exception):
    """The engine can't read the answer to a request; sent once more, the request will be sent in another way.

    *error* is raised where a request must not be sent twice. The request was sent at *sent_at*; 0: it was not sent.
    """

    def __init__(self, error: TaskError, *, sent_at: float) -> None:
        super().__init__(error)
        self.error = error
        self.sent_at = sent_at


def causes_of(exc: BaseException) -> Iterator[BaseException]:
    """*exc* and everything that it was made from, innermost first."""
    found: list[BaseException] = []
    waiting: list[object] = [exc]
    while waiting:
        item = waiting.pop()
        if isinstance(item, BaseException) and not any(item is known for known in found):
            found.append(item)
            waiting += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
    return reversed(found)
