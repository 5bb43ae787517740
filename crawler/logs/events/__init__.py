"""The events of the log: each has a word that never changes, a level, keys for machines, and a sentence for people.

    log = logging.getLogger(__name__)
    tell(log, WORKER_LOST, worker=worker_id, silent_s=61.0, tasks=3)

A line is formatted only for a handler: a call below the level costs a comparison. Foreign text (of pages, servers,
other machines) becomes one printable line, and logins in URLs are hidden. ``docs/logging.md`` has the table; a test
compares the calls, the table and these modules.
"""

from __future__ import annotations

from crawler.logs.events.crawl import *  # noqa: F403 - a wildcard exports names to type checkers as well
from crawler.logs.events.event import *  # noqa: F403
from crawler.logs.events.event import Event
from crawler.logs.events.hosts import *  # noqa: F403
from crawler.logs.events.machine import *  # noqa: F403
from crawler.logs.events.tasks import *  # noqa: F403

EVENTS: dict[str, Event] = {
    each.word: each
    for each in sorted(
        (each for each in vars().copy().values() if isinstance(each, Event)), key=lambda each: each.word
    )
}
"""All of them, by their words."""
