"""How it is with a host in trouble, in words and figures for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crawler.errors import HostDown
from crawler.models import TaskKind
from crawler.queues import policy

HOW_TO_RETRY = {
    TaskKind.IMAGE: f"image-crawler retry DIR --reason {HostDown.reason} puts it back",
    TaskKind.PAGE: f"image-crawler retry DIR --reason {HostDown.reason} --pages puts it back",
    TaskKind.RENDER: f"image-crawler retry DIR --reason {HostDown.reason} --renders puts it back",
}
"""The command that puts back what waited for a host that was given up."""


class Trouble(StrEnum):
    BACKING_OFF = policy.BACKING_OFF
    ONLY_ERRORS = policy.ONLY_ERRORS
    DOWN = policy.DOWN
    RECOVERING = policy.RECOVERING
    SLOWED = policy.SLOWED
    """It has refused requests for coming too fast: see throttle.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """How it is with a host in trouble, for people."""

    trouble: Trouble
    failures: int
    """Failures in a row."""
    tries: int
    """Failures, with those in flight together counted as one."""
    reason: str
    """Why the latest request failed."""
    detail: str
    lasts_s: float
    """Seconds since the first of the failures."""
    due_s: float
    """Seconds until the host is asked again."""
    reached: bool
    """Whether the host answers."""

    def told_of(self, name: str) -> str:
        """One sentence about the host *name*."""
        came = "gave nothing of use" if self.reached else "was not reached"
        return f"{name} {came} at {self.tries} tries over {_span(self.lasts_s)}, last: {self.reason}: {self.detail}"

    def facts_of(self, name: str) -> dict[str, Any]:
        """Fields of the event that the host is given up."""
        return {
            "told": self.told_of(name),
            "host": name,
            "reason": self.reason,
            "tries": self.tries,
            "lasts_s": self.lasts_s,
        }


def _span(seconds: float) -> str:
    if seconds < 100:  # noqa: PLR2004 - what is longer is easier to read in minutes
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
