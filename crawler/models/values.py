"""The base class of all values, the bounds of their fields, and the kinds and states of tasks."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, dataclass_transform

import msgspec
from msgspec import Meta


# for type checkers: what derives from it is frozen as well
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all values: changed by ``msgspec.structs.replace``, never in place."""


# Bounds hold for whatever is decoded: messages of a manager, entries in Redis, rows of crawl.db. They are far above
# what an honest peer sends. NaN is within none of them.
Seconds = Annotated[float, Meta(ge=0, le=1e8)]
"""Bounded so that no worker can delay a task for ever."""
Pause = Annotated[float, Meta(ge=0, le=3600)]
"""The longest pause of a host that a worker may report: an hour."""
Duration = Annotated[float, Meta(ge=0, le=1e15)]
"""Shown to people; nothing is decided by it."""
MAX_COUNT = 2**53
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
"""A number that a float of JSON or Lua holds exactly."""
Total = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A sum of counts, or an id that SQLite has given."""
MAX_SIZE_BYTES = 2**40
Size = Annotated[int, Meta(ge=0, le=MAX_SIZE_BYTES)]
"""Bytes of one image or page. The sum of eight million of the largest fits into 63 bits."""
Pixels = Annotated[int, Meta(ge=0, le=2**31 - 1)]
MAX_DEPTH = 2**24 - 1
Depth = Annotated[int, Meta(ge=0, le=MAX_DEPTH)]
Small = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Slug = Annotated[str, Meta(max_length=100)]
Url = Annotated[str, Meta(max_length=8192)]
"""The limit is urls.MAX_URL_CHARS."""
Text = Annotated[str, Meta(max_length=2**18)]
"""A text of a page or a header; headers have at most http.http1.MAX_HEADER_BYTES."""
MAX_PATH_CHARS = 1024
"""Object stores allow keys of 1,024 bytes; download.naming keeps paths below that."""
Moment = Annotated[str, Meta(max_length=64)]
WorkerId = Annotated[str, Meta(max_length=512)]
KeptBy = Annotated[str, Meta(pattern=r"^(\?|[0-9a-f]{16} [^:\x00-\x1f]{0,255}:[^\x00-\x1f]{0,4096})?$")]
SettingValue = bool | Total | Annotated[float, Meta(ge=0, le=2**63)] | Text | tuple[Text, ...]
"""The value of a setting, as JSON has it."""
SHOWN_TASKS = 3
"""Number of running tasks whose URLs a worker reports."""
SHOWN_URL = 300
"""Number of characters of each of these URLs."""


class TaskKind(StrEnum):
    PAGE = "page"
    """A document in which images are found (HTML, a style sheet, a sitemap); a harvester fetches it."""
    IMAGE = "image"
    """An image; a downloader fetches it."""
    RENDER = "render"
    """A page that a renderer opens in a browser, for what its scripts make of it."""


class TaskState(StrEnum):
    """Every task is in exactly one of these states; their sum changes only when a task is added."""

    READY = "ready"
    DELAYED = "delayed"
    LEASED = "leased"
    DONE = "done"
    DEAD = "dead"
