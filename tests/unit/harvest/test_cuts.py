"""No cut is silent: each limit in harvest/ is known here, with what counts it or why nothing is left out by it."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crawler
from crawler import harvest
from crawler.errors import LEFT_OUT
from crawler.harvest.cuts import at_most, without_cuts
from tests.support.saved_pages import read

URL = "https://e.example/"
_LIMIT = re.compile(
    r"MAX|MOST|LIMIT|SAFE|ENOUGH|LOOKED|LEAST|MEMORY|MANY|LINKS_OF|_(?:CHARS|BYTES|URLS)$|^LINKS"
)

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


def long_tag(attributes: int) -> str:
    return f"<p {' '.join(f'data-x{n}=y' for n in range(attributes))}>"


COUNTED: dict[str, tuple[str, Callable[[], Document]]] = {
    "script_signs.MOST_ROUTES": (
        "render-images",
        lambda: html("<script src=a.js></script>" + "".join(f"<a href='#/{n}'>x</a>" for n in range(201))),
    ),
    "documents.MAX_SRCDOCS": ("srcdoc-cut", lambda: html("<iframe srcdoc='<img src=a.png>'></iframe>" * 501)),
    "documents.MAX_PARTS_OF_LENGTH": (
        "srcdoc-cut",
        lambda: html("<script type=text/template><img src=a.png>" * 50),
    ),
    "tasks.LINKS_OF_A_PAGE": (
        "max-links-per-page",
        lambda: html("".join(f"<a href=p{n}>x</a>" for n in range(10_001))),
    ),
    "tasks.MAX_ALTERNATIVES": (
        "widths-cut",
        lambda: html(f"<img srcset='{', '.join(f'{n}.png {n}w' for n in range(1, 30))}'>"),
    ),
    "attributes._MAX_ATTRIBUTES": ("markup-cut", lambda: html(long_tag(9_000))),
    "attributes._MANY_ROOTS": (
        "markup-cut",
        lambda: html("".join(f"<body a{n}=b>" for n in range(6_000))),
    ),
    "attributes._MAX_NAMES": ("markup-cut", lambda: html("".join(f"<x{n} y{n}=1>" for n in range(90_000)))),
    "css._PIECE_CHARS": (
        "css-cut",
        lambda: (f"p {{ --x: {'(' * 300_000} url(b.png) }}", "text/css", {}),
    ),
    "lexbor._MAX_TEMPLATES": ("template-cut", lambda: html("<template>" * 40 + "<img src=a.png>")),
    "documents.MAX_IMPORTS_BELOW_MAX_DEPTH": (
        "import-depth",
        lambda: ("@import 'a.css'; @import 'b.css';", "text/css", {"depth": 30}),
    ),
    "data_images._MAX_DEPTH": (
        "json-cut",
        lambda: html(f'<script type="application/json">{"[" * 70}{"]" * 70}</script>'),
    ),
    "script_data._MAX_ASSIGNMENTS": (
        "json-cut",
        lambda: html(f"<script>{'window.a = {};' * 501}</script>"),
    ),
    "json_ld._MAX_VALUES": ("json-cut", lambda: ld(json.dumps(list(range(20_001))))),
    "xml._MAX_NODES_IN_ALL": (
        "sitemap-cut",
        lambda: sitemap(f"<url><loc>{URL}a</loc>{'<x/>' * 9_000}</url>" * 6),
    ),
    "data_urls._MAX_CHARS": ("data-too-large", lambda: html(f"<img src='data:image/png,{'x' * 7 * 2**20}'>")),
    "data_urls.MAX_CONTENT_BYTES": (
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
    "json_ld._MAX_CHARS": ("json-cut", lambda: ld(json.dumps({"image": "a.png", "text": "x" * 2**20}))),
    "json_ld._MAX_DEPTH": ("json-cut", lambda: ld("[" * 70 + "]" * 70)),
    "sitemap.MAX_URLS": (
        "sitemap-cut",
        lambda: sitemap("".join(f"<url><loc>{URL}{n}</loc></url>" for n in range(2_501))),
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
"""Limits beyond which something is left out: the slug that counts it, and a document that is over it."""

BY_PARAMETER = {"tasks.LINKS_OF_A_PAGE"}
"""Not to be seen where it is applied."""

WORDS = "it shortens words, or where they are looked for; the picture is taken"
HOW = "it decides how something is read, and not whether"
MEMORY = "it bounds what is remembered of other pages; what is forgotten is at most asked for again"
KEPT_OUT = "what is over it is kept out, each URL by its slug: tests/unit/harvest/test_traps.py"
NOVELTY = "it decides what is new; links of pages that bring nothing are kept out: test_endless_sites.py"
TURNS = "it decides whether a link turns a page; one that does not is followed all the same, by its depth"
NO_PICTURE = "what is over it is no image's URL, or no key that names one"
BROKEN = "what is over it counts as data that can't be read: json-broken where it is declared to be data"

LOOKS = "it decides whether a page is opened in a browser as well, which is said in its record"

NOT_COUNTED = {
    **dict.fromkeys(
        [
            "script_signs.200",
            "script_signs.2000",
            "script_signs._LOOKED_AT_CHARS",
            "script_signs._MOST_NOSCRIPTS",
        ],
        LOOKS,
    ),
    **dict.fromkeys(["script_signs._NEAR_EMPTY_CHARS", "script_signs._NOSCRIPT_CHARS"], LOOKS),
    **dict.fromkeys(
        ["script_signs.MAX_ROUTE_CHARS", "script_signs.MAX_URL_CHARS"], "what is over it is no script's route"
    ),
    "render_choice._MOST_KNOWN": MEMORY,
    **dict.fromkeys(
        [
            "caption_names._MAX_CLASS_CHARS",
            "caption_names._MAX_LOOKS",
            "caption_names._NEAR_CHARS",
            "captions._MANY",
            "captions._MAX_HELD",
        ],
        WORDS,
    ),
    **dict.fromkeys(
        [
            "captions._MAX_AROUND_PICTURE_CHARS",
            "captions._MAX_BETWEEN_CHARS",
        ],
        WORDS,
    ),
    **dict.fromkeys(["parser_base._MAX_NODES_READ", "data_images._MAX_TEXT_CHARS"], WORDS),
    **dict.fromkeys(
        [
            "element_words.MAX_TEXT_CHARS",
            "element_words._MAX_IDS",
            "element_words._MAX_LINK_CHARS",
            "pictures._TOLD_ENOUGH",
        ],
        WORDS,
    ),
    **dict.fromkeys(["attributes._SAFE_CHARS", "html_bombs.SAFE_NAMES_CHARS", "css._SMALL_CHARS"], HOW),
    **dict.fromkeys(
        ["encoding._MOST_OF_A_HEAD_BYTES", "encoding._PRESCAN_BYTES", "sniffing._STEP_BYTES"], HOW
    ),
    **dict.fromkeys(["sniffing._LOOKED_AT_BYTES", "sniffing._SNIFFED_BYTES", "encoding.64"], HOW),
    **dict.fromkeys(["html_bombs._LOOKED_AT_CHARS", "html_bombs._SAFE_TAGS"], HOW),
    **dict.fromkeys(["html_bombs._MAX_DEPTH", "html_bombs._MAX_REOPENED", "html_bombs._MAX_STEPS"], HOW),
    "links._MOST_OF_A_CHARACTER": HOW,
    **dict.fromkeys(["html_bombs.SAFE_INSIDE_CHARS", "script_signs._REMEMBERED_CHARS"], HOW),
    **dict.fromkeys(["extensions._REMEMBERED_CHARS", "markup._MOST_OPEN", "xhtml._MAX_EXPANDED_CHARS"], HOW),
    "js_literals.16": HOW,
    **dict.fromkeys(["attributes._MANY_ROOTS"], HOW),
    **dict.fromkeys(
        ["reader_main.QUESTION_BYTES", "reader_protocol.MESSAGE_BUDGET_BYTES"],
        HOW,
    ),
    "loose_json._MOST_OPEN": "feed-broken and manifest-broken count the cut",
    "encoding._MAX_REFERENCE_CHARS": "url-too-long counts it: links.MAX_URL_CHARS",
    "tasks._LEAST_INLINE_BYTES": "a dot that keeps a picture's place is no size of it",
    **dict.fromkeys(["traps.MAX_PARAMETERS", "traps.MAX_SEGMENTS"], KEPT_OUT),
    **dict.fromkeys(
        ["novelty.MAX_DISTANCE", "novelty.MIN_BYTES", "novelty._LOOKED_AT", "novelty._MAX_NAMES"], NOVELTY
    ),
    **dict.fromkeys(
        ["novelty._MAX_PARTS", "novelty._MAX_SEGMENTS", "novelty._UNLOOKED", "shingles.MIN_BYTES"], NOVELTY
    ),
    "shingles._MAX_PIECE_CHARS": NOVELTY,
    "novelty.MAX_UNPROVEN": NOVELTY,
    "session_ids.ENOUGH": "it decides what is a session id; repeats are kept out as such: test_session_ids.py",
    **dict.fromkeys(
        ["novelty._MAX_GROUPS", "novelty._MAX_SPELLED", "session_ids._MAX_PAGES_OF_HOST"], MEMORY
    ),
    **dict.fromkeys(
        ["link_words._MARK_CHARS", "link_words._MAX_LABEL_CHARS", "link_words._MAX_LABEL_NODES"], TURNS
    ),
    **dict.fromkeys(["paging._MAX_CHARS", "paging._MAX_MARK_CHARS", "soup._MAX_NODES_OF_TEXT"], TURNS),
    "element_words._MAX_LEVELS": WORDS,
    "headings._MAX_HELD": WORDS,
    **dict.fromkeys(["data_images.2048", "data_images.64", "data_images._MAX_ADDRESS_CHARS"], NO_PICTURE),
    **dict.fromkeys(
        ["data_keys._LEAST_SIZE_PX", "data_keys._MAX_KEY_CHARS", "data_keys._MAX_WORDS"], NO_PICTURE
    ),
    "data_images._MAX_NESTED_JSON": NO_PICTURE,
    **dict.fromkeys(
        ["js_literals._MAX_DEPTH", "json_data._MAX_ASTRO_DEPTH", "script_data._MAX_BROKEN"], BROKEN
    ),
    "script_data._MAX_TRIES": BROKEN,
}
"""Limits beyond which nothing is left out that a page offers, and why."""


def test_every_limit_is_known() -> None:
    assert {*limits(), *BY_PARAMETER} == {*COUNTED, *NOT_COUNTED}, (
        "a limit counts what it leaves out: see crawler/harvest/cuts.py"
    )


LOWERED = {"xml._MAX_NODES_IN_ALL": 50_000, "sitemap.MAX_URLS": 2_500, "documents.MAX_SRCDOCS": 500}
"""A twentieth of limits for which a document would have to be so large that it takes half a minute."""


@pytest.mark.parametrize("limit", COUNTED)
def test_what_a_limit_leaves_out_is_counted(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if limit in LOWERED:
        monkeypatch.setattr(f"crawler.harvest.{limit}", LOWERED[limit])
    slug, document = COUNTED[limit]
    text, content_type, settings = document()
    found = read(URL, text.encode(), content_type, **settings)
    counted = Counter(found.left_out) + Counter(task.kept_out_by for task in found.kept_out)
    assert counted[slug] > 0
    assert set(counted) <= set(LEFT_OUT)


@pytest.mark.parametrize("limit", COUNTED)
def test_below_a_limit_nothing_is_counted(limit: str) -> None:
    _, document = COUNTED[limit]
    _, content_type, settings = document()
    text = (
        sitemap(f"<url><loc>{URL}a</loc></url>")[0]
        if "xml" in content_type
        else "<img src=a.png><a href=b>b</a>"
    )
    assert read(URL, text.encode(), content_type, **settings).left_out == {}


@given(st.integers(0, 30), st.integers(0, 30))
def test_so_many_are_taken_and_the_others_are_counted(limit: int, count: int) -> None:
    left_out: Counter[str] = Counter()
    taken = list(without_cuts(at_most(limit, range(count), slug="json-cut"), left_out))
    assert taken == list(range(min(limit, count)))
    assert left_out["json-cut"] == count - len(taken)


def test_every_slug_that_the_program_uses_is_in_the_list() -> None:
    used = set()
    for path in Path(str(crawler.__file__)).parent.rglob("*.py"):
        for found in re.finditer(
            r"""(?:Cut\(|left_out\[|slug=|kept_out_by=)["']([a-z-]+)["']""", path.read_text("utf-8")
        ):
            used.add(found[1])
    assert {"json-cut", "url-too-long", "srcdoc-cut"} <= used
    assert used <= set(LEFT_OUT)


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
