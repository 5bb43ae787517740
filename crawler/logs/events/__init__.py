"""What the log says: every event has a word that stays, a level, keys for machines, and a sentence for people.

    log = logging.getLogger(__name__)
    tell(log, WORKER_LOST, worker=worker_id, silent_s=61.0, tasks=3)

A line is made of it only when somebody wants it: a call below the level costs a comparison. What others have said
(pages, servers, other machines) is made one printable line here, and logins in URLs are hidden, whoever reads the log.
``docs/logging.md`` has the table; a test holds the calls, the table and this file to each other.
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
