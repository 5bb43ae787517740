"""Behaviours: what the renderer does on a page as a person would. JavaScript, one small object each.

The files of this folder and the user's own are joined, and run in an isolated world of each page; see
docs/rendering.md.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from crawler.errors import ConfigError
from crawler.models import Value
from crawler.text.plain_errors import plain, quoted

_FILES = ("api.js", "consent.js", "scroll.js", "more.js", "next.js", "keys.js", "controls.js", "clicks.js")
"""Files in the order in which their behaviours run: cheap ones, and those that others need, come first."""
_AFTER = ("snapshot.js", "run.js")
MAX_FILE_BYTES = 2**20
MOST = 64


class Behaviour(Value):
    """One behaviour, as a page's isolated world describes it."""

    name: Annotated[str, Meta(min_length=1, max_length=40, pattern="^[a-z][a-z0-9-]*$")]
    dear: bool = False
    """Expensive: run only on pages of templates where it has brought images."""
    spends: Annotated[str, Meta(pattern="^(scrolls|clicks)?$")] = ""
    """The part of the page's budget that it spends; each step returns how much."""
    rounds: Annotated[int, Meta(ge=1, le=1000)] = 1


def source(extra: str = "") -> str:
    """The script for each document; *extra* is JavaScript of the user's, with calls of ``behaviour({…})``."""
    folder = files(__package__)
    words = json.loads(folder.joinpath("words.json").read_text(encoding="utf-8"))
    parts = [f"const words = {json.dumps(words)};"]
    parts += [folder.joinpath(name).read_text(encoding="utf-8") for name in _FILES]
    parts += [extra]
    parts += [folder.joinpath(name).read_text(encoding="utf-8") for name in _AFTER]
    return "(() => {\nif (globalThis.image_crawler) return;\n" + "\n".join(parts) + "\n})();"


def read_file(path: str) -> str:
    """The user's behaviours, from a file. Raises ConfigError if it can't be read, or is too large."""
    if not path:
        return ""
    try:
        content = Path(path).read_bytes()
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError(
                f"behaviours = {quoted(path)} won't do: it has {len(content)} bytes, and may have {MAX_FILE_BYTES}"
            )
        return content.decode("utf-8")
    except OSError as exc:
        raise ConfigError(f"can't read the behaviours in {path}: {plain(exc)}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"the behaviours in {path} are not in UTF-8") from exc


def listed(told: object) -> list[Behaviour]:
    """The behaviours that a page's isolated world lists; malformed ones are left out."""
    found = []
    for one in told[:MOST] if isinstance(told, list) else []:
        try:
            found.append(msgspec.convert(one, Behaviour))
        except msgspec.ValidationError:
            continue
    return found
