"""Every error of the crawler.

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

Each leaf below TaskError has a ``reason``; REASONS is the closed list of them. ``retryable`` says whether another
request may help. To add a reason for not saving, add a class to ``reasons``.

A URL that a limit, a rule or an opt-out keeps out of the queue has no task, and so no error: it is counted by a slug of
LEFT_OUT (``left_out``).
"""

from __future__ import annotations

from crawler.errors.base import *  # noqa: F403 - a wildcard exports names to type checkers as well
from crawler.errors.left_out import *  # noqa: F403
from crawler.errors.reasons import *  # noqa: F403
