"""What a fork server loads: that it is there, that it is what the processes import, and that it starts no thread."""

from __future__ import annotations

import ast
import importlib
import os
import time
from pathlib import Path

import pytest

from crawler.config import ENVIRONMENT_PREFIX, load
from crawler.forkserver.client import OWN_VARIABLES, ForkServer
from crawler.models import TaskKind
from crawler.run import manager_main, preload, worker_main
from crawler.run.preload import COLLECTOR, DECODERS, MANAGER, READERS, WORKERS

PATIENCE_S = 30.0
RARE = {
    "crawler.run.rerun",
    "crawler.lists.tasks",
    "crawler.render",
    "crawler.storage",
    "crawler.tracing.spans",
}
"""What few crawls need, and packages whose modules are meant."""


def test_settings_of_the_environment_are_not_passed_on() -> None:
    assert OWN_VARIABLES == ENVIRONMENT_PREFIX


@pytest.mark.parametrize(
    "stage", [MANAGER, COLLECTOR, WORKERS, READERS, DECODERS], ids=lambda stage: stage.key
)
def test_all_of_it_is_there(stage: preload.Stage) -> None:
    for name in (stage.key, *stage.modules):
        importlib.import_module(name)


@pytest.mark.parametrize(("module", "stage"), [(manager_main, MANAGER), (worker_main, WORKERS)])
def test_what_a_process_imports_when_it_starts_to_work_is_loaded_before(
    module: object, stage: preload.Stage
) -> None:
    tree = ast.parse(Path(str(getattr(module, "__file__"))).read_text(encoding="utf-8"))  # noqa: B009
    late = {
        node.module
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("crawler")
    }
    loaded = {stage.key, *stage.modules}
    for name in (stage.key, *stage.modules):
        loaded |= direct(name)
    assert late - loaded <= RARE


def direct(name: str) -> set[str]:
    """What a module imports itself."""
    tree = ast.parse(Path(str(importlib.import_module(name).__file__)).read_text(encoding="utf-8"))
    return {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system has no pidfds")
@pytest.mark.parametrize("queue", ["", "redis://127.0.0.1:1/0"])
def test_a_crawls_fork_server_has_one_thread_and_no_file_open(queue: str) -> None:
    """A fork in the midst of another thread's work may hang."""
    server = preload.for_crawl(load(flags={"queue": queue} if queue else {}))
    assert server is not None
    try:
        loaded(server)
        assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 1
        files = [path.readlink() for path in Path(f"/proc/{server.pid}/fd").iterdir() if int(path.name) > 2]
        assert [str(file).partition(":")[0] for file in files] == ["socket"]
    finally:
        server.close()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system has no pidfds")
@pytest.mark.parametrize("kind", list(TaskKind))
def test_there_is_one_for_each_kind_of_workers(kind: TaskKind) -> None:
    server = preload.for_workers(kind)
    assert server is not None
    try:
        loaded(server)
        assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 1
    finally:
        server.close()


def loaded(server: ForkServer) -> None:
    """Wait until it has loaded all: it sleeps then."""
    end = time.monotonic() + PATIENCE_S
    idle = 0
    while idle < 5:
        assert time.monotonic() < end
        state = Path(f"/proc/{server.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        name = Path(f"/proc/{server.pid}/comm").read_text(encoding="ascii")
        idle = idle + 1 if state == "S" and name == "fork-server\n" else 0
        time.sleep(0.02)
