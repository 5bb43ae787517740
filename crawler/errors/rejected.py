"""Reasons of URLs with the status "rejected": they are not wanted, or their owners ask that they be left alone."""

from __future__ import annotations

from crawler.errors.base import TaskError


class Rejection(TaskError):
    """It is not wanted, or not to be had with its owner's consent."""


class TooLarge(Rejection):
    """More bytes or pixels than allowed (max_image_bytes, max_svg_bytes, max_page_bytes, max_width_px …)."""

    reason = "too-large"


class EmptyBody(Rejection):
    """The answer has no content."""

    reason = "empty"


class NotAnImage(Rejection):
    """What came is not an image, whatever it calls itself."""

    reason = "not-an-image"


class TruncatedImage(Rejection):
    """The image ends too early."""

    reason = "truncated-image"


class CorruptImage(Rejection):
    """The image can't be decoded to its end."""

    reason = "corrupt-image"


class UnsupportedFormat(Rejection):
    """An image of a format that is not kept."""

    reason = "unsupported-format"


class TooManyPixels(Rejection):
    """The image has more pixels than are decoded (max_pixels)."""

    reason = "too-many-pixels"


class DecodeTimeout(Rejection):
    """Decoding took longer than decode_timeout_s; the decoder was killed."""

    reason = "decode-timeout"


class DecoderCrashed(Rejection):
    """The decoder crashed, in a process of its own: a fault of the decoder, mostly met by hostile files."""

    reason = "decoder-crashed"


class PageTimeout(Rejection):
    """Reading took longer than page_timeout_s; the reader was killed."""

    reason = "page-timeout"


class PageCrashed(Rejection):
    """The browser's tab crashed, or took more memory than render_memory_bytes, at each try."""

    reason = "page-crashed"


class NoBrowser(Rejection):
    """The page needs a browser, and there is none. Install Chromium, then give the same command again."""

    reason = "no-browser"


class NoGain(Rejection):
    """Pages of the same template were rendered, and that brought nothing that reading without scripts does not."""

    reason = "no-gain"


class ReaderCrashed(Rejection):
    """The reader crashed, in a process of its own: a fault of the parser, mostly met by hostile pages."""

    reason = "reader-crashed"


class TooMuchMemory(Rejection):
    """Reading or decoding it takes more memory than is set aside for that (memory_budget_bytes)."""

    reason = "too-much-memory"


class TooSmall(Rejection):
    """Fewer pixels or bytes than wanted (min_width_px, min_height_px, min_image_bytes)."""

    reason = "too-small"


class UnwantedFormat(Rejection):
    """A sound image of a format that was not asked for (formats)."""

    reason = "unwanted-format"


class UnwantedAspect(Rejection):
    """The image is a longer strip than wanted (max_aspect)."""

    reason = "unwanted-aspect"


class ForbiddenAddress(Rejection):
    """Its address is in a private network, or its port is one that no web server has (--allow-addresses)."""

    reason = "forbidden-address"


class NotHtml(Rejection):
    """Neither a page nor anything else in which images are found."""

    reason = "not-html"


class RepeatedPage(Rejection):
    """The page was visited already, with another session id in its URL."""

    reason = "repeated-page"


class NotAStyleSheet(Rejection):
    """A style sheet that a page names answers with a page, mostly one that says "not found"."""

    reason = "not-css"


class UnexpectedContent(Rejection):
    """A manifest, feed or sitemap that a page names is something else."""

    reason = "unexpected-content"


class NoSitemap(Rejection):
    """No sitemap at the usual place, as on most sites. Nothing is wrong."""

    reason = "no-sitemap"


class OutOfScope(Rejection):
    """A redirect led out of the crawl's scope."""

    reason = "out-of-scope"


class Excluded(Rejection):
    """A redirect led to a URL that the patterns exclude."""

    reason = "excluded"


class RobotsDisallowed(Rejection):
    """robots.txt forbids to request it."""

    reason = "robots-disallowed"


class OptedOut(Rejection):
    """Its owner asks, with the answer, that it be left alone."""


class Noindex(OptedOut):
    """Its owner asks for noindex."""

    reason = "noindex"


class Noimageindex(OptedOut):
    """Its owner asks for noimageindex."""

    reason = "noimageindex"


class Noai(OptedOut):
    """Its owner asks for noai."""

    reason = "noai"


class Noimageai(OptedOut):
    """Its owner asks for noimageai."""

    reason = "noimageai"


class TdmReservation(OptedOut):
    """Rights for text and data mining are reserved (TDM Reservation Protocol)."""

    reason = "tdm-reservation"


class Tdmrep(OptedOut):
    """The tdmrep.json of its host reserves text and data mining, and the purpose is search or train."""

    reason = "tdmrep"


class ContentUsage(OptedOut):
    """Content-Usage, in the answer or robots.txt, says no to the purpose (search, train)."""

    reason = "content-usage"


class ContentSignal(OptedOut):
    """Content-Signal, in robots.txt or the answer, says no to the purpose (search, train)."""

    reason = "content-signal"


class DataMining(OptedOut):
    """The image itself says no to the purpose (search, train), by plus:DataMining in its XMP."""

    reason = "data-mining"


class TrainingMining(OptedOut):
    """The image itself says no to the purpose (search, train), by a training and data mining assertion (CAWG, C2PA)."""

    reason = "training-mining"
