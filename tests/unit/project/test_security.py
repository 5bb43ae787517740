"""docs/security.md names a test for each of its rows, and there are such tests."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", PAGE)))


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize("named", NAMED)
def test_the_test_exists(named: str) -> None:
    path, _, name = named.partition("::")
    assert (ROOT / path).is_file()
    assert names_in(path)
    assert not name or name in names_in(path)


def test_every_row_of_a_threat_has_one() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 4]
    threats = [line for line in rows if not line.startswith(("| who |", "| tries to |", "| what happens |"))]
    threats = threats[threats.index(next(line for line in threats if "hang it with a page" in line)) :]
    assert len(threats) > 30
    without = [line for line in threats if "`tests/" not in line]
    assert [line for line in without if "**it can**" not in line] == []
