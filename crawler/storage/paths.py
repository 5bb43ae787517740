"""The paths that every storage accepts."""

from __future__ import annotations

from crawler.crawlfile.file_names import INDEX_FOLDER
from crawler.text.plain_errors import quoted

_ODD_PARTS = frozenset({"", ".", ".."})


def plain_parts(path: str) -> tuple[str, ...]:
    """The parts of *path*. Raises ValueError unless it is plain and relative, with ``/``.

    A path is refused that could lead out of a folder on any system, or lies below INDEX_FOLDER, where the claims are.
    """
    parts = tuple(path.split("/"))
    is_plain = _ODD_PARTS.isdisjoint(parts) and "\\" not in path and "\0" not in path
    if not is_plain or parts[0] == INDEX_FOLDER or ":" in parts[0]:
        raise ValueError(f"{quoted(path)} is not a plain relative path below the storage's folder")
    return parts
