"""How the rate grows with the downloaders while a crawl waits for its server.

    python -m tests.benchmarks.scaling --downloaders 1,2,4 --rounds 3

nginx answers each request late by a timer of its own. Each downloader has the same number of threads, and no limit of
the host is met, so that twice the downloaders should be twice as fast until the machine's cores are busy. Rounds are
interleaved. The rate is that of the images between the first and the last that was saved: a start is the same for all.
CPU is that of all processes of the crawl for each image.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.peers import corpora, servers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--downloaders", default="1,2,4", help="how many to compare")
    parser.add_argument("--threads", type=int, default=8, help="of each downloader")
    parser.add_argument("--delay-s", type=float, default=0.25, help="seconds for which the server waits")
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--transport", default="requests", choices=("requests", "curl"))
    parser.add_argument("--work", type=Path, help="keeps the site; a folder that is removed otherwise")
    options = parser.parse_args()
    counts = [int(count) for count in options.downloaders.split(",")]
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        work = options.work or Path(folder)
        corpus = replace(
            corpora.corpus("photo50", work, images=options.images), name="late", delay_s=options.delay_s
        )
        rates: dict[int, list[float]] = {count: [] for count in counts}
        cpus: dict[int, list[float]] = {count: [] for count in counts}
        Path(folder).chmod(0o755)
        with servers.serving([corpus], Path(folder, "nginx")) as served:
            for turn in range(options.rounds):
                for count in counts if turn % 2 else reversed(counts):
                    rate, cpu_ms = measured(served.urls["late"], Path(folder, "out"), count, options)
                    rates[count].append(rate)
                    cpus[count].append(cpu_ms)
    first = statistics.median(rates[counts[0]]) / counts[0]
    print("| downloaders | images/s | of what is ideal | CPU ms/image |\n|--:|--:|--:|--:|")
    for count in counts:
        rate = statistics.median(rates[count])
        cpu_ms = statistics.median(cpus[count])
        print(f"| {count} | {rate:,.0f} | {rate / (first * count):.2f} | {cpu_ms:.2f} |")


def measured(url: str, out: Path, downloaders: int, options: argparse.Namespace) -> tuple[float, float]:
    """Images a second, and milliseconds of CPU for each image, of a crawl of *url* with so many *downloaders*."""
    shutil.rmtree(out, ignore_errors=True)
    flags = {
        "--downloaders": downloaders,
        "--downloader-threads": options.threads,
        "--harvester-threads": 32,
        "--per-host": 1000,
        "--render": "never",
        "--transport": options.transport,
    }
    words = [str(word) for pair in flags.items() for word in pair]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "crawler", "crawl", url, "-o", str(out), "--quiet", *words],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    saved = sorted(path.stat().st_mtime for path in out.rglob("*.jpg"))
    if len(saved) != options.images:
        raise SystemExit(f"{len(saved)} images were saved, and {options.images} are there")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (len(saved) - 1) / (saved[-1] - saved[0]), cpu_s * 1000 / len(saved)


if __name__ == "__main__":
    main()
