"""What the command says of a gallery that it has made."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path

import pytest
from rich.console import Console

from crawler.cli import main
from crawler.cli.gallery_progress import ProgressLine
from crawler.gallery import build as module
from crawler.gallery.build import BuildProgress
from crawler.models import Record
from tests.support.crawls import SEED, SITE, keep, page, saved
from tests.support.gallery_files import DrawsHere
from tests.support.images import SVG, png


@pytest.fixture(autouse=True)
def _draws_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Drawer", DrawsHere)


def said(folder: Path, capsys: pytest.CaptureFixture[str], *records: Record, code: int = 0) -> list[str]:
    keep(folder, page(SEED), *records)
    capsys.readouterr()
    assert main(["gallery", str(folder)]) == code
    return capsys.readouterr().out.splitlines()


def test_of_a_gallery_without_a_flaw_there_is_little_to_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_, last = lines = said(
        tmp_path,
        capsys,
        saved(tmp_path, f"{SITE}/a.png", png()),
        saved(tmp_path, f"{SITE}/b.svg", SVG, format="svg"),
    )
    assert first.startswith("2 images, 1 thumbnail made in ")
    assert last == f"page  {tmp_path / 'gallery' / 'index.html'}"
    assert len(lines) == 2
    assert main(["gallery", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == ["2 images", last]


def test_it_says_what_it_lacks_and_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = saved(tmp_path, f"{SITE}/gone.png", png(1))
    other = saved(tmp_path, f"{SITE}/other.png", png(2), kept_by="0123456789abcdef w1:/srv/pics")
    broken = saved(tmp_path, f"{SITE}/broken.png", png(3)[:80])
    for record in (gone, other):
        (tmp_path / record.path).unlink()
    lines = said(tmp_path, capsys, gone, other, broken)
    assert lines[0] == "3 images"
    told = "\n".join(lines)
    assert "no thumbnail  1 truncated-image" in told
    assert "1 file: on w1, in /srv/pics; copy the folder images from there into this one to see them" in told
    assert "not as saved  1 gone" in told
    assert f"which: image-crawler inspect {tmp_path} --verify" in told


def test_images_in_an_object_store_are_not_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = saved(tmp_path, f"{SITE}/a.png", png())
    (tmp_path / record.path).unlink()
    (tmp_path / "crawl.toml").write_text('[storage]\nstorage = "s3://bucket/pictures"\n')
    told = "\n".join(said(tmp_path, capsys, record))
    assert (
        "not here  1 file: they are in s3://bucket/pictures, where no page on this disk can show them" in told
    )


def test_of_an_empty_crawl_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(tmp_path, capsys)[0] == "no image so far"


def test_json_has_it_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path, page(SEED), saved(tmp_path, f"{SITE}/a.png", png()))
    assert main(["gallery", str(tmp_path), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["images"], summary["thumbnails"], summary["drawn"]) == (1, 1, 1)
    assert summary["page"] == str(tmp_path / "gallery" / "index.html")


def test_it_is_opened_if_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path / "a b", page(SEED))
    opened: list[str] = []

    def open_it(url: str) -> bool:
        opened.append(url)
        return len(opened) == 1

    monkeypatch.setattr(webbrowser, "open", open_it)
    assert main(["gallery", str(tmp_path / "a b"), "--open"]) == 0
    assert opened == [(tmp_path / "a b" / "gallery" / "index.html").as_uri()]
    assert "no browser" not in capsys.readouterr().err
    assert main(["gallery", str(tmp_path / "a b"), "--open"]) == 0
    assert "no browser was found" in capsys.readouterr().err


@pytest.mark.parametrize("width", [20, 30, 44, 60, 80, 200])
def test_the_progress_is_one_line_of_any_width(width: int) -> None:
    console = Console(width=width, legacy_windows=False)
    with console.capture() as captured:
        console.print(ProgressLine(BuildProgress(12_345, 100_000, 300), 230.0))
    (line,) = captured.get().splitlines()
    assert len(line) <= width
    assert "12,345 of" in line
    assert ("about 7 min to go" in line) == (width >= 60)
    assert bool(set("━╸") & set(line)) == (width in {44, 80, 200})
