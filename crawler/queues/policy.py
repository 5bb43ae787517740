"""Numbers that both engines of the queue go by, each stated once, with its reason.

The ledger reads them here. In the Lua of the queue in Redis they stand as ``POLICY.NAME``, in whose place
``redis/scripts.py`` puts the value: so all is as the program has it that gives the command, of whatever version the one
is that began the crawl, and no call pays for it.
"""

from __future__ import annotations

GIVEN_UP_AT_ONCE = 2000
"""Waiting tasks of a host that is down, in one step: that takes a tenth of a second or so, and everybody waits."""
GIVING_UP_EVERY_S = 0.25
"""From one such step to the next: others have their turn in between."""
