"""Images are decoded in processes of their own: what crashes, hangs or eats memory there costs one image.

A decoder is a library in C that reads what strangers wrote. Each downloader has a few child processes for it, which
are started when they are needed and take one image at a time. Decoding takes no turn of the downloader's own
interpreter, and the downloader never loads the library.

Here is the pool; :mod:`crawler.download.child` is one of them as seen from here, :mod:`crawler.download.sandbox` what
runs in it, :mod:`crawler.download.verify` what it does.
"""

from __future__ import annotations

import signal
import threading
import time
import weakref
from types import TracebackType
from typing import Self

import msgspec

from crawler.download.child import Decoder, said
from crawler.download.info import ImageInfo, Verdict
from crawler.download.sandbox import Orders
from crawler.download.sniff import recognised
from crawler.download.svg import svg_info
from crawler.errors import REASONS, DecoderCrashed, DecodeTimeout, InternalError, Rejection

VERIFY = "crawler.download.verify:verify"
VERIFY_LENIENT = "crawler.download.verify:verify_lenient"
"""What may be called for each image: the second where files that lack nothing but their end are wanted."""
_SMALL_SVG_BYTES = 256 * 1024
"""What can do no harm here: expat does not crash, and needs some 40 times the size at most."""
_IMAGES_PER_CHILD = 2000
_START_S = 60.0
_STARTS = 4
_START_PAUSE_S = 0.5
_SIGALRM = getattr(signal, "SIGALRM", 0)


def memory_bytes(*, max_pixels: int, max_bytes: int) -> int:
    """The address space of a decoder: what the largest image allowed takes in the costliest format, and some.

    512 MiB for the interpreter with its libraries (80 of them, as measured, with the library for HEIC 200); 24 bytes
    for each pixel, where the costliest format, WebP, was measured to take 15.3, AVIF and HEIC 9, PNG 4.2; and four
    times the file. At least 1 GiB.
    """
    return max(2**30, 2**29 + 24 * max_pixels + 4 * max_bytes)


class Decoders:
    """A pool of decoders, at most *most* of them, for several threads; ``close`` ends them all.

    An image may take *timeout_s* from when a decoder has it, and *max_pixels*; *max_bytes* is the size of the largest
    file. *decode* names what is called for each, ``module:function``.
    """

    def __init__(
        self, *, most: int, max_pixels: int, max_bytes: int, timeout_s: float, decode: str = VERIFY
    ) -> None:
        self._most = most
        self._timeout_s = timeout_s
        self._orders = Orders(
            decode=decode,
            max_pixels=max_pixels,
            timeout_s=timeout_s,
            memory_bytes=memory_bytes(max_pixels=max_pixels, max_bytes=max_bytes),
        )
        self._changed = threading.Condition()
        self._idle: list[Decoder] = []
        self._alive: set[Decoder] = set()
        self._starting = 0
        self._closing = threading.Event()
        self._watching = False
        self._last_resort = weakref.finalize(self, _end, self._alive)

    def verify(self, data: bytes) -> ImageInfo:
        """What *data* is; see :func:`crawler.download.verify.verify`.

        Raises what that raises; DecodeTimeout and DecoderCrashed, which are the image's doing as well; and
        InternalError, when no decoder can be started or the pool is closed.
        """
        if recognised(data) == "svg" and len(data) <= _SMALL_SVG_BYTES:
            return svg_info(data)
        verdict = self._verdict(data)
        if verdict.info is not None:
            return verdict.info
        refusal = REASONS.get(verdict.reason, DecoderCrashed)
        raise (refusal if issubclass(refusal, Rejection) else DecoderCrashed)(verdict.detail)

    def _verdict(self, data: bytes) -> Verdict:
        for _ in range(self._most + 1):
            decoder = self._taken()
            verdict = None
            try:
                with self._changed:
                    decoder.due = time.monotonic() + self._timeout_s
                verdict = decoder.verdict(data)
            except (EOFError, OSError, msgspec.MsgspecError):
                pass  # it has died, or is out of its mind
            except BaseException:
                decoder.kill()  # half-way through an image, it is of no use to others
                raise
            finally:
                overdue = self._returned(decoder, sound=verdict is not None)
            if verdict is not None:
                return verdict
            if self._closing.is_set():
                raise InternalError("the decoders were closed while they had an image")
            code = decoder.end()
            if overdue or code == -_SIGALRM != 0:
                raise DecodeTimeout(f"it was not decoded within {self._timeout_s:g} s (decode_timeout_s)")
            if decoder.has_it:
                raise DecoderCrashed(f"its decoder broke down, with {said(code)}")
        raise InternalError("one decoder after the other dies before it has read anything")

    def _taken(self) -> Decoder:
        """One that is free, or a new one."""
        with self._changed:
            while not self._idle and len(self._alive) + self._starting >= self._most:
                if self._closing.is_set():
                    break
                self._changed.wait()
            if self._closing.is_set():
                raise InternalError("the decoders are closed")
            if self._idle:
                return self._idle.pop()  # the last that was used: its memory is warm
            self._starting += 1
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="decoders", daemon=True).start()
        started = None
        try:
            started = self._started()
        finally:
            with self._changed:
                self._starting -= 1
                if started is not None:
                    self._alive.add(started)
                self._changed.notify()
        if self._closing.is_set():
            started.end()
            raise InternalError("the decoders are closed")
        return started

    def _started(self) -> Decoder:
        problem = ""
        for turn in range(_STARTS):  # a machine short of processes or memory may have some again soon
            if turn and self._closing.wait(_START_PAUSE_S * 2**turn):
                break
            try:
                decoder = Decoder(self._orders)
            except OSError as exc:
                problem = str(exc)
                continue
            timer = threading.Timer(_START_S, decoder.kill)
            timer.start()
            try:
                if decoder.is_ready():
                    return decoder
            finally:
                timer.cancel()
            problem = said(decoder.end())
        raise InternalError(f"no decoder of images can be started: {problem}")

    def _returned(self, decoder: Decoder, *, sound: bool) -> bool:
        """Whether it was killed for being late."""
        with self._changed:
            decoder.due = None
            overdue = decoder.overdue
            keep = sound and not overdue and decoder.images < _IMAGES_PER_CHILD and not self._closing.is_set()
            if keep:
                self._idle.append(decoder)
            else:
                self._alive.discard(decoder)
            self._changed.notify()
        if sound and not keep:
            decoder.end()
        return overdue

    def _watch(self) -> None:
        """Kill who is late.

        All have the same time, so none that begins during the sleep is due before its end: nobody has to be woken.
        """
        sleep_s = 0.0
        while not self._closing.wait(sleep_s):
            with self._changed:
                now = time.monotonic()
                sleep_s = self._timeout_s
                for decoder in self._alive:
                    if decoder.due is None:
                        continue
                    if decoder.due <= now:
                        decoder.overdue = True
                        decoder.kill()
                    else:
                        sleep_s = min(sleep_s, decoder.due - now)

    def close(self) -> None:
        """End all decoders, also those that are at work; may be called twice."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
            alive = set(self._alive)
            self._alive.clear()
            self._idle.clear()
        _end(alive)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _end(decoders: set[Decoder]) -> None:
    for decoder in decoders:
        decoder.kill()
    for decoder in list(decoders):
        decoder.end()
