"""In what state a crawl is, and what monitoring is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crawler.cli import main
from crawler.models import Counts, HostStatus, ImageStatus, Stats, Status, TaskKind, WorkerStatus
from crawler.monitoring.condition import State, condition
from tests.support.crawls import garden

DOWNLOADER = WorkerStatus(id="w", kind=TaskKind.IMAGE)
HARVESTER = WorkerStatus(id="h", kind=TaskKind.PAGE)
WORKERS = {"workers": (DOWNLOADER, HARVESTER), "worker_count": 2}
TO_DO = {"images": Counts(ready=5, done=1)}
DONE = {"images": Counts(done=2), "image_status": {ImageStatus.SAVED: 2}, "drained": True}
SICK = HostStatus(
    name="http://a.example", images=5, trouble="backing off", last_reason="server-error", due_s=9
)
WELL = HostStatus(name="http://b.example", images=5)


@pytest.mark.parametrize(
    ("stats", "runs", "state"),
    [
        (Status(**TO_DO, **WORKERS, up_s=1000, images_per_s=2), True, State.RUNNING),
        (Status(**TO_DO, up_s=1), True, State.RUNNING),
        (Status(**TO_DO, up_s=100), True, State.UNATTENDED),
        (Status(**TO_DO, **WORKERS, up_s=1000), True, State.STUCK),
        (Status(images=Counts(ready=5, leased=1), **WORKERS, up_s=1000), True, State.RUNNING),
        (Status(**TO_DO, **WORKERS, up_s=1000, waiting=(SICK,)), True, State.WAITING),
        (Status(**TO_DO, **WORKERS, up_s=1000, waiting=(SICK, WELL), images_per_s=1), True, State.RUNNING),
        (Status(**TO_DO, paused=True), True, State.PAUSED),
        (Status(**TO_DO, halted="no room", stopped=False), True, State.HALTED),
        (Status(**TO_DO, halted="stopped by me", stopped=True), True, State.STOPPING),
        (Stats(**DONE), True, State.FINISHED),
        (Stats(**DONE), False, State.FINISHED),
        (Stats(**{**DONE, "image_status": {ImageStatus.SAVED: 1}}), False, State.UNBALANCED),
        (Stats(**TO_DO), False, State.INTERRUPTED),
        (Stats(**TO_DO, halted="stopped by me", stopped=True), False, State.INTERRUPTED),
    ],
)  # fmt: skip
def test_each_state(stats: Stats, runs: bool, state: State) -> None:  # noqa: FBT001
    now = condition(stats, runs=runs)
    assert now.state is state
    assert now.is_well == (state in {State.RUNNING, State.FINISHED, State.STOPPING})
    assert now.why or state in {State.RUNNING, State.FINISHED, State.UNBALANCED}


def test_a_finished_crawl_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = garden(tmp_path)
    assert main(["status", str(folder), "--check"]) == 0
    assert capsys.readouterr().out.startswith("finished: ")
    assert main(["status", str(folder), "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "finished"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["127.0.0.1:1", "--authkey-file", "KEY", "--check"], 3, "unknown: "),
        (["127.0.0.1:1", "--authkey-file", "KEY"], 1, ""),
        (["none", "--check"], 2, ""),
        ([".", "--check", "--watch"], 2, ""),
    ],
)
def test_what_can_not_be_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr("crawler.cli.connect.ASKED_ONCE_S", 0.1)
    key = tmp_path / "key"
    key.write_text("0123456789abcdef" * 4)
    key.chmod(0o600)
    assert main(["status", *(word.replace("KEY", str(key)) for word in arguments)]) == code
    assert capsys.readouterr().out.startswith(said)
