"""The table of docs/logging.md, made of crawler/logs/events: ``python -m tests.generators.logtable``.

test_events.py compares it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from crawler.logs.events import EVENTS, Event

PAGE = Path(__file__).parents[2] / "docs" / "logging.md"
MARK = "<!-- made of crawler/logs/events by python -m tests.generators.logtable -->\n"


def page(before: str) -> str:
    """*before*, the page as it is, with its table made anew."""
    head, mark, _ = before.partition(MARK)
    assert mark, f"{PAGE} has lost its mark"
    return head + mark + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "| event | level | what it means | its keys |"
    yield "|---|---|---|---|"
    for event in EVENTS.values():
        yield f"| `{event.word}` | {_level(event)} | {event.means} | {' '.join(f'`{key}`' for key in event.keys)} |"


def _level(event: Event) -> str:
    return logging.getLevelName(event.level).lower()


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
