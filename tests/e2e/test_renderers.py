"""Renderers of a crawl: started when pages want one, joined from elsewhere, missing. With a browser that is none.

See fakebrowser/sitecustomize.py for what it does; what a real one does has tests of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.cli.connect import tasks_of
from crawler.config import Config
from crawler.errors import QueueUnreachable
from crawler.models import ImageRecord, TaskKind
from crawler.queues.rpc.manager import QueueManager
from tests.e2e.running import PATIENCE_S, Running, image_crawler, saved_digests
from tests.support.queues import wait_until
from tests.support.redisserver import queue_flags
from tests.support.sites import png, serving

pytestmark = pytest.mark.timeout(200)

PAGES = 6
FAKE = {
    "PYTHONPATH": os.pathsep.join(
        [str(Path(__file__).parent / "fakebrowser"), os.environ.get("PYTHONPATH", "")]
    )
}
NONE = {"PATH": "/nowhere", "IMAGE_CRAWLER_CHROMIUM": ""}
"""A machine without a browser: none is on PATH."""
INSTALL = "install Chromium (Debian, Ubuntu: apt install chromium; macOS: brew install --cask chromium)"


def make_scripted_site(folder: Path) -> dict[str, str]:
    """Pages with nothing but a place for scripts, and a picture for each; returns path -> sha256 of the pictures."""
    rng = random.Random(5)
    digests = {}
    (folder / "images").mkdir(parents=True)
    for name in ["plain", *(f"of-app-{n}" for n in range(PAGES))]:
        (folder / "images" / f"{name}.png").write_bytes(data := png(rng))
        digests[f"/images/{name}.png"] = hashlib.sha256(data).hexdigest()
    links = "".join(f'<a href="/app-{n}.html">photos {n}</a>' for n in range(PAGES))
    home = f"<!DOCTYPE html><title>Home</title><img src=/images/plain.png>{links}"
    (folder / "index.html").write_text(home)
    for n in range(PAGES):
        app = f"<!DOCTYPE html><title>App {n}</title><div id=root></div><script src=/app.js></script>"
        (folder / f"app-{n}.html").write_text(app)
    (folder / "app.js").write_text("// it would fetch them")
    return digests


def started(
    *arguments: str | Path, folder: Path, stack: ExitStack, environment: Mapping[str, str]
) -> Running:
    running = Running(arguments, folder=folder, environment=environment)

    def end() -> None:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGKILL)
        running.process.communicate()

    stack.callback(end)
    return running


def address_of(folder: Path) -> str:
    """Where the queue of the crawl is that runs in *folder*, once it does."""
    file = folder / "crawl.address"
    wait_until(lambda: file.exists() and bool(file.read_text()), within_s=PATIENCE_S)
    return file.read_text().strip()


def queue_of(folder: Path, stack: ExitStack) -> QueueManager:
    host, _, port = address_of(folder).partition(":")
    authkey = (folder / "crawl.authkey").read_bytes().strip()
    manager = QueueManager((host, int(port)), authkey, reconnect_s=1.0)
    manager.connect()
    stack.callback(manager.disconnect)
    return manager


def without_what_scripts_bring(digests: Mapping[str, str]) -> dict[str, str]:
    return {path: digest for path, digest in digests.items() if "of-app" not in path}


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> dict[str, str]:
    return make_scripted_site(tmp_path / "site")


# --- none ---


def test_without_a_browser_the_crawl_ends_as_ever_and_says_in_one_line_what_to_install(
    tmp_path: Path, site: dict[str, str]
) -> None:
    with serving(tmp_path / "site") as server:
        crawl = image_crawler("crawl", server.url, "-o", "crawl", "-q", folder=tmp_path, **NONE)
        assert crawl.code == 0, crawl.err
        assert saved_digests(tmp_path / "crawl", server.url) == without_what_scripts_bring(site)
        again = image_crawler("crawl", server.url, "-o", "crawl", "-q", folder=tmp_path, **NONE)
    (said,) = (line for line in crawl.err.splitlines() if "browser" in line)
    assert re.search(
        rf"{PAGES} pages want a browser to show their pictures, and none was found: {re.escape(INSTALL)}",
        said,
    )
    assert said.endswith("then say the same command again")
    told = " ".join(crawl.out.split())
    assert f"renders {PAGES}: {PAGES} rejected ({PAGES} no-browser)" in told
    assert f"no browser {PAGES} pages want a browser to show their pictures: install Chromium" in told
    assert "finished, and the books balance" in told
    with Catalog(tmp_path / "crawl") as catalog:
        records = list(catalog.renders())
    assert [(record.status, record.reason) for record in records] == [("rejected", "no-browser")] * PAGES
    assert all("Chromium" in record.detail for record in records)
    assert again.code == 0, again.err
    assert again.err == "", "it is finished, and says nothing anew"


def test_once_there_is_one_what_was_missed_is_made_good(tmp_path: Path, site: dict[str, str]) -> None:
    with serving(tmp_path / "site") as server:
        image_crawler("crawl", server.url, "-o", "crawl", "-q", folder=tmp_path, **NONE)
        crawl = image_crawler("crawl", server.url, "-o", "crawl", folder=tmp_path, **FAKE)
        assert crawl.code == 0, crawl.err
        assert f"{PAGES} pages to be tried in the browser that was not there before" in crawl.err
        assert saved_digests(tmp_path / "crawl", server.url) == site
        assert server.requests["/app-1.html"] == 1, "pages are not read once more for that"
    assert f"renders {PAGES}: {PAGES} rendered" in " ".join(crawl.out.split())


def test_render_on_a_machine_without_one_ends_at_once(tmp_path: Path) -> None:
    outcome = image_crawler("render", "192.0.2.1", "--keys", "none", folder=tmp_path, **NONE)
    assert outcome.code == 2
    assert f"there is no browser here that pages could be opened in: {INSTALL}" in outcome.error


# --- here ---


@pytest.mark.measured
def test_a_crawl_starts_renderers_when_a_page_wants_one(tmp_path: Path, site: dict[str, str]) -> None:
    with serving(tmp_path / "site") as server:
        crawl = image_crawler(
            "crawl", server.url, "-o", "crawl", "--json", "-q", "--renderers", "2", folder=tmp_path, **FAKE
        )
        assert crawl.code == 0, crawl.err
        assert saved_digests(tmp_path / "crawl", server.url) == site
    stats = crawl.stats()
    assert stats["renders"]["done"] == PAGES
    assert stats["render_status"] == {"rendered": PAGES}
    assert crawl.err.count("with a dead proxy and no resolver") == 1, "one of them says so"
    with Catalog(tmp_path / "crawl") as catalog:
        assert all(":renderer-" in record.worker for record in catalog.renders())
        (image,) = catalog.where(ImageRecord, "url = ?", f"{server.url}images/of-app-1.png")
    assert (image.page_url, image.found_in) == (f"{server.url}app-1.html", "render")


def test_a_site_without_scripts_never_sees_one(tmp_path: Path) -> None:
    make_scripted_site(tmp_path / "site")
    for n in range(PAGES):
        (tmp_path / "site" / f"app-{n}.html").write_text(
            "<!DOCTYPE html><title>Plain</title><p>Nothing to run."
        )
    kinds: set[TaskKind] = set()
    with serving(tmp_path / "site", delay_s=0.2) as server, ExitStack() as stack:
        crawl = started("crawl", server.url, "-o", "crawl", folder=tmp_path, stack=stack, environment=FAKE)
        tasks = queue_of(tmp_path / "crawl", stack).get_task_queue()
        with suppress(QueueUnreachable):  # it is over
            while crawl.process.poll() is None:
                kinds |= {who.kind for who in tasks.stats().workers}
                time.sleep(0.02)
        outcome = crawl.outcome()
    assert outcome.code == 0, outcome.err
    assert kinds == {TaskKind.PAGE, TaskKind.IMAGE}
    assert "ender" not in outcome.err + outcome.out
    assert "browser" not in outcome.err + outcome.out


def test_with_never_no_page_is_opened_in_one(tmp_path: Path, site: dict[str, str]) -> None:
    with serving(tmp_path / "site") as server:
        crawl = image_crawler(
            "crawl", server.url, "-o", "crawl", "-q", "--render", "never", folder=tmp_path, **FAKE
        )
        assert crawl.code == 0, crawl.err
        assert saved_digests(tmp_path / "crawl", server.url) == without_what_scripts_bring(site)
    assert crawl.err == ""
    assert "ender" not in crawl.out
    explained = image_crawler("explain", "crawl", f"{server.url}app-1.html", folder=tmp_path)
    assert "no page is to be opened in a browser (--render never)" in explained.out


# --- elsewhere ---


@pytest.mark.parametrize("engine", ["manager", "redis"])
def test_a_renderer_that_joins_does_what_the_crawl_can_not(
    tmp_path: Path, site: dict[str, str], engine: str
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path / "site", delay_s=0.05))
        flags = stack.enter_context(queue_flags(engine, tmp_path / "redis"))
        serve = ("serve", server.url, "-o", "crawl", "-q", *flags)
        crawl = started(*serve, folder=tmp_path, stack=stack, environment=NONE)
        address_of(tmp_path / "crawl")
        with tasks_of(str(tmp_path / "crawl"), Config()) as tasks:
            assert tasks.plan().browser is False
            work = started("work", "crawl", folder=tmp_path, stack=stack, environment={})
            wait_until(lambda: tasks.stats().images.done >= 1, within_s=PATIENCE_S)
        join = ("render", "crawl", "--chromium", "/my/own")
        render = started(*join, folder=tmp_path, stack=stack, environment=FAKE)
        outcome, worked, rendered = crawl.outcome(), work.outcome(), render.outcome()
        assert (outcome.code, worked.code, rendered.code) == (0, 0, 0), outcome.err + rendered.err
        assert saved_digests(tmp_path / "crawl", server.url) == site
    assert "rendering for the crawl of" in rendered.err
    assert rendered.err.endswith("the crawl has ended, or was stopped\n")
    if told := [line for line in outcome.err.splitlines() if "browser" in line]:  # it may have come before
        assert "a machine that has one may join within 60 s: image-crawler render " in told[0]
    with Catalog(tmp_path / "crawl") as catalog:
        assert {record.title for record in catalog.renders()} == {"/my/own"}, (
            "each machine has its own browser"
        )


def test_a_loop_over_records_has_renderers_as_well(tmp_path: Path, site: dict[str, str]) -> None:
    code = (
        "import sys, crawler; print(*(record.url for record in crawler.crawl(sys.argv[1], output='crawl')))"
    )
    with serving(tmp_path / "site") as server:
        outcome = Running((server.url,), folder=tmp_path, environment=FAKE, program=("-c", code)).outcome()
        assert outcome.code == 0, outcome.err
        assert {f"{server.url}{path[1:]}" for path in site} == set(outcome.out.split())


@pytest.mark.servers
def test_a_crawl_in_redis_has_renderers_of_its_own(tmp_path: Path, site: dict[str, str]) -> None:
    with serving(tmp_path / "site") as server, queue_flags("redis", tmp_path / "redis") as flags:
        arguments = ("crawl", server.url, "-o", "crawl", "--json", "-q", *flags)
        crawl = image_crawler(*arguments, folder=tmp_path, **FAKE)
        assert crawl.code == 0, crawl.err
        assert saved_digests(tmp_path / "crawl", server.url) == site
    assert crawl.stats()["render_status"] == {"rendered": PAGES}


def test_what_a_crawl_has_pages_send_is_said_and_not_done_unless_allowed(
    tmp_path: Path, site: dict[str, str]
) -> None:
    (tmp_path / "key").write_text("k" * 40)
    (tmp_path / "key").chmod(0o600)
    with serving(tmp_path / "site") as server, ExitStack() as stack:
        crawl = started(
            "serve", server.url, "-o", "crawl", "-q", "--render-posts", "any", "--render-bytes", "50 MB",
            folder=tmp_path, stack=stack, environment=FAKE,
        )  # fmt: skip
        address = address_of(tmp_path / "crawl")
        join = ("render", address, "--authkey-file", tmp_path / "crawl" / "crawl.authkey")
        refused = image_crawler(*join, folder=tmp_path, **FAKE)
        assert refused.code == 2
        assert "to send what scripts of pages want sent (POST) to hosts of any domain" in refused.error
        assert "say --trust posts; nothing was fetched" in refused.error
        allowed = started(*join, "--trust", "posts", folder=tmp_path, stack=stack, environment=FAKE)
        work = started("work", "crawl", folder=tmp_path, stack=stack, environment={})
        outcome = allowed.outcome()
        assert crawl.outcome().code == work.outcome().code == 0
    assert outcome.code == 0, outcome.err
    assert "(posts)" in outcome.err
    assert "render_bytes = 50,000,000, 20,971,520 being usual" in outcome.err
    assert saved_digests(tmp_path / "crawl", server.url) == site


def test_a_crawl_that_opens_none_has_nothing_to_do_for_a_renderer(tmp_path: Path) -> None:
    make_scripted_site(tmp_path / "site")
    with serving(tmp_path / "site", delay_s=0.3) as server, ExitStack() as stack:
        started(
            "serve", server.url, "-o", "crawl", "-q", "--render", "never",
            folder=tmp_path, stack=stack, environment=FAKE,
        )  # fmt: skip
        address_of(tmp_path / "crawl")
        outcome = image_crawler("render", "crawl", folder=tmp_path, **FAKE)
    assert outcome.code == 2
    assert "opens no page in a browser (--render never); there is nothing to do" in outcome.error


# --- harm ---


def test_renderers_may_be_killed_at_any_time(tmp_path: Path, site: dict[str, str]) -> None:
    with serving(tmp_path / "site", delay_s=0.2) as server, ExitStack() as stack:
        crawl = started(
            "crawl", server.url, "-o", "crawl", "--json", "-q", folder=tmp_path, stack=stack, environment=FAKE
        )
        tasks = queue_of(tmp_path / "crawl", stack).get_task_queue()

        def pids() -> list[int]:
            return [who.pid for who in tasks.stats().workers if who.kind is TaskKind.RENDER]

        wait_until(lambda: bool(pids()), within_s=PATIENCE_S)
        os.kill(pids()[0], signal.SIGKILL)
        outcome = crawl.outcome()
        assert outcome.code == 0, outcome.err
        assert saved_digests(tmp_path / "crawl", server.url) == site
    stats = json.loads(outcome.out)["stats"]
    assert stats["render_status"] == {"rendered": PAGES}
