"""The launcher, with a shell in Chromium's place: it tells what it sees, on the descriptor that Chromium writes to."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from crawler.render import launch
from crawler.render.namespaces import NOBODY, Rung
from tests.support.browsers import FENCES, boot, eventually, folders, may, state, with_mark

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

IS_ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False
RUNGS = {
    "namespaces": Rung(own_users=not IS_ROOT),
    "user namespace": Rung(own_users=True),
    "as nobody": Rung(as_nobody=True),
    "without own processes": Rung(own_users=not IS_ROOT, own_pids=False),
    "fences": FENCES,
    "fences as nobody": FENCES._replace(as_nobody=True),
}
SLEEPERS = """
    (setsid sh -c 'sleep {mark} & sleep {mark} & wait' &)
    sleep {mark} &
    echo ready >&4
    exec sleep {mark}
"""


class Launched:
    """A launcher that runs *script* by the best of *rungs*."""

    def __init__(self, place: Path, script: str, *rungs: Rung, program: str = "/bin/sh") -> None:
        theirs_in, self.to = os.pipe()
        self.of, theirs_out = os.pipe()
        theirs_end, self.lifeline = os.pipe()
        passed = (theirs_in, theirs_out, theirs_end)
        command = [sys.executable, "-I", "-c", boot(*rungs), json.dumps(sys.path), *map(str, passed)]
        environment = os.environ | {
            "TMPDIR": str(place),
            "http_proxy": "http://127.0.0.1:9",
            "GOOGLE_API_KEY": "k",
        }
        self.process = subprocess.Popen(
            [*command, program, "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=passed,
            start_new_session=True,
            env=environment,
        )
        for descriptor in passed:
            os.close(descriptor)
        assert self.process.stdout
        assert self.process.stderr
        self.word = self.process.stdout.readline().decode().rstrip("\n")

    def heard(self) -> str:
        """All that *script* writes, until it ends."""
        with os.fdopen(os.dup(self.of), encoding="utf-8") as lines:
            return lines.read()

    def heard_line(self) -> str:
        line = b""
        while not line.endswith(b"\n"):
            part = os.read(self.of, 1)
            assert part, self.process.stderr and self.process.stderr.read()
            line += part
        return line.decode().strip()

    def keeper(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(
            encoding="ascii"
        )
        return int(children.split()[0])

    def let_go(self) -> None:
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1

    def close(self) -> None:
        self.let_go()
        self.process.kill() if not eventually(lambda: self.process.poll() is not None) else None
        self.process.communicate()
        os.close(self.to)
        os.close(self.of)


@pytest.fixture
def place() -> Iterator[Path]:
    """For folders of profiles, which may be nobody's."""
    with TemporaryDirectory(prefix="t-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def launched(place: Path) -> Iterator[list[Launched]]:
    made: list[Launched] = []
    yield made
    for one in made:
        one.close()


def rung_of(name: str) -> Rung:
    rung = RUNGS[name]
    if rung.as_nobody and not IS_ROOT:
        pytest.skip("only root can be somebody else")
    if not may(rung):
        pytest.skip(f"this system does not permit: {rung}")
    return rung


@pytest.fixture(params=RUNGS)
def rung(request: pytest.FixtureRequest) -> Rung:
    return rung_of(request.param)


@pytest.fixture(params=[name for name in RUNGS if RUNGS[name].namespaces])
def namespaced(request: pytest.FixtureRequest) -> Rung:
    return rung_of(request.param)


@pytest.fixture(params=[name for name in RUNGS if not RUNGS[name].namespaces])
def fenced(request: pytest.FixtureRequest) -> Rung:
    return rung_of(request.param)


def see(place: Path, launched: list[Launched], script: str, rung: Rung) -> str:
    one = Launched(place, script, rung)
    launched.append(one)
    return one.heard().strip()


# --- what Chromium sees ---


def test_it_has_no_network(place: Path, launched: list[Launched], namespaced: Rung) -> None:
    seen = see(place, launched, "tail -n +3 /proc/net/dev >&4; tail -n +2 /proc/net/route >&4", namespaced)

    assert [line.split(":")[0].strip() for line in seen.splitlines()] == ["lo"]
    assert launched[0].word == launch.NAMESPACES


def test_the_disk_is_read_only_and_its_folder_in_memory(
    place: Path, launched: list[Launched], namespaced: Rung
) -> None:
    script = f"""
        touch {place}/written 2>/dev/null && echo disk >&4
        touch "$HOME/written" && echo home >&4
        pwd >&4
        grep " $HOME " /proc/self/mounts | cut -d' ' -f3 >&4
        ls -A /run >&4
    """
    seen = see(place, launched, script, namespaced).splitlines()

    assert [seen[0], seen[-1]] == ["home", "tmpfs"]
    assert not Path(seen[1], "written").exists()
    assert list(place.iterdir()) == []


def test_it_sees_no_process_of_others(place: Path, launched: list[Launched], namespaced: Rung) -> None:
    seen = see(place, launched, "cd /proc; echo $$ [0-9]* >&4", namespaced)

    if namespaced.own_pids:
        assert max(map(int, seen.split())) < 10
    assert seen.split()[0] in seen.split()[1:]


def test_it_gets_the_pipe_and_no_other_descriptor(place: Path, launched: list[Launched], rung: Rung) -> None:
    script = """
        read line <&3; echo "$line" >&4
        for n in $(seq 0 100); do [ -e /proc/$$/fd/$n ] && echo $n >&4; done
    """
    one = Launched(place, script, rung)
    launched.append(one)
    os.write(one.to, b"hello\n")

    assert one.heard().split() == ["hello", "0", "1", "2", "3", "4"]


def test_its_environment_has_nothing_of_ours(place: Path, launched: list[Launched], rung: Rung) -> None:
    seen = dict(line.split("=", 1) for line in see(place, launched, "env >&4", rung).splitlines())

    assert not {"http_proxy", "GOOGLE_API_KEY", "VIRTUAL_ENV", "USER"} & seen.keys()
    assert seen["DBUS_SESSION_BUS_ADDRESS"] == "disabled:"
    assert {seen[name] for name in ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")} == {seen["HOME"]}


def test_it_is_told_where_its_profile_is_and_that_it_has_a_sandbox_unless_it_has_none(
    place: Path, launched: list[Launched], rung: Rung
) -> None:
    seen = see(place, launched, 'echo $(id -u) "$HOME" "$0" "$@" >&4', rung).split()
    user, home, flags = int(seen[0]), seen[1], seen[2:]

    assert flags[0] == f"--user-data-dir={home}/profile"
    assert user == (NOBODY if IS_ROOT and (rung.as_nobody or rung.own_users) else os.geteuid())
    if user == 0:
        assert "--no-sandbox" in flags
    elif not IS_ROOT:
        assert "--no-sandbox" not in flags
    if rung.namespaces:
        assert "--disable-dev-shm-usage" in flags


# --- how it ends ---


def sleepers(place: Path, launched: list[Launched], rung: Rung) -> tuple[Launched, str]:
    """Five processes, of which some have a session of their own and no parent."""
    mark = f"9{secrets.randbelow(10**12):012}.5"
    one = Launched(place, SLEEPERS.format(mark=mark), rung)
    launched.append(one)
    assert one.heard_line() == "ready"
    assert eventually(lambda: len(with_mark(mark)) == 7)  # with launcher and keeper
    return one, mark


def are_gone(mark: str) -> bool:
    return eventually(lambda: not with_mark(mark))


def test_all_end_when_the_renderer_does(place: Path, launched: list[Launched], rung: Rung) -> None:
    one, mark = sleepers(place, launched, rung)
    one.let_go()
    one.process.wait(5)

    assert are_gone(mark)
    assert folders(place) == []


def test_all_end_when_the_launcher_is_killed(place: Path, launched: list[Launched], rung: Rung) -> None:
    one, mark = sleepers(place, launched, rung)
    one.process.kill()
    one.process.wait()

    assert are_gone(mark)


def test_all_end_when_the_keeper_is_killed(place: Path, launched: list[Launched], rung: Rung) -> None:
    one, mark = sleepers(place, launched, rung)
    os.kill(one.keeper(), signal.SIGKILL)

    assert one.process.wait(5) == -signal.SIGKILL % 256
    assert are_gone(mark)
    assert folders(place) == []


def test_all_end_when_the_launcher_is_told_to(place: Path, launched: list[Launched], rung: Rung) -> None:
    one, mark = sleepers(place, launched, rung)
    one.process.terminate()
    one.process.wait(5)

    assert are_gone(mark)
    assert folders(place) == []


def test_all_end_when_chromium_itself_does(place: Path, launched: list[Launched], rung: Rung) -> None:
    mark = f"9{secrets.randbelow(10**12):012}.5"
    script = f"(setsid sleep {mark} &) ; echo ready >&4; read line <&3; exit 7"
    one = Launched(place, script, rung)
    launched.append(one)
    assert one.heard_line() == "ready"
    os.write(one.to, b"end\n")

    assert one.process.wait(5) == 7
    assert one.heard() == ""  # nobody holds its end any more
    assert are_gone(mark)
    assert folders(place) == []


def test_none_of_them_is_left_as_a_zombie(place: Path, launched: list[Launched], rung: Rung) -> None:
    script = "for i in 1 2 3; do (sh -c 'sleep 0.01; echo $$ >&4' &); done; read line <&3"
    one = Launched(place, script, rung)
    launched.append(one)
    for _ in range(3):
        one.heard_line()

    def zombies() -> list[int]:
        below = Path(f"/proc/{one.keeper()}/task/{one.keeper()}/children").read_text(encoding="ascii").split()
        return [int(pid) for pid in below if state(int(pid)) == "Z"]

    assert eventually(lambda: zombies() == [])


# --- folders on the disk ---


def test_a_folder_of_launchers_that_were_killed_is_removed_by_the_next(
    place: Path, launched: list[Launched], fenced: Rung
) -> None:
    one, mark = sleepers(place, launched, fenced)
    keeper = one.keeper()
    os.kill(one.process.pid, signal.SIGSTOP)  # neither shall see the other end
    os.kill(keeper, signal.SIGKILL)
    os.kill(one.process.pid, signal.SIGKILL)
    one.process.wait()
    left = folders(place)
    assert len(left) == 1
    for pid in with_mark(mark):  # without a keeper and namespaces nobody ends those that hide
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    other, _ = sleepers(place, launched, fenced)
    assert len(folders(place)) == 1
    assert folders(place) != left
    other.let_go()
    other.process.wait(5)
    assert folders(place) == []


def test_a_folder_in_use_is_left_alone(place: Path, launched: list[Launched], fenced: Rung) -> None:
    sleepers(place, launched, fenced)
    before = folders(place)
    other, _ = sleepers(place, launched, fenced)
    assert set(before) < set(folders(place))
    other.let_go()
    other.process.wait(5)

    assert folders(place) == before


# --- what can't be started ---


def test_what_cannot_be_started_is_said(place: Path, launched: list[Launched]) -> None:
    one = Launched(place, "", rung_of("namespaces"), FENCES, program=str(place / "no-such-program"))
    launched.append(one)

    assert one.word == ""
    assert one.process.wait(5) == 1
    assert one.process.stderr
    assert one.process.stderr.read().count(b"there is no such file or folder") == 2
    assert folders(place) == []


def test_what_the_system_forbids_is_done_with_less(place: Path, launched: list[Launched]) -> None:
    forbidden = Rung(as_nobody=True) if not IS_ROOT else Rung(own_users=True, as_nobody=True)
    one = Launched(place, "echo here >&4", forbidden, FENCES)
    launched.append(one)

    assert one.heard() == "here\n"
    assert one.word == launch.FENCES
