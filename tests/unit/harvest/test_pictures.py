"""Which of the sizes of one picture is taken, which come after it, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.candidates import Candidate
from crawler.harvest.html import parse
from crawler.harvest.images import found_on
from crawler.harvest.parser_base import Element
from crawler.harvest.pictures import Located, Picture, pictures, words_of
from crawler.models import ALTERNATIVE_RULES, MAX_ALTERNATIVES, NewTask
from tests.support.saved_pages import read

BASE = "https://example.org/"
FORMATS = frozenset({"jpeg", "png", "gif", "webp", "avif", "svg"})


def candidate(reference: str, group: str = "", **more: Any) -> Candidate:
    element = Element(name="img", attributes={}, number=1)
    return Candidate(reference=reference, found_in="test", group=group, element=element, **more)


def seen(*candidates: Candidate, forbidden: str = "") -> list[Picture]:
    found = [Located(item.reference, item) for item in candidates]
    return pictures(
        found, formats=FORMATS, forbidden=lambda url: "no" if forbidden and forbidden in url else ""
    )


def best(*candidates: Candidate) -> list[str]:
    return [picture.taken.url for picture in seen(*candidates)]


def on(html: str, **settings: object) -> tuple[NewTask, ...]:
    return read(BASE, html.encode(), "text/html", **settings).images


def sizes(task: NewTask) -> list[str]:
    """The paths of a picture's sizes in the order in which they would be tried, with the rules."""
    assert task.origin is not None
    others = [f"{other.url.removeprefix(BASE)} {other.rule}" for other in task.origin.alternatives]
    return [task.url.removeprefix(BASE), *others]


def test_the_widest_is_best_then_the_densest_then_the_rank() -> None:
    assert best(
        candidate("300w", "g", width_px=300),
        candidate("9x", "g", density=9.0),
        candidate("600w", "g", width_px=600),
    ) == ["600w"]
    assert best(
        candidate("2x", "g", density=2.0), candidate("lazy", "g", rank=2), candidate("1x", "g", density=1.0)
    ) == ["2x"]
    assert best(candidate("src", "g"), candidate("lazy", "g", rank=1), candidate("lower", "g", rank=-1)) == [
        "lazy"
    ]


def test_the_first_of_equals_is_best() -> None:
    assert best(candidate("a", "g", width_px=5), candidate("b", "g", width_px=5)) == ["a"]


def test_groups_do_not_compete_and_what_is_alone_stays_in_its_place() -> None:
    assert best(
        candidate("alone"),
        candidate("g1", "g"),
        candidate("h1", "h", width_px=1),
        candidate("alone too"),
        candidate("g2", "g", rank=1),
        candidate("h2", "h"),
    ) == ["alone", "h1", "alone too", "g2"]
    assert best() == []


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        pytest.param(
            "<img src=s.png srcset='mid.png 800w, big.png 2000w'>",
            ["big.png", "mid.png smaller", "s.png smaller"],
            id="srcset",
        ),
        pytest.param("<a href=full.png><img src=t.png></a>", ["full.png", "t.png thumbnail"], id="thumbnail"),
        pytest.param(
            "<a href=full.png><img src=t.png srcset='t2.png 2x'></a>",
            ["full.png", "t2.png thumbnail", "t.png thumbnail"],
            id="thumbnail with sizes of its own",
        ),
        pytest.param("<img src=real.png data-src=lazy.png>", ["lazy.png", "real.png placeholder"], id="lazy"),
        pytest.param("<img src=now.png lowsrc=low.png>", ["now.png", "low.png placeholder"], id="lowsrc"),
        pytest.param(
            "<picture><source type=image/jxl srcset='a.jxl 9w'><source srcset='a.webp 8w'><img src=a.png></picture>",
            ["a.webp", "a.png smaller", "a.jxl type"],
            id="a type that is not kept",
        ),
        pytest.param(
            "<picture><source type='image/jxl; x=1' srcset=f?1><img src=f?2></picture>",
            ["f?2", "f?1 type"],
            id="a type that only its attribute tells",
        ),
        pytest.param(
            "<a href=a.jp2><img src=a.png></a>", ["a.png", "a.jp2 type"], id="a link to what is not kept"
        ),
        pytest.param("<img src=only.jxl>", ["only.jxl"], id="nothing else"),
        pytest.param(
            "<a href='#' data-fancybox data-src=big.png><img src=t.png></a>",
            ["big.png", "t.png thumbnail"],
            id="a lightbox",
        ),
        pytest.param(
            "<picture><source data-srcset=a.webp type=image/webp><img src=dot.gif data-src=a.png></picture>",
            ["a.webp", "a.png later", "dot.gif placeholder"],
            id="a set of one",
        ),
        pytest.param(
            "<picture><source srcset=a-1200x800.png><source srcset=a-600x400.png><img src=a-300x200.png></picture>",
            ["a-1200x800.png", "a-600x400.png smaller", "a-300x200.png smaller"],
            id="sizes that only their URLs tell",
        ),
        pytest.param(
            "<img src=a.png srcset='a-300x200.png 300w, a-768x512.png 768w'>",
            ["a.png", "a-768x512.png smaller", "a-300x200.png smaller"],
            id="the original among its sizes",
        ),
        pytest.param(
            "<style>p { background: image-set('s.png' 1x, 'b.png' 2x) }</style>",
            ["b.png", "s.png smaller"],
            id="image-set",
        ),
        pytest.param(
            '<script type="application/ld+json">{"@type": "ImageObject", "contentUrl": "c.png", '
            '"thumbnailUrl": "t.png"}</script>',
            ["c.png", "t.png placeholder"],
            id="json-ld",
        ),
    ],
)
def test_what_is_not_taken_travels_with_what_is(html: str, expected: list[str]) -> None:
    (task,) = on(html)
    assert sizes(task) == expected
    assert {size.split()[-1] for size in expected[1:]} <= set(ALTERNATIVE_RULES)


def test_with_all_sizes_each_is_taken_by_itself() -> None:
    tasks = on("<a href=full.png><img src=s.png srcset='big.png 2x'></a>", images="all")
    assert [sizes(task) for task in tasks] == [["full.png"], ["s.png"], ["big.png"]]


def test_what_is_wanted_decides_what_is_kept() -> None:
    html = "<picture><source srcset='a.webp 900w'><img src=a.jpg></picture>"
    assert [sizes(task) for task in on(html)] == [["a.webp", "a.jpg smaller"]]
    assert [sizes(task) for task in on(html, formats=("jpeg",))] == [["a.jpg", "a.webp type"]]


def test_what_may_not_be_taken_gives_way_to_what_may() -> None:
    html = "<img src=s.png srcset='mid.png 800w, secret/big.png 2000w'>"
    found = read(BASE, html.encode(), "text/html", exclude_images=("*/secret/*",))
    assert [sizes(task) for task in found.images] == [["mid.png", "s.png smaller"]]
    assert [(task.url, task.kept_out_by) for task in found.kept_out] == [
        (f"{BASE}secret/big.png", "image-excluded")
    ]
    none = read(BASE, html.encode(), "text/html", exclude_images=("*",))
    assert [(task.url, task.kept_out_by) for task in none.kept_out] == [
        (f"{BASE}secret/big.png", "image-excluded")
    ]


def test_what_stands_in_for_several_pictures_is_a_size_of_none() -> None:
    html = (
        "<img src=grey.gif data-src=a.png><img src=grey.gif data-src=b.png><img src=real.png data-src=c.png>"
    )
    assert [sizes(task) for task in on(html)] == [["a.png"], ["b.png"], ["c.png", "real.png placeholder"]]


def test_a_dot_that_the_page_holds_is_no_size_but_a_picture_is() -> None:
    dot = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    picture = f"data:image/png;base64,{'A' * 1000}"
    assert [len(sizes(task)) for task in on(f"<img src='{dot}' data-src=a.png>")] == [1]
    (task,) = on(f"<img src='{picture}' data-src=a.png>")
    assert task.origin
    (other,) = task.origin.alternatives
    assert other.url.startswith("data:image/png;sha256=")
    assert len(other.content) == 750


def test_very_many_sizes_are_cut_and_counted() -> None:
    srcset = ", ".join(f"{width}.png {width}w" for width in range(1, 101))
    found = read(BASE, f"<img srcset='{srcset}'>".encode(), "text/html")
    (task,) = found.images
    assert sizes(task)[:3] == ["100.png", "99.png smaller", "98.png smaller"]
    assert len(sizes(task)) == 1 + MAX_ALTERNATIVES
    assert found.left_out == {"widths-cut": 99 - MAX_ALTERNATIVES}


def test_the_only_image_in_a_link_to_an_image_is_its_thumbnail() -> None:
    html = """<a href=x.jpg><img src=x-small.png></a><a href=y.jpg><img src=y1.png><img src=y2.png></a>
    <a href=z.jpg><img src=z-small.png></a><a href=z.jpg><img src=z-small.png></a>
    <a href=o.jpg><img src=o-small.png data-full-src=f.png></a>"""
    assert [sizes(task) for task in on(html)] == [
        ["x.jpg", "x-small.png thumbnail"],
        ["y.jpg"],
        ["y1.png"],
        ["y2.png"],
        ["z.jpg", "z-small.png thumbnail"],
        ["o.jpg"],
        ["f.png", "o-small.png placeholder"],
    ]


@pytest.mark.parametrize("more", ["""data-attrs='{"src": "x.png"}'""", "data-foo=x.png"])
def test_what_else_an_image_names_takes_nothing_from_its_link(more: str) -> None:
    taken = [sizes(task) for task in on(f"<a href=big.png><img src=small.png {more}></a>")]
    assert ["big.png", "small.png thumbnail"] in taken
    assert len(taken) == 2


@pytest.mark.parametrize(
    "shown", ["camera.gif", "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"]
)
def test_what_leads_to_several_pictures_is_a_size_of_none(shown: str) -> None:
    """Of a page with a camera beside each photo one photo was left."""
    html = "".join(f"<a href=p{n}.jpg><img src='{shown}'></a>" for n in range(3))
    taken = [sizes(task) for task in on(html)]
    assert [size for size in taken if "p" in size[0]] == [["p0.jpg"], ["p1.jpg"], ["p2.jpg"]]


def test_what_several_rules_say_of_one_picture_is_put_together() -> None:
    html = """<meta property="og:image" content="/a.png"><h2>Pets</h2><figure><img src="/a.png" alt="A dog">
    <figcaption>Our dog</figcaption></figure><a href="/a.png" title="Rex">x</a>"""
    (task,) = on(html)
    assert task.origin
    assert task.origin.found_in == "og, img, a"
    words = (task.origin.alt, task.origin.caption, task.origin.title, task.origin.heading)
    assert words == ("A dog", "Our dog", "Rex", "Pets")


def test_the_words_of_people_come_before_those_of_machines() -> None:
    html = """<script type="application/ld+json">{"@type": "ImageObject", "url": "/a.png", "caption": "n17"}</script>
    <figure><img src="/a.png"><figcaption>A red kite</figcaption></figure>"""
    (task,) = on(html)
    assert task.origin
    assert task.origin.caption == "A red kite"


def test_words_of_a_thumbnail_are_those_of_the_picture() -> None:
    (task,) = on("<a href=full.png title=Full><img src=t.png alt='A dog' title=Small></a>")
    assert task.origin
    assert (task.origin.alt, task.origin.title) == ("A dog", "Full")


def test_pages_by_https_have_their_images_asked_for_by_https_first() -> None:
    html = """<img src="http://h.example/a.png"><img src="http://127.0.0.1/b.png">
    <a href="http://h.example/c.png">c</a>
    <style>p { background: url(http://h.example:8080/d.png) }</style>"""
    assert [
        [task.url, *(f"{o.url} {o.rule}" for o in task.origin.alternatives)]
        for task in on(html)
        if task.origin
    ] == [
        ["https://h.example/a.png", "http://h.example/a.png insecure"],
        ["http://127.0.0.1/b.png"],
        ["http://h.example/c.png"],
        ["https://h.example:8080/d.png", "http://h.example:8080/d.png insecure"],
    ]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("upgrade-insecure-requests", "https"),
        ("default-src 'self'; Upgrade-Insecure-Requests;", "https"),
        ("default-src upgrade-insecure-requests", "http"),
        ("", "http"),
    ],
)
def test_a_policy_may_want_https_of_a_page_by_http(policy: str, expected: str) -> None:
    html = f'<meta http-equiv="Content-Security-Policy" content="{policy}"><img src="http://h.example/a.png">'
    (task,) = read("http://e.example/", html.encode(), "text/html").images
    assert task.url == f"{expected}://h.example/a.png"


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.sampled_from([0, 100, 200]), st.integers(-1, 2)),
        max_size=12,
    )
)
def test_no_picture_is_lost_and_none_is_taken_twice(items: list[tuple[int, int, int, int]]) -> None:
    candidates = [
        candidate(f"u{name}", f"g{group}" if group else "", width_px=width or None, rank=rank)
        for name, group, width, rank in items
    ]
    made = seen(*candidates, forbidden="u3")
    taken = [picture.taken.url for picture in made]
    assert len(taken) == len(set(taken))
    for item in candidates:
        (picture,) = [picture for picture in made if any(one.candidate is item for one in picture.named_by)][
            :1
        ]
        may_be_taken = {one.url for one in picture.named_by} - {"u3"}
        assert picture.taken.url in may_be_taken or not may_be_taken
        assert picture.taken.url not in {other.found.url for other in picture.others}


def test_the_same_picture_ten_thousand_times_takes_no_quadratic_time() -> None:
    html = "<img src=s.png data-src=a.png alt=''>" * 10_000
    found = [Located(item.reference, item) for item in found_on(parse(html)) if isinstance(item, Candidate)]
    (picture,) = pictures(found, formats=FORMATS, forbidden=lambda _: "")
    assert len(picture.named_by) == 20_000
    assert words_of(picture.named_by, {}).attributes["alt"] == ""


def test_sizes_that_only_their_urls_tell_are_one_picture() -> None:
    html = """<img src="/a.jpg?w=300" alt="A dog"><img src="/b-300x200.jpg"><img src="/a.jpg?w=1600">
    <a href="/b.jpg">b</a><img src="/c.jpg?v=1"><img src="/c.jpg?v=2">"""
    tasks = on(html)
    assert [sizes(task) for task in tasks] == [
        ["a.jpg?w=1600", "a.jpg?w=300 smaller"],
        ["b.jpg", "b-300x200.jpg smaller"],
        ["c.jpg?v=1"],
        ["c.jpg?v=2"],
    ]
    assert tasks[0].origin
    assert tasks[0].origin.alt == "A dog"
    assert len(on(html, images="all")) == 6
