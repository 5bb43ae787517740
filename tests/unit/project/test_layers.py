"""What may not import what: PAIRS for the crawler's own modules, PURE for input and output, PLACES for libraries.

Names are without ``crawler.``; ``harvest.*`` is all in a package, not the package itself. Imports for types alone do
not count. ``broken`` is tried on modules that a forbidden import is added to: it has to name each.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import crawler

PACKAGE = Path(crawler.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
"""By name; the package itself is the empty one."""


class Pair(NamedTuple):
    who: str
    may_not: str
    why: str
    but: tuple[tuple[str, str], ...] = ()
    """Imports that are there all the same."""


LEDGER = "queues.ledger queues.ledger_* queues.leases queues.settling queues.delayed"
ENGINES = f"{LEDGER} queues.redis.* queues.rpc.*"
HANDLERS = "task_handler harvest.* download.* render.*"
STORAGES = "storage.local storage.claims storage.manager storage.uploads storage.objects storage.bucket"
ABOVE = "run.* cli cli.* api.*"
"""What runs, prints and is called by people's own programs."""

PAIRS = (
    Pair("*", "cli cli.*", "the command line is above all", (("cli*", "cli*"), ("__main__", "cli"))),
    Pair(HANDLERS, "queues queues.*", "a handler takes a Task and returns a Result; the worker talks to the queue"),
    Pair(HANDLERS, f"catalog.* crawlfile.schema crawlfile.columns {ABOVE}", "records are written by the queue alone"),
    Pair(HANDLERS, f"{STORAGES} storage.schemes", "a handler is given the storage: its protocol is all that it knows"),
    Pair("harvest.*", "download.* render.* storage storage.*", "pages are read wherever they come from"),
    Pair("download.*", "render.*", "images come with one request"),
    Pair(
        "run.worker run.held_tasks run.concurrency",
        "queues.* storage.* http.* catalog.* harvest.* download.* render.* run.*",
        "it knows protocols",
        (("run.worker", "run.held_tasks"), ("run.worker", "run.concurrency")),
    ),
    Pair("queues queues.*", f"catalog.* http.* {HANDLERS} {ABOVE}", "queues know tasks and records, not what is done"),
    Pair(LEDGER, "queues.redis.* queues.rpc.*", "the engines do not know each other"),
    Pair(
        "queues.redis.*",
        f"{LEDGER} queues.rpc.*",
        "the same",
        (("queues.redis.client", "queues.rpc.calls"),),
    ),
    Pair("queues.rpc.*", f"{LEDGER} queues.redis.*", "the manager serves any queue"),
    Pair(
        "catalog.*",
        f"queues.* {HANDLERS} {ABOVE}",
        "what reads crawl.db does not know who has written it",
    ),
    Pair(
        "gallery gallery.*",
        f"queues.* http.transports http.engine* http.request_retries harvest.* render.* download.handler {ABOVE}",
        "it reads a crawl's folder, as the catalog does, and asks for nothing",
    ),
    Pair("catalog.* storage.* sandbox.* download.*", "gallery gallery.*", "a page stands above what it shows"),
    Pair("http http.*", f"queues.* catalog.* storage.* {HANDLERS} {ABOVE}", "one request at a time, for whoever asks"),
    Pair("storage storage.*", f"queues queues.* catalog.* http.* {HANDLERS} {ABOVE}", "bytes under a path"),
    Pair(
        "crawlfile crawlfile.*",
        f"queues.* catalog.* storage.* http.* {HANDLERS} {ABOVE}",
        "what a crawl's folder is stands below all who write and read it",
    ),
    Pair(
        "cli cli.*",
        ENGINES,
        "commands are arguments and printing",
        (("cli*", "queues.redis.address"), ("cli.retry", "queues.ledger")),
    ),
    Pair(
        "metrics.* tracing.*",
        f"queues.* catalog.* storage.* http.* crawlfile.* {HANDLERS} {ABOVE}",
        "it reads values, and asks nobody",
    ),
    Pair("api api.*", f"{ENGINES} {HANDLERS}", "a program is given records"),
    Pair("run.*", "api api.*", "what people's programs call is above what runs"),
    Pair(
        "models models.* errors errors.* config config.* text.* urls scope sizes.* monitoring.*",
        f"queues.* catalog.* storage.* http.* crawlfile.* {HANDLERS} {ABOVE}",
        "values stand below all",
        (("models.records", "crawlfile.image_paths"),),
    ),
)  # fmt: skip
IO = (
    "asyncio fcntl http.client multiprocessing os pathlib random resource secrets selectors shutil signal socket"
    " sqlite3 ssl subprocess tempfile threading time urllib.request PIL obstore redis requests urllib3"
)
PURE = (
    "urls scope errors errors.* sizes sizes.* text.* monitoring.* opt_outs.* harvest.* download.* http.robots_file"
    " http.robots_patterns http.bot_challenges http.content_encoding http.browser_headers queues.politeness"
    " queues.lanes queues.policy queues.host_health queues.host_evidence queues.host_report queues.throttle"
    " queues.bandwidth queues.page_templates queues.fallback"
    " metrics.figures metrics.series tracing.ids render.freshness render.interception render.stand_in_images"
)
"""Neither sockets nor files, neither clocks nor threads; and they import only what is so as well, or VALUES."""
IMPURE = (
    "text.plain_errors opt_outs.of_image opt_outs.tdmrep_files"  # names of errors; they wait for a turn
    " harvest.handler harvest.documents harvest.link_filter harvest.novelty harvest.render_choice harvest.reader_*"
    " download.handler download.decoder_* download.pillow_warnings download.verify download.decoding download.dhash"
    " download.first_frame"
)
VALUES = "config models models.* message_parts crawlfile.*_paths crawlfile.*_names logs.events text.plain_errors http"

PLACES = {
    "requests": "http.requests_transport http.requests_adapter",
    "urllib3": "http.requests_transport http.requests_adapter http.connection",
    "certifi": "http.certificates",
    "pycurl": "http.curl_handle",
    "PIL": "api.thumbnails download.verify download.decoding download.dhash download.first_frame gallery.shrunk",
    "pillow_heif": "download.decoding",
    "tenacity": "retrying",
    "obstore": "storage.bucket",
    "selectolax": "harvest.lexbor",
    "bs4": "harvest.soup",
    "tinycss2": "harvest.css",
    "webencodings": "harvest.encoding",
    "ada_url": "urls",
    "tldextract": "scope",
    "filelock": "crawlfile.layout",
    "cryptography": "run.keygen",
    "click": "cli cli.*",
    "rich": "cli cli.*",
    "sqlite3": "crawlfile.connection crawlfile.sqlite_errors storage.claims",
    "brotli": "http.content_encoding",
    "backports": "http.content_encoding",
    "compression": "http.content_encoding",
    "redis": "queues.redis.connection",
    "prometheus_client": "metrics.exposition",
    "opentelemetry": "tracing.spans",
    "msgspec": "*",
}
"""Third-party libraries (and SQLite), and the modules that may import them."""


# --- what there is ---


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imports(parsed: ast.AST) -> Iterator[str]:
    """All that is imported, wherever it stands, but for types alone; the crawler's own without its name."""
    for node in ast.iter_child_nodes(parsed):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (own(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            for alias in node.names:
                name = own(f"{node.module}.{alias.name}")
                yield name if name in MODULES or fits(name, IO) else own(str(node.module))
        else:
            yield from imports(node)


def own(name: str) -> str:
    return name.removeprefix("crawler").removeprefix(".") if name.partition(".")[0] == "crawler" else name


@cache
def fits(module: str, patterns: str) -> bool:
    return any(fnmatch(module, pattern) for pattern in patterns.split())


# --- the rules ---


def broken(module: str, parsed: ast.AST) -> list[str]:
    """What *module* must not have."""
    imported = set(imports(parsed))
    return [
        f"{module} imports {name}: {why}"
        for name in sorted(imported)
        if (why := _forbidden(module, name) or _impure(module, name) or _misplaced(module, name))
    ] + [f"{module} calls open()" for _ in _opened(parsed) if _is_pure(module)]


def _forbidden(module: str, name: str) -> str:
    for pair in PAIRS:
        if fits(module, pair.who) and fits(name, pair.may_not) and not _excepted(module, name, pair):
            return pair.why
    return ""


def _excepted(module: str, name: str, pair: Pair) -> bool:
    return any(fnmatch(module, who) and fnmatch(name, whom) for who, whom in pair.but)


def _package(module: str) -> str:
    return module.partition(".")[0]


def _is_pure(module: str) -> bool:
    return fits(module, PURE) and not fits(module, IMPURE)


def _impure(module: str, name: str) -> str:
    if not _is_pure(module):
        return ""
    if name in MODULES:
        return "" if _is_pure(name) or fits(name, VALUES) or name == _package(module) else "it is not pure"
    return "input and output" if fits(name, IO) or fits(name.partition(".")[0], IO) else ""


def _misplaced(module: str, name: str) -> str:
    library = name.partition(".")[0]
    if library in PLACES:
        return "" if fits(module, PLACES[library]) else "this library has another place"
    known = name in MODULES or library == "_typeshed" or library in sys.stdlib_module_names
    return "" if known else "no library of ours"


def _opened(parsed: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(parsed):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "open":
            yield node


@pytest.mark.slow
def test_no_module_imports_what_it_must_not() -> None:
    assert "\n".join(line for module in MODULES for line in broken(module, tree(module))) == ""


def test_each_line_of_the_tables_is_about_something() -> None:
    used = {module: set(imports(tree(module))) for module in MODULES}
    for pair in PAIRS:
        for pattern in (*pair.who.split(), *pair.may_not.split()):
            assert [module for module in MODULES if fnmatch(module, pattern)], pattern
        for who, whom in pair.but:
            names = [name for module in used if fnmatch(module, who) for name in used[module]]
            assert [name for name in names if fnmatch(name, whom)], (who, whom)
    for pattern in f"{PURE} {IMPURE} {VALUES} {' '.join(PLACES.values())}".split():
        assert [module for module in MODULES if fnmatch(module, pattern)], pattern
    assert set(PLACES) <= {name.partition(".")[0] for names in used.values() for name in names}


# --- that they are kept ---


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("run.worker", "from crawler.queues.ledger import Ledger"),
        ("run.worker", "from crawler.storage.local import LocalStorage"),
        ("run.worker", "from crawler.harvest.handler import PageHandler"),
        ("task_handler", "import crawler.queues.ledger_file"),
        ("harvest.handler", "from crawler.queues.ledger import Ledger"),
        ("harvest.handler", "from crawler.queues import ledger"),
        ("harvest.handler", "def late():\n    from crawler.queues.redis.client import RedisClient"),
        ("download.handler", "from crawler.queues.redis.writer import CatalogWriter"),
        ("download.handler", "from crawler.catalog.database import Catalog"),
        ("download.handler", "from crawler.storage.local import LocalStorage"),
        ("render.handler", "from crawler.queues.rpc.manager import QueueManager"),
        ("queues.politeness", "from crawler.crawlfile.schema import Connection"),
        ("queues.politeness", "import time"),
        ("queues.host_health", "from time import monotonic"),
        ("queues.ledger", "from crawler.catalog.summary import summarise"),
        ("queues.ledger", "from crawler.queues.redis import codec"),
        ("queues.redis.queue", "from crawler.queues.ledger import Ledger"),
        ("queues.rpc.server", "from crawler.queues.ledger import Ledger"),
        ("queues.refresh", "from crawler.http.request_retries import RetryingTransport"),
        ("catalog.summary", "from crawler.queues.counters import Counters"),
        ("catalog.summary", "from crawler.gallery.build import build"),
        ("gallery.live", "from crawler.queues.ledger import Ledger"),
        ("http.robots", "from crawler.harvest.links import Links"),
        ("http.request_retries", "from crawler.queues.ledger import Ledger"),
        (
            "storage.local",
            "from crawler.crawlfile.schema import connect\nfrom crawler.catalog import database",
        ),
        ("crawlfile.layout", "from crawler.queues.ledger import Ledger"),
        ("download.naming", "from crawler.download.decoder_pool import Decoders"),
        ("harvest.srcset", "open('a')"),
        ("harvest.srcset", "import socket"),
        ("harvest.traps", "from urllib import request"),
        ("harvest.links", "from crawler.render.page import Page"),
        ("urls", "from crawler.harvest.links import Links"),
        ("models", "from crawler.queues.ledger import Ledger"),
        ("run.supervisor", "import crawler.cli"),
        ("run.supervisor", "from crawler.api.iteration import Records"),
        ("cli.status", "from crawler.queues.ledger import Ledger"),
        ("api.iteration", "from crawler.queues.redis.client import RedisClient"),
        ("download.naming", "import PIL.Image"),
        ("harvest.html", "from bs4 import BeautifulSoup"),
        ("catalog.changes", "import sqlite3"),
        ("run.worker", "import numpy"),
    ],
)
def test_a_forbidden_import_is_found(module: str, line: str) -> None:
    text = MODULES[module].read_text(encoding="utf-8")
    assert broken(module, ast.parse(f"{text}\n{line}\n"))


def test_what_is_imported_for_its_types_alone_is_no_import() -> None:
    assert list(imports(ast.parse("if TYPE_CHECKING:\n    from crawler.queues.ledger import Ledger"))) == []


# --- of each module ---


def test_every_module_says_what_it_is_for() -> None:
    assert [module for module in MODULES if not ast.get_docstring(tree(module))] == []


def test_nothing_global_is_rebound() -> None:
    rebound = {
        module: [node for node in ast.walk(tree(module)) if isinstance(node, ast.Global)]
        for module in MODULES
    }
    assert {module: nodes for module, nodes in rebound.items() if nodes} == {}
