"""Splits values over messages of limited size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

MESSAGE_BUDGET_BYTES = 2**20
"""Maximum size of the values in one message: a quarter of the maximum size of a message."""
_ENCODER = msgspec.msgpack.Encoder()
_T = TypeVar("_T")


def size_bytes(value: object) -> int:
    return len(_ENCODER.encode(value))


def parts(values: Sequence[_T], *, size_of: Callable[[_T], int] = size_bytes) -> Iterator[list[_T]]:
    """*values* in lists of at most MESSAGE_BUDGET_BYTES; a larger value has a list of its own."""
    part: list[_T] = []
    budget = MESSAGE_BUDGET_BYTES
    for value in values:
        size = size_of(value)
        if part and size > budget:
            yield part
            part, budget = [], MESSAGE_BUDGET_BYTES
        part.append(value)
        budget -= size
    if part:
        yield part
