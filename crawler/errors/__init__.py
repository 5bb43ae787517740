"""Every error of the crawler, on one page.

    CrawlerError
    ├── UsageError                  exit 2: what was asked for can't be done as asked
    │   ├── ConfigError             a setting: names the source, the key, the value and what would be right
    │   ├── SeedError               a seed that is not an http(s) URL
    │   ├── ListError               a list of URLs that can't be read, or lacks the column that is wanted
    │   └── FolderError             an output folder that is a file, is busy, or belongs to something else
    ├── CrawlError                  exit 1: the crawl could not do its job
    │   ├── SeedUnreachable         nothing to start from
    │   ├── StorageFull             the disk is full; the crawl stops before anything is lost
    │   ├── StorageFailed           the storage said no in another way
    │   ├── LedgerCorrupt           crawl.db can't be read
    │   ├── ProcessesKeepDying      a child process died too often
    │   └── CrawlStopped            somebody asked for it; nothing is wrong
    │       └── LimitReached        … with a limit to the run
    ├── StorageUnavailable          no answer from the storage so far; the image is to be saved again later
    ├── QueueError                  between a worker and the queue
    │   ├── QueueUnreachable        no answer in time; asked again until told to stop
    │   │   └── QueueDamaged        something else has written to what lies in Redis; who collects makes it anew
    │   ├── AuthenticationFailed    wrong authkey, or a certificate that is not accepted
    │   ├── ProtocolError           the peer speaks something else
    │   ├── VersionMismatch         … namely another version of the protocol
    │   ├── TooManyConnections      the manager has as many as it takes
    │   ├── CrawlReplaced           the manager serves another crawl by now, or this one with other settings
    │   ├── UploadLost              the manager has not kept the first part of an image; it is sent again
    │   └── RemoteFault             the manager failed at a call
    ├── WorkerStuck                 one of a worker's threads does not come back from a task: another takes its place
    └── TaskError                   why one URL was not saved; its ``reason`` is the record's
        ├── FetchError              status "failed"
        └── Rejection               status "rejected"
            └── OptedOut            its owner asks so

Each leaf below TaskError has a ``reason``: the closed list is REASONS. ``retryable`` says whether asking again
later may help. To add a reason for not saving, add a class here.

What never became a task of its own, as a limit, a rule or a wish kept it out, has no error. It is counted by a slug of
LEFT_OUT, at the end of this page.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class CrawlerError(Exception):
    """Base of all; its text says what, which value, and what to do."""

    exit_code: ClassVar[int] = 1


# --- exit 2 -----------------------------------------------------------------------------------------------


class UsageError(CrawlerError):
    exit_code = 2


class ConfigError(UsageError):
    pass


class SeedError(UsageError):
    pass


class ListError(UsageError):
    pass


class FolderError(UsageError):
    pass


# --- exit 1 -----------------------------------------------------------------------------------------------


class CrawlError(CrawlerError):
    pass


class SeedUnreachable(CrawlError):
    pass


class StorageFull(CrawlError):
    pass


class StorageFailed(CrawlError):
    pass


class LedgerCorrupt(CrawlError):
    pass


class ProcessesKeepDying(CrawlError):
    pass


class CrawlStopped(CrawlError):
    exit_code = 130  # as if interrupted: the state is kept, the same command goes on


class LimitReached(CrawlStopped):
    exit_code = 3  # that was asked for, so it is no failure; and yet the crawl has not finished


# --- the storage ------------------------------------------------------------------------------------------


class StorageUnavailable(CrawlerError):
    pass


# --- the queue --------------------------------------------------------------------------------------------


class QueueError(CrawlerError):
    pass


class QueueUnreachable(QueueError):
    pass


class QueueDamaged(QueueUnreachable):
    pass


class AuthenticationFailed(QueueError):
    pass


class ProtocolError(QueueError):
    pass


class VersionMismatch(QueueError):
    pass


class TooManyConnections(QueueError):
    pass


class CrawlReplaced(QueueError):
    pass


class UploadLost(QueueError):
    pass


class RemoteFault(QueueError):
    pass


class WorkerStuck(CrawlerError):
    """A thread of a worker does not come back from a task; another process is to take the place of this one."""


# --- one URL ----------------------------------------------------------------------------------------------


class TaskError(CrawlerError):
    """Why one URL was not saved.

    ``http_status`` is 0 when no answer came; ``retry_after_s`` is what the server asked for, or None.
    """

    reason: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init__(
        self, detail: str, *, http_status: int = 0, retry_after_s: float | None = None, final_url: str = ""
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        self.final_url = final_url


class FetchError(TaskError):
    """Nothing usable came from the network."""


class HostNotFound(FetchError):
    """The host name does not exist (EAI_NONAME): asking again would not change that."""

    reason = "host-not-found"


class NameLookupFailed(FetchError):
    """The name service did not answer. That says nothing about the name: it is an outage, most often our own."""

    reason = "name-lookup-failed"
    retryable = True


class ConnectFailed(FetchError):
    """No connection: refused, or no route to the host."""

    reason = "connect-failed"
    retryable = True


class ConnectTimeout(FetchError):
    """No connection in time (connect_timeout_s)."""

    reason = "connect-timeout"
    retryable = True


class TlsFailed(FetchError):
    """The host's certificate is not accepted, or the host speaks no TLS that is accepted here."""

    reason = "tls-failed"


class ConnectionLost(FetchError):
    """The connection broke before the end of the answer."""

    reason = "connection-lost"
    retryable = True


class DeadlineExceeded(FetchError):
    """The fetch took longer than total_timeout_s."""

    reason = "deadline-exceeded"
    retryable = True


class TooSlow(FetchError):
    """The transfer was slower than min_rate_bytes_s."""

    reason = "too-slow"
    retryable = True


class TruncatedTransfer(FetchError):
    """The answer ended before the end that it had announced."""

    reason = "truncated-transfer"
    retryable = True


class BadResponse(FetchError):
    """The answer is not HTTP, or has an encoding that can't be undone."""

    reason = "bad-response"
    retryable = True


class TooManyRedirects(FetchError):
    """Redirects in a circle, or more than max_redirects."""

    reason = "too-many-redirects"


class BadRedirect(FetchError):
    """A redirect to something that is not an http(s) URL."""

    reason = "bad-redirect"


class InvalidUrl(FetchError):
    """The URL to fetch is not an http(s) URL."""

    reason = "invalid-url"


class NotFound(FetchError):
    """404 or 410."""

    reason = "not-found"


class LoginRequired(FetchError):
    """401: a login is needed. Give --login, or the cookies of a browser that is logged in (--cookies)."""

    reason = "login-required"


class Forbidden(FetchError):
    """403: the server refuses it, and does not say why."""

    reason = "forbidden"


class BotChallenge(FetchError):
    """A protection against bots answered in place of the content (Cloudflare, AWS WAF, DataDome, Anubis …). It is not
    requested again. Give the cookies of a browser that was let through (--cookies), or ask the site's owner.
    """

    reason = "bot-challenge"


class ClientError(FetchError):
    """Another status of 400 to 499."""

    reason = "client-error"


class RequestTimeout(FetchError):
    """408 or 425."""

    reason = "request-timeout"
    retryable = True


class RateLimited(FetchError):
    """429: too many requests."""

    reason = "rate-limited"
    retryable = True


class ServerError(FetchError):
    """A status of 500 to 599."""

    reason = "server-error"
    retryable = True


class UnexpectedStatus(FetchError):
    """A status of success or redirect without content to keep (204, 206, 304 …)."""

    reason = "unexpected-status"


class RobotsUnavailable(FetchError):
    """The host does not deliver its robots.txt, which forbids everything for a while (RFC 9309, 2.3.1.4)."""

    reason = "robots-unavailable"
    retryable = True


class HostDown(FetchError):
    """Not requested: for host_patience_s, and at several tries for other URLs, its host could not be reached, or
    answered with nothing but errors.
    """

    reason = "host-down"


class BrowserFailed(FetchError):
    """The browser could not be started, or died while the page was open, and not because of the page."""

    reason = "browser-failed"
    retryable = True


FAULT = "a fault of this program, and not of the server; the log tells where, for a report"
"""What is told of an exception that nobody has thought of; its name would tell nobody anything."""


class InternalError(FetchError):
    """A fault of this program; the log has its traceback."""

    reason = "internal-error"


class OutOfMemory(FetchError):
    """The system killed the process that worked on it, as happens when memory is short."""

    reason = "out-of-memory"
    retryable = True


class LeaseExpired(FetchError):
    """Each worker that took the task vanished or was too late."""

    reason = "lease-expired"


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


def _leaves(cls: type[TaskError]) -> list[type[TaskError]]:
    below = [leaf for sub in cls.__subclasses__() for leaf in _leaves(sub)]
    return below if cls.__subclasses__() else [cls]


REASONS: dict[str, type[TaskError]] = {cls.reason: cls for cls in _leaves(TaskError)}
"""Every reason slug, and the class it stands for."""


# --- what is not taken on ---------------------------------------------------------------------------------


class LeftOut(NamedTuple):
    """What a slug of LEFT_OUT stands for."""

    meaning: str
    """What was not taken, as a noun: it comes after a number."""
    option: str = ""
    """The flag that lets it in; empty where none does."""


LEFT_OUT: dict[str, LeftOut] = {
    # limits of the crawl
    "max-depth": LeftOut(
        "links to pages further away than wanted, each with all that hangs on it", "--max-depth"
    ),
    "max-pages": LeftOut("links to pages beyond so many", "--max-pages"),
    "max-images": LeftOut("image URLs beyond so many", "--max-images"),
    "max-links-per-page": LeftOut("links and images beyond so many of one page", "--max-links-per-page"),
    "smaller-size": LeftOut("sizes of a picture that is saved larger", "--images all"),
    # its scope
    "out-of-scope": LeftOut("pages that waited when the scope was made narrower", "--scope"),
    "excluded": LeftOut("links to pages that a pattern keeps out", "--include, --exclude"),
    "image-excluded": LeftOut("image URLs that a pattern keeps out", "--include-images, --exclude-images"),
    "image-out-of-scope": LeftOut("image URLs on hosts outside of the scope", "--images-from any"),
    # what owners ask
    "nofollow": LeftOut("links of pages whose owner asks that none be followed", "--no-obey-nofollow"),
    "rel-nofollow": LeftOut("links whose page asks that they be not followed", "--no-obey-rel-nofollow"),
    "noindex": LeftOut("images of pages whose owner asks for noindex", "--no-obey-noindex"),
    "noimageindex": LeftOut("images of pages whose owner asks for noimageindex", "--no-obey-noimageindex"),
    "noai": LeftOut("images of pages whose owner asks for noai", "--no-obey-noai"),
    "noimageai": LeftOut("images of pages whose owner asks for noimageai", "--no-obey-noimageai"),
    "tdm-reservation": LeftOut(
        "images of pages whose owner reserves text and data mining", "--no-obey-tdm-reservation"
    ),
    # where a site goes on without end
    "trap-deep-path": LeftOut("links with a path of very many segments", "--no-avoid-traps"),
    "trap-repeated-path": LeftOut(
        "links with a path in which the same segments come again and again", "--no-avoid-traps"
    ),
    "trap-calendar": LeftOut(
        "links to a date more than a year away, of pages that bring nothing new", "--no-avoid-traps"
    ),
    "trap-endless-query": LeftOut("links with a query that repeats itself", "--no-avoid-traps"),
    "trap-repeated-page": LeftOut(
        "links of what brings nothing new after many of its like", "--no-avoid-traps"
    ),
    "session-id": LeftOut("repeats of a known URL with another session id"),
    # what a worker says that can't be right
    "malformed": LeftOut("URLs that a worker named in a way that can't be right"),
    # what a list of URLs says (-i, --image-list)
    "list-line": LeftOut("lines of lists that name no URL"),
    # what is in a document beyond the limits of what is read
    "url-too-long": LeftOut("references of more than 8,192 characters"),
    "page-cut": LeftOut("documents larger than wanted, read up to there", "--max-page-bytes"),
    "markup-cut": LeftOut("documents whose markup would hold up a parser, read with less of it"),
    "data-too-large": LeftOut("images that pages hold themselves, of more than 2 MiB"),
    "srcdoc-cut": LeftOut("documents within a page, beyond so many"),
    "template-cut": LeftOut("templates within templates, too deep to be looked into"),
    "widths-cut": LeftOut("sizes of a picture, beyond so many"),
    "json-cut": LeftOut("data within a page, beyond what is read of it"),
    "json-broken": LeftOut("data within a page that can't be read"),
    "script-cut": LeftOut("strings of scripts, beyond so many"),
    "css-cut": LeftOut("style sheets larger than what is read of them"),
    "import-depth": LeftOut("style sheets that others import, too deep"),
    "feed-cut": LeftOut("feeds beyond the limits of what is read"),
    "feed-broken": LeftOut("feeds that can't be read to their end"),
    "manifest-broken": LeftOut("manifests that can't be read"),
    "sitemap-cut": LeftOut("entries of sitemaps, beyond so many"),
    "sitemap-broken": LeftOut("sitemaps that can't be read to their end"),
    "sitemap-nested": LeftOut("sitemap indexes within sitemap indexes"),
    # what a page in the browser may take
    "render-time": LeftOut(
        "pages whose scripts were still at work when their time was up", "--render-timeout-s"
    ),
    "render-requests": LeftOut("requests of rendered pages, beyond so many", "--render-requests"),
    "render-bytes": LeftOut(
        "answers that rendered pages did not get, beyond so many bytes", "--render-bytes"
    ),
    "render-scrolls": LeftOut("rendered pages that go on below so many screens", "--render-scrolls"),
    "render-clicks": LeftOut("rendered pages with more to click at than so much", "--render-clicks"),
    "render-images": LeftOut("images and links of rendered pages, beyond so many"),
    "render-drawn": LeftOut("pictures that scripts have drawn, too many or too large"),
    # what a page in the browser wants, and does not get
    "render-robots": LeftOut("requests of rendered pages that robots.txt forbids", "--no-obey-robots-txt"),
    "render-guard": LeftOut("requests of rendered pages to addresses that are private", "--allow-addresses"),
    "render-waits": LeftOut("requests of rendered pages to hosts that want to be left alone for long"),
    "render-posts": LeftOut("requests of rendered pages that would send something", "--render-posts"),
    "render-media": LeftOut("films and sounds of rendered pages"),
    "render-sockets": LeftOut("connections of rendered pages (WebSocket, WebRTC, event streams)"),
    "render-beacons": LeftOut("reports of rendered pages on their visitors (beacons, pings)"),
    "render-prefetch": LeftOut("requests of rendered pages for what may be wanted later (prefetch)"),
    "render-downloads": LeftOut("downloads that rendered pages began"),
    "render-forms": LeftOut("forms that rendered pages would send"),
    "render-popups": LeftOut("windows that rendered pages would open"),
    "render-away": LeftOut(
        "times that rendered pages would have left for another address, which is a link then"
    ),
    "render-dialogs": LeftOut("dialogs of rendered pages that were closed"),
}
"""Every slug by which something is counted that a page offers and that is not taken on; beside REASONS the other closed
list. What keeps out a URL is counted once for each time that it was found.
"""
