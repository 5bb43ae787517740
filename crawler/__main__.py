"""The program, as ``image-crawler`` and as ``python -m crawler``: how it begins, and how it ends."""

from __future__ import annotations

import sys
from typing import NoReturn

from crawler.process_end import end_process

_OF_A_CRAWL = frozenset({"crawl", "serve", "demo"})
"""Commands that have a fork server."""
_HELP = frozenset({"-h", "--help", "--help-all"})


def main() -> NoReturn:
    """Run the command line, and end this process.

    A crawl's fork server is started before anything else is imported: it imports at the same time as the command line,
    and has more to import.
    """
    words = sys.argv[1:]
    command = next((word for word in words if not word.startswith("-")), "")
    forks = None
    if command in _OF_A_CRAWL and _HELP.isdisjoint(words):
        from crawler.run import preload

        forks = preload.for_crawl()
    try:
        from crawler import cli

        code = cli.main(forks=forks)
    finally:
        if forks is not None:
            forks.close()
    end_process(code)


if __name__ == "__main__":
    main()
