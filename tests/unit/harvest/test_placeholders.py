"""What stands in place of a reference is none, and what only looks like it is one."""

from __future__ import annotations

import pytest

from crawler.harvest.html import parse
from crawler.harvest.images import found_on
from crawler.harvest.links import Resolver
from crawler.harvest.placeholders import is_flag, is_template
from tests.support.cpu_time import cpu_below
from tests.support.saved_pages import URL, read

TEMPLATES = [
    "{{name}}", "/a/{{ name }}.jpg", "{{", "${x}.jpg", "<%= src %>", "<?= $src ?>", "<?php echo $src ?>",
    "{% static 'a.png' %}",
    "{%- x %}", "/a/%s.png", "/a/%1$s.png", "a%d.png", "[[src]]", "[[", "/__IMAGE__/a", "__PLACEHOLDER__",
    "%%IMG%%",
    "{$img}", "#{src}", "@{src}",
]  # fmt: skip
REFERENCES = [
    "/a%20b.png", "/%d0%b0.png", "?q={%22a%22:1}", "/IMG__AB__1.jpg", "a__b.png", "/{B2C3-4}/a.png", "/a[1].png",
    "?f[a][b]=1",
    "/__data/a.png", "/x/__init__.png", "/100%silk.jpg", "/50%Sale.png", "?d=[[1,2],[3]]", "/a$1.png", "/a%25s.png",
    "https://chart.example/c={data:{labels:['a'],sets:[{data:[1,2]}]}}",
]  # fmt: skip


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_template_is_no_reference(text: str) -> None:
    assert is_template(text)
    assert Resolver("https://example.org/")(text) is None


@pytest.mark.parametrize("text", REFERENCES)
def test_what_only_looks_like_one_is_a_reference(text: str) -> None:
    assert not is_template(text)
    assert Resolver("https://example.org/")(text)


@pytest.mark.parametrize(
    "markup",
    [
        "<img src='{}'>", "<img srcset='{} 1x, a.png 2x'>", "<amp-img src='{}'></amp-img>", "<a href='{}'>x</a>",
        "<meta property=og:image content='{}'>", "<video poster='{}'></video>", "<p style='background:url(\"{}\")'>",
        "<img data-src='{}' src=b.png>", "<link rel=icon href='{}'>", "<input type=image src='{}'>",
    ],
)  # fmt: skip
def test_no_template_is_taken_on_from_anywhere(markup: str) -> None:
    for template in ("{{name}}", "${x}.png", "/a/%s.png", "[[x]]"):
        found = read(URL, f"<title>x</title>{markup.replace('{}', template)}".encode(), "text/html")
        urls = {task.url.rpartition("/")[2] for task in (*found.images, *found.links)}
        assert urls <= {"a.png", "b.png"}


@pytest.mark.parametrize(
    "flag",
    ["true", "1", "yes", "auto", "lazy", "false", "none", "undefined", "null", "#", "about:blank", "12.5", "50%",
     "fade-in",
     '{"a":1}', "[]", "javascript:void(0)", "a b c"],
)  # fmt: skip
def test_a_flag_is_no_reference(flag: str) -> None:
    assert is_flag(flag) or flag[0] in "{["
    for name in ("lazy", "src", "original", "full", "thumb"):
        page = f"<title>x</title><img src=a1.jpg data-{name}='{flag}'>"
        found = read(URL, page.encode(), "text/html", images="all")
        assert [task.url for task in found.images] == ["https://example.org/dir/a1.jpg"]


def test_a_reference_without_extension_is_no_flag() -> None:
    for reference in ("/photo", "photo?id=1", "a.png", "//cdn.example/x", "?id=7", "photo/1"):
        assert not is_flag(reference)
        assert [item.reference for item in found_on(parse(f"<img data-src='{reference}'>"))] == [reference]  # type: ignore[union-attr]


def test_what_belongs_to_a_background_and_is_none() -> None:
    names = "iframe video color position size repeat opacity interactive transition video-loop gradient"
    attributes = " ".join(f"data-background-{name}='https://e.org/x'" for name in names.split())
    section = f"<section {attributes} data-background-video='v.mp4' data-bg-color='/x' data-bg='/film.mp4'></section>"

    assert list(found_on(parse(section))) == []
    assert (
        len(
            list(
                found_on(parse("<section data-background='/render/1' data-background-image='/2'></section>"))
            )
        )
        == 2
    )


def test_hostile_text_takes_a_moment() -> None:
    with cpu_below(2):
        for part in ("{{"[:1], "[[", "[[a", "%", "__A", "%%a", "/__A_", "a ", "<", "{%", "$"):
            is_template("%s%%__[[{{"[2:8] + part * 2**17)
            is_flag(part * 2**17 + "!")
