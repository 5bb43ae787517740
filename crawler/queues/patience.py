"""How long a client of the queue goes on trying: one policy, whatever the queue is kept by."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import tenacity

from crawler.logs.events import QUEUE_BACK, QUEUE_SILENT, tell

log = logging.getLogger(__name__)

_MAX_PAUSE_S = 2.0
_TOLD_AFTER_S = 3.0
_T = TypeVar("_T")


class Patience:
    """Makes calls until they get through, for *reconnect_s* seconds (which may be changed at any time) at the most.

    *where* names the other side, *may_heal* tells errors that another try may get over from final ones, and *said* puts
    one into words.
    """

    def __init__(
        self,
        where: Callable[[], str],
        *,
        reconnect_s: float,
        may_heal: Callable[[BaseException], bool],
        said: Callable[[BaseException | None], str],
    ) -> None:
        self.reconnect_s = reconnect_s
        self.abandoned = threading.Event()
        """Set when nobody waits for an answer any more: what fails then fails for good."""
        self._where = where
        self._may_heal = may_heal
        self._said = said
        self._told = False

    def trying(self, call: Callable[[], _T]) -> _T:
        """Raises what the last try raised."""
        value = tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._may_heal),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=_MAX_PAUSE_S),
            stop=self._out_of_patience,
            sleep=tenacity.sleep_using_event(self.abandoned),
            before_sleep=self._tell,
            reraise=True,
        )(call)
        if self._told:
            self._told = False
            tell(log, QUEUE_BACK, where=self._where())
        return value

    def _out_of_patience(self, attempt: tenacity.RetryCallState) -> bool:
        return self.abandoned.is_set() or (attempt.seconds_since_start or 0.0) >= self.reconnect_s

    def _tell(self, attempt: tenacity.RetryCallState) -> None:
        """Say once, for all calls that fail, why nothing happens."""
        since_s = attempt.seconds_since_start or 0.0
        if self._told or since_s < _TOLD_AFTER_S or attempt.outcome is None or self.abandoned.is_set():
            return
        self._told = True
        tell(
            log,
            QUEUE_SILENT,
            where=self._where(),
            reason=self._said(attempt.outcome.exception()),
            for_s=self.reconnect_s - since_s,
        )
