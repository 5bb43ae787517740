"""Thumbnails are drawn in processes of their own, whatever a file is."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.config import load
from crawler.gallery.thumbnails import (
    Drawer,
    NoThumbnail,
    ThumbnailFolder,
    packed,
    thumbnail_name,
    webp_size_px,
)
from crawler.models import ImageRecord
from crawler.sandbox.child import Child
from tests.support.crawls import SITE, saved
from tests.support.images import chunk, encoded, picture, samples

SHA = hashlib.sha256(b"x").hexdigest()


def test_a_name_is_made_of_the_sha256_and_of_nothing_else() -> None:
    assert thumbnail_name(SHA) == f"{SHA[:2]}/{SHA[:32]}"
    for other in ("", SHA[:-1], SHA.upper(), f"../{SHA[3:]}", SHA[:-1] + "\n"):
        assert thumbnail_name(other) == ""


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", f"{SHA[:2]}/../{SHA[:32]}", f"{SHA[:2]}/{SHA[:32]}\n", "ab"]
)
def test_no_other_name_leads_to_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no thumbnail's name"):
        ThumbnailFolder(tmp_path).file(name)


def test_the_folder_knows_what_it_has(tmp_path: Path) -> None:
    folder = ThumbnailFolder(tmp_path / "thumbs")
    assert folder.names() == set()
    name = thumbnail_name(SHA)
    data = encoded(picture(), "WEBP")
    folder.keep(name, data)
    (tmp_path / "thumbs" / "ab").mkdir()
    (tmp_path / "thumbs" / "ab" / "mine.webp").write_bytes(b"x")
    assert folder.names() == {packed(name)}
    assert folder.size_px(name) == (40, 30)
    assert folder.size_px(thumbnail_name(hashlib.sha256(b"y").hexdigest())) == (0, 0)
    assert folder.remove_stale({packed(name)}) == 1
    assert folder.names() == set()
    assert (tmp_path / "thumbs" / "ab" / "mine.webp").exists()


@pytest.fixture(scope="module")
def drawer() -> Iterator[Drawer]:
    config = load(flags={"decode_timeout_s": 5.0, "max_pixels": 20_000_000})
    with Drawer(config) as made:
        yield made


def of(folder: Path, data: bytes) -> ImageRecord:
    return saved(folder, f"{SITE}/i/x.png", data).within(folder)


@pytest.mark.slow
def test_it_is_drawn_in_another_process(tmp_path: Path, drawer: Drawer) -> None:
    for name in ("plain.png", "progressive.jpg", "plain.avif", "animated.gif", "plain.ico"):
        assert webp_size_px(drawer.draw(of(tmp_path, samples()[name]))[:30])[0] > 0
    large = encoded(picture(width_px=1200, height_px=900), "JPEG")
    assert webp_size_px(drawer.draw(of(tmp_path, large))[:30]) == (400, 300)


@pytest.mark.slow
def test_what_can_not_be_drawn_has_its_reason(tmp_path: Path, drawer: Drawer) -> None:
    data = samples()["plain.png"]
    bomb = data[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 9_000, 9_000, 8, 2, 0, 0, 0)) + data[33:]
    for hostile, reason in (
        (bomb, "too-many-pixels"),
        (data[:70], "truncated-image"),
        (b"<html>", "not-an-image"),
        (samples()["plain.svg"], "unsupported-format"),
    ):
        with pytest.raises(NoThumbnail) as refused:
            drawer.draw(of(tmp_path, hostile))
        assert refused.value.reason == reason
    assert drawer.draw(of(tmp_path, data)), "the next image is drawn as ever"


@pytest.mark.slow
def test_a_decoder_that_is_killed_costs_one_thumbnail_at_most(
    tmp_path: Path, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Child.ask

    def killed(self: Child, *args: object, **options: object) -> Iterator[bytes]:
        self.kill()
        return ask(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Child, "ask", killed)
    with pytest.raises(NoThumbnail) as refused:
        drawer.draw(of(tmp_path, samples()["plain.png"]))
    assert refused.value.reason == "out-of-memory"
    monkeypatch.undo()
    assert drawer.draw(of(tmp_path, samples()["plain.png"]))


@pytest.mark.slow
def test_a_reply_that_is_no_thumbnail_is_refused(
    tmp_path: Path, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reply in (
        b"",
        b"+",
        b"+<script>",
        b"-{}",
        b"-not json",
        b"+" + encoded(picture(width_px=500, height_px=401), "WEBP"),
        b"+" + encoded(picture(width_px=1601), "WEBP"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(drawer._pool, "call", lambda *_, said=reply: (part for part in (said,)))
            with pytest.raises(NoThumbnail) as refused:
                drawer.draw(of(tmp_path, samples()["plain.png"]))
            assert refused.value.reason == "decoder-crashed"
