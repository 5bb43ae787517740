"""Decodes all images below a folder, as cheaply as shows that they are whole: ``python decode.py FOLDER``.

What a peer that does not decode is measured with, beside itself: Pillow, JPEGs at an eighth of their size, one process
for each core. Prints how many there were, and how many of them are broken.
"""

from __future__ import annotations

import os
import sys
from multiprocessing import Pool
from pathlib import Path

from PIL import Image

SUFFIXES = (".avif", ".bmp", ".gif", ".ico", ".jpeg", ".jpg", ".png", ".webp")


def decodes(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.draft("RGB", (image.width // 8, image.height // 8))
            image.load()
    except OSError:
        return False
    return True


def main() -> None:
    paths = [
        Path(parent, name)
        for parent, _, names in os.walk(sys.argv[1])
        for name in names
        if name.lower().endswith(SUFFIXES)
    ]
    with Pool() as pool:
        broken = pool.map(decodes, paths, chunksize=50).count(False)
    print(f"{len(paths)} {broken}")


if __name__ == "__main__":
    main()
