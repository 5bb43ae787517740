"""The program, as ``image-crawler`` and as ``python -m crawler``: how it begins, and how it ends."""

from __future__ import annotations

import os
import signal
import sys

from crawler.process_end import EXIT_INTERRUPTED, end_process

TYPE_CHECKING = False  # as in crawler/__init__.py
if TYPE_CHECKING:
    from typing import NoReturn

_OF_A_CRAWL = frozenset({"crawl", "serve", "demo"})
"""Commands that have a fork server."""
_HELP = frozenset({"-h", "--help", "--help-all"})


def main() -> NoReturn:
    """Run the command line, and end this process.

    A crawl's fork server is started before anything else is imported: it imports at the same time as the command line,
    and has more to import.
    """
    _open_standard_streams()
    words = sys.argv[1:]
    command = next((word for word in words if not word.startswith("-")), "")
    forks = None
    try:
        if command in _OF_A_CRAWL and _HELP.isdisjoint(words):
            from crawler.run import preload

            forks = preload.for_crawl()
        from crawler import cli

        code = cli.main(forks=forks)
    except KeyboardInterrupt:  # while it was imported: later it sees to that itself
        sys.stderr.write("image-crawler: interrupted\n")
        code = EXIT_INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever is in a hurry now sees no traceback
        if forks is not None:
            forks.close()
    end_process(code)


def _open_standard_streams() -> None:
    """Open those that whoever started this program has closed (``>&-``), to nowhere: the next file that is opened would
    be in their place, and have what is printed written into it.
    """
    if os.name != "posix":
        return
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good


if __name__ == "__main__":
    main()
