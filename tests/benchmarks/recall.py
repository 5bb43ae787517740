"""How much of a site that lies on this disk did a crawl save?

    python -m tests.benchmarks.recall CRAWL_FOLDER SITE_FOLDER

Compares SHA-256 digests: an image counts as found only when the same bytes were saved. Prints what is missing.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".ico", ".bmp", ".avif"}


def digests(folder: Path) -> dict[str, list[Path]]:
    """The images below *folder* by digest."""
    found: dict[str, list[Path]] = {}
    for path in folder.rglob("*"):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            found.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), []).append(path)
    return found


def main() -> int:
    crawl, site = Path(sys.argv[1], "images"), Path(sys.argv[2])
    saved, there = digests(crawl), digests(site)
    total = sum(len(paths) for paths in there.values())
    missing = [path for digest, paths in there.items() if digest not in saved for path in paths]
    print(f"{total - len(missing):,} of {total:,} images of {site} are saved with the same bytes")
    for path in sorted(missing):
        print(f"missing: {path}")
    foreign = sum(len(paths) for digest, paths in saved.items() if digest not in there)
    print(f"{foreign:,} saved files are not images of that folder")
    return 0


if __name__ == "__main__":
    sys.exit(main())
