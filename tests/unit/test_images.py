from __future__ import annotations

from typing import Any

import pytest

from crawler.harvest.candidates import Candidate, best_of_groups, thumbnails, without_thumbnails
from crawler.harvest.elements import Element, parse
from crawler.harvest.extensions import extension, leads_elsewhere, leads_to_image, may_lead_to_page
from crawler.harvest.images import found_on


def candidate(reference: str, group: str = "", **more: Any) -> Candidate:
    element = Element(name="img", attributes={}, number=1)
    return Candidate(reference=reference, found_in="test", group=group, element=element, **more)


def best(*candidates: Candidate) -> list[str]:
    return [item.reference for item in best_of_groups(candidates)]


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


@pytest.mark.parametrize("name", ["src", "original", "lazy-src", "full-src", "hi-res-src"])
def test_the_usual_lazy_names_need_no_extension_on_an_image(name: str) -> None:
    found = [(item.reference, item.found_in) for item in found_on(parse(f"<img data-{name}='/p?id=1'>"))]

    assert found == [("/p?id=1", "lazy")]
    assert not list(found_on(parse(f"<iframe data-{name}='/p?id=1'></iframe>")))


def test_image_sets_of_two_style_attributes_are_two_groups() -> None:
    html = "<i style='a:image-set(url(a.png) 1x)'></i><i style='a:image-set(url(b.png) 1x)'></i>"
    groups = [item.group for item in found_on(parse(html))]

    assert len(set(groups)) == 2
    assert all(groups)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("a.png", "png"),
        ("/b/A.JPG?x=1.gif", "jpg"),
        ("a.webp#b.txt", "webp"),
        ("a.tar.gz", "gz"),
        ("a", ""),
        ("", ""),
        (".png", ""),
        ("/.htaccess", ""),
        ("http://example.png", ""),
        ("//example.zip", ""),
        ("a//b.png", "png"),
        ("/b.png", "png"),
        ("http://example.com/x.png ", "png"),
        ("a.png/b", ""),
        ("/wiki/File:Cat.jpg", ""),
        ("index.php?f=a.png", "php"),
        ("?a.png", ""),
        ("a.", ""),
    ],
)
def test_extension(reference: str, expected: str) -> None:
    assert extension(reference) == expected


def test_what_an_extension_says() -> None:
    assert [leads_to_image(ref) for ref in ("a.png", "a.SVG?1", "a.html", "a")] == [True, True, False, False]
    assert [leads_elsewhere(ref) for ref in ("a.zip", "a.js", "a.png", "a.php")] == [True, True, False, False]
    assert [may_lead_to_page(ref) for ref in ("a.png", "a.zip", "a.php", "a")] == [False, False, True, True]


def test_the_only_image_in_a_link_to_an_image_is_its_thumbnail() -> None:
    found = best_of_groups(
        found_on(
            parse(
                "<a href=big.jpg><img src=t.jpg></a><a href=page><img src=p.jpg></a>"
                "<a href=two.jpg><img src=a.jpg></a><a href=two.jpg><img src=b.jpg></a>"
                "<a href=orig.jpg><img src=o.jpg data-full-src=f.jpg></a>"
            )
        )
    )
    inside = thumbnails(found)

    assert {link: item.reference for link, item in inside.items()} == {"big.jpg": "t.jpg"}
    left = [item.reference for item in without_thumbnails(found, inside)]
    assert left == ["big.jpg", "p.jpg", "two.jpg", "a.jpg", "two.jpg", "b.jpg", "orig.jpg", "f.jpg"]


def test_an_image_stays_where_its_link_is_none_of_the_candidates() -> None:
    found = [
        item for item in found_on(parse("<a href=big.jpg><img src=t.jpg></a>")) if item.found_in == "img"
    ]

    assert thumbnails(found) == {}
    assert without_thumbnails(found, {}) == found
