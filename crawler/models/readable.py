"""How records are shown in Python: as a dictionary, briefly in a prompt, as HTML in a notebook."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

import msgspec

_SHOWN_CHARS = 120


def plain(value: object) -> Any:
    """*value* as JSON has it, with every field of the structs in it, also those at their defaults."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return msgspec.to_builtins(value)


class Readable:
    """Mixin of structs with ``url``, ``status`` and ``reason``."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, also those that are at their defaults, as plain values that JSON has.

        ``pandas.DataFrame(record.to_dict() for record in catalog)`` has a column for each.
        """
        return cast("dict[str, Any]", plain(self))

    @property
    def trace_id(self) -> str:
        """The id of its page's trace, 32 hexadecimal digits; ``--traces`` sends there what became of the page and its
        images.
        """
        from crawler.tracing.ids import page_of, trace_id_of  # few who handle records need it

        return f"{trace_id_of(page_of(cast('Any', self))):032x}"

    def _brief(self) -> str:
        """The part of the repr between status and URL."""
        return ""

    def __repr__(self) -> str:
        about: Any = self
        parts = (str(about.status), about.reason, self._brief(), _cut(about.url))
        return f"<{type(self).__name__} {' '.join(filter(None, parts))}>"

    def _repr_html_(self) -> str:
        """HTML for a notebook; the module is imported by name, as it imports all records."""
        return cast("str", import_module("crawler.api.notebook").record_html(self))


def _cut(url: str) -> str:
    text = url if len(url) <= _SHOWN_CHARS else f"{url[:_SHOWN_CHARS]}…"
    return text if text.isprintable() else repr(text)[1:-1]
