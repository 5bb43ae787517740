"""Decodes images in child processes (:mod:`crawler.sandbox`): a decoder is a C library that reads what strangers wrote.

The process of the worker never loads such a library.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, closing

import msgspec

from crawler.download.formats import EXTENSIONS, DecoderSettings, ImageInfo, Verdict
from crawler.download.sniff import recognised
from crawler.download.svg import svg_info
from crawler.errors import REASONS, DecoderCrashed, DecodeTimeout, Rejection
from crawler.forkserver.client import ForkClient
from crawler.sandbox.child_main import ChildOrders
from crawler.sandbox.memory_budget import Budget
from crawler.sandbox.pool import Pool, raised_as
from crawler.text.plain_errors import quoted

VERIFY = "crawler.download.verify:verify"
VERIFY_LENIENT = "crawler.download.verify:verify_lenient"
"""Functions that a decoder may call. The second accepts files that only lack their end."""
_SMALL_SVG_BYTES = 256 * 1024
"""SVGs up to this size are read in this process: expat does not crash, and takes 40 times the size at most."""
ALLOWANCE_BYTES = 64 * 2**20
"""Memory for most photographs; a decoder asks for more."""


class DecoderPool(AbstractContextManager["DecoderPool"]):
    """At most *most* decoder processes, for several threads; ``close`` ends them all. *at_once* is as in
    :class:`~crawler.sandbox.pool.Pool`.

    An image may take *timeout_s* from when a decoder has it, and have *max_pixels*. Memory beyond ALLOWANCE_BYTES comes
    from *budget*. *decode* names the function that decodes, as ``module:function``: it takes the bytes, ``max_pixels``
    and ``room``, a Room, and returns an ImageInfo or raises a Rejection or a MemoryError. *forks* is the fork server to
    ask for decoders.

    Example::

        with DecoderPool(most=2, max_pixels=10**8, timeout_s=30, budget=Budget(2**30)) as pool:
            info = pool.verify(content)
    """

    def __init__(
        self,
        *,
        most: int,
        max_pixels: int,
        timeout_s: float,
        budget: Budget,
        at_once: int = 0,
        decode: str = VERIFY,
        forks: ForkClient | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        orders = ChildOrders(
            make="crawler.download.decoder_main:make",
            settings=msgspec.json.encode(DecoderSettings(decode=decode, max_pixels=max_pixels)).decode(),
            timeout_s=timeout_s,
            allowance_bytes=ALLOWANCE_BYTES,
            most_bytes=budget.total_bytes,
        )
        self._pool = Pool(
            orders, most=most, budget=budget, what="decoder of images", at_once=at_once, forks=forks
        )

    def verify(self, data: bytes) -> ImageInfo:
        """Verify *data* in a decoder; see :func:`crawler.download.verify.verify`.

        Raises what that raises; DecodeTimeout, DecoderCrashed and TooMuchMemory, which are the image's doing as well;
        OutOfMemory, which is not; InternalError, when no decoder can be started or the pool is closed.
        """
        name = recognised(data)
        if name == "svg" and len(data) <= _SMALL_SVG_BYTES:
            return svg_info(data)
        verdict = self._verdict(data)
        if (info := verdict.info) is not None:
            if (info.format, info.extension) != (name, EXTENSIONS[name]):
                # it would become part of a path; only a decoder under an image's control says so
                raise DecoderCrashed(f"its decoder calls a {name} {quoted(info.format[:20])}")
            return info
        raise refusal_of(verdict)

    def _verdict(self, data: bytes) -> Verdict:
        with decoding_failures(self._timeout_s), closing(self._pool.call(data)) as parts:
            return msgspec.json.decode(b"".join(parts), type=Verdict)

    def close(self) -> None:
        """End all decoders, also busy ones; may be called twice."""
        self._pool.close()

    def __exit__(self, *error: object) -> None:
        self.close()


def decoding_failures(timeout_s: float) -> AbstractContextManager[None]:
    """Raise the failures of a decoder as errors of its image, which may take *timeout_s*."""
    return raised_as(
        late=DecodeTimeout,
        crashed=DecoderCrashed,
        worker="decoder",
        work="decode",
        done="decoded",
        timeout_s=timeout_s,
        setting="decode_timeout_s",
    )


def refusal_of(verdict: Verdict) -> Rejection | DecoderCrashed:
    """The error by which a decoder refuses an image: only a broken one names another than a Rejection."""
    refusal = REASONS.get(verdict.reason, DecoderCrashed)
    return (refusal if issubclass(refusal, Rejection) else DecoderCrashed)(verdict.detail)
