"""What people see of pages that were opened in a browser; and that they see nothing of it where none were."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from crawler import cli
from crawler.catalog import Catalog
from crawler.catalog.explain import explain
from crawler.catalog.left_out import of_slug, unlisted
from crawler.cli import crawl_tables, status_tables
from crawler.cli.progress import PLAIN_EVERY_S, LivePanel, ProgressLines
from crawler.models import (
    Counts,
    HostStatus,
    NewTask,
    Origin,
    PageStatus,
    RenderRecord,
    RenderStatus,
    Stats,
    Status,
    TaskKind,
    WorkerStatus,
)
from tests.support.crawls import SEED, SITE, garden, keep, page, read_json_lines, render, saved

APP = f"{SITE}/app"
ROUTE = f"{SITE}/app#/photos/1"
RENDERING = Stats(
    pages=Counts(done=40),
    images=Counts(ready=5, done=95),
    renders=Counts(ready=20, leased=4, done=36),
    render_status={"rendered": 30, "rejected": 6},
    render_reasons={"no-gain": 5, "no-browser": 1},
)


def drawn(part: object, width: int = 120) -> str:
    out = Console(file=io.StringIO(), width=width, record=True, force_terminal=True, legacy_windows=False)
    out.print(part(out) if callable(part) else part)
    return out.export_text()


def workers_table(status: Status) -> Callable[[Console], Table]:
    return lambda out: status_tables.workers_table(out, status)


def hosts_table(status: Status) -> Callable[[Console], Table]:
    return lambda out: status_tables.hosts_table(out, status)


def scripted(folder: Path) -> Path:
    """A crawl of a site whose pictures only scripts bring."""
    return keep(
        folder,
        page(SEED, render="static"),
        page(APP, page_url=SEED, found_in="a", depth=1, render="queued"),
        page(f"{SITE}/list", page_url=SEED, found_in="a", depth=1, render="no-gain"),
        render(
            APP,
            page_url=SEED,
            found_in="a",
            depth=1,
            title="Photos",
            images=12,
            links=3,
            gains={"load": 3, "scroll": 9},
            requests=17,
            size_bytes=2_000_000,
            left_out={"render-time": 1, "render-sockets": 2},
        ),
        render(ROUTE, page_url=APP, found_in="a", depth=2, signs="hash-route", left_out={"render-time": 1}),
        render(
            f"{SITE}/old",
            status=RenderStatus.REJECTED,
            reason="no-browser",
            detail="it wants a browser, and none was found",
            http_status=0,
        ),
        saved(folder, f"{SITE}/i/rose.png", b"rose", page_url=APP, found_in="render", depth=1),
        saved(folder, f"{SITE}/i/fern.png", b"fern", page_url=ROUTE, found_in="render", depth=2),
    )


# --- while it runs ---


def test_the_picture_has_a_bar_for_them_where_there_are_any() -> None:
    picture = LivePanel((SEED,), lambda: 1.0)
    text = drawn(picture.draw(RENDERING))
    assert "Rendered" in text
    assert "36 of 60" in text
    assert "not rendered: no-gain 5 · no-browser 1" in text
    assert "ender" not in drawn(picture.draw(Stats(pages=Counts(done=3))))


@pytest.mark.parametrize("width", [44, 80, 200])
def test_the_picture_keeps_its_height(width: int) -> None:
    lines = drawn(LivePanel((SEED,), lambda: 1.0).draw(RENDERING), width).splitlines()
    assert max(map(len, lines)) <= width
    wide = drawn(LivePanel((SEED,), lambda: 1.0).draw(RENDERING), 250).splitlines()
    assert len(lines) == len(wide) + (width < 76), "the share that is done has a row of its own there"


@pytest.mark.parametrize(("stats", "told"), [(RENDERING, " 36 of 60 rendered,"), (Stats(), "")])
def test_a_plain_line_tells_how_far_they_are(stats: Stats, told: str) -> None:
    now = 0.0
    out = Console(file=io.StringIO(), width=10_000, record=True, highlight=False)
    lines = ProgressLines(out, lambda: now)
    now += PLAIN_EVERY_S
    lines.show(stats)
    pages = f"{stats.pages.done} of {stats.pages.discovered} pages,"
    assert f"{pages}{told} {stats.images.done} of" in out.export_text()


def test_renderers_stand_between_harvesters_and_downloaders() -> None:
    kinds = (TaskKind.IMAGE, TaskKind.RENDER, TaskKind.PAGE)
    workers = tuple(WorkerStatus(id=str(kind), kind=kind, machine="box", pid=7, threads=1) for kind in kinds)
    lines = drawn(LivePanel((SEED,), lambda: 1.0).draw(Stats(workers=workers))).splitlines()
    assert [line.split()[0] for line in lines if " done " in line] == ["harvester", "renderer", "downloader"]
    rows = drawn(workers_table(Status(workers=workers))).splitlines()
    assert [line.split()[1] for line in rows if line.startswith("box")] == [
        "harvester",
        "renderer",
        "downloader",
    ]
    many = tuple(WorkerStatus(id=f"{n}", kind=kinds[n % 3], machine="box") for n in range(99))
    assert "box, 33 harvesters, 33 renderers, 33 downloaders" in drawn(
        workers_table(Status(workers=many)), 200
    )


def test_status_has_a_column_for_them_where_there_are_any() -> None:
    status = Status(
        renders=Counts(ready=3),
        renders_per_s=1.5,
        hosts=(HostStatus(name="http://a.example", pages=1, renders=3, images=2),),
    )
    assert [
        cell.strip()
        for cell in drawn(crawl_tables.queue_table(status)).splitlines()[1].split("  ")
        if cell.strip()
    ] == [
        "Pages",
        "Renders",
        "Images",
    ]
    assert "1.5 renders/s" in status_tables.rates(status).plain
    assert ["http://a.example", "1", "3", "2"] in [
        line.split()[:4] for line in drawn(hosts_table(status)).splitlines()
    ]
    plain = Status(hosts=(HostStatus(name="http://a.example"),))
    for part in (crawl_tables.queue_table(plain), status_tables.rates(plain), hosts_table(plain)):
        assert "ender" not in drawn(part)


@pytest.mark.parametrize(("renders", "told"), [(7, "not finished: 7 pages to render"), (0, "in Redis")])
def test_what_is_left_to_render_is_left_to_do(renders: int, told: str) -> None:
    assert told in crawl_tables.state(Stats(renders=Counts(ready=renders))).plain


# --- afterwards ---


def test_inspect_counts_them_by_what_became_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["inspect", str(scripted(tmp_path))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "renders     3: 2 rendered, 1 rejected (1 no-browser)" in lines
    assert any(line.split()[:3] == ["1", "render", "no-browser"] for line in lines)
    assert any(line.startswith("no browser") and "1 page wants a browser" in line for line in lines)
    assert any(line.split()[:2] == ["render-sockets", "2"] for line in lines)


@pytest.mark.parametrize("command", ["inspect", "status"])
def test_a_site_without_scripts_hears_nothing_of_it(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, str(garden(tmp_path))]) == 0
    out = capsys.readouterr().out
    assert "ender" not in out
    assert "Chromium" not in out
    assert "a browser to show" not in out


@pytest.mark.parametrize("command", ["inspect", "status"])
def test_machines_are_told_as_well(tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, str(scripted(tmp_path)), "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    stats = told.get("stats", told)
    assert stats["renders"]["done"] == 3
    assert stats["render_status"] == {"rendered": 2, "rejected": 1}
    assert stats["render_reasons"] == {"no-browser": 1}


def test_export_has_their_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", str(scripted(tmp_path)), "--records", "renders"]) == 0
    records = read_json_lines(capsys.readouterr().out)
    assert [record["url"] for record in records] == [APP, ROUTE, f"{SITE}/old"]
    assert records[0]["gains"] == {"load": 3, "scroll": 9}
    assert list(records[0]) == list(RenderRecord.__struct_fields__)


# --- one URL ---


def test_explain_tells_of_a_page_why_it_was_rendered_and_what_that_brought(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", str(scripted(tmp_path)), APP]) == 0
    out = capsys.readouterr().out
    read, rendered = out.split("\n\nhttp://garden.example/app\n")
    assert "in a browser  it is opened in a browser as well" in read
    for name, value in {
        "kind": "page in a browser",
        "status": "rendered",
        "why": "it has scripts; it has an empty element in which scripts build pages",
        "template": "f00d/cafe",
        "title": "Photos",
        "brought": "12 images, 3 links that are not found without scripts",
        "images by": "scroll 9, load 3",
        "requests": "17, 1.9 MiB in all",
    }.items():
        assert any(line.startswith(name) and line.endswith(value) for line in rendered.splitlines()), (
            name,
            rendered,
        )
    assert "2 by render-sockets: connections of rendered pages" in rendered
    assert "  this page (a)" in rendered


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (SEED, "it has no scripts, which a browser would run"),
        (f"{SITE}/list", "pages of its template were opened in a browser, which brought nothing new"),
    ],
)
def test_explain_tells_of_a_page_why_it_was_not(
    tmp_path: Path, url: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", str(scripted(tmp_path)), url]) == 0
    out = capsys.readouterr().out
    assert told in out
    assert "page in a browser" not in out


def test_explain_tells_of_a_page_without_a_browser_what_was_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", str(scripted(tmp_path)), f"{SITE}/old"]) == 0
    out = capsys.readouterr().out
    assert "no-browser" in out
    assert "it wants a browser, and none was found" in out


def test_explain_finds_a_route_by_its_fragment(tmp_path: Path) -> None:
    with Catalog(scripted(tmp_path)) as catalog:
        route = explain(catalog, ROUTE)
        spelled = explain(catalog, "/app#/photos/1")
        anchor = explain(catalog, f"{APP}#top")
        unknown = explain(catalog, f"{APP}#/photos/2")
    assert [entry.kind for entry in route.entries] == [TaskKind.RENDER]
    assert route.entries == spelled.entries
    assert [step.url for step in route.entries[0].chain] == [SEED, APP]
    assert [entry.kind for entry in anchor.entries] == [TaskKind.PAGE, TaskKind.RENDER]
    assert unknown.entries == anchor.entries


@pytest.mark.parametrize(("image", "way"), [("rose", [SEED, APP]), ("fern", [SEED, APP, ROUTE])])
def test_an_image_that_a_script_brought_names_its_page(tmp_path: Path, image: str, way: list[str]) -> None:
    with Catalog(scripted(tmp_path)) as catalog:
        (entry,) = explain(catalog, f"{SITE}/i/{image}.png").entries
    assert [step.url for step in entry.chain] == way
    assert entry.found_in == "render"


def test_explain_tells_of_one_that_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = NewTask(
        kind=TaskKind.RENDER,
        url=SEED,
        origin=Origin(page_url="", found_in="", template="a/b", signs="noscript"),
    )
    keep(tmp_path, page(SEED, render="queued"), waiting=[waiting])
    assert cli.main(["explain", str(tmp_path), SEED]) == 0
    out = capsys.readouterr().out
    assert "waiting for its turn" in out
    assert "it says that it needs JavaScript" in out
    assert "a/b" in out


def test_what_is_left_out_of_them_is_named_by_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Catalog(scripted(tmp_path)) as catalog:
        time_up = of_slug(catalog, "render-time")
        assert time_up.count == 2
        assert [(cut.url, cut.times, cut.kind) for cut in time_up.pages] == [
            (APP, 1, TaskKind.RENDER),
            (ROUTE, 1, TaskKind.RENDER),
        ]
        assert "render-time" not in unlisted(catalog)
    assert cli.main(["explain", str(tmp_path), "render-sockets"]) == 0
    assert f"    2 of {APP}" in capsys.readouterr().out


# --- once more ---


def test_retry_puts_those_back_that_had_no_browser(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = render(f"{SITE}/failed", status=RenderStatus.FAILED, reason="browser-failed", http_status=0)
    no_gain = render(f"{SITE}/vain", status=RenderStatus.REJECTED, reason="no-gain")
    old = render(f"{SITE}/old", status=RenderStatus.REJECTED, reason="no-browser", http_status=0)
    keep(tmp_path, page(SEED), failed, no_gain, old)
    assert cli.main(["retry", str(tmp_path), "--renders"]) == 0
    assert capsys.readouterr().out == (
        f"2 renders put back in the queue. To do them: image-crawler crawl {SEED} -o {tmp_path}\n"
    )
    with Catalog(tmp_path) as catalog:
        assert [record.url for record in catalog.renders()] == [no_gain.url]
    assert cli.main(["retry", str(tmp_path), "--renders", "--reason", "no-gain"]) == 0
    assert capsys.readouterr().out.startswith("1 render put back in the queue.")
    assert cli.main(["retry", str(tmp_path), "--renders"]) == 0
    assert capsys.readouterr().out == f"nothing to put back: no render of {tmp_path} has failed\n"


def test_pages_and_renders_are_put_back_one_after_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(tmp_path, page(SEED, status=PageStatus.FAILED, reason="not-found"))
    assert cli.main(["retry", str(tmp_path), "--renders", "--pages"]) == 2
    assert "exclude each other" in capsys.readouterr().err
