"""How it is with a host in trouble, in words and figures for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crawler.errors import HostDown
from crawler.models import TaskKind
from crawler.queues.policy import Trouble

_WHICH = {TaskKind.IMAGE: "", TaskKind.PAGE: " --pages", TaskKind.RENDER: " --renders"}


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

    def reason_and_detail(self, name: str, kind: TaskKind, *, is_seed: bool) -> tuple[str, str]:
        """Reason and detail of a task that waited for the host *name* in vain; those of a seed say what is wrong."""
        if is_seed:
            return self.reason, self.detail
        how = f"image-crawler retry DIR --reason {HostDown.reason}{_WHICH[kind]} puts it back"
        return HostDown.reason, f"{self.told_of(name)}; {how}"

    def event_fields(self, name: str) -> dict[str, Any]:
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
