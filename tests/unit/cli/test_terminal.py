"""The terminal while a picture is on it: its modes, its keys, and who has it in the background and after the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from select import select

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
if sys.platform != "win32":
    import pty
    import termios

    from crawler.cli.terminal import Terminal

LOCAL = 3
WITHIN_S = 10.0


class Pseudo:
    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        self.forgotten = 0

    def terminal(self, *, keys: bool = True) -> Terminal:
        return Terminal(self.theirs, keys=keys, screen=False, forget=self.forget)

    def forget(self) -> None:
        self.forgotten += 1

    @property
    def modes(self) -> list[str]:
        """Those that are on."""
        flags = termios.tcgetattr(self.theirs)[LOCAL]
        return [name for name in ("ECHO", "ICANON", "ISIG") if flags & getattr(termios, name)]


@pytest.fixture(name="pseudo")
def a_terminal() -> Iterator[Pseudo]:
    pseudo = Pseudo()
    yield pseudo
    os.close(pseudo.ours)
    os.close(pseudo.theirs)


AS_BEFORE = ["ECHO", "ICANON", "ISIG"]


@pytest.mark.parametrize(("keys", "meanwhile"), [(True, ["ISIG"]), (False, ["ICANON", "ISIG"])])
@pytest.mark.parametrize("ends", [KeyboardInterrupt, ValueError, None])
def test_its_modes_are_as_before_whatever_ends_it(
    pseudo: Pseudo, *, keys: bool, meanwhile: list[str], ends: type[BaseException] | None
) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT)]
    before = termios.tcgetattr(pseudo.theirs)
    try:
        with pseudo.terminal(keys=keys).held():
            assert pseudo.modes == meanwhile
            if ends is not None:
                raise ends
    except (KeyboardInterrupt, ValueError):
        pass
    assert termios.tcgetattr(pseudo.theirs) == before
    assert [signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT)] == handlers


def test_what_is_typed_ahead_is_left_to_the_shell(pseudo: Pseudo) -> None:
    terminal = pseudo.terminal(keys=False)
    with terminal.held():
        os.write(pseudo.ours, b"echo next\n")
        assert terminal.key(0.01) == ""
    assert os.read(pseudo.theirs, 100) == b"echo next\n"


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"f", "f"),
        (b"?p", "?p"),
        (b"\x1b[A", ""),
        (b"image-crawler crawl quick.example\n", ""),
        (b"\xc3\xa9", ""),
        (b"\n", ""),
    ],
)
def test_keys(pseudo: Pseudo, typed: bytes, keys: str) -> None:
    """A text that is pasted has a q, which would leave."""
    terminal = pseudo.terminal()
    with terminal.held():
        os.write(pseudo.ours, typed)
        assert "".join(filter(str.isascii, (terminal.key(0.05) for _ in range(3)))) == keys


def test_in_the_background_nothing_of_it_is_touched(pseudo: Pseudo, monkeypatch: pytest.MonkeyPatch) -> None:
    group = os.getpgrp() + 1
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: group)
    terminal = pseudo.terminal()
    with terminal.held():
        assert not terminal.is_ours()
        os.write(pseudo.ours, b"q\n")
        assert terminal.key(0.01) == ""
        assert pseudo.modes == AS_BEFORE
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())  # fg
        assert terminal.is_ours()
        assert pseudo.modes == ["ISIG"]
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: group)
        assert not terminal.is_ours()
        termios.tcsetattr(pseudo.theirs, termios.TCSANOW, changed := termios.tcgetattr(pseudo.theirs))
    assert termios.tcgetattr(pseudo.theirs) == changed, "the modes that the shell has set"


SHELL = """
import fcntl, os, resource, signal, subprocess, sys, termios
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for number in (signal.SIGINT, signal.SIGQUIT):  # what a script runs in its background ignores them
    signal.signal(number, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
job = subprocess.Popen([sys.executable, sys.argv[1]], process_group=0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
os.tcsetpgrp(0, job.pid)
while True:
    _, status = os.waitpid(job.pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        break
    os.tcsetpgrp(0, os.getpgrp())
    print("stopped", flush=True)
    os.read(0, 100)
    os.tcsetpgrp(0, job.pid)
    os.killpg(job.pid, signal.SIGCONT)
print("ended", flush=True)
"""
JOB = """
import sys, time
from crawler.cli.exit_signals import terminated_like_interrupted
from crawler.cli.terminal import Terminal
terminal = Terminal(2, keys=True, screen=True, forget=lambda: print("forgotten", flush=True))
with terminated_like_interrupted(), terminal.held():
    print("drawn", flush=True)
    while (key := terminal.key(0.05)) != "q":
        if key:
            print("key", key, flush=True)
"""


@pytest.mark.parametrize("end", [b"q", b"\x03", b"\x1c"], ids=["leaves", "Ctrl-C", "killed"])
def test_ctrl_z_and_fg_in_a_shell(tmp_path: Path, pseudo: Pseudo, end: bytes) -> None:
    """A shell with job control: a program that is stopped leaves it the terminal, and takes it again."""
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    (tmp_path / "shell.py").write_text(SHELL, encoding="utf-8")
    shell = subprocess.Popen(
        [sys.executable, tmp_path / "shell.py", tmp_path / "job.py"],
        stdin=pseudo.theirs,
        stdout=pseudo.theirs,
        stderr=pseudo.theirs,
        start_new_session=True,
    )
    before = termios.tcgetattr(pseudo.theirs)
    said = b""

    def wait_for(text: bytes) -> None:
        nonlocal said
        deadline = time.monotonic() + WITHIN_S
        while text not in said:
            ready, _, _ = select([pseudo.ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, said
            said += os.read(pseudo.ours, 10_000)
        said = said.partition(text)[2]

    try:
        wait_for(b"drawn")
        os.write(pseudo.ours, b"\x1a")
        wait_for(b"\x1b[?25h\x1b[?1049l")
        wait_for(b"stopped")
        assert termios.tcgetattr(pseudo.theirs) == before
        os.write(pseudo.ours, b"fg\n")
        wait_for(b"\x1b[?1049h")
        wait_for(b"forgotten")
        assert pseudo.modes == ["ISIG"]
        os.write(pseudo.ours, b"f")
        wait_for(b"key f")
        os.write(pseudo.ours, end)
        wait_for(b"ended")
        assert shell.wait(WITHIN_S) == 0
        assert termios.tcgetattr(pseudo.theirs) == before or end == b"\x1c"
    finally:
        shell.kill()
        shell.wait()
