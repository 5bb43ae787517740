"""How much of a crawl is done, as one figure. Pure.

While pages are being read, more is found any moment: the share is then of what is known so far, and may fall. Pages,
renders and images count alike: of images alone it was 100 % again and again while pages name them one by one.
"""

from __future__ import annotations

import msgspec

from crawler.models import Stats


class Share(msgspec.Struct, frozen=True, kw_only=True):
    percent: int
    """Rounded down: 100 once all is settled, and not before."""
    known: int
    """Pages, renders and images."""
    may_fall: bool

    @property
    def text(self) -> str:
        """``62 % of 1,240 so far, may fall``; as wide from 0 to 99 %."""
        return f"{self.percent:>2} % of {self.known:,}{' so far, may fall' if self.may_fall else ''}"


def share(stats: Stats) -> Share | None:
    """The share that is done; None before there is anything to do."""
    counts = (stats.pages, stats.renders, stats.images)
    known = sum(count.discovered for count in counts)
    if not known:
        return None
    left = sum(count.unsettled for count in counts)
    return Share(
        percent=100 * (known - left) // known,
        known=known,
        may_fall=bool(stats.pages.unsettled or stats.renders.unsettled),
    )
