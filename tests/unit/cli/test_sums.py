from __future__ import annotations

import pytest
from rich.console import Console
from rich.text import Text

from crawler.cli import tables
from crawler.cli.sums import Sum

PARTS = ["184 saved (5.3 MiB)", "3 duplicate", "1 failed", "697 to do"]
WHOLE = "885 URLs = 184 saved (5.3 MiB) + 3 duplicate + 1 failed + 697 to do"


def lines(one: Sum, width: int) -> list[str]:
    console = Console(width=width, force_terminal=True, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(tables.facts({"images": one}))
    told = [line.rstrip() for line in captured.get().splitlines()]
    assert all(len(line) <= width for line in told)
    return [line[8:] for line in told]


def test_a_sum_that_fits_is_one_line() -> None:
    assert lines(Sum("885 URLs", PARTS), 80) == [WHOLE]
    assert lines(Sum("885 URLs", []), 80) == ["885 URLs"]


def test_it_is_broken_between_parts_alone_its_signs_below_each_other() -> None:
    assert lines(Sum("885 URLs", PARTS), 44) == [
        "885 URLs = 184 saved (5.3 MiB)",
        "         + 3 duplicate + 1 failed",
        "         + 697 to do",
    ]
    assert lines(Sum("885 URLs", PARTS), 34) == [
        "885 URLs",
        "  = 184 saved (5.3 MiB)",
        "  + 3 duplicate + 1 failed",
        "  + 697 to do",
    ]


@pytest.mark.parametrize("width", range(34, 100, 3))
def test_nothing_of_it_is_lost(width: int) -> None:
    one = Sum("885 URLs", PARTS, lead=Text("finished, and so on:"), rest=", 2 of these once more")
    told = lines(one, width)
    assert " ".join(" ".join(told).split()) == f"finished, and so on: {WHOLE}, 2 of these once more"
    assert len(told) == 1 or told[0] == "finished, and so on:"
