"""Each text of each message of a worker that is no word of a page: it is refused, or what is kept of it is sound."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import pytest

from crawler.config import ScopeConfig
from crawler.models import (
    Alternative,
    Cookie,
    HostFile,
    ImageRecord,
    NewTask,
    OptOut,
    Origin,
    PageRecord,
    Record,
    RenderRecord,
    Result,
    Task,
    TaskKind,
    Value,
    WorkerState,
)
from tests.support.queues import (
    HARVESTER,
    RENDERER,
    Queues,
    image,
    in_redis,
    lease,
    page,
    render,
    saved,
    take,
)
from tests.support.redisserver import RedisServer
from tests.unit.queues.test_hostile_results import QUEUE, at_a_manager, drain

NASTY = (
    "javascript:alert(1)\n",
    "http://a.example/\x1b[2J",
    "x\r\nInjected: 1",
    "\u202egnp.exe",
    "x" * 20_000,
)
SOUND = re.compile(r"[ -~]{0,8192}")
WORDS = {
    *("alt", "title", "caption", "heading", "page_title", "detail"),
    *("content_type", "etag", "last_modified", "worker", "place", "text"),
}
"""What pages and servers say in their own words: it is cleaned where it is shown or sent."""
IMAGE = ImageRecord(
    url="",
    status="failed",  # type: ignore[arg-type]
    reason="not-found",
    opt_outs=(OptOut(signal="noai", place="", text=""),),
    alternatives=(Alternative(url=image(77).url, found_in="img", rule="smaller"),),
)
ORIGIN = Origin(page_url=page(0).url, found_in="img", alternatives=IMAGE.alternatives)


Engine = tuple[Queues, Callable[[str, list[Any]], None]]
"""Queues, and what sends results and tasks there as a worker does."""


def texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Each text in a message, and the way to it, but for the words of pages."""
    if isinstance(value, Value):
        for name in value.__struct_fields__:
            if name not in WORDS:
                yield from texts(getattr(value, name), (*path, name))
    elif isinstance(value, dict):
        for key in value:
            yield (*path, key), key
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            yield from texts(one, (*path, number))
    elif isinstance(value, str):
        yield path, value


def changed(value: Any, path: tuple[Any, ...], text: str) -> Any:
    """*value* with *text* where *path* leads."""
    if not path:
        return text
    first, *rest = path
    if isinstance(value, Value):
        return msgspec.structs.replace(value, **{first: changed(getattr(value, first), tuple(rest), text)})
    if isinstance(value, dict):
        return {text: value[first]}
    return tuple(changed(one, tuple(rest), text) if n == first else one for n, one in enumerate(value))


def fakes(value: Value) -> list[Any]:
    return [changed(value, path, nasty) for path, _ in texts(value) for nasty in NASTY]


def record_of(task: Task) -> Record:
    if task.kind is TaskKind.IMAGE:
        return msgspec.structs.replace(IMAGE, url=task.url)
    if task.kind is TaskKind.PAGE:
        return PageRecord(url=task.url, status="harvested", left_out={"json-cut": 1})  # type: ignore[arg-type]
    return RenderRecord(url=task.url, status="rendered", gains={"load": 1}, left_out={"json-cut": 1})  # type: ignore[arg-type]


@pytest.fixture(name="engine", params=["ledger", pytest.param("redis", marks=pytest.mark.servers)])
def an_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    logging.disable(logging.WARNING)
    try:
        if request.param == "ledger":
            with at_a_manager() as (queues, peer, _):
                yield queues, partial(_by_peer, peer)
        else:
            server: RedisServer = request.getfixturevalue("redis_server")
            with in_redis(server.url, "each-field", queue=QUEUE, scope=ScopeConfig()) as queues:
                yield queues, partial(_by_library, queues)
    finally:
        logging.disable(logging.NOTSET)


def _by_peer(peer: Any, method: str, sent: list[Any]) -> None:
    name = {"results": "get_result_queue", "tasks": "get_task_queue"}[method]
    assert peer.call(name, "put", {method: [msgspec.to_builtins(one) for one in sent]})[0] == "#RETURN"


def _by_library(queues: Queues, method: str, sent: list[Any]) -> None:
    (queues.results if method == "results" else queues.tasks).put(sent)


def kept(queues: Queues) -> list[Record]:
    after, found = 0, []
    while records := (page_ := queues.results.get(after=after)).records:
        found += records
        after = page_.cursor
    return found


def assert_sound(queues: Queues) -> None:
    stats = queues.tasks.stats()
    assert stats.drained
    assert stats.balanced
    records = kept(queues)
    assert len(records) == sum(one.discovered for one in (stats.pages, stats.images, stats.renders))
    unsound = {path: text for record in records for path, text in texts(record) if not SOUND.fullmatch(text)}
    assert unsound == {}
    urls = {url for record in records for url in (record.page_url, record.final_url) if url}
    assert [url for url in urls if not url.startswith("http://")] == []


@pytest.mark.parametrize(("make", "who"), [(image, None), (page, HARVESTER), (render, RENDERER)])
def test_of_a_record(engine: Engine, make: Callable[[int], NewTask], who: WorkerState | None) -> None:
    queues, send = engine
    queues.tasks.put([make(0)])
    (first,) = take(queues, who)
    paths = [path for path, _ in texts(record_of(first))]
    wanted = itertools.product(paths, NASTY)
    queues.tasks.put([make(n) for n in range(1, len(paths) * len(NASTY))])
    tasks = [first]
    for _ in range(len(paths) * len(NASTY)):
        if not tasks:
            break
        changes = zip(tasks, wanted, strict=False)
        send("results", [Result(token=one.token, record=changed(record_of(one), *to)) for one, to in changes])
        tasks = [task for task in take(queues, who) if task.attempt == 1]
    assert next(wanted, None) is None
    drain(queues)
    assert_sound(queues)


def test_of_a_task(engine: Engine) -> None:
    queues, send = engine
    for number, origin in enumerate(fakes(ORIGIN)):
        send("tasks", [msgspec.structs.replace(image(number), origin=origin)])
    assert queues.tasks.stats().images.discovered == 0
    assert queues.tasks.stats().dropped == {"malformed": len(fakes(ORIGIN))}
    send("tasks", [task for task in fakes(image(0)) if task.kind is TaskKind.IMAGE])
    drain(queues)
    assert_sound(queues)


def test_of_a_cookie(engine: Engine) -> None:
    queues, send = engine
    queues.tasks.put([image(0), page(0)])
    (task,) = take(queues)
    cookie = Cookie(domain="a.example", path="/", name="a", value="b")
    nasty = [one for one in fakes(cookie) if max(map(len, msgspec.structs.astuple(one)[:4])) < 4096]
    send("results", [Result(token=task.token, record=saved(task).record, cookies=(*nasty, cookie))])
    assert lease(queues, HARVESTER).cookies == (cookie,)


def test_of_a_file_of_a_host(engine: Engine) -> None:
    queues, _ = engine
    for file in fakes(HostFile(name="robots.txt", reason="not-found")):
        queues.tasks.host_file("w1", host="http://a.example", name=file.name)
        with pytest.raises(ValueError, match=r"hosts have no file|there is no reason"):
            queues.tasks.keep_host_file("w1", host="http://a.example", file=file)
