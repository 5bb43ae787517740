"""What the page reads is data, whatever strangers have written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.gallery.payloads import (
    REVISITS,
    ROW_END,
    SEPARATOR,
    Picture,
    Place,
    SharedNames,
    detail_of,
    failures_of,
    host_of,
    in_script,
    index_of,
    index_script,
    script,
    unix_s,
)
from crawler.models import Alternative, ImageRecord, ImageStatus, OptOut, Revisit
from tests.support.gallery_files import payload

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    "\u2028alert(1)\u2029",
    "\0\x01\x1f\x7f",
    "\u202eevil\u2066",
    "\ufeff\uffff",
    "'\"`\\",
    "${alert(1)}",
    "javascript:alert(1)",
    "🏳\u200d🌈",
)


def picture(**facts: object) -> Picture:
    known = {
        "url": "https://a.example/i/1.png",
        "status": ImageStatus.SAVED,
        "path": "images/a.example/i/1.png",
    }
    record = ImageRecord(**{**known, **facts})  # type: ignore[arg-type]
    return Picture(record=record, path=record.path, thumbnail="ab/abc", size_px=(4, 3), group=0)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_word_is_a_word(text: str) -> None:
    names = SharedNames.none()
    hostile = picture(alt=text, title=text, url=f"https://a.example/{text}")
    data = index_script(7, index_of([hostile, picture(alt="A rose")], names))
    told = payload(data)
    assert told["text"] == [SEPARATOR.join([text, text]), "A rose"]
    assert told["url"] == [f"https://a.example/{text}", "https://a.example/i/1.png"]
    assert payload(script("detail", 7, detail_of([picture(caption=text)])))["caption"] == [text]
    lost = picture(detail=text, status=ImageStatus.FAILED).record
    assert payload(script("failures", 7, failures_of([lost], lambda _: 0)))["detail"] == [text]


def test_half_a_character_does_not_end_it() -> None:
    told = payload(index_script(0, index_of([picture(path="images/a/\udcff.png")], SharedNames.none())))
    assert told["path"] == ["images/a/\ufffd.png"]


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_value_is_json_and_no_markup(value: object) -> None:
    data = in_script(value)
    assert b"<" not in data
    assert "\u2028".encode() not in data
    if "\ufffd" not in data.decode():
        assert json.loads(data) == value


def test_long_words_are_cut() -> None:
    long = "word " * 2_000_000
    told = index_of([picture(alt=long)], SharedNames.none())
    assert len(told["text"][0]) == 500
    assert told["text"][0].endswith("…")
    told = detail_of([picture(alt=long)])
    assert len(told["alt"][0]) == 2000


def test_names_are_numbers_in_the_order_in_which_they_came() -> None:
    names = SharedNames.none()
    told = index_of(
        [
            picture(format="png", found_in="img"),
            picture(format="jpeg", found_in="css", url="https://B.example:8080/x.jpg"),
            picture(format="png", found_in="img", revisit=Revisit.CHANGED, status=ImageStatus.DUPLICATE),
        ],
        names,
    )
    assert told["format"] == [0, 1, 0]
    assert names.formats.texts() == ["png", "jpeg"]
    assert names.hosts.texts() == ["a.example", "B.example:8080"]
    assert told["found"] == [0, 1, 0]
    assert told["status"] == [0, 0, 1]
    assert [REVISITS[number] for number in told["revisit"]] == ["", "", "changed"]


def test_the_detail_has_whatever_the_record_says() -> None:
    record = picture(
        http_status=200,
        etag='"x"',
        depth=3,
        worker="secret-host:1:2",
        kept_by="0123456789abcdef secret-host:/home/me",
        alternatives=(
            Alternative(url="https://a.example/s.png", found_in="srcset", rule="smaller", content=b"x"),
        ),
        opt_outs=(OptOut(signal="noai", place="X-Robots-Tag", text="noai"),),
    )
    told = detail_of(
        [record._replace(places=[Place("u", "p", "a", "c", "img")], more_places=7, pages=("q",))]
    )
    assert told["more"] == [
        {
            "http_status": 200,
            "etag": '"x"',
            "depth": 3,
            "alternatives": [{"url": "https://a.example/s.png", "rule": "smaller"}],
        }
    ]
    assert told["opt_outs"][0][0]["signal"] == "noai"
    assert told["places"] == [[{"url": "u", "page": "p", "alt": "a", "caption": "c", "found_in": "img"}]]
    assert told["more_places"] == [7]
    assert (told["pages"], told["more_pages"]) == ([("q",)], [0])
    assert b"secret" not in script("detail", 0, told)


def test_a_record_of_every_field_is_told() -> None:
    """A field that is added has to be in one of the columns, or with the others."""
    full = {name: f"<{name}>" for name in ("alt", "title", "caption", "heading", "page_title")}
    told = {**index_of([picture(**full)], SharedNames.none()), **detail_of([picture(**full)])}
    assert {told[name][0] for name in full} == set(full.values())


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://a.example/x", "a.example"),
        ("https://me:secret@a.example:81/x", "a.example:81"),
        ("data:image/png;base64,AAAA", "data:"),
        ("http://[::1/x", ""),
        ("", ":"),
    ],
)
def test_hosts_have_no_login(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("1970-01-01T00:01:00.5Z", 60),
        ("", 0),
        ("yesterday", 0),
        ("0001-01-01T00:00:00Z", -62135596800),
        ("2026-01-02T03:04:05.000000Z", 1767323045),
    ],
)
def test_moments_are_seconds(moment: str, seconds: int) -> None:
    assert unix_s(moment) == seconds


def test_texts_are_the_source_of_functions_but_for_those_that_are_escaped_or_wide() -> None:
    alts = ["Caf\u00e9", "\u5ead\u5712", "", 'a "rose"', "oak\x1e", "<b>"]
    pictures = [picture(alt=alt, title="t", size_bytes=n) for n, alt in enumerate(alts)]
    written = index_script(3, index_of(pictures, SharedNames.none()))
    told = payload(written)
    assert told["text"] == [f"{alt}\x1ft".replace(ROW_END, " ") for alt in alts]
    assert (told["bytes"], told["w"]) == ([0, 1, 2, 3, 4, 5], [4] * 6)
    assert '()=>"Caf\u00e9\x1ft\x1e\x1ft\x1eoak \x1ft"'.encode() in written
    assert b'"w":4,' in written, "a number that all share stands there once"
    assert max(written.decode()) == "\u00e9", "one letter of two bytes, and a browser keeps all with two"


@given(st.lists(st.text(max_size=9), min_size=1, max_size=4))
def test_any_texts_are_read_as_they_were(alts: list[str]) -> None:
    told = payload(index_script(0, index_of([picture(alt=f"{alt}.") for alt in alts], SharedNames.none())))
    assert told["text"] == [f"{alt}.".replace(ROW_END, " ") for alt in alts]


def test_a_script_of_such_letters_is_not_made_longer() -> None:
    assert in_script("庭" * 99) == json.dumps("庭" * 99, ensure_ascii=False).encode()
