"""What most of a page's links and tags are asked a short way: each answers as the long way does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.candidates import Candidate
from crawler.harvest.extensions import (
    IMAGE_EXTENSIONS,
    OTHER_EXTENSIONS,
    extension,
    leads_to_image,
    may_lead_to_page,
)
from crawler.harvest.links import Resolver
from crawler.harvest.markup import in_lower_case
from crawler.harvest.paging import turns_page
from crawler.harvest.parser_base import Element
from crawler.harvest.pictures import Located, pictures

PAGE = "https://example.org/dir/page.html"
PARTS = (
    "a",
    "page",
    ".html",
    ".png",
    ".zip",
    "#",
    "?",
    "../",
    "/",
    ":",
    " ",
    "é",
    "{{",
    "x=1",
    "//b",
    ".",
    "h2",
)
REFERENCES = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)


@given(REFERENCES)
def test_what_a_reference_leads_to_is_told_by_its_extension(reference: str) -> None:
    assert leads_to_image(reference) == (extension(reference) in IMAGE_EXTENSIONS)
    assert may_lead_to_page(reference) == (extension(reference) not in IMAGE_EXTENSIONS | OTHER_EXTENSIONS)


@given(st.lists(REFERENCES, max_size=8))
def test_a_url_is_the_same_whatever_was_resolved_before(references: list[str]) -> None:
    resolver = Resolver(PAGE)

    assert [resolver(one) for one in references] == [Resolver(PAGE)(one) for one in references]


@given(
    st.sampled_from(("", "7", "»", "Next", "more", "rose")),
    st.lists(st.sampled_from(("next", "el", "pager", "nav-prev", "x" * 190)), max_size=4).map(" ".join),
)
def test_a_link_with_a_class_alone_is_as_one_with_more(text: str, classes: str) -> None:
    plain = {"href": "a.html", "class": classes}
    link, other = (
        Element(name="a", number=1, text=text, attributes=attributes)
        for attributes in (plain, {**plain, "target": "_top"})
    )

    assert turns_page(link) == turns_page(other)


@given(st.text(max_size=30))
def test_letters_of_ascii_are_lower_case_and_no_others_change(text: str) -> None:
    lower = in_lower_case(text)

    assert len(lower) == len(text)
    assert all(
        low == (char.lower() if char.isascii() else char) for low, char in zip(lower, text, strict=True)
    )


@pytest.mark.parametrize("forbidden", ["", "image-excluded"])
def test_a_picture_of_one_size_has_no_others(forbidden: str) -> None:
    image = Element(name="img", number=1, attributes={"src": "a.png"})
    found = Located("https://example.org/a.png", Candidate(reference="a.png", found_in="img", element=image))

    [picture] = pictures([found], formats=frozenset({"png"}), forbidden=lambda _: forbidden)

    assert picture == (found, (), (), (found,))
