"""What the README promises is so: short, one picture, two commands of one line each, and a list of public names."""

from __future__ import annotations

import re

import pytest

import crawler
from tests.support.documents import ROOT, blocks, command_lines, links, text_of

README = text_of("README.md")


def test_it_is_read_in_some_minutes() -> None:
    assert len(README.split()) <= 1000
    assert README.count("![") == 1


def test_there_are_command_lines_to_check() -> None:
    words = list(command_lines("README.md"))
    assert len(words) >= 8
    assert {first for first, *_ in words} >= {"crawl", "demo", "inspect", "explain", "export"}


def test_it_leads_to_the_rest() -> None:
    assert {"docs/README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} <= set(links("README.md"))
    assert "docs/settings.md" in links("README.md")


def test_the_two_set_up_commands_are_one_line_each() -> None:
    set_up = [line for block in blocks("README.md", "sh") for line in block.splitlines() if "venv" in line]
    assert [line.rpartition("/")[2] for line in set_up] == ["image-crawler demo", "pytest"]


def test_ci_runs_the_line_of_the_readme() -> None:
    """It takes it from the README by this pattern, which has to find it, and it alone."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -E '([^']+)' README\.md", script)
    assert pattern is not None
    found = re.findall(pattern[1], README, re.MULTILINE)
    assert len(found) == 1


def test_ci_runs_all_other_tests_after_it() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"\.venv/bin/pytest (.*)", script) == ['-m "not fast and not soak"']
    assert script.index('$test_command"') < script.index(".venv/bin/pytest ")


def test_every_public_name_is_there_and_documented_by_its_home() -> None:
    for name in crawler.__all__:
        assert getattr(crawler, name), name
    assert set(dir(crawler)) == set(crawler.__all__)
    said = set(re.findall(r"\w+", crawler.__doc__ or ""))
    assert set(crawler.__all__) - said == {"__version__"}, "help(crawler) begins with all of them"
    with pytest.raises(AttributeError, match="no attribute 'crwal'"):
        _ = crawler.crwal  # type: ignore[attr-defined]
