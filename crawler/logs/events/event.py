"""What an event of the log is, and ``tell``, the one way to log one."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import partial
from string import Formatter
from typing import Any, NamedTuple

from crawler.text import display
from crawler.text.plain_errors import plain

DEBUG, INFO, NOTICE, WARNING, ERROR = logging.DEBUG, logging.INFO, 25, logging.WARNING, logging.ERROR
"""NOTICE, as in syslog: normal, but significant to an operator (RFC 5424, section 6.2.1)."""
logging.addLevelName(NOTICE, "NOTICE")

MAX_FACT_CHARS = 2000
_LINES = "traceback"
"""The key whose value keeps its line ends."""
_INDENTED = "line"
"""The key whose value keeps its indent, as lines of a traceback need."""
_LOGIN = re.compile(r"((?:\b[a-z][a-z0-9+.-]{1,20}:)?//)[^\s/?#@]*(?:@[^\s/?#@]*)*@", re.IGNORECASE)
_REDIS = re.compile("(?:redis|valkey)", re.IGNORECASE)


class Event(NamedTuple):
    level: int
    word: str
    text: str
    """The sentence for people, with ``{key}`` as in ``str.format``."""
    means: str
    """What has happened, for docs/logging.md."""
    more: tuple[str, ...] = ()
    """Keys that the sentence does not contain."""

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys, in the order of the sentence."""
        named = (name for _, name, _, _ in Formatter().parse(self.text) if name)
        return tuple(dict.fromkeys((*named, *self.more)))


debug, info, notice = partial(Event, DEBUG), partial(Event, INFO), partial(Event, NOTICE)
warning, error = partial(Event, WARNING), partial(Event, ERROR)


class Message:
    """The message of a log record, which is formatted only when a handler asks for it."""

    def __init__(self, event: Event, facts: Mapping[str, Any]) -> None:
        self.event = event
        self.facts = facts

    def __str__(self) -> str:
        said = self.event.text.format_map(self.facts)
        return f"{said}\n{self.facts[_LINES]}" if _LINES in self.facts else said


def tell(
    log: logging.Logger, event: Event, /, *, exc_info: bool = False, level: int = 0, **facts: Any
) -> None:
    """Log *event* with its *facts*, at another *level* if one is given; with *exc_info* the current traceback, too.

    The log record has the attributes ``event``, the word, and ``facts``, a dict of strings, numbers, booleans and None.
    """
    level = level or event.level
    if log.isEnabledFor(level):
        clean = {key: _clean(key, value) for key, value in facts.items()}
        extra = {"event": event.word, "facts": clean}
        log.log(level, Message(event, clean), exc_info=exc_info, stacklevel=2, extra=extra)


def hushed(text: str) -> str:
    """*text* with … in place of logins in URLs. The name of a Redis user alone is kept: workers need it to join."""
    return _LOGIN.sub(_hidden, text) if "@" in text else text


def _hidden(found: re.Match[str]) -> str:
    is_name = _REDIS.match(found[1]) is not None and ":" not in found[0].removeprefix(found[1])
    return found[0] if is_name else f"{found[1]}…@"


def _clean(key: str, value: object) -> str | int | float | None:  # a bool is an int
    if value is None or isinstance(value, int | float):
        return value
    text = hushed(plain(value) if isinstance(value, BaseException) else str(value))
    if key == _LINES:
        return display.clean(text)
    line = display.one_line(text if len(text) <= MAX_FACT_CHARS else f"{text[:MAX_FACT_CHARS]}…")
    return f"{' ' * (len(text) - len(text.lstrip(' ')))}{line}" if key == _INDENTED else line
