"""The cookies of a crawl, which all its workers share, in crawl.db.

They outlive restarts of the manager, by whose machine's wall clock they expire, and are removed when the crawl ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from crawler.crawlfile.connection import Connection
from crawler.models import Cookie
from crawler.queues import policy

_DECODER = msgspec.msgpack.Decoder(Cookie)
_ENCODER = msgspec.msgpack.Encoder()


def aged(cookie: Cookie, left_s: float | None) -> Cookie:
    """*cookie* with *left_s* seconds left: one whose time is over is deleted. None: it has no end."""
    if left_s is None:
        return cookie
    return msgspec.structs.replace(
        cookie, expires_in_s=max(0.0, left_s), deleted=cookie.deleted or left_s <= 0
    )


class Cookies:
    """The cookies in the file *db*. Every change has a number. *now* is the wall clock, in seconds."""

    def __init__(self, db: Connection, now: Callable[[], float] = time.time) -> None:
        self._db = db
        self._now = now
        self.last: int = db.execute("SELECT coalesce(max(seq), 0) FROM cookies").fetchone()[0]
        """The number of the latest change."""

    def keep(self, cookies: Sequence[Cookie]) -> None:
        """Keep *cookies*, within a transaction; where there are too many, the oldest are removed."""
        for cookie in cookies:
            self.last += 1
            until = None if cookie.expires_in_s is None else self._now() + cookie.expires_in_s
            slot = (cookie.domain, cookie.path, cookie.name)
            row = (*slot, self.last, cookie.deleted, until, _ENCODER.encode(cookie))
            self._db.execute("INSERT OR REPLACE INTO cookies VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        for domain in {cookie.domain for cookie in cookies}:
            self._drop_oldest("WHERE domain = ?", (domain,), most=policy.MOST_COOKIES_OF_DOMAIN)
        if cookies:
            self._drop_oldest("", (), most=policy.MOST_COOKIES)

    def forget(self) -> None:
        """Remove all cookies, within a transaction."""
        if self.last:
            self._db.execute("DELETE FROM cookies")

    def news(self, seen: int) -> tuple[tuple[Cookie, ...], int]:
        """Changes after the number *seen*, the first of them if they are many; and the number of the last one."""
        if seen == self.last:
            return (), seen
        rows = self._db.execute(
            "SELECT seq, until, cookie FROM cookies WHERE seq > ? ORDER BY seq LIMIT ?",
            (seen, policy.COOKIES_AT_ONCE),
        ).fetchall()
        now = self._now()
        cookies = tuple(
            aged(_DECODER.decode(packed), None if until is None else until - now) for _, until, packed in rows
        )
        return cookies, rows[-1][0] if len(rows) == policy.COOKIES_AT_ONCE else self.last

    def _drop_oldest(self, where: str, values: tuple[str, ...], *, most: int) -> None:
        """Remove cookies beyond *most*, deleted ones first, then the oldest."""
        self._db.execute(
            f"DELETE FROM cookies WHERE seq IN (SELECT seq FROM cookies {where}"  # noqa: S608 - our own words
            " ORDER BY deleted, seq DESC LIMIT -1 OFFSET ?)",
            (*values, most),
        )
