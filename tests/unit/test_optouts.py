from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import REASONS, OptedOut
from crawler.web import optouts
from crawler.web.optouts import AGAINST_IMAGES, of_headers, refusal, with_meta


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("", set()),
        ("noindex", {"noindex"}),
        ("NoIndex , NOFOLLOW", {"noindex", "nofollow"}),
        ("none", {"noindex", "nofollow"}),
        ("all", set()),
        ("noai, noimageai, noimageindex", {"noai", "noimageai", "noimageindex"}),
        ("nosnippet, noarchive, notranslate, max-image-preview:none, max-snippet: -1", set()),
        ("unavailable_after: 25 Jun 2010 15:00:00 PST", set()),
        ("unavailable_after: Wed, 25 Jun 2010 15:00:00 PST, noindex", {"noindex"}),
        ("image-crawler: noindex, nofollow", {"noindex", "nofollow"}),
        ("Image-Crawler: noindex", {"noindex"}),
        ("googlebot: noindex, nofollow", set()),
        ("noai, googlebot: noindex, nofollow", {"noai"}),
        ("googlebot: noindex, image-crawler: nofollow", {"nofollow"}),
        ("googlebot: noindex\nnofollow", {"nofollow"}),
        (":,:,::,", set()),
    ],
)
def test_x_robots_tag(header: str, asked: set[str]) -> None:
    assert of_headers({"x-robots-tag": header}, agent="image-crawler") == asked


@pytest.mark.parametrize(
    ("value", "reserved"), [("1", True), (" 1 ", True), ("0", False), ("", False), ("yes", False)]
)
def test_tdm_reservation(value: str, *, reserved: bool) -> None:
    expected = {"tdm-reservation"} if reserved else set()
    assert of_headers({"tdm-reservation": value}, agent="x") == expected
    assert with_meta(frozenset(), [("TDM-Reservation", value)], agent="x") == expected


def test_of_a_reservation_the_page_has_the_last_word() -> None:
    reserved = frozenset({"tdm-reservation", "noai"})
    assert with_meta(reserved, [("tdm-reservation", "0")], agent="x") == {"noai"}
    assert with_meta(reserved, [("tdm-reservation", "perhaps")], agent="x") == reserved


def test_meta_elements_for_all_and_for_us() -> None:
    named = [
        ("Robots", "noindex"),
        ("googlebot", "nofollow"),
        ("image-crawler", "NoImageIndex"),
        ("", "noai"),
    ]
    assert with_meta(frozenset({"nofollow"}), named, agent="image-crawler") == {
        "nofollow",
        "noindex",
        "noimageindex",
    }


def test_a_refusal_names_the_directive_and_its_switch() -> None:
    assert refusal({"nofollow"}) is None
    for directive in AGAINST_IMAGES:
        error = refusal({"nofollow", directive})
        assert isinstance(error, OptedOut)
        assert error.reason == directive
        assert f"--no-obey-{directive}" in error.detail
    assert {leaf.reason for leaf in REASONS.values() if issubclass(leaf, OptedOut)} == set(AGAINST_IMAGES)


@given(st.text(), st.text(max_size=10))
def test_whatever_is_sent_something_known_is_asked(text: str, agent: str) -> None:
    known = {*AGAINST_IMAGES, optouts.NOFOLLOW}
    assert of_headers({"x-robots-tag": text, "tdm-reservation": text}, agent=agent) <= known
    assert with_meta(frozenset(), [(text, text), ("robots", text)], agent=agent) <= known
