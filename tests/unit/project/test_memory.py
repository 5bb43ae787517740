"""Whatever a server sends, memory stays below a small multiple of the limit; counted by memray, in C code as well.

A mark by itself makes pytest-memray count, no option is needed; the last test sees to it that it does. The server is
a process of its own, so that what it holds is not counted.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from crawler.config import FetchConfig, load
from crawler.download.verify import verify
from crawler.errors import BadResponse, Rejection, TaskError, TooLarge, TooManyPixels
from crawler.harvest.handler import PageHandler
from crawler.http import Transport
from crawler.models import Task, TaskKind
from crawler.scope import Scope
from crawler.task_handler import HandlerContext
from tests.support.faultserver import FaultServer
from tests.support.harvesting import Site, answer
from tests.support.hostile import MADE, hostile
from tests.support.transports import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.untraced]

pytest.importorskip("pytest_memray", reason="pytest-memray is not for this system: nothing here is measured")

MIB = 2**20
LIMIT = 4 * MIB
IMAGE_LIMIT = 64 * MIB
OVERHEAD = 6
"""MiB, of connections, of decoders (zstd's window alone may have 8, see below) and of the piece in hand."""


def mib(number: float) -> str:
    return f"{number} MB"  # memray's MB are 1024 * 1024


def run_server(pipe: Connection) -> None:
    with FaultServer() as server:
        pipe.send(server.url)
        with suppress(EOFError):
            pipe.recv()


@pytest.fixture(scope="module", name="url")
def a_server() -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_server, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    assert ours.poll(30)
    yield ours.recv()
    ours.close()
    process.join(10)
    process.kill()


@pytest.fixture(name="transport", params=KINDS)
def a_transport(request: pytest.FixtureRequest, url: str) -> Iterator[Transport]:
    transport = KINDS[request.param](FetchConfig(total_timeout_s=60.0))
    transport.fetch(f"{url}/good/plain.png", max_bytes=LIMIT, accept="*/*")  # what is made once is made
    yield transport
    transport.close()


def refusal(transport: Transport, url: str, *, max_bytes: int = LIMIT) -> TaskError:
    with pytest.raises(TaskError) as caught:
        transport.fetch(url, max_bytes=max_bytes, accept="image/*")
    return caught.value


@pytest.mark.limit_memory(mib(LIMIT / MIB + OVERHEAD))
def test_a_body_without_end(url: str, transport: Transport) -> None:
    assert isinstance(refusal(transport, f"{url}/endless"), TooLarge)


@pytest.mark.limit_memory(mib(OVERHEAD))
def test_a_body_that_is_announced_to_be_too_large(url: str, transport: Transport) -> None:
    assert isinstance(refusal(transport, f"{url}/large/{100 * MIB}"), TooLarge)


@pytest.mark.limit_memory(mib(LIMIT / MIB + OVERHEAD))
@pytest.mark.parametrize("path", ["/bomb/256", "/bomb-br/256", "/bomb-zstd/256"])
def test_compressed_bombs(url: str, transport: Transport, path: str) -> None:
    assert isinstance(refusal(transport, url + path), TooLarge)


@pytest.mark.limit_memory(mib(LIMIT / MIB + 8 + OVERHEAD))
def test_a_large_window_of_zstd(url: str, transport: Transport) -> None:
    """8 MiB is what a decoder has to manage (RFC 9659)."""
    assert isinstance(refusal(transport, f"{url}/bomb-zstd/64/23"), TooLarge)


@pytest.mark.limit_memory(mib(OVERHEAD))
def test_a_window_of_zstd_that_is_too_large(url: str, transport: Transport) -> None:
    assert isinstance(refusal(transport, f"{url}/bomb-zstd/64/27"), BadResponse)


@pytest.mark.limit_memory(mib(1.25 * IMAGE_LIMIT / MIB))
def test_at_the_limit_of_an_image(url: str, transport: Transport) -> None:
    error = refusal(transport, f"{url}/large-unannounced/{IMAGE_LIMIT + 1}", max_bytes=IMAGE_LIMIT)
    assert isinstance(error, TooLarge)


@pytest.mark.limit_memory(mib(2.25 * IMAGE_LIMIT / MIB))
def test_an_image_as_large_as_it_may_be(url: str, transport: Transport) -> None:
    """Twice: its pieces are joined."""
    fetched = transport.fetch(f"{url}/large/{IMAGE_LIMIT}", max_bytes=IMAGE_LIMIT, accept="image/*")
    assert len(fetched.content) == IMAGE_LIMIT


@pytest.mark.limit_memory(mib(OVERHEAD))
@pytest.mark.parametrize(
    "path",
    [
        "/header-flood/64",
        "/headers/5000",
        "/status-line/50000000",
        "/chunk-line/64",
        "/trailers/64",
        "/continues",
    ],
)
def test_floods_beside_the_body(url: str, transport: Transport, path: str) -> None:
    assert isinstance(refusal(transport, url + path), BadResponse)


# --- what the bytes ask for when they are decoded


@pytest.fixture(scope="module", name="files")
def hostile_files() -> dict[str, bytes]:
    return {name: hostile(name) for name in MADE if name != "scans.jpg"}


@pytest.mark.limit_memory(mib(24))
@pytest.mark.parametrize("name", ["pixels.png", "tall.png", "canvas.gif", "frames.gif", "thick.gif"])
def test_images_with_too_many_pixels(files: dict[str, bytes], name: str) -> None:
    with pytest.raises(TooManyPixels):
        verify(files[name], max_pixels=178_956_970)


@pytest.mark.limit_memory(mib(24))
@pytest.mark.parametrize(
    "name", ["idat.png", "text.png", "profile.png", "laughs.svg", "external.svg", "deep.svg", "circle.tif"]
)
def test_images_that_hold_more_than_they_show(files: dict[str, bytes], name: str) -> None:
    with suppress(Rejection):
        verify(files[name], max_pixels=178_956_970)


# --- a page of the largest size


PAGES = {
    "images": (4 * MIB, lambda n: b'<img src="/images/%08d.png" alt="a picture">' % n),
    "text": (8 * MIB, lambda n: b"<p>paragraph %08d with some words in it</p>" % n),
    "links": (4 * MIB, lambda n: b'<a href="/pages/%08d.html">another page</a>' % n),
    "nested": (4 * MIB, lambda _: b"<div><span>"),
}
PAGE_FACTOR = 48
"""A tree takes many times the bytes that it is read from, here up to 37."""


@pytest.fixture(scope="module", name="pages")
def large_pages() -> dict[str, bytes]:
    return {kind: page(size, make) for kind, (size, make) in PAGES.items()}


def page(size: int, make: Callable[[int], bytes]) -> bytes:
    pieces, so_far = [b"<!DOCTYPE html><title>Much</title>"], 100
    while so_far < size - 100:
        pieces.append(make(len(pieces)))
        so_far += len(pieces[-1])
    return b"".join(pieces)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.limit_memory(mib(PAGE_FACTOR * size / MIB)))
        for kind, (size, _) in PAGES.items()
    ],
)
def test_the_largest_page(pages: dict[str, bytes], kind: str) -> None:
    url = "http://garden.example/"
    site = Site({url: answer(url, pages[kind])})
    handler = PageHandler(HandlerContext(transport=site, scope=Scope((url,)), config=load(), worker_id="w1"))
    result = handler(Task(id=1, serial=1, kind=TaskKind.PAGE, url=url, depth=0, attempt=1))
    assert result.record.status == "harvested"
    pages_found = [one for one in result.discovered if one.kind is TaskKind.PAGE]
    followed = [one for one in pages_found if not one.kept_out_by]
    assert len(followed) <= 10_001, "max_links_per_page, and a sitemap"


# --- and that all this is measured


TOO_MUCH = f"""
import pytest

@pytest.mark.limit_memory("{mib(OVERHEAD)}")
def test_less():
    assert len(bytes({MIB})) == {MIB}

@pytest.mark.limit_memory("{mib(OVERHEAD)}")
def test_more():
    assert len(bytes({(OVERHEAD + 1) * MIB})) > 0
"""


def test_a_limit_that_is_exceeded_fails_a_test(tmp_path: Path) -> None:
    (tmp_path / "test_control.py").write_text(TOO_MUCH, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", str(tmp_path)]
    # options of this run are not that one's: it does not know our profiles of hypothesis
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False, env=environ
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Test was limited to 6.0MiB but allocated 7.0MiB" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
