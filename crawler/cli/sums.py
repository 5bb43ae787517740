"""Sums in words, ``1,967 URLs = 1,959 saved + 6 duplicate + 2 failed``: broken between their parts alone."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

_EQUALS, _PLUS = " = ", " + "


class Sum:
    """A total and its parts, as wide as there is room.

    On a line of its own *lead* stands before it, where they have no room beside each other. The plus signs of further
    lines stand below the equals sign, unless a part is too long for that. *rest* comes last.
    """

    def __init__(self, total: str, parts: Sequence[str], *, lead: Text | None = None, rest: str = "") -> None:
        self._total, self._parts = total, list(parts)
        self._lead, self._rest = lead, rest

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widest = max(map(len, [self._total, *self._parts])) + len(_PLUS)
        whole = self._line().cell_len
        return Measurement(min(widest, whole, options.max_width), min(whole, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        whole, width = self._line(), options.max_width
        yield whole if whole.cell_len <= width else Text("\n").join(self._lines(width))

    def _line(self) -> Text:
        lead = self._lead.copy().append(" ", "") if self._lead else Text()
        return lead.append(self._sum() + self._rest, "")

    def _sum(self) -> str:
        return _EQUALS.join([self._total, *([_PLUS.join(self._parts)] if self._parts else [])])

    def _lines(self, width: int) -> list[Text]:
        lines = [self._lead] if self._lead else []
        words = [
            (_EQUALS if number == 0 else _PLUS).lstrip() + part for number, part in enumerate(self._parts)
        ]
        indent = len(self._total) + 1
        if any(indent + len(word) > width for word in words):
            indent = 2
        line = self._total
        for word in words:
            if len(line) + 1 + len(word) <= width:
                line += f" {word}"
            else:
                lines.append(Text(line))
                line = " " * indent + word
        lines.append(Text(line + self._rest))
        return lines
