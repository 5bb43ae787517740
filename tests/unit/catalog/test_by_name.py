"""Files and URLs by name, as ``explain DIR name.jpg`` finds them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from crawler.catalog import Catalog
from crawler.catalog.by_name import MAX_NAMED, Likeness
from crawler.catalog.explain import Explanation, explain
from crawler.cli import main
from crawler.models import ImageStatus, NewTask, Revisit, TaskKind
from tests.support.crawls import SEED, SITE, garden, keep, page, saved

DEEP = f"{SITE}/wp-content/uploads/2026/05/rose.png"


def explained(folder: Path, asked: str) -> Explanation:
    with Catalog(folder) as catalog:
        return explain(catalog, asked)


def test_a_file_is_found_by_its_name(tmp_path: Path) -> None:
    folder = keep(tmp_path, page(SEED), saved(tmp_path, DEEP, b"rose"))
    for asked in ("rose.png", "05/rose.png", "./rose.png", "/2026/05/rose.png"):
        explanation = explained(folder, asked)
        assert (explanation.how, explanation.rule, explanation.url) == ("name", Likeness.EXACT, DEEP), asked
        (entry,) = explanation.entries
        assert entry.image is not None
        assert entry.image.path.endswith("rose.png")


def test_its_own_name_counts_and_that_of_its_url(tmp_path: Path) -> None:
    record = saved(tmp_path, f"{SITE}/image?id=7", b"rose", path="images/garden.example/image~7.png")
    folder = keep(tmp_path, page(SEED), record)
    assert explained(folder, "image~7.png").url == record.url
    assert explained(folder, "image").url == record.url
    assert explained(folder, "image?id=7").url == record.url


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ("ROSE.png", Likeness.CASE),
        ("rose", Likeness.BEGINNING),
        ("05/ro", None),
        ("OSE.p", Likeness.PART),
        ("05/ros", Likeness.BEGINNING),
        ("ro", None),
        ("ros.png", None),
        ("uploads", None),
    ],
)
def test_where_nothing_is_called_just_so_what_is_alike_is_found(
    tmp_path: Path, asked: str, rule: str | None
) -> None:
    explanation = explained(keep(tmp_path, page(SEED), saved(tmp_path, DEEP, b"rose")), asked)
    assert (explanation.rule or None) == rule
    assert explanation.known == (rule is not None)


def test_what_is_exact_comes_before_what_is_alike(tmp_path: Path) -> None:
    urls = [f"{SITE}/a/rose.png", f"{SITE}/b/Rose.png", f"{SITE}/c/rose.png.jpg"]
    folder = keep(tmp_path, page(SEED), *(saved(tmp_path, url, url.encode()) for url in urls))
    assert explained(folder, "rose.png").url == urls[0]
    assert explained(folder, "Rose.png").url == urls[1]


def test_what_was_not_saved_and_pages_have_names_as_well(tmp_path: Path) -> None:
    folder = garden(tmp_path)
    assert explained(folder, "none.png").url == f"{SITE}/i/none.png"
    assert explained(folder, "plants.html").url == f"{SITE}/plants.html"


def test_names_are_found_as_people_write_them(tmp_path: Path) -> None:
    url = f"{SITE}/bilder/gr%C3%B6%C3%9Fe%201.png"
    folder = keep(
        tmp_path, page(SEED), msgspec.structs.replace(saved(tmp_path, url, b"x"), path="images/x.png")
    )
    assert explained(folder, "gr\u00f6\u00dfe 1.png").url == url
    assert explained(folder, "gr%C3%B6%C3%9Fe%201.png").url == url


def test_a_file_of_before_has_its_name_still(tmp_path: Path) -> None:
    url = f"{SITE}/i/old.png"
    before = saved(tmp_path, f"{SITE}/i/old~version.png", b"before")
    now = saved(tmp_path, url, b"now", revisit=Revisit.CHANGED)
    folder = keep(
        tmp_path, page(SEED), msgspec.structs.replace(before, url=url, final_url=url), refreshed=[now]
    )
    assert explained(folder, "old~version.png").url == url


def test_several_of_a_name_are_listed_with_what_tells_them_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        saved(tmp_path, f"{SITE}/a/rose.png", b"small", width_px=40, height_px=30),
        saved(tmp_path, "http://cdn.example/rose.png", b"much larger", page_url=f"{SITE}/b.html"),
        msgspec.structs.replace(
            saved(tmp_path, f"{SITE}/c/rose.png", b"x"),
            status=ImageStatus.FAILED,
            reason="not-found",
            path="",
        ),
    ]
    waiting = [NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/d/rose.png")]
    folder = keep(tmp_path, page(SEED), *records, waiting=waiting)
    assert main(["explain", str(folder), "rose.png"]) == 0
    text = capsys.readouterr().out
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "4 are called rose.png:"
    for line in (
        "images/garden.example/a/rose.png", "saved  40 x 30 px, 5 bytes", f"from {SITE}/a/rose.png",
        "images/cdn.example/rose.png", "saved  4 x 3 px, 11 bytes", f"on {SITE}/b.html",
        f"{SITE}/c/rose.png", "failed  4 x 3 px, 1 bytes  not-found", f"{SITE}/d/rose.png", "to do",
    ):  # fmt: skip
        assert line in lines, text
    assert explained(folder, "rose.png").entries == ()


def test_one_that_lies_where_the_seed_does_is_one_of_them(tmp_path: Path) -> None:
    urls = [f"{SITE}/rose.png", f"{SITE}/a/rose.png"]
    folder = keep(tmp_path, page(SEED), *(saved(tmp_path, url, url.encode()) for url in urls))
    assert {one.url for one in explained(folder, "rose.png").named} == set(urls)
    assert explained(folder, "/rose.png").url == urls[0], "a path is that of the seed's host"


def test_very_many_of_a_name_are_counted(tmp_path: Path) -> None:
    waiting = [NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/{n}/0.png") for n in range(MAX_NAMED + 30)]
    explanation = explained(keep(tmp_path, waiting=waiting), "0.png")
    assert (len(explanation.named), explanation.named_count) == (MAX_NAMED, MAX_NAMED + 30)


@pytest.mark.parametrize("asked", ["", "/", ".", "..", "%", "'", "x" * 2000, "\0", "a\0b.png", "?", "*", "_"])
def test_what_is_no_name_finds_nothing(tmp_path: Path, asked: str) -> None:
    assert explained(garden(tmp_path), asked).how != "name"


def test_a_url_is_asked_for_by_its_host(tmp_path: Path) -> None:
    explanation = explained(garden(tmp_path), "https://elsewhere.example/rose.png")
    assert not explanation.known, "that is not the file of another host"


def test_a_path_is_understood_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = garden(tmp_path / "crawl")
    (tmp_path / "link").symlink_to(folder)
    inside = folder / "images" / "garden.example" / "i"
    for here, of, asked in (
        (inside, Path("../../.."), "rose.png"),
        (inside, folder, "./rose.png"),
        (tmp_path, Path("link"), "link/images/garden.example/i/rose.png"),
        (tmp_path, Path("crawl"), str(tmp_path / "link/images/garden.example/i/rose.png")),
        (folder / "images", Path(".."), "../images/garden.example/i/rose.png"),
    ):
        monkeypatch.chdir(here)
        explanation = explained(of, asked)
        assert (explanation.how, explanation.url) == ("file", f"{SITE}/i/rose.png"), (here, asked)
