"""Signs that a page needs its scripts, and its template, before any script has run.

Pages that are made alike share one *template*: what a browser brings on some of them, it brings on the others as well.
The template is told by the URL without names and numbers, by the scripts, and by the outline of the document.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from crawler.harvest.parser_base import Element, media_type
from crawler.models import SIGNS, Value
from crawler.urls import MAX_URL_CHARS, resolve

MOST_ROUTES = 200
"""Routes of one page."""
MAX_ROUTE_CHARS = 1000
_OUTLINE_TAGS = 400
"""Tags that are read for the outline; later ones are content, which differs from page to page."""
_OUTLINE_DEPTH = 3
_NEAR_EMPTY_CHARS = 120
"""Visible characters of an empty page: a notice that scripts are needed, or "Loading"."""
_LOOKED_AT_CHARS = 200_000
_SCRIPT_START = 24

_PROGRAMS = frozenset(
    {
        "", "module", "text/javascript", "application/javascript", "application/x-javascript", "text/ecmascript",
        "application/ecmascript", "text/jsx", "text/babel", "text/partytown", "text/rocketscript",
    }
)  # fmt: skip
"""Types of ``<script>`` that run, or that another script runs (HTML, "prepare the script element")."""
_WEAK = frozenset({"scripts", "no-images", "frame"})
_BLOCK = re.compile(
    r"<(/?)((?=[abdfhmnsABDFHMNS])(?i:body|div|main|section|article|aside|nav|header|footer)"
    r"|[a-zA-Z][a-zA-Z0-9]*+-[a-zA-Z0-9-]*+)\b([^<>]*+)>"
    r"(?=(\s*+(?:<!--[^<>]*+>\s*+)?+</(?i:\2)\b)?+)"
)
"""The fourth group is set for an element without contents. The first letter is tested by itself: most tags are of other
elements.
"""
_NAMED = re.compile(
    r"\b(id|class)\s*=\s*(?:\"([^\"]{0,300})|'([^']{0,300})|([^\s\"'>]{1,300}))", re.IGNORECASE
)
_VARIES = re.compile(r"[0-9]+|(?<![a-z0-9])(?=[a-f0-9]*[0-9])[a-f0-9]{6,}(?![a-z0-9])", re.IGNORECASE)
_HASHED = re.compile(r"[.~_-](?=[A-Za-z0-9_-]{0,63}[0-9A-Z])[A-Za-z0-9_-]{6,64}(?=\.|$)")
"""The part of a file's name that changes with its content."""
_TAG = re.compile(r"<(?:!--|(/?)([a-z][a-z0-9-]*+)[^<>]*+>)", re.IGNORECASE)
_SILENT = frozenset({"script", "style", "noscript", "template", "svg", "head", "title"})
_MOUNTED = frozenset({"body", "div", "main", "section"})
_MOUNT_NAMES = re.compile(
    r"\bid\s*=\s*[\"']?(?:root|app|__next|__nuxt|___gatsby|svelte|main|mount|application|react-root|app-root|react-app|"
    r"vue-app|ember-app|content|container|gallery|page|view|outlet|router-view)[\"'\s>]",
    re.IGNORECASE,
)
_NOSCRIPT = re.compile(r"<noscript\b[^<>]*+>", re.IGNORECASE)
_MOST_NOSCRIPTS, _NOSCRIPT_CHARS = 8, 3000
_PLACEHOLDER = re.compile(
    r"^data:|(?:^|[/_.-])(?:placeholder|blank|spacer|loading|loader|lazy|pixel|transparent|1x1|empty|dummy)(?:[/_.-]|$)",
    re.IGNORECASE,
)


class ScriptSigns(Value):
    """The template and signs of a page with scripts."""

    template: Annotated[str, Meta(max_length=100)]
    """``family/fine``, in hexadecimal: pages of one family have the same scripts."""
    signs: Annotated[tuple[str, ...], Meta(max_length=16)] = ("scripts",)
    """Keys of SIGNS."""
    routes: Annotated[
        tuple[Annotated[str, Meta(max_length=MAX_URL_CHARS)], ...], Meta(max_length=MOST_ROUTES)
    ] = ()
    """URLs with fragments that are addresses for a script: ``…/#/about``."""
    more_routes: int = 0
    """Number of routes beyond MOST_ROUTES."""


def is_strong(signs: Iterable[str]) -> bool:
    """Whether there is more evidence for rendering than scripts alone."""
    return any(sign not in _WEAK for sign in signs if sign in SIGNS)


def looks_of(
    html: str, elements: Sequence[Element], *, url: str, base: str, images: int
) -> ScriptSigns | None:
    """The signs of the page at *url*, which names that many *images*; None for one without scripts and foreign frames.

    *base* is its base URL. Takes linear time, and reads the first 200,000 characters of *html*.
    """
    programs = [one for one in elements if one.name == "script" and is_program(one)]
    frames = sorted(_foreign_frames(elements, base, url)) if not programs else []
    if not programs and not frames:
        return None
    html = html[:_LOOKED_AT_CHARS]
    family = _digest([urlsplit(url).netloc, *sorted(_names_of(programs)), *frames])
    outline, has_mount = _outline(html)
    fine = _digest([_pattern(url), *outline])
    routes = list(dict.fromkeys(_routes(elements, base)))
    return ScriptSigns(
        template=f"{family}/{fine}",
        signs=tuple(_signs(html, elements, images=images, has_mount=has_mount)) if programs else ("frame",),
        routes=tuple(routes[:MOST_ROUTES]),
        more_routes=max(0, len(routes) - MOST_ROUTES),
    )


def route_template(template: str, url: str) -> str:
    """The template of the page that a script shows at the route *url*, which has a fragment."""
    path, _, fragment = url.partition("#")
    route = _pattern("http://route/" + fragment.lstrip("!/"))
    return f"{template.partition('/')[0]}/{_digest([_pattern(path), '#', route])}"


def is_program(script: Element) -> bool:
    return media_type(script) in _PROGRAMS and ("src" in script.attributes or script.text.strip() != "")


def _digest(parts: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "replace"), digest_size=8).hexdigest()


def _names_of(programs: Iterable[Element]) -> set[str]:
    """Names of scripts: their paths without what changes with their content, or the start of their text."""
    names = set()
    for program in programs:
        src = program.attributes.get("src", "")
        # pages of a site share their scripts; long references are not worth remembering
        name = _known_name(src) if len(src) <= _REMEMBERED_CHARS else _name_of_file(src)
        if name is None:
            name = _VARIES.sub("0", "".join(program.text[:200].split())[:_SCRIPT_START])
        names.add(name)
    return names


def _name_of_file(src: str) -> str | None:
    """The name of the script at *src*; None for none, and where ``urlsplit`` refuses what browsers take."""
    try:
        return _VARIES.sub("0", _HASHED.sub("", urlsplit(src).path[-200:])) if src else None
    except ValueError:
        return None


_REMEMBERED_CHARS = 256
_known_name = lru_cache(maxsize=1024)(_name_of_file)


def _pattern(url: str) -> str:
    """The URL without what differs among pages of one kind: its last name, its numbers, values of its query."""
    parts = urlsplit(url)
    *folders, last = parts.path.split("/")
    stem, dot, ending = last.rpartition(".")
    kept = [
        *(_VARIES.sub("0", folder) for folder in folders),
        f"*.{ending}" if dot and stem else "*" if last else "",
    ]
    query = sorted({pair.partition("=")[0] for pair in parts.query.split("&")})
    return f"{'/'.join(kept)}?{'&'.join(query)}"


def _outline(html: str) -> tuple[list[str], bool]:
    """The named blocks around the content, each kind once at each depth; and whether any block, wherever it stands, is
    empty for a script to fill it.
    """
    depth, seen, has_mount = 0, set(), False
    for number, tag in enumerate(_BLOCK.finditer(html)):
        slash, name, inside, is_empty = tag.groups()
        if is_empty is not None and not slash and not has_mount:
            has_mount = _is_mount(name, inside)
        if number >= _OUTLINE_TAGS:
            if has_mount:
                break
            continue
        if slash:
            depth = max(0, depth - 1)
            continue
        if depth <= _OUTLINE_DEPTH:
            seen.add((depth, name, inside))
        if not inside.endswith("/"):
            depth += 1
    kinds = [
        (depth, (_known_kind if len(inside) <= _REMEMBERED_CHARS else _kind_of_block)(name, inside))
        for depth, name, inside in seen
    ]
    return sorted({f"{depth} {kind}" for depth, kind in kinds if kind}), has_mount


def _is_mount(name: str, inside: str) -> bool:
    """Whether an empty element is of a kind that scripts fill: a custom one, or one with a name that says so."""
    if "-" in name:
        return not name.endswith("-") or name.count("-") > 1
    return name.lower() in _MOUNTED and _MOUNT_NAMES.search(f"{inside}>") is not None


def _kind_of_block(name: str, inside: str) -> str:
    """Its name with its id and classes; empty without those: such blocks often belong to the content."""
    named = sorted(
        _VARIES.sub("0", word)
        for match in _NAMED.finditer(inside)
        for word in (match[2] or match[3] or match[4] or "").split()
    )
    return f"{name.lower()} {' '.join(named)}" if named or "-" in name else ""


_known_kind = lru_cache(maxsize=4096)(_kind_of_block)  # pages of a site share their blocks


def _signs(html: str, elements: Sequence[Element], *, images: int, has_mount: bool) -> Iterable[str]:
    yield "scripts"
    if _is_near_empty(html):
        yield "empty"
    if has_mount:
        yield "mount"
    if any("javascript" in notice for notice in _notices(html)):
        yield "noscript"
    shown = [one.attributes.get("src", "") for one in elements if one.name == "img"]
    if shown and all(_PLACEHOLDER.search(src[:2000]) or not src for src in shown):
        yield "placeholders"
    if not images:
        yield "no-images"


def _is_near_empty(html: str) -> bool:
    """Whether a person would read next to nothing on the page."""
    seen, position, inside = 0, 0, ""
    for tag in _TAG.finditer(html):
        if tag.start() < position:  # in a comment
            continue
        if not inside:
            seen += len("".join(html[position : tag.start()].split()))
            if seen >= _NEAR_EMPTY_CHARS:
                return False
        position = tag.end()
        if tag[2] is None:  # a comment, which no tag ends
            end = html.find("-->", position)
            position = end + len("-->") if end >= 0 else len(html)
        elif (name := tag[2].lower()) in _SILENT and not inside and not tag[1]:
            inside = name
        elif inside and tag[1] and name == inside:
            inside = ""
    return len(html) < _LOOKED_AT_CHARS


def _notices(html: str) -> Iterable[str]:
    """The texts of ``<noscript>``."""
    for found in islice(_NOSCRIPT.finditer(html), _MOST_NOSCRIPTS):
        text = html[found.end() : found.end() + _NOSCRIPT_CHARS].lower()
        yield _TAG.sub(" ", text.partition("</noscript")[0])


def _foreign_frames(elements: Iterable[Element], base: str, url: str) -> set[str]:
    """Hosts of framed documents other than the page's own: they are not visited as pages."""
    return {
        urlsplit(found).netloc
        for element in elements
        if element.name in ("iframe", "frame")
        and (found := resolve(element.attributes.get("src", ""), base)) is not None
        and urlsplit(found).netloc != urlsplit(url).netloc
    }


def _routes(elements: Iterable[Element], base: str) -> Iterable[str]:
    """Targets of links that only a script can follow."""
    for element in elements:
        if element.name not in ("a", "area"):
            continue
        reference, _, fragment = element.attributes.get("href", "").strip().partition("#")
        if not _is_route(fragment):  # as in nearly all: it costs less than a URL
            continue
        url = resolve(reference, base)
        if url is not None and (route := with_route(url, fragment)) is not None:
            yield route


def with_route(url: str, fragment: str) -> str | None:
    """A canonical *url* with a script's route; None if *fragment* is not one, or too long."""
    if not _is_route(fragment):
        return None
    route = _escaped(fragment)
    return f"{url}#{route}" if len(url) + len(route) < MAX_URL_CHARS else None


def _is_route(fragment: str) -> bool:
    return fragment[:1] in ("/", "!") and 1 < len(fragment) <= MAX_ROUTE_CHARS


def _escaped(fragment: str) -> str:
    """A fragment as browsers write it, percent-encoded."""
    return "".join(
        char
        if "!" <= char <= "~" and char not in '"<>`'
        else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in fragment
    )[:MAX_ROUTE_CHARS]
