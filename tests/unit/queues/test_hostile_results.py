"""Whoever has the key may send anything: its own records suffer, and the crawl comes to its end, with every engine."""

from __future__ import annotations

import itertools
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crawler.catalog import Catalog
from crawler.catalog.summary import summarise
from crawler.config import QueueConfig, ScopeConfig
from crawler.models import (
    ImageRecord,
    ImageStatus,
    PageRecord,
    RenderRecord,
    Result,
    Stats,
    Status,
    Task,
    TaskKind,
)
from crawler.queues import validation
from tests.support.peer import Peer
from tests.support.queues import (
    AUTHKEY,
    HARVESTER,
    RENDERER,
    Queues,
    embedded,
    image,
    images,
    in_redis,
    page,
    saved,
    served,
    take,
)
from tests.support.redisserver import RedisServer

MAX_ATTEMPTS = 3
QUEUE = QueueConfig(per_host=50, max_attempts=MAX_ATTEMPTS)
ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=True, allow_infinity=True),
        st.text(max_size=30),
        st.binary(max_size=30),
        st.sampled_from([2**62, -1, "", "../../etc/passwd", "images/.htaccess", "saved", "x" * 300_000, "\x1b[2J"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
RECORD_FIELDS = sorted(
    {*ImageRecord.__struct_fields__, *PageRecord.__struct_fields__, *RenderRecord.__struct_fields__, "kind"}
)
RESULT_FIELDS = sorted(set(Result.__struct_fields__) - {"token", "record"})
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "record": st.dictionaries(st.sampled_from(RECORD_FIELDS), ANYTHING, max_size=3),
        "result": st.dictionaries(st.sampled_from(RESULT_FIELDS), ANYTHING, max_size=2),
        "whole": ANYTHING,
    },
)


def hostile(task: Task, changes: dict[str, Any]) -> Any:
    """What a peer sends in place of a result."""
    plain = msgspec.to_builtins(saved(task))
    plain["record"] |= changes.get("record", {})
    plain |= changes.get("result", {})
    if "whole" in changes:
        return changes["whole"] if not isinstance(changes["whole"], dict) else plain | changes["whole"]
    return plain


@contextmanager
def at_a_manager() -> Iterator[tuple[Queues, Peer, Path]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "crawl.db"
        with (
            embedded(path, queue=QUEUE, scope=ScopeConfig()) as (_, queues),
            served(queues.tasks, queues.results) as server,
        ):
            peer = Peer(server.listener.address, AUTHKEY)
            try:
                yield queues, peer, Path(folder)
            finally:
                peer.close()


def drain(queues: Queues) -> int:
    for rounds in itertools.count():
        queues.pass_time(1e8 + 1)  # whatever a host was asked to be left alone for
        tasks = [*take(queues), *take(queues, HARVESTER), *take(queues, RENDERER)]
        if not tasks:
            break
        assert rounds < 50
        queues.results.put([saved(task) for task in tasks])
    assert queues.tasks.stats().drained
    return rounds


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(changes=st.lists(CHANGES, min_size=1, max_size=6))
@example(changes=[{"record": {"size_bytes": 2**62}}, {"record": {"elapsed_s": float("nan")}}])
@example(
    changes=[
        {"result": {"retry_in_s": float("inf")}},
        {"result": {"discovered": [{"kind": "page", "url": "x"}]}},
    ]
)
@example(
    changes=[
        {"record": {"reason": "because"}},
        {"record": {"path": "/etc/passwd"}},
        {"record": {"url": "http://b/"}},
    ]
)
@pytest.mark.slow
def test_honest_results_are_kept_whatever_comes_with_them(changes: list[dict[str, Any]]) -> None:
    logging.disable(logging.WARNING)
    try:
        with at_a_manager() as (queues, peer, folder):
            queues.tasks.put(images(len(changes) + 3))
            tasks = take(queues)
            bad, good = tasks[: len(changes)], tasks[len(changes) :]
            mixed = [hostile(task, change) for task, change in zip(bad, changes, strict=True)]
            mixed[1:1] = [msgspec.to_builtins(saved(task)) for task in good]
            kind, fault = peer.put(mixed)
            assert kind == "#RETURN", fault
            with Catalog(folder) as catalog:
                kept = {record.url for record in catalog.images()}
                assert {task.url for task in good} <= kept
                assert summarise(catalog).stats.images.discovered >= len(tasks)
            drain(queues)
            with Catalog(folder) as catalog:
                summary = summarise(catalog)
                assert summary.balanced
                assert summary.stats.saved_bytes < 2**53
                records = list(catalog.images())
            assert {task.url for task in tasks} <= {record.url for record in records}
            assert [validation.flaw(record) for record in records if validation.flaw(record)] == []
    finally:
        logging.disable(logging.NOTSET)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(CHANGES, min_size=1, max_size=4), number=st.uuids())
def test_the_same_in_redis(redis_server: RedisServer, changes: list[dict[str, Any]], number: object) -> None:
    """By a worker whose library still checks what it is told to send."""
    with in_redis(redis_server.url, f"h-{number}", queue=QUEUE, scope=ScopeConfig()) as queues:
        queues.tasks.put(images(len(changes) + 2))
        tasks = take(queues)
        bad, good = tasks[: len(changes)], tasks[len(changes) :]
        results = [saved(task) for task in good]
        for task, change in zip(bad, changes, strict=True):
            honest = saved(task)
            record = {
                k: v for k, v in change.get("record", {}).items() if k in honest.record.__struct_fields__
            }
            results.append(
                msgspec.structs.replace(honest, record=msgspec.structs.replace(honest.record, **record))
            )
        queues.results.put(results)
        kept = {record.url for record in queues.results.get().records}
        assert {task.url for task in good} <= kept
        drain(queues)
        records = queues.results.get().records
        assert {task.url for task in tasks} <= {record.url for record in records}
        assert [validation.flaw(record) for record in records if validation.flaw(record)] == []


def test_who_is_refused_again_and_again_has_its_task_fail_with_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with at_a_manager() as (queues, peer, folder):
        queues.tasks.put([image(1), page(1)])
        for attempt in range(1, MAX_ATTEMPTS + 1):
            for who in (None, HARVESTER):
                (task,) = take(queues, who)
                assert task.attempt == attempt
                assert peer.put([hostile(task, {"record": {"elapsed_s": float("nan")}})])[0] == "#RETURN"
            queues.pass_time(2.0 * 2 ** (attempt - 1) + 0.5)
        stats = queues.tasks.stats()
        assert stats.drained
        assert stats.balanced
        with Catalog(folder) as catalog:
            for record in [*catalog.images(), *catalog.pages()]:
                assert (record.status, record.reason, record.attempts) == (
                    "failed",
                    "internal-error",
                    MAX_ATTEMPTS,
                )
                assert "refused" in record.detail
                assert "elapsed_s" in record.detail
    assert "Traceback" not in caplog.text
    assert "refused what a worker says of http://a.example/1.png" in caplog.text


def test_of_the_links_of_a_page_those_that_can_not_be_right_are_counted_and_the_others_taken() -> None:
    with at_a_manager() as (queues, peer, _):
        queues.tasks.put([page(1)])
        (task,) = take(queues, HARVESTER)
        found: list[Any] = [
            {"kind": "image", "url": image(1).url},
            {"kind": "image", "url": "javascript:alert(1)"},
            {"kind": "image", "url": "file:///etc/passwd"},
            {"kind": "image", "url": "http://A.example/"},
            {"kind": "image", "url": "http://a.example:80/"},
            {"kind": "image", "url": "http://a.example/" + "x" * 9000},
            {"kind": "image", "url": "http://a.example/\n"},
            {"kind": "page", "url": "data:image/png;sha256=0"},
            {"kind": "page", "url": page(2).url, "depth": -1},
            {"kind": "page", "url": page(2).url, "depth": 2**40},
            {"kind": "page", "url": page(2).url, "kept_out_by": "whim"},
            {"kind": "video", "url": page(2).url},
            {"kind": "image", "url": image(2).url, "origin": {"page_url": "", "found_in": "", "alternatives": [
                {"url": "nonsense", "found_in": "", "rule": ""}]}},
            7,
        ]  # fmt: skip
        assert peer.put([hostile(task, {"result": {"discovered": found}})])[0] == "#RETURN"
        stats = queues.tasks.stats()
        assert stats.pages.done == 1
        assert stats.images.discovered == 1
        assert stats.dropped == {"malformed": len(found) - 1}
        assert peer.call(
            "get_task_queue", "put", {"tasks": [*found[1:], {"kind": "image", "url": image(3).url}]}
        ) == ["#RETURN", 1]
        assert queues.tasks.stats().dropped == {"malformed": 2 * (len(found) - 1)}


@pytest.mark.parametrize(
    "arguments",
    [
        {"count": 2**63}, {"count": -1}, {"slots": -5}, {"wait_s": float("nan")}, {"wait_s": float("inf")},
        {"wait_s": -1.0},
        {"worker": {"done": -1}}, {"worker": {"threads": 2**63}}, {"worker": {"id": "x" * 600}},
        {"worker": {"pid": "7"}},
        {"held": [[-1, 0]]}, {"held": [[2**64 - 1, 0]]},
    ],
)  # fmt: skip
def test_a_lease_with_absurd_arguments_is_refused_and_nothing_is_given_out(arguments: dict[str, Any]) -> None:
    with at_a_manager() as (queues, peer, _):
        queues.tasks.put(images(3))
        who = {"id": "w", "kind": "image"} | arguments.pop("worker", {})
        plain = {"worker": who, "count": 1, "slots": 1, "wait_s": 0.0, "held": []} | arguments
        kind, fault = peer.call("get_task_queue", "lease", plain)
        assert (kind, fault["type"]) == ("#ERROR", "ValidationError")
        assert queues.tasks.stats().images.ready == 3


def test_what_is_in_the_file_after_all_that_is_within_64_bits_by_far() -> None:
    with at_a_manager() as (queues, peer, folder):
        queues.tasks.put(images(20))
        tasks = take(queues)
        peer.put([hostile(task, {"record": {"size_bytes": 2**40}}) for task in tasks])
        with closing(sqlite3.connect(folder / "crawl.db")) as db:
            assert db.execute("SELECT sum(size_bytes), count(*) FROM images").fetchone() == (20 * 2**40, 20)
        assert queues.tasks.stats().saved_bytes == 20 * 2**40
        assert {record.status for record in queues.results.get().records} == {ImageStatus.SAVED}
        assert {task.kind for task in tasks} == {TaskKind.IMAGE}


@pytest.mark.parametrize("counted", [(100, 3), (0, 2**53), (2**53, 0)])
def test_what_a_worker_counts_leaves_the_state_of_the_crawl_readable(counted: tuple[int, ...]) -> None:
    """The command that runs the crawl asks for it all the time, and ended with what it could not read."""
    with at_a_manager() as (_, peer, _):
        for done in counted:
            who = {"id": "w", "kind": "image", "done": done, "received_bytes": done}
            assert peer.call("get_task_queue", "heartbeat", {"worker": who, "held": []})[0] == "#RETURN"
        for method, kind in (("stats", Stats), ("status", Status)):
            word, told = peer.call("get_task_queue", method, {})
            assert word == "#RETURN"
            assert msgspec.convert(told, kind).workers[0].done == counted[-1]
