"""Every error of the crawler.

    CrawlerError
    ├── UsageError            exit 2: ConfigError, SeedError, ListError, FolderError
    ├── CrawlError            exit 1: SeedUnreachable, StorageFull, StorageFailed, LedgerCorrupt, ProcessesKeepDying,
    │                         CrawlStopped (LimitReached)
    ├── StorageUnavailable
    ├── QueueError            QueueUnreachable (QueueDamaged), AuthenticationFailed, ProtocolError, VersionMismatch,
    │                         TooManyConnections, CrawlReplaced, UploadLost, RemoteFault
    ├── WorkerStuck
    └── TaskError             FetchError, Rejection (OptedOut): ``reasons``

Each leaf below TaskError has a ``reason``; REASONS is the closed list of them. ``retryable`` says whether another
request may help. To add a reason for not saving, add a class to ``reasons``, and to ADVICE (``advice``) what to do
about it.

A URL that a limit, a rule or an opt-out keeps out of the queue has no task, and so no error: it is counted by a slug of
LEFT_OUT (``left_out``).
"""

from __future__ import annotations

from crawler.errors.advice import *  # noqa: F403 - a wildcard exports names to type checkers as well
from crawler.errors.base import *  # noqa: F403
from crawler.errors.left_out import *  # noqa: F403
from crawler.errors.reasons import *  # noqa: F403
