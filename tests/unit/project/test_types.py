"""mypy sees what is wrong between the processes, their handlers and the record under way."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crawler.models import RECORDS, Task, TaskKind
from crawler.task_handler import PartialRecord, Visit

ROOT = Path(__file__).parents[3]

MUTATIONS = [
    # (module, what stands there once, what a slip makes of it, what mypy has to name)
    ("run/worker_main.py", "worker_id=worker_id,", "wroker_id=worker_id,", '"wroker_id"'),
    ("run/worker_main.py", "put_early=worker.tasks.put", "put_erly=worker.tasks.put", '"put_erly"'),
    ("run/worker_main.py", "tdmrep_files=worker.tdmrep_files", "reservations=worker.tdmrep_files", '"reservations"'),
    ("run/worker_main.py", "queue=worker.tasks, stop", "queu=worker.tasks, stop", '"queu"'),
    ("run/worker_main.py", "lease_batch=_lease_batch(", "lease_bach=_lease_batch(", '"lease_bach"'),
    ("run/worker_main.py", "budget=budget,", "budgte=budget,", '"budgte"'),
    ("run/worker_main.py", "inbox=worker.client.get_inbox", "inbox=worker.client.get_task_queue", '"inbox"'),
    ("run/worker_pool.py", "kind, worker_id, forks", "worker_id, kind, forks", '"Child"'),
    ("run/remote_crawl.py", "plan_id=self.plan.id,", "plan=self.plan.id,", '"plan"'),
    ("render/handler.py", "templates=queue,", "template=queue,", '"template"'),
    ("harvest/handler.py", '"render": rendering,', '"rendering": rendering,', '"rendering"'),
    ("download/handler.py", '"sha256": sha256,', '"sha": sha256,', '"sha"'),
    ("download/handler.py", 'visit.record["kept_by"]', 'visit.record["keptby"]', '"keptby"'),
    ("render/handler.py", '"gains": gains,', '"gain": gains,', '"gain"'),
    ("task_handler.py", 'detail=record["detail"]', 'detail=record["details"]', '"details"'),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mypy_reports_each_slip_in_the_wiring(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "crawler", tmp_path / "crawler", ignore=shutil.ignore_patterns("__pycache__", "data")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, right, wrong, _ in MUTATIONS:
        path = tmp_path / "crawler" / module
        text = path.read_text(encoding="utf-8")
        assert text.count(right) == 1, f"{module} has {right} {text.count(right)} times"
        path.write_text(text.replace(right, wrong), encoding="utf-8")
    mypy = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-error-summary",
            "--cache-dir",
            str(tmp_path / "cache"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [re.split(r":\d+: error: ", line) for line in mypy.stdout.splitlines() if ": error: " in line]
    missed = [
        f"{module}: {wrong}"
        for module, _, wrong, named in MUTATIONS
        if not any(Path(file) == Path("crawler", module) and named in text for file, text in errors)
    ]
    assert not missed, mypy.stdout + mypy.stderr
    assert {Path(file) for file, _ in errors} == {Path("crawler", module) for module, *_ in MUTATIONS}


def test_the_record_under_way_has_fields_of_records_and_no_others() -> None:
    of_records = {name for kind in RECORDS.values() for name in kind.__struct_fields__}
    assert PartialRecord.__annotations__.keys() <= of_records
    always = Visit(Task(id=1, serial=1, kind=TaskKind.PAGE, url="http://a/", depth=0, attempt=1)).record
    assert all(always.keys() <= set(kind.__struct_fields__) for kind in RECORDS.values())
