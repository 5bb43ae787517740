"""What the page of a gallery reads: calls of its functions with JSON. Pure.

Opened from the disk, a page may load scripts, but no other data. So the data are scripts that consist of one call. All
of their words come from strangers: in a script as in JSON, ``<`` and the line ends of JavaScript are escaped, so that
none of them can end anything. docs/gallery.md has the fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from crawler.models import ImageRecord, ImageStatus, Revisit, image_words
from crawler.models.readable import plain

VERSION = 1
WINDOW = 1000
"""Records that one file of data has at most: those with WINDOW consecutive numbers (``seq``)."""
SHOWN = (ImageStatus.SAVED, ImageStatus.DUPLICATE)
"""The statuses of images that the page shows; all others are its failures."""
REVISITS = tuple(Revisit)
SEPARATOR = "\x1f"
"""Between the words of an image (ASCII, unit separator)."""
ROW_END = "\x1e"
"""Between the rows of a column of texts (ASCII, record separator)."""
_MOST_WORDS, _MOST_TEXT = 500, 2000
_MOST_LIST = 50
_IN_COLUMNS = frozenset(
    {
        *("url", "status", "path", "sha256", "format", "width_px", "height_px", "size_bytes", "final_url"),
        *("page_url", "found_in", "finished_at", "revisit", "opt_outs", "alternatives", *image_words.NAMES),
        # of the machines that made the crawl, and none of the business of who looks at its pictures
        *("worker", "kept_by"),
    }
)
_MORE = tuple(name for name in ImageRecord.__struct_fields__ if name not in _IN_COLUMNS)
_NOT_IN_JSON = re.compile("[\ud800-\udfff]")
_WIDE = re.compile("[^\0-\xff]")
_IS_PLAIN = re.compile(r"[\x1f !#-;=-\[\]-~\xa0-\xff]*").fullmatch
"""Of Latin-1 without ``"``, backslashes, ``<`` and control characters but for SEPARATOR: all that a text in quotes may
be in a script, as it is.
"""


class Names:
    """Texts that occur often, by number, in the order in which they came."""

    def __init__(self, *texts: str) -> None:
        self._numbers = {text: number for number, text in enumerate(texts)}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def texts(self) -> list[str]:
        return list(self._numbers)


class SharedNames(NamedTuple):
    """The texts that all files of a gallery share."""

    hosts: Names
    formats: Names
    found_in: Names

    @classmethod
    def none(cls) -> SharedNames:
        return cls(Names(), Names(), Names())


class Place(NamedTuple):
    """Another URL that gave the same bytes, and where it was found."""

    url: str
    page: str
    alt: str
    caption: str
    found_in: str


class Picture(NamedTuple):
    """An image to be shown."""

    record: ImageRecord
    path: str
    """Empty if its file is not here."""
    thumbnail: str
    """Empty for none."""
    size_px: tuple[int, int]
    """As it is shown, turned as its EXIF orientation says."""
    group: int
    pages: Sequence[str] = ()
    """Pages on which its URL stood, but for the one that its record names."""
    more_pages: int = 0
    places: Sequence[Place] = ()
    more_places: int = 0


def script(function: str, *arguments: object) -> bytes:
    """A script that calls *function* of the page with *arguments*, in UTF-8."""
    return b"gallery.%s(%s);\n" % (function.encode("ascii"), b",".join(map(in_script, arguments)))


def in_script(value: object) -> bytes:
    """*value* as JSON that is safe in a script, within HTML as well, and in every version of JavaScript."""
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:  # a half of a character, of a file name that is no text
        data = _NOT_IN_JSON.sub("\ufffd", json.dumps(msgspec.to_builtins(value), ensure_ascii=False)).encode()
    for unsafe, escaped in _ESCAPES:
        data = data.replace(unsafe, escaped)
    return data if data.isascii() else _in_one_byte(data)


def _in_one_byte(data: bytes) -> bytes:
    """*data* with letters beyond Latin-1 escaped, where that takes a browser less: it keeps a script with one of them
    with two bytes a letter, until it collects garbage.
    """
    text = data.decode()
    escaped = _WIDE.sub(_escaped, text)
    return data if len(escaped) > 2 * len(text) else escaped.encode()


def _escaped(letter: re.Match[str]) -> str:
    return json.dumps(letter[0])[1:-1]


_ESCAPES = tuple((char.encode(), b"\\u%04x" % ord(char)) for char in "<\u2028\u2029")


def index_of(pictures: Iterable[Picture], names: SharedNames) -> dict[str, list[Any]]:
    """What layout, search, filters and sorting need of *pictures*, as columns."""
    columns: dict[str, Callable[[Picture], object]] = {
        "w": lambda one: one.size_px[0],
        "h": lambda one: one.size_px[1],
        "bytes": lambda one: one.record.size_bytes,
        "thumb": lambda one: one.thumbnail,
        "path": lambda one: one.path,
        "format": lambda one: names.formats.number(one.record.format),
        "host": lambda one: names.hosts.number(host_of(one.record.url)),
        "found": lambda one: names.found_in.number(one.record.found_in),
        "status": lambda one: SHOWN.index(one.record.status),
        "revisit": lambda one: REVISITS.index(one.record.revisit),
        "date": lambda one: unix_s(one.record.finished_at),
        "group": lambda one: one.group,
        # the empty ones, too: what a word is of is told by its place
        "text": lambda one: SEPARATOR.join(_words(one.record)).rstrip(SEPARATOR),
        "url": lambda one: one.record.url,
    }
    return _columns(pictures, columns)


TEXTS = ("thumb", "path", "text", "url")
"""The columns of texts of :func:`index_of`, in the order in which a script gives them."""


def index_script(number: int, columns: dict[str, list[Any]]) -> bytes:
    """A script that gives the page the columns of :func:`index_of` as it keeps them, in UTF-8.

    Each column of TEXTS is one text, ROW_END between its rows, in a function that is never called: its source is what
    the page keeps, so that a browser does not have each text twice, in the script and as a value. Such a text has no
    letter that is escaped, or is beyond Latin-1: that one would make all take two bytes. Rows with one are apart, as
    values: ``[these rows, their places]``. A number that all rows share stands there once.
    """
    kept: dict[str, Any] = {name: _numbers(column) for name, column in columns.items() if name not in TEXTS}
    functions = []
    for name in TEXTS:
        texts = [text.replace(ROW_END, " ") for text in columns[name]]
        apart = [row for row, text in enumerate(texts) if not _IS_PLAIN(text)]
        if apart:
            kept[name] = [ROW_END.join(texts[row] for row in apart), apart]
        others = set(apart)
        plain_text = ROW_END.join(text for row, text in enumerate(texts) if row not in others)
        functions.append(b'()=>"%s"' % plain_text.encode())
    return b"gallery.index(%d,%s,%s);\n" % (number, in_script(kept), b",".join(functions))


def _numbers(column: list[int]) -> list[int] | int:
    is_same = column and column.count(column[0]) == len(column)
    return column[0] if is_same else column


def detail_of(pictures: Iterable[Picture]) -> dict[str, list[Any]]:
    """What only the view of one picture needs, as columns."""

    def text(name: str) -> Callable[[Picture], object]:
        return lambda one: cut(getattr(one.record, name), _MOST_TEXT)

    columns: dict[str, Callable[[Picture], object]] = {
        "page": lambda one: one.record.page_url,
        **{name: text(name) for name in image_words.NAMES},
        "final_url": lambda one: one.record.final_url,
        "sha256": lambda one: one.record.sha256,
        "pages": lambda one: one.pages,
        "more_pages": lambda one: one.more_pages,
        "places": lambda one: [place._asdict() for place in one.places],
        "more_places": lambda one: one.more_places,
        "opt_outs": lambda one: [plain(said) for said in one.record.opt_outs],
        "more": lambda one: _more(one.record),
    }
    return _columns(pictures, columns)


def failures_of(records: Iterable[ImageRecord], reason: Callable[[str], int]) -> dict[str, list[Any]]:
    """What is told of image URLs that were not saved; *reason* numbers the reasons."""
    columns: dict[str, Callable[[ImageRecord], object]] = {
        "url": lambda one: one.url,
        "status": lambda one: str(one.status),
        "reason": lambda one: reason(one.reason),
        "http": lambda one: one.http_status,
        "page": lambda one: one.page_url,
        "detail": lambda one: cut(one.detail, _MOST_TEXT),
        "found": lambda one: one.found_in,
        "date": lambda one: unix_s(one.finished_at),
    }
    return _columns(records, columns)


def host_of(url: str) -> str:
    """``host[:port]`` of a URL, without its login; ``data:`` and the like where there is none."""
    scheme, mark, rest = url.partition("://")
    return _host(f"{scheme}://{rest.partition('/')[0]}") if mark else _host(f"{url.partition(':')[0]}:")


@lru_cache(maxsize=4096)
def _host(origin: str) -> str:
    """Cached: images share hosts, and to parse 100,000 URLs took a second."""
    with suppress(ValueError):
        parts = urlsplit(origin)
        return parts.netloc.rpartition("@")[2] or f"{parts.scheme}:"
    return ""


def unix_s(moment: str) -> int:
    """A record's moment in seconds since 1970; 0 for none."""
    with suppress(ValueError, OverflowError, OSError):
        return int(datetime.fromisoformat(moment).timestamp())
    return 0


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _columns(things: Iterable[Any], columns: dict[str, Callable[[Any], object]]) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {name: [] for name in columns}
    for thing in things:
        for name, value in columns.items():
            made[name].append(value(thing))
    return made


def _words(record: ImageRecord) -> Iterable[str]:
    return (cut(getattr(record, name), _MOST_WORDS) for name in image_words.NAMES)


def _more(record: ImageRecord) -> dict[str, object]:
    """Whatever else the record says."""
    more = {name: _short(value) for name in _MORE if (value := getattr(record, name))}
    if record.alternatives:
        more["alternatives"] = [
            {"url": one.url, "rule": one.rule} for one in record.alternatives[:_MOST_LIST]
        ]
    return more


def _short(value: object) -> object:
    return cut(value, _MOST_TEXT) if isinstance(value, str) else plain(value)
