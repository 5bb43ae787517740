"""The runs of a crawl: when each began and ended, with which settings, and how."""

from __future__ import annotations

from enum import StrEnum

from msgspec import field

from crawler.models.values import Moment, SettingValue, Slug, Text, Total, Value


class RunKind(StrEnum):
    CRAWL = "crawl"
    """The first run of a crawl, or one that went on with it."""
    REFRESH = "refresh"
    """Everything was visited once more."""


class RunOutcome(StrEnum):
    FINISHED = "finished"
    """Nothing was left to be done."""
    STOPPED = "stopped"
    """By somebody, or by an error; what was left is for the next run."""
    UNKNOWN = ""
    """It goes on, or it was killed."""


class Run(Value):
    """One run of a crawl: from the start of its manager, or collector, to its end."""

    number: Total
    """1 for the first."""
    begun_at: Moment
    """UTC, ISO 8601."""
    ended_at: Moment = ""
    """The same; empty while it goes on, and if it was killed."""
    kind: RunKind = RunKind.CRAWL
    outcome: RunOutcome = RunOutcome.UNKNOWN
    version: Slug = ""
    """Of this program."""
    settings: dict[Slug, SettingValue] = field(default_factory=dict)
    """Those of the crawl, by their keys; of a secret one only whether it was given (``"…"``)."""
    notes: tuple[Text, ...] = ()
    """What other settings than those of the run before it meant for what was done already."""
