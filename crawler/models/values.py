"""What every value is built on: its base class, the bounds of its fields, and the kinds and states of tasks."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, dataclass_transform

import msgspec
from msgspec import Meta


# for type checkers: what derives from it is frozen as well
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all values: changed by ``msgspec.structs.replace``, never in place."""


# What crosses the wire is bounded here, for whoever decodes it, of a manager or of Redis, and so are rows of crawl.db.
# The bounds are far above what an honest peer says; NaN is within none.
Seconds = Annotated[float, Meta(ge=0, le=1e8)]
"""Of a result: no worker can have a task wait for ever."""
Pause = Annotated[float, Meta(ge=0, le=3600)]
"""That a worker may ask for in a host's name."""
Duration = Annotated[float, Meta(ge=0, le=1e15)]
"""For people to read."""
MAX_COUNT = 2**53
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
"""What a float, as of JSON or Lua, holds exactly."""
Total = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A sum of such, or a number that SQLite has given."""
MAX_SIZE_BYTES = 2**40
Size = Annotated[int, Meta(ge=0, le=MAX_SIZE_BYTES)]
"""Of one image or page, in bytes; eight million of the largest have a sum of 63 bits."""
Pixels = Annotated[int, Meta(ge=0, le=2**31 - 1)]
MAX_DEPTH = 2**24 - 1
Depth = Annotated[int, Meta(ge=0, le=MAX_DEPTH)]
Small = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Slug = Annotated[str, Meta(max_length=100)]
Url = Annotated[str, Meta(max_length=8192)]
"""As urls.MAX_URL_CHARS."""
Text = Annotated[str, Meta(max_length=2**18)]
"""Servers choose how long their headers are, up to http.http1.MAX_HEADER_BYTES."""
MAX_PATH_CHARS = 1024
"""As keys of object stores (see download.naming)."""
Moment = Annotated[str, Meta(max_length=64)]
WorkerId = Annotated[str, Meta(max_length=512)]
KeptBy = Annotated[str, Meta(pattern=r"^(\?|[0-9a-f]{16} [^:\x00-\x1f]{0,255}:[^\x00-\x1f]{0,4096})?$")]
SettingValue = bool | Total | Annotated[float, Meta(ge=0, le=2**63)] | Text | tuple[Text, ...]
"""Of a setting, as JSON has it: within the bounds of config."""
SHOWN_TASKS = 3
SHOWN_URL = 300


class TaskKind(StrEnum):
    PAGE = "page"
    """Fetched by a harvester: an HTML page or a style sheet that images are found in."""
    IMAGE = "image"
    """Fetched by a downloader."""
    RENDER = "render"
    """Opened by a renderer, in a browser: a page once more, for what its scripts make of it."""


class TaskState(StrEnum):
    """Every task is in exactly one of these; their sum only changes when a task is added."""

    READY = "ready"
    DELAYED = "delayed"
    LEASED = "leased"
    DONE = "done"
    DEAD = "dead"
