"""The runs of a crawl: when each began and ended, with which settings, and how."""

from __future__ import annotations

from enum import StrEnum

from msgspec import field

from crawler.models.values import Moment, SettingValue, Slug, Text, Total, Value


class RunKind(StrEnum):
    CRAWL = "crawl"
    """The first run of a crawl, or one that continued it."""
    REFRESH = "refresh"
    """Everything was visited once more."""


class RunOutcome(StrEnum):
    FINISHED = "finished"
    """Nothing was left to do."""
    STOPPED = "stopped"
    """A user or an error ended it; the next run does the rest."""
    UNKNOWN = ""
    """It still runs, or it was killed."""


class Run(Value):
    """One run of a crawl, from the start of its manager or collector to its end."""

    number: Total
    """Number of the run, from 1."""
    begun_at: Moment
    """Start: UTC, ISO 8601."""
    ended_at: Moment = ""
    """End: UTC, ISO 8601; empty while it runs, and if it was killed."""
    kind: RunKind = RunKind.CRAWL
    outcome: RunOutcome = RunOutcome.UNKNOWN
    version: Slug = ""
    """Version of this program."""
    settings: dict[Slug, SettingValue] = field(default_factory=dict)
    """The crawl's settings by key; ``"…"`` in place of a secret."""
    notes: tuple[Text, ...] = ()
    """What its settings, where they differ from those of the run before, meant for what was done already."""
