"""The series: their names, their labels, what is in them and what is not; both texts, read by others."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from crawler.errors import LEFT_OUT, REASONS
from crawler.metrics.exposition import exposition
from crawler.metrics.figures import BOUNDS_S, Histogram, Snapshot, Stage, WorkerFigures
from crawler.metrics.series import PREFIX, Told, series
from crawler.models import Counts, HostStatus, Retry, Stats, TaskKind, WorkerStatus
from crawler.monitoring.condition import State
from crawler.opt_outs.purposes import SIGNALS
from crawler.queues.policy import Trouble

SECRET = "bunny"
ALL = series(version="1.2.3", protocol=7, schema=9)
URL = f"http://{SECRET}:{SECRET}@{SECRET}.example/{SECRET}"
STATS = Stats(
    images=Counts(ready=5, leased=2, done=7, dead=1),
    image_status={"saved": 6, "failed": 1},
    image_reasons={"server-error": 1, "robots-disallowed": 2, SECRET: 3},
    page_status={"harvested": 4},
    dropped={"noai": 4, "max-depth": 2, SECRET: 9},
    saved_bytes=1234,
    workers=(WorkerStatus(id=SECRET, kind=TaskKind.IMAGE, machine=SECRET, running=2, busy=(URL,)),),
    worker_count=1,
    paused=True,
    paused_by=SECRET,
    up_s=5.0,
    waiting=(HostStatus(name=URL, trouble="down"),),
    retries=(Retry(host=URL, kind=TaskKind.IMAGE),),
    due={"image": 3, SECRET: 1},
    troubled={"down": 2, SECRET: 1},
    leases_lost=4,
)
FIGURES = WorkerFigures(
    stages={stage: Histogram(counts=(1,) * (len(BOUNDS_S[stage]) + 1), sum_s=3.0) for stage in Stage},
    results={"saved": 6, "retried": 2, SECRET: 1},
    reasons={"server-error": 3, SECRET: 1},
    received_bytes=99,
    running=2,
    threads=4,
    silent_s=0.5,
)
SEEN = Snapshot(
    stats=STATS,
    stats_age_s=2.0,
    settled_age_s=8.0,
    workers={TaskKind.IMAGE: FIGURES},
    processes={TaskKind.IMAGE: 2},
    deaths=1,
    ready=True,
)
OPEN = "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"


def samples(text: str, parse: Any) -> dict[tuple[str, ...], float]:
    """By name without its prefix and the values of the labels, in the order of their names."""
    return {
        (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def test_names_and_labels_are_of_the_usual_form() -> None:
    names = [one.full_name for one in ALL]
    assert len(set(names)) == len(names) == 35
    for one in ALL:
        assert re.fullmatch(r"image_crawler(_[a-z]+)+", one.full_name)
        assert one.means.endswith(".") or one.means.startswith("1; ")
        assert bool(one.bounds) == (one.kind == "histogram")
        assert set(one.labels) <= {
            "kind", "state", "status", "reason", "signal", "trouble", "version", "protocol", "schema", "python",
        }  # fmt: skip


@pytest.mark.parametrize(("accept", "parse"), [("text/plain", prometheus), (OPEN, openmetrics)])
def test_both_texts_say_the_same(accept: str, parse: Any) -> None:
    body, media_type = exposition(ALL, SEEN, accept)
    assert media_type.startswith("application/openmetrics-text" if accept is OPEN else "text/plain")
    found = samples(body.decode(), parse)
    expected = {
        ("tasks", "image", "ready"): 5,
        ("tasks", "page", "ready"): 0,
        ("tasks_due", "image"): 3,
        ("work", "image"): 3 + 2,
        ("records", "image", "saved"): 6,
        ("not_had", "image", "server-error"): 1,
        ("left_out", "max-depth"): 2,
        ("owner_refusals", "noai"): 4,
        ("owner_refusals", "robots-disallowed"): 2,
        ("saved_bytes",): 1234,
        ("leases_lost_total",): 4,
        ("workers", "image"): 1,
        ("hosts_troubled", "down"): 2,
        ("hosts_troubled", "backing-off"): 0,
        ("state", "paused"): 1,
        ("state", "running"): 0,
        ("unsettled_seconds",): 8,
        ("figures_age_seconds",): 2,
        ("results_total", "image", "saved"): 6,
        ("results_total", "image", "retried"): 2,
        ("failures_total", "image", "server-error"): 3,
        ("fetch_seconds_count", "image"): 15,
        ("fetch_seconds_bucket", "image", "0.005"): 1,
        ("fetch_seconds_bucket", "image", "+Inf"): 15,
        ("verify_seconds_sum",): 3.0,
        ("processes", "image"): 2,
        ("process_deaths_total",): 1,
        ("ready",): 1,
        ("build_info", "7", platform.python_version(), "9", "1.2.3"): 1,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_nothing_of_what_machines_and_hosts_say_is_in_it() -> None:
    """The endpoint asks nobody who he is: URLs, names, paths and words of others stay out."""
    for accept in ("", OPEN):
        assert SECRET not in exposition(ALL, SEEN, accept)[0].decode()


def test_values_of_labels_are_closed_lists() -> None:
    closed = {
        *TaskKind, *REASONS, *LEFT_OUT, *SIGNALS, *State, "saved", "duplicate", "rejected", "failed", "dead",
        "harvested", "rendered", "retried", "ready", "delayed", "leased", "done", "ripe",
        *(trouble.replace(" ", "-") for trouble in Trouble),
    }  # fmt: skip
    for family in prometheus(exposition(ALL, SEEN, "")[0].decode()):
        if family.name != f"{PREFIX}build_info":
            values = {
                value for sample in family.samples for name, value in sample.labels.items() if name != "le"
            }
            assert values <= closed, family.name


def test_every_trouble_has_its_series() -> None:
    found = samples(exposition(ALL, SEEN, "")[0].decode(), prometheus)
    assert {key[1] for key in found if key[0] == "hosts_troubled"} == {
        trouble.replace(" ", "-") for trouble in Trouble
    }


def test_a_process_without_a_queue_tells_nothing_of_one() -> None:
    alone = Snapshot(workers={}, processes={})
    mine = [one for one in ALL if one.told is not Told.QUEUE]
    for accept in ("", OPEN):
        text = exposition(mine, alone, accept)[0].decode()
        assert "image_crawler_build_info" in text
        assert "image_crawler_tasks" not in text
    assert exposition(ALL, alone, "")[0], "nothing was noted so far"


def test_promtool_finds_no_fault() -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed: apt install prometheus")
    text = exposition(ALL, SEEN, "")[0]
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
