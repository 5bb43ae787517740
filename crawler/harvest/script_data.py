"""Extracts the data that frameworks leave in scripts for their code in the browser.

These are assigned objects (``window.__INITIAL_STATE__ = {…}``, ``JSON.parse("…")``), literals of JavaScript by Nuxt 2
and SvelteKit, and streams in pieces: Next's flight data, Remix, React Router. Lists in which numbers stand for values
are devalue's (https://github.com/sveltejs/devalue) and turbo-stream's (https://github.com/jacob-ebey/turbo-stream).
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from crawler.harvest import js_literals, loose_json
from crawler.harvest.cuts import Cut, at_most
from crawler.harvest.js_literals import NotALiteralError

_MAX_TRIES = 4
_MAX_ASSIGNMENTS = 500
"""Assignments that are tried in one script."""
_ASSIGNED = re.compile(
    r"""=\s*+(?:
      (?P<json>[{\[](?=\s*+["{\[]))
    | (?P<parse>JSON\.parse\(\s*+(?:(?P<coded>decodeURIComponent|(?:window\.)?atob)\(\s*+)?(?=["'`]))
    | (?P<call>\(?(?:function\s*+\(|\()(?P<names>[\w$,\s]*+)\)\s*+(?:=>\s*+)?[({]) | (?P<list>new\s++Array\()
    | (?P<literal>\{|\[(?=\s*+'))
    )""",
    re.VERBOSE,
)
_MAX_BROKEN = 100
"""Broken pieces of a stream in one script: json counts the lines up to an error, so each costs the whole text."""
_TARGET_CHARS = 120
_TARGET = re.compile(
    r"(?:(?:window|self|globalThis|this)\s*(?:\.[\w$]+|\[\s*[\"'][^\"'\[\]]+[\"']\s*\])+|(?:var|let|const)\s+[\w$]+|\b__\w+)"
    r"\s*\Z"
)
_STATE = re.compile(
    r"__|state|data|props|store|cache|nuxt|redux|context|photo|image|picture|gallery|galleries|slides|albums?(?![a-z])"
    r"|(?:pic|img|banner|background|thumb)s(?![a-z])",
    re.IGNORECASE,
)
"""Part of a name to which a literal of JavaScript may be assigned; for JSON any name will do."""
_LAST_NAME = re.compile(r"(?<![\w$])[A-Za-z_$][\w$]*+\s*+\Z")
"""Any name. Data of such a name as :data:`_STATE` are taken wherever they are assigned: ``Static.CONTEXT = {…}``."""
_RETURN = re.compile(r"(?:return\b\s*+|\A)\(?(?=\{)")
_ARGUMENTS = re.compile(r"[\s;)]*+\}?[\s)]*+\(")
_SVELTEKIT_DATA = re.compile(r"\bdata:\s*+(?=\[)")
_PIECE = {
    "__next_f": re.compile(r"__next_f(?:\s*+=\s*+self\.__next_f\s*+\|\|\s*+\[\]\))?\.push\(\s*+(?=\[)"),
    "streamController": re.compile(r"streamController\.enqueue\(\s*+(?=\")"),
}
STREAMS = tuple(_PIECE)
_ROW = re.compile(r"[0-9a-f]*:(?:(?P<text>T)(?P<length>[0-9a-f]{1,8}),|(?P<code>[A-Z]{0,2}))")
_NOT_DATA = frozenset({"I", "E"})
"""Rows of modules and errors."""


def assigned(text: str) -> Iterator[Any]:
    """The data of a script, in order; a Cut stands for more than are read. Never raises; code is skipped."""
    position = 0
    returns = None
    for count in itertools.count():
        found = _ASSIGNED.search(text, position)
        if found is None:
            break
        if count >= _MAX_ASSIGNMENTS:
            yield Cut("json-cut")
            break
        start = max(0, found.start() - _TARGET_CHARS)
        target = _TARGET.search(text, start, found.start()) or _named_state(text, start, found.start())
        position = found.end()
        if target is not None:
            returns = returns or _Returns(text)
            try:
                value, position = _assigned(
                    text, found, returns, is_state=_STATE.search(target[0]) is not None
                )
            except NotALiteralError:
                continue
            yield value
    if "__sveltekit" in text:
        yield from at_most(_MAX_ASSIGNMENTS, _of_sveltekit(text), slug="json-cut")


def _named_state(text: str, start: int, end: int) -> re.Match[str] | None:
    target = _LAST_NAME.search(text, start, end)
    return target if target is not None and _STATE.search(target[0]) else None


class _Returns:
    """Where the functions of a script return objects: 500 functions that did not end were searched to the end of the
    script, each of them, 5 s for a megabyte.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._found = _RETURN.search(text)
        self._tries = 0

    def after(self, position: int) -> int:
        """Where the first object after *position*, which only grows, begins. Raises NotALiteralError for none, and for
        one that was told a few times: code of other functions stands between.
        """
        if self._found is not None and self._found.start() < position:
            self._found, self._tries = _RETURN.search(self._text, position), 0
        self._tries += 1
        if self._found is None or self._tries > _MAX_TRIES:
            raise NotALiteralError
        return self._found.end()


def _assigned(text: str, found: re.Match[str], returns: _Returns, *, is_state: bool) -> tuple[Any, int]:
    if found["parse"]:
        argument, end = js_literals.read_at(text, found.end())
        return loose_json.read(_decoded(argument, found["coded"])) if isinstance(argument, str) else None, end
    if found["json"]:
        value, end = loose_json.read_at(text, found.start("json"))
        if value is not loose_json.BROKEN:
            return value, end
    if not is_state:
        raise NotALiteralError
    if found["list"]:
        return js_literals.list_at(text, found.end())
    if found["call"]:
        return _called(text, found, returns)
    return js_literals.read_at(text, found.start(found.lastgroup or 0))


def _decoded(argument: str, coded: str | None) -> str:
    if not coded:
        return argument
    if coded == "decodeURIComponent":
        return unquote(argument)
    try:
        return base64.b64decode(argument).decode("utf-8", "replace")
    except binascii.Error:
        return ""


def _called(text: str, found: re.Match[str], returns: _Returns) -> tuple[Any, int]:
    """The data of Nuxt 2: ``(function(a,b){return {image:a}}("a.png",1))``."""
    start = found.end() - 1
    begins = returns.after(start) if text[start] == "{" else found.end()
    _, end = js_literals.read_at(text, begins)
    arguments = _ARGUMENTS.match(text, end)
    if arguments is None:
        raise NotALiteralError
    values, end = js_literals.list_at(text, arguments.end())
    names = (name.strip() for name in found["names"].split(","))
    return js_literals.read_at(text, begins, dict(zip(names, values, strict=False)))[0], end


def _of_sveltekit(text: str) -> Iterator[Any]:
    for found in _SVELTEKIT_DATA.finditer(text):
        with suppress(NotALiteralError):
            yield js_literals.read_at(text, found.end())[0]


# --- lists in which numbers stand for values --------------------------------------------------------------


def unflattened(values: Any) -> Any:
    """The value of a list of devalue or turbo-stream; parts of it may occur more than once, also in cycles."""
    if not isinstance(values, list) or not values:
        return values
    built: list[Any] = [type(value)() if isinstance(value, (dict, list)) else value for value in values]

    def meant(reference: Any) -> Any:
        is_one = isinstance(reference, int) and 0 <= reference < len(built)
        return built[reference] if is_one else None

    for value, place in zip(values, built, strict=True):
        if isinstance(value, dict):
            place.update({_key(name, values): meant(reference) for name, reference in value.items()})
        elif isinstance(value, list):
            place.extend(meant(reference) for reference in value)
    return built[0]


def _key(name: str, values: list[Any]) -> str:
    """A name, which turbo-stream may keep among the values: ``_7``."""
    number = name[1:]
    if name.startswith("_") and number.isdecimal() and len(number) < 9 and int(number) < len(values):  # noqa: PLR2004
        return str(values[int(number)])
    return name


# --- what comes in pieces ---------------------------------------------------------------------------------


def streamed(texts: Iterable[str], stream: str) -> Iterator[Any]:
    """The values in the pieces of a stream, and BROKEN for each that can't be read; *stream* is one of STREAMS."""
    joined = "".join(piece for text in texts for piece in _pieces(text, stream))
    if stream == "__next_f":
        yield from _flight(joined)
        return
    for line in joined.split("\n"):
        start = line.find("[")
        if start >= 0:
            yield unflattened(loose_json.read_at(line, start)[0])


def _pieces(text: str, stream: str) -> Iterator[str]:
    broken = 0
    for found in _PIECE[stream].finditer(text):
        piece, _ = loose_json.read_at(text, found.end())
        broken += piece is loose_json.BROKEN
        if broken > _MAX_BROKEN:
            return
        if isinstance(piece, list):  # [1, "…"]
            piece = piece[1] if piece[:1] == [1] and len(piece) > 1 else ""
        if isinstance(piece, str):
            yield piece


def _flight(text: str) -> Iterator[Any]:
    """The rows of React's flight format: ``1:{…}``, ``2:T4,text``, ``3:I[…]``."""
    position = 0
    while position < len(text):
        row = _ROW.match(text, position)
        if row is not None and row["text"]:
            size = int(row["length"], 16)
            data = text[row.end() : row.end() + size].encode("utf-8", "replace")[:size]
            content = data.decode("utf-8", "ignore")
            yield content
            position = row.end() + len(content)
            continue
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        start = position if row is None else row.end()
        is_json = text[start] in "{[" if row is None else row["code"] not in _NOT_DATA
        if is_json and start < end:
            yield loose_json.read_at(text[start:end], 0)[0]
        position = end + 1
