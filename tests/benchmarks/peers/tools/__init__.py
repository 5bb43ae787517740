"""The programs that are measured: one module each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.peers.corpora import Missing
from tests.benchmarks.peers.tools.base import Job, Tool
from tests.benchmarks.peers.tools.crawlee import Crawlee
from tests.benchmarks.peers.tools.img2dataset import Img2dataset
from tests.benchmarks.peers.tools.ours import Ours
from tests.benchmarks.peers.tools.scrapy import Scrapy
from tests.benchmarks.peers.tools.wget2 import Wget2

__all__ = ["TOOLS", "Job", "Tool", "defaults", "tool"]

TOOLS: dict[str, Callable[[str, int | None], Tool]] = {
    "ours": Ours,
    "ours-fast": Ours,
    "crawlee": Crawlee,
    "wget2": Wget2,
    "scrapy-files": Scrapy,
    "scrapy-images": Scrapy,
    "img2dataset": Img2dataset,
}
"""By name; each is called with its name and how many connections it shall use, None for its default."""


_LATENCY = ("ours", "ours:64", "ours-fast", "ours-fast:64", "crawlee:32", "scrapy-files:32", "wget2:16")


def defaults(corpus: str) -> Sequence[str]:
    """Names of the tools that *corpus* is for: where requests wait, the connections at a time are what matters."""
    return _LATENCY if corpus == "photo50" else tuple(TOOLS)


def tool(name: str, work: Path) -> Tool:
    """The tool called *name*, which may end in ``:`` and a number of connections, installed below *work*.

    Raises Missing for one that is not known, or can't be had.
    """
    kind, _, connections = name.partition(":")
    if kind not in TOOLS or not (connections.isdigit() or name == kind):
        raise Missing(f"there is no tool {name}, but {', '.join(TOOLS)}, each with :CONNECTIONS if you like")
    made = TOOLS[kind](kind, int(connections) if connections else None)
    made.install(work)
    return made
