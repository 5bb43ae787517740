"""Search for input that takes more time than in proportion to its length: python -m tests.benchmarks.quadratic

First each unit by itself and in each place, every regular expression with the pairs of what it knows, each unit before
each that may end it; then pairs of units, and triples for as long as there is time. Another --seed, other triples and
another order of pairs. Prints what it finds as it goes, and exits with 1 if that is anything.

With --memory it measures instead what each unit takes of it, in a process each, and says where that is more than
crawler/harvest/reader_main.py asks for: a reader then has to begin anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import Any

from tests.quadratic import Shape, growth
from tests.quadratic.entries import ENTRIES, alone, closed, in_places, pairs, sampled, triples, units_of
from tests.quadratic.patterns import expressions, shapes

_OF_PAIRS = 64
"""One of so many pairs in each round."""
_MOST_OF_ONE = 20
"""Findings of one function in one round: they are likely the same one."""

Job = tuple[str, Callable[[str], Any], Iterable[Shape], int | None]


def jobs(only: str, seed: int) -> Iterator[Job]:
    entries = {name: entry for name, entry in ENTRIES.items() if only in name}
    for name, entry in entries.items():
        yield name, entry.work, chain(alone(entry), in_places(entry)), entry.most_chars
    for found in expressions():
        for method in found.methods if only in found.name else ():
            yield f"{found.name}.{method}", found.work(method), shapes(found, pairs=2000), found.most_chars
    for name, entry in entries.items():
        yield name, entry.work, closed(entry), entry.most_chars
    for number in range(_OF_PAIRS):
        for name, entry in entries.items():
            some = sampled(pairs(entry), of_all=_OF_PAIRS, part=(number + seed) % _OF_PAIRS)
            more = islice(triples(entry, seed=f"{seed} {number} {name}"), 500)
            yield name, entry.work, chain(some, more), entry.most_chars


_MEASURED = """
import sys
from contextlib import suppress
from pathlib import Path
from crawler.harvest import reader_main
from tests.quadratic import Shape
from tests.quadratic.entries import ENTRIES

def most_bytes():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024

name, unit, chars = sys.argv[1:]
work = ENTRIES[name].work
work("<p>x")
text = Shape(unit).text(int(chars))
before = most_bytes()
with suppress(Exception):
    work(text)
content = text.encode("utf-8", "surrogatepass")
most = reader_main._MOST_FOR_SOUP if "soup" in name else reader_main._MOST_BYTES_PER_BYTE
print((most_bytes() - before) / len(content), reader_main._memory_bytes(content, most=most) / len(content))
"""


def measure_memory(only: str, chars: int, ends: float) -> int:
    over = 0
    for name, entry in ENTRIES.items():
        for unit in units_of(entry) if name.startswith("read") and only in name else ():
            if time.monotonic() > ends:
                return over
            with suppress(
                ValueError, UnicodeEncodeError
            ):  # no argument has a NUL or half a pair of surrogates
                said = subprocess.run(
                    [sys.executable, "-c", _MEASURED, name, unit, str(chars)],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                takes, asks = map(float, said.stdout.split())
                if takes > asks:
                    over += 1
                    print(
                        f"{name}: {unit!r} takes {takes:.0f} bytes for each of its own, and asks for {asks:.0f}"
                    )
    return over


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--minutes", type=float, default=20)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument(
        "--chars", type=int, default=2**18, help="of the largest text, as long as none is suspicious"
    )
    options.add_argument("--only", default="", help="part of the name of a function or an expression")
    options.add_argument("--memory", action="store_true", help="measure memory, with texts of --chars")
    told = options.parse_args()
    ends = time.monotonic() + 60 * told.minutes
    if told.memory:
        return 1 if measure_memory(told.only, told.chars, ends) else 0
    tried: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for name, work, of_it, most_chars in jobs(told.only, told.seed):
        before = found[name]
        for shape in of_it:
            if time.monotonic() > ends or found[name] - before >= _MOST_OF_ONE:
                break
            tried[name] += 1
            grown = growth(
                name,
                work,
                shape,
                most_chars=min(told.chars, most_chars or told.chars),
                enough_s=0.02,
                far_chars=most_chars,
            )
            if grown is not None:
                found[name] += 1
                print(grown, flush=True)
        if time.monotonic() > ends:
            print(f"the time is over, at {name}")
            break
        print(f"  {name}: {tried[name]:,} shapes, {found[name]} found", file=sys.stderr, flush=True)
    print(f"{tried.total():,} shapes of {len(tried)} functions and expressions: {found.total()} found")
    return 1 if found.total() else 0


if __name__ == "__main__":
    sys.exit(main())
