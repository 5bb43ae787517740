"""A renderer in small, to be killed: it has two pages open, says which processes there are, opens another when told.

python -m tests.e2e.browser_process PROGRAM BOOT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from crawler.errors import BrowserFailed
from crawler.render import memory, process
from crawler.render.browsers import Browsers
from crawler.render.devtools_messages import DevToolsError
from tests.support.browsers import Pages, pids_of, value

PAGES = Pages({"/": "<title>here</title>"})


def main(program: str, boot: str) -> None:
    process._BOOT = boot
    browsers = Browsers(Path(program), page_memory_bytes=300 * 2**20)
    with browsers.tab("a.example") as one, browsers.tab("b.example") as two:
        for tab in (one, two):
            PAGES.load(tab, "http://x.example/")
        assert browsers._current
        pids = pids_of(browsers._current.browser)
        say(pids=pids, pages=[pid for pid in pids if memory.is_renderer(pid)])
        input()
        alive = 0
        for tab in (one, two):
            try:
                alive += value(tab, "document.title", timeout_s=3.0) == "here"
            except DevToolsError:
                continue
        say(alive=alive)
        input()
    try:
        with browsers.tab("a.example") as tab:
            PAGES.load(tab, "http://x.example/")
            say(again=value(tab, "document.title"))
    except BrowserFailed as exc:
        say(again=str(exc))
    input()
    browsers.close()


def say(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
