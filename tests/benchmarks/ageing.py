"""Does a browser get slow or large with the pages that it has had?

    python -m tests.benchmarks.ageing [--pages 2000] [--threads 4] [--hosts 5] [--worn]

Opens so many pages, some at once, as a renderer does: a document, a script that fetches data, fifty pictures. All of it
is answered here. Compares the last five hundreds with the second to the sixth, by their medians: the time of a
navigation until its load event, the CPU time of all of Chromium's processes, and their own memory when no page is open.
Other work on the machine shows in the first, and hardly in the others. With --worn contexts and processes are never
renewed, to show what that is for.

About five minutes on two cores. Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from crawler.render import browsers, chromium
from crawler.render.browser import Browser
from crawler.render.browsers import Browsers
from crawler.render.memory import own_bytes
from tests.support.browsers import Pages, pids_of, pss_bytes

BATCH = 100
COMPARED = 5
"""Batches at either end."""
REST_S = browsers.IDLE_S + 1.0
"""Blank tabs are closed by then."""
PAGE = """<!doctype html><meta charset=utf-8><title>page</title><div id=list></div><script src=/app.js></script>"""
SCRIPT = """
fetch("/data").then(answer => answer.json()).then(names => {
    for (const name of names) { const image = new Image(); image.src = name; list.append(image) }
});
const started = performance.now(); let rows = [];
for (let n = 0; n < 20000; n++) rows.push({n, text: "row " + n});
list.dataset.rows = rows.filter(row => row.n % 7 == 0).map(row => row.text).join().length;
"""
PICTURE = "<svg xmlns='http://www.w3.org/2000/svg' width='4' height='4'/>"


def pages() -> Pages:
    pictures = {f"/p/{n}.svg": PICTURE for n in range(50)}
    return Pages({"/": PAGE, "/app.js": SCRIPT, "/data": json.dumps(list(pictures)), **pictures})


def cpu_s(browser: Browser) -> float:
    total = 0
    for pid in pids_of(browser):
        with suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            total += sum(map(int, text.rpartition(")")[2].split()[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


class Batch(NamedTuple):
    """What a hundred pages took."""

    navigations_s: list[float]
    cpu_s: float
    """A page, of all of Chromium's processes."""
    open_bytes: float
    """Memory while pages are open (PSS)."""
    rest_bytes: float
    """Memory that is not of files when none is: other browsers on the machine don't change it."""

    @property
    def navigation_s(self) -> float:
        return statistics.median(self.navigations_s)


class Run:
    """A hundred pages of one host."""

    def __init__(self, made: Browsers, host: str) -> None:
        self.browsers = made
        self.host = host
        self.left = iter(range(BATCH))
        self.lock = threading.Lock()
        self.navigations_s: list[float] = []
        self.pss_bytes: list[int] = []

    def carry_out(self, count: int) -> Batch:
        with self.browsers.tab(self.host):
            before = current(self.browsers)
        before_s = cpu_s(before)
        threads = [threading.Thread(target=self.work) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(REST_S)
        after = current(self.browsers)
        spent_s = cpu_s(after) - (before_s if after is before else 0.0)
        open_bytes = statistics.median(self.pss_bytes)
        return Batch(self.navigations_s, spent_s / BATCH, open_bytes, sum(map(own_bytes, pids_of(after))))

    def work(self) -> None:
        while True:
            with self.lock:
                number = next(self.left, None)
            if number is None:
                return
            with self.browsers.tab(self.host) as tab:
                before = time.monotonic()
                pages().load(tab, f"http://{self.host}/")
                took_s = time.monotonic() - before
                size_bytes = pss_bytes(current(self.browsers)) if number % 10 == 0 else 0
            with self.lock:
                self.navigations_s.append(took_s)
                self.pss_bytes += [size_bytes] if size_bytes else []


def median(batches: Sequence[Batch], name: str) -> float:
    return statistics.median(getattr(batch, name) for batch in batches)


def current(made: Browsers) -> Browser:
    assert made._current
    return made._current.browser


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--hosts", type=int, default=5)
    parser.add_argument("--worn", action="store_true", help="never renew contexts and processes")
    parser.add_argument("--chromium", default="")
    options = parser.parse_args()
    program = chromium.find(options.chromium)
    if program is None:
        sys.exit("there is no Chromium")
    never = 10**9
    made = Browsers(
        program,
        page_memory_bytes=512 * 2**20,
        pages_per_context=never if options.worn else browsers.PAGES_PER_CONTEXT,
        pages_per_browser=never if options.worn else browsers.PAGES_PER_BROWSER,
    )
    batches: list[Batch] = []
    for number in range(options.pages // BATCH):
        batch = Run(made, f"h{number % options.hosts}.example").carry_out(options.threads)
        batches.append(batch)
        print(
            f"{len(batches) * BATCH:6,} pages: {batch.navigation_s * 1000:5.0f} ms a navigation,"
            f" {batch.cpu_s:.3f} CPU s a page, {batch.open_bytes / 2**20:4.0f} MiB, at rest"
            f" {batch.rest_bytes / 2**20:4.0f}",
            flush=True,
        )
    made.close()
    # not the very first, with which libraries are loaded and caches are filled; several, for one of them may end as
    # a new browser begins, or before the memory of a page is collected
    early, late = batches[1 : 1 + COMPARED], batches[-COMPARED:]
    ratio = median(late, "navigation_s") / median(early, "navigation_s")
    growth = median(late, "rest_bytes") - median(early, "rest_bytes")
    print(f"the last {COMPARED * BATCH:,} of {options.pages:,} pages against {BATCH:,} to", end=" ")
    print(f"{(1 + COMPARED) * BATCH:,}: navigation x {ratio:.2f},", end=" ")
    print(
        f"CPU x {median(late, 'cpu_s') / median(early, 'cpu_s'):.2f}, memory at rest {growth / 2**20:+.0f} MiB"
    )
    return 0 if ratio <= 1.2 and growth <= 10 * 2**20 else 1


if __name__ == "__main__":
    sys.exit(main())
