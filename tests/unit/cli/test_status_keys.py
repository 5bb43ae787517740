"""The keys of ``status --watch``, and what they show."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace

import msgspec
import pytest
from rich.console import Console

from crawler.cli import status as status_module
from crawler.cli import status_watch
from crawler.cli.progress_grid import Figures
from crawler.cli.status_keys import View
from crawler.cli.status_watch import StatusScreen, watch
from crawler.models import Failure, Status, TaskKind
from tests.unit.cli.test_status_tables import BOARD, drawn

SEEN = msgspec.structs.replace(
    BOARD,
    image_reasons={"not-found": 12, "too-small": 900},
    page_reasons={"not-found": 3},
    failures=(
        Failure(kind=TaskKind.PAGE, reason="not-found", url="http://a.example/b/gone.html", ago_s=4.0),
    ),
)


def screen(view: View, status: Status = SEEN) -> StatusScreen:
    return StatusScreen(status, Figures(elapsed_s=9.0), view=view, has_keys=True, invitation="data/a")


@pytest.mark.parametrize("width", [44, 80, 200])
@pytest.mark.parametrize("height", [8, 12, 24, 50])
@pytest.mark.parametrize("view", View)
def test_each_view_fits_and_the_keys_stand_in_the_last_row(view: View, width: int, height: int) -> None:
    lines = drawn(screen(view), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert any("1,234 of 2,242" in line for line in lines)
    if height >= 12:
        assert len(lines) == height
        assert lines[-1].startswith("q leave   " + ("p pause   f failures" if width >= 80 else "? help"))


def test_failures_by_reason() -> None:
    lines = drawn(screen(View.FAILURES), 80, 24)
    start = next(number for number, line in enumerate(lines) if line.startswith("Failures"))
    assert [line.split() for line in lines[start + 1 : start + 4]] == [
        ["too-small", "900"],
        ["not-found", "12"],
        ["page", "not-found", "3", "4", "s", "ago", "a.example/b/gone.html"],
    ]


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (View.FAILURES, "nothing has failed so far"),
        (View.WORKERS, "nobody is at work"),
        (View.HOSTS, "no host has anything to do"),
        (View.HELP, "image-crawler stop data/a"),
    ],
)
def test_where_there_is_nothing_it_says_so(view: View, words: str) -> None:
    assert words in "\n".join(drawn(screen(view, Status()), 44, 20))


def test_a_key_leads_there_and_the_same_one_back() -> None:
    seen = []
    view = View.OVERVIEW
    for key in "fwwx?q":
        view = view.after(key)
        seen.append(view)
    assert seen == [View.FAILURES, View.WORKERS, View.OVERVIEW, View.OVERVIEW, View.HELP, View.HELP]


def test_a_dumb_terminal_gets_one_text_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Console(file=io.StringIO(), force_terminal=True, width=80, height=24, _environ={"TERM": "dumb"})
    monkeypatch.setattr("crawler.cli.tables.console", lambda: out)
    monkeypatch.setattr(status_module, "REFRESH_S", 0.0)
    states = iter([SEEN, msgspec.structs.replace(SEEN, drained=True)])
    tasks = SimpleNamespace(status=lambda: next(states))
    status_module._watch(tasks, "data/a", as_json=False)  # type: ignore[arg-type]
    written = out.file.getvalue()  # type: ignore[attr-defined]
    assert written.count("too-small") == 2, "until the end nothing was shown"
    assert "\x1b" not in written


def test_what_the_keys_do(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = iter("fp q")
    asked, switched = [], []
    monkeypatch.setattr(status_watch, "pressed", lambda *_: next(keys))

    def states() -> Iterator[Status]:
        for paused in (False, True, True, True):
            asked.append(paused)
            yield msgspec.structs.replace(SEEN, paused=paused, paused_by="alice")

    out = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    watch(out, states(), every_s=60.0, switch=lambda status: switched.append(status.paused))
    assert asked == [False, True, True], "p and the space bar look again at once, q leaves"
    assert switched == [False]
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "too-small" in text
    assert text.count("paused by alice") == 3, "once a picture"
