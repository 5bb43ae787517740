"""Which pages name an image, in crawl.db: all but the first one, which is in its record.

There is a row for each pair of an image and a page, and it stays: as with the first page, what counts is that the image
stood there at some visit. So whatever is told twice, or in another order, changes nothing. A row takes 25 bytes.

A queue in Redis does not know which page is the first one in crawl.db: from there come all.

A page's images lie all over the table, and each row would change a page of the file: that took a manager 13 us. So a
ledger writes one row for each page that is read, to ``new_mentions``, and moves thousands at a time.

Of each image MOST_PAGES are kept; a further page is counted each time that it names the image, in ``more_mentions`` and
in the books. Else 100,000 pages that name the same 10,000 images, a few kilobytes each in gzip, took 25 GB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter

from crawler.crawlfile.connection import Connection
from crawler.models import NewTask, TaskKind
from crawler.urls import page_mark

Named = dict[str, list[bytes]]
"""The ``task_key`` of images, by the URL of a page that names them."""
KEY_BYTES = 16
MOST_PAGES = 1000
"""So many pages of an image are kept beside the first one."""
IMAGE_PAGES = "image-pages"
"""Under which further ones are counted."""
_AT_ONCE = 4096
"""So many are moved at a time: 10 ms or so."""
_WAIT_S = 5.0
"""After so many seconds they are moved if they are fewer, as somebody may look at them."""
_FULL_IN_MEMORY = 10_000
_ADD = "INSERT OR IGNORE INTO mentions VALUES (?1, ?2)"
_ADD_IF_ROOM = f"""INSERT OR IGNORE INTO mentions SELECT ?1, ?2
WHERE NOT EXISTS (SELECT 1 FROM mentions WHERE image = ?1 LIMIT 1 OFFSET {MOST_PAGES - 1})"""  # noqa: S608 - our own number
_KEPT = f"SELECT count(*) FROM (SELECT 1 FROM mentions WHERE image = ? LIMIT {MOST_PAGES})"  # noqa: S608
_COUNT = """INSERT INTO more_mentions VALUES (?, ?)
ON CONFLICT (image) DO UPDATE SET times = times + excluded.times"""


class MentionRows:
    """Those of the file *db*; to be used within a transaction, and made anew after one that failed. *left_out* counts
    what is not kept, by slug.
    """

    def __init__(self, db: Connection, left_out: Callable[[Mapping[str, int]], None]) -> None:
        self._db = db
        self._left_out = left_out
        self._full: set[bytes] = set()
        """Some of the images that have MOST_PAGES."""
        (size_bytes,) = db.execute("SELECT coalesce(sum(length(images)), 0) FROM new_mentions").fetchone()
        self.new = size_bytes // KEY_BYTES
        """How many are yet to be moved."""
        self._due = 0.0

    def note(self, named: Mapping[str, Sequence[bytes]], *, now: float) -> None:
        """Note them in ``new_mentions``."""
        if not named:
            return
        if not self.new:
            self._due = now + _WAIT_S
        for url, images in named.items():
            self._db.execute("INSERT INTO new_mentions (url, images) VALUES (?, ?)", (url, b"".join(images)))
        self.new += sum(map(len, named.values()))
        if self.new >= _AT_ONCE:
            self.move()

    def is_due(self, now: float) -> bool:
        """Whether some are to be moved, as they have waited for long enough."""
        return self.new > 0 and now >= self._due

    def move(self) -> None:
        """Move all that are new to their place."""
        if self.new:
            found = self._db.execute(
                "SELECT url, images FROM new_mentions WHERE typeof(url) = 'text' AND typeof(images) = 'blob'"
            ).fetchall()
            self.keep((url, keys_in(images)) for url, images in found)
            self._db.execute("DELETE FROM new_mentions")
            self.new = 0

    def keep(self, named: Iterable[tuple[str, Iterable[bytes]]]) -> None:
        """Keep pages, and the images that each names, for good."""
        marked = [(page_mark(url), url, images) for url, images in named]
        if not marked:
            return
        pages = self._pages({mark: url for mark, url, _ in marked})
        rows = ((image, pages[mark]) for mark, _, images in marked for image in images)
        while some := list(islice(rows, _AT_ONCE)):
            self._keep_some(sorted(set(some)))  # neighbours change the same page of the file

    def _keep_some(self, rows: Sequence[tuple[bytes, int]]) -> None:
        """Keep pairs of an image and a page, each once, as far as there is room, and count the rest."""
        times = Counter(map(itemgetter(0), rows))
        full = times.keys() & self._full
        several = {image for image, count in times.items() if count > 1} - full
        near = {image for image in several if self._kept(image) + times[image] > MOST_PAGES}
        plain = several - near
        if plain:
            self._db.executemany(_ADD, [row for row in rows if row[0] in plain])
        # a look for each pair: most images are named by one page among these
        done = plain | full
        rest = [row for row in rows if row[0] not in done] if done else rows
        before = self._db.total_changes
        self._db.executemany(_ADD_IF_ROOM, rest)
        if self._db.total_changes - before < len(rest):  # else all of them had room
            full |= {image for image in {image for image, _ in rest} if self._kept(image) >= MOST_PAGES}
        if full:
            self._count([row for row in rows if row[0] in full])
            if len(self._full) + len(full) > _FULL_IN_MEMORY:
                self._full.clear()
            self._full |= full

    def _kept(self, image: bytes) -> int:
        (count,) = self._db.execute(_KEPT, (image,)).fetchone()
        return int(count)

    def _count(self, rows: Iterable[tuple[bytes, int]]) -> None:
        """Count those that are not kept."""
        more: dict[bytes, int] = {}
        for image, its_rows in groupby(rows, itemgetter(0)):
            pages = [page for _, page in its_rows]
            found = self._db.execute(
                "SELECT page FROM mentions WHERE image = ? AND page >= ?", (image, pages[0])
            )
            more[image] = len({*pages} - {page for (page,) in found})
        more = {image: times for image, times in more.items() if times}
        if more:
            self._db.executemany(_COUNT, more.items())
            self._left_out({IMAGE_PAGES: sum(more.values())})

    def _pages(self, urls: Mapping[int, str]) -> dict[int, int]:
        """The ids of pages, by their marks; those that are new are added."""
        (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM mention_pages").fetchone()
        self._db.executemany("INSERT OR IGNORE INTO mention_pages (mark, url) VALUES (?, ?)", urls.items())
        new = self._db.execute("SELECT mark, id FROM mention_pages WHERE id > ?", (last,))
        pages: dict[int, int] = dict(new.fetchall())
        for mark in urls.keys() - pages.keys():
            known = self._db.execute("SELECT id FROM mention_pages WHERE mark = ?", (mark,))
            (pages[mark],) = known.fetchone()
        return pages


def keys_in(images: bytes) -> Iterator[bytes]:
    """The keys of which *images* consists."""
    return (images[at : at + KEY_BYTES] for at in range(0, len(images), KEY_BYTES))


def note_mention(named: Named, key: bytes, task: NewTask) -> None:
    """Note in *named* that the page of *task*, whose key this is, names an image that may be taken."""
    origin = task.origin
    if origin is None or task.kept_out_by or task.kind is not TaskKind.IMAGE:
        return
    if (images := named.get(origin.page_url)) is not None:
        images.append(key)
    elif origin.page_url:
        named[origin.page_url] = [key]
