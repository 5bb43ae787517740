"""Medians and ratios of the runs, as tables for a terminal and for a document."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.benchmarks.peers.measure import DISTURBED, Usage

MEMORY_ROUND = 0
DECODED = " + decode"
"""Behind a tool's name: what it saved was decoded afterwards, and that is counted as well."""
_MIB = 2**20
_BASELINE = "ours"
"""What others are compared with: each tool whose name begins so."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One tool, once, on one corpus."""

    corpus: str
    tool: str
    round: int
    """From 1 on; MEMORY_ROUND for the one in which memory is sampled, which is not timed."""
    usage: Usage
    images: int
    """Image files of the corpus that were found in what it saved."""
    total: int
    """Image files of the corpus."""
    is_counted: bool = False
    """Whether images are only counted, for their bytes are not the same any more."""

    @property
    def is_good(self) -> bool:
        return self.usage.code == 0 and self.images > 0

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.usage.wall_s

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of CPU an image."""
        return 1000 * self.usage.cpu_s / self.images


class Results:
    """All runs of a benchmark, and what was measured where."""

    def __init__(self, *, versions: Mapping[str, str], storage: str) -> None:
        self.began = datetime.now(UTC)
        self.versions = dict(versions)
        self.storage = storage
        self.runs: list[Run] = []

    def as_json(self) -> dict[str, Any]:
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "machine": machine(),
            "storage": self.storage,
            "versions": self.versions,
            "runs": [asdict(run) for run in self.runs],
        }

    def about(self) -> str:
        """One line: when, where and what."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.began:%Y-%m-%d}, {machine()}, output on {self.storage}; {versions}"

    def corpora(self) -> list[str]:
        return list(dict.fromkeys(run.corpus for run in self.runs))

    def rows(self, corpus: str) -> tuple[list[str], list[list[str]]]:
        """The head of the table of *corpus*, and a row for each tool, the fastest first."""
        by_tool: dict[str, list[Run]] = {}
        for run in self.runs:
            if run.corpus == corpus:
                by_tool.setdefault(run.tool, []).append(run)
        baselines = sorted(name for name in by_tool if name.startswith(_BASELINE))
        head = [
            "tool",
            "images/s",
            "wall s",
            "CPU ms/image",
            "PSS MiB",
            "largest",
            "found",
            "rounds",
            "others",
        ]
        for name in baselines:
            head += [f"{name}/it: speed", "CPU"]
        rows = [
            (_rate(runs), _row(name, runs, [by_tool[each] for each in baselines]))
            for name, runs in by_tool.items()
        ]
        return head, [row for _, row in sorted(rows, key=lambda pair: -pair[0])]

    def tables(self) -> Iterable[Table]:
        for corpus in self.corpora():
            head, rows = self.rows(corpus)
            table = Table(title=corpus, title_justify="left")
            for at, name in enumerate(head):
                table.add_column(name, justify="left" if at == 0 else "right")
            for row in rows:
                table.add_row(*row)
            yield table

    def markdown(self) -> str:
        parts = [self.about()]
        for corpus in self.corpora():
            head, rows = self.rows(corpus)
            lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
            table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
            parts.append(f"**{corpus}**\n\n{table}")
        return "\n\n".join(parts) + "\n"


def timed(runs: Iterable[Run]) -> list[Run]:
    """Those that figures are taken of: undisturbed ones, or all if others disturbed each."""
    good = [run for run in runs if run.round != MEMORY_ROUND and run.is_good]
    return [run for run in good if not run.usage.is_disturbed] or good


def ratio(mine: Iterable[Run], its: Iterable[Run], figure: Callable[[Run], float]) -> float | None:
    """The median of what *figure* of mine is to its in the same round; None if no round has both."""
    by_round = {run.round: run for run in timed(its)}
    pairs = [(run, by_round[run.round]) for run in timed(mine) if run.round in by_round]
    return statistics.median(figure(a) / figure(b) for a, b in pairs) if pairs else None


def _row(name: str, runs: Sequence[Run], baselines: Sequence[Sequence[Run]]) -> list[str]:
    kept, memory = timed(runs), [run for run in runs if run.round == MEMORY_ROUND]
    every = [run for run in runs if run.round != MEMORY_ROUND]
    pss = max((run.usage.peak_pss_bytes for run in memory), default=0)
    largest = max((run.usage.peak_process_pss_bytes for run in memory), default=0)
    clean = sum(not run.usage.is_disturbed for run in kept)
    row = [
        name,
        f"{_rate(runs):,.0f}" if kept else "failed",
        _median(kept, lambda run: run.usage.wall_s),
        _median(kept, lambda run: run.cpu_ms),
        f"{pss / _MIB:,.0f}" if pss else "-",
        f"{largest / _MIB:,.0f}" if largest else "-",
        f"{'~' * runs[0].is_counted}{min(run.images for run in runs):,}/{runs[0].total:,}",
        f"{clean}/{len(every)}" if clean else f"0/{len(every)} disturbed",
        f"{statistics.median(run.usage.foreign for run in kept):.0%}" if kept else "-",
    ]
    for mine in baselines:
        row += [
            _times(ratio(mine, runs, lambda run: run.rate)),
            _times(ratio(mine, runs, lambda run: run.cpu_ms)),
        ]
    return row


def _rate(runs: Iterable[Run]) -> float:
    kept = timed(runs)
    return statistics.median(run.rate for run in kept) if kept else 0.0


def _median(runs: Sequence[Run], figure: Callable[[Run], float]) -> str:
    return f"{statistics.median(map(figure, runs)):.2f}" if runs else "-"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def line(run: Run) -> str:
    """For whoever watches."""
    usage = run.usage
    memory = f"  {usage.peak_pss_bytes / _MIB:,.0f} MiB" if usage.peak_pss_bytes else ""
    told = f"{usage.wall_s:7.2f} s  {run.images:,}/{run.total:,} images"
    if run.is_good:
        told += f"  {run.rate:,.0f}/s  {run.cpu_ms:.2f} ms each{memory}"
    disturbed = f"  DISTURBED (over {DISTURBED:.0%})" if usage.is_disturbed else ""
    state = "" if usage.code == 0 else f"  FAILED: {usage.code}"
    return f"{run.round} {run.corpus:10}{run.tool:24}{told}  others {usage.foreign:.0%}{disturbed}{state}"


def machine() -> str:
    """Its processor and system, without names."""
    model = ""
    for text in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if text.startswith("model name"):
            model = text.partition(":")[2].strip() + ", "
            break
    return f"{model}{os.cpu_count()} cores, {platform.system()} {platform.release().partition('-')[0]}"
