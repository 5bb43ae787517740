from __future__ import annotations

import pytest

from crawler.harvest.extensions import extension, leads_elsewhere, leads_to_image, may_lead_to_page
from crawler.harvest.html import parse
from crawler.harvest.images import found_on


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
