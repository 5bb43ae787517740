"""The commands that a shard obeys, as scripts for its server: each is one file of ``lua/``, and what that includes.

A line ``--- include one, two`` names files of ``lua/shared/``; each comes once, behind those that it includes itself.
All of it is one chunk, so that a file uses the locals of those before it. ``POLICY.NAME`` stands for a constant of
``queues/policy.py``; its value is put there, for a table of all of them would be made anew with each call.

A script per command rather than one for all: a server makes the functions of a script anew with each call, which is
most of the time of a small one.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from crawler.queues import policy

_FOLDER = files("crawler.queues.redis").joinpath("lua")
_INCLUDE = re.compile(r"^--- include (.+)\n", re.MULTILINE)
_POLICY = re.compile(r"\bPOLICY\.(\w+)")
_PLACE = "--COMMAND--\n"


class Script(NamedTuple):
    text: str
    sha: str
    """SHA-1 of the text, in hex digits: servers know it by that."""


@cache
def script(command: str) -> Script:
    """The script of a *command*, the name of a file without its ``.lua``."""
    parts: dict[str, str] = {}
    own = _with_includes(f"{command}.lua", parts)
    text = _read("shared/frame.lua").replace(_PLACE, "".join((*parts.values(), own)))
    text = _POLICY.sub(lambda found: _literal(getattr(policy, found[1])), text)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _literal(value: object) -> str:
    """*value* as Lua writes it."""
    match value:
        case int() | float():
            return repr(value)
        case str():
            return f"'{value}'"
        case frozenset():
            return "{" + ", ".join(f"['{word}'] = true" for word in sorted(value)) + "}"
    raise TypeError(f"{value!r} has no literal")


def _with_includes(name: str, parts: dict[str, str]) -> str:
    """The text of a file, once *parts* has all that it includes."""
    text = _read(name)
    for line in _INCLUDE.findall(text):
        for part in line.split(", "):
            if part not in parts:
                parts[part] = _with_includes(f"shared/{part}.lua", parts)
    return text


def _read(name: str) -> str:
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")
