"""Changes to bytes, by a seed: without a coverage-guided fuzzer, the next best thing."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_ODD = (
    b"",
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0" * 8,
    b"\xff" * 8,
    b"\r\n",
    b"<",
    b">",
    b'"',
    b"{",
    b"[",
    b"%00",
    b"-1",
    b"1e999",
    b"\xed\xa0\x80",
)
_MOST_BYTES = 64 * 1024


def mutated(corpus: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Without end: files of *corpus*, each with some changes; the same ones for the same seed."""
    dice = random.Random(seed)
    while True:
        data = bytearray(dice.choice(corpus))
        for _ in range(dice.choice((1, 1, 2, 3, 8))):
            _change(data, dice, corpus)
        yield bytes(data[:_MOST_BYTES])


def _change(data: bytearray, dice: random.Random, corpus: Sequence[bytes]) -> None:
    at = dice.randrange(len(data) + 1)
    if dice.random() < 0.5:  # what matters is often at the start
        at = min(at, dice.randrange(64))
    end = min(len(data), at + dice.choice((1, 1, 2, 4, 8, 64)))
    match dice.randrange(6):
        case 0:
            data[at:end] = b""
        case 1:
            data[at : dice.choice((at, end))] = dice.choice(_ODD)
        case 2:
            data[at:at] = data[at:end] * dice.choice((1, 2, 30))
        case 3:
            del data[at:]
        case 4:
            other = dice.choice(corpus)
            start = dice.randrange(len(other) + 1)
            data[at:end] = other[start : start + dice.choice((1, 4, 16, 200))]
        case _:
            data[at:end] = bytes(
                dice.choice((byte ^ 1 << dice.randrange(8), dice.randrange(256))) for byte in data[at:end]
            )
