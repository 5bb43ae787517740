"""The entries of a list: one URL a line, CSV or TSV, or JSON lines, as its first line shows.

Formats: RFC 4180 for CSV, of which quotes may be missing; https://jsonlines.org. In text, as in that of wget -i and
gallery-dl -i, blank lines and lines that begin with ``#`` are skipped.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO

import msgspec

from crawler.errors import ListError
from crawler.lists import USUAL, Bad, Columns, Row
from crawler.lists.lines import MAX_LINE_CHARS, Line, lines
from crawler.text.plain_errors import plain, quoted

_NAMES = {
    "url": ("url", "image_url", "imageurl", "image url", "img_url", "image_link", "file_url", "contenturl", "image",
            "img", "src", "link", "urls"),
    "caption": ("caption", "text", "top_caption", "alt", "alt_text", "alttext", "title", "description", "captions"),
    "page": ("page_url", "page", "source_page", "page_link", "referrer", "referer"),
}  # fmt: skip
"""What columns are usually called, the best first: as in the lists of LAION, COYO, CC3M, Hugging Face and Kaggle."""
_FLAGS = {"url": "--url-column", "caption": "--caption-column", "page": "--page-column"}
_DELIMITERS = ("\t", ",", ";")
_SHOWN = 60
_LOOKED_AT = 1000
"""Blank lines and comments that may come before the first entry."""
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_WORDS = msgspec.json.Decoder(str | list[str] | None).decode
_ROW_CHARS = 4 * MAX_LINE_CHARS
_MANY_LINES = 100
"""Lines of one row; more are no caption but a quote that was not closed, and what follows is lost."""
_OPEN_QUOTE = (
    "a quote is opened there that is not closed soon: the lines up to the next quote are lost with it"
)
_TOO_LONG = f"it is longer than {MAX_LINE_CHARS:,} characters"


def entries(stream: BinaryIO, *, name: str, columns: Columns = USUAL) -> Iterator[Row | Bad]:
    """Yield each entry of the list in *stream*, in order; earlier ones are not kept. A bad entry is a Bad.

    Raises ListError, with *name*: before the first entry for missing columns, later for a stream that can't be read.
    """
    numbered = lines(stream, name=name)
    before, first = _first(numbered)
    text = first.lstrip()
    if text.startswith("["):
        raise ListError(
            f"the list {name} begins with '[': of JSON, one object a line is read; jq -c '.[]' makes that of an array"
        )
    again = chain(before, numbered)
    if text.startswith("{"):
        yield from _of_json(again, first, name, columns)
    elif (delimiter := _delimiter(first, name)) is not None:
        yield from _of_table(again, first, delimiter, name, columns)
    elif columns != USUAL:
        raise ListError(f"the list {name} has no columns: its first line is {_shown(first)}")
    else:
        yield from _of_text(again)


def _first(numbered: Iterator[Line]) -> tuple[list[Line], str]:
    """The lines up to the first entry, and that one's text."""
    before: list[Line] = []
    for line in numbered:
        before.append(line)
        text = (line[1] or "").strip()
        if text and not text.startswith("#"):
            return before, text
        if len(before) >= _LOOKED_AT:
            break
    return before, ""


def _delimiter(first: str, name: str) -> str | None:
    """The delimiter of the columns of a table that begins with *first*; None if it is no table."""
    found = max(_DELIMITERS, key=first.count)
    stem = name.lower().removesuffix(".gz")
    if stem.endswith((".csv", ".tsv")):
        return found if found in first else "\t" if stem.endswith(".tsv") else ","
    if "\t" in first:
        return "\t"
    if "://" in first:
        return None
    names = {_folded(each) for each in first.split(found)}
    return found if names & set(_NAMES["url"]) else None


def _folded(name: str) -> str:
    return name.strip().strip('"').casefold()


def _of_text(numbered: Iterable[Line]) -> Iterator[Row | Bad]:
    for number, line in numbered:
        if line is None:
            yield Bad(line=number, why=_TOO_LONG)
        elif (text := line.strip()) and not text.startswith("#"):
            yield _row(number, text)


def _row(number: int, url: str, caption: str = "", page: str = "") -> Row | Bad:
    if not url:
        return Bad(line=number, why="it has no URL")
    if "\n" in url or "\t" in url:
        return Bad(line=number, why="its URL goes over several lines, or columns", lines=1 + url.count("\n"))
    for text in (url, caption, page):
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            return Bad(line=number, why="it is no text, or of another encoding than UTF-8")
    return Row(line=number, url=url, caption=caption, page=page)


def _of_table(
    numbered: Iterable[Line], first: str, delimiter: str, name: str, columns: Columns
) -> Iterator[Row | Bad]:
    feed = _Feed(numbered)
    reader = csv.reader(feed, delimiter=delimiter)
    places: dict[str, int] | None = None
    while True:
        feed.record_begins()
        try:
            fields = next(reader)
            wrong = _OPEN_QUOTE if feed.number - feed.began >= _MANY_LINES else ""
        except StopIteration:
            break
        except _Endless:
            fields, wrong = [], _OPEN_QUOTE
        except csv.Error as exc:
            fields, wrong = [], f"it can't be read as CSV: {plain(exc)}"
        yield from (Bad(line=number, why=_TOO_LONG) for number in feed.long)
        if wrong:
            yield Bad(line=feed.began, why=wrong, lines=1 + feed.number - feed.began)
            continue
        if feed.long or not any(map(str.strip, fields)) or (places is None and fields[0].startswith("#")):
            continue
        is_header = False
        if places is None:
            places, is_header = _places(fields, name, columns)
        if not is_header:
            yield _row(feed.began, *(_field(fields, places.get(each)) for each in _NAMES))
    if places is None and first and not feed.long:
        _places([first], name, columns)


class _Endless(Exception):
    """A row has no end: a quote was opened, and not closed."""


class _Feed:
    """The lines for csv.reader, which takes as many for a row as its quotes want. Goes on after an error."""

    def __init__(self, numbered: Iterable[Line]) -> None:
        self._lines = iter(numbered)
        self._chars = 0
        self.number = self.began = 0
        """Number of the line that was given last, and of the first line of its row."""
        self.long: list[int] = []
        """Numbers of the row's lines that are too long, and were given as empty ones."""

    def record_begins(self) -> None:
        self._chars, self.began, self.long = 0, self.number + 1, []

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self._chars > _ROW_CHARS:
            raise _Endless
        self.number, line = next(self._lines)
        self._chars += len(line or "")
        if line is None:
            self.long.append(self.number)
        return f"{line or ''}\n"


def _field(fields: Sequence[str], place: int | None) -> str:
    return fields[place].strip() if place is not None and place < len(fields) else ""


def _places(fields: Sequence[str], name: str, columns: Columns) -> tuple[dict[str, int], bool]:
    """The places of the columns that count, and whether the first row is a header. Raises ListError."""
    has_header = not any("://" in field for field in fields)  # a row that names a URL is none
    names = [_folded(field) for field in fields] if has_header else []
    places = {
        each: place
        for each, usual in _NAMES.items()
        if (place := _place(each, getattr(columns, each), usual, names, fields, name)) is not None
    }
    if not has_header and "url" not in places:
        places["url"] = next(place for place, field in enumerate(fields) if "://" in field)
    if not has_header and "caption" not in places and len(fields) == len(("url", "caption")):
        places["caption"] = 1 - places["url"]
    if "url" not in places:
        raise _no_column("url", "", fields, name)
    return places, has_header


def _place(
    each: str, wanted: str, usual: Sequence[str], names: list[str], fields: Sequence[str], name: str
) -> int | None:
    if not wanted:
        return next((names.index(one) for one in usual if one in names), None)
    if _folded(wanted) in names:
        return names.index(_folded(wanted))
    if wanted.isdecimal() and 1 <= int(wanted[:9]) <= len(fields):
        return int(wanted[:9]) - 1
    raise _no_column(each, wanted, fields, name)


def _no_column(each: str, wanted: str, fields: Iterable[str], name: str) -> ListError:
    told = ", ".join(_shown(field) for field in list(fields)[:20])
    what = (
        f"no column {_shown(wanted)}" if wanted else f"no column that is known for that of the {each.upper()}"
    )
    return ListError(
        f"the list {name} has {what}: it has {told}; say which with {_FLAGS[each]}, by name or number"
    )


def _shown(text: str) -> str:
    return quoted(text.encode("utf-8", "replace"), _SHOWN)


def _of_json(numbered: Iterable[Line], first: str, name: str, columns: Columns) -> Iterator[Row | Bad]:
    names: dict[str, tuple[str, ...]] = {
        each: (wanted,) if (wanted := getattr(columns, each)) else usual for each, usual in _NAMES.items()
    }
    if (fields := _json_fields(first)) is not None:
        if not _named(fields, names["url"]):
            raise _no_column("url", columns.url, fields, name)
        for each in ("caption", "page"):
            if getattr(columns, each) and not _named(fields, names[each]):
                raise _no_column(each, getattr(columns, each), fields, name)
    for number, line in numbered:
        if line is None:
            yield Bad(line=number, why=_TOO_LONG)
        elif line.strip():
            if (fields := _json_fields(line)) is None:
                yield Bad(line=number, why="it is no JSON object")
            else:
                yield _row(number, *(_words(fields, names[each]) for each in _NAMES))


def _json_fields(line: str) -> dict[str, msgspec.Raw] | None:
    try:
        return _FIELDS(line.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _named(fields: dict[str, msgspec.Raw], names: Iterable[str]) -> str:
    """The first of *names* that is a field, spelled as the field is; empty if none is."""
    written = {_folded(field): field for field in fields}
    return next((written[_folded(each)] for each in names if _folded(each) in written), "")


def _words(fields: dict[str, msgspec.Raw], names: Iterable[str]) -> str:
    """The text of the first of *names* that is a field; of a list of texts the first."""
    raw = fields.get(_named(fields, names))
    if raw is None:
        return ""
    try:
        found = _WORDS(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
    if isinstance(found, list):
        found = found[0] if found else ""
    return (found or "").strip()
