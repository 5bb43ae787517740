"""The paths that every storage accepts."""

from __future__ import annotations

from pathlib import PurePosixPath

from crawler.crawlfile.file_names import INDEX_FOLDER
from crawler.text.plain_errors import quoted


def plain_parts(path: str) -> tuple[str, ...]:
    """The parts of *path*. Raises ValueError unless it is plain and relative, with ``/``.

    A path is refused that could lead out of a folder on any system, or lies below INDEX_FOLDER, where the claims are.
    """
    parts = PurePosixPath(path).parts
    odd = "\\" in path or "\0" in path or path != "/".join(parts)
    # two slashes are a root of their own (POSIX, 4.13), which is its own only part
    is_absolute = path.startswith("/")
    if odd or is_absolute or not parts or ".." in parts or parts[0] == INDEX_FOLDER or ":" in parts[0]:
        raise ValueError(f"{quoted(path)} is not a plain relative path below the storage's folder")
    return parts
