from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.rendered import __doc__ as about
from tests.benchmarks.rendered.build import build
from tests.benchmarks.rendered.choosing import choose
from tests.benchmarks.rendered.kinds import SITES, templates
from tests.benchmarks.rendered.measure import WAYS, Crawled, Program, crawl, program
from tests.benchmarks.rendered.person import Person, browsing
from tests.benchmarks.rendered.report import HEAD, line, remarks, totals
from tests.benchmarks.rendered.server import Cache, serving
from tests.benchmarks.rendered.site import Site

TRUTH = "truth.json"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.rendered",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("do", choices=("list", "build", "serve", "truth", "measure", "templates"))
    parser.add_argument("--cache", type=Path, default=Path(".rendered"), metavar="DIR")
    parser.add_argument(
        "--site", action="append", default=[], metavar="NAME", help="only these, or all of a kind"
    )
    parser.add_argument("--chromium", default=shutil.which("chromium") or "", metavar="PATH")
    parser.add_argument("--way", action="append", default=[], choices=WAYS, help="only these")
    parser.add_argument(
        "--pages", type=int, default=templates.PAGES, metavar="N", help="templates: of each site"
    )
    parser.add_argument("--json", action="store_true", help="measure, templates: one JSON object a line")
    parser.add_argument(
        "--crawler", default=f"{sys.executable} -m crawler", metavar="COMMAND", help="what is measured"
    )
    parser.add_argument(
        "--with", dest="flags", default="", metavar="FLAGS", help="further flags of its crawls"
    )
    parser.add_argument("--log", action="store_true", help="serve: print each request")
    options = parser.parse_args()
    sites = chosen(options.site)
    folder = options.cache.absolute()
    if options.do == "list":
        for site in sites:
            print(f"{site.kind:12} {site.name:24} {len(site.wants):3}  {site.about}")
        return 0
    if options.do == "templates":
        made = program(shlex.split(options.crawler), shlex.split(options.flags), folder)
        return choose(
            folder, made, options.way or WAYS, options.pages, set(options.site), as_json=options.json
        )
    build(sites, folder)
    if options.do == "build":
        return 0
    if options.do == "serve":
        return serve(sites, folder, log=options.log)
    if options.do == "truth":
        return truth(sites, folder, options.chromium)
    made = program(shlex.split(options.crawler), shlex.split(options.flags), folder)
    return measure(sites, folder, made, options.way or WAYS, as_json=options.json)


def chosen(names: Sequence[str]) -> list[Site]:
    every = (*SITES, *templates.SITES)
    known = {site.name for site in every} | {site.kind for site in every}
    if unknown := set(names) - known:
        sys.exit(
            f"no site or kind is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}"
        )
    return [site for site in every if site.name in names or site.kind in names] if names else list(SITES)


def serve(sites: Sequence[Site], folder: Path, *, log: bool) -> int:
    with serving(sites, folder) as served:
        for site in sites:
            print(f"{served.urls[site.name]:26} {site.name:24} {len(site.wants):3}  {site.about}")
        print(f"{served.elsewhere}/ is the other origin", flush=True)
        try:
            while True:
                time.sleep(0.2)
                for asked in served.log.drain():
                    if log:
                        print(
                            asked.status,
                            asked.method,
                            asked.site,
                            asked.target,
                            asked.content_type,
                            flush=True,
                        )
        except KeyboardInterrupt:
            return 0


def truth(sites: Sequence[Site], folder: Path, chromium: str) -> int:
    """Compares what a person sees with what the sites say can be seen; 1 if that differs."""
    file = folder / TRUTH
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    differ = 0
    with serving(sites, folder) as served, browsing(chromium) as browser:
        person = Person(browser, served)
        for site in sites:
            began = time.monotonic()
            seen = person.sees(site)
            known[site.name] = sorted(seen)
            file.write_text(json.dumps(known), encoding="utf-8")
            missing, more = sorted(site.wants - seen), sorted(seen - site.wants)
            differ += bool(missing or more)
            print(
                f"{site.kind:12} {site.name:24} wanted {len(site.wants):3}  seen {len(seen):3}"
                f"  {time.monotonic() - began:5.1f} s"
                + (f"  not seen: {missing}" if missing else "")
                + (f"  not wanted: {more}" if more else ""),
                flush=True,
            )
    return 1 if differ else 0


def measure(
    sites: Sequence[Site], folder: Path, made: Program, wanted: Sequence[str], *, as_json: bool
) -> int:
    """Crawls every site in each way; 1 if any image was asked for more than once, or a process left behind."""
    measured: dict[Site, dict[str, Crawled]] = {}
    ways = made.ways(wanted)
    if not as_json:
        print(HEAD)
    with serving(sites, folder) as served:
        for site in sites:
            crawls = {way: crawl(site, way, served, made, Cache(folder)) for way in ways}
            measured[site] = crawls
            if as_json:
                told = {way: one._asdict() for way, one in crawls.items()}
                print(
                    json.dumps(
                        {"site": site.name, "kind": site.kind, "wanted": site.wants, **told}, default=sorted
                    ),
                    flush=True,
                )
                continue
            print(line(site, crawls), flush=True)
            for remark in remarks(site, crawls):
                print("    " + remark, flush=True)
    if not as_json:
        print("\n".join(totals(measured, ways)))
    return int(any(one.twice or one.left for crawls in measured.values() for one in crawls.values()))


if __name__ == "__main__":
    sys.exit(main())
