"""What a reader does in its own process: from a document to what is found on it."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator

import msgspec

from crawler.errors import TaskError
from crawler.harvest.reading import Harvest, Reader
from crawler.harvest.reply import (
    MOST_FAULT_CHARS,
    QUESTION_BYTES,
    READ,
    Head,
    Question,
    ReaderSettings,
    tasks_in_parts,
)
from crawler.sandbox.inside import Room, Work
from crawler.scope import Scope

_BYTES_PER_BYTE, _BYTES_PER_TAG, _MOST_BYTES_PER_BYTE = 20, 1700, 105
"""What a document takes in memory, by its size and by its tags: a million ``<img>`` 1,600 bytes each, 15 MB of
``<table><a>`` 82 times that, as measured; text of which one character is beyond ASCII up to 16 times its size."""

_QUESTIONS = msgspec.msgpack.Decoder(Question)
_ENCODER = msgspec.msgpack.Encoder()


def make(settings: str, room: Room) -> Work:
    told = msgspec.json.decode(settings, type=ReaderSettings)
    reader = Reader(Scope(told.seeds, told.config.scope), told.config)

    def work(data: bytes) -> Iterable[bytes]:
        size = int.from_bytes(data[:QUESTION_BYTES], "little")
        question = _QUESTIONS.decode(memoryview(data)[QUESTION_BYTES : QUESTION_BYTES + size])
        fetched = msgspec.structs.replace(question.fetched, content=data[QUESTION_BYTES + size :])
        room(_memory_bytes(fetched.content))
        if question.about != READ:
            return (_ENCODER.encode(reader.words(fetched)),)
        try:
            return _told(reader.read(question.task, fetched))
        except TaskError as exc:
            return (_ENCODER.encode(Head.of_refusal(exc)),)
        except MemoryError:
            raise
        except Exception as exc:  # noqa: BLE001 - a fault of ours: the harvester logs it, with its traceback
            said = f"{type(exc).__name__}: {exc}"[:300]
            return (_ENCODER.encode(Head(detail=said, fault=traceback.format_exc()[-MOST_FAULT_CHARS:])),)

    return work


def _memory_bytes(content: bytes) -> int:
    size = len(content)
    return min(_MOST_BYTES_PER_BYTE * size, _BYTES_PER_BYTE * size + _BYTES_PER_TAG * content.count(b"<"))


def _told(harvest: Harvest) -> Iterator[bytes]:
    yield _ENCODER.encode(Head.of(harvest))
    yield from tasks_in_parts(harvest)
