"""A crawl's folder is files and folders: any tool copies, moves and archives it, and the crawl goes on in the copy."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.running import image_crawler, records, running, saved_digests, wait_until_recorded
from tests.support.sites import make_site, serving

COMMANDS: dict[str, list[str]] = {
    "cp -rL": ["cp -rL crawl copy"],
    "cp -a": ["cp -a crawl copy"],
    "mv": ["mv crawl copy"],
    "rsync": ["rsync -a crawl/ copy/"],
    "rsync --copy-links": ["rsync -aL crawl/ copy/"],
    "tar": ["tar cf crawl.tar crawl", "mkdir copy", "tar xf crawl.tar --strip-components=1 -C copy"],
    "zip": [
        "zip -q -r crawl.zip crawl",
        "unzip -q crawl.zip -d unpacked",
        "mv unpacked/crawl copy",
        "rm -r unpacked crawl.zip",
    ],
}
"""Each of them copies the folder ``crawl`` to ``copy``."""


def by_shell(*lines: str) -> Callable[[Path], bool]:
    """False where the tool is not there."""

    def copy(folder: Path) -> bool:
        for line in lines:
            if shutil.which(line.split()[0]) is None:
                return False
            done = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, ""), f"{line}: {done.stderr}"
        return True

    return copy


def by_copytree(folder: Path) -> bool:
    shutil.copytree(folder / "crawl", folder / "copy")
    return True


def by_archive(folder: Path) -> bool:
    shutil.unpack_archive(shutil.make_archive(str(folder / "kept"), "zip", folder / "crawl"), folder / "copy")
    return True


def tree(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


COPIES = {
    **{name: by_shell(*lines) for name, lines in COMMANDS.items()},
    "shutil.copytree": by_copytree,
    "shutil.make_archive": by_archive,
}


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.sampled(3)
@pytest.mark.parametrize("storage", ["local", "manager"])
@pytest.mark.parametrize("last", ["cp -rL", "mv"])
def test_the_same_command_goes_on_in_any_copy(tmp_path: Path, storage: str, last: str) -> None:
    """Interrupted, copied by each tool, and gone on with in the copy: nothing twice, nothing lost."""
    digests = make_site(tmp_path / "site", pages=8, images_per_page=3)
    with serving(tmp_path / "site", delay_s=0.02) as server:
        options = ("--quiet", "--downloaders", "1", "--per-host", "2", "--storage", storage)
        server.held_after = 10
        with running("crawl", server.url, "-o", "crawl", *options, folder=tmp_path) as crawl:
            wait_until_recorded(crawl, tmp_path / "crawl", 5)
            assert "stopping" in crawl.interrupted()
            server.held_after = None
            crawl.outcome()
        before = len(records(tmp_path / "crawl"))
        assert 5 <= before < len(digests)
        server.delay_s = 0.0
        whole = tree(tmp_path / "crawl")
        assert ".index/claims.db" in whole
        copied = 0
        for name in [*(COPIES.keys() - {last, "mv"}), last]:
            shutil.rmtree(tmp_path / "copy", ignore_errors=True)
            if COPIES[name](tmp_path):
                copied += 1
                assert tree(tmp_path / "copy") == whole, name
        assert copied >= 5
        server.requests.clear()
        outcome = image_crawler("crawl", server.url, "-o", "copy", *options, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert saved_digests(tmp_path / "copy", server.url) == digests
        asked = sum(count for path, count in server.requests.items() if path.endswith(".png"))
        assert asked <= len(digests) - before, "images that were there are asked for again"


def test_bytes_that_a_copy_has_are_not_kept_twice(tmp_path: Path) -> None:
    """The index came along: another URL with the same bytes, found by a refresh in the copy, is a duplicate."""
    site = tmp_path / "site"
    digests = make_site(site, pages=2, images_per_page=2)
    with serving(site) as server:
        assert image_crawler("crawl", server.url, "-o", "crawl", "--quiet", folder=tmp_path).code == 0
        by_shell("cp -rL crawl copy")(tmp_path)
        image = next(file for file in site.rglob("*.png"))
        shutil.copy(image, site / "again.png")
        page = site / "index.html"
        page.write_text(page.read_text(encoding="utf-8") + '<img src="/again.png">', encoding="utf-8")
        server.requests.clear()
        outcome = image_crawler("crawl", server.url, "-o", "copy", "--quiet", "--refresh", folder=tmp_path)
        assert outcome.code == 0, outcome.err
        record = records(tmp_path / "copy")[f"{server.url}again.png"]
    assert str(record.status) == "duplicate"
    assert len(list((tmp_path / "copy/images").rglob("*.png"))) == len(digests)
