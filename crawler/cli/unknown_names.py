"""Errors for unknown options and commands: what they are called here, or what may have been meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import click

from crawler.cli import PROGRAM
from crawler.crawlfile.file_names import DATABASE
from crawler.text import foreign_options
from crawler.text.plain_errors import quoted
from crawler.text.suggestions import did_you_mean, guesses

_FLAG = re.compile(r"--[a-z][a-z0-9-]+")
_SITE = re.compile(r"[\w.-]+\.[a-z]{2,}(/.*)?")
_LETTERS = re.compile("-[^-]")


def option(unknown: click.NoSuchOption, words: Sequence[str], context: click.Context) -> click.UsageError:
    """The error to raise in place of *unknown*, an option in *words*, the command line of *context*'s command."""
    typed = _typed(unknown.option_name, words)
    own = set(_flags(context.command))
    told = foreign_options.advice(typed) or foreign_options.advice(unknown.option_name)
    if told is not None:
        elsewhere = set(_FLAG.findall(told.partition(f"{PROGRAM} ")[0])) - own
        hint = f"for {PROGRAM} crawl: {told}" if elsewhere and context.parent is not None else told
    elif others := [name for name, command in _commands(context) if unknown.option_name in _flags(command)]:
        hint = f"it is an option of {PROGRAM} {', '.join(others[:3])}"
    else:
        hint = did_you_mean(guesses(typed, own)) if typed.startswith("--") or len(typed) > len("-x") else ""
    return click.UsageError(f"No such option: {typed}{hint and '; '}{hint}", ctx=context)


def command(word: str, known: Mapping[str, object], context: click.Context) -> click.UsageError:
    """The error for *word* in the place of a command."""
    if "://" in word or (_SITE.fullmatch(word) and not Path(word).exists()):
        return click.UsageError(f"to crawl a site, say: {PROGRAM} crawl {word}", ctx=context)
    hint = ""
    if Path(word, DATABASE).exists():
        hint = f"it is the folder of a crawl: {PROGRAM} inspect {word}"
    elif (ours := foreign_options.command(word)) is not None:
        hint = f"here it is {PROGRAM} {ours}"
    else:
        hint = did_you_mean(guesses(word, known))
    return click.UsageError(f"No such command {quoted(word)}{hint and '; '}{hint}", ctx=context)


def _typed(name: str, words: Sequence[str]) -> str:
    """The option as it was typed: of ``-np`` click names the first letter alone."""
    if name.startswith("--"):
        return name
    options = takewhile(lambda word: word != "--", words)
    return next((word for word in options if _LETTERS.match(word) and name[1] in word), name)


def _flags(command: click.Command) -> Iterable[str]:
    return [
        flag
        for param in command.params
        if isinstance(param, click.Option)
        for flag in (*param.opts, *param.secondary_opts)
    ]


def _commands(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """All commands of the program, by name."""
    group = context.find_root().command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            if found is not None:
                yield name, found
