from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import ObeyConfig
from crawler.errors import OptedOut
from crawler.models import OptOut, Purpose
from crawler.opt_outs import directives
from crawler.opt_outs.directives import AGAINST_IMAGES, of_headers, told_by, with_meta
from crawler.opt_outs.purposes import SIGNALS, refusal


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
        ("noindex nofollow", {"noindex", "nofollow"}),
        ("noimageindex; noai", {"noimageindex", "noai"}),
        ("noindex of old pages", set()),
        ("*: noai", {"noai"}),
        ("googlebot: nofollow, robots: noindex", {"noindex"}),
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


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("directive", AGAINST_IMAGES)
def test_what_forbids_images_altogether_is_obeyed_for_every_purpose(directive: str, purpose: Purpose) -> None:
    header = "tdm-reservation" if directive == "tdm-reservation" else "x-robots-tag"
    told = told_by({header: "1" if header == directive else f"nofollow, {directive}"}, agent="image-crawler")
    assert [one.signal for one in told] == [directive]
    error = refusal(told, purpose=purpose, obeyed=ObeyConfig().obeyed)
    assert isinstance(error, OptedOut)
    assert error.reason == directive
    assert f"--no-obey-{directive}" in error.detail
    assert told[0].text in error.detail
    assert told[0].place in error.detail
    assert refusal(told, purpose=purpose, obeyed=ObeyConfig().obeyed - {directive}) is None


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, []),
        ({"x-robots-tag": "nofollow, nosnippet", "tdm-reservation": "maybe", "link": "</a>; rel=next"}, []),
        (
            {"x-robots-tag": "googlebot: noindex\nnone, noai"},
            [
                ("noindex", "header X-Robots-Tag", "none, noai"),
                ("noai", "header X-Robots-Tag", "none, noai"),
            ],
        ),
        (
            # TDMRep, "TDM Header Field in HTTP Responses"
            {"tdm-reservation": "1", "tdm-policy": "https://provider.com/policies/policy.json"},
            [
                (
                    "tdm-reservation",
                    "header tdm-reservation",
                    "1; tdm-policy: https://provider.com/policies/policy.json",
                )
            ],
        ),
        ({"tdm-reservation": "0"}, [("tdm-reservation", "header tdm-reservation", "0")]),
        # draft-ietf-aipref-attach, section 1.2
        ({"content-usage": "train-ai=n"}, [("content-usage", "header Content-Usage", "train-ai=n")]),
        ({"content-signal": "ai-train=no"}, [("content-signal", "header Content-Signal", "ai-train=no")]),
        (
            # RSL 1.0, "Adding RSL to HTTP Headers"
            {
                "link": '<https://example.com/a>; rel=next, <https://example.com/license.xml>; rel="license";'
                ' type="application/rsl+xml"'
            },
            [
                (
                    "rsl-license",
                    "header Link",
                    '<https://example.com/license.xml>; rel="license"; type="application/rsl+xml"',
                )
            ],
        ),
    ],
)
def test_what_an_answer_says_is_told_with_text_and_place(
    headers: dict[str, str], said: list[tuple[str, str, str]]
) -> None:
    told = told_by(headers, agent="image-crawler")
    assert [(one.signal, one.place, one.text) for one in told] == said


@given(st.text(), st.text(max_size=10))
def test_whatever_is_sent_something_known_is_asked(text: str, agent: str) -> None:
    known = {*AGAINST_IMAGES, directives.NOFOLLOW}
    assert of_headers({"x-robots-tag": text, "tdm-reservation": text}, agent=agent) <= known
    assert with_meta(frozenset(), [(text, text), ("robots", text)], agent=agent) <= known
    headers = dict.fromkeys(
        ("x-robots-tag", "tdm-reservation", "content-usage", "content-signal", "link"), text
    )
    for one in told_by(headers, agent=agent):
        assert one.signal in SIGNALS
        assert msgspec.json.decode(msgspec.json.encode(one), type=OptOut) == one
