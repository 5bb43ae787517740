"""Libraries that not everybody needs, and how each is installed where this very program is.

The name of our own package is never part of such a command: it is in no registry, and who registers it there would be
run by all who follow our advice. The libraries' own names are registered, by those who make them.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import sys
from pathlib import Path

EXTRAS = {
    "heic": "pillow-heif>=1",
    "object": "obstore>=0.8,<0.13",
    "redis": "redis>=5.2",
    "tls": "cryptography>=44",
}
"""Each extra of pyproject.toml, and the library that it stands for."""
_OF_SHELLS = re.compile(r"[\s<>&|^]")
_IS_WINDOWS = os.name == "nt"


def install(extra: str) -> str:
    """The command that adds the library of *extra* to this installation, whichever of pip, pipx and uv has made it."""
    library = _quoted(EXTRAS[extra])
    place = Path(sys.prefix)
    if (place / "pipx_metadata.json").is_file():
        return f"pipx inject {_quoted(place.name)} {library}"
    python = _quoted(sys.executable)
    if (place / "uv-receipt.toml").is_file() or importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {python} {library}"
    return f"{python} -m pip install {library}"


def named(extra: str) -> str:
    """The same for who reads it on another machine, perhaps: the library, without where it goes."""
    return f"pip install {_quoted(EXTRAS[extra])}"


def _quoted(word: str) -> str:
    if not _IS_WINDOWS:
        return shlex.quote(word)
    return f'"{word}"' if _OF_SHELLS.search(word) else word
