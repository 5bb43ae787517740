"""Images of lists become tasks, a thousand at a time, each with the caption and the page that its list names."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from crawler.config import ScopeConfig
from crawler.errors import SeedError
from crawler.lists import FOUND_IN, Bad, Given, ListFile, Report, Row
from crawler.lists.reading import ListComplaints, mark, opened, shown
from crawler.logs.events import LIST_READ, tell
from crawler.models import NewTask, Origin, TaskKind
from crawler.models.image_words import trimmed
from crawler.scope import Scope
from crawler.seeds import whole
from crawler.urls import canonical, is_too_long, without_tracking

if TYPE_CHECKING:
    from crawler.queues.ledger import Ledger

log = logging.getLogger(__name__)

LIST_LINE = "list-line"
"""The slug that lines without a URL are counted under."""
_BATCH = 1000
_SAY_EVERY_S = 5.0


def take(ledger: Ledger, given: Given, scope: Scope, settings: ScopeConfig, report: Report) -> None:
    """Put the images of the lists into *ledger*, but for lists that have not changed since they were read.

    *report* is told how far a list has been read. Raises ListError for a list that can't be read to its end; its
    earlier entries are in the ledger then.
    """
    known = ledger.lists()
    for pages in given.pages:
        if not pages.mark or known.get(pages.name) != pages.mark:
            ledger.note_list(pages.name, pages.mark, LIST_LINE, pages.bad_lines, pages.bad)
    for found in given.images:
        now = mark(found, settings)
        if not now or known.get(found.name) != now:
            complaints = _take_one(ledger, found, scope, settings, report)
            ledger.note_list(found.name, now, LIST_LINE, complaints.lines, complaints.places)


def _take_one(
    ledger: Ledger, found: ListFile, scope: Scope, settings: ScopeConfig, report: Report
) -> ListComplaints:
    """Put the images of one list into *ledger*; returns its complaints."""
    complaints = ListComplaints(shown(found))
    batch: list[NewTask] = []
    count = new = 0
    said = time.monotonic()
    with opened(found) as rows:
        for row in rows:
            task = task_of(row, scope, strip_tracking=settings.strip_tracking)
            if isinstance(task, Bad):
                complaints.tell(task)
                continue
            batch.append(task)
            count += 1
            if len(batch) >= _BATCH:
                new += ledger.put(batch)
                batch.clear()
                if time.monotonic() - said > _SAY_EVERY_S:
                    said = time.monotonic()
                    report(f"reading the list {shown(found)}: {count:,} URLs so far")
    new += ledger.put(batch)
    complaints.tell_all()
    report(f"the list {shown(found)} names {count:,} images, {new:,} of them new")
    tell(log, LIST_READ, list=shown(found), urls=count, new=new, bad_lines=complaints.lines)
    return complaints


def task_of(row: Row | Bad, scope: Scope, *, strip_tracking: bool) -> NewTask | Bad:
    """The task of an entry, with what keeps it out if anything does; a Bad for an entry without a URL."""
    if isinstance(row, Bad):
        return row
    url = canonical(row.url)
    if url is None:
        if is_too_long(row.url, "about:blank"):
            return Bad(line=row.line, why="its URL is longer than 8,192 characters")
        return Bad(line=row.line, why=_why_no_url(row.url))
    if strip_tracking:
        url = without_tracking(url)
    return NewTask(
        kind=TaskKind.IMAGE,
        url=url,
        origin=Origin(
            page_url=canonical(row.page) or "",
            found_in=FOUND_IN,
            caption=trimmed(row.caption),
        ),
        kept_out_by=scope.image_refusal(url),
    )


def _why_no_url(text: str) -> str:
    try:
        whole(text[:200])
    except SeedError as exc:
        return str(exc).replace("the seed ", "", 1).partition(";")[0]
    return "it is no http or https URL"
