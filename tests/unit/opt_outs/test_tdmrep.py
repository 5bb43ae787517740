"""tdmrep.json: examples of the TDM Reservation Protocol (final report of 10 May 2024), and whatever else is there."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.models import OptOut, Purpose
from crawler.opt_outs.tdmrep import MAX_BYTES, MAX_RULES, Reservations

HOST = "https://provider.com"
EVERYTHING = [{"location": "/", "tdm-reservation": 1}]
SECTIONS = [
    {"location": "/directory-a/", "tdm-reservation": 1},
    {
        "location": "/directory-b/html/",
        "tdm-reservation": 1,
        "tdm-policy": "https://provider.com/policies/policy.json",
    },
    {"location": "/directory-b/images/*.jpg", "tdm-reservation": 0},
]
"""The two examples of the report, section "TDM File on the Origin Server"."""


def of(rules: object, path: str) -> OptOut | None:
    return Reservations(json.dumps(rules).encode()).reservation(HOST + path)


@pytest.mark.parametrize(
    ("rules", "path", "reserved"),
    [
        (EVERYTHING, "/", True),
        (EVERYTHING, "/any/picture.png?size=3", True),
        (SECTIONS, "/directory-a/a.png", True),
        (SECTIONS, "/Directory-A/a.png", None),  # "the matching SHOULD be case sensitive"
        (SECTIONS, "/directory-b/html/a.png", True),
        (SECTIONS, "/directory-b/images/2024/a.jpg", False),
        (SECTIONS, "/directory-b/images/a.png", None),  # "if no match is found … unset"
        (SECTIONS, "/elsewhere", None),
        # "The most specific match is the first in sequence"
        ([{"location": "/a/", "tdm-reservation": 0}, *EVERYTHING], "/a/b", False),
        ([*EVERYTHING, {"location": "/a/", "tdm-reservation": 0}], "/a/b", True),
        # special characters, and "/path/foo-%24" for "/path/foo-$"
        ([{"location": "/this/path/exactly$", "tdm-reservation": 1}], "/this/path/exactly", True),
        ([{"location": "/this/path/exactly$", "tdm-reservation": 1}], "/this/path/exactly/not", None),
        ([{"location": "/this/*/then", "tdm-reservation": 1}], "/this/and/that/then/more", True),
        ([{"location": "/*.gif$", "tdm-reservation": 1}], "/a.gif.gif", True),
        ([{"location": "/*.gif$", "tdm-reservation": 1}], "/a.gif?x", None),
        ([{"location": "/a*a$", "tdm-reservation": 1}], "/a", None),
        ([{"location": "/path/foo-%24", "tdm-reservation": 1}], "/path/foo-$", True),
        ([{"location": "/path/foo-%24", "tdm-reservation": 1}], "/path/foo-%24", True),
        ([{"location": "/%7euser/", "tdm-reservation": 1}], "/~user/a", True),
        ([{"location": "/stra\u00dfe/", "tdm-reservation": 1}], "/stra%C3%9Fe/a", True),
        ([{"location": "*", "tdm-reservation": 1}], "/a", True),
        # "Other values are considered protocol errors … unset"; both are mandatory
        ([{"location": "/", "tdm-reservation": 2}], "/a", None),
        ([{"location": "/", "tdm-reservation": True}], "/a", None),
        ([{"location": "/", "tdm-reservation": [1]}], "/a", None),
        ([{"location": "/", "tdm-reservation": "1"}], "/a", True),
        ([{"location": "/"}], "/a", None),
        ([{"tdm-reservation": 1}], "/a", None),
        ([{"location": 5, "tdm-reservation": 1}], "/a", None),
        (["/", None, *EVERYTHING], "/a", True),
        (EVERYTHING[0], "/a", True),  # no array, and plain enough
        ("nothing", "/a", None),
        ([{"location": "/b", "tdm-reservation": 0}] * MAX_RULES + EVERYTHING, "/a", None),
    ],
)
def test_rules(rules: object, path: str, *, reserved: bool | None) -> None:
    told = of(rules, path)
    assert (None if told is None else Purpose.TRAIN in told.forbids) is reserved


def test_what_is_told_is_the_rule() -> None:
    told = of(SECTIONS, "/directory-b/html/a.png")
    assert told is not None
    assert (told.signal, told.place) == ("tdmrep", "tdmrep.json")
    assert json.loads(told.text) == SECTIONS[1]
    assert told.forbids == (Purpose.SEARCH, Purpose.TRAIN)


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[" * 10_000, b"[]", b'"' + b"a" * MAX_BYTES, b"\xff\xfe[\0]\0"]
)
def test_what_is_no_such_file_says_nothing(content: bytes) -> None:
    assert Reservations(content).rules == ()
    assert Reservations(content).reservation(f"{HOST}/a") is None


@given(
    st.one_of(
        st.binary(max_size=50),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["location", "tdm-reservation", "tdm-policy"]), inner, max_size=3
                )
            ),
            max_leaves=10,
        ).map(lambda value: json.dumps(value).encode()),
    ),
    st.text(alphabet="/ab*$%2?é", max_size=12),
)
def test_whatever_is_sent_it_says_something_or_nothing(content: bytes, path: str) -> None:
    told = Reservations(content).reservation(f"{HOST}/{path}")
    assert told is None or told.text.startswith("{")


@given(
    st.lists(st.text(alphabet="ab", max_size=3), min_size=1, max_size=4),
    st.booleans(),
    st.text(alphabet="ab", max_size=8),
)
def test_patterns_match_as_regular_expressions_would(parts: list[str], to_the_end: bool, path: str) -> None:  # noqa: FBT001
    import re

    pattern = "/" + ".*".join(parts) + ("$" if to_the_end else "")
    told = of(
        [{"location": "/" + "*".join(parts) + ("$" if to_the_end else ""), "tdm-reservation": 1}], f"/{path}"
    )
    assert (told is not None) == (re.match(pattern, f"/{path}") is not None)
