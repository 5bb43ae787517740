"""Writes crawler/config/keywords.py, the settings for type checkers: ``python -m tests.generators.typed_settings``.

``ruff format`` has to follow.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from crawler.config import SETTINGS, SYNONYMS, Setting

FILE = Path(__file__).parents[2] / "crawler" / "config" / "keywords.py"
_HEAD = '''"""The settings of a crawl as keyword arguments, for type checkers; crawler/config says what each means.

Written by ``python -m tests.generators.typed_settings``; a test demands that anew with each new setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict


class Settings(TypedDict, total=False):
    """What may be given to :func:`crawler.crawl` by name; a name that there is not is an error to type checkers."""

'''


def hint(setting: Setting) -> str:
    """The type of what may be given for *setting*, as :func:`crawler.config.load` takes it."""
    if setting.is_list:
        item = get_args(setting.type)[0]
        words = (*setting.words, *(name for name, of in SYNONYMS.items() if of in setting.words))
        return f"Sequence[{_literal(words) if words else _name(item)}]"
    if setting.choices:
        return _literal(setting.choices)
    if "_bytes" in setting.key:
        return "int | str"  # ``500 MB``
    if setting.key.endswith("_s"):
        return "float | str"  # ``10m``
    return _name(setting.type)


def _name(of: object) -> str:
    return next(
        kind.__name__ for kind in (bool, int, float, str) if kind in (of, getattr(of, "__origin__", None))
    )


def _literal(words: tuple[str, ...]) -> str:
    return "Literal[" + ", ".join(map('"{}"'.format, words)) + "]"


def text() -> str:
    """The whole file; ruff breaks its lines."""
    return _HEAD + "".join(f"    {setting.key}: {hint(setting)}\n" for setting in SETTINGS.values())


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
