"""Rounds: each tool once on each corpus, in an order that changes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from tests.benchmarks.peers.corpora import Corpus, found
from tests.benchmarks.peers.measure import Usage, run
from tests.benchmarks.peers.report import DECODED, MEMORY_ROUND, Run
from tests.benchmarks.peers.servers import Served
from tests.benchmarks.peers.tools import Job, Tool
from tests.benchmarks.peers.tools.base import SCRIPTS

_TAIL = 2000


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is run, and where."""

    tools: Mapping[Corpus, Sequence[Tool]]
    """What is measured on each corpus."""
    served: Served
    scratch: Path
    """For lists of URLs."""
    output: Path
    """Where each run's files go; they are removed after it."""

    def round(self, number: int) -> Iterator[Run]:
        """One run of each tool on each corpus; the first tool of the last round comes last in this one."""
        for corpus, tools in self.tools.items():
            shift = number % len(tools)
            for tool in (*tools[shift:], *tools[:shift]):
                yield from self._runs(corpus, tool, number)

    def _runs(self, corpus: Corpus, tool: Tool, number: int) -> Iterator[Run]:
        """Of a tool that does not decode there are two: alone, and with the decoding of what it has saved."""
        job = self._job(corpus)
        shutil.rmtree(job.folder, ignore_errors=True)
        job.folder.mkdir(parents=True)
        os.sync()  # nothing of the last run is still to be written while this one is measured
        usage = self._measured(tool.command(job), job, tool.environment(job), number, tool.fine_codes)
        there = found(corpus, job.folder, reencoded=tool.reencodes)
        one = Run(
            corpus=corpus.name,
            tool=tool.name,
            round=number,
            usage=usage,
            images=there,
            total=len(corpus.images),
            is_counted=tool.reencodes,
        )
        yield one
        if not tool.decodes:
            command: list[str | Path] = [sys.executable, SCRIPTS / "decode.py", job.folder]
            decoding = self._measured(command, job, tool.environment(job), number)
            yield replace(one, tool=tool.name + DECODED, usage=usage.followed_by(decoding))
        shutil.rmtree(job.folder, ignore_errors=True)

    def _measured(
        self,
        command: Sequence[str | Path],
        job: Job,
        environment: dict[str, str],
        number: int,
        fine_codes: Sequence[int] = (0,),
    ) -> Usage:
        usage = run(
            command,
            folder=job.folder.parent,
            environment=environment,
            servers=self.served.pids,
            memory=number == MEMORY_ROUND,
        )
        if usage.code in fine_codes:
            usage = replace(usage, code=0)
        else:
            print(usage.output[-_TAIL:], file=sys.stderr, flush=True)
        return usage

    def _job(self, corpus: Corpus) -> Job:
        url = self.served.urls[corpus.name]
        urls = self.scratch / f"{corpus.name}.txt"
        urls.write_text(
            "".join(f"{url}{quote(path.as_posix())}\n" for path in corpus.images), encoding="utf-8"
        )
        return Job(
            url=url,
            folder=self.output / "saved",
            image_urls=urls,
            suffix=corpus.suffix,
            ca=self.served.ca,
        )
