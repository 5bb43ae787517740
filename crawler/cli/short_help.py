"""The short help of a command, its ``--help``: what most people need, on one screen. ``--help-all`` shows everything.

A short help has options by heading, each with a shorter text than its setting's own. The form of an option (``-o,
--output DIR``) comes from the option.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence

import click

Short = Mapping[str, Mapping[str, str]]
"""Headings with their options, each by one of its flags, and its text."""

_NARROW = 60
"""Terminals narrower than this have the text below the option, not beside it."""
_WIDE = 110
_LONGEST = 16
_CHOICE = "WORD"
"""In place of a long list of words, which the text names."""
EXAMPLES = 2
"""The number of examples shown."""
_SAYING = {
    "-q": "no progress, only the summary",
    "-v": "a line for each finished task; -vv every detail",
    "--log-file": "the same into a file, whatever is shown",
    "--help-all": "every option, its default and its variable",
}

CRAWL: Short = {
    "Which pages": {
        "-i": "file of pages to begin with; of images: -I",
        "--max-depth": "number of links from a seed; 0: this page only",
        "--scope": "pages of a host, domain, prefix or any host",
        "--include": "only pages like this, with *; or --exclude",
        "--render": "open pages in a browser: never, auto, always",
    },
    "Which images": {
        "--formats": "only these, such as jpeg,png",
        "--min-width-px": "minimum width in pixels",
        "--images": "sizes of a picture: the largest (best), or all",
        "--max-images": "maximum number of images",
    },
    "How": {
        "--delay-s": "seconds between two requests to one host",
        "--per-host": "requests at a time to one host",
        "--login": "user and password for the seeds' hosts",
        "--cookies": "cookies.txt of a browser that is logged in",
    },
    "Where, and again": {
        "-o": "the crawl's folder  [default: data/<host>]",
        "--refresh": "what is new, what has changed, what is gone?",
        "--fresh": "start over: removes what is in the folder",
    },
    "What is said": {flag: _SAYING[flag] for flag in ("-q", "-v", "--log-file", "--help-all")},
}
SERVE: Short = {
    "Who may join": {
        "--bind": "address at which other machines may join",
        "--keys": "keys/manager, as image-crawler keygen makes it",
        "--storage": "local (each worker), manager (here) or s3://…",
        "--queue": "Redis or Valkey that holds the queue",
    },
    "Which pages and images": {
        **{flag: CRAWL["Which pages"][flag] for flag in ("--max-depth", "--scope")},
        **{flag: CRAWL["Which images"][flag] for flag in ("--formats", "--min-width-px")},
    },
    "How": {flag: CRAWL["How"][flag] for flag in ("--delay-s", "--per-host")},
    "Where, and again": CRAWL["Where, and again"],
    "What is said": CRAWL["What is said"],
}  # fmt: skip
_JOINING: Mapping[str, str] = {
    "--keys": "keys/worker, as image-crawler keygen made it",
    "--trust": "rights of the crawl on this machine",
    "--reconnect-s": "seconds to wait for a crawl that is away",
}
_SAID = {flag: _SAYING[flag] for flag in ("-v", "--help-all")}
WORK: Short = {
    "To get in": _JOINING,
    "What this machine gives": {
        "--downloaders": "processes",
        "--memory-budget": "memory for images and pages, of all crawls here",
        "-o": "folder of images, if here  [default: data/<host>]",
    },
    "What is said": _SAID,
}
HARVEST: Short = {
    "To get in": _JOINING,
    "What this machine gives": {
        "--harvesters": "processes",
        "--memory-budget": "memory for pages and images, of all crawls here",
    },
    "What is said": _SAID,
}
RENDER: Short = {
    "To get in": _JOINING,
    "What this machine gives": {
        "--renderers": "processes, each with a browser",
        "--chromium": "path of the browser, if it is not on PATH",
        "--behaviours": "file of further behaviours for pages",
        "--memory-budget": "memory for pages and images, of all crawls here",
    },
    "What is said": _SAID,
}


class Formatter(click.HelpFormatter):
    """As click's; on a narrow terminal the text of an option goes below it."""

    def __init__(self) -> None:
        self.columns = shutil.get_terminal_size().columns
        super().__init__(width=min(self.columns, _WIDE) - 2)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        if self.columns >= _NARROW:
            super().write_dl(rows, col_max, col_spacing)
            return
        for first, second in rows:
            self.write_text(first)
            with self.indentation(), self.indentation():
                self.write_text(second)


def write(
    short: Short, options: Sequence[click.Option], ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write the sections of a *short* help. Raises KeyError for an option that the command does not have."""
    by_flag = {flag: option for option in options for flag in option.opts}
    rows = {
        heading: [(_written(by_flag[flag], ctx), words) for flag, words in lines.items()]
        for heading, lines in short.items()
    }
    width = max(len(first) for lines in rows.values() for first, _ in lines)
    for heading, lines in rows.items():
        with formatter.section(heading):
            # as wide in all sections
            formatter.write_dl([(first.ljust(width), words) for first, words in lines])


def _written(option: click.Option, ctx: click.Context) -> str:
    """``-o, --output DIR``; of a switch the flag that turns it."""
    flags = sorted(option.opts, key=lambda flag: (len(flag) > len("-x"), option.opts.index(flag)))[:2]
    if len(flags) > 1 and len(flags[0]) > len("-x"):
        flags = [min(flags, key=len)]  # two long names: the shorter one is enough here
    if option.is_flag or option.count:
        return ", ".join(flags)
    value = option.make_metavar(ctx)
    return f"{', '.join(flags)} {value if len(value) <= _LONGEST else _CHOICE}"
