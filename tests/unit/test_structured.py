from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.candidates import Candidate
from crawler.harvest.cuts import Cut
from crawler.harvest.elements import Element
from crawler.harvest.pictures import Found, pictures
from crawler.harvest.structured import json_ld
from tests.pace import cpu_below


def script(text: str, media_type: str = "application/ld+json") -> Element:
    return Element(name="script", attributes={"type": media_type}, number=3, text=text)


def found(document: object) -> list[str]:
    return [item.reference for item in json_ld(script(json.dumps(document)))]


def best(document: object) -> list[str]:
    found = [Found(item.reference, item) for item in json_ld(script(json.dumps(document)))]
    seen = pictures(found, formats=frozenset(), forbidden=lambda _: "")
    return [picture.taken.url for picture in seen]


def test_an_image_and_its_thumbnail_are_sizes_of_one() -> None:
    image = {"@type": "ImageObject", "thumbnailUrl": "t.jpg", "contentUrl": "full.jpg", "url": "page/"}

    assert sorted(found(image)) == ["full.jpg", "t.jpg"]
    assert best([image, image]) == ["full.jpg"]
    assert best({"image": image}) == ["full.jpg"]


def test_the_url_of_an_image_counts_where_there_is_no_other_and_where_it_leads_to_an_image() -> None:
    assert found({"@type": "ImageObject", "url": "/media/7"}) == ["/media/7"]
    assert found({"@type": "ImageObject", "url": "small.png", "contentUrl": "c"}) == ["c", "small.png"]
    assert found({"image": {"@id": "#logo"}}) == []


def test_an_image_has_the_caption_that_is_written_in_it() -> None:
    (item,) = json_ld(script('{"image": {"url": "a.png", "caption": "A"}}'))

    assert item.element.caption == "A"


@pytest.mark.parametrize(
    "text",
    [
        '{"image": "a.png",}',
        '<!-- {"image": "a.png"} -->',
        '//<![CDATA[\n{"image": "a.png"}\n//]]>',
        '/*<![CDATA[*/{"image": "a.png"}/*]]>*/',
        '{"image": "a.png"};',
        '{"name": "tab\there", "image": "a.png"}',
        '{"image": "a.png", "contentUrl": "film.mp4"',
        '{"image" : [ "a.png", oops',
    ],
)
def test_what_is_a_little_broken_is_read(text: str) -> None:
    items = json_ld(script(text))
    assert [item.reference for item in items if isinstance(item, Candidate)] == ["a.png"]


def test_what_can_not_be_read_whole_is_counted() -> None:
    many = json.dumps({"image": [f"{n}.png" for n in range(20_010)]})

    assert list(json_ld(script('{"image": oops')))[-1] == Cut("json-broken")
    assert list(json_ld(script(many)))[-1] == Cut("json-cut")
    assert list(json_ld(script('{"image": "a.png", "x": "' + "x" * 2**20)))[1:] == [Cut("json-cut")]
    assert list(json_ld(script(" "))) == []


def test_other_scripts_are_not_read() -> None:
    assert not list(json_ld(script('{"image": "a.png"}', "application/json")))
    assert not list(json_ld(script('{"image": "a.png"}', "")))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 2**20,
        '{"a":' * 2**17,
        '{"image":' * 2**16,
        " " * 2**20,
        "," + " " * 2**20,
        '"image":"' * 2**17,
        '{"image": [' + '"a",' * 2**18,
        "[" + "[]," * 2**18 + "[]]",
    ],
)
def test_hostile_json_costs_little(text: str) -> None:
    with cpu_below(2):
        items = list(json_ld(script(text)))
    assert len([item for item in items if isinstance(item, Candidate)]) <= 20_000


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["image", "@type", "url", "contentUrl", "@id", "thumbnail", "x"]), inner
        )
    ),
    max_leaves=20,
)


@given(_JSON)
def test_any_json_gives_strings_of_it(document: object) -> None:
    text = json.dumps(document)
    items = list(json_ld(script(text)))

    assert all(isinstance(item, Candidate) and json.dumps(item.reference) in text for item in items)


@given(st.text(max_size=200))
def test_any_text_is_survived(text: str) -> None:
    items = [item for item in json_ld(script('{"image": ' + text)) if isinstance(item, Candidate)]
    assert all(item.reference in text.replace("\\/", "/") or "\\" in text for item in items)
