"""Optional libraries, and the commands that install them beside this program.

No command names our own package: it is in no registry, and whoever registers the name would be run by all who follow
the advice. The libraries' names are registered by their makers.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import sys
from pathlib import Path

EXTRAS = {
    "fast": "pycurl>=7.45.7",
    "heic": "pillow-heif>=1",
    "metrics": "prometheus-client>=0.21",
    "otel": "opentelemetry-exporter-otlp-proto-http>=1.27",
    "object": "obstore>=0.8,<0.13",
    "redis": "redis>=5.2",
    "tls": "cryptography>=44",
}
"""The extras of pyproject.toml, and their libraries."""
_OF_SHELLS = re.compile(r"[\s<>&|^]")
_IS_WINDOWS = os.name == "nt"


def install(extra: str) -> str:
    """The command that adds the library of *extra* to this installation, made by pip, pipx or uv."""
    library = _quoted(EXTRAS[extra])
    place = Path(sys.prefix)
    if (place / "pipx_metadata.json").is_file():
        return f"pipx inject {_quoted(place.name)} {library}"
    python = _quoted(sys.executable)
    if (place / "uv-receipt.toml").is_file() or importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {python} {library}"
    return f"{python} -m pip install {library}"


def named(extra: str) -> str:
    """The command for readers on other machines: without the path of this installation."""
    return f"pip install {_quoted(EXTRAS[extra])}"


def _quoted(word: str) -> str:
    if not _IS_WINDOWS:
        return shlex.quote(word)
    return f'"{word}"' if _OF_SHELLS.search(word) else word
