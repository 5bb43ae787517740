"""What holds for every test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from hypothesis import settings

from crawler.config import ENVIRONMENT_PREFIX
from tests.pace import untraced
from tests.redisserver import Cluster, RedisServer, cluster, need_server

# two shared cores: how long one example takes says nothing
settings.register_profile("crawler", deadline=None, print_blob=True)
settings.load_profile("crawler")

# xdist's processes ignore it, as does what a shell starts in the background; all that tests start would as well
signal.signal(signal.SIGINT, signal.default_int_handler)


_SMOKE_EVERY = 10


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-engine",
        action="store_true",
        help="Hold Valkey to the whole contract of the queues. Without, it gets each tenth test of it: the scripts are"
        " those that Redis runs, which gets all.",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--every-engine"):
        return
    on_valkey = [item for item in items if _is_contract_on_valkey(item)]
    left = set(on_valkey) - set(on_valkey[::_SMOKE_EVERY])
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


def _is_contract_on_valkey(item: pytest.Item) -> bool:
    call = getattr(item, "callspec", None)
    return item.path.parent.name == "contract" and call is not None and "valkey" in call.params.values()


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
