from __future__ import annotations

import argparse
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from crawler.render.chromium import find
from tests import hostile_pages
from tests.hostile_pages import PAGES
from tests.hostile_pages.trial import Trial, flaws, memory_bytes


def main() -> int:
    parser = argparse.ArgumentParser(
        description=hostile_pages.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="what the names begin with; all by default")
    parser.add_argument("--threads", type=int, default=3, help="pages at once")
    parser.add_argument("--timeout-s", type=float, default=3.0, help="render_timeout_s")
    parser.add_argument("--chromium", default="", help="the program")
    parser.add_argument("--verbose", "-v", action="store_true", help="what the renderer logs")
    options = parser.parse_args()
    program = find(options.chromium)
    if program is None:
        sys.exit("there is no Chromium")
    if options.verbose:
        logging.basicConfig(level=logging.DEBUG)
    chosen = [page for page in PAGES if not options.names or page.name.startswith(tuple(options.names))]
    settings = {
        "render_timeout_s": options.timeout_s,
        "render_memory_bytes": 200 * 2**20,
        "page_timeout_s": 6.0,
    }
    wrong = 0
    print("| page | what it does | record | left out | s | requests | MiB |")
    print("|---|---|---|---|---|---|---|")
    with Trial(program, chosen, **settings).open() as trial, ThreadPoolExecutor(options.threads) as pool:
        trial.honest(0)
        for page, opened in [(page, pool.submit(trial.hostile, page.name)) for page in chosen]:
            try:
                outcome = opened.result()
            except AssertionError as exc:
                print(f"| {page.name} | {page.what} | **{exc}** |", flush=True)
                wrong += 1
                continue
            record = outcome.record
            said = f"{record.status} {record.reason}".strip()
            left_out = ", ".join(f"{slug} {count}" for slug, count in sorted(record.left_out.items()))
            print(
                f"| {page.name} | {page.what} | {said} | {left_out} | {outcome.seconds:.1f} | {outcome.requests}"
                f" | {memory_bytes() >> 20} |",
                flush=True,
            )
            for flaw in flaws(outcome, page, trial.server):
                wrong += 1
                print(f"|  | **{flaw}** |", flush=True)
        began = time.monotonic()
        outcome = trial.honest(1)
        print(sorted(outcome.images), outcome.record.left_out, outcome.record.gains)
        print(
            f"honest: {len(outcome.images)} images in {time.monotonic() - began:.1f} s; canaries: {dict(trial.server.canaries.touched)}"
        )
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
