"""Images that a site's own scripts can't make: they cost their own tries, and neither the host nor the rest waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from crawler.config import Config
from tests.e2e.running import Running, image_crawler, records
from tests.support.redisserver import queue_flags
from tests.support.sites import SiteServer, make_site, serving

BROKEN = 30
ASKED = Config().queue.max_attempts * Config().fetch.tries


@pytest.fixture(name="queue", params=["manager", "redis"])
def where_the_queue_lies(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    with queue_flags(request.param, tmp_path / "redis") as flags:
        yield flags


def make_gallery(folder: Path, server: SiteServer, status: int, *, pages: int, broken: int) -> set[str]:
    """*pages* with twenty images each, and among these so many that are *broken*; returns their paths."""
    folder.mkdir(exist_ok=True)
    make_site(folder, pages=max(1, pages), images_per_page=20 if pages else 0)
    paths = [f"/thumb.php?id={n}" for n in range(broken)]
    for page in range(max(1, pages)):
        file = folder / (f"page{page}.html" if page else "index.html")
        tags = "".join(f'<img src="{path}">' for path in paths[page :: max(1, pages)])
        file.write_text(file.read_text(encoding="utf-8") + tags, encoding="utf-8")
    server.broken = dict.fromkeys(paths, status)
    return set(paths)


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("status", "count"),
    # with nothing else left, the latter two look like an outage for a while, and take longer to end than a test may
    [(500, BROKEN), (504, 6), (0, 6)],
    ids=["500", "504", "reset"],
)
def test_beside_good_images_they_slow_nothing_down(
    tmp_path: Path, queue: tuple[str, ...], status: int, count: int
) -> None:
    with serving(tmp_path / "site", delay_s=0.02) as server:
        broken = make_gallery(tmp_path / "site", server, status, pages=10, broken=count)
        command = ("crawl", server.url, "-o", "crawl", "--json", "--retry-delay-s", "0.5", *queue)
        started = time.monotonic()
        outcome = Running(command, folder=tmp_path).outcome(patience_s=240)
        took_s = time.monotonic() - started
    assert outcome.code == 0, outcome.err
    found = records(tmp_path / "crawl").values()
    good = sorted(datetime.fromisoformat(one.finished_at) for one in found if not one.reason)
    assert (good[-1] - good[0]).total_seconds() < 40, "the good ones do not wait"
    reason = "server-error" if status else "connection-lost"
    assert Counter(record.reason for record in found) == {"": 200, reason: count}
    assert {server.requests[path] for path in broken} == {ASKED}
    assert took_s < 60 or status != 500, "0.5 + 1 + 2 + 4 s, and not minutes"


@pytest.mark.sampled(2)
def test_with_nothing_else_the_host_is_alive_and_is_slowed_down(
    tmp_path: Path, queue: tuple[str, ...]
) -> None:
    with serving(tmp_path / "site", delay_s=0.02) as server:
        broken = make_gallery(tmp_path / "site", server, 500, pages=0, broken=2 * BROKEN)
        started = time.monotonic()
        outcome = image_crawler(
            "crawl", server.url, "-o", "crawl", "--json", "--retry-delay-s", "0.5", *queue, folder=tmp_path
        )
        took_s = time.monotonic() - started
        late = [moment for moment in server.arrivals_s if moment - server.arrivals_s[0] > 5]
    assert outcome.code == 1, "nothing was saved"
    assert Counter(record.reason for record in records(tmp_path / "crawl").values()) == {
        "server-error": 2 * BROKEN
    }
    assert {server.requests[path] for path in broken} == {ASKED}
    assert took_s < 60
    assert len(late) / (server.arrivals_s[-1] - late[0]) < 60, "requests a second: four at a time, with waits"
