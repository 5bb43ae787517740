"""status, inspect, the summary, the panel, the metrics, the gallery and the lists give the same figures of one folder.

Of a site without a sitemap status counted seven pages where inspect counted one.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from crawler.catalog.database import Catalog
from crawler.catalog.summary import read_stats, summarise
from crawler.cli import main
from crawler.cli.live_panel import LivePanel
from crawler.cli.report import print_summary
from crawler.metrics.exposition import exposition
from crawler.metrics.figures import Snapshot
from crawler.metrics.series import PREFIX, series
from crawler.models import (
    ImageRecord,
    ImageStatus,
    NewTask,
    PageRecord,
    PageStatus,
    Record,
    RenderRecord,
    TaskKind,
)
from tests.support.crawls import SEED, SITE, keep, page, render, saved
from tests.unit.cli.test_progress import console

_LOST = (
    (ImageStatus.REJECTED, "too-small"),
    (ImageStatus.REJECTED, "not-an-image"),
    (ImageStatus.FAILED, "not-found"),
    (ImageStatus.FAILED, "server-error"),
    (ImageStatus.DEAD, "lease-expired"),
)
_UNREAD = (
    (PageStatus.FAILED, "not-found"),
    (PageStatus.REJECTED, "robots-disallowed"),
    (PageStatus.REJECTED, "no-sitemap"),
)


GUESSED = "no-sitemap"


def records_of(chance: random.Random, folder: Path) -> list[Record]:
    """Of a crawl with some of everything, or with little of it."""

    def some(most: int) -> range:
        return range(chance.choice((0, 0, 1, chance.randint(2, most))))

    records: list[Record] = [page(SEED, images=9), *(page(f"{SITE}/{n}.html", images=n % 2) for n in some(5))]
    for status, reason in _UNREAD:
        records += [page(f"{SITE}/{reason}-{n}", status=status, reason=reason) for n in some(4)]
    records += [render(f"{SITE}/app{n}.html") for n in some(3)]
    records += [render(f"{SITE}/no{n}.html", status="rejected", reason="no-browser") for n in some(3)]
    images = [saved(folder, f"{SITE}/i/{n}.png", b"x" * (n + 1)) for n in some(6)]
    for n in some(3) if images else ():
        copy = saved(folder, f"{SITE}/again/{n}.png", b"x", status=ImageStatus.DUPLICATE)
        (folder / copy.path).unlink()
        records.append(msgspec.structs.replace(copy, path=images[0].path))
    for status, reason in _LOST:
        records += [
            ImageRecord(url=f"{SITE}/{reason}/{n}.png", status=status, reason=reason, found_in="img")
            for n in some(4)
        ]
    return [*records, *images]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What has been put into a folder, counted here; without sitemaps that were only guessed."""

    folder: Path
    statuses: Mapping[str, Mapping[str, int]]
    """By kind: ``image``, ``page``, ``render``."""
    reasons: Mapping[str, Mapping[str, int]]
    guessed: int
    to_do: int
    saved_bytes: int

    def count(self, kind: str) -> int:
        return sum(self.statuses[kind].values())

    @property
    def lost(self) -> int:
        return sum(self.reasons["image"].values())


@pytest.fixture(name="truth", scope="module", params=range(8))
def a_crawl(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    chance, folder = random.Random(request.param), tmp_path_factory.mktemp("crawl")
    records = records_of(chance, folder)
    to_do = chance.choice((0, 0, 3))
    later = [NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/later/{n}.png", depth=1) for n in range(to_do)]
    keep(folder, *records, waiting=later)
    told = [one for one in records if one.reason != GUESSED]
    of_kind = {
        kind: [one for one in told if isinstance(one, of_it)]
        for kind, of_it in (("image", ImageRecord), ("page", PageRecord), ("render", RenderRecord))
    }
    return Truth(
        folder=folder,
        statuses={kind: Counter(str(one.status) for one in some) for kind, some in of_kind.items()},
        reasons={kind: Counter(one.reason for one in some if one.reason) for kind, some in of_kind.items()},
        guessed=len(records) - len(told),
        to_do=to_do,
        saved_bytes=sum(
            one.size_bytes
            for one in records
            if isinstance(one, ImageRecord) and one.status == ImageStatus.SAVED
        ),
    )


class Told:
    """What each command says of a folder."""

    def __init__(self, truth: Truth, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = truth.folder, capsys

    def __call__(self, command: str, *more: str) -> str:
        assert main([command, str(self._folder), *more]) == 0
        return self._capsys.readouterr().out

    def json(self, command: str) -> dict[str, Any]:
        value = json.loads(self(command, "--json"))
        assert isinstance(value, dict)
        return value

    def lines(self, command: str, *more: str) -> int:
        return len(self(command, *more).splitlines())

    def summary(self) -> str:
        with Catalog(self._folder) as catalog:
            print_summary(summarise(catalog), as_json=False)
        return self._capsys.readouterr().out

    def panel(self) -> str:
        with Catalog(self._folder) as catalog:
            stats = read_stats(catalog)
        out = console(300, 60)
        out.print(LivePanel((SEED,)).draw(stats))
        return out.export_text()

    def metrics(self) -> dict[tuple[str, ...], float]:
        with Catalog(self._folder) as catalog:
            seen = Snapshot(stats=read_stats(catalog), workers={}, processes={})
        text, _ = exposition(series(), seen, "text/plain")
        return {
            (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
        }


def number(pattern: str, text: str) -> int:
    """The number that *pattern* finds, 0 if it finds none: what is 0 is not told of."""
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1].replace(",", "")) if found else 0


def table(title: str, text: str) -> dict[str, int]:
    """The rows of a table of ``status``, without those that are 0."""
    body = re.split(rf"^{title}\n.*\n", text, maxsplit=1, flags=re.MULTILINE)
    rows = body[1].partition("\n\n")[0].splitlines() if len(body) > 1 else []
    cells = [re.split(r"\s{2,}", row.strip()) for row in rows]
    return {name: int(count.replace(",", "")) for name, count in cells if count != "0"}


def listed(pattern: str, text: str, *, count_first: bool = False) -> dict[str, int]:
    """``too-small 2 · not-found 1`` after *pattern*; ``2 too-small, 1 not-found`` if the *count* comes *first*."""
    found = re.search(pattern, text, re.MULTILINE)
    pairs = re.findall(r"(\d+) ([a-z-]+)" if count_first else r"([a-z-]+) (\d+)", found[1]) if found else []
    return {name: int(count) for count, name in (pair if count_first else pair[::-1] for pair in pairs)}


@pytest.fixture(name="told")
def what_is_told(truth: Truth, capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(truth, capsys)


def test_status(truth: Truth, told: Told) -> None:
    text = told("status")
    assert GUESSED not in text
    for title, kind, to_do in (
        ("Images", "image", truth.to_do),
        ("Pages", "page", 0),
        ("Rendered", "render", 0),
    ):
        count = truth.count(kind) + to_do
        expected = {"to do": to_do, "discovered": count, **truth.statuses[kind], **truth.reasons[kind]}
        assert table(title, text) == {name: count for name, count in expected.items() if count}
    assert re.search(rf"^done +{truth.count('page')} ", text, re.MULTILINE), "in the table of the queue"


def test_inspect(truth: Truth, told: Told) -> None:
    text = told("inspect")
    assert GUESSED not in text
    assert number(r"^images .*?([\d,]+) URLs?", text) == truth.count("image") + truth.to_do
    for name in ImageStatus:
        assert number(rf"^images .*?([\d,]+) {name}", text) == truth.statuses["image"].get(name, 0)
    assert number(r"^pages +([\d,]+) read", text) == truth.statuses["page"]["harvested"]
    assert number(r"^pages .*?([\d,]+) not read", text) == sum(truth.reasons["page"].values())
    for kind, lead in (("image", ""), ("page", "page "), ("render", "render ")):
        for reason, count in truth.reasons[kind].items():
            assert number(rf"^ +([\d,]+)  {lead}{reason} ", text) == count


def test_the_summary(truth: Truth, told: Told) -> None:
    text = told.summary()
    assert number(r"^([\d,]+) images?, ", text) == truth.statuses["image"].get("saved", 0)
    assert number(r"^same +([\d,]+) more", text) == truth.statuses["image"].get("duplicate", 0)
    assert number(r"^not saved +([\d,]+):", text) == truth.lost
    assert listed(r"^not saved +\d+: (.*)", text, count_first=True) == truth.reasons["image"]
    assert number(r"^pages +([\d,]+) read", text) == truth.statuses["page"]["harvested"]
    assert listed(r"not read \((.*)\)$", text, count_first=True) == truth.reasons["page"]


def test_the_panel(truth: Truth, told: Told) -> None:
    text = told.panel()
    for name in ImageStatus:
        assert number(rf"([\d,]+) {name}\b", text) == truth.statuses["image"].get(name, 0)
    assert number(r"Pages .*of ([\d,]+) ", text) == truth.count("page")
    assert number(r"Images .*of ([\d,]+) ", text) == truth.count("image") + truth.to_do
    for what, kind in (("saved", "image"), ("read", "page"), ("rendered", "render")):
        assert listed(rf"not {what}: ((?:[a-z-]+ \d+(?: · )?)*)", text) == truth.reasons[kind]


def test_what_programs_read_has_guessed_sitemaps_by_their_name(truth: Truth, told: Told) -> None:
    status, metrics = told.json("status"), told.metrics()
    assert told.json("inspect")["stats"].items() <= status.items()
    guessed = {GUESSED: truth.guessed} if truth.guessed else {}
    for kind in ("image", "page", "render"):
        reasons = {**truth.reasons[kind], **(guessed if kind == "page" else {})}
        assert status[f"{kind}_reasons"] == reasons
        assert {key[2]: count for key, count in metrics.items() if key[:2] == ("not_had", kind)} == reasons
        statuses = {key[2]: count for key, count in metrics.items() if key[:2] == ("records", kind) and count}
        assert statuses == status[f"{kind}_status"]
    assert status["image_status"] == truth.statuses["image"]
    assert status["saved_bytes"] == metrics["saved_bytes",] == truth.saved_bytes


def test_lists(truth: Truth, told: Told) -> None:
    assert told.lines("inspect", "--failures", "--json") == truth.lost
    assert told.lines("export") == truth.count("image")
    assert told.lines("export", "--records", "pages") == truth.count("page") + truth.guessed
    with sqlite3.connect(truth.folder / "crawl.db") as db:
        ((failures,),) = db.execute("SELECT count(*) FROM failures")
    db.close()
    assert failures == sum(sum(reasons.values()) for reasons in truth.reasons.values())


def test_the_gallery(truth: Truth, told: Told) -> None:
    found, had = told.json("gallery"), truth.statuses["image"]
    assert found["failures"] == truth.lost
    assert found["duplicates"] == had.get("duplicate", 0)
    assert found["images"] == had.get("saved", 0) + had.get("duplicate", 0)


@pytest.mark.parametrize("columns", [44, 80])
def test_on_a_terminal_status_breaks_no_row(
    truth: Truth, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Of 38 rows 12 were rules and titles, and the line of rates was two."""
    out = console(columns, 60)
    monkeypatch.setattr("crawler.cli.tables.console", lambda: out)
    assert main(["status", str(truth.folder)]) == 0
    lines = out.export_text().splitlines()
    assert max(map(len, lines)) <= columns
    assert not {"Queue", "Images", "Pages", "Rendered"} & {line.strip() for line in lines}, (
        "titles are headers"
    )
    share = next((line for line in lines if " % of " in line), "")
    assert bool(share) is bool(truth.to_do)
