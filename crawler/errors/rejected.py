"""Reasons of URLs with the status "rejected": they are not wanted, or their owners ask that they be left alone."""

from __future__ import annotations

from crawler.errors.base import TaskError


class Rejection(TaskError):
    """It is not wanted, or not to be had with its owner's consent."""


class TooLarge(Rejection, reason="too-large"):
    """More bytes or pixels than allowed (max_image_bytes, max_svg_bytes, max_page_bytes, max_width_px …)."""


class EmptyBody(Rejection, reason="empty"):
    """The answer has no content."""


class NotAnImage(Rejection, reason="not-an-image"):
    """What came is not an image, whatever it calls itself."""


class TruncatedImage(Rejection, reason="truncated-image"):
    """The image ends too early."""


class CorruptImage(Rejection, reason="corrupt-image"):
    """The image can't be decoded to its end."""


class UnsupportedFormat(Rejection, reason="unsupported-format"):
    """An image of a format that is not kept."""


class TooManyPixels(Rejection, reason="too-many-pixels"):
    """The image has more pixels than are decoded (max_pixels)."""


class DecodeTimeout(Rejection, reason="decode-timeout"):
    """Decoding took longer than decode_timeout_s; the decoder was killed."""


class DecoderCrashed(Rejection, reason="decoder-crashed"):
    """The decoder crashed, in a process of its own: a fault of the decoder, mostly met by hostile files."""


class PageTimeout(Rejection, reason="page-timeout"):
    """Reading took longer than page_timeout_s; the reader was killed."""


class PageCrashed(Rejection, reason="page-crashed"):
    """The browser's tab crashed, or took more memory than render_memory_bytes, at each try."""


class NoBrowser(Rejection, reason="no-browser"):
    """The page needs a browser, and there is none. Install Chromium, then give the same command again."""


class NoGain(Rejection, reason="no-gain"):
    """Pages of the same template were rendered, and that brought nothing that reading without scripts does not."""


class ReaderCrashed(Rejection, reason="reader-crashed"):
    """The reader crashed, in a process of its own: a fault of the parser, mostly met by hostile pages."""


class TooMuchMemory(Rejection, reason="too-much-memory"):
    """Reading or decoding it takes more memory than is set aside for that (memory_budget_bytes)."""


class TooSmall(Rejection, reason="too-small"):
    """Fewer pixels or bytes than wanted (min_width_px, min_height_px, min_image_bytes)."""


class UnwantedFormat(Rejection, reason="unwanted-format"):
    """A sound image of a format that was not asked for (formats)."""


class UnwantedAspect(Rejection, reason="unwanted-aspect"):
    """The image is a longer strip than wanted (max_aspect)."""


class ForbiddenAddress(Rejection, reason="forbidden-address"):
    """Its address is in a private network, or its port is one that no web server has (--allow-addresses)."""


class NotHtml(Rejection, reason="not-html"):
    """Neither a page nor anything else in which images are found."""


class RepeatedPage(Rejection, reason="repeated-page"):
    """The page was visited already, with another session id in its URL."""


class NotAStyleSheet(Rejection, reason="not-css"):
    """A style sheet that a page names answers with a page, mostly one that says "not found"."""


class UnexpectedContent(Rejection, reason="unexpected-content"):
    """A manifest, feed or sitemap that a page names is something else."""


class NoSitemap(Rejection, reason="no-sitemap"):
    """No sitemap at the usual place, as on most sites. Nothing is wrong."""


class OutOfScope(Rejection, reason="out-of-scope"):
    """A redirect led out of the crawl's scope."""


class Excluded(Rejection, reason="excluded"):
    """A redirect led to a URL that the patterns exclude."""


class RobotsDisallowed(Rejection, reason="robots-disallowed"):
    """robots.txt forbids to request it."""


class OptedOut(Rejection):
    """Its owner asks, with the answer, that it be left alone."""


class Noindex(OptedOut, reason="noindex"):
    """Its owner asks for noindex."""


class Noimageindex(OptedOut, reason="noimageindex"):
    """Its owner asks for noimageindex."""


class Noai(OptedOut, reason="noai"):
    """Its owner asks for noai."""


class Noimageai(OptedOut, reason="noimageai"):
    """Its owner asks for noimageai."""


class TdmReservation(OptedOut, reason="tdm-reservation"):
    """Rights for text and data mining are reserved (TDM Reservation Protocol)."""


class Tdmrep(OptedOut, reason="tdmrep"):
    """The tdmrep.json of its host reserves text and data mining, and the purpose is search or train."""


class ContentUsage(OptedOut, reason="content-usage"):
    """Content-Usage, in the answer or robots.txt, says no to the purpose (search, train)."""


class ContentSignal(OptedOut, reason="content-signal"):
    """Content-Signal, in robots.txt or the answer, says no to the purpose (search, train)."""


class DataMining(OptedOut, reason="data-mining"):
    """The image itself says no to the purpose (search, train), by plus:DataMining in its XMP."""


class TrainingMining(OptedOut, reason="training-mining"):
    """The image itself says no to the purpose (search, train), by a training and data mining assertion (CAWG, C2PA)."""
