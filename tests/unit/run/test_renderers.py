"""When a crawl starts renderers, waits for one, or gives up; and what a renderer gets from which machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import cli
from crawler.config import Config, MachineConfig, RenderConfig, load
from crawler.errors import ConfigError
from crawler.models import WORKER_NAMES, Counts, Stats, TaskKind, WorkerStatus
from crawler.queues import Plan
from crawler.render import chromium
from crawler.run import run_start, worker_main, worker_pool
from crawler.run.context import CrawlContext
from crawler.run.remote_crawl import RemoteCrawl
from crawler.run.renderers import JOIN_WAIT_S, Renderers, RendererStep, chromium_of, pages
from crawler.run.supervisor import Crawl
from crawler.run.trust import Trust
from crawler.run.worker_pool import DeathWatch, WorkerPool
from tests.support.clocks import Clock

NOTHING, START, WAIT, REFUSE = (
    RendererStep.NOTHING,
    RendererStep.START,
    RendererStep.WAIT,
    RendererStep.REFUSE,
)
READING = Stats(pages=Counts(leased=1), renders=Counts(ready=12))
ALL_ELSE_IS_DONE = Stats(pages=Counts(done=20), images=Counts(done=3), renders=Counts(ready=12))
A_GUEST = WorkerStatus(id="box:renderer-1", kind=TaskKind.RENDER)


def renderers(setting: str = "auto", *, found: bool, patience_s: float = 0.0, clock: Any = None) -> Renderers:
    return Renderers(RenderConfig(render=setting), found=found, patience_s=patience_s, clock=clock or Clock())


# --- what is due ---


@pytest.mark.parametrize("setting", ["auto", "always"])
def test_with_a_browser_they_start_with_the_first_page_that_wants_one_and_once(setting: str) -> None:
    here = renderers(setting, found=True)
    assert here.next(Stats(pages=Counts(ready=1))) is NOTHING
    assert here.next(READING) is START
    assert here.next(READING) is NOTHING
    assert here.next(ALL_ELSE_IS_DONE) is NOTHING


@pytest.mark.parametrize(
    "stats",
    [
        READING,
        Stats(pages=Counts(ready=1), renders=Counts(ready=1)),
        Stats(pages=Counts(delayed=1), renders=Counts(ready=1)),
        Stats(images=Counts(ready=1), renders=Counts(ready=1)),
        Stats(images=Counts(leased=1), renders=Counts(ready=1)),
    ],
)
def test_without_one_nothing_is_refused_as_long_as_there_is_something_else_to_do(stats: Stats) -> None:
    nowhere = renderers(found=False)
    assert nowhere.next(stats) is NOTHING
    assert nowhere.next(ALL_ELSE_IS_DONE) is REFUSE
    assert nowhere.next(ALL_ELSE_IS_DONE) is NOTHING, "once"


def test_images_that_wait_for_a_page_to_be_rendered_are_nothing_else_to_do() -> None:
    """An image that may yet be found larger is held as long as a page is left that might name it."""
    held = Stats(images=Counts(delayed=5), renders=Counts(delayed=1))
    assert renderers(found=False).next(held) is REFUSE


def test_a_crawl_without_such_pages_never_hears_of_browsers() -> None:
    for found in (True, False):
        assert renderers(found=found).next(Stats(pages=Counts(done=20), renders=Counts(done=3))) is NOTHING


def test_who_may_join_is_waited_for_once_nothing_else_is_left() -> None:
    clock = Clock()
    open_to_all = renderers(found=False, patience_s=JOIN_WAIT_S, clock=clock)
    assert open_to_all.next(READING) is NOTHING
    clock.now += 1000
    assert open_to_all.next(ALL_ELSE_IS_DONE) is WAIT
    clock.now += JOIN_WAIT_S - 1
    assert open_to_all.next(ALL_ELSE_IS_DONE) is NOTHING, "it has been said"
    clock.now += 2
    assert open_to_all.next(ALL_ELSE_IS_DONE) is REFUSE


@pytest.mark.parametrize(
    "rendering",
    [
        msgspec.structs.replace(ALL_ELSE_IS_DONE, workers=(A_GUEST,)),
        msgspec.structs.replace(ALL_ELSE_IS_DONE, renders=Counts(ready=11, leased=1)),
    ],
)
def test_who_has_joined_is_left_to_it_and_waited_for_anew_when_it_has_gone(rendering: Stats) -> None:
    clock = Clock()
    open_to_all = renderers(found=False, patience_s=JOIN_WAIT_S, clock=clock)
    assert open_to_all.next(ALL_ELSE_IS_DONE) is WAIT
    for _ in range(10):
        clock.now += JOIN_WAIT_S
        assert open_to_all.next(rendering) is NOTHING
    assert open_to_all.next(ALL_ELSE_IS_DONE) is NOTHING
    clock.now += JOIN_WAIT_S
    assert open_to_all.next(ALL_ELSE_IS_DONE) is REFUSE


def test_what_an_earlier_run_has_queued_is_refused_with_never() -> None:
    assert renderers("never", found=True, patience_s=JOIN_WAIT_S).next(READING) is NOTHING
    assert renderers("never", found=True, patience_s=JOIN_WAIT_S).next(ALL_ELSE_IS_DONE) is REFUSE


_COUNTS = st.builds(Counts, ready=st.integers(0, 2), leased=st.integers(0, 2), delayed=st.integers(0, 2))
_STATS = st.builds(
    Stats, pages=_COUNTS, images=_COUNTS, renders=_COUNTS, workers=st.sampled_from([(), (A_GUEST,)])
)


@given(
    seen=st.lists(st.tuples(_STATS, st.sampled_from([0.0, 1.0, 59.0, 61.0])), max_size=30),
    setting=st.sampled_from(["never", "auto", "always"]),
    found=st.booleans(),
    patience_s=st.sampled_from([0.0, JOIN_WAIT_S]),
)
def test_each_crawl_starts_somebody_once_at_most_and_in_the_end_for_certain(
    seen: list[tuple[Stats, float]], setting: str, *, found: bool, patience_s: float
) -> None:
    clock = Clock()
    machine = renderers(setting, found=found, patience_s=patience_s, clock=clock)
    steps = []
    for stats, later_s in seen:
        clock.now += later_s
        steps.append(machine.next(stats))
    for _ in range(2):
        steps.append(machine.next(ALL_ELSE_IS_DONE))
        clock.now += JOIN_WAIT_S
    starts = [step for step in steps if step in (START, REFUSE)]
    assert starts == [START if found and setting != "never" else REFUSE]
    assert steps.count(WAIT) <= 1
    assert WAIT not in steps or patience_s


def test_pages_are_counted_in_words() -> None:
    assert pages(1) == "1 page wants a browser"
    assert pages(1200) == "1,200 pages want a browser"


# --- whose browser ---


def test_a_browser_that_is_named_has_to_be_one() -> None:
    with pytest.raises(ConfigError, match="chromium"):
        chromium_of(MachineConfig(chromium="/no/such/browser"))
    with pytest.raises(ConfigError, match="behaviours"):
        chromium_of(MachineConfig(behaviours="/no/such/file.js"))


def test_a_crawl_refuses_such_a_setting_before_it_begins(tmp_path: Path) -> None:
    config = load(flags={"chromium": "/no/such/browser"})
    with pytest.raises(ConfigError):
        Crawl(["http://a.example/"], folder=tmp_path / "crawl", config=config)
    assert not (tmp_path / "crawl").exists()
    Crawl(["http://a.example/"], folder=tmp_path, config=load(flags={"render": "never"}))


@pytest.mark.parametrize(
    ("setting", "found", "expected"),
    [("auto", True, True), ("always", True, True), ("auto", False, False), ("never", True, False)],
)
def test_the_plan_says_whether_whoever_runs_the_crawl_renders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, *, found: bool, expected: bool
) -> None:
    monkeypatch.setattr(chromium, "find", lambda _: Path("/x") if found else None)
    running = Crawl(["http://a.example/"], folder=tmp_path, config=load(flags={"render": setting}))
    running._networks = ()  # as entering it has it
    assert running._context().browser is expected


class FakeChild:
    """Takes note of what it would have been started with."""

    started: list[tuple[str, CrawlContext, TaskKind]]

    def __init__(
        self, name: str, main: object, site: CrawlContext, kind: TaskKind, worker_id: str, *, forks: object
    ) -> None:
        assert main is worker_main.work
        assert f":{name}-" in worker_id
        self.name, self.exitcode = name, None
        self.started.append((name, site, kind))


@pytest.fixture(name="started")
def _started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, CrawlContext, TaskKind]]:
    FakeChild.started = []
    monkeypatch.setattr(worker_pool, "Child", FakeChild)
    return FakeChild.started


def a_site(**settings: Any) -> CrawlContext:
    return CrawlContext(folder=Path("x"), config=load(flags=settings), seeds=(), endpoint=None)  # type: ignore[arg-type]


def test_of_a_crew_one_renderer_says_how_its_browser_is_kept_from_the_network(
    started: list[tuple[str, CrawlContext, TaskKind]],
) -> None:
    hands = WorkerPool(a_site(), tasks=None, watch=DeathWatch(""))  # type: ignore[arg-type]
    hands.start({TaskKind.PAGE: 1, TaskKind.IMAGE: 1})
    hands.start({TaskKind.RENDER: 3})
    renders = [site for _, site, kind in started if kind is TaskKind.RENDER]
    assert [name for name, _, _ in started] == ["harvester", "downloader", *["renderer"] * 3]
    assert [site.logs_isolation for site in renders] == [True, False, False]
    assert {site.processes for site in renders} == {5}, "they share the machine's memory"


class Meeting:
    """Of a crawl whose plan would like to choose the browser."""

    hosts = ("127.0.0.1",)
    reconnect_s = 0.0
    crawl = ""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def client(self, *, reconnect_s: float) -> Meeting:
        return self

    def pinned_to(self, client: object) -> Meeting:
        return self

    def get_task_queue(self) -> Meeting:
        return self

    def plan(self) -> Plan:
        return self._plan

    def stats(self) -> Stats:
        return Stats()

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...


def test_a_guest_renders_with_its_own_browser_whatever_the_crawl_says(
    tmp_path: Path, started: list[tuple[str, CrawlContext, TaskKind]]
) -> None:
    config = msgspec.structs.replace(
        load(flags={"renderer_threads": 2}),
        machine=MachineConfig(chromium="/bin/sh", behaviours="/etc/passwd", memory_budget_bytes=2**50),
    )
    mine = MachineConfig(chromium="/opt/mine", behaviours="mine.js", memory_budget_bytes=2**30)
    where = Meeting(Plan(id="1", seeds=("http://a.example/",), config=config))
    joined = RemoteCrawl(
        where,  # type: ignore[arg-type]
        kind=TaskKind.RENDER,
        trust=frozenset(Trust),
        join_s=1,
        reconnect_s=1,
        folder=tmp_path,
        machine=mine,
    )
    joined._joined()
    joined._pool.start({TaskKind.RENDER: 1})
    [(_, site, _)] = started
    assert site.config.machine == mine
    assert site.memory_bytes == 2**30
    assert site.config.render.renderer_threads == 2, "what the crawl says of pages counts"


# --- what decides what a page gives ---


@pytest.mark.parametrize(
    ("setting", "same"),
    [
        ({"renderers": 7}, True),
        ({"renderer_threads": 7}, True),
        ({"chromium": "/x"}, True),
        ({"render": "never"}, False),
        ({"render_posts": "any"}, False),
        ({"render_scrolls": 1}, False),
        ({"render_timeout_s": 3.0}, False),
    ],
)
def test_a_refresh_reads_anew_what_other_settings_of_the_browser_may_change(
    setting: dict[str, Any], *, same: bool
) -> None:
    assert (run_start.rules_of(Config()) == run_start.rules_of(load(flags=setting))) is same


def test_each_kind_of_worker_has_its_threads_and_its_handler() -> None:
    config = load(flags={"harvester_threads": 3, "downloader_threads": 5, "renderer_threads": 7})
    each = [worker_main._concurrency(config, kind) for kind in TaskKind]
    assert [(one.least, one._most) for one in each] == [(3, 3), (4, 5), (7, 7)]
    assert set(worker_main._HANDLERS) == set(TaskKind) == set(WORKER_NAMES)
    assert worker_main._lease_batch(config, TaskKind.RENDER) == 7, "what it can't begin another one might"


# --- the command line ---


@pytest.fixture(name="no_browser")
def _no_browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(chromium, "find", lambda _: None)
    return


@pytest.mark.usefixtures("no_browser")
def test_render_without_a_browser_ends_at_once_and_says_what_to_install(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["render", "192.0.2.1"]) == 2, "nobody is asked"
    said = capsys.readouterr().err
    assert "no browser here that pages could be opened in: install Chromium" in said
    assert "apt install chromium" in said
    assert said.count("\n") == 1


def test_a_crawl_says_once_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chromium, "find", lambda _: None)
    running = Crawl(["http://a.example/"], folder=tmp_path / "my crawl", config=Config())
    started: list[dict[TaskKind, int]] = []

    class Hands:
        def start(self, staff: dict[TaskKind, int]) -> None:
            started.append(staff)

    running._processes = SimpleNamespace(pool=Hands())  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING):
        for stats in (READING, ALL_ELSE_IS_DONE, ALL_ELSE_IS_DONE):
            running._look_after_workers(stats)
    assert started == [{TaskKind.RENDER: 1}]
    (said,) = (record.getMessage() for record in caplog.records)
    assert said == (
        "12 pages want a browser to show their pictures, and none was found: install Chromium (Debian, Ubuntu: apt"
        " install chromium; macOS: brew install --cask chromium), then say the same command"
        " again"
    )


@pytest.mark.parametrize(
    ("settings", "downloads", "where"),
    [
        ({}, False, "{folder}"),
        (
            {"queue": "redis://joe:s3cret@127.0.0.1/2"},
            True,
            "redis://joe@127.0.0.1:6379/2#crawl --queue-password-file …",
        ),
        (
            {"bind": "127.0.0.1:9733", "authkey_file": "key"},
            True,
            "127.0.0.1:9733 --authkey-file … --insecure-plaintext",
        ),
    ],
    ids=["serve", "redis", "bind"],
)  # fmt: skip
def test_who_is_let_in_is_told_how_to_render(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, str],
    *,
    downloads: bool,
    where: str,
) -> None:
    monkeypatch.setattr(chromium, "find", lambda _: None)
    monkeypatch.chdir(tmp_path)
    Path("key").write_text("k" * 40)
    Path("key").chmod(0o600)
    folder = tmp_path / "crawl"
    running = Crawl(["http://a.example/"], folder=folder, config=load(flags=settings), downloads=downloads)
    running._processes = SimpleNamespace(pool=object())  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING):
        running._look_after_workers(ALL_ELSE_IS_DONE)
        running._look_after_workers(ALL_ELSE_IS_DONE)
    (said,) = (record.getMessage() for record in caplog.records)
    assert said == (
        "12 pages want a browser, and none was found here; a machine that has one may join within 60 s: image-crawler"
        f" render {where.format(folder=folder)}"
    )


@pytest.mark.parametrize("announces", [True, False])
def test_how_it_is_kept_from_the_network_is_said_once_however_many_browsers_it_takes(
    caplog: pytest.LogCaptureFixture, *, announces: bool
) -> None:
    log = logging.getLogger("test.isolation")
    log.addFilter(worker_main._Once() if announces else lambda _: False)
    for _ in range(3):
        log.warning("pages are opened in %s, with %s", "Chrome/156", "dead proxy, no resolver")
    assert len(caplog.records) == announces
    log.filters.clear()
