"""Writes the manual pages, docs/man/*.1, from what the commands say: ``python -m tests.generators.manual``.

The wheel has them at share/man/man1. (click-man has neither our sections of settings, nor examples, nor exit codes.)
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from crawler import __version__
from crawler.cli import COMMANDS, PROGRAM, cli
from crawler.cli.options import Command, Examples
from crawler.cli.setting_options import SettingOption
from crawler.config import ENVIRONMENT_PREFIX

FOLDER = Path(__file__).parents[2] / "docs/man"
_LITERAL = re.compile(r"``(.+?)``")
_EXITS = (
    ("0", "Finished. Images that failed are in the summary."),
    (
        "1",
        "It could not do its job: seed or manager unreachable, nothing could be saved, disk full, crawl.db damaged.",
    ),
    ("2", "Wrong usage or configuration: nothing was begun, nothing was changed."),
    ("130", "Ctrl-C, or image-crawler stop. The state is kept, the same command goes on."),
    ("143", "The same, by SIGTERM."),
)
_CHECKS = (
    ("0", "What there is was shown. With --check: all is well."),
    ("1", "The crawl can't be reached. With --check: somebody should look."),
    ("2", "Wrong usage or configuration."),
    ("3", "With --check: the crawl can't be reached."),
    ("130", "Ctrl-C."),
    ("143", "SIGTERM."),
)
_FILES = (
    ("data/HOST/images", "The images, below the name of each one's own host."),
    ("data/HOST/crawl.db", "One record for every image URL, saved or not (SQLite)."),
    ("data/HOST/crawl.toml", "The settings that it ran with."),
)


def pages() -> Iterator[tuple[str, str]]:
    """Name and text of each page."""
    root = click.Context(
        cli, info_name=PROGRAM, **cli.context_settings
    )  # with -h, which click keeps for later
    yield f"{PROGRAM}.1", "\n".join(_program(root)) + "\n"
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert isinstance(command, Command)
        context = click.Context(command, info_name=name, parent=root)
        yield f"{PROGRAM}-{name}.1", "\n".join(_command(name, command, context)) + "\n"


def _program(context: click.Context) -> Iterator[str]:
    yield from _head(PROGRAM, inspect.cleandoc(cli.help or ""))
    yield from _synopsis(PROGRAM, cli, context)
    yield ".SH DESCRIPTION"
    yield from _paragraphs(f"{inspect.cleandoc(cli.help or '')}\n\nstdout is data, stderr is talk.")
    yield from _options(cli, context)
    yield ".SH COMMANDS"
    for name, entry in COMMANDS.items():
        yield from (".TP", f".BR {_roff(f'{PROGRAM}-{name}')} (1)", _line(entry.help))
    yield from _tail(cli, [name for name in COMMANDS if name in {"crawl", "status", "inspect"}])


def _command(name: str, command: Command, context: click.Context) -> Iterator[str]:
    yield from _head(f"{PROGRAM}-{name}", COMMANDS[name].help)
    yield from _synopsis(f"{PROGRAM} {name}", command, context)
    yield ".SH DESCRIPTION"
    yield from _paragraphs(command.help or "")
    yield from _options(command, context)
    if any(isinstance(param, SettingOption) for param in command.params):
        yield ".SH ENVIRONMENT"
        yield from _paragraphs(
            f"Each setting has a variable {ENVIRONMENT_PREFIX}\u2026, which is named with it. An option wins over it,"
            " and it wins over the file of --config."
        )
    if name in {"crawl", "serve"}:
        yield ".SH FILES"
        for file, what in _FILES:
            yield from (".TP", f".I {_roff(file)}", _line(what))
    yield from _tail(command, [other for other in ("crawl", "status", "inspect") if other != name])


def _head(title: str, what: str) -> Iterator[str]:
    yield f'.\\" Written by python -m tests.generators.manual from the help of {PROGRAM}: change that.'
    yield f'.TH {_roff(title.upper())} 1 "" "{PROGRAM} {__version__}" "User Commands"'
    yield ".SH NAME"
    yield f"{_roff(title)} \\- {_roff(what[0].lower() + what[1:].rstrip('.'))}"


def _synopsis(called: str, command: click.Command, context: click.Context) -> Iterator[str]:
    yield ".SH SYNOPSIS"
    yield f".B {_roff(called)}"
    yield _line(" ".join(command.collect_usage_pieces(context)))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    yield ".SH OPTIONS"
    heading = ""
    for param in command.get_params(context):
        record = param.get_help_record(context) if isinstance(param, click.Option) else None
        if record is None:
            continue
        if isinstance(param, SettingOption) and param.heading != heading:
            heading = param.heading
            yield f".SS {_roff(heading)}"
        yield from (".TP", f".B {_roff(record[0])}", _line(record[1]))


def _tail(command: Examples, others: list[str]) -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for code, meaning in _CHECKS if command.name == "status" else _EXITS:
        yield from (".TP", f".B {code}", _line(meaning))
    yield ".SH EXAMPLES"
    for purpose, line in command.examples:
        yield from (".TP", _line(purpose[0].upper() + purpose[1:]), f".B {_roff(line)}")
    yield ".SH SEE ALSO"
    names = [f"{PROGRAM}-{other}" for other in others]
    if command is not cli:
        names.insert(0, PROGRAM)
    for name in names[:-1]:
        yield f".BR {_roff(name)} (1),"
    yield f".BR {_roff(names[-1])} (1)"


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        if number:
            yield ".PP"
        yield _line(" ".join(paragraph.split()))


def _line(text: str) -> str:
    return _LITERAL.sub(r"\\fB\1\\fR", _roff(text))


def _roff(text: str) -> str:
    """*text* as one line of roff that means nothing but itself: groff_char(7), man(7)."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in escaped)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.1"):
        old.unlink()
    for name, text in pages():
        (FOLDER / name).write_text(text, encoding="ascii")
