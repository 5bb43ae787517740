"""Scrapy: its FilesPipeline keeps the bytes, its ImagesPipeline decodes and writes a JPEG anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.peers.tools.base import SCRIPTS, Job, Tool

_CONNECTIONS = 32


class Scrapy(Tool):
    requirements = ("scrapy>=2.13", "pillow")

    def __init__(self, kind: str, connections: int | None) -> None:
        super().__init__(kind, connections)
        self.decodes = self.reencodes = kind == "scrapy-images"

    def command(self, job: Job) -> Sequence[str | Path]:
        pipeline = "ImagesPipeline" if self.decodes else "FilesPipeline"
        connections = str(self.connections or _CONNECTIONS)
        return (self.python, SCRIPTS / "scrapy_images.py", job.url, job.folder, connections, pipeline)
