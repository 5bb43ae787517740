"""Machines for tests: network namespaces on one switch, each with a host name, that can be cut off and lose packets.

For root on Linux, with iproute2 and nftables. (``tc netem``, which would lose packets as well, is missing in many
kernels.)
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.running import Running
from tests.support.queues import wait_until

_NETWORK = "10.200.0"
_SWITCH = "switch"
_NAMED = 'hostname "$1" && shift && exec "$@"'
_EXEC = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
# nft wants the closing braces on lines of their own
_LOSS = """
table inet loss {{
  chain incoming {{
    type filter hook input priority 0; policy accept
    meta l4proto tcp numgen random mod 100 < {percent} counter drop
  }}
  chain outgoing {{
    type filter hook output priority 0; policy accept
    meta l4proto tcp numgen random mod 100 < {percent} counter drop
  }}
}}
"""


class NoNamespaces(Exception):
    """This system lets us have no machines; the text says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A namespace with one network card."""

    name: str
    """Its host name, too."""
    address: str
    namespace: str
    plug: str
    """The other end of its card, at the switch."""
    switch: str
    """The namespace of the switch."""

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command line that has *argv* run on this machine, by the same process."""
        named = ("unshare", "--uts", "sh", "-c", _NAMED, "sh", self.name)
        return ["ip", "netns", "exec", self.namespace, *named, *argv]

    def run(self, *argv: str) -> str:
        """What *argv* prints here. Raises NoNamespaces with what it complains of."""
        return _run(*self.argv(argv))

    @contextmanager
    def python(self, *arguments: str | Path, folder: Path) -> Iterator[Running]:
        """A Python that runs here, in *folder*; killed at the end, if the test has not ended it."""
        argv = self.argv([sys.executable, *map(str, arguments)])
        started = Running(argv, folder=folder, program=("-c", _EXEC))
        try:
            yield started
        finally:
            if started.process.poll() is None:
                started.interrupt(signal.SIGKILL)
            started.process.communicate()

    def cut(self) -> None:
        """Pull the plug: packets to and fro are lost without a word."""
        _run("ip", "-n", self.switch, "link", "set", self.plug, "down")

    def join(self) -> None:
        """Put the plug in again."""
        _run("ip", "-n", self.switch, "link", "set", self.plug, "up")

    def lose(self, percent: int) -> None:
        """From now on lose so many of its TCP packets in each direction, at random."""
        with suppress(NoNamespaces):
            self.run("nft", "delete", "table", "inet", "loss")
        self.run("nft", _LOSS.format(percent=percent))

    def lost(self) -> int:
        """Packets that it has lost so far."""
        words = self.run("nft", "list", "table", "inet", "loss").split()
        return sum(int(words[number + 1]) for number, word in enumerate(words) if word == "packets")


@contextmanager
def machines(*names: str) -> Iterator[dict[str, Machine]]:
    """One machine for each name, all on one network; nothing of them is left at the end.

    Raises NoNamespaces when that can't be had here.
    """
    _check_system()
    prefix = f"crawl-{os.getpid()}"
    switch = f"{prefix}-{_SWITCH}"
    with ExitStack() as stack:
        _make_namespace(switch, stack)
        _run("ip", "-n", switch, "link", "add", "br0", "type", "bridge")
        _run("ip", "-n", switch, "link", "set", "br0", "up")
        made = {}
        for number, name in enumerate(names, start=1):
            machine = Machine(
                name=name,
                address=f"{_NETWORK}.{number}",
                namespace=f"{prefix}-{name}",
                plug=f"v{number}",
                switch=switch,
            )
            _make_namespace(machine.namespace, stack)
            _connect(machine)
            made[name] = machine
        yield made


def require_machines() -> None:
    """Raise NoNamespaces unless there can be machines that lose packets."""
    with machines("probe") as made:
        made["probe"].lose(1)


def _check_system() -> None:
    if sys.platform != "linux":
        raise NoNamespaces(f"network namespaces are Linux's, and this is {sys.platform}")
    if os.geteuid() != 0:
        raise NoNamespaces("only root may make network namespaces")
    for program, package in (("ip", "iproute2"), ("nft", "nftables"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            raise NoNamespaces(f"there is no program {program}; it is in the package {package}")


def _make_namespace(name: str, stack: ExitStack) -> None:
    _run("ip", "netns", "add", name)
    stack.callback(_remove_namespace, name)
    _run("ip", "-n", name, "link", "set", "lo", "up")


def _connect(machine: Machine) -> None:
    inside, switch = machine.namespace, machine.switch
    _run(
        "ip", "link", "add", machine.plug, "netns", switch, "type", "veth", "peer", "name", "eth0", "netns", inside
    )  # fmt: skip
    _run("ip", "-n", switch, "link", "set", machine.plug, "master", "br0", "up")
    _run("ip", "-n", inside, "addr", "add", f"{machine.address}/24", "dev", "eth0")
    _run("ip", "-n", inside, "link", "set", "eth0", "up")


def _remove_namespace(name: str) -> None:
    """With all that runs in it."""

    def inside() -> list[int]:
        return [int(pid) for pid in _run("ip", "netns", "pids", name).split()]

    for pid in inside():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not inside())
    _run("ip", "netns", "del", name)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise NoNamespaces(f"{' '.join(argv)} says: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout
