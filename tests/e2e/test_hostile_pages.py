"""Pages that take for ever or all memory, beside honest ones: what they may cost, and that they are recorded."""

from __future__ import annotations

import random
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.models import PageRecord
from tests.e2e.running import Running
from tests.support.sites import SiteServer, make_site, png, serving

pytestmark = [
    pytest.mark.untraced,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc; its limits are those of Linux"),
]
MIB = 2**20


def hostile_site(folder: Path, hostile: dict[str, str]) -> dict[str, str]:
    """Ten honest pages with two images each, and these; returns path -> sha256 of the images."""
    digests = make_site(folder, pages=10, images_per_page=2)
    index = (folder / "index.html").read_text()
    links = "".join(f"<a href={name}>x</a>" for name in hostile)
    (folder / "index.html").write_text(index + links)
    for name, html in hostile.items():
        (folder / name).write_text(html)
    return digests


def crawl(site: SiteServer, out: Path, tmp_path: Path, *flags: str, sampled: list[int] | None = None) -> int:
    running = Running(["crawl", site.url, "-o", out, *flags], folder=tmp_path)
    over = threading.Event()

    def sample() -> None:
        while sampled is not None and not over.wait(0.05):
            sampled.append(memory_of_children(running.process.pid))

    watcher = threading.Thread(target=sample)
    watcher.start()
    outcome = running.outcome(patience_s=240)
    over.set()
    watcher.join()
    assert "the books balance" in outcome.out, outcome.err
    return outcome.code


def memory_of_children(pid: int) -> int:
    """Of all readers and decoders of the crawl with that process id, together."""
    parents: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            child = int(stat.parent.name)
            parents[child] = int(fields[1])
            if (stat.parent / "comm").read_text().strip() in {"reader", "decoder"}:
                sizes[child] = int(fields[21]) * 4096
    return sum(size for child, size in sizes.items() if _is_below(child, pid, parents))


def _is_below(child: int, pid: int, parents: dict[int, int]) -> bool:
    while child in parents and child != pid:
        child = parents[child]
    return child == pid


def records(out: Path) -> dict[str, PageRecord]:
    with Catalog(out) as catalog:
        return {record.url.rpartition("/")[2]: record for record in catalog.pages()}


def saved(out: Path) -> set[str]:
    with Catalog(out) as catalog:
        return {record.sha256 for record in catalog.images(status=["saved"])}


def test_a_page_that_takes_too_long_costs_one_page(tmp_path: Path) -> None:
    slow = {f"slow{n}.html": "<table><a>" * 400_000 for n in range(5)}
    digests = hostile_site(tmp_path / "site", slow)
    begun = time.monotonic()
    with serving(tmp_path / "site") as site:
        code = crawl(site, tmp_path / "out", tmp_path, "--page-timeout-s", "0.7")
    assert code == 0
    assert time.monotonic() - begun < 40
    found = records(tmp_path / "out")
    assert {found[name].reason for name in slow} == {"page-timeout"}
    assert {found[name].attempts for name in slow} == {1}
    assert saved(tmp_path / "out") == set(digests.values())


def test_all_pages_and_images_together_stay_within_the_memory_that_is_set_aside(tmp_path: Path) -> None:
    rng = random.Random(99)
    heavy = {f"heavy{n}.html": f"<img src=heavy{n}.png>" + "<table><a>" * 350_000 for n in range(4)}
    digests = hostile_site(tmp_path / "site", heavy)
    for name in heavy:
        (tmp_path / "site" / name).with_suffix(".png").write_bytes(png(rng))
    budget, sampled = 900 * MIB, list[int]()
    with serving(tmp_path / "site") as site:
        code = crawl(
            site,
            tmp_path / "out",
            tmp_path,
            *("--memory-budget", f"{budget}", "--downloaders", "1", "--page-timeout-s", "120"),
            sampled=sampled,
        )
    assert code == 0
    found = records(tmp_path / "out")
    assert {found[name].status for name in heavy} == {"harvested"}, {found[n].detail for n in heavy}
    assert len(saved(tmp_path / "out")) == len(digests) + len(heavy)
    assert 250 * MIB < max(sampled) <= budget, "they were heavy, and within the budget"


def test_what_takes_more_than_there_is_is_named(tmp_path: Path) -> None:
    heavy = {"heavy.html": "<table><a>" * 600_000}
    digests = hostile_site(tmp_path / "site", heavy)
    sampled: list[int] = []
    with serving(tmp_path / "site") as site:
        flags = ("--memory-budget", f"{600 * MIB}", "--downloaders", "1", "--page-timeout-s", "120")
        crawl(site, tmp_path / "out", tmp_path, *flags, sampled=sampled)
    record = records(tmp_path / "out")["heavy.html"]
    assert (record.status, record.reason, record.attempts) == ("rejected", "too-much-memory", 1)
    assert "memory_budget_bytes" in record.detail
    assert saved(tmp_path / "out") == set(digests.values())
    assert max(sampled) <= 600 * MIB
