"""What a measured program is."""

from __future__ import annotations

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers.corpora import Missing

SCRIPTS = Path(__file__).parents[1] / "scripts"
"""Programs for the peers' own environments."""
_STAMP = "installed.txt"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One crawl."""

    url: str
    """Where it begins, with a slash at its end."""
    folder: Path
    """Where the images go; it is there, and empty."""
    image_urls: Path
    """A text file with the URLs of all images, for those that crawl no pages."""
    suffix: str
    """The extension of most images."""
    ca: Path
    """The authority that has signed the server's certificate, PEM."""


class Tool(ABC):
    """A program, and how it is called."""

    decodes = False
    """Whether it decodes each image that it saves."""
    reencodes = False
    """Whether it saves other bytes than it got, of some images or all."""
    fine_codes: tuple[int, ...] = (0,)
    """Exit codes of a crawl that is done."""
    requirements: tuple[str, ...] = ()
    """What pip installs for it, into an environment of its own."""

    def __init__(self, kind: str, connections: int | None) -> None:
        self.kind = kind
        self.connections = connections
        self.python = Path(sys.executable)

    @property
    def name(self) -> str:
        return self.kind if self.connections is None else f"{self.kind}:{self.connections}"

    def install(self, work: Path) -> None:
        """Make its environment below *work*, if it needs one. Raises Missing."""
        if self.requirements:
            self.python = environment(work / "venvs" / self.kind.partition("-")[0], self.requirements)

    @abstractmethod
    def command(self, job: Job) -> Sequence[str | Path]:
        """What is run for *job*."""

    def environment(self, job: Job) -> dict[str, str]:
        """The variables that it is run with: nothing of whoever measures but where programs and homes are."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, "SSL_CERT_FILE": str(job.ca), "PYTHONUTF8": "1"}

    def version(self) -> str:
        """Of what is measured."""
        package = self.requirements[0].partition("[")[0].partition(">")[0]
        return said(self.python, "-c", f"import importlib.metadata as m; print(m.version({package!r}))")


def environment(folder: Path, requirements: Sequence[str]) -> Path:
    """The Python of a virtual environment with *requirements*, made if it is not there."""
    python, stamp = folder / "bin" / "python", folder / _STAMP
    wanted = "\n".join(requirements)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(f"installing {', '.join(requirements)} into {folder}", file=sys.stderr, flush=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--quiet", *requirements], check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        raise Missing(f"could not install {wanted}: {exc}") from exc
    stamp.write_text(wanted, encoding="utf-8")
    return python


def said(*command: str | Path) -> str:
    """What a command prints, or ``?``."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return "?"
    return done.stdout.strip()
