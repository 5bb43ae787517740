"""Records in Python: as dictionaries, in a prompt, in a notebook; and the file that each is of."""

from __future__ import annotations

import copy
import gc
import html
import io
import json
import pickle
import re
import threading
import warnings
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import crawler
from crawler.api.progress import Progress
from crawler.api.thumbnails import MOST_BYTES, SIDE_PX, thumbnail
from crawler.catalog import Catalog
from crawler.crawlfile.keepers import mark
from crawler.models import (
    RECORDS,
    Alternative,
    ImageRecord,
    ImageStatus,
    OptOut,
    PageRecord,
    Purpose,
    Record,
    Stats,
)
from tests.support.crawls import SITE, keep, saved

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[2J\u202e&amp;"


def png(width: int = 300, height: int = 200, mode: str = "RGB", form: str = "PNG") -> bytes:
    out = io.BytesIO()
    noise = Image.effect_noise((width, height), 90).convert(mode)
    noise.save(out, form)
    return out.getvalue()


@pytest.fixture(name="crawl")
def a_crawl(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    rose = msgspec.structs.replace(
        saved(folder, f"{SITE}/rose.png", png()), alt=HOSTILE, width_px=300, height_px=200, format="png"
    )
    drawing = msgspec.structs.replace(
        saved(folder, f"{SITE}/plan.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"),
        format="svg",
    )
    failed = ImageRecord(
        url=f"{SITE}/gone.png", status=ImageStatus.FAILED, reason="not-found", detail="404 Not Found",
        finished_at="2026-01-02T03:04:05.000000Z",
    )  # fmt: skip
    keep(folder, rose, drawing, failed)
    return folder


# --- catalogs ---


def test_a_catalog_takes_a_path_in_any_form_and_needs_no_block(
    crawl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(crawl.parent)
    for given_as in ("pictures", Path("pictures"), crawl):
        catalog = Catalog(given_as)
        assert len(catalog) == len(list(catalog)) == 3
        assert catalog, "one without any record is there all the same"
        catalog.close()
    assert repr(Catalog("pictures")) == "<Catalog 'pictures': 3 images, 0 pages>"


def test_one_that_nobody_has_any_more_closes_its_file(crawl: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Catalog(crawl)
        gc.collect()
        thread = threading.Thread(target=lambda: Catalog(crawl))
        thread.start()
        thread.join()
        gc.collect()


def test_one_that_is_closed_says_so(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        pass
    with pytest.raises(crawler.UsageError, match="is closed; open it anew"):
        len(catalog)
    assert repr(catalog).endswith(": closed>")


def test_filters_take_one_status_or_several_and_no_other_word(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        assert [record.url for record in catalog.images(status="failed")] == [f"{SITE}/gone.png"]
        assert len(list(catalog.images(status=ImageStatus.SAVED))) == 2
        assert len(list(catalog.images(status=["saved", ImageStatus.FAILED]))) == 3
        assert len(list(catalog.images(status=iter(["saved"])))) == 2
        assert len(list(catalog.images(reason="not-found"))) == 1
        with pytest.raises(
            crawler.UsageError, match="status = 'savde' won't do: a record of images is one of saved"
        ):
            catalog.images(status="savde")  # type: ignore[arg-type]
        with pytest.raises(
            crawler.UsageError, match="status = 'saved' won't do: a record of pages is one of"
        ):
            catalog.pages(status=["saved"])  # type: ignore[list-item]


# --- the file ---


def test_records_of_a_catalog_know_their_file(crawl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(crawl.parent)
    with Catalog("pictures") as catalog:
        rose, drawing, failed = catalog
    assert (rose.file, drawing.file) == (crawl / rose.path, crawl / drawing.path)
    assert failed.file is None
    monkeypatch.chdir("/")
    assert rose.file == crawl / rose.path, "from wherever"
    (crawl / rose.path).unlink()
    assert rose.file is None


def test_that_is_neither_stored_nor_sent_nor_compared(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        rose = next(iter(catalog))
    bare = msgspec.msgpack.decode(msgspec.msgpack.encode(rose), type=ImageRecord)
    assert bare == rose
    assert bare.file is None
    assert str(crawl.parent).encode() not in msgspec.json.encode(rose)
    assert "file" not in rose.to_dict()


def test_copies_and_what_goes_to_another_process_know_it_too(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        rose = next(iter(catalog))
    for again in (copy.copy(rose), copy.deepcopy(rose), pickle.loads(pickle.dumps(rose))):
        assert again == rose
        assert again.file == rose.file


@pytest.mark.parametrize(
    "path", ["../secret.png", "/etc/passwd", "images/../../secret.png", "images/a/.hidden.png", ""]
)
def test_no_record_names_a_file_outside_of_its_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    record = ImageRecord(url=f"{SITE}/a.png", status=ImageStatus.SAVED, path=path)
    assert record.within(tmp_path / "crawl").file is None


def test_what_another_machine_keeps_is_not_what_lies_here_under_its_name(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        rose = next(iter(catalog))
    theirs = msgspec.structs.replace(rose, kept_by="0123456789abcdef w1:/srv", size_bytes=7).within(crawl)
    assert theirs.file is None
    mounted = msgspec.structs.replace(rose, kept_by=f"{mark(crawl)} w1:/mnt/pictures").within(crawl)
    assert mounted.file == rose.file


# --- dictionaries and prompts ---


@pytest.mark.parametrize("kind", RECORDS.values())
def test_a_dictionary_has_every_field(kind: type[Record]) -> None:
    record = kind(url=f"{SITE}/a", status="failed", reason="not-found")  # type: ignore[arg-type]
    told = record.to_dict()
    assert list(told) == list(kind.__struct_fields__), "in their order, and those at their defaults"
    assert json.loads(json.dumps(told)) == told
    assert type(told["status"]) is str


def test_what_is_nested_is_plain_as_well() -> None:
    record = ImageRecord(
        url=f"{SITE}/a",
        status=ImageStatus.SAVED,
        alternatives=(Alternative(url=f"{SITE}/b", found_in="img", rule="smaller"),),
        opt_outs=(OptOut(signal="noai", place="header", text="noai", forbids=(Purpose.TRAIN,)),),
    )
    told = record.to_dict()
    assert told["alternatives"] == [{"url": f"{SITE}/b", "found_in": "img", "rule": "smaller", "content": ""}]
    assert told["opt_outs"] == [{"signal": "noai", "place": "header", "text": "noai", "forbids": ["train"]}]
    assert json.loads(json.dumps(told)) == told


def test_a_prompt_shows_what_matters_on_one_line(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        rose, _, failed = map(repr, catalog)
    assert re.fullmatch(
        r"<ImageRecord saved images/garden\.example/rose\.png 300x200 [\d,]+ bytes http://garden\.example/rose\.png>",
        rose,
    )
    assert failed == f"<ImageRecord failed not-found {SITE}/gone.png>"
    hostile = PageRecord(url="http://a.example/\x1b[2J\n" + "x" * 9999, status="failed")  # type: ignore[arg-type]
    assert len(repr(hostile)) < 250
    assert repr(hostile).isprintable()


# --- notebooks ---


class Tags(HTMLParser):
    """What a browser would make of it: elements, their attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


ALLOWED = {
    "table": set(), "tr": set(), "th": set(), "td": {"colspan"}, "p": set(), "b": set(), "br": set(),
    "img": {"src", "alt"},
}  # fmt: skip


def check_harmless(text: str) -> Tags:
    tags = Tags(text)
    for tag, attributes in tags.seen:
        assert set(attributes) <= ALLOWED[tag], (tag, attributes)
        assert (attributes.get("src") or "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
    assert "\x1b" not in text
    assert "\u202e" not in text
    return tags


def test_a_record_shows_a_small_copy_of_its_image_and_hostile_words_as_words(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        rose, drawing, failed = (check_harmless(record._repr_html_()) for record in catalog)
    assert [tag for tag, _ in rose.seen].count("img") == 1
    assert "<script>alert(1)</script>" in rose.text
    assert "img" not in {tag for tag, _ in drawing.seen}, "an SVG is a document"
    assert "404 Not Found" in failed.text


def test_a_catalog_shows_its_counts_and_some_images(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        tags = check_harmless(catalog._repr_html_())
    assert "2 saved, 1 failed" in tags.text
    assert [tag for tag, _ in tags.seen].count("img") == 1


@given(st.text(max_size=400), st.text(max_size=400))
def test_whatever_a_page_says_stays_text(words: str, url: str) -> None:
    for record in (
        ImageRecord(url=url, status=ImageStatus.FAILED, alt=words, page_url=url, detail=words),
        PageRecord(url=url, status="failed", title=words),  # type: ignore[arg-type]
    ):
        check_harmless(record._repr_html_())
        assert html.unescape(record._repr_html_()).count("<table>") >= 1


@pytest.mark.parametrize(
    ("mode", "form"),
    [("RGB", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("L", "GIF")],
)
def test_thumbnails_are_small_whatever_the_image(tmp_path: Path, mode: str, form: str) -> None:
    file = tmp_path / "image"
    file.write_bytes(png(1500, 900, mode, form))
    found = thumbnail(file)
    assert 0 < len(found) <= MOST_BYTES
    with Image.open(io.BytesIO(found)) as image:
        assert image.format == "JPEG"
        assert image.size[0] == SIDE_PX >= image.size[1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        png()[:100],
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\xff\xd8\xff" + b"\0" * 99,
    ],
)
def test_what_can_t_be_drawn_has_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert thumbnail(tmp_path / "file") == b""
    assert thumbnail(tmp_path / "none") == b""


# --- progress ---


def test_progress_in_a_log_is_a_line_now_and_then_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    for drained in (False, False, False, True):
        progress(Stats(drained=drained, saved_bytes=3 * 2**20, image_status={"saved": 16}))
    assert [line.rpartition(" in ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "0 of 0 images (16 saved), 0 of 0 pages, 3.0 MiB"
    ] * 2
