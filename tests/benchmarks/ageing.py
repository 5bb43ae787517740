"""Does a browser get slow or large with the pages that it has had?

    python -m tests.benchmarks.ageing [--pages 2000] [--threads 4] [--hosts 5] [--worn]

Opens so many pages, some at once, as a renderer does: a document, a script that fetches data, fifty pictures. All of it
is answered here. Compares the last hundred with the first hundred: the time of a navigation until its load event, the
CPU time of all of Chromium's processes, and their memory (PSS) while pages are open. Other work on the machine shows in
the first, and hardly in the others. With --worn contexts and processes are never renewed, to show what that is for.

About ten minutes on two cores. Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from crawler.render import browsers, chromium
from crawler.render.browser import Browser
from crawler.render.browsers import Browsers
from tests.browsers import Pages

SAMPLE = 100
WARM_UP = 20
"""Pages that come before the first hundred: libraries are loaded, caches filled."""
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
    for pid in browser.pids():
        with suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            total += sum(map(int, text.rpartition(")")[2].split()[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


class Run:
    def __init__(self, made: Browsers, count: int, hosts: int) -> None:
        self.browsers = made
        self.left = iter(range(count))
        self.hosts = hosts
        self.lock = threading.Lock()
        self.navigations_s: list[float] = []
        self.cpu_s: list[float] = []
        """Of all of Chromium, after each page; it falls when a process is renewed."""
        self.pss_bytes: list[int] = []

    def work(self) -> None:
        while True:
            with self.lock:
                number = next(self.left, None)
            if number is None:
                return
            host = f"h{number // SAMPLE % self.hosts}.example"
            with self.browsers.tab(host) as tab:
                before = time.monotonic()
                pages().load(tab, f"http://{host}/")
                took_s = time.monotonic() - before
                self.note(took_s)

    def note(self, took_s: float) -> None:
        with self.lock:
            self.navigations_s.append(took_s)
            done = len(self.navigations_s)
            current = self.browsers._current
        if current:
            spent_s = cpu_s(current.browser)
            with self.lock:
                self.cpu_s.append(spent_s)
                if done % 10 == 0:
                    self.pss_bytes.append(current.browser.pss_bytes())
        if done % SAMPLE == 0:
            print(
                f"{done:6,} pages: {statistics.median(self.navigations_s[-SAMPLE:]) * 1000:5.0f} ms a navigation,"
                f" {spread(self.cpu_s[-SAMPLE:]):.3f} CPU s a page,"
                f" {statistics.median(self.pss_bytes[-10:]) / 2**20:4.0f} MiB",
                flush=True,
            )


def spread(spent_s: list[float]) -> float:
    """A page's part of what was spent, not counting where it falls, as another process takes over."""
    steps = [later - earlier for earlier, later in pairwise(spent_s)]
    return sum(step for step in steps if step >= 0) / max(1, len(steps))


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
    run = Run(made, options.pages, options.hosts)
    threads = [threading.Thread(target=run.work) for _ in range(options.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.close()
    first, last = run.navigations_s[WARM_UP:][:SAMPLE], run.navigations_s[-SAMPLE:]
    ratio = statistics.median(last) / statistics.median(first)
    sizes = run.pss_bytes[WARM_UP // 10 :]
    growth = statistics.median(sizes[-10:]) - statistics.median(sizes[:10])
    spent = spread(run.cpu_s[-SAMPLE:]) / spread(run.cpu_s[WARM_UP:][:SAMPLE])
    print(f"the last {SAMPLE} against the first {SAMPLE} of {options.pages:,} pages:")
    print(f"    navigation x {ratio:.2f}, CPU x {spent:.2f}, memory {growth / 2**20:+.0f} MiB")
    return 0 if ratio <= 1.2 and growth <= 10 * 2**20 else 1


if __name__ == "__main__":
    sys.exit(main())
