"""What holds for every test."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import settings

from crawler.config import ENVIRONMENT_PREFIX
from tests.support import marks, measured
from tests.support.cpu_time import allowed_s, spent, untraced
from tests.support.redisserver import Cluster, RedisServer, cluster, need_server

# two shared cores: how long one example takes says nothing
settings.register_profile("thorough", deadline=None, print_blob=True)
settings.register_profile("crawler", settings.get_profile("thorough"), max_examples=30)
settings.register_profile("quick", settings.get_profile("crawler"), max_examples=20)

# xdist's processes ignore it, as does what a shell starts in the background; all that tests start would as well
signal.signal(signal.SIGINT, signal.default_int_handler)


_OF_CONTRACT = {"valkey": 30, "cluster": 8}
"""Of the queues' contract one test in so many is run there: the scripts are those of Redis, which gets them all."""

_OF_REDIS, _ON_REDIS = 8, "test_redis.py"
"""The same of whole crawls that are run with either engine, but for this file: it is about what differs."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="Run the tests of all marks but soak.")
    parser.addoption(
        "--thorough",
        action="store_true",
        help="Like --all, with every test of the matrices that are sampled otherwise: the contract of the queues on"
        " Valkey, whole crawls on Redis, all commands at all widths of a terminal, in all encodings; and with all"
        " examples of each property.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Who runs the fast tests alone is waiting; .ci/run names the profile of more examples for them as well."""
    if not config.getoption("--hypothesis-profile"):
        usual = "crawler" if marks.wants_rest(config) else "quick"
        settings.load_profile("thorough" if config.option.thorough else usual)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One for each core and one or two more, as much of the time is waiting; none where a file is named."""
    chooses = config.option.markexpr or config.option.all or config.option.thorough
    if not marks.wants_rest(config):
        return cores() + 1
    return cores() + 2 if chooses else 0


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Nothing there is fast."""
    return True if collection_path == marks.E2E and not marks.wants_rest(config) else None


@pytest.hookimpl(tryfirst=True)  # before -m is looked at
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        marks.mark(item)
    left = {item for item in items if not marks.is_wanted(item, config)}
    if not config.option.thorough:
        left |= sampled_out(items)
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]
    items.sort(key=lambda item: marks.turn(item.path))


def pytest_runtest_protocol(item: pytest.Item) -> None:
    marks.begin(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A fast test is not slow."""
    with spent() as cpu:
        yield
    if item.get_closest_marker(marks.FAST) is not None and cpu.s > marks.FAST_S:
        most_s = allowed_s(marks.FAST_S) * (1 if sys.gettrace() is None else marks.TRACED)
        assert cpu.s < most_s, f"it took {cpu.s:.1f} s of the processor: @pytest.mark.slow"


def sampled_out(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """Of a matrix whose tests differ in little, all but some; which are the same each time."""
    matrices: dict[str, list[pytest.Item]] = {}
    for item in items:
        if (matrix := _matrix(item)) is not None:
            matrices.setdefault(matrix[0], []).append(item)
    return {item for each in matrices.values() for item in set(each) - set(each[:: _matrix(each[0])[1]])}  # type: ignore[index]


def _matrix(item: pytest.Item) -> tuple[str, int] | None:
    """The matrix that it is one of, and of how many of these one is run; None if it is run in any case."""
    if (mark := item.get_closest_marker("sampled")) is not None:
        return item.nodeid.partition("[")[0], int(mark.args[0])
    engines = marks.parameters(item)
    if item.path.parent == marks.CONTRACT:
        return next(((name, many) for name, many in _OF_CONTRACT.items() if name in engines), None)
    if item.path.parent == marks.E2E and "redis" in engines and item.path.name != _ON_REDIS:
        return "redis", _OF_REDIS
    return None


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have settings, or a proxy, of their own."""
    for name in list(os.environ):
        if name.startswith(ENVIRONMENT_PREFIX) or name.lower() in {"http_proxy", "https_proxy", "all_proxy"}:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _untraced(request: pytest.FixtureRequest) -> Iterator[None]:
    with untraced() if marks.is_untraced(request.node) else nullcontext():
        yield


@pytest.fixture(autouse=True)
def _measured(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if request.node.get_closest_marker("measured"):
        for name, value in measured.environment(tmp_path_factory.mktemp("coverage")).items():
            monkeypatch.setenv(name, value)


# --- one server of each kind a session, and the same ones mended and emptied for each test ---


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), need_server("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("valkey"), need_server("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), need_server("redis")) as made:
        yield made


@pytest.fixture
def fresh_redis(redis_server: RedisServer) -> RedisServer:
    redis_server.repair()
    return redis_server


@pytest.fixture
def fresh_valkey(valkey_server: RedisServer) -> RedisServer:
    valkey_server.repair()
    return valkey_server


@pytest.fixture
def fresh_cluster(redis_cluster: Cluster) -> Cluster:
    redis_cluster.repair()
    return redis_cluster
