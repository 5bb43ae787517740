"""What holds for every test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from hypothesis import settings

from crawler.config import ENVIRONMENT_PREFIX
from tests.support.cpu_time import untraced
from tests.support.redisserver import Cluster, RedisServer, cluster, need_server

# two shared cores: how long one example takes says nothing
settings.register_profile("crawler", deadline=None, print_blob=True)
settings.load_profile("crawler")

# xdist's processes ignore it, as does what a shell starts in the background; all that tests start would as well
signal.signal(signal.SIGINT, signal.default_int_handler)


_OF_VALKEY = 10
"""Of the queues' contract on Valkey one test in so many is run: the scripts are those of Redis, which gets them all."""

_OF_REDIS, _ON_REDIS = 3, ("test_redis.py", "test_reruns.py")
"""The same of whole crawls that are run with either engine, but for these files: they are about what differs."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough",
        action="store_true",
        help="Run every test of the matrices that are sampled otherwise: the contract of the queues on Valkey,"
        " whole crawls on Redis, all commands at all widths of a terminal, in all encodings.",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a matrix whose tests differ in little, run some; which are the same each time."""
    if config.getoption("--thorough"):
        return
    matrices: dict[str, list[pytest.Item]] = {}
    for item in items:
        if (matrix := _matrix(item)) is not None:
            matrices.setdefault(matrix[0], []).append(item)
    left = {item for each in matrices.values() for item in set(each) - set(each[:: _matrix(each[0])[1]])}  # type: ignore[index]
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


def _matrix(item: pytest.Item) -> tuple[str, int] | None:
    """The matrix that it is one of, and of how many of these one is run; None if it is run in any case."""
    if (mark := item.get_closest_marker("sampled")) is not None:
        return item.nodeid.partition("[")[0], int(mark.args[0])
    call = getattr(item, "callspec", None)
    engines = {"valkey", "redis"} & set(map(str, call.params.values())) if call is not None else set()
    if "valkey" in engines and item.path.parent.name == "contract":
        return "valkey", _OF_VALKEY
    if "redis" in engines and item.path.parent.name == "e2e" and item.path.name not in _ON_REDIS:
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
    with untraced() if request.node.get_closest_marker("untraced") else nullcontext():
        yield


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
