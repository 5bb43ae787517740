"""A table of what was found on one page, which fits the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from crawler.cli.output import clean
from crawler.cli.tables import show
from crawler.models import NewTask

_MOST_SAID = 40
_COLUMN_GAP = 2


def words_of(task: NewTask) -> str:
    """The words beside the URL of *task*: what keeps it out, or else what its page says of it."""
    if task.kept_out_by:
        return f"kept out by {task.kept_out_by}"
    return task.origin.alt or task.origin.caption or task.origin.title if task.origin else ""


class FoundTable:
    """Rows of found URLs: the columns *names*, the URL, and the page's words on it.

    If the longest URL does not fit, the words go below the URLs, which the terminal wraps, so that they can be copied.
    """

    def __init__(self, out: Console, *names: str) -> None:
        self._out = out
        self._names = names
        self._rows: list[tuple[tuple[str, ...], str, str, str]] = []

    def add(self, *values: str, url: str, said: str, dim: bool = False) -> None:
        self._rows.append((tuple(map(clean, values)), clean(url), clean(said), "dim" if dim else ""))

    def show(self) -> None:
        if not self._rows:
            return
        widths = [
            max(cell_len(name), *(cell_len(values[n]) for values, _, _, _ in self._rows))
            for n, name in enumerate(self._names)
        ]
        said = min(_MOST_SAID, max(cell_len(said) for _, _, said, _ in self._rows))
        room = (
            self._out.width
            - sum(width + _COLUMN_GAP for width in widths)
            - said
            - (_COLUMN_GAP if said else 0)
        )
        if self._out.is_terminal and max(cell_len(url) for _, url, _, _ in self._rows) > room:
            self._show_stacked(widths)
        else:
            self._show_table()

    def _show_table(self) -> None:
        table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in (*self._names, "URL"):
            table.add_column(name, no_wrap=True)
        most = _MOST_SAID if self._out.is_terminal else None
        table.add_column("what is said of it", overflow="fold", max_width=most)
        for values, url, said, style in self._rows:
            table.add_row(*values, Text(url), Text(said), style=style)
        show(self._out, table)

    def _show_stacked(self, widths: Sequence[int]) -> None:
        def beside(values: Sequence[str]) -> str:
            cells = zip(values, widths, strict=True)
            return "".join(f"{set_cell_size(value, width)}{' ' * _COLUMN_GAP}" for value, width in cells)

        self._out.print(Text(f"{beside(self._names)}URL", "dim"), soft_wrap=True)
        for values, url, said, style in self._rows:
            self._out.print(Text(f"{beside(values)}{url}", style), soft_wrap=True)
            if said:
                indent = min(cell_len(beside(values)), self._out.width // 3)
                self._out.print(Padding(Text(said, "dim"), (0, 0, 0, indent)))
