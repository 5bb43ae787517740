"""Search for input that takes more time than in proportion to its length: python -m tests.benchmarks.quadratic

First each unit by itself and in each place, every regular expression with the pairs of what it knows, each unit before
each that may end it; then pairs of units, and triples for as long as there is time. Another --seed, other triples and
another order of pairs. Prints what it finds as it goes, and exits with 1 if that is anything.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from tests.quadratic import Shape, growth
from tests.quadratic.entries import ENTRIES, alone, closed, in_places, pairs, sampled, triples
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
    told = options.parse_args()
    ends = time.monotonic() + 60 * told.minutes
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
