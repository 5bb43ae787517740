"""image-crawler itself, of this checkout, with its defaults; but no page is opened in a browser, as by no peer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from crawler import __version__
from tests.benchmarks.peers.corpora import Missing
from tests.benchmarks.peers.tools.base import Job, Tool, said

_ROOT = Path(__file__).parents[4]
_TRANSPORTS = {"ours": "requests", "ours-fast": "curl"}


class Ours(Tool):
    """``ours`` fetches by requests, ``ours-fast`` by libcurl, of the extra ``fast``."""

    decodes = True

    def install(self, work: Path) -> None:
        """Nothing is: it runs with the packages of this Python."""
        del work
        if self.kind == "ours-fast" and find_spec("pycurl") is None:
            raise Missing(f"{self.name}: there is no pycurl: pip install --editable .[fast]")

    def command(self, job: Job) -> Sequence[str | Path]:
        per_host = () if self.connections is None else ("--per-host", str(self.connections))
        words = (sys.executable, "-m", "crawler", "crawl", job.url, "-o", job.folder / "crawl", "--quiet")
        return (*words, "--render", "never", "--transport", _TRANSPORTS[self.kind], *per_host)

    def environment(self, job: Job) -> dict[str, str]:
        return {**super().environment(job), "PYTHONPATH": str(_ROOT)}

    def version(self) -> str:
        commit = said("git", "-C", _ROOT, "describe", "--always", "--dirty", "--abbrev=10")
        return f"{__version__} ({commit})"
