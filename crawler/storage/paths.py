"""Which paths a storage takes, whatever it is made of."""

from __future__ import annotations

from pathlib import PurePosixPath

from crawler.crawlfile.file_names import INDEX_FOLDER
from crawler.text.plain_errors import quoted


def plain_parts(path: str) -> tuple[str, ...]:
    """The names that *path* is made of; ValueError unless it is a plain relative one, with ``/``.

    Nothing that could lead out of a folder, on any system, and nothing below INDEX_FOLDER: the claims are there.
    """
    parts = PurePosixPath(path).parts
    odd = "\\" in path or "\0" in path or path != "/".join(parts)
    # two slashes are a root of their own (POSIX, 4.13), which is its own only part
    is_absolute = path.startswith("/")
    if odd or is_absolute or not parts or ".." in parts or parts[0] == INDEX_FOLDER or ":" in parts[0]:
        raise ValueError(f"{quoted(path)} is not a plain relative path below the storage's folder")
    return parts
