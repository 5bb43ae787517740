"""What people are told, all of it: nothing of Python's is in it, and where something can be done it says what."""

from __future__ import annotations

import re

import pytest

from crawler.errors import REASONS
from crawler.text.display import one_line
from crawler.text.plain_errors import is_plain
from tests.generators.messages import Message, messages

pytestmark = pytest.mark.timeout(300)

_QUOTED = re.compile(r"'[^']*'")
_NUMBERS = re.compile(r"\berrno\b|\bError \d|\b0x[0-9a-f]{5,}")
_ADVICE = re.compile(
    r"such as|did you mean|perhaps|known are|expected|give|choose|\bsay\b|name (?:one|the folder)|--\w|\?"
    r"|put (?:it|a)|makes one|won't do:|Missing argument"
)
WHAT_CAN_BE_DONE = frozenset(
    {"ConfigError", "SeedError", "UsageError", "FolderError", "exit 1 or 2", "LedgerCorrupt"}
)
"""Kinds of errors that somebody has made, and can undo."""


@pytest.fixture(scope="module", name="told")
def all_messages() -> list[Message]:
    return messages()


@pytest.mark.slow
def test_nothing_of_python_is_in_what_people_are_told(told: list[Message]) -> None:
    assert len(told) > 500
    odd = [message for message in told if not is_plain(_QUOTED.sub("''", message.text))]
    assert odd == []
    assert [message for message in told if _NUMBERS.search(_QUOTED.sub("''", message.text))] == []


def test_each_is_a_line_that_says_something(told: list[Message]) -> None:
    for message in told:
        assert len(message.text) > 8, message
        assert message.text == one_line(message.text), message
        assert not message.text.endswith((":", ",", " ")), message


def test_each_that_somebody_can_undo_says_how(told: list[Message]) -> None:
    missing = [
        message for message in told if message.kind in WHAT_CAN_BE_DONE and not _ADVICE.search(message.text)
    ]
    assert missing == []


def test_the_table_has_many_kinds(told: list[Message]) -> None:
    kinds = {message.kind for message in told}
    assert len(kinds & set(REASONS)) >= 28
    assert kinds >= WHAT_CAN_BE_DONE
