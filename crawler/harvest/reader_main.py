"""The work of a reader process: a document in, its harvest out."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from itertools import chain

import msgspec

from crawler.errors import FAULT, TaskError
from crawler.harvest.documents import DocumentReader
from crawler.harvest.reader_protocol import (
    MOST_FAULT_CHARS,
    QUESTION_BYTES,
    READ,
    Head,
    Question,
    ReaderSettings,
    tasks_in_parts,
)
from crawler.sandbox.child_main import SHORT_OF_MEMORY, Room, Work
from crawler.scope import Scope

_BYTES_PER_BYTE, _BYTES_PER_TAG, _BYTES_PER_URL, _MOST_BYTES_PER_BYTE = 20, 1700, 1300, 220
"""Memory of a document by its size, its tags and its URLs outside tags, as measured: a million ``<img>`` take 1,600
bytes each, ``<table><a>`` 82 times its size, ``<a>`` alone 197 times; a ``url(1.png)`` of a style sheet 1,200 bytes, a
candidate of a srcset 900; a text with one character beyond ASCII up to 16 times its size.
"""
_MOST_FOR_SOUP = 330
"""Beautiful Soup keeps Python objects: 314 times the size of ``<a>``."""
_BEFORE_URLS = (b"url(", b"URL(", b"src(", b"@import", b"w,", b"x,")

_QUESTIONS = msgspec.msgpack.Decoder(Question)
_ENCODER = msgspec.msgpack.Encoder()


def make(settings: str, room: Room) -> Work:
    seeds_and_config = msgspec.json.decode(settings, type=ReaderSettings)
    config = seeds_and_config.config
    reader = DocumentReader(Scope(seeds_and_config.seeds, config.scope), config)
    most = _MOST_FOR_SOUP if config.harvest.parser == "beautifulsoup" else _MOST_BYTES_PER_BYTE

    def work(data: bytes) -> Iterable[bytes]:
        size = int.from_bytes(data[:QUESTION_BYTES], "little")
        question = _QUESTIONS.decode(memoryview(data)[QUESTION_BYTES : QUESTION_BYTES + size])
        fetched = msgspec.structs.replace(question.fetched, content=data[QUESTION_BYTES + size :])
        if most * len(fetched.content) > room(0):  # counting tags takes 7 % of the time of most pages
            room(_memory_bytes(fetched.content, most=most))
        if question.about != READ:
            return (_ENCODER.encode(reader.words(fetched)),)
        try:
            harvest = reader.read(question.task, fetched)
            return chain((_ENCODER.encode(Head.of(harvest)),), tasks_in_parts(harvest))
        except TaskError as exc:
            return (_ENCODER.encode(Head.of_refusal(exc)),)
        except SHORT_OF_MEMORY:
            raise
        except Exception:  # noqa: BLE001 - a fault of ours: the harvester logs it, with its traceback
            return (_ENCODER.encode(Head(detail=FAULT, fault=traceback.format_exc()[-MOST_FAULT_CHARS:])),)

    return work


def _memory_bytes(content: bytes, *, most: int = _MOST_BYTES_PER_BYTE) -> int:
    """Estimated memory of a document, at most *most* for each byte."""
    size = len(content)
    urls = sum(map(content.count, _BEFORE_URLS))
    estimate = _BYTES_PER_BYTE * size + _BYTES_PER_TAG * content.count(b"<") + _BYTES_PER_URL * urls
    return min(most * size, estimate)
