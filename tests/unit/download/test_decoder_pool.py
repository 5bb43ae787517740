"""Decoders in processes of their own, and what becomes of an image when one of them fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from crawler.download.decoder_pool import ALLOWANCE_BYTES, VERIFY_LENIENT, DecoderPool
from crawler.download.formats import ImageInfo
from crawler.download.verify import verify
from crawler.errors import (
    CorruptImage,
    DecoderCrashed,
    DecodeTimeout,
    EmptyBody,
    InternalError,
    NotAnImage,
    OutOfMemory,
    Rejection,
    TooMuchMemory,
    TruncatedImage,
)
from crawler.sandbox.child import Child
from crawler.sandbox.child_main import SHARED_BYTES
from crawler.sandbox.memory_budget import Budget
from tests.support.cpu_time import soon
from tests.support.decoders import FAULTS, HEAD, HOARDING, OK
from tests.support.images import rarities, samples

PIXELS = 10_000_000
ROOT = Path(__file__).parents[3]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def decoders(
    *,
    most: int = 1,
    timeout_s: float = 20.0,
    decode: str = FAULTS,
    max_pixels: int = PIXELS,
    budget_bytes: int = 2**30,
) -> DecoderPool:
    return DecoderPool(
        most=most, max_pixels=max_pixels, timeout_s=timeout_s, decode=decode, budget=Budget(budget_bytes)
    )


@pytest.fixture
def faulty() -> Iterator[DecoderPool]:
    with decoders() as pool:
        yield pool


def children() -> list[int]:
    """Of this process, dead ones included."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                found.append(int(stat.parent.name))
    return found


def test_each_format_is_judged_as_it_is_in_process() -> None:
    with decoders(most=2, decode="crawler.download.verify:verify") as pool:
        for name, data in (samples() | rarities()).items():
            for part in (data, data[: len(data) // 2]):
                assert outcome(pool.verify, part) == outcome(partial(verify, max_pixels=PIXELS), part), name


def outcome(judge: Callable[[bytes], ImageInfo], data: bytes) -> object:
    try:
        return judge(data)
    except Rejection as exc:
        return type(exc), exc.detail


def test_what_needs_no_decoder_starts_none(faulty: DecoderPool) -> None:
    assert faulty.verify(samples()["plain.svg"]).format == "svg"
    for data, leaf in ((b"", EmptyBody), (b"<html>", NotAnImage)):
        with pytest.raises(leaf):
            faulty.verify(data)
    assert not faulty._pool._alive


def test_a_large_svg_goes_where_memory_has_a_limit() -> None:
    body = b"<g/>" * 100_000
    with decoders(decode="crawler.download.verify:verify") as pool:
        assert pool.verify(b'<svg width="3">' + body + b"</svg>").width_px == 3
        assert pool._pool._alive


@pytest.mark.parametrize(
    ("word", "said"), [("segfault", "signal 11"), ("exit", "exit code 7"), ("raise", "exit code 1")]
)
def test_a_decoder_that_breaks_down_costs_one_image(faulty: DecoderPool, word: str, said: str) -> None:
    first = faulty.verify(HEAD + b"ok").height_px
    with pytest.raises(DecoderCrashed, match=said):
        faulty.verify(HEAD + word.encode())
    assert faulty.verify(HEAD + b"ok").height_px != first


def test_a_decoder_that_hangs_is_killed(tmp_path: Path) -> None:
    with decoders(timeout_s=0.3) as pool:
        pool.verify(HEAD + b"ok")
        begun = time.monotonic()
        with pytest.raises(DecodeTimeout, match=r"0\.3 s \(decode_timeout_s\)"):
            pool.verify(HEAD + b"hang")
        taken_s = time.monotonic() - begun
        assert taken_s >= 0.3
        assert soon(taken_s, 3)
        assert pool.verify(HEAD + b"ok").dhash == OK


def test_waiting_for_a_free_decoder_is_no_part_of_the_time() -> None:
    with decoders(timeout_s=0.4) as pool:
        pool.verify(HEAD + b"ok")
        outcomes: list[str] = []

        def ask(word: bytes) -> None:
            try:
                outcomes.append(pool.verify(HEAD + word).dhash)
            except DecodeTimeout:
                outcomes.append("late")

        threads = [threading.Thread(target=ask, args=(b"hang",)) for _ in range(3)]
        for thread in threads:
            thread.start()
        ask(b"ok")
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [OK, "late", "late", "late"]


@pytest.mark.parametrize("lie", ["png png", "gif png", "gif ../../x", "x gif"])
def test_a_decoder_that_calls_an_image_something_else_is_not_believed(faulty: DecoderPool, lie: str) -> None:
    """One that an image has taken over, say; a path is made of the extension."""
    with pytest.raises(DecoderCrashed, match="calls a gif"):
        faulty.verify(HEAD + f"lie {lie}".encode())
    assert faulty.verify(HEAD + b"lie gif gif").format == "gif"


@LINUX
def test_memory_has_a_limit(faulty: DecoderPool) -> None:
    begun = time.monotonic()
    with pytest.raises(TooMuchMemory, match="memory_budget_bytes"):
        faulty.verify(HEAD + b"memory")
    assert time.monotonic() - begun < 15
    assert faulty.verify(HEAD + b"ok").dhash == OK


@LINUX
@pytest.mark.parametrize(
    ("asked", "taken", "fits"),
    [
        (0, ALLOWANCE_BYTES // 2, True),
        (0, 2 * ALLOWANCE_BYTES, True),  # it did not ask, and is given all there is at a second try
        (4 * ALLOWANCE_BYTES, 4 * ALLOWANCE_BYTES - 2**22, True),
        (2**40, 2**30 - 2**22, True),
        (2**40, 2**30 + ALLOWANCE_BYTES, False),
    ],
)
def test_what_is_asked_for_is_there(faulty: DecoderPool, asked: int, taken: int, *, fits: bool) -> None:
    request = HEAD + b"room %d %d" % (asked, taken)
    if fits:
        assert faulty.verify(request).width_px >= min(asked, 2**30)
    else:
        with pytest.raises(TooMuchMemory):
            faulty.verify(request)


@LINUX
def test_one_that_is_killed_is_out_of_memory_and_tried_again() -> None:
    with decoders() as pool:

        def kill() -> None:
            while not (at_work := [child for child in pool._pool._alive if child.due is not None]):
                time.sleep(0.01)
            at_work[0].kill()

        threading.Thread(target=kill).start()
        with pytest.raises(OutOfMemory) as refusal:
            pool.verify(HEAD + b"hang")
    assert refusal.value.retryable


@LINUX
def test_a_child_that_has_become_too_large_is_replaced() -> None:
    with decoders(decode=HOARDING) as pool:
        children = {pool.verify(HEAD + b"x").height_px for _ in range(8)}
    assert len(children) > 2


def test_memory_is_shared_with_other_pools() -> None:
    """Two that want more than half of it are not at work at the same time; nothing is refused."""
    budget = Budget(2**28)
    pools = [
        DecoderPool(most=2, max_pixels=PIXELS, timeout_s=20, decode=FAULTS, budget=budget) for _ in range(2)
    ]
    granted: list[int] = []

    def ask(pool: DecoderPool) -> None:
        granted.append(pool.verify(HEAD + b"room %d %d" % (200 * 2**20, 190 * 2**20)).width_px)

    threads = [threading.Thread(target=ask, args=(pool,)) for pool in pools for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pool in pools:
        pool.close()
    assert granted == [208 * 2**20] * 4
    assert budget.take(2**28) is not None, "all of it has been given back"


@LINUX
def test_no_file_is_written(faulty: DecoderPool, tmp_path: Path) -> None:
    with pytest.raises(CorruptImage, match="OSError"):
        faulty.verify(HEAD + b"write " + bytes(tmp_path / "file"))
    assert (tmp_path / "file").stat().st_size == 0


@pytest.mark.parametrize("word", ["interrupt", "chatter"])
def test_what_does_not_disturb_it(faulty: DecoderPool, word: str) -> None:
    first = faulty.verify(HEAD + b"ok").height_px
    assert faulty.verify(HEAD + word.encode()).height_px == first
    assert faulty.verify(HEAD + b"ok").height_px == first


def test_one_that_died_idle_is_replaced_without_a_word() -> None:
    with decoders(most=2) as pool:
        first = pool.verify(HEAD + b"ok").height_px
        os.kill(first, getattr(signal, "SIGKILL", signal.SIGTERM))
        for _ in range(3):
            assert pool.verify(HEAD + b"ok").height_px != first


@pytest.mark.parametrize("is_shared", [True, False], ids=["shared memory", "pipe alone"])
def test_a_file_goes_over_whole_whatever_its_size(
    *, is_shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_shared:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    with decoders(most=1) as pool:
        for size in (20 * 2**20, SHARED_BYTES, SHARED_BYTES + 1, SHARED_BYTES - 1, 65, 20 * 2**20, 64):
            data = (HEAD + b" ").ljust(size, b"\0")
            assert pool.verify(data).width_px == size


def test_a_child_is_replaced_in_time(faulty: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.sandbox.pool._REQUESTS_PER_CHILD", 3)
    assert len({faulty.verify(HEAD + b"ok").height_px for _ in range(9)}) == 3


def test_no_more_of_them_than_allowed() -> None:
    with decoders(most=2) as pool:
        seen: list[int] = []

        def ask() -> None:
            seen.extend(pool.verify(HEAD + b"ok").height_px for _ in range(20))

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 120
        assert len(set(seen)) <= 2


def test_decoders_that_can_not_be_started_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.sandbox.pool._START_PAUSE_S", 0.0)
    monkeypatch.setattr("crawler.sandbox.pool._STARTS", 2)
    with decoders(decode="no.such.module:decode") as pool, pytest.raises(InternalError, match="exit code 1"):
        pool.verify(HEAD)
    monkeypatch.setattr("multiprocessing.spawn.get_executable", lambda: "/no/such/python")
    with decoders() as pool, pytest.raises(InternalError, match="no such file"):
        pool.verify(HEAD)


@LINUX
def test_closing_ends_all_and_leaves_no_zombies() -> None:
    before = set(children())
    pool = decoders(most=2)
    outcomes: list[Exception] = []

    def ask() -> None:
        try:
            pool.verify(HEAD + b"hang")
        except (Rejection, InternalError) as exc:
            outcomes.append(exc)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(pool._pool._alive) < 2 or any(decoder.due is None for decoder in pool._pool._alive):
        time.sleep(0.01)
    pool.close()
    for thread in threads:
        thread.join()
    pool.close()
    assert [type(outcome) for outcome in outcomes] == [InternalError] * 3
    assert set(children()) <= before
    with pytest.raises(InternalError, match="closed"):
        pool.verify(HEAD)


@LINUX
def test_a_child_is_ended_by_who_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the pool was closed by one thread, the pipes of a busy child were closed under the thread that read them."""
    enders: dict[Child, set[int]] = {}
    end = Child.end

    def watched(child: Child) -> int:
        enders.setdefault(child, set()).add(threading.get_ident())
        return end(child)

    monkeypatch.setattr(Child, "end", watched)
    pool = decoders(most=2)
    pool.verify(HEAD + b"ok")
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            pool.verify(HEAD + b"hang")
        except BaseException as exc:  # noqa: BLE001 - what it is, is what is tested
            errors.append(exc)

    thread = threading.Thread(target=ask)
    thread.start()
    while not any(decoder.due for decoder in pool._pool._alive):
        time.sleep(0.01)
    pool.close()
    thread.join()
    assert [type(error) for error in errors] == [InternalError]
    assert list(enders.values()) == [{thread.ident}]


_ORPHANING = """
import sys, threading
from crawler.download.decoder_pool import DecoderPool
from crawler.sandbox.memory_budget import Budget
pool = DecoderPool(most=1, max_pixels=1000, timeout_s=0.5, decode=sys.argv[1], budget=Budget(2**30))
print(pool.verify(b"GIF89aok").height_px, flush=True)
assert "PIL" not in sys.modules, "the parent has no need of it"
if sys.argv[2] == "busy":
    threading.Thread(target=pool.verify, args=(b"GIF89ahang",)).start()
    while not any(child.requests == 2 for child in pool._pool._alive): pass
    print("busy", flush=True)
sys.stdin.read()
"""


@LINUX
@pytest.mark.parametrize("state", ["idle", "busy"])
def test_they_do_not_outlive_their_parent(state: str) -> None:
    # a script without a main guard, which its children must not run again
    parent = subprocess.Popen(
        [sys.executable, "-c", _ORPHANING, FAULTS, state],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        if state == "busy":
            assert parent.stdout.readline() == b"busy\n"
        parent.kill()
        parent.wait()
        end = time.monotonic() + 10
        while alive(child) and time.monotonic() < end:
            time.sleep(0.02)
        assert not alive(child)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_downloader_does_not_import_the_library() -> None:
    code = (
        "import sys, crawler.download.handler, crawler.download.decoder_pool; assert 'PIL' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_decoder_that_is_told_to_keeps_what_only_lacks_its_end() -> None:
    whole = samples()["plain.jpg"]
    with decoders(decode=VERIFY_LENIENT) as pool:
        assert pool.verify(whole[:-2]).incomplete
        assert not pool.verify(whole).incomplete
        with pytest.raises(TruncatedImage):
            pool.verify(whole[: len(whole) // 2])
