"""What pages say of an image: what is there stays, what is empty is filled."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.models import ImageRecord, ImageStatus, NewTask, Origin, PageRecord, PageStatus, TaskKind
from crawler.models.image_words import (
    ALL,
    NAMES,
    Words,
    bits_of,
    bits_of_task,
    filled,
    filled_record,
    joined,
    lacking,
)
from crawler.queues.redis.codec import note_of, packed, unpacked
from crawler.urls import host_key

TEXTS = st.sampled_from(["", "", "x", "y"])
SAID = st.builds(Words, **dict.fromkeys(NAMES, TEXTS))
ORIGINS = st.builds(
    Origin, page_url=st.just("http://a.example/"), found_in=st.just("img"), **dict.fromkeys(NAMES, TEXTS)
)
URL = "http://a.example/1.png"


def values(told: Words | Origin | ImageRecord) -> dict[str, str]:
    return {name: getattr(told, name) for name in NAMES}


def image(origin: Origin | None, **more: str) -> NewTask:
    return NewTask(kind=TaskKind.IMAGE, url=URL, origin=origin, **more)


@given(first=ORIGINS, later=st.lists(SAID, max_size=4))
def test_each_word_is_of_the_first_who_has_it(first: Origin, later: list[Words]) -> None:
    full = first
    for words in later:
        full = filled(full, words)
    said = [first, *later]
    for name in ("alt", "title", "caption"):
        assert getattr(full, name) == next((text for one in said if (text := getattr(one, name))), "")
    places = [(one.heading, one.page_title) for one in said]
    assert (full.heading, full.page_title) == next((place for place in places if any(place)), ("", ""))
    assert (full.page_url, full.found_in) == (first.page_url, first.found_in)


@given(first=SAID, later=SAID)
def test_bits_tell_what_filling_changes(first: Words, later: Words) -> None:
    full = filled(first, later)
    assert 0 <= bits_of(first) <= ALL
    assert bits_of(full) == bits_of(first) | bits_of(later)
    assert (full is first) == (not bits_of(later) & ~bits_of(first))
    assert filled(full, later) is full


@given(first=ORIGINS | st.none(), later=ORIGINS | st.none(), kept_out=st.sampled_from(["", "noimageindex"]))
def test_what_a_task_brings_to_one_that_is_known(
    first: Origin | None, later: Origin | None, kept_out: str
) -> None:
    task = image(later, kept_out_by=kept_out)
    missing = lacking(bits_of(first), task)
    assert missing == (0 if kept_out else bits_of(later) & ~bits_of(first))
    both = joined(image(first), task)
    assert both.url == URL
    assert bits_of(both.origin) == bits_of(first) | missing


def test_pages_bring_no_words() -> None:
    origin = Origin(page_url="http://a.example/", found_in="a", page_title="Home")
    assert bits_of_task(NewTask(kind=TaskKind.PAGE, url="http://a.example/2", origin=origin)) == 0
    record = PageRecord(url="http://a.example/2", status=PageStatus.HARVESTED)
    assert filled_record(record, origin) is record


def test_a_record_of_an_image_is_filled_from_any_of_them() -> None:
    record = ImageRecord(url=URL, status=ImageStatus.SAVED, alt="a dog")
    for more in (Words(caption="Rex"), msgspec.structs.replace(record, alt="", caption="Rex")):
        assert values(filled_record(record, more)) == dict.fromkeys(NAMES, "") | {
            "alt": "a dog",
            "caption": "Rex",
        }
    assert filled_record(record, None) is record


@given(origin=ORIGINS)
def test_a_note_says_which_words_a_packed_task_has(origin: Origin) -> None:
    one = packed(image(origin))
    assert int(one.note or b"0") == bits_of(origin)
    told = unpacked(host_key(URL), one.text)
    assert told.origin == origin


@pytest.mark.parametrize("words", range(ALL + 1))
def test_a_note_tells_urls_that_differ_in_a_session_id_apart(words: int) -> None:
    urls = [f"http://a.example/?PHPSESSID={n:032x}" for n in range(2)]
    one, other = (note_of(url, words) for url in urls)
    assert one != other
    assert len(one) - len(note_of(URL, words)) == 4
    assert one[4:] == note_of(URL, words)
