from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import PIL
from rich.console import Console

from tests.benchmarks.peers import __doc__ as about
from tests.benchmarks.peers.bench import Bench
from tests.benchmarks.peers.corpora import IMAGES, Corpus, Missing, corpus
from tests.benchmarks.peers.corpora import NAMES as CORPORA
from tests.benchmarks.peers.report import MEMORY_ROUND, Results, line
from tests.benchmarks.peers.servers import check, nginx_version, serving
from tests.benchmarks.peers.tools import TOOLS, Tool, defaults, tool

RAM_DISK = Path("/dev/shm")
_Made = TypeVar("_Made")


def main() -> int:
    options = parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: nothing is left behind
    work = options.work.absolute()
    corpora = available(options.corpora.split(","), lambda name: site(name, work, options.images))
    wanted = {one: options.tools.split(",") if options.tools else defaults(one.name) for one in corpora}
    names = dict.fromkeys(name for each in wanted.values() for name in each)
    tools = {one.name: one for one in available(names, lambda name: tool(name, work))}
    if not tools or not corpora:
        return 2
    output = (work if options.disk else options.output.absolute()) / f"peers-{os.getpid()}"
    scratch = work / "run"
    scratch.mkdir(parents=True, exist_ok=True)
    results = Results(versions=versions(tools.values()), storage="disk" if options.disk else "a RAM disk")
    try:
        with serving(corpora, scratch / "nginx") as served:
            on = {one: [tools[name] for name in names if name in tools] for one, names in wanted.items()}
            on = {one: there for one, there in on.items() if there}
            bench = Bench(tools=on, served=served, scratch=scratch, output=output)
            first = 1 if options.no_memory else MEMORY_ROUND
            for number in range(first, options.rounds + 1):
                for run in bench.round(number):
                    results.runs.append(run)
                    print(line(run), file=sys.stderr, flush=True)
    except Missing as exc:
        print(exc, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: what there is so far", file=sys.stderr)
    finally:
        shutil.rmtree(output, ignore_errors=True)
    tell(results, options.json, options.markdown)
    return 0 if all(run.is_good for run in results.runs) else 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.peers",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--tools",
        default="",
        metavar="NAMES",
        help=f"of {','.join(TOOLS)}; NAME:N for so many connections at a time (default: all, and for photo50 what"
        " tells something there)",
    )
    made.add_argument("--corpora", default=",".join(CORPORA), metavar="NAMES", help="(default: %(default)s)")
    made.add_argument("--rounds", type=int, default=5, metavar="N", help="(default: %(default)s)")
    made.add_argument(
        "--images", type=int, default=IMAGES, metavar="N", help="of the corpus photo (default: %(default)s)"
    )
    made.add_argument("--no-memory", action="store_true", help="leave out the round that samples memory")
    made.add_argument(
        "--work",
        type=Path,
        default=Path(".peers"),
        metavar="DIR",
        help="corpora and environments stay there (default: %(default)s)",
    )
    made.add_argument(
        "--output",
        type=Path,
        default=RAM_DISK,
        metavar="DIR",
        help="a RAM disk, where the tools save (default: %(default)s)",
    )
    made.add_argument("--disk", action="store_true", help="they save in the work folder in its place")
    made.add_argument("--json", type=Path, metavar="FILE", help="every run")
    made.add_argument("--markdown", type=Path, metavar="FILE", help="the tables, for a document")
    return made


def site(name: str, work: Path, images: int) -> Corpus:
    """The corpus called *name*, if it can be served here. Raises Missing."""
    made = corpus(name, work, images=images)
    check(made)
    return made


def available(names: Iterable[str], make: Callable[[str], _Made]) -> list[_Made]:
    """What can be had of *names*; of the others it is said what is missing."""
    made = []
    for name in names:
        try:
            made.append(make(name))
        except Missing as exc:
            print(f"left out: {exc}", file=sys.stderr, flush=True)
    return made


def versions(tools: Iterable[Tool]) -> dict[str, str]:
    """Of everything that takes part."""
    python = sys.version.partition(" ")[0]
    return {
        **{one.kind: one.version() for one in tools},
        "Python": python,
        "Pillow": PIL.__version__,
        "nginx": nginx_version(),
    }


def tell(results: Results, json_file: Path | None, markdown_file: Path | None) -> None:
    """The tables on stdout, and what else was asked for."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(results.about())
    for table in results.tables():
        console.print()
        console.print(table)
    if json_file:
        json_file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    if markdown_file:
        markdown_file.write_text(results.markdown(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
