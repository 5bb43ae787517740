"""The cookies of a crawl, which all of its workers share: what one is sent, the others send back."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from crawler.models import Cookie
from crawler.queues.database import Connection

MOST = 3_000
MOST_OF_A_DOMAIN = 50
"""What a browser has to keep at the least (RFC 6265, section 6.1)."""
_AT_ONCE = 100
_DECODER = msgspec.msgpack.Decoder(Cookie)
_ENCODER = msgspec.msgpack.Encoder()


class Cookies:
    """Those in the file *db*. Every change has a number; *life_s* is the ledger's own age, by which they expire."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self.last: int = db.execute("SELECT coalesce(max(seq), 0) FROM cookies").fetchone()[0]
        """The number of the latest change."""

    def keep(self, cookies: Sequence[Cookie], *, life_s: float) -> None:
        """Take in what a worker was sent, within a transaction; where there are too many, the oldest go."""
        for cookie in cookies:
            self.last += 1
            due_s = None if cookie.expires_in_s is None else life_s + cookie.expires_in_s
            self._db.execute(
                "INSERT OR REPLACE INTO cookies VALUES (?, ?, ?, ?, ?, ?)",
                (cookie.domain, cookie.path, cookie.name, self.last, due_s, _ENCODER.encode(cookie)),
            )
        for domain in {cookie.domain for cookie in cookies}:
            self._drop_oldest("WHERE domain = ?", (domain,), most=MOST_OF_A_DOMAIN)
        if cookies:
            self._drop_oldest("", (), most=MOST)

    def news(self, seen: int, *, life_s: float) -> tuple[tuple[Cookie, ...], int]:
        """The changes after the one with the number *seen*, some of them if they are many; and how far these go."""
        if seen == self.last:
            return (), seen
        rows = self._db.execute(
            "SELECT seq, due_s, cookie FROM cookies WHERE seq > ? ORDER BY seq LIMIT ?", (seen, _AT_ONCE)
        ).fetchall()
        cookies = tuple(
            cookie
            if due_s is None
            else msgspec.structs.replace(
                cookie, expires_in_s=max(0.0, due_s - life_s), deleted=cookie.deleted or due_s <= life_s
            )
            for _, due_s, packed in rows
            for cookie in [_DECODER.decode(packed)]
        )
        return cookies, rows[-1][0] if len(rows) == _AT_ONCE else self.last

    def _drop_oldest(self, where: str, values: tuple[str, ...], *, most: int) -> None:
        self._db.execute(
            f"DELETE FROM cookies WHERE seq IN (SELECT seq FROM cookies {where} ORDER BY seq DESC LIMIT -1 OFFSET ?)",  # noqa: S608
            (*values, most),
        )
