"""The order of the house: a module imports only from the layers below its own, and each library has its one place."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

import crawler

PACKAGE = Path(crawler.__file__).parent
MODULES = {
    ".".join(("crawler", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

LAYERS = [
    ["readable", "paths"],
    ["errors", "extras", "models", "machine", "rate", "shown", "guesses", "habits"],
    ["plain"],
    [
        "elsewise", "waits", "urls", "config", "columns", "fallback", "words", "parts", "purposes", "keepers",
        "settings", "events",
    ],
    [
        "condition", "folder", "start", "limits", "scope", "seeds", "setting_changes", "logs", "outcomes", "sizes",
        "sizes.*", "sandbox", "sandbox.*",
    ],
    [
        "web", "web.*", "storage", "storage.*", "queues", "queues.*", "catalog", "catalog.*", "processes", "lists",
        "lists.*", "harvest", "harvest.*", "download", "download.*", "render", "render.*",
    ],
    [
        "visit", "thumbnails", "iteration", "telling", "harvest.reading", "catalog.owner", "keys", "access", "trusted",
        "answering", "homes", "render", "render.*",
    ],
    ["notebook", "harvest.page", "download.image", "render.handler", "catalog.explain", "redis_access"],
    ["worker", "render.once", "lists.taking", "reruns"],
    ["runs", "run_notes"],
    ["roles"],
    ["crew", "founding", "renderers"],
    ["coordinate"],
    ["engines"],
    ["crawl"],
    ["cli", "cli.*", "__main__"],
]  # fmt: skip
"""From the lowest; a name counts in the last layer that has it."""

PLACES = {
    "requests": ["web.session", "web.adapter"],
    "urllib3": ["web.session", "web.adapter", "web.connection"],
    "PIL": ["thumbnails", "download.verify", "download.dhash"],
    "pillow_heif": ["download.verify"],
    "tenacity": ["web.retry", "queues.patience", "storage.patience"],
    "obstore": ["storage.bucket"],
    "selectolax": ["harvest.lexbor"],
    "bs4": ["harvest.soup"],
    "tinycss2": ["harvest.css"],
    "webencodings": ["harvest.encoding"],
    "ada_url": ["urls"],
    "tldextract": ["scope"],
    "filelock": ["folder"],
    "cryptography": ["keys"],
    "click": ["cli", "cli.*"],
    "rich": ["cli", "cli.*"],
    "sqlite3": ["queues.database", "catalog.database"],
    "brotli": ["web.decoding"],
    "backports": ["web.decoding"],
    "compression": ["web.decoding"],
    "redis": ["queues.redis.engine"],
    "msgspec": ["*"],
}
"""Third-party libraries (and SQLite), and the modules that may import them."""


@cache
def imports(module: str) -> tuple[str, ...]:
    """Every module that *module* imports, wherever in its text."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            base = str(node.module)
            found += [name if (name := f"{base}.{alias.name}") in MODULES else base for alias in node.names]
    return tuple(dict.fromkeys(found))


def local(module: str) -> str:
    return module.removeprefix("crawler").removeprefix(".")


def layer(module: str) -> int:
    return max(
        (n for n, names in enumerate(LAYERS) if any(fnmatch(local(module), name) for name in names)),
        default=-1,
    )


def internal() -> Iterator[tuple[str, str]]:
    for module in MODULES:
        for imported in imports(module):
            if imported in MODULES and imported != "crawler" and module != "crawler":
                yield module, imported


def test_every_module_has_its_layer() -> None:
    assert [module for module in MODULES if layer(module) < 0 and module != "crawler"] == []


def test_a_module_imports_only_from_layers_below_its_own() -> None:
    strays = [
        f"{module} (layer {layer(module)}) must not import {imported} (layer {layer(imported)})"
        for module, imported in internal()
        if not may_import(module, imported)
    ]
    assert strays == []


def may_import(module: str, imported: str) -> bool:
    package, other = local(module).partition(".")[0], local(imported).partition(".")[0]
    is_protocol = imported.count(".") == 1 and MODULES[imported].name == "__init__.py"
    if is_protocol and layer(imported) <= layer(module):
        return True  # everyone may know a package's protocols
    return layer(imported) < layer(module) or package == other


def test_that_would_be_noticed() -> None:
    assert not may_import("crawler.models", "crawler.config")
    assert not may_import("crawler.queues.ledger", "crawler.catalog.database")
    assert may_import("crawler.queues.ledger", "crawler.models")


def test_each_library_is_imported_in_its_place_only() -> None:
    strays = []
    for module in MODULES:
        for imported in imports(module):
            library = imported.partition(".")[0]
            known = library == "_typeshed" or (library in sys.stdlib_module_names and library not in PLACES)
            if known or library == "crawler":
                continue
            if not any(fnmatch(local(module), place) for place in PLACES.get(library, [])):
                strays.append(f"{module} imports {library}")
    assert strays == []


def test_every_library_with_a_place_is_used_there() -> None:
    used = {imported.partition(".")[0] for module in MODULES for imported in imports(module)}
    assert set(PLACES) <= used


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_for(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{module} has no docstring"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_global_is_rebound(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)]
