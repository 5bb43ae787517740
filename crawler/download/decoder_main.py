"""The work of a decoder process: bytes in, a Verdict out."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

import msgspec

from crawler.download.formats import DecoderSettings, Verdict
from crawler.errors import Rejection
from crawler.sandbox.child_main import Room, Work


def make(settings: str, room: Room) -> Work:
    told = msgspec.json.decode(settings, type=DecoderSettings)
    module, _, function = told.decode.partition(":")
    decode = getattr(importlib.import_module(module), function)

    def work(data: bytes) -> Iterable[bytes]:
        try:
            verdict = Verdict(info=decode(data, max_pixels=told.max_pixels, room=room))
        except Rejection as exc:
            verdict = Verdict.of(exc)
        return (msgspec.json.encode(verdict),)

    return work
