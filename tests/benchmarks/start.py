"""How long a start takes: ``--help``, and from the command to the first request and to the first saved image.

    python -m tests.benchmarks.start --runs 10 --folder /dev/shm
    python -m tests.benchmarks.start --tree . --tree ../earlier     # two checkouts, in turns

A small site is served by nginx, if there is one, on loopback; else by Python, which takes from the same cores. Crawls
live below FOLDER, best on a RAM disk. CPU is that of all processes of a whole crawl of that site, its end included.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.support.sites import make_site, serving

MEASURES = ("help, s", "first request, s", "first image, s", "CPU of help, s", "CPU of a crawl, s")
GOALS = {"help, s": 0.15, "first request, s": 0.5, "first image, s": 0.8}
_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
    access_log off; log_format moment '$msec'; types {{ text/html html; image/png png; }}
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; root {site}; access_log {folder}/requests moment; }}
}}
"""


class Site:
    """A site that notes when it was first asked for something."""

    def __init__(self, url: str, log: Path | None) -> None:
        self.url = url
        self._log = log
        self._seen = 0

    def first_request(self) -> float | None:
        """The moment of the first request since the last call; None if the server does not note it."""
        if self._log is None:
            return None
        time.sleep(0.05)
        moments = [float(line) for line in self._log.read_text(encoding="ascii").split()]
        new, self._seen = moments[self._seen :], len(moments)
        return min(new)


@contextlib.contextmanager
def served(folder: Path, *, port: int) -> Iterator[Site]:
    make_site(folder / "site", pages=1, images_per_page=4)
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        with serving(folder / "site") as server:
            yield Site(server.url, None)
        return
    folder.chmod(0o755)
    settings = folder / "nginx.conf"
    settings.write_text(_NGINX.format(folder=folder, site=folder / "site", port=port), encoding="utf-8")
    nginx = subprocess.Popen([program, "-c", str(settings), "-p", str(folder)])
    try:
        while not (folder / "requests").exists():
            time.sleep(0.05)
        yield Site(f"http://127.0.0.1:{port}/", folder / "requests")
    finally:
        nginx.terminate()
        nginx.wait()


def cpu_s() -> float:
    """CPU of all children so far, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command: list[str], tree: Path, folder: Path) -> None:
    """Run it with bytecode, as an installed program has it, and not in this checkout, which Python would prefer."""
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PYTHONPATH": str(tree)}
    subprocess.run(command, env=environment, cwd=folder.parent, stdout=subprocess.DEVNULL, check=True)


def measure(tree: Path, site: Site, folder: Path) -> dict[str, float]:
    """One start of each kind."""
    found = {}
    command = [sys.executable, "-m", "crawler"]
    before, began = cpu_s(), time.monotonic()
    run([*command, "--help"], tree, folder)
    found["help, s"], found["CPU of help, s"] = time.monotonic() - began, cpu_s() - before
    before, began = cpu_s(), time.time()
    run([*command, "crawl", site.url, "-o", str(folder), "-q"], tree, folder)
    found["CPU of a crawl, s"] = cpu_s() - before
    if (asked := site.first_request()) is not None:
        found["first request, s"] = asked - began
    saved = [path.stat().st_ctime for path in (folder / "images").rglob("*") if path.is_file()]
    found["first image, s"] = min(saved) - began
    shutil.rmtree(folder)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where crawls live")
    parser.add_argument(
        "--tree", type=Path, action="append", help="a checkout to measure (default: this one)"
    )
    parser.add_argument("--port", type=int, default=18437, help="for nginx")
    given = parser.parse_args()
    trees = [tree.resolve() for tree in given.tree or [Path()]]
    seen: dict[Path, dict[str, list[float]]] = {tree: defaultdict(list) for tree in trees}
    with (
        tempfile.TemporaryDirectory(dir=given.folder) as folder,
        served(Path(folder), port=given.port) as site,
    ):
        for turn in range(given.runs + 1):
            for tree in trees:
                for name, value in measure(tree, site, Path(folder, "crawl")).items():
                    if turn:  # the first one writes bytecode
                        seen[tree][name].append(value)
    for tree in trees:
        print(f"\n{tree}: medians of {given.runs} runs, and their range")
        for name in MEASURES:
            if values := seen[tree][name]:
                goal = f"   (goal: {GOALS[name]:g})" if name in GOALS else ""
                print(
                    f"  {name:<20}{statistics.median(values):8.3f}{min(values):8.3f} to {max(values):.3f}{goal}"
                )


if __name__ == "__main__":
    main()
