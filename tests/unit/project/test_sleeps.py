"""No test waits for a time that somebody has guessed: too short where the machine is slow, lost time where it is not.

A test waits until something is so (``wait_until``, ``Outcome.is_in``), or sees that it stays so (``holds``).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDERS = [Path(__file__).parents[2] / name for name in ("unit", "contract")]
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def sleeps(text: str) -> list[int]:
    """Lines with a ``time.sleep`` that is no step of a ``while`` loop, or a ``working`` of a test itself."""
    return sorted(_sleeps(ast.parse(text), is_loop=False, is_test=False))


def _sleeps(node: ast.AST, *, is_loop: bool, is_test: bool) -> Iterator[int]:
    if isinstance(node, Function):
        is_loop, is_test = False, getattr(node, "name", "").startswith("test_")
    elif isinstance(node, ast.While):
        is_loop = True
    elif isinstance(node, ast.Call):
        name = ast.unparse(node.func).rpartition(".")[2]
        if (name == "sleep" and not is_loop) or (name == "working" and is_test):
            yield node.lineno
    for child in ast.iter_child_nodes(node):
        yield from _sleeps(child, is_loop=is_loop, is_test=is_test)


def test_no_test_sleeps() -> None:
    files = [file for folder in FOLDERS for file in folder.rglob("*.py")]
    assert len(files) > 100
    found = {file.name: lines for file in files if (lines := sleeps(file.read_text(encoding="utf-8")))}
    assert not found, "use wait_until, is_in or holds; what a fake takes is working"


@pytest.mark.parametrize(
    "text",
    [
        "def test_it():\n    time.sleep(0.1)",
        "def test_it():\n    for n in range(9):\n        sleep(0.1)",
        "def test_it():\n    while True:\n        def nested():\n            time.sleep(0.1)",
        "def test_it():\n    working(0.1)",
        "def helper():\n    time.sleep(0.1)",
    ],
)
def test_what_is_found(text: str) -> None:
    assert len(sleeps(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "def test_it():\n    while not it:\n        time.sleep(0.1)",
        "def test_it():\n    def handle(task):\n        working(0.1)",
        "def test_it():\n    ask(check=lambda _: working(0.1))",
    ],
)
def test_what_is_not(text: str) -> None:
    assert sleeps(text) == []
