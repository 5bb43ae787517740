"""Pages that harm whoever opens them in a browser: they never end, take all memory, flood, fool and escape.

    .venv/bin/python -m tests.hostile_pages [NAME…]

opens them, or those whose names begin so, with a renderer as it works in a crawl, and prints what became of each.
"""

from __future__ import annotations

from tests.hostile_pages import answers, busy, escapes, floods, fooling, greedy
from tests.hostile_pages.kinds import Hostile

PAGES: tuple[Hostile, ...] = (
    *busy.PAGES,
    *greedy.PAGES,
    *floods.PAGES,
    *escapes.PAGES,
    *answers.PAGES,
    *fooling.PAGES,
)
