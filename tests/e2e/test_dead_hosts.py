"""A host that is gone: its images cost minutes, however many they are, and nobody else waits for them."""

from __future__ import annotations

import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.running import image_crawler, records
from tests.support.sites import make_site, serving

IMAGES = 2000


@contextmanager
def refusing() -> Iterator[int]:
    """A port at which connections are refused."""
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        yield there.getsockname()[1]


@contextmanager
def silent() -> Iterator[int]:
    """A port at which nobody answers: its backlog is full, so that the kernel ignores who knocks."""
    with ExitStack() as stack:
        there = stack.enter_context(socket.socket())
        there.bind(("127.0.0.1", 0))
        there.listen(0)
        for _ in range(8):
            knocking = stack.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(there.getsockname())
            if not select.select([], [knocking], [], 0.5)[1]:
                break
        else:
            pytest.skip("this kernel lets more in than it was told to")
        yield there.getsockname()[1]


def make_pages(folder: Path, port: int, images: int) -> None:
    """A page with a few images of its own, and with as many of the dead host."""
    make_site(folder, pages=1, images_per_page=5)
    page = folder / "index.html"
    dead = "".join(f'<img src="http://127.0.0.1:{port}/{n}.png" alt="n {n}">' for n in range(images))
    page.write_text(page.read_text(encoding="utf-8") + dead, encoding="utf-8")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("dead", "reason"), [(refusing, "connect-failed"), (silent, "connect-timeout")])
def test_images_of_a_dead_host_are_given_up_together(
    tmp_path: Path, dead: Callable[[], AbstractContextManager[int]], reason: str
) -> None:
    with serving(tmp_path / "site") as server, dead() as port:
        make_pages(tmp_path / "site", port, IMAGES)
        started = time.monotonic()
        outcome = image_crawler(
            "crawl", server.url, "-o", "crawl", "--downloaders", "2", "--connect-timeout-s", "0.5",
            "--host-patience-s", "5", "--json", folder=tmp_path,
        )  # fmt: skip
        took_s = time.monotonic() - started
    assert outcome.code == 0, outcome.err
    assert took_s < 40
    assert f"http://127.0.0.1:{port} was not reached at" in outcome.err
    found = records(tmp_path / "crawl")
    reasons = Counter(record.reason for record in found.values())
    assert reasons[""] == 5, "what is there was saved"
    assert reasons["host-down"] > IMAGES - 100
    assert set(reasons) <= {"", "host-down", reason}
    given_up = next(record for record in found.values() if record.reason == "host-down")
    assert given_up.page_url == server.url
    assert given_up.alt.startswith("n ")
    assert f"last: {reason}: " in given_up.detail


def test_what_was_given_up_is_taken_up_again_on_request(tmp_path: Path) -> None:
    with serving(tmp_path / "site") as server:
        with refusing() as port:
            make_pages(tmp_path / "site", port, 200)
            crawl = ("crawl", server.url, "-o", "crawl", "--host-patience-s", "3", "--json")
            outcome = image_crawler(*crawl, folder=tmp_path)
            assert outcome.stats()["image_reasons"]["host-down"] > 100, outcome.err
        outcome = image_crawler("retry", "crawl", "--reason", "host-down", folder=tmp_path)
        assert outcome.code == 0, outcome.err
        outcome = image_crawler(*crawl, folder=tmp_path)
    assert outcome.code == 0, outcome.err
    assert outcome.stats()["image_reasons"]["host-down"] > 100
    assert outcome.stats()["image_status"] == {"saved": 5, "failed": 200}
