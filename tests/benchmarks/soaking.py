"""What long runs have in common: a server in a process of its own, what processes take, and what has grown."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import socketserver
import statistics
import struct
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.hostile import chunk

GROWTH = {"rss MiB": (0.10, 8.0), "descriptors": (0.10, 5.0), "threads": (0.05, 1.0)}
"""What the mean of a role may grow by over the second half: a part of it, and so much."""
DATABASE_CACHE_MIB = 64.0
"""Of the manager, see crawler.crawlfile.schema: it fills as the database grows, which is no leak."""
CHILDREN = {"reader", "decoder"}
"""Children of the workers, or of the fork server in their place."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def image(path: str) -> bytes:
    """A PNG of its own for each path, of 0.2 to 50 KB."""
    rng = random.Random(path)
    width_px, height_px = rng.choice([(8, 8), (24, 24), (40, 60), (128, 128)])
    pixels = rng.randbytes(width_px * height_px * 3)
    rows = b"".join(
        b"\0" + pixels[start : start + width_px * 3] for start in range(0, len(pixels), width_px * 3)
    )
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 1)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that were killed, and those that have had enough."""


@contextlib.contextmanager
def beside(run: Callable[..., None], *args: object) -> Iterator[Connection]:
    """*run* in a process of its own, with its end of a pipe and *args*; it is to end when the pipe does."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run, args=(theirs, *args), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join(5)
        process.kill()


class Sample(NamedTuple):
    at_s: float
    roles: dict[str, dict[str, float]]
    """By role: how many, and the means of RSS, descriptors and threads."""
    settled: int


def sample(pids: tuple[tuple[str, int], ...], at_s: float, settled: int) -> Sample:
    """Of the processes of a crawl, with those below them."""
    seen: dict[str, list[tuple[float, int, int]]] = defaultdict(list)
    for role, pid in (*pids, *((role, pid) for pid, (role, _) in below(pids).items())):
        with contextlib.suppress(OSError, ValueError, KeyError):
            found = measured(pid)
            seen[role].append(found)
    columns = ("rss MiB", "descriptors", "threads")
    return Sample(
        at_s,
        {
            role: {
                "count": len(found),
                **{name: statistics.fmean(row[n] for row in found) for n, name in enumerate(columns)},
            }
            for role, found in seen.items()
        },
        settled,
    )


def measured(pid: int) -> tuple[float, int, int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - they are only counted
    return int(fields["VmRSS"].split()[0]) / 1024, descriptors, int(fields["Threads"])


def growth(samples: list[Sample], role: str, column: str) -> tuple[float, float]:
    """The mean over the second half, and what its linear fit gains from its beginning to its end."""
    half = [s for s in samples[len(samples) // 2 :] if role in s.roles]
    if len(half) < 3:
        return 0.0, 0.0
    at_s = [s.at_s for s in half]
    values = [s.roles[role][column] for s in half]
    slope = statistics.linear_regression(at_s, values).slope
    return statistics.fmean(values), slope * (at_s[-1] - at_s[0])


class Below:
    """The readers and decoders of a crawl, those included whose worker has died before them."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, str]] = {}

    def look(self, pids: tuple[tuple[str, int], ...]) -> dict[int, tuple[str, int]]:
        """Role and RSS in bytes, by process id. *pids* are those of their workers, and of the fork server."""
        found = {}
        above = {pid for _, pid in pids}
        known, self._known = self._known, {}
        for entry in os.listdir("/proc"):  # noqa: PTH208 - ten times a second
            if entry.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    name, _, rest = Path(f"/proc/{entry}/stat").read_text().partition("(")[2].rpartition(")")
                    fields = rest.split()
                    pid, parent, began = int(entry), int(fields[1]), fields[19]
                    role, before = known.get(pid, ("", ""))
                    if parent in above and name in CHILDREN:
                        role = name
                    elif before != began:
                        role = ""
                    if role:
                        self._known[pid] = (role, began)
                        found[pid] = (role, int(fields[21]) * _PAGE_BYTES)
        return found


def below(pids: tuple[tuple[str, int], ...]) -> dict[int, tuple[str, int]]:
    """As Below.look, once."""
    return Below().look(pids)


def filling_mib(samples: list[Sample], database_mib: float) -> float:
    """What the cache of a database that has come to this size has gained in the second half."""
    part = samples[len(samples) // 2].settled / max(samples[-1].settled, 1)
    return min(DATABASE_CACHE_MIB, database_mib) - min(DATABASE_CACHE_MIB, database_mib * part)


def report(
    samples: list[Sample], *, database_mib: float, ceilings: Mapping[tuple[str, str], float]
) -> list[str]:
    """Prints the table; returns what has grown."""
    grown = []
    print(f"\n{'role':<12}{'count':>6}{'':>14}{'mean':>10}{'growth':>10}{'allowed':>10}")
    for role in sorted({role for s in samples for role in s.roles}):
        count = max(s.roles[role]["count"] for s in samples if role in s.roles)
        for column, (part, more) in GROWTH.items():
            mean, gained = growth(samples, role, column)
            allowed = part * mean + more
            if (role, column) == ("manager", "rss MiB"):
                allowed += filling_mib(samples, database_mib)
            allowed += max(0.0, ceilings.get((role, column), 0) - mean)
            print(f"{role:<12}{count:>6.0f}{column:>14}{mean:>10.1f}{gained:>+10.1f}{allowed:>10.1f}")
            if gained > allowed:
                grown.append(f"{column} of a {role} grew by {gained:.1f}, more than {allowed:.1f}")
    total = [sum(row["count"] * row["rss MiB"] for row in s.roles.values()) for s in samples]
    print(f"all together: {statistics.fmean(total[len(total) // 2 :]):,.0f} MiB, {max(total):,.0f} at most")
    return grown


def show(samples: list[Sample]) -> None:
    last = samples[-1]
    before = samples[-2] if len(samples) > 1 else Sample(0.0, {}, 0)
    rate = (last.settled - before.settled) / max(last.at_s - before.at_s, 0.001)
    roles = ", ".join(
        f"{row['count']:.0f} {role} {row['rss MiB']:.0f} MiB {row['descriptors']:.0f} fd"
        for role, row in sorted(last.roles.items())
    )
    print(f"{last.at_s:7.0f} s {last.settled:8,} settled {rate:6.0f}/s  {roles}", flush=True)
