"""Finds the images and imports of a style sheet (CSS Syntax Level 3, tokenised by tinycss2).

URLs that draw nothing are left out: fonts (``@font-face``), names (``@namespace``), preludes of at-rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import tinycss2

from crawler.harvest.cuts import Cut
from crawler.harvest.data_urls import is_inline
from crawler.harvest.extensions import leads_elsewhere

_MAY_REFER = re.compile(r"url\(|image\(|image-set\(|src\(|@import|\\", re.IGNORECASE)
_LANDMARK = re.compile(
    r"""
    "(?:[^"\\\n]|\\.)*+"? | '(?:[^'\\\n]|\\.)*+'? | /\*.*?(?:\*/|\Z)  # in which braces are text, as in
    | url\(\s*+(?!["'])(?:[^)\\]|\\.)*+                         # an unquoted URL
    | [{}] | \\.
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_BREAK = re.compile(rf"{_LANDMARK.pattern} | ;", _LANDMARK.flags)
_PIECE_CHARS = 131_072
"""Characters that are tokenised at once. One token may be longer: a data: URL."""
_SMALL_CHARS = 512
_NOT_DRAWN = frozenset({"font-face", "namespace", "font-feature-values", "color-profile"})
_URL_FUNCTIONS = frozenset({"url", "src"})
_IMAGE_SETS = frozenset({"image-set", "-webkit-image-set"})
_PER_X = {"x": 1.0, "dppx": 1.0, "dpi": 96.0, "dpcm": 96.0 / 2.54}


class CssReference(NamedTuple):
    url: str
    is_import: bool = False
    image_set: int = 0
    """A number shared by the choices of one ``image-set()``; 0 outside of one."""
    density: float | None = None


def references(css: str) -> list[CssReference | Cut]:
    """The references of a style sheet or a ``style`` attribute, in order, without fragments of the document itself.

    Never raises; nesting of any depth takes no stack.
    """
    numbers = count(1)
    found: list[CssReference | Cut] = []
    for piece in _pieces(css):
        if isinstance(piece, Cut):
            found.append(piece)
        elif _MAY_REFER.search(piece):
            tokens = tinycss2.parse_component_value_list(piece, skip_comments=True)
            found += [item for item in _walk(tokens, numbers) if _is_of_interest(item)]
    return found


def _is_of_interest(item: CssReference) -> bool:
    if not item.url or item.url.startswith("#"):
        return False
    return item.is_import or is_inline(item.url) or not leads_elsewhere(item.url)


def _pieces(css: str) -> Iterator[str | Cut]:
    """The rules of a style sheet one by one, so that only those with references are tokenised.

    Each token is an object; the size of a piece limits the memory.
    """
    start = depth = 0
    for landmark in _LANDMARK.finditer(css) if len(css) > _SMALL_CHARS else ():
        if landmark[0] == "{":
            depth += 1
        elif landmark[0] == "}" and depth:
            depth -= 1
            if depth == 0:
                yield from _limited(css, start, landmark.end())
                start = landmark.end()
    yield from _limited(css, start, len(css))


def _limited(css: str, start: int, end: int) -> Iterator[str | Cut]:
    """A rule, in parts if it is large (``@media``). It is cut after an inner rule, else after a declaration. Where
    neither ends for long, the cut may hit a reference, and yields a Cut.
    """
    size = 0
    position = start
    for mark in _BREAK.finditer(css, start, end) if end - start > _PIECE_CHARS else ():
        size += mark.start() - position
        position = mark.end()
        if size > 2 * _PIECE_CHARS:
            yield from _torn(css, start, mark.start())
            start, size = mark.start(), 0
        elif size > _PIECE_CHARS // 2 and (mark[0] == "}" or (mark[0] == ";" and size > _PIECE_CHARS)):
            yield css[start:position]
            start, size = position, 0
    if size + end - position > 2 * _PIECE_CHARS:
        yield from _torn(css, start, end)
    else:
        yield css[start:end]


def _torn(css: str, start: int, end: int) -> Iterator[str | Cut]:
    yield Cut("css-cut")
    for position in range(start, end, _PIECE_CHARS):
        yield css[position : min(position + _PIECE_CHARS, end)]


def _walk(tokens: list[Any], numbers: Iterator[int]) -> Iterator[CssReference]:  # noqa: C901 - one case a kind of token
    levels = [iter(tokens)]
    while levels:
        token = next(levels[-1], None)
        if token is None:
            levels.pop()
            continue
        match token.type:
            case "url":
                yield CssReference(token.value)
            case "function" if token.lower_name in _URL_FUNCTIONS:
                yield from (CssReference(url) for url in _strings(token.arguments)[:1])
            case "function" if token.lower_name in _IMAGE_SETS:
                yield from _choices(token.arguments, next(numbers))
            case "function" if token.lower_name == "image":
                yield from (CssReference(url) for url in _strings(token.arguments))
                levels.append(iter(token.arguments))
            case "function":
                levels.append(iter(token.arguments))
            case "at-keyword":
                prelude, block = _rest_of_rule(levels[-1])
                if token.lower_value == "import":
                    yield from (CssReference(url, is_import=True) for url in _urls(prelude)[:1])
                if token.lower_value not in _NOT_DRAWN:
                    levels.append(iter(block))
            case "{} block" | "() block" | "[] block":
                levels.append(iter(token.content))
            case _:
                pass


def _rest_of_rule(tokens: Iterator[Any]) -> tuple[list[Any], list[Any]]:
    """Prelude and block of an at-rule whose name has just been taken from *tokens*."""
    prelude: list[Any] = []
    for token in tokens:
        if token.type == "{} block":
            return prelude, token.content
        if token.type == "literal" and token.value == ";":
            break
        prelude.append(token)
    return prelude, []


def _choices(arguments: list[Any], number: int) -> Iterator[CssReference]:
    """The choices of an ``image-set()``, separated by commas: an image, maybe with a resolution."""
    url: str | None = None
    density: float | None = None
    for token in [*arguments, None]:
        if token is None or (token.type == "literal" and token.value == ","):
            if url is not None:
                yield CssReference(url, image_set=number, density=density)
            url = density = None
        elif token.type == "dimension" and token.lower_unit in _PER_X:
            density = token.value / _PER_X[token.lower_unit]
        elif url is None:
            url = next(iter(_urls([token])), None)


def _urls(tokens: list[Any]) -> list[str]:
    urls: list[str] = []
    for token in tokens:
        if token.type in ("url", "string"):
            urls.append(token.value)
        elif token.type == "function" and token.lower_name in _URL_FUNCTIONS:
            urls += _strings(token.arguments)[:1]
    return urls


def _strings(tokens: list[Any]) -> list[str]:
    return [token.value for token in tokens if token.type == "string"]
