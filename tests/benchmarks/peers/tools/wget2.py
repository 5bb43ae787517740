"""GNU Wget2, a crawler in C: it saves pages as well, and looks into no image."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.peers.corpora import Missing
from tests.benchmarks.peers.tools.base import Job, Tool, said


class Wget2(Tool):
    """Its five threads are its default."""

    fine_codes = (0, 8)
    """8: a server has answered with an error, such as 404 for a link that leads nowhere."""

    def install(self, work: Path) -> None:
        del work
        if shutil.which("wget2") is None:
            raise Missing("there is no wget2: apt-get install wget2")

    def command(self, job: Job) -> Sequence[str | Path]:
        threads = () if self.connections is None else (f"--max-threads={self.connections}",)
        return (
            "wget2",
            "--recursive",
            "--level=inf",
            "--page-requisites",
            "--quiet",
            "--no-host-directories",
            f"--ca-certificate={job.ca}",
            f"--directory-prefix={job.folder}",
            *threads,
            job.url,
        )

    def version(self) -> str:
        return said("wget2", "--version").splitlines()[0].split()[2]
