"""The memory that all child processes of a machine share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from crawler.sandbox import memory_budget as module
from crawler.sandbox.memory_budget import CHILD_BYTES, UNIT_BYTES, Budget, machine_bytes, share, shared_file
from tests.support.queues import wait_until

ROOT = Path(__file__).parents[3]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="by locks that only Linux has")
GIB = 2**30


def units(number: int) -> int:
    return number * UNIT_BYTES


def at_once(budget: Budget, size_bytes: int) -> int:
    """How much of it is there now; 0 if it would have to wait."""
    grant = budget.take(size_bytes, given_up=lambda: True)
    if grant is None:
        return 0
    grant.release()
    return grant.size_bytes


def test_what_is_taken_is_in_units_and_no_more_than_there_is() -> None:
    assert at_once(Budget(units(10)), 1) == units(1)
    assert at_once(Budget(units(10)), units(3) + 1) == units(4)
    assert at_once(Budget(units(10)), 10**15) == units(10)
    assert at_once(Budget(1), 10**9) == units(1), "one is the least, or nothing would ever be done"


def test_who_wants_more_than_is_left_waits_until_it_is_given_back() -> None:
    budget = Budget(units(10))
    first = budget.take(units(7))
    assert first is not None
    assert at_once(budget, units(4)) == 0
    assert at_once(budget, units(3)) == units(3)
    threading.Timer(0.1, first.release).start()
    second = budget.take(units(4))
    assert second is not None
    first.release()  # a second time changes nothing
    assert at_once(budget, units(7)) == 0


def test_it_tells_how_many_wait() -> None:
    budget = Budget(units(10))
    first = budget.take(units(10))
    assert first is not None
    assert budget.waiters() == 0
    threads = [threading.Thread(target=budget.take, args=(units(1),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: budget.waiters() == 2)
    first.release()
    for thread in threads:
        thread.join()
    assert budget.waiters() == 0


def test_one_that_wants_much_does_not_starve() -> None:
    """While many take little ones in turns, there is never enough for it by chance."""
    budget, over, small = Budget(units(8)), threading.Event(), [0]

    def nibble() -> None:
        while not over.is_set():
            grant = budget.take(units(3), given_up=over.is_set)
            if grant is not None:
                small[0] += 1
                time.sleep(0.002)
                grant.release()

    threads = [threading.Thread(target=nibble) for _ in range(6)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 20
    grant = budget.take(units(8), given_up=lambda: time.monotonic() > end)
    over.set()
    for thread in threads:
        thread.join()
    assert grant is not None
    assert small[0] > 0


def test_one_who_gives_up_leaves_nothing_taken() -> None:
    budget = Budget(units(4))
    first = budget.take(units(3))
    assert first is not None
    assert budget.take(units(2), given_up=lambda: True) is None
    first.release()
    assert at_once(budget, units(4)) == units(4)


# --- over several processes ---


@LINUX
def test_processes_share_it(tmp_path: Path) -> None:
    ours, theirs = (Budget(units(10), file=tmp_path / "a" / "memory") for _ in range(2))
    grant = ours.take(units(6))
    assert grant is not None
    assert at_once(theirs, units(6)) == 0
    assert at_once(theirs, units(4)) == units(4)
    grant.release()
    assert at_once(theirs, units(10)) == units(10)


_TAKING = """
import sys, time
from pathlib import Path
from crawler.sandbox.memory_budget import Budget
grant = Budget(int(sys.argv[1]), file=Path(sys.argv[2])).take(10**15)
print(grant.size_bytes, flush=True)
time.sleep(60)
"""


@LINUX
def test_what_a_process_had_that_was_killed_is_free_again(tmp_path: Path) -> None:
    file = tmp_path / "a" / "memory"
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKING, str(units(10)), str(file)], stdout=subprocess.PIPE, cwd=ROOT
    )
    with process:
        assert process.stdout
        assert int(process.stdout.readline()) == units(10)
        budget = Budget(units(10), file=file)
        assert at_once(budget, units(1)) == 0
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert at_once(budget, units(10)) == units(10)


@LINUX
@pytest.mark.parametrize("kind", ["link", "folder of everybody", "no folder"])
def test_where_no_file_can_be_trusted_each_process_has_its_own(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder of everybody":
        place.mkdir()
        (place / "memory").symlink_to(tmp_path / "victim")
    else:
        place.write_text("in the way")
    budgets = [Budget(units(4), file=place / "memory") for _ in range(2)]
    assert [at_once(budget, units(4)) for budget in budgets] == [units(4)] * 2
    assert not (tmp_path / "victim").exists()


def test_the_file_is_this_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert shared_file() == tmp_path / "image-crawler" / "memory"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    if hasattr(os, "getuid"):
        assert str(os.getuid()) in str(shared_file())


# --- how much there is ---


@pytest.mark.parametrize(
    ("total", "processes", "children"),
    [(12 * GIB, 3, 2), (2 * GIB, 3, 2), (GIB, 3, 1), (GIB // 4, 3, 1), (64 * GIB, 17, 4)],
)
def test_a_share_is_within_the_budget_wherever_that_is_possible(
    total: int, processes: int, children: int
) -> None:
    mine = share(total, processes=processes, most_children=children)
    assert 1 <= mine.children <= children
    assert mine.budget_bytes >= CHILD_BYTES
    if total >= 2 * processes * CHILD_BYTES:
        assert processes * mine.children * CHILD_BYTES + mine.budget_bytes <= total
        assert mine.budget_bytes >= total // 2


def test_on_a_large_machine_nobody_has_fewer_children() -> None:
    assert share(12 * GIB, processes=5, most_children=4).children == 4


@LINUX
def test_a_machine_has_what_its_cgroup_has(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = machine_bytes()
    assert everything > 0
    files = {
        "/proc/self/cgroup": "0::/system.slice/crawl.service\n",
        "/sys/fs/cgroup/system.slice/crawl.service/memory.max": "max\n",
        "/sys/fs/cgroup/system.slice/memory.max": "123456789\n",
    }

    def text(path: Path) -> str:
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(module, "_text", text)
    assert machine_bytes() == 123456789
    files["/proc/self/cgroup"] = "11:cpu:/x\n4:memory:/docker/abc\n"
    files["/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes"] = "55555\n"
    assert machine_bytes() == 55555
    files["/proc/self/cgroup"] = "nonsense\n::\n"
    assert machine_bytes() == everything
