"""Machines of one crawl may have different versions of this program: PROTOCOL says which understand each other."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler import __version__, errors
from crawler.config import QueueConfig, ScopeConfig
from crawler.queues.rpc import calls, wire
from crawler.queues.rpc import client as client_module
from crawler.queues.rpc.manager import QueueManager
from crawler.queues.rpc.server import RpcServer
from tests.support.cpu_time import soon
from tests.support.peer import dial, say_hello
from tests.support.queues import AUTHKEY, connected, embedded, image, served

KNOWN = (13, "2c68a4c26425")  # PROTOCOL, and the digest of what it stands for

WHAT_TO_DO = """
The messages between workers and the manager have changed. Do those of before and after understand each other?
A field or an argument with a default, and a method that only newer ones call, are compatible. What is removed,
renamed or of another type is not, nor is another default (a value that is its default is not sent at all), nor a
new setting of a crawl: workers refuse those that they don't know.
If they do not, raise PROTOCOL in crawler/queues/rpc/calls.py first. In any case, in test_protocol_version.py:

KNOWN = ({protocol}, "{digest}")  # PROTOCOL, and the digest of what it stands for
"""


def messages() -> dict[str, Any]:
    """All that crosses the wire, as JSON schemas; in an order of its own where versions of msgspec differ."""
    methods = {
        f"{ident}.{name}": _bare(msgspec.json.schema_components([method.arguments, method.returns]))
        for ident, served in calls.SERVED.items()
        for name, method in served.items()
    }
    envelopes = {cls.__name__: list(cls.__struct_fields__) for cls in (calls.Call, calls.Reply, wire.Fault)}
    return methods | envelopes


def _bare(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: sorted(map(_bare, value), key=json.dumps) if key == "anyOf" else _bare(value)
            for key, value in sorted(schema.items())
            if key not in {"description", "title"}  # prose
        }
    if isinstance(schema, list | tuple):
        return [_bare(value) for value in schema]
    return schema.replace(__version__, "VERSION") if isinstance(schema, str) else schema  # the user agent's


def test_the_protocol_has_another_number_when_its_messages_change() -> None:
    digest = hashlib.sha256(json.dumps(messages(), sort_keys=True).encode()).hexdigest()[:12]
    assert (calls.PROTOCOL, digest) == KNOWN, WHAT_TO_DO.format(protocol=calls.PROTOCOL, digest=digest)


def test_the_digest_sees_what_matters() -> None:
    said = messages()
    assert said["get_task_queue.lease"][0] != said["get_task_queue.heartbeat"][0]
    text = json.dumps(said)
    for word in ("host_delay_s", "retry_in_s", "busy", "attempt", "wait_s", "sha256", "required", "default"):
        assert f'"{word}"' in text
    assert "fencing token" not in text, "prose may change"
    assert __version__ not in text, "a release by itself changes nothing"


# --- those that do not understand each other ---


@pytest.fixture(name="server")
def a_server(tmp_path: Path) -> Iterator[RpcServer]:
    with (
        embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()) as (_, queues),
        served(queues.tasks, queues.results) as server,
    ):
        yield server


def refusal(server: RpcServer) -> str:
    """What a client is told; at once, though it would try for a minute."""
    client = QueueManager(server.listener.address, AUTHKEY, reconnect_s=60.0)
    started = time.monotonic()
    with pytest.raises(errors.VersionMismatch) as caught:
        client.connect()
    assert soon(time.monotonic() - started, 1.0)
    assert not client.pool._open
    return str(caught.value)


@pytest.mark.parametrize("theirs", [calls.PROTOCOL - 1, calls.PROTOCOL + 1, 0, -1, 2**40])
def test_a_client_of_another_protocol_is_refused_at_once(
    server: RpcServer, monkeypatch: pytest.MonkeyPatch, theirs: int
) -> None:
    monkeypatch.setattr(client_module, "PROTOCOL", theirs)
    monkeypatch.setattr(client_module, "__version__", "9.8.7")
    told = refusal(server)
    assert f"manager is image-crawler {__version__} (protocol {calls.PROTOCOL})" in told
    assert f"9.8.7 (protocol {theirs})" in told
    assert "install the same version on both" in told


def test_the_manager_is_none_the_worse_for_it(server: RpcServer) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(client_module, "PROTOCOL", calls.PROTOCOL + 1)
        refusal(server)
    with connected(server) as manager:
        assert manager.get_task_queue().stats().workers == ()


def test_another_version_of_the_same_protocol_is_welcome(
    server: RpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "__version__", "9.8.7")
    with connected(server) as manager:
        assert manager.get_task_queue().put([image(1)]) == 1


@pytest.mark.parametrize(
    "version",
    ["1.0" * 10_000, "1.0\x1b[2J\x07", "1.0\n2026-01-01 all is well", "1.0\u202e\u200b", "\ud7ff" * 99],
    ids=["long", "terminal", "line", "invisible", "unassigned"],
)
def test_what_a_peer_calls_its_version_is_cut_and_printable(
    server: RpcServer, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(client_module, "PROTOCOL", calls.PROTOCOL + 1)
    monkeypatch.setattr(client_module, "__version__", version)
    told = refusal(server)
    assert told.isprintable()
    assert len(told) < 400


@pytest.mark.parametrize(
    "greeting",
    [[], ["MainThread"], [calls.PROTOCOL + 1], [calls.PROTOCOL + 1, "9.8.7", {"more": 1}], ["1", "9.8.7"]],
)
def test_a_greeting_of_another_shape_is_one_of_another_version(
    server: RpcServer, greeting: list[object]
) -> None:
    """It is the one message that all versions have to understand."""
    peer = dial(server.listener.address, authkey=AUTHKEY)
    error = say_hello(peer, *greeting)
    peer.close()
    assert isinstance(error, errors.VersionMismatch), error
    assert f"protocol {calls.PROTOCOL}" in str(error)
