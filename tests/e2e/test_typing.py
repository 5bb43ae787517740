"""What whoever installs the package gets: types, in wheel and sdist, that a strict type checker is content with."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from pathlib import Path

import pytest

import crawler
from tests.e2e.test_pythons import CHECKOUT, INSTALLING_S, pip

pytestmark = pytest.mark.timeout(3 * INSTALLING_S)

USES_EVERY_NAME = """
    from __future__ import annotations

    import asyncio
    from collections.abc import Iterator
    from pathlib import Path
    from typing import assert_type

    import crawler

    wanted: crawler.Settings = {"max_depth": 2, "formats": ["jpg", "png"], "min_image_bytes": "10 KB"}


    def told(stats: crawler.Stats) -> None:
        print(crawler.__version__, stats.images.discovered, stats.saved_bytes, stats.drained)


    def save(seeds: Iterator[str]) -> list[crawler.ImageRecord]:
        kept = []
        try:
            for record in crawler.crawl("https://a.example/", ["https://b.example/"], seeds, progress=told, **wanted):
                assert_type(record, crawler.ImageRecord)
                assert_type(record.file, Path | None)
                assert_type(record.status, crawler.ImageStatus)
                if record.status is crawler.ImageStatus.SAVED and record.file is not None:
                    print(record.file.read_bytes(), record.width_px + record.height_px, record.alt.upper())
                kept.append(record)
        except crawler.UsageError as exc:
            print(exc)
        except crawler.CrawlError:
            raise
        except crawler.CrawlerError as exc:
            print(exc.args)
        return kept


    async def first(url: str) -> crawler.ImageRecord | None:
        found = crawler.crawl(url, output=Path("pictures"), delay_s=1, images="all", progress=True)
        assert_type(found, crawler.Records)
        async for record in found:
            return record
        return None


    def read(folder: str | Path) -> list[dict[str, object]]:
        catalog = crawler.Catalog(folder)
        print(len(catalog), [record.url for record in catalog])
        pages: Iterator[crawler.PageRecord] = catalog.pages(status=crawler.PageStatus.FAILED)
        renders: Iterator[crawler.RenderRecord] = catalog.renders(status=["rendered", crawler.RenderStatus.DEAD])
        with catalog:
            rows: list[dict[str, object]] = [record.to_dict() for record in catalog.images(status="saved")]
        return rows + [page.to_dict() for page in pages] + [render.to_dict() for render in renders]


    def own_pace() -> None:
        config: crawler.Config = crawler.load_config(flags={"max_depth": 1})
        with crawler.Crawl(["https://example.org/"], folder=None, config=config) as running:
            for stats in running.watch():
                told(stats)


    asyncio.run(first("https://example.org/"))
"""
WRONG = {
    'crawler.crawl("https://example.org/", max_depht=2)': "max_depht",
    'crawler.crawl("https://example.org/", max_depth="two")': "max_depth",
    'crawler.crawl("https://example.org/", images="bset")': "images",
    "crawler.crawl(7)": "crawl",
    'crawler.Catalog("pictures").images(status="savde")': "status",
    "crawler.Catalog(7)": "Catalog",
    'next(crawler.crawl("https://example.org/")).width': "width",
    'next(crawler.crawl("https://example.org/")).url = "other"': "url",
}


@pytest.fixture(name="built", scope="module")
def what_is_built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that pip makes of it, as from an index that has no wheel."""
    folder = tmp_path_factory.mktemp("built")
    builder = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", builder], check=True, timeout=INSTALLING_S)
    python = builder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip(python, "install", "hatchling>=1.27")
    command = [python, "-m", "hatchling", "build", "-t", "sdist", "-d", folder / "dist"]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, timeout=INSTALLING_S)
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    pip(python, "wheel", "--no-deps", "--wheel-dir", folder / "dist", sdist)
    return folder / "dist"


@pytest.fixture(name="python", scope="module")
def where_it_is_installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the wheel; what that needs it has of ours."""
    environment = tmp_path_factory.mktemp("outside") / "venv"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=INSTALLING_S
    )
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(where, check=True, capture_output=True, text=True, timeout=60).stdout.strip())
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    import msgspec

    (site / "ours.pth").write_text(str(Path(msgspec.__file__).parents[1]), encoding="utf-8")
    return python


def mypy(python: Path, script: Path) -> tuple[int, str]:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file",
        "",
        "--python-executable",
        python,
        "--cache-dir",  # the second of two reads what the first has learned of the package
        python.parents[2] / "mypy",
        script,
    ]
    done = subprocess.run(
        command, cwd=script.parent, capture_output=True, text=True, timeout=600, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_marker_is_in_both(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        assert "crawler/py.typed" in archive.namelist()
    with tarfile.open(sdist) as archive:
        assert any(name.endswith("/crawler/py.typed") for name in archive.getnames())


def test_a_script_that_uses_every_public_name_has_no_error(python: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    assert [name for name in crawler.__all__ if f"crawler.{name}" not in USES_EVERY_NAME] == []
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(USES_EVERY_NAME), encoding="utf-8")
    code, said = mypy(python, script)
    assert code == 0, said


def test_what_is_wrong_is_an_error_where_it_stands(python: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text("import crawler\n\n" + "".join(f"{line}\n" for line in WRONG), encoding="utf-8")
    code, said = mypy(python, script)
    assert code == 1
    for number, (line, about) in enumerate(WRONG.items(), start=3):
        told = [error for error in said.splitlines() if error.startswith(f"script.py:{number}: error: ")]
        assert any(about in error for error in told), (line, said)
