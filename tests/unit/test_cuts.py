"""No cut is silent: each limit in harvest/ is known here, with what counts it or why nothing is left out by it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from crawler import harvest

URL = "https://e.example/"
_LIMIT = re.compile(r"MAX|MOST|LIMIT|SAFE|ENOUGH|LOOKED|LEAST|MEMORY|MANY|LINKS_OF|_(?:CHARS|BYTES|URLS)$")

Document = tuple[str, str, dict[str, object]]


def html(text: str, **settings: object) -> Document:
    return text, "text/html", settings


def sitemap(text: str, **settings: object) -> Document:
    return (
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{text}</urlset>',
        "text/xml",
        {
            "found_in": "sitemap",
            **settings,
        },
    )


def ld(value: str) -> Document:
    return html(f'<script type="application/ld+json">{value}</script>')


COUNTED: dict[str, tuple[str, Callable[[], Document]]] = {
    "reading.MAX_SRCDOCS": ("srcdoc-cut", lambda: html("<iframe srcdoc='<img src=a.png>'></iframe>" * 101)),
    "tasks.LINKS_OF_A_PAGE": ("", lambda: html("".join(f"<a href=p{n}>x</a>" for n in range(10_001)))),
    "tasks.MAX_ALTERNATIVES": (
        "widths-cut",
        lambda: html(f"<img srcset='{', '.join(f'{n}.png {n}w' for n in range(1, 30))}'>"),
    ),
    "inline._MAX_CHARS": ("data-too-large", lambda: html(f"<img src='data:image/png,{'x' * 7 * 2**20}'>")),
    "inline.MAX_CONTENT_BYTES": (
        "data-too-large",
        lambda: html(f"<img src='data:image/png,{'x' * 3 * 2**20}'>"),
    ),
    "links.MAX_URL_CHARS": ("url-too-long", lambda: html(f"<img src='{'x' * 9000}.png'>")),
    "lazy._MAX_WIDTHS": (
        "widths-cut",
        lambda: html(f"<img data-src='a-{{width}}.png' data-widths='{list(range(100, 130))}'>"),
    ),
    "scripts.MAX_URLS": (
        "script-cut",
        lambda: html(f"<script>{[f'/{n}.png' for n in range(2001)]}</script>", script_urls=True),
    ),
    "structured._MAX_CHARS": ("json-cut", lambda: ld(json.dumps({"image": "a.png", "text": "x" * 2**20}))),
    "structured._MAX_DEPTH": ("json-cut", lambda: ld("[" * 70 + "]" * 70)),
    "sitemap.MAX_URLS": (
        "sitemap-cut",
        lambda: sitemap("".join(f"<url><loc>{URL}{n}</loc></url>" for n in range(50_001))),
    ),
    "xml._MAX_NODES": (
        "sitemap-cut",
        lambda: sitemap(f"<url><loc>{URL}a</loc>{'<x/>' * 10_001}</url>"),
    ),
    "xml._MAX_DEPTH": (
        "sitemap-cut",
        lambda: sitemap(f"<url><loc>{URL}a</loc>{'<x>' * 70}{'</x>' * 70}</url>"),
    ),
}
"""Limits beyond which something is left out: the slug, and a document that is over it; without a slug URLs are kept out."""

WORDS = "it shortens words, and what they are about is taken"
ORDER = "it decides how something is read, and not whether"
MEMORY = "it bounds what is remembered from other pages; what is forgotten is at most asked for again"
ELSEWHERE = "what is over it is counted by the limit of the same name elsewhere"


def limits() -> Iterator[str]:
    for path in sorted(Path(str(harvest.__file__)).parent.glob("*.py")):
        for name in _limits_of(ast.parse(path.read_text(encoding="utf-8"))):
            yield f"{path.stem}.{name}"


def _limits_of(tree: ast.AST) -> Iterator[str]:
    """Constants, and numbers from 10 on, up to which something is taken, or beyond which it is not."""
    for node in ast.walk(tree):
        bounds: list[ast.expr] = []
        match node:
            case ast.Subscript(slice=ast.Slice(upper=ast.expr() as upper)):
                bounds = [upper]
            case ast.Call(func=ast.Name(id="islice" | "at_most" | "min"), args=arguments):
                bounds = list(arguments)
            case ast.Compare(left=left, ops=operators, comparators=others) if not isinstance(
                operators[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn | ast.Is | ast.IsNot
            ):
                bounds = [part for part in (left, *others) if not isinstance(part, ast.Constant)]
        for part in (inner for bound in bounds for inner in ast.walk(bound)):
            if isinstance(part, ast.Name) and part.id.isupper() and _LIMIT.search(part.id):
                yield part.id
            elif isinstance(part, ast.Constant) and isinstance(part.value, int) and part.value > 9:
                yield str(part.value)
