"""The papers of the repository, taken apart: links, headings, command lines, names in code spans."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAPERS = tuple(
    sorted(
        path.relative_to(ROOT).as_posix()
        for folder in (".", "docs", ".github", ".github/ISSUE_TEMPLATE")
        for path in (ROOT / folder).glob("*.md")
    )
)
_FENCE = re.compile(
    r"^ {0,3}```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^ {0,3}```[ ]*$", re.MULTILINE | re.DOTALL
)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}.*\n|\n(?= {4}))+")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\]\((?P<target>[^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+?)#*$", re.MULTILINE)


@cache
def text_of(paper: str) -> str:
    return (ROOT / paper).read_text(encoding="utf-8")


def blocks(paper: str, *languages: str) -> list[str]:
    """The fenced blocks of these languages."""
    return [match["text"] for match in _FENCE.finditer(text_of(paper)) if match["language"] in languages]


def prose(paper: str) -> str:
    """All but the blocks of code."""
    return _INDENTED.sub("\n", _FENCE.sub("", text_of(paper)))


def spans(paper: str) -> list[str]:
    """What stands between backticks."""
    return [match[1].replace("\\|", "|") for match in _SPAN.finditer(prose(paper))]


def links(paper: str) -> list[str]:
    return [match["target"] for match in _LINK.finditer(_SPAN.sub("`code`", prose(paper)))]


def anchors(paper: str) -> set[str]:
    """What GitHub makes of each heading: letters, digits, ``_`` and ``-``; one that comes again gets a number."""
    seen: Counter[str] = Counter()
    found = set()
    for match in _HEADING.finditer(_FENCE.sub("", text_of(paper))):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match["text"].strip())
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def command_lines(paper: str) -> Iterator[list[str]]:
    """Each ``image-crawler …`` of a shell block, as words, without prompts, pipes and comments."""
    shown = [
        line[2:] for block in blocks(paper, "console") for line in block.splitlines() if line.startswith("$ ")
    ]
    for line in [*shown, *(line for block in blocks(paper, "sh") for line in block.splitlines())]:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
        lexer.whitespace_split = True
        command: list[str] = []
        for word in [*lexer, "|"]:
            if word not in {"|", "&&", ";"}:
                command.append(word)
                continue
            while command and (command[0] == "sudo" or re.match(r"\w+=", command[0])):
                command.pop(0)
            if len(command) > 1 and Path(command[0]).name == "image-crawler":
                yield command[1:]
            command = []
