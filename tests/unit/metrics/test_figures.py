"""What a worker has counted, and the sum over workers, those that were killed included."""

from __future__ import annotations

import msgspec
import pytest

from crawler.metrics.figures import BOUNDS_S, Histogram, Stage, WorkerFigures, ended, together
from crawler.metrics.meter import Meter, Teller
from crawler.models import (
    ImageRecord,
    ImageStatus,
    Result,
    Revisit,
    TaskKind,
    Token,
    WorkerState,
)

STATE = WorkerState(id="w1", kind=TaskKind.IMAGE, threads=4, running=2, short_of_memory=1)


def result(status: ImageStatus = ImageStatus.SAVED, **fields: object) -> Result:
    of_result = {name: fields.pop(name) for name in ("retry_in_s", "untouched") if name in fields}
    record = ImageRecord(url="http://a.example/1.png", status=status, size_bytes=10, **fields)  # type: ignore[arg-type]
    return Result(token=Token(id=1, serial=1), record=record, **of_result)  # type: ignore[arg-type]


@pytest.mark.parametrize("stage", Stage)
def test_bounds_rise_and_a_bound_belongs_to_its_bucket(stage: Stage) -> None:
    bounds = BOUNDS_S[stage]
    assert list(bounds) == sorted(set(bounds))
    meter = Meter(max_attempts=3)
    for bound in bounds:
        meter.took(stage, bound)
    meter.took(stage, bounds[-1] * 2)
    histogram = meter.figures(STATE, silent_s=0.0).stages[stage]
    assert histogram.counts == (1,) * (len(bounds) + 1), "what took as long as the bound says is within it"
    assert histogram.sum_s == pytest.approx(sum(bounds) + 2 * bounds[-1])


def test_results_are_counted_by_what_became_of_them() -> None:
    meter = Meter(max_attempts=3)
    meter.settled(
        [
            result(),
            result(ImageStatus.DUPLICATE),
            result(ImageStatus.FAILED, reason="server-error", retry_in_s=8.0, attempts=1),
            result(ImageStatus.FAILED, reason="server-error", retry_in_s=8.0, attempts=3),
            result(revisit=Revisit.UNCHANGED),
            result(untouched=True),
        ]
    )
    figures = meter.figures(STATE, silent_s=1.5)
    assert figures.results == {"saved": 2, "duplicate": 1, "retried": 1, "failed": 1}
    assert figures.reasons == {"server-error": 2}
    assert (figures.received_bytes, figures.saved_bytes) == (40, 10)
    assert (figures.running, figures.threads, figures.memory_waits, figures.silent_s) == (2, 4, 1, 1.5)


def test_a_storage_is_away_until_something_is_stored() -> None:
    meter = Meter(max_attempts=3)
    meter.storage_away()
    assert meter.figures(STATE, silent_s=0.0).storage_away == 1
    meter.took(Stage.STORE, 0.1)
    assert meter.figures(STATE, silent_s=0.0).storage_away == 0


def test_what_a_worker_has_done_outlives_it() -> None:
    one = WorkerFigures(
        stages={Stage.STORE: Histogram(counts=(1, 2, 0), sum_s=0.5)},
        results={"saved": 3},
        received_bytes=5,
        running=4,
        threads=4,
        silent_s=70.0,
        storage_away=1,
    )
    other = WorkerFigures(
        stages={Stage.STORE: Histogram(counts=(0, 1, 1), sum_s=2.0)},
        results={"saved": 1, "failed": 2},
        received_bytes=1,
        running=1,
        threads=8,
        silent_s=2.0,
    )
    both = together([ended(one), other])
    assert both.stages[Stage.STORE] == Histogram(counts=(1, 3, 1), sum_s=2.5)
    assert both.results == {"saved": 4, "failed": 2}
    assert (both.received_bytes, both.running, both.threads, both.silent_s) == (6, 1, 8, 2.0)
    assert both.storage_away == 0
    assert together([]) == WorkerFigures()


def test_figures_travel() -> None:
    meter = Meter(max_attempts=3)
    meter.took(Stage.VERIFY, 0.01)
    meter.settled([result()])
    figures = meter.figures(STATE, silent_s=0.0)
    assert msgspec.json.decode(msgspec.json.encode(figures), type=WorkerFigures) == figures


def test_the_last_figures_are_told_at_the_end() -> None:
    told: list[int] = []
    teller = Teller(lambda: told.append(1))
    teller.close()
    assert told == [1]
