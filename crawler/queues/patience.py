"""How long a client of the queue repeats a call without an answer: one policy for the manager and for Redis."""

from __future__ import annotations

import logging
from collections.abc import Callable

from crawler.logs.events import QUEUE_BACK, QUEUE_SILENT, tell
from crawler.retrying import Patience

log = logging.getLogger(__name__)

_FIRST_WAIT_S, _MAX_WAIT_S = 0.05, 2.0
_WARN_AFTER_S = 3.0
"""A manager that is restarted is back within a second or two, of which nobody needs to hear."""


def queue_patience(
    where: Callable[[], str],
    *,
    reconnect_s: float,
    may_heal: Callable[[BaseException], bool],
    said: Callable[[BaseException], str],
) -> Patience:
    """The patience with the server named by *where*, whose errors *said* puts into words."""
    return Patience(
        may_heal,
        patience_s=reconnect_s,
        first_wait_s=_FIRST_WAIT_S,
        max_wait_s=_MAX_WAIT_S,
        warn_after_s=_WARN_AFTER_S,
        on_silence=lambda error, left_s: tell(
            log, QUEUE_SILENT, where=where(), reason=said(error), for_s=left_s
        ),
        on_answer=lambda _: tell(log, QUEUE_BACK, where=where()),
    )
