"""The values that travel between the parts of the crawler, on the wire and in the files alike.

All are frozen, and keyword-only to the type checker. Durations end in ``_s`` (seconds), sizes in ``_bytes`` or
``_px``. A moment (``finished_at``) is for people to read: no decision is taken on another machine's clock.

    values     the base class, the bounds of fields, TaskKind, TaskState
    origins    where a URL was found: Origin, Alternative; what its owner says of its use: OptOut, Purpose
    records    the outcome of a URL: ImageRecord, PageRecord, RenderRecord, and their statuses
    tasks      NewTask, Task, Lease, Heartbeat, Result
    shared     what workers learn from one another: Cookie, HostFile, TemplateAnswer
    status     what a running queue shows: Stats, Status, WorkerState, HostStatus
    runs       Run: one start of a crawl, with its settings

All their public names are names of this package.
"""

from __future__ import annotations

from crawler.models.origins import *  # noqa: F403 - a wildcard exports names to type checkers as well
from crawler.models.records import *  # noqa: F403
from crawler.models.runs import *  # noqa: F403
from crawler.models.shared import *  # noqa: F403
from crawler.models.status import *  # noqa: F403
from crawler.models.tasks import *  # noqa: F403
from crawler.models.values import *  # noqa: F403
