"""Dictionaries of structured fields: examples of RFC 9651 and of draft-ietf-aipref-vocab, and anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.opt_outs.structured_fields import tokens


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("", {}),
        # RFC 9651, section 3.2
        ('en="Applepie", da=:w4ZibGV0w6ZydGU=:', {"en": None, "da": None}),
        ("a=?0, b, c; foo=bar", {"a": None, "b": None, "c": None}),
        ("rating=1.5, feelings=(joy sadness)", {"rating": None, "feelings": None}),
        ("a=(1 2), b=3, c=4;aa=bb, d=(5 6);valid", {"a": None, "b": None, "c": None, "d": None}),
        # section 3.3: numbers, strings, tokens, dates, display strings
        ("a=-999999999999999, b=4.5, c=sugar, d=*b/c:d", {"a": None, "b": None, "c": "sugar", "d": "*b/c:d"}),
        (
            'a=@1659578233, b=%"This is intended for display to %c3%bcsers.", c="\\"\\\\"',
            {"a": None, "b": None, "c": None},
        ),
        # draft-ietf-aipref-vocab, sections 6 and 6.5
        ("train-ai=y, search=n", {"train-ai": "y", "search": "n"}),
        ('train-ai=y, train-ai, search=n, search="n"', {"train-ai": None, "search": None}),
        ("train-ai;allow=n, train-ai=y", {"train-ai": "y"}),
        ('train-ai;has;parameters="?"', {"train-ai": None}),
        ("a=n \t,\t b=y", {"a": "n", "b": "y"}),
        ('a=(1;b "x" c );d;e=?1, f=n', {"a": None, "f": "n"}),
    ],
)
def test_dictionaries(field: str, found: dict[str, str | None]) -> None:
    assert tokens(field) == found


@pytest.mark.parametrize(
    "field",
    [
        "Train-AI=n",  # section 6.5 of the draft: keys are in lower case
        "train-ai=n,",
        "train-ai=n search=n",
        "train-ai=",
        "=n",
        "a=(1 2",
        "a=(1,2)",
        "a=1.1234",
        "a=1234567890123456",
        'a="é"',
        'a="x',
        "a=?2",
        "a=@1.5",
        "a=:!:",
        "a;B=1",
        "train-ai: n",
        "a=n" * 100_000,
    ],
)
def test_what_is_none_says_nothing(field: str) -> None:
    assert tokens(field) is None


@given(st.text(alphabet='abz*=;,() \t"\\:?@%01.-Aé', max_size=60))
def test_whatever_it_is_it_is_a_dictionary_or_none(field: str) -> None:
    found = tokens(field)
    assert found is None or all(isinstance(key, str) and key for key in found)
    if found:
        simple = ", ".join(f"{key}={value}" if value else key for key, value in found.items())
        assert tokens(simple) == found
