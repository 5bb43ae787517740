"""What the README says is so: its commands exist and parse, its links lead somewhere, its list is complete."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import crawler
from crawler.cli import COMMANDS, cli
from crawler.config import AUTHKEY_VARIABLE, QUEUE_PASSWORD_VARIABLE, SETTINGS

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)#]+)[^)]*\)")


def blocks(*languages: str) -> list[str]:
    return [match["text"] for match in FENCE.finditer(README) if match["language"] in languages]


def command_lines() -> Iterator[list[str]]:
    """Each ``image-crawler …`` of a shell block, as words, without prompts, pipes and comments."""
    shown = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    for line in [*shown, *(line for block in blocks("sh") for line in block.splitlines())]:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
        lexer.whitespace_split = True
        command: list[str] = []
        for word in [*lexer, "|"]:
            if word not in {"|", "&&", ";"}:
                command.append(word)
                continue
            if command and Path(command[0]).name == "image-crawler":
                yield command[1:]
            command = []


def test_there_are_command_lines_to_check() -> None:
    assert len(list(command_lines())) >= 8
    assert {words[0] for words in command_lines()} >= {"crawl", "demo", "inspect", "explain", "export"}


@pytest.mark.parametrize("words", list(command_lines()), ids=" ".join)
def test_every_command_line_parses(words: list[str]) -> None:
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None, f"there is no command {words[0]}"
    with command.make_context(words[0], words[1:]) as ctx:
        assert ctx.params


def test_every_command_is_listed() -> None:
    listed = set(re.findall(r"^\| `image-crawler (\w+)", README, re.MULTILINE))
    assert listed == set(COMMANDS)


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"IMAGE_CRAWLER_[A-Z_]+", README)) - {AUTHKEY_VARIABLE, QUEUE_PASSWORD_VARIABLE}
    assert named
    assert named <= {setting.environment for setting in SETTINGS.values()}


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_use_what_there_is(code: str) -> None:
    used = {
        node.attr
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "crawler"
    }
    assert used
    assert used <= set(crawler.__all__)
    fields = {
        node.attr
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "record"
    }
    assert fields <= set(dir(crawler.ImageRecord))


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_links_to_files_lead_somewhere(text: str) -> None:
    targets = [match["target"] for match in LINK.finditer(text) if "://" not in match["target"]]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_two_set_up_commands_are_one_line_each() -> None:
    set_up = [line for block in blocks("sh") for line in block.splitlines() if "venv" in line]
    assert [line.rpartition("/")[2] for line in set_up] == ["image-crawler demo", "pytest"]


def test_ci_runs_the_line_of_the_readme() -> None:
    """It takes it from the README by this pattern, which has to find it, and it alone."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -E '([^']+)' README\.md", script)
    assert pattern is not None
    found = re.findall(pattern[1], README, re.MULTILINE)
    assert len(found) == 1
    assert ".venv/bin/pytest" not in script, "the tests run as the README says, in no other way"


def test_every_public_name_is_there_and_documented_by_its_home() -> None:
    for name in crawler.__all__:
        assert getattr(crawler, name), name
    assert set(dir(crawler)) == set(crawler.__all__)
    said = set(re.findall(r"\w+", crawler.__doc__ or ""))
    assert set(crawler.__all__) - said == {"__version__"}, "help(crawler) begins with all of them"
    with pytest.raises(AttributeError, match="no attribute 'crwal'"):
        _ = crawler.crwal  # type: ignore[attr-defined]
