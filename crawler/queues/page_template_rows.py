"""What rendering pages of each template brought, in crawl.db: the ledger's part of page_templates.py."""

from __future__ import annotations

from crawler.crawlfile.connection import Connection
from crawler.models import RenderOutcome, TemplateAnswer
from crawler.queues.page_templates import KnownTemplates, asked, changes, family_of, kept_as, known_of, told


class PageTemplateRows:
    """The templates in the file *db*."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def asked(
        self, host: int, name: str, task: int | None, now_s: float
    ) -> tuple[TemplateAnswer, dict[str, bytes]]:
        """See ``page_templates.asked``; returns the answer, and the states to ``keep``."""
        before = self._known(host, name)
        known, answer = asked(before, task, now_s)
        return answer, changes(before, known)

    def told(self, host: int, name: str, outcome: RenderOutcome) -> dict[str, bytes]:
        """See ``page_templates.told``; returns the states to ``keep``."""
        before = self._known(host, name)
        return changes(before, told(before, outcome))

    def keep(self, host: int, states: dict[str, bytes]) -> None:
        """Write *states*, within a transaction."""
        self._db.executemany(
            "INSERT OR REPLACE INTO templates VALUES (?, ?, ?)",
            [(host, name, state) for name, state in states.items()],
        )

    def _known(self, host: int, name: str) -> KnownTemplates:
        kept = self._kept(host, name)
        if name not in kept:
            sql = "SELECT count(*) FROM templates WHERE host_id = ?"
            [count] = self._db.execute(sql, (host,)).fetchone()
            if (other := kept_as(name, is_known=False, kept=count)) != name:
                name, kept = other, self._kept(host, other)
        return known_of(name, kept.get(name), kept.get(family_of(name)))

    def _kept(self, host: int, name: str) -> dict[str, bytes]:
        return dict(
            self._db.execute(
                "SELECT name, state FROM templates WHERE host_id = ? AND name IN (?, ?)",
                (host, name, family_of(name)),
            ).fetchall()
        )
