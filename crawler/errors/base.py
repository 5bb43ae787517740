"""What ends a command, a connection or the work at one URL: the upper part of the tree."""

from __future__ import annotations

from typing import ClassVar


class CrawlerError(Exception):
    """Base of all; its text says what, which value, and what to do."""

    exit_code: ClassVar[int] = 1


class UsageError(CrawlerError):
    """What was asked for can't be done as asked."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting: names the source, the key, the value and what would be right."""


class SeedError(UsageError):
    """A seed that is not an http(s) URL."""


class ListError(UsageError):
    """A list of URLs that can't be read, or lacks the column that is wanted."""


class FolderError(UsageError):
    """An output folder that is a file, is busy, or belongs to something else."""


class CrawlError(CrawlerError):
    """The crawl could not do its job."""


class SeedUnreachable(CrawlError):
    """Nothing to start from."""


class StorageFull(CrawlError):
    """The disk is full; the crawl stops before anything is lost."""


class StorageFailed(CrawlError):
    """The storage said no in another way."""


class LedgerCorrupt(CrawlError):
    """crawl.db can't be read."""


class ProcessesKeepDying(CrawlError):
    """A child process died too often."""


class CrawlStopped(CrawlError):
    """Somebody asked for it; nothing is wrong."""

    exit_code = 130  # as if interrupted: the state is kept, the same command goes on


class LimitReached(CrawlStopped):
    """A limit of the run was asked for."""

    exit_code = 3  # that was asked for, so it is no failure; and yet the crawl has not finished


class StorageUnavailable(CrawlerError):
    """No answer from the storage so far; the image is to be saved again later."""


class QueueError(CrawlerError):
    """Between a worker and the queue."""


class QueueUnreachable(QueueError):
    """No answer in time; asked again until told to stop."""


class QueueDamaged(QueueUnreachable):
    """Something else has written to what lies in Redis; who collects makes it anew."""


class AuthenticationFailed(QueueError):
    """Wrong authkey, or a certificate that is not accepted."""


class ProtocolError(QueueError):
    """The peer speaks something else."""


class VersionMismatch(QueueError):
    """The peer speaks another version of the protocol."""


class TooManyConnections(QueueError):
    """The manager has as many connections as it takes."""


class CrawlReplaced(QueueError):
    """The manager serves another crawl by now, or this one with other settings."""


class UploadLost(QueueError):
    """The manager has not kept the first part of an image; it is sent again."""


class RemoteFault(QueueError):
    """The manager failed at a call."""


class WorkerStuck(CrawlerError):
    """A thread of a worker does not come back from a task; another process is to take the place of this one."""


class TaskError(CrawlerError):
    """Why one URL was not saved.

    ``http_status`` is 0 when no answer came; ``retry_after_s`` is what the server asked for, or None.
    """

    reason: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls, *, reason: str = "", retryable: bool = False) -> None:
        super().__init_subclass__()
        cls.reason, cls.retryable = reason or cls.reason, retryable or cls.retryable

    def __init__(
        self, detail: str, *, http_status: int = 0, retry_after_s: float | None = None, final_url: str = ""
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        self.final_url = final_url
