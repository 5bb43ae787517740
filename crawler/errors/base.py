"""What ends a command, a connection or the work at one URL: the upper part of the tree."""

from __future__ import annotations

from typing import ClassVar


class CrawlerError(Exception):
    """Base of all; its text says what, which value, and what to do."""

    exit_code: ClassVar[int] = 1


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


class StorageUnavailable(CrawlerError):
    pass


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
