"""Why one URL was not saved: a class for each reason, and REASONS, the closed list of their slugs."""

from __future__ import annotations

from crawler.errors.base import TaskError

# --- status "failed" ---


class FetchError(TaskError):
    """Nothing usable came from the network."""


class HostNotFound(FetchError, reason="host-not-found"):
    """The host name does not exist (EAI_NONAME): asking again would not change that."""


class NameLookupFailed(FetchError, reason="name-lookup-failed", retryable=True):
    """The name service did not answer. That says nothing about the name: it is an outage, most often our own."""


class ConnectFailed(FetchError, reason="connect-failed", retryable=True):
    """No connection: refused, or no route to the host."""


class ConnectTimeout(FetchError, reason="connect-timeout", retryable=True):
    """No connection in time (connect_timeout_s)."""


class TlsFailed(FetchError, reason="tls-failed"):
    """The host's certificate is not accepted, or the host speaks no TLS that is accepted here."""


class ConnectionLost(FetchError, reason="connection-lost", retryable=True):
    """The connection broke before the end of the answer."""


class DeadlineExceeded(FetchError, reason="deadline-exceeded", retryable=True):
    """The fetch took longer than total_timeout_s."""


class TooSlow(FetchError, reason="too-slow", retryable=True):
    """The transfer was slower than min_rate_bytes_s."""


class TruncatedTransfer(FetchError, reason="truncated-transfer", retryable=True):
    """The answer ended before the end that it had announced."""


class BadResponse(FetchError, reason="bad-response", retryable=True):
    """The answer is not HTTP, or has an encoding that can't be undone."""


class TooManyRedirects(FetchError, reason="too-many-redirects"):
    """Redirects in a circle, or more than max_redirects."""


class BadRedirect(FetchError, reason="bad-redirect"):
    """A redirect to something that is not an http(s) URL."""


class InvalidUrl(FetchError, reason="invalid-url"):
    """The URL to fetch is not an http(s) URL."""


class NotFound(FetchError, reason="not-found"):
    """404 or 410."""


class LoginRequired(FetchError, reason="login-required"):
    """401: a login is needed."""


class Forbidden(FetchError, reason="forbidden"):
    """403: the server refuses it, and does not say why."""


class BotChallenge(FetchError, reason="bot-challenge"):
    """A protection against bots answered in place of the content (Cloudflare, AWS WAF, DataDome, Anubis …). It is not
    requested again.
    """


class ClientError(FetchError, reason="client-error"):
    """Another status of 400 to 499."""


class RequestTimeout(FetchError, reason="request-timeout", retryable=True):
    """408 or 425."""


class RateLimited(FetchError, reason="rate-limited", retryable=True):
    """429: too many requests."""


class ServerError(FetchError, reason="server-error", retryable=True):
    """A status of 500 to 599."""


class UnexpectedStatus(FetchError, reason="unexpected-status"):
    """A status of success or redirect without content to keep (204, 206, 304 …)."""


class RobotsUnavailable(FetchError, reason="robots-unavailable", retryable=True):
    """The host does not deliver its robots.txt, which forbids everything for a while (RFC 9309, 2.3.1.4)."""


class HostDown(FetchError, reason="host-down"):
    """Not requested: for host_patience_s, and at several tries for other URLs, its host could not be reached, or
    answered with nothing but errors.
    """


class BrowserFailed(FetchError, reason="browser-failed", retryable=True):
    """The browser could not be started, or died while the page was open, and not because of the page."""


FAULT = "a fault of this program, and not of the server; the log tells where, for a report"
"""What is told of an exception that nobody has thought of; its name would tell nobody anything."""


class InternalError(FetchError, reason="internal-error"):
    """A fault of this program; the log has its traceback."""


class OutOfMemory(FetchError, reason="out-of-memory", retryable=True):
    """The system killed the process that worked on it, as happens when memory is short."""


class LeaseExpired(FetchError, reason="lease-expired"):
    """Each worker that took the task vanished or was too late."""


# --- status "rejected" ---


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
    """The page needs a browser, and there is none."""


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


def _leaves(cls: type[TaskError]) -> list[type[TaskError]]:
    below = [leaf for sub in cls.__subclasses__() for leaf in _leaves(sub)]
    return below if cls.__subclasses__() else [cls]


REASONS: dict[str, type[TaskError]] = {cls.reason: cls for cls in _leaves(TaskError)}
"""Every reason slug, and the class it stands for."""
