"""When how much may be received from all sites together: pure, the clock injected.

One line of reservations for all workers, as in the generic cell rate algorithm (ITU-T I.371): each reservation begins
where the one before ends, so that all workers together keep the rate, however many there are.
"""

from __future__ import annotations

from crawler.queues import policy


class BandwidthSchedule:
    """The reservations at *rate_bytes_s*, 0 for no limit; not thread-safe.

    Invariant: everything before ``_free_at`` is reserved, or gone by.
    """

    def __init__(self, rate_bytes_s: int) -> None:
        self._rate_bytes_s = rate_bytes_s
        self._free_at = 0.0

    def reserve(self, count: int, *, now: float) -> float:
        """In how many seconds *count* bytes may be received. Nothing is reserved when that is more than HORIZON_S, so
        that no worker takes the whole future.
        """
        if not self._rate_bytes_s:
            return 0.0
        begins_at = max(self._free_at, now - policy.BURST_S)
        wait_s = max(0.0, begins_at - now)
        if wait_s <= policy.HORIZON_S:
            self._free_at = begins_at + count / self._rate_bytes_s
        return wait_s
