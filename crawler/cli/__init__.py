"""The command line: arguments, printing and exit codes, nothing else.

stdout is data, stderr is talk. Each command is a module of its own, imported when it is called.
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from crawler import __version__
from crawler.cli.exit_signals import exit_code, in_words
from crawler.cli.options import Examples, verbose_option
from crawler.errors import CrawlerError
from crawler.text import display

if TYPE_CHECKING:
    from crawler.forkserver.client import ForkServer

log = logging.getLogger(__name__)

PROGRAM = "image-crawler"
EXIT_BROKEN_PIPE = 141  # as the shell tells of a program that SIGPIPE ended
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class CommandEntry(NamedTuple):
    module: str
    """It has a function of the command's name."""
    help: str


COMMANDS: dict[str, CommandEntry] = {
    name: CommandEntry(f"crawler.cli.{module}", help_text)
    for name, module, help_text in (
        ("crawl", "crawl", "Save every image of a web site."),
        ("serve", "serve", "Run a crawl whose images other machines download."),
        ("work", "work", "Download images for a crawl that runs."),
        ("harvest", "harvest", "Read pages for a crawl that runs, beside its own harvesters."),
        ("render", "render", "Open pages in a browser for a crawl that runs."),
        ("collect", "collect", "Collect the results of a crawl whose queue lies in Redis."),
        ("demo", "demo", "Crawl a small site that comes along, without a network."),
        ("status", "status", "Show how far a crawl is, and what it waits for."),
        ("pause", "control", "Pause a crawl."),
        ("resume", "control", "Resume a crawl that was paused."),
        ("stop", "control", "Stop a crawl; its state is kept."),
        ("inspect", "inspect", "Show what was saved and what was not, and why."),
        ("explain", "explain", "Show everything known about one URL."),
        ("gallery", "gallery", "Make a page to look at the images."),
        ("extract", "extract", "Show what is found on one page, and by which rule."),
        ("retry", "retry", "Put failed images back in the queue."),
        ("export", "export", "Write the records as JSON lines or CSV."),
        ("keygen", "keygen", "Make the keys by which machines trust each other."),
    )
}
"""The one place to add a command: its name, its module, its help."""


class Commands(Examples, click.Group):
    """Loads a command when it is called: ``--help`` and completion import none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(importlib.import_module(entry.module), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As click's, without loading every command for its help: completion has to be fast."""
        commands = [CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items()]
        return [
            *(item for item in commands if item.value.startswith(incomplete)),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # before click sees it, which would make it a failure
            return _output_closed()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from crawler.cli import unknown_names

            raise unknown_names.command(args[0], COMMANDS, ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    examples=(
        ("save every image of a site below data/example.org", f"{PROGRAM} crawl https://example.org/"),
        ("see it work, without a network", f"{PROGRAM} demo"),
        ("what was not saved, and why", f"{PROGRAM} inspect data/example.org --failures"),
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, "--version", prog_name=PROGRAM)
@verbose_option
def cli() -> None:
    """Find every image of a web site, save the original bytes, and prove that nothing was lost."""


def main(arguments: Sequence[str] | None = None, *, forks: ForkServer | None = None) -> int:
    """Run a command line (``sys.argv`` by default) and return its exit code.

    A command ends with 0, or with the int that it returns; errors become a line on stderr. *forks* is a fork server
    that was started for it; the caller closes it.
    """
    if getattr(sys, "frozen", False):  # one file made of Python and all modules, where spawn starts this one
        import multiprocessing

        multiprocessing.freeze_support()
    if arguments is None:  # the program: also for what comes after us, such as a traceback
        display.clean_the_streams()
        return _run([_as_text(word) for word in sys.argv[1:]], forks)
    with display.clean_streams():
        return _run(arguments, forks)


def _run(arguments: Sequence[str] | None, forks: ForkServer | None) -> int:
    stdout = sys.stdout
    try:
        return _exit_code_of(arguments, forks)
    except BrokenPipeError:
        return _output_closed()
    except SystemExit as exc:  # so rich and click end the program; click puts something in its place
        if isinstance(exc.__context__, BrokenPipeError) or sys.stdout is not stdout:
            return _output_closed()
        raise
    except OSError as exc:
        if exc.filename is not None or exc.errno not in _UNWRITABLE:
            raise
        return _output_failed(exc)


def _exit_code_of(arguments: Sequence[str] | None, forks: ForkServer | None) -> int:
    try:
        outcome = cli.main(args=arguments, prog_name=PROGRAM, standalone_mode=False, obj=forks)
        sys.stdout.flush()
    except click.ClickException as exc:
        vars(exc)["message"] = display.one_line(exc.message)  # it may quote what was given
        exc.show()
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt) as exc:
        _tell(in_words(exc))
        return exit_code(exc)
    except CrawlerError as exc:
        _tell(f"error: {exc}")
        return exc.exit_code
    return outcome if isinstance(outcome, int) else 0


def _as_text(word: str) -> str:
    """*word* with its bytes read as UTF-8, for URLs typed without a locale. Paths stay as they are."""
    if "://" not in word or word.isascii():
        return word
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _output_closed() -> int:
    """The reader of stdout (a pager, head) has closed it: flush nothing into it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_BROKEN_PIPE


def _output_failed(error: OSError) -> int:
    """Stdout is a file on a full disk."""
    from crawler.text.plain_errors import plain

    _output_closed()
    with suppress(OSError):  # of stderr, which may be the same file
        _tell(f"error: can't write the output: {plain(error)}")
    return CrawlerError.exit_code


def _tell(text: str) -> None:
    from crawler.logs import setup
    from crawler.logs.events import ERROR_TOLD, tell

    if setup.is_json():
        tell(log, ERROR_TOLD, text=text)
        return
    click.echo(f"{PROGRAM}: {display.one_line(text)}", err=True)  # an error may come from another machine
