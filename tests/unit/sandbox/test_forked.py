"""Children that a fork server has forked: all that is promised of those that start Python for themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.download.decoder_pool import VERIFY, DecoderPool
from crawler.errors import DecoderCrashed, DecodeTimeout, OutOfMemory, TooMuchMemory
from crawler.forkserver.client import ForkServer, started
from crawler.run.preload import DECODERS
from crawler.sandbox.child_main import ChildOrders
from crawler.sandbox.memory_budget import Budget
from crawler.sandbox.pool import Pool
from tests.support import forked
from tests.support.decoders import FAULTS, HEAD
from tests.support.images import samples

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system has no pidfds")
ROOT = Path(__file__).parents[3]
PATIENCE_S = 20.0


@pytest.fixture(scope="module", name="server")
def a_server() -> Iterator[ForkServer]:
    server = started((DECODERS,))
    assert server is not None
    yield server
    server.close()


def decoders(
    server: ForkServer, *, decode: str = FAULTS, timeout_s: float = 20.0, budget_bytes: int = 2**30
) -> DecoderPool:
    return DecoderPool(
        most=1,
        max_pixels=10**7,
        timeout_s=timeout_s,
        budget=Budget(budget_bytes),
        decode=decode,
        forks=server.client,
    )


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_image_is_judged_by_a_process_of_the_fork_server(server: ForkServer) -> None:
    with decoders(server, decode=VERIFY) as pool:
        assert pool.verify(samples()["plain.jpg"]).format == "jpeg"
        (child,) = pool._pool._alive
        pid = child._process.pid
        assert parent_of(pid) == server.pid
        assert Path(f"/proc/{pid}/comm").read_text(encoding="ascii") == "decoder\n"
        assert Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii") == "1000\n"
        assert Path(f"/proc/{server.pid}/oom_score_adj").read_text(encoding="ascii") != "1000\n"
    assert not alive(pid)


@pytest.mark.parametrize(
    ("word", "said"), [("segfault", "signal 11"), ("exit", "exit code 7"), ("raise", "exit code 1")]
)
def test_one_that_breaks_down_costs_one_image_and_says_how(server: ForkServer, word: str, said: str) -> None:
    with decoders(server) as pool:
        pool.verify(HEAD + b"ok")
        with pytest.raises(DecoderCrashed, match=said):
            pool.verify(HEAD + word.encode())
        assert pool.verify(HEAD + b"ok").format == "gif"


MIB = 2**20
ALL = 2**27
"""Of the memory that there is; one takes half of it without asking."""


@pytest.mark.parametrize(
    ("word", "error"),
    [
        (f"full {80 * MIB}", TooMuchMemory),
        (f"full {50 * MIB}", DecoderCrashed),  # as it does with all that there is
        (f"full {8 * MIB}", DecoderCrashed),
        ("frame", DecoderCrashed),
    ],
)
def test_one_that_dies_of_what_it_is_granted_is_no_crash(
    server: ForkServer, word: str, error: type[Exception]
) -> None:
    """A C library crashes where an allocation fails: a page of 6 MB was now too-much-memory, now reader-crashed."""
    with decoders(server, budget_bytes=ALL) as pool, pytest.raises(error):
        pool.verify(HEAD + word.encode())


def test_one_that_dies_for_want_of_memory_of_which_there_is_more_is_tried_with_all(
    server: ForkServer,
) -> None:
    with decoders(server, budget_bytes=ALL) as pool:
        pool.verify(HEAD + b"ok")
        assert pool.verify(HEAD + f"full {50 * MIB} {ALL}".encode()).format == "gif"


def test_one_that_hangs_is_killed(server: ForkServer) -> None:
    with decoders(server, timeout_s=0.3) as pool, pytest.raises(DecodeTimeout):
        pool.verify(HEAD + b"hang")


def test_one_that_somebody_else_kills_is_out_of_memory(server: ForkServer) -> None:
    def kill() -> None:
        while not any(child.due for child in pool._pool._alive):
            time.sleep(0.01)
        os.kill(next(iter(pool._pool._alive))._process.pid, signal.SIGKILL)

    with decoders(server) as pool:
        threading.Thread(target=kill).start()
        with pytest.raises(OutOfMemory):
            pool.verify(HEAD + b"hang")


def test_its_memory_has_a_limit_and_it_writes_no_files(server: ForkServer, tmp_path: Path) -> None:
    with decoders(server, budget_bytes=2**27) as pool:
        with pytest.raises(TooMuchMemory):
            pool.verify(HEAD + b"memory")
        file = tmp_path / "x"
        with pytest.raises(Exception, match="OSError"):
            pool.verify(HEAD + b"write " + str(file).encode())
        assert not file.exists() or not file.stat().st_size


def test_it_has_no_descriptors_but_its_own(server: ForkServer) -> None:
    """Neither those of other children nor of the worker, and none by which the fork server could be asked."""
    with decoders(server) as one, decoders(server) as other:
        one.verify(HEAD + b"ok")
        pid = other.verify(HEAD + b"ok").height_px
        (child,) = one._pool._alive
        mine = {link(child._process.pid, name) for name in os.listdir(f"/proc/{child._process.pid}/fd")}  # noqa: PTH208
        its = [link(pid, name) for name in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH208
    shared = "/memfd:request (deleted)"
    kinds = sorted(name.partition(":")[0] for name in its if name not in {"/dev/null", shared})
    assert kinds == ["pipe", "pipe", "pipe"]
    assert its.count(shared) == 1, "its own: the names of such memory do not differ"
    assert mine & set(its) == {"/dev/null", shared}


def link(pid: int, descriptor: str) -> str:
    return str(Path(f"/proc/{pid}/fd/{descriptor}").readlink())


@pytest.mark.parametrize("way", ["forked", "spawned"])
def test_it_does_not_know_the_keys_of_the_environment(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ps(1) shows it, too."""
    monkeypatch.setenv("IMAGE_CRAWLER_AUTHKEY", "geheim" * 8)
    monkeypatch.setenv("IMAGE_CRAWLER_LOGIN", "me:geheim")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    server = started((DECODERS,)) if way == "forked" else None
    with DecoderPool(
        most=1,
        max_pixels=10**7,
        timeout_s=20.0,
        budget=Budget(2**30),
        decode=FAULTS,
        forks=server and server.client,
    ) as pool:
        pid = pool.verify(HEAD + b"ok").height_px
        known = Path(f"/proc/{pid}/environ").read_bytes()
    if server is not None:
        server.close()
    assert b"geheim" not in known
    assert b"HTTPS_PROXY=http://proxy.example" in known, "what libraries may need is there"


def test_nothing_of_what_another_has_read_is_in_its_memory(server: ForkServer) -> None:
    text = bytes(letter ^ forked.MARK for letter in b"a picture of somebody's passport, number 4711-0815")
    orders = ChildOrders(
        make=f"{forked.HERE}:make", settings="", timeout_s=60.0, allowance_bytes=2**26, most_bytes=2**27
    )

    def pool() -> Pool:
        return Pool(orders, most=1, budget=Budget(2**27), what="child", forks=server.client)

    with pool() as one, pool() as other:
        assert b"".join(one.call(b"keep ", text)) == b"kept"
        assert b"".join(other.call(b"seek ", text)) == b"0"
        assert b"".join(one.call(b"seek ", text)) != b"0", "it would have been found"


def test_without_the_fork_server_children_start_python_for_themselves() -> None:
    server = started((DECODERS,))
    assert server is not None
    with decoders(server) as pool:
        first = pool.verify(HEAD + b"ok").height_px
        os.kill(server.pid, signal.SIGKILL)
        assert pool.verify(HEAD + b"ok").height_px == first, "it goes on"
        # nobody knows how the first one ends: it may have been killed as well, so another one is asked
        with pytest.raises(DecoderCrashed, match="exit code 7"):
            pool.verify(HEAD + b"exit")
        assert parent_of(pool.verify(HEAD + b"ok").height_px) == os.getpid()
    server.close()


_ORPHANING = """
import sys, threading, time
from crawler.run.preload import DECODERS
from crawler.forkserver.client import started
from tests.unit.sandbox.test_forked import FAULTS, HEAD, decoders
pool = decoders(started((DECODERS,)))
print(pool.verify(HEAD + b"ok").height_px, flush=True)
threading.Thread(target=pool.verify, args=(HEAD + b"hang",)).start()
while not any(child.requests == 2 for child in pool._pool._alive): time.sleep(0.01)
print("busy", flush=True)
sys.stdin.read()
"""


def test_it_does_not_outlive_its_worker() -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", _ORPHANING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    with worker:
        assert worker.stdout
        child = int(worker.stdout.readline())
        server = parent_of(child)
        assert worker.stdout.readline() == b"busy\n"
        worker.kill()
        worker.wait()
        end = time.monotonic() + PATIENCE_S
        while alive(child) or alive(server):
            assert time.monotonic() < end
            time.sleep(0.02)
