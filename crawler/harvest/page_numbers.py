"""Recognises URLs of pages of one list: they differ only in a page number, or in the date of an archive.

A bare number is not a page number: every shop has ``/product/17`` beside ``/product/18``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMBER_NAMES = (
    "page paged pagen pager ipage curpage bstart"
    " pageno pagenum pagenumber pageindex pagenr currentpage cpage pg pn seite pagina strona stranica sayfa"
    " halaman sida sivu start startat startindex limitstart offset skip from first begin"
)
_CURSOR_NAMES = "cursor after before pagetoken nextpage maxid sinceid updatedmax"
_NUMBERS, _CURSORS = frozenset(_NUMBER_NAMES.split()), frozenset(_CURSOR_NAMES.split())
"""Parameters for a page: numbers, and cursors of any form. Not ``p``, which is a post in WordPress."""
_SIZES = frozenset(
    {"chash", "count", "length", "limit", "maxresults", "num", "pagesize", "perpage", "rows", "size"}
)
_OF_PAGE = re.compile(r"page(?:\[|%5b)(?:number|offset)(?:\]|%5d)", re.IGNORECASE)
"""JSON:API (https://jsonapi.org/format/#fetching-pagination)."""
_DECORATION = re.compile(r"\A.*(?:\[|%5b)|\]|%5d|_\d+\Z|:int\Z|[_-]", re.IGNORECASE | re.DOTALL)
_PAGE_WORDS = r"pages?|pg|seite|pagina|p%C3%A1gina|strona|stranica|strana|sida|side|sivu|sayfa|halaman|oldal"
_PAGE_IN_PATH = re.compile(
    rf"/index[_-]?\d{{1,4}}(?=\.\w{{2,5}}$)|[/._;-](?:(?:{_PAGE_WORDS})[/=:_-]?\d{{1,6}}|p[_-]?\d{{1,3}})(?=/?$|\.\w{{2,5}}$)",
    re.IGNORECASE,
)
_ARCHIVE = re.compile(r"/(?:19|20)\d\d(?:/\d\d?){0,2}(?=/?$)")
_ENDING = re.compile(r"/(?:index|default)(?:\.\w{2,5})?$|\.\w{2,5}$|/$", re.IGNORECASE)
_MAX_LONGER = 24
"""Characters that a page number may add to a path."""


class Numbered:
    """The URLs of the pages of one list; *url* is one of them."""

    def __init__(self, url: str) -> None:
        self._list = _of_list(url)
        self._start = self._list.path.removesuffix(_DATED)
        self._max_chars = len(url.partition("?")[0]) + _MAX_LONGER

    def has(self, url: str) -> bool:
        """Whether *url* differs only in the page number, or in the date of an archive."""
        if not url.startswith(self._start) or (len(url) > self._max_chars and "?" not in url):
            return False
        other = _of_list(url)
        return other[:2] == self._list[:2] and other.number != self._list.number


class _OfList(NamedTuple):
    path: str
    rest: tuple[str, ...]
    """Other parameters, sorted."""
    number: str
    """The page number or date; the first page may have none."""


_DATED = "/#"  # stands for a date: URLs with and without one are of different lists


def _of_list(url: str) -> _OfList:
    start, _, query = url.partition("?")
    host_end = start.find("/", start.find("//") + 2)
    host, path = start[:host_end], start[host_end:]
    number: list[str] = []
    if (found := _PAGE_IN_PATH.search(path)) is not None:
        number.append(found[0])
        path = path[: found.start()] + path[found.end() :]
    elif (found := _ARCHIVE.search(path)) is not None:
        number.append(found[0])
        path = path[: found.start()] + _DATED
    path = _ENDING.sub("", path)
    rest: list[str] = []
    for parameter in query.split("&") if query else ():
        name, _, value = parameter.partition("=")
        plain = _DECORATION.sub("", name).lower()
        is_number = plain in _NUMBERS or _OF_PAGE.fullmatch(name)
        if plain in _CURSORS or (is_number and value.isdecimal()):
            number.append(parameter)
        elif plain not in _SIZES:
            rest.append(parameter)
    return _OfList(host + path, tuple(sorted(rest)), "&".join(number))
