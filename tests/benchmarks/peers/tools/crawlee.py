"""Crawlee for Python, its ParselCrawler: of the frameworks in Python the fastest that was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.peers.tools.base import SCRIPTS, Job, Tool

_CONNECTIONS = 16


class Crawlee(Tool):
    requirements = ("crawlee[parsel]>=1",)

    def command(self, job: Job) -> Sequence[str | Path]:
        connections = str(self.connections or _CONNECTIONS)
        return (self.python, SCRIPTS / "crawlee_images.py", job.url, job.folder, connections)
