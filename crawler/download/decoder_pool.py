"""Images are decoded in processes of their own, see :mod:`crawler.sandbox`: a decoder is a library in C that reads what
strangers wrote. The downloader never loads it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, closing

import msgspec

from crawler.download.formats import EXTENSIONS, DecoderSettings, ImageInfo, Verdict
from crawler.download.sniff import recognised
from crawler.download.svg import svg_info
from crawler.errors import (
    REASONS,
    DecoderCrashed,
    DecodeTimeout,
    Rejection,
)
from crawler.sandbox.child_main import ChildOrders
from crawler.sandbox.memory_budget import Budget
from crawler.sandbox.pool import Pool, told_as
from crawler.text.plain_errors import quoted

VERIFY = "crawler.download.verify:verify"
VERIFY_LENIENT = "crawler.download.verify:verify_lenient"
"""What may be called for each image: the second where files that lack nothing but their end are wanted."""
_SMALL_SVG_BYTES = 256 * 1024
"""What can do no harm here: expat does not crash, and needs some 40 times the size at most."""
ALLOWANCE_BYTES = 64 * 2**20
"""Enough for most photographs: what they take beyond that is asked for."""


class DecoderPool(AbstractContextManager["DecoderPool"]):
    """At most *most* decoders, for several threads; ``close`` ends them all.

    An image may take *timeout_s* from when a decoder has it, and have *max_pixels*. What one takes beyond
    ALLOWANCE_BYTES comes from *budget*. *decode* names what is called for each, ``module:function``; it takes the
    bytes, ``max_pixels`` and ``room``, a Room; returns an ImageInfo, or raises a Rejection or a MemoryError.
    """

    def __init__(
        self, *, most: int, max_pixels: int, timeout_s: float, budget: Budget, decode: str = VERIFY
    ) -> None:
        self._timeout_s = timeout_s
        orders = ChildOrders(
            make="crawler.download.decoder_main:make",
            settings=msgspec.json.encode(DecoderSettings(decode=decode, max_pixels=max_pixels)).decode(),
            timeout_s=timeout_s,
            allowance_bytes=ALLOWANCE_BYTES,
            most_bytes=budget.total_bytes,
        )
        self._pool = Pool(orders, most=most, budget=budget, what="decoder of images")

    def verify(self, data: bytes) -> ImageInfo:
        """What *data* is; see :func:`crawler.download.verify.verify`.

        Raises what that raises; DecodeTimeout, DecoderCrashed and TooMuchMemory, which are the image's doing as well;
        OutOfMemory, which is not; and InternalError, when no decoder can be started or the pool is closed.
        """
        name = recognised(data)
        if name == "svg" and len(data) <= _SMALL_SVG_BYTES:
            return svg_info(data)
        verdict = self._verdict(data)
        if (info := verdict.info) is not None:
            if (info.format, info.extension) != (name, EXTENSIONS[name]):
                # a path would be made of it; only a decoder that an image has taken over says so
                raise DecoderCrashed(f"its decoder calls a {name} {quoted(info.format[:20])}")
            return info
        refusal = REASONS.get(verdict.reason, DecoderCrashed)
        raise (refusal if issubclass(refusal, Rejection) else DecoderCrashed)(verdict.detail)

    def _verdict(self, data: bytes) -> Verdict:
        with self._failures(), closing(self._pool.call(data)) as parts:
            return msgspec.json.decode(b"".join(parts), type=Verdict)

    def _failures(self) -> AbstractContextManager[None]:
        return told_as(
            late=DecodeTimeout,
            crashed=DecoderCrashed,
            worker="decoder",
            work="decode",
            done="decoded",
            timeout_s=self._timeout_s,
            setting="decode_timeout_s",
        )

    def close(self) -> None:
        """End all decoders, also those that are at work; may be called twice."""
        self._pool.close()

    def __exit__(self, *error: object) -> None:
        self.close()
