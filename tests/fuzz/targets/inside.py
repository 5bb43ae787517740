"""The child's own end of its pipe: whatever comes in, it answers in whole messages or ends."""

from __future__ import annotations

import io
import os
import threading
from functools import cache
from unittest.mock import patch

import msgspec

from crawler.config import Config
from crawler.download import decoder_main as decoding
from crawler.download.formats import DecoderSettings, Verdict
from crawler.harvest import reader_main as reading
from crawler.harvest.reader_protocol import QUESTION_BYTES, Head, Question, ReaderSettings
from crawler.sandbox import child_main
from crawler.sandbox.child_main import END, LAST, LENGTH_BYTES, NO_MEMORY, PART, ChildOrders, Inside, Work
from crawler.urls import canonical
from tests.fuzz.drawn import Drawn

_ORDERS = ChildOrders(make="", settings="", timeout_s=5.0, allowance_bytes=2**26, most_bytes=2**27)


def room(size_bytes: int) -> int:
    return size_bytes


@cache
def works() -> tuple[Work, ...]:
    decoder = DecoderSettings(decode="crawler.download.verify:verify", max_pixels=100_000)
    reader = ReaderSettings(seeds=("https://example.org/",), config=Config())
    return (
        decoding.make(msgspec.json.encode(decoder).decode(), room),
        reading.make(msgspec.json.encode(reader).decode(), room),
    )


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    what = drawn.one_of((_images, _documents, _requests))
    what(drawn.rest())


def _images(data: bytes) -> None:
    verdict = msgspec.json.decode(b"".join(works()[0](data)), type=Verdict)
    assert bool(verdict.info) != bool(verdict.reason)


def _documents(data: bytes) -> None:
    try:
        parts = list(works()[1](data))
    except (msgspec.MsgspecError, UnicodeError):
        return  # a question that no parent would ask ends the child
    if len(parts) > 1 or parts[0][:1] != b"\x90":
        try:
            head = msgspec.msgpack.decode(parts[0], type=Head)
        except msgspec.ValidationError:
            assert isinstance(msgspec.msgpack.decode(parts[0], type=list[str]), list)  # words were asked for
            return
        assert not head.fault or not _is_sound(data), head.fault


def _is_sound(data: bytes) -> bool:
    """Whether a parent could ask so, who knows where a document came from."""
    size = int.from_bytes(data[:QUESTION_BYTES], "little")
    fetched = msgspec.msgpack.decode(data[QUESTION_BYTES : QUESTION_BYTES + size], type=Question).fetched
    return canonical(fetched.final_url) == fetched.final_url


def _requests(data: bytes) -> None:
    """Several at once, and an end in the midst."""
    heard, told = os.pipe()
    answers: list[bytes] = []

    def listen() -> None:
        with os.fdopen(heard, "rb") as replies:
            answers.append(replies.read())

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        with patch.object(child_main, "alarm"), patch.object(child_main.Memory, "allow"):
            served = Inside(io.BytesIO(data), told, _ORDERS)
            served.serve(lambda request: (request[:100], b"second"))
    except OverflowError:
        assert data  # a size that no file has: no parent would say so
    finally:
        os.close(told)
        listener.join()
    check(answers[0])


def check(replies: bytes) -> None:
    at = 0
    kinds = []
    while at < len(replies):
        kind, length = replies[at : at + 1], int.from_bytes(replies[at + 1 : at + 1 + LENGTH_BYTES], "little")
        assert kind in (PART, END, LAST, NO_MEMORY)
        kinds.append(kind)
        at += 1 + LENGTH_BYTES + length
    assert at == len(replies)
    assert kinds.count(PART) == 2 * (kinds.count(END) + kinds.count(LAST))
