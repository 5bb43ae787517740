"""As the package says."""

from __future__ import annotations

import argparse
import logging
import sys
from concurrent.futures import Future, ThreadPoolExecutor

import tests.hostile_pages as package
from crawler.render.chromium import find
from tests.hostile_pages.kinds import Hostile
from tests.hostile_pages.trial import HONEST_NAMES, Outcome, Trial, flaws, memory_bytes, trying

MIB = 2**20


def main() -> int:
    parser = argparse.ArgumentParser(
        description=package.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="what the names begin with; all by default")
    parser.add_argument("--threads", type=int, default=3, help="pages at once")
    parser.add_argument("--timeout-s", type=float, default=3.0, help="render_timeout_s")
    parser.add_argument("--memory-mib", type=int, default=200, help="render_memory_bytes, in MiB")
    parser.add_argument("--chromium", default="", help="the program")
    parser.add_argument("--verbose", "-v", action="store_true", help="what the renderer logs")
    options = parser.parse_args()
    program = find(options.chromium)
    if program is None:
        sys.exit("there is no Chromium")
    if options.verbose:
        logging.basicConfig(level=logging.DEBUG)
    chosen = [
        page for page in package.PAGES if not options.names or page.name.startswith(tuple(options.names))
    ]
    settings = {
        "render_timeout_s": options.timeout_s,
        "render_memory_bytes": options.memory_mib * MIB,
        "page_timeout_s": 2 * options.timeout_s,
    }
    print("| page | what it does | record | left out | seconds | requests | MiB of this process |")
    print("|---|---|---|---|---|---|---|")
    with trying(program, chosen, **settings) as trial, ThreadPoolExecutor(options.threads) as pool:
        trial.honest(0)
        wrong = sum([told(trial, page, opened) for page, opened in _opened(trial, chosen, pool)])
        missing = set(HONEST_NAMES) - trial.honest(1).images
        touched = dict(trial.server.canaries.touched)
    print()
    print(f"{len(chosen)} pages, {wrong} with something wrong")
    print(
        f"an honest page after them lacks {sorted(missing) or 'nothing'}; canaries touched: {touched or 'none'}"
    )
    return int(bool(wrong or missing or touched))


def _opened(
    trial: Trial, pages: list[Hostile], pool: ThreadPoolExecutor
) -> list[tuple[Hostile, Future[Outcome]]]:
    return [(page, pool.submit(trial.hostile, page.name)) for page in pages]


def told(trial: Trial, page: Hostile, opened: Future[Outcome]) -> bool:
    """Whether anything is wrong with what has come of it, which is printed."""
    outcome = opened.result()
    record = outcome.record
    said = f"{record.status} {record.reason}".strip()
    left_out = ", ".join(f"{slug} {count}" for slug, count in sorted(record.left_out.items()))
    row = (page.name, page.what, said, left_out, f"{outcome.seconds:.1f}", str(outcome.requests))
    print(f"| {' | '.join(row)} | {memory_bytes() // MIB} |", flush=True)
    wrong = flaws(outcome, page, trial.server)
    for flaw in wrong:
        print(f"| | **{flaw}** |", flush=True)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
