"""Each library has its one place, and each module says what it is for."""

from __future__ import annotations

import ast
import sys
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

PLACES = {
    "requests": ["http.requests_transport", "http.requests_adapter"],
    "urllib3": ["http.requests_transport", "http.requests_adapter", "http.connection"],
    "PIL": ["api.thumbnails", "download.verify", "download.dhash"],
    "pillow_heif": ["download.verify"],
    "tenacity": ["http.retrying", "queues.patience", "storage.patience"],
    "obstore": ["storage.bucket"],
    "selectolax": ["harvest.lexbor"],
    "bs4": ["harvest.soup"],
    "tinycss2": ["harvest.css"],
    "webencodings": ["harvest.encoding"],
    "ada_url": ["urls"],
    "tldextract": ["scope"],
    "filelock": ["crawlfile.layout"],
    "cryptography": ["run.keygen"],
    "click": ["cli", "cli.*"],
    "rich": ["cli", "cli.*"],
    "sqlite3": ["crawlfile.schema", "catalog.database"],
    "brotli": ["http.content_encoding"],
    "backports": ["http.content_encoding"],
    "compression": ["http.content_encoding"],
    "redis": ["queues.redis.connection"],
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
