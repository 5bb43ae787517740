"""Runs a crawl for a command: its progress on stderr, its summary on stdout, its exit code."""

from __future__ import annotations

import io
import logging
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Unpack

from rich.console import Console
from rich.text import Text

from crawler.cli import tables
from crawler.cli.crawl import CrawlOptions
from crawler.cli.exit_signals import exit_code, in_words, terminated_like_interrupted
from crawler.cli.image_locations import will_be_kept
from crawler.cli.lists import gathered_with, without_pipes
from crawler.cli.options import fork_server, verbosity
from crawler.cli.output import clean, is_one_terminal
from crawler.cli.progress import progress
from crawler.cli.report import CrawlCourse, print_summary
from crawler.config import SETTINGS
from crawler.errors import CrawlStopped, LimitReached
from crawler.logs import setup
from crawler.logs.events import CRAWL_OPEN, NOTICE, tell
from crawler.process_end import EXIT_INTERRUPTED
from crawler.queues.redis.address import is_redis, without_password
from crawler.run.supervisor import Crawl
from crawler.urls import without_login

log = logging.getLogger(__name__)


def run_as_asked(seeds: tuple[str, ...], *, downloads: bool, **options: Unpack[CrawlOptions]) -> int:
    """Run the crawl that a command asks for; returns the exit code."""
    with gathered_with(seeds, options["lists"]) as (typed, files):
        running = Crawl(
            typed,
            lists=files,
            folder=options["output"],
            config=options["config"],
            fresh=options["fresh"],
            refresh=options["refresh"],
            downloads=downloads,
            forks=fork_server(),
        )
        return run(running, as_json=options["as_json"], quiet=options["quiet"])


def run(running: Crawl, *, as_json: bool, quiet: bool, again: Sequence[str] | None = None) -> int:
    """Run a crawl with its progress on stderr and its summary on stdout; returns the exit code."""
    console = tables.console(sys.stderr)
    again = _same_command(running.folder.path) if again is None else again
    ended_early, code = "", EXIT_INTERRUPTED
    _configure_log(running)
    if setup.speaks_json(running.config.log):  # stderr is for machines, then
        console, quiet = tables.console(io.StringIO()), True
    running.report = lambda text: None if quiet else console.print(Text(clean(text)), soft_wrap=True)
    course, began = CrawlCourse(), time.monotonic()
    try:
        with terminated_like_interrupted(), running:
            _tell_first(running, console, quiet=quiet)
            try:
                with progress(
                    running.begins_with,
                    console,
                    quiet=quiet or running.had_finished,
                    notes=running.by_http,
                    invitation=running.invitation,
                    go_on=f"image-crawler resume {shlex.quote(str(running.folder.path))}",
                ) as show:
                    for stats in running.watch():
                        course.note(stats, elapsed_s=time.monotonic() - began)
                        show(stats)
            except KeyboardInterrupt as exc:
                ended_early, code = in_words(exc).capitalize(), exit_code(exc)
                console.print(
                    Text("stopping:", "yellow")
                    + Text(" finishing what is in hand; press Ctrl-C again to leave at once", "")
                )
                running.close()
            except CrawlStopped as exc:
                reason = clean(str(exc))
                ended_early, code = reason[:1].upper() + reason[1:], exc.exit_code
                running.close()
    except KeyboardInterrupt as exc:
        ended_early, code = in_words(exc).capitalize(), exit_code(exc)
        running.kill()
    summary = running.summary() if running.folder.holds_a_crawl else None
    if summary is not None and summary.finished and code == LimitReached.exit_code:
        ended_early = ""  # what was in hand was all that was left
    if ended_early:
        if summary is not None:
            print_summary(summary, as_json=as_json, course=course)
        is_told = summary is not None and summary.stopped and not as_json and is_one_terminal()
        _tell_how_to_go_on(console, "" if is_told else ended_early, again)
        return code
    summary = summary or running.summary()  # which says what is wrong with the folder
    failure = running.failure(summary)
    print_summary(summary, as_json=as_json, course=course, failed=failure is not None)
    if failure is not None:
        raise failure
    return 0


def _tell_how_to_go_on(console: Console, ended_early: str, again: Sequence[str]) -> None:
    """*ended_early* is empty where the terminal shows that already."""
    lead = f"{ended_early}; nothing is lost." if ended_early else "Nothing is lost."
    console.print(Text(f"{lead} To go on: ") + Text(clean(shlex.join(again)), "bold"), soft_wrap=True)


def _tell_first(running: Crawl, console: Console, *, quiet: bool) -> None:
    """Say how the seeds were understood, and how workers join."""
    if running.notes and not quiet:
        for note in running.notes:  # on a terminal no word is cut in two
            console.print(Text(clean(note)), soft_wrap=not console.is_terminal)
    if running.monitor.url and not quiet:
        console.print(f"metrics are at {running.monitor.url}", soft_wrap=True)
    if invitation := _invitation(running):
        tell(log, CRAWL_OPEN, text=invitation)
        if not quiet:
            console.print(invitation, soft_wrap=True)
            console.print(will_be_kept(running), soft_wrap=True)


def _configure_log(running: Crawl) -> None:
    """Log workers that join and leave without ``-v`` where other machines work for the crawl."""
    if not running.downloads or running.public is not None or running.config.manager.queue:
        setup.configure(verbosity(), running.config.log, least=NOTICE)


def _invitation(running: Crawl) -> str:
    """The command by which workers join, if they are expected."""
    if running.config.manager.queue:
        whom = "open to workers"
    elif running.public is not None:
        whom = f"open to workers at {running.public}"
    elif running.downloads:
        return ""
    else:
        whom = "workers on this machine"
    return f"{whom}: image-crawler work {running.invitation}"


def _same_command(folder: Path) -> list[str]:
    """The command line that goes on with this crawl.

    It lacks ``--fresh``, passwords, which others might see, and lists from a pipe, which are in *folder* by now.
    """
    program, *words = sys.argv
    words = list(without_pipes(words, folder))
    name = Path(program).name
    if name == "__main__.py":
        start = [Path(sys.executable).name, "-m", "crawler"]
    else:
        start = [name if shutil.which(name) == program else program]
    return [*start, *_without_secrets(word for word in words if word != "--fresh")]


def _without_secrets(words: Iterable[str]) -> Iterator[str]:
    """A command line's *words* with … in place of secret settings and logins in URLs.

    Of a Redis URL only user and password are secret.
    """
    secret = {
        flag for setting in SETTINGS.values() if setting.secret for flag in (setting.flag, *setting.also)
    }
    hidden = False
    for word in words:
        flag, equals, value = word.partition("=")
        if hidden:
            yield _hidden(word)
        elif equals and flag in secret:
            yield f"{flag}={_hidden(value)}"
        elif is_redis(word):
            yield without_password(word)
        else:
            yield without_login(word)
        hidden = not hidden and word in secret


def _hidden(value: str) -> str:
    return without_password(value) if is_redis(value) else "…"
