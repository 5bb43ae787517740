"""Which tests are run, by what they cost and what they need.

``pytest`` alone runs those that are fast and need nothing but Python. What has a mark of REST is run by ``--all``, by
``-m``, or by naming its file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

REST = ("slow", "servers", "browser", "e2e")
FAST = "fast"
"""The mark of what has none of these."""
FAST_S, TRACED = 3.0, 5
"""The most that it may take of the processor; so many times that under coverage."""
LONG = (
    "e2e/test_browser.py",
    "e2e/test_redis.py",
    "e2e/test_machines.py",
    "unit/project/test_quadratic.py",
    "e2e/test_hostile_scripts.py",
    "unit/gallery/test_page.py",
    "unit/queues/test_ledger_machine.py",
    "unit/project/test_memory.py",
    "unit/harvest/test_endless_kinds.py",
    "unit/crawlfile/test_absurd_rows.py",
    "unit/gallery/test_build.py",
    "unit/gallery/test_accessible_page.py",
    "unit/project/test_types.py",
)
"""A process has a file to itself: those that take the longest come first, or the others wait for them at the end. Those
of e2e come before those of unit in any case.
"""
TESTS = Path(__file__).parents[1]
E2E, CONTRACT = TESTS / "e2e", TESTS / "contract"
_SERVERS = {"redis", "valkey", "cluster", "s3", "gs", "az"}
"""What tests of contracts, and of whole crawls, call the engines and storages that are servers."""
_OF_SERVERS = {
    "redis_server",
    "valkey_server",
    "redis_cluster",
    "fresh_redis",
    "fresh_valkey",
    "fresh_cluster",
}
_running: set[str] | None = None
"""The marks of the test that is run; None where none is, as in a benchmark."""


def mark(item: pytest.Item) -> None:
    """Give *item* the marks that its folder and its fixtures imply, or FAST."""
    if item.path.is_relative_to(E2E):
        item.add_marker("e2e")
    if _OF_SERVERS & set(getattr(item, "fixturenames", ())) or (
        item.path.parent in {CONTRACT, E2E} and _SERVERS & set(parameters(item))
    ):
        item.add_marker("servers")
    if getattr(item, "originalname", "") == "runTest":  # a state machine
        item.add_marker("slow")
    if not any(item.get_closest_marker(name) for name in (*REST, "soak")):
        item.add_marker(FAST)


def parameters(item: pytest.Item) -> list[str]:
    """What the test is run with, as its name has it."""
    call = getattr(item, "callspec", None)
    return [] if call is None else str(call.id).split("-")


def is_wanted(item: pytest.Item, config: pytest.Config) -> bool:
    """Whether it is run, as far as ``-m`` does not decide."""
    expression = config.option.markexpr
    if item.get_closest_marker("soak"):
        return "soak" in expression
    return wants_rest(config) or item.get_closest_marker(FAST) is not None


def turn(path: Path) -> int:
    """Where a file comes among the others."""
    name = path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""
    return LONG.index(name) if name in LONG else len(LONG)


def is_untraced(item: pytest.Item) -> bool:
    """Whether coverage does not see it: a slow one goes the ways of fast ones many times, twice as fast untraced."""
    has = item.get_closest_marker
    return has("untraced") is not None or (has("slow") is not None and has("measured") is None)


def wants_rest(config: pytest.Config) -> bool:
    """Whether all marks are run: said by an option, or because a file, or the folder of e2e, is named."""
    if config.option.all or config.option.thorough or config.option.markexpr:
        return True
    named = [Path(config.invocation_params.dir, arg.partition("::")[0]) for arg in config.args]
    return bool(named) and all(path.is_file() or path.is_relative_to(E2E) for path in named)


def begin(item: pytest.Item | None) -> None:
    """From now on *item* is run."""
    global _running  # noqa: PLW0603 - one test at a time in a process
    _running = None if item is None else {mark.name for mark in item.iter_markers()}


def need(name: str) -> None:
    """What the test that is run does only tests marked *name* may do: it fails if it is not."""
    if _running is not None and name not in _running:
        pytest.fail(f"this test needs the mark: @pytest.mark.{name}")
