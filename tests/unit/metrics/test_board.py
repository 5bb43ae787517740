"""Whether a process lives, and whether it is ready; what is known at a moment."""

from __future__ import annotations

import pytest

from crawler.metrics.board import HANGS_S, SILENT_S, Board
from crawler.metrics.figures import WorkerFigures
from crawler.models import Counts, Stats, TaskKind
from tests.support.clocks import Clock


@pytest.fixture(name="clock")
def a_clock() -> Clock:
    return Clock()


def of_crawl(clock: Clock) -> Board:
    board = Board(watches=True, clock=clock)
    board.turned()
    board.note(Stats())
    return board


def of_workers(clock: Clock, *, count: int = 1, silent_s: float = 0.0, storage_away: int = 0) -> Board:
    board = Board(watches=False, clock=clock)
    board.turned()
    figures = WorkerFigures(silent_s=silent_s, storage_away=storage_away)
    board.note_workers({TaskKind.IMAGE: figures}, {TaskKind.IMAGE: count}, deaths=0)
    return board


def test_a_process_that_starts_lives_and_is_not_ready(clock: Clock) -> None:
    board = Board(watches=True, clock=clock)
    clock.now += 3600
    assert board.hangs() == ""
    assert board.not_ready() == "it is starting"


def test_a_loop_that_turns_no_more_is_told(clock: Clock) -> None:
    board = of_crawl(clock)
    assert (board.hangs(), board.not_ready()) == ("", "")
    clock.now += HANGS_S + 1
    assert board.hangs() == board.not_ready() == "its loop has not turned for 61 s"
    board.turned()
    assert board.hangs() == ""


def test_who_drains_lives_and_takes_no_more(clock: Clock) -> None:
    board = of_crawl(clock)
    board.drain()
    clock.now += 10 * HANGS_S
    assert (board.hangs(), board.not_ready()) == ("", "it is draining")


def test_a_queue_that_is_silent_makes_it_not_ready(clock: Clock) -> None:
    board = of_crawl(clock)
    clock.now += SILENT_S + 1
    board.turned()
    assert (board.hangs(), board.not_ready()) == ("", "the queue does not answer")
    board.note(Stats())
    assert board.not_ready() == ""


def test_a_halted_crawl_is_not_ready_and_its_reason_is_not_told(clock: Clock) -> None:
    board = of_crawl(clock)
    board.note(Stats(halted="the disk /home/alice/secret is full"))
    assert board.not_ready() == "the crawl is halted"


def test_workers_are_ready_while_the_queue_and_the_storage_answer(clock: Clock) -> None:
    assert of_workers(clock).not_ready() == ""
    assert of_workers(clock, count=0).not_ready() == "no worker runs"
    assert of_workers(clock, storage_away=1).not_ready() == "the storage does not answer"
    silent = of_workers(clock, silent_s=SILENT_S + 1)
    assert silent.not_ready() == "", "it has just been started"
    clock.now += 61
    silent.turned()
    assert silent.not_ready() == "the queue does not answer its workers"


def test_the_age_of_what_is_known_is_told(clock: Clock) -> None:
    board = of_crawl(clock)
    clock.now += 7
    board.note(Stats(images=Counts(done=1)))
    clock.now += 2
    board.note(Stats(images=Counts(done=1)))
    clock.now += 3
    seen = board.snapshot()
    assert (seen.stats_age_s, seen.settled_age_s) == (3.0, 5.0)
    board.note(Stats(images=Counts(ready=1)))
    assert board.snapshot().settled_age_s == 0.0, "it was tried again"
