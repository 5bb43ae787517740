"""The progress of a crawl: the live picture, the plain lines, and the rate that both show."""

from __future__ import annotations

import io
import itertools
import signal
from collections.abc import Iterator

import msgspec
import pytest
from rich.console import Console
from rich.text import Text

from crawler.cli.live_panel import LivePanel
from crawler.cli.output import live
from crawler.cli.progress import PLAIN_AT_REST_S, PLAIN_EVERY_S, ProgressLines, progress
from crawler.models import Counts, Failure, HostStatus, Stats, TaskKind, WorkerStatus
from tests.support.clocks import Clock

SEED = "https://garden.example/"


def console(width: int = 80, height: int = 25, *, terminal: bool = True) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        height=height,
        force_terminal=terminal,
        color_system="truecolor" if terminal else None,
        record=True,
        legacy_windows=False,
        _environ={"TERM": "xterm-256color"},
    )


def worker(kind: TaskKind, pid: int, *busy: str, done: int = 0, machine: str = "") -> WorkerStatus:
    return WorkerStatus(
        id=f"{machine}{kind}-{pid}",
        kind=kind,
        pid=pid,
        busy=busy[:3],
        running=len(busy),
        done=done,
        machine=machine,
    )


BUSY = Stats(
    pages=Counts(ready=1, leased=2, done=7),
    images=Counts(ready=1000, delayed=3, leased=8, done=1230, dead=4),
    image_status={"saved": 1200, "duplicate": 10, "rejected": 5, "failed": 15, "dead": 4},
    image_reasons={"not-found": 12, "truncated-image": 5, "rate-limited": 3, "lease-expired": 4},
    page_reasons={"not-found": 1},
    saved_bytes=5 * 2**20,
    workers=(
        worker(TaskKind.IMAGE, 20, *(f"{SEED}2026/summer/rose-{n}.jpg" for n in range(4)), done=800),
        worker(TaskKind.IMAGE, 12, done=430),
        worker(TaskKind.PAGE, 30, f"{SEED}about.html", done=7),
    ),
)


def drawn(stats: Stats, width: int = 80, seeds: tuple[str, ...] = (SEED,), *, height: int = 25) -> list[str]:
    clock = Clock(100.0)
    picture = LivePanel(seeds, clock)
    picture.draw(Stats())
    clock.now += 2.0
    out = console(width, height)
    out.print(picture.draw(stats))
    return out.export_text().splitlines()


# --- the picture ---


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_picture_fits_its_terminal_and_keeps_its_height(width: int) -> None:
    lines = drawn(BUSY, width, height=60)
    assert max(map(len, lines)) <= width
    later = msgspec.structs.replace(BUSY, saved_bytes=7 * 2**40, images=Counts(ready=9, done=7_654_321))
    assert len(lines) == len(drawn(later, width, height=60)), "the picture does not jump"


@pytest.mark.parametrize("width", [80, 120])
def test_the_picture_tells_everything(width: int) -> None:
    text = "\n".join(drawn(BUSY, width))
    for part in (
        SEED, "0:00:02", "7 of 10", "1,234 of 2,245", "617/s", "5.0 MiB", "2.5 MiB/s",
        "1,200 saved", "10 duplicate", "5 rejected", "15 failed", "4 dead",
        "not saved: not-found 12 · truncated-image 5 · lease-expired 4",
    ):  # fmt: skip
        assert part in text, part


def test_pages_that_could_not_be_read_are_told_of() -> None:
    assert "not saved: not-found 12 · " in "\n".join(drawn(BUSY, 120))
    assert "rate-limited 3   not read: not-found 1" in "\n".join(drawn(BUSY, 120))
    seedless = Stats(pages=Counts(done=1), page_reasons={"connect-failed": 1})
    assert "  not read: connect-failed 1" in "\n".join(drawn(seedless))


def test_the_picture_tells_what_each_worker_does() -> None:
    lines = drawn(BUSY, 120)
    harvester, one, two = (line for line in lines if "done" in line)
    assert harvester.split() == ["harvester", "1", "7", "done", "about.html"]
    assert one.split() == ["downloader", "1", "430", "done", "waiting"]
    assert two.split() == ["downloader", "2", "800", "done", "…/summer/rose-0.jpg", "+3"]


def test_the_picture_of_the_first_moment() -> None:
    text = "\n".join(drawn(Stats()))
    assert "0 of 0" in text
    assert "0 saved" in text
    assert "not saved" not in text
    assert "done" not in text


def test_the_picture_names_further_seeds_by_their_number() -> None:
    assert "and 2 more" in drawn(BUSY, seeds=(SEED, SEED + "a", SEED + "b"))[0]


def test_the_colours_tell_good_from_bad() -> None:
    out = console(100)
    out.print(LivePanel((SEED,), Clock(100.0)).draw(BUSY))
    styled = out.export_text(styles=True)
    assert "\x1b[32msaved\x1b[0m" in styled
    assert "\x1b[31mfailed\x1b[0m" in styled


# --- the lines ---


def test_lines_come_now_and_then() -> None:
    clock, out = Clock(100.0), console(terminal=False)
    lines = ProgressLines(out, clock)
    for number in range(20):
        clock.now += PLAIN_EVERY_S / 10
        statuses = dict(reversed(BUSY.image_status.items()))  # as a queue tells them: in any order
        size = BUSY.saved_bytes + number // 15
        lines.show(msgspec.structs.replace(BUSY, saved_bytes=size, image_status=statuses))
    shown = out.export_text().splitlines()
    assert len(shown) == 2
    assert shown[0] == (
        "5 s: 55 % so far, 7 of 10 pages, 1,234 of 2,245 images (1,200 saved, 10 duplicate, 5 rejected, 15 failed,"
        " 4 dead), 0/s, 5.0 MiB saved"
    )


def test_a_line_before_anything_has_happened() -> None:
    clock, out = Clock(100.0), console(terminal=False)
    lines = ProgressLines(out, clock)
    clock.now += PLAIN_EVERY_S
    lines.show(Stats())
    assert out.export_text().splitlines() == [
        "5 s: 0 of 0 pages, 0 of 0 images (none yet), 0/s, 0 bytes saved",
        "    starting: no worker is at work yet",
    ]


WAITING = Stats(
    pages=Counts(done=1),
    images=Counts(ready=7, done=2),
    up_s=60.0,
    workers=BUSY.workers,
    worker_count=3,
    waiting=(
        HostStatus(
            name="https://cdn.example", images=7, trouble="slowed", last_reason="rate-limited", due_s=10.5
        ),
        HostStatus(name="https://slow.example", images=19, delay_s=10.0, crawl_delay_s=10.0),
    ),
)


def test_lines_say_what_is_waited_for() -> None:
    clock, out = Clock(100.0), console(terminal=False)
    lines = ProgressLines(out, clock)
    clock.now += PLAIN_EVERY_S
    lines.show(WAITING)
    assert out.export_text().splitlines()[1:] == [
        "    cdn.example asks us to wait: 429, next try in 11 s (7 images wait)",
        "    slow.example: Crawl-delay 10 s, about 3 min to go",
    ]


def test_lines_say_what_failed_last_once() -> None:
    clock, out = Clock(100.0), console(terminal=False)
    lines = ProgressLines(out, clock)
    for number in range(3):
        clock.now += PLAIN_EVERY_S
        lines.show(msgspec.structs.replace(FAILING, saved_bytes=number))
    text = out.export_text()
    assert text.count("last failed") == 1
    assert f"    last failed: not-found {DEEP}\n" in text


def test_lines_grow_rare_while_nothing_changes_and_come_at_once_when_something_does() -> None:
    clock, out = Clock(100.0), console(terminal=False)
    lines = ProgressLines(out, clock)
    said = []
    for _ in range(1200):
        clock.now += 0.5
        lines.show(WAITING)
        if out.export_text(clear=True):
            said.append(clock.now - 100.0)
    assert said[:4] == [5.0, 15.0, 35.0, 75.0]
    assert {after - before for before, after in itertools.pairwise(said[4:])} == {PLAIN_AT_REST_S}
    clock.now += PLAIN_EVERY_S
    lines.show(BUSY)
    assert out.export_text()


@pytest.mark.parametrize("width", [44, 80, 200])
def test_the_picture_says_what_is_waited_for(width: int) -> None:
    text = " ".join(" ".join(drawn(WAITING, width)).split())
    assert "cdn.example asks us to wait: 429, next try in 11 s (7 images wait)" in text
    assert "slow.example: Crawl-delay 10 s, about 3 min to go" in text


@pytest.mark.parametrize("width", [30, 40, 44, 60, 80, 200])
def test_counts_stay_whole(width: int) -> None:
    """At 44 columns "2 …" stood for 2,134 of 5,678."""
    text = "\n".join(drawn(BUSY, width))
    assert "7 of 10" in text
    assert "1,234 of 2,245" in text


@pytest.mark.parametrize("height", range(7, 30))
@pytest.mark.parametrize("stats", [BUSY, WAITING], ids=["busy", "waiting"])
def test_the_picture_fits_any_height_and_what_matters_most_stays(stats: Stats, height: int) -> None:
    lines = drawn(stats, height=height)
    assert len(lines) <= height
    text = "\n".join(lines)
    assert "of" in text
    assert "saved" in text
    if stats is WAITING and height >= 8:
        assert "cdn.example asks us to wait" in text
    if height >= 10:
        assert "downloader" in text, "at 80 x 10 there were none"
    if height >= 20:
        assert "downloader 2" in text


def test_a_missing_sitemap_is_no_failure() -> None:
    missing = Failure(kind=TaskKind.PAGE, reason="no-sitemap", url=f"{SEED}sitemap.xml")
    stats = Stats(pages=Counts(done=1), page_reasons={"no-sitemap": 1}, failures=(missing,))
    text = "\n".join(drawn(stats))
    assert "sitemap" not in text


def test_what_is_left_is_estimated_once_all_pages_are_read() -> None:
    clock = Clock(100.0)
    picture = LivePanel((SEED,), clock)
    for number in range(40):
        clock.now += 0.5
        picture.draw(Stats(pages=Counts(done=1), images=Counts(ready=1000 - number * 5, done=number * 5)))
    out = console()
    out.print(picture.draw(Stats(pages=Counts(done=1), images=Counts(ready=805, done=195))))
    text = out.export_text()
    assert "about 81 s to go" in text
    (row,) = [line.split() for line in text.splitlines() if "Images" in line]
    assert row[-3:-1] == ["10/s", "9.8/s"], "now, and on average"


HTTP = "by http: no answer by https (garden.example does not speak TLS at port 80)"


@pytest.mark.parametrize("width", [44, 80, 200])
def test_why_a_seed_is_asked_by_http_is_one_row_below_it(width: int) -> None:
    """It was two lines, above everything."""
    out = console(width, 24)
    out.print(LivePanel((SEED,), Clock(100.0), notes=(HTTP,)).draw(BUSY))
    note = out.export_text().splitlines()[1]
    assert note.rstrip() == ("  " + HTTP if width >= 80 else f"  {HTTP}"[: width - 1] + "…")


def test_elsewhere_it_is_a_line_below_the_first() -> None:
    out = console(terminal=False)
    with progress((SEED,), out, quiet=False, notes=(HTTP,)):
        assert out.export_text() == f"crawling {SEED}\n    {HTTP}\n"


@pytest.mark.parametrize("width", [44, 60, 80, 200])
def test_the_share_that_is_done_keeps_its_width_and_its_rows(width: int) -> None:
    rows = set()
    for done in range(0, 1000, 37):
        images = Counts(ready=1000 - done, done=done)
        lines = drawn(Stats(pages=Counts(ready=1, done=9), images=images), width)
        (row,) = [number for number, line in enumerate(lines) if " % of " in line]
        rows.add((row, lines[row].index("%"), len(lines)))
    assert len(rows) == 1, rows


DEEP = "http://cdn.example/wp-content/uploads/2026/05/a-very-long-way/plate-13.jpg"
FAILING = msgspec.structs.replace(
    BUSY,
    failures=(
        Failure(kind=TaskKind.IMAGE, reason="not-found", url=DEEP, ago_s=3.2),
        Failure(kind=TaskKind.IMAGE, reason="truncated-image", url=f"{SEED}t.png", ago_s=70.0),
    ),
)


@pytest.mark.parametrize("width", [44, 60, 80, 200])
def test_what_failed_last_is_told_with_its_reason(width: int) -> None:
    text = "\n".join(drawn(FAILING, width))
    assert "not-found 4 s ago" in text
    assert "plate-13.jpg" in text, "the end of a long URL tells it from others"
    if width > 60:
        assert "last failed: not-found 4 s ago" in text
        assert "before it: truncated-image 70 s ago  garden.example/t.png" in text
    assert DEEP.removeprefix("http://") in "\n".join(drawn(FAILING, 200))


def gone_on_for(seconds: float, width: int = 120, *, per_s: int = 10, height: int = 30) -> list[str]:
    clock = Clock(100.0)
    picture = LivePanel((SEED,), clock)
    done = 0
    while clock.now < 100 + seconds:
        clock.now += 0.5
        done += per_s // 2
        state = Stats(
            pages=Counts(leased=1, done=9), images=Counts(ready=5000, done=done), saved_bytes=done << 20
        )
        drawing = picture.draw(state)
    out = console(width, height)
    out.print(drawing)
    return out.export_text().splitlines()


def test_rates_of_the_last_minutes_are_small_bars() -> None:
    lines = gone_on_for(90)
    (images,) = [line for line in lines if "Images" in line]
    (saved,) = [line for line in lines if "Saved" in line]
    assert images.rstrip().endswith("▇" * 30), "as fast as ever"
    assert saved.rstrip().endswith("▇" * 30)
    (header,) = [line for line in lines if "average" in line]
    assert header.split() == ["now", "average", "last", "90", "s"]
    assert len(header.rstrip()) == len(images.rstrip()), "above the bars"


def test_what_an_earlier_run_has_done_is_no_burst() -> None:
    clock = Clock(100.0)
    picture = LivePanel((SEED,), clock)
    picture.draw(Stats())
    for done in range(1_000_000, 1_000_100):
        clock.now += 0.5
        drawing = picture.draw(Stats(pages=Counts(leased=1), images=Counts(ready=9, done=done)))
    out = console(120)
    out.print(drawing)
    (row,) = [line for line in out.export_text().splitlines() if "Images" in line]
    assert row.rstrip().endswith("▇" * 20), row
    assert " 2.0/s " in row


def test_while_pages_are_read_what_is_known_is_estimated_and_no_more() -> None:
    text = "\n".join(gone_on_for(60))
    assert "10 % of 5,610 so far, may fall · 9 min for the 5,000 images known" in text
    assert "to go" not in text


def test_on_a_wide_terminal_workers_stand_beside_the_figures() -> None:
    lines = drawn(BUSY, 200)
    (line,) = [line for line in lines if "harvester 1" in line]
    assert "7 of 10" in line, "from the first bar on"
    assert len(lines) < len(drawn(BUSY, 120))


@pytest.mark.parametrize("width", [44, 80, 200])
@pytest.mark.parametrize("height", [9, 12, 24, 60])
def test_who_is_not_shown_is_counted(width: int, height: int) -> None:
    """Eight machines were shown, and nobody was told of the others."""
    crowd = tuple(worker(TaskKind.IMAGE, pid, done=1, machine=f"m{pid % 20}") for pid in range(200))
    lines = drawn(msgspec.structs.replace(BUSY, workers=crowd, worker_count=200), width, height=height)
    assert len(lines) <= height
    text = "\n".join(lines)
    named = sum(line.count("(10 workers)") for line in lines)
    if named:
        assert f"and {200 - 10 * named} workers more" in text
    else:
        assert "200 downloaders" in text or "200 workers" in text


def test_workers_in_trouble_come_first() -> None:
    silent = msgspec.structs.replace(worker(TaskKind.IMAGE, 99, f"{SEED}x.png"), seen_s=45.0)
    well = tuple(worker(TaskKind.IMAGE, pid) for pid in range(5))
    lines = drawn(msgspec.structs.replace(BUSY, workers=(*well, silent)), 80, height=40)
    (first, *_) = [line for line in lines if "downloader" in line]
    assert "downloader 6" in first
    assert "silent for 45 s" in first


@pytest.mark.parametrize("width", range(30, 80, 3))
def test_outcomes_that_do_not_fit_are_counted(width: int) -> None:
    for height in (9, 30):
        text = "\n".join(drawn(BUSY, width, height=height))
        shown = [name for name in ("saved", "duplicate", "rejected", "failed", "dead") if f" {name}" in text]
        assert shown[0] == "saved"
        if len(shown) < 5:
            assert f"+{5 - len(shown)} more" in text, text


# --- which of them ---


def test_on_a_terminal_the_picture_is_live() -> None:
    out = console()
    with progress((SEED,), out, quiet=False) as show:
        show(Stats())
        show(BUSY)
    written = out.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[?25l" in written, "the cursor is hidden meanwhile"
    assert written.count("\x1b[?25h") == 1, "and shown again"
    assert "1,200" in written


def test_elsewhere_there_are_lines() -> None:
    out = console(terminal=False)
    with progress((SEED, SEED + "b"), out, quiet=False) as show:
        show(BUSY)
    assert out.export_text() == f"crawling {SEED} {SEED}b\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_is_quiet(*, terminal: bool) -> None:
    out = console(terminal=terminal)
    with progress((SEED,), out, quiet=True) as show:
        show(BUSY)
    assert out.export_text() == ""


# --- a window that changes its size ---


def rows_up(written: str) -> int:
    return written.count("\x1b[1A")


def test_a_picture_on_a_window_made_narrower_leaves_nothing_behind() -> None:
    """The terminal breaks each row that is too long by now: those are removed as well."""
    out = console(80)
    file: io.StringIO = out.file  # type: ignore[assignment]
    with live(out) as drawn_on:
        drawn_on.update(Text("x" * 70 + "\n" + "y" * 30), refresh=True)
        before = len(file.getvalue())
        drawn_on.update(Text("x" * 70 + "\n" + "y" * 30), refresh=True)
        assert rows_up(file.getvalue()[before:]) == 1
        before = len(file.getvalue())
        out.width = 25
        drawn_on.update(Text("z"), refresh=True)
        assert rows_up(file.getvalue()[before:]) == 1 + 2 + 1, "70 columns are three rows of 25, 30 are two"


def test_a_picture_that_had_no_room_leaves_nothing_behind_when_it_has_some_again() -> None:
    """Rows that scroll away are out of reach; a larger window brings them back."""
    out = console(80, 10)
    file: io.StringIO = out.file  # type: ignore[assignment]
    picture = Text("\n".join("x" * 70 for _ in range(8)))

    def drawn_at(width: int, height: int) -> str:
        out.width, out.height = width, height
        before = len(file.getvalue())
        drawn_on.update(picture, refresh=True)
        return file.getvalue()[before:]

    with live(out) as drawn_on:
        assert "\x1b[2J" not in drawn_at(80, 10) + drawn_at(80, 12) + drawn_at(75, 12), "all was within reach"
        assert "\x1b[2J" not in drawn_at(30, 10), "24 rows, of which some have scrolled away"
        assert "\x1b[2J" not in drawn_at(30, 10)
        assert drawn_at(80, 10).startswith("\x1b[H\x1b[2J")
        assert "\x1b[2J" not in drawn_at(90, 20), "once"


def test_a_picture_that_was_never_drawn_leaves_nothing_at_all() -> None:
    out = console(80)
    with live(out, transient=True):
        pass
    assert out.file.getvalue() == "\x1b[?25l\x1b[?25h"  # type: ignore[attr-defined]


def test_ctrl_c_amid_a_picture_waits_until_it_is_whole() -> None:
    """Of one with fewer rows than the one before it, a row was left behind."""

    class Interrupted:
        def __rich_console__(self, _console: object, _options: object) -> Iterator[str]:
            yield "a"
            signal.raise_signal(signal.SIGINT)
            yield "b"

    out = console(80)
    file: io.StringIO = out.file  # type: ignore[assignment]
    with live(out, transient=True) as drawn_on:
        drawn_on.update(Text("a\nb\nc"), refresh=True)
        before = len(file.getvalue())
        with pytest.raises(KeyboardInterrupt):
            drawn_on.update(Interrupted(), refresh=True)
        assert file.getvalue()[before:].endswith("a\nb")
        drawn_on.update("a\nb")
        assert rows_up(file.getvalue()[before:]) == 2


def test_each_row_has_room_for_the_echo_of_ctrl_c() -> None:
    """Echoed at the end of a full row, it made two of it."""
    out = console(80)
    with live(out) as drawn_on:
        drawn_on.update(Text("x" * 80), refresh=True)
    assert f"{'x' * 78}\nxx" in out.file.getvalue()  # type: ignore[attr-defined]


def test_blanks_at_the_end_of_a_row_are_not_drawn() -> None:
    out = console(80)
    with live(out) as drawn_on:
        drawn_on.update(Text("a" + " " * 40 + "\n" + "b"), refresh=True)
    assert "a \n" not in out.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("to_a_terminal", [True, False])
def test_the_picture_goes_where_the_summary_says_it_all_once_more(
    monkeypatch: pytest.MonkeyPatch, *, to_a_terminal: bool
) -> None:
    monkeypatch.setattr("crawler.cli.progress.is_terminal", lambda: to_a_terminal)
    out = console()
    with progress((SEED,), out, quiet=False) as show:
        show(BUSY)
    last = out.file.getvalue().rpartition("\x1b[?25h")[2]  # type: ignore[attr-defined]
    assert (rows_up(last) > 0) is to_a_terminal
