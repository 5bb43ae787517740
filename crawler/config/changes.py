"""What other settings in a later run mean for what earlier runs have done: pure.

A new value may *let in* what earlier runs left out or refused: it is taken up. It may *keep out* what they took: that
stays, as nothing is ever taken away from a crawl. Settings that decide where images are stored can't be changed. All
others apply from then on.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from crawler.config import SETTINGS
from crawler.errors import LEFT_OUT

_Moved = Callable[[Any, Any], bool]
"""Whether a value has changed in a certain direction, from the first to the second."""
_rises, _falls, _differs = operator.lt, operator.gt, operator.ne


def _limit_rises(before: float, after: float) -> bool:
    """Of a limit, where 0 stands for none."""
    return after != before and (after == 0 or 0 < before < after)


def _turned(*, to: bool) -> _Moved:
    return lambda before, after: before is not to and after is to


def _along(*words: str) -> _Moved:
    """Of *words* in rising order of what they let in; an unknown word does not move."""
    order = {word: place for place, word in enumerate(words)}
    return lambda before, after: order.get(before, 0) < order.get(after, 0)


def _wider(before: Sequence[str], after: Sequence[str]) -> bool:
    """Of a list of what is wanted, where an empty one stands for all."""
    return bool(before) and (not after or bool(set(after) - set(before)))


def _more(before: Sequence[str], after: Sequence[str]) -> bool:
    """Of a list of exceptions."""
    return bool(set(after) - set(before))


def _fewer(before: Sequence[str], after: Sequence[str]) -> bool:
    return _more(after, before)


def _given(before: Any, after: Any) -> bool:
    return bool(after) and not before


class Reads(IntEnum):
    """Pages that are read once more, beside those that the counts of what was left out name."""

    NONE = 0
    SEEDS = 1
    ALL = 2


@dataclass(frozen=True, kw_only=True)
class _Effect:
    """What another value of a setting means for what was done with the earlier one."""

    lets_in: _Moved
    keeps_out: bool = False
    """Whether the same move backwards keeps out what was taken before."""
    images: tuple[str, ...] = ()
    """Reasons of images that are tried again when it lets in more."""
    pages: tuple[str, ...] = ()
    """Reasons of pages, rendered ones included, that are tried again when it lets in more."""
    reads: Reads = Reads.NONE
    is_checkable: bool = False
    """Whether a saved image would be kept out by the new value can be told from its record."""


def _of_all(*reasons: str, lets_in: _Moved, **more: Any) -> _Effect:
    return _Effect(lets_in=lets_in, images=reasons, pages=reasons, **more)


def _obeying(*reasons: str) -> _Effect:
    return _of_all(*reasons, lets_in=_turned(to=False), keeps_out=True)


def _at_most(*images: str, pages: tuple[str, ...] = ()) -> _Effect:
    """A limit of safety: a lower one keeps nothing out that was taken under the higher one."""
    return _Effect(lets_in=_rises, images=images, pages=pages)


def _filter(lets_in: _Moved, **more: Any) -> _Effect:
    """A choice of pages or images: a record tells whether it would be taken now."""
    return _Effect(lets_in=lets_in, keeps_out=True, is_checkable=True, **more)


_NOT_REACHED = (
    *("connect-failed", "connect-timeout", "connection-lost", "host-down", "host-not-found"),
    *("name-lookup-failed", "forbidden"),
)
_NOT_LET_IN = ("forbidden", "login-required", "bot-challenge")
_SAID_OF_A_USE = ("tdmrep", "content-usage", "content-signal", "data-mining", "training-mining")

EFFECTS: dict[str, _Effect] = {
    "scope": _filter(
        _along("prefix", "host", "domain", "any"),
        images=("out-of-scope",),
        pages=("out-of-scope",),
        reads=Reads.ALL,  # links out of it are not counted: they are most of the web
    ),
    "include": _filter(_wider, pages=("excluded",)),
    "exclude": _filter(_fewer, pages=("excluded",)),
    "images_from": _filter(_along("scope", "any"), images=("out-of-scope",)),
    "include_images": _filter(_wider),
    "exclude_images": _filter(_fewer),
    "avoid_traps": _Effect(lets_in=_turned(to=False)),
    "max_depth": _filter(_rises),
    "max_pages": _filter(_rises),
    "max_images": _filter(_limit_rises),
    "max_links_per_page": _Effect(lets_in=_limit_rises),
    "parser": _Effect(lets_in=_differs, reads=Reads.ALL),
    "sitemaps": _Effect(lets_in=_turned(to=True), reads=Reads.SEEDS),
    "script_urls": _Effect(lets_in=_turned(to=True), reads=Reads.ALL),
    "feeds": _Effect(lets_in=_turned(to=True), reads=Reads.ALL),
    "max_page_bytes": _at_most(pages=("too-large",)),
    "page_timeout_s": _at_most(pages=("page-timeout",)),
    "render": _Effect(lets_in=_along("never", "auto", "always"), pages=("no-gain",), reads=Reads.ALL),
    "render_timeout_s": _at_most(),
    "render_requests": _at_most(),
    "render_bytes": _at_most(),
    "render_scrolls": _at_most(),
    "render_clicks": _at_most(),
    "render_memory_bytes": _at_most(pages=("page-crashed",)),
    "render_posts": _Effect(lets_in=_along("none", "site", "any")),
    "purpose": _Effect(
        lets_in=lambda before, after: before not in ("archive", after),
        keeps_out=True,
        images=_SAID_OF_A_USE,
    ),
    "obey_robots_txt": _obeying("robots-disallowed", "robots-unavailable"),
    "obey_nofollow": _obeying(),
    "obey_rel_nofollow": _obeying(),
    "obey_noindex": _obeying("noindex"),
    "obey_noimageindex": _obeying("noimageindex"),
    "obey_noai": _obeying("noai"),
    "obey_noimageai": _obeying("noimageai"),
    "obey_tdm_reservation": _obeying("tdm-reservation"),
    "obey_tdmrep": _obeying("tdmrep"),
    "obey_content_usage": _obeying("content-usage"),
    "obey_content_signal": _obeying("content-signal"),
    "obey_data_mining": _obeying("data-mining"),
    "obey_training_mining": _obeying("training-mining"),
    "connect_timeout_s": _of_all("connect-timeout", lets_in=_rises),
    "total_timeout_s": _of_all("deadline-exceeded", lets_in=_rises),
    "min_rate_bytes_s": _of_all("too-slow", lets_in=_falls),
    "max_redirects": _of_all("too-many-redirects", lets_in=_rises),
    "verify_tls": _of_all("tls-failed", lets_in=_turned(to=False)),
    "headers": _of_all(*_NOT_LET_IN, lets_in=_given),
    "keep_cookies": _of_all(*_NOT_LET_IN, "too-many-redirects", lets_in=_given),
    "login": _of_all(*_NOT_LET_IN, lets_in=_given),
    "netrc": _of_all(*_NOT_LET_IN, lets_in=_given),
    "proxy": _of_all(*_NOT_REACHED, lets_in=_given),
    "allow_addresses": _of_all("forbidden-address", lets_in=_more),
    "images": _Effect(lets_in=_along("best", "all"), keeps_out=True, reads=Reads.ALL),
    "max_image_bytes": _at_most("too-large"),
    "max_svg_bytes": _at_most("too-large"),
    "max_pixels": _at_most("too-many-pixels"),
    "decode_timeout_s": _at_most("decode-timeout"),
    "incomplete": _filter(_along("reject", "keep"), images=("truncated-image",)),
    "formats": _filter(_wider, images=("unwanted-format",)),
    "min_width_px": _filter(_falls, images=("too-small",)),
    "max_width_px": _filter(_limit_rises, images=("too-large",)),
    "min_height_px": _filter(_falls, images=("too-small",)),
    "max_height_px": _filter(_limit_rises, images=("too-large",)),
    "min_image_bytes": _filter(_falls, images=("too-small",)),
    "max_aspect": _filter(_limit_rises, images=("unwanted-aspect",)),
    "max_attempts": _of_all("lease-expired", lets_in=_rises),
    "host_patience_s": _of_all("host-down", lets_in=_rises),
}
"""The effects of the settings that decide what a crawl has in the end."""

FIXED = frozenset({"strip_tracking", "storage", "layout"})
"""Settings that decide the URLs or paths of images: a second value would store each image twice."""


class SettingChange(NamedTuple):
    """Two different values of one setting."""

    key: str
    before: Any
    after: Any

    @property
    def typed(self) -> str:
        """The new value, as on the command line."""
        flag = SETTINGS[self.key].flag
        if isinstance(self.after, bool):
            return flag if self.after else flag.replace("--", "--no-", 1)
        return f"no {flag}" if self._is_none(self.after) else f"{flag} {shown(self.after)}"

    def __str__(self) -> str:
        if isinstance(self.after, bool):
            return self.typed
        return f"{self.typed} ({'none' if self._is_none(self.before) else shown(self.before)} before)"

    def _is_none(self, value: Any) -> bool:
        """Whether *value* is an empty default, such as the 0 of no limit."""
        return not value and _plain(value) == _plain(SETTINGS[self.key].default)


@dataclass(frozen=True, kw_only=True)
class SettingChanges:
    """What the settings of a run mean for what the run before it has done."""

    all: tuple[SettingChange, ...] = ()
    lets_in: tuple[SettingChange, ...] = ()
    keeps_out: tuple[SettingChange, ...] = ()
    fixed: tuple[SettingChange, ...] = ()
    slugs: frozenset[str] = frozenset()
    """Slugs of LEFT_OUT by which URLs were left out that may be let in now."""
    images: frozenset[str] = frozenset()
    """Reasons of images that are tried again."""
    pages: frozenset[str] = frozenset()
    """Reasons of pages that are tried again."""
    reads: Reads = Reads.NONE

    @property
    def is_checkable(self) -> bool:
        """Whether records tell which saved images the new settings would keep out."""
        return all(EFFECTS[change.key].is_checkable for change in self.keeps_out)


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> SettingChanges:
    """From the settings of the last run to those of this one, both as :func:`~.config.settings_of` makes them.

    A setting that the last run did not know counts as at its default. One that this version does not know is ignored.
    """
    changes = tuple(
        SettingChange(key, was, value)
        for key, now in after.items()
        if (was := _plain(before.get(key, SETTINGS[key].default))) != (value := _plain(now))
    )
    lets_in = tuple(change for change in changes if _lets_in(change.key, change.before, change.after))
    effects = [EFFECTS[change.key] for change in lets_in]
    return SettingChanges(
        all=changes,
        lets_in=lets_in,
        keeps_out=tuple(
            change
            for change in changes
            if _lets_in(change.key, change.after, change.before) and EFFECTS[change.key].keeps_out
        ),
        fixed=tuple(change for change in changes if change.key in FIXED and _is_another_place(change)),
        slugs=frozenset(slug for change in lets_in for slug in slugs_of(change.key)),
        images=frozenset(reason for effect in effects for reason in effect.images),
        pages=frozenset(reason for effect in effects for reason in effect.pages),
        reads=max((effect.reads for effect in effects), default=Reads.NONE),
    )


def told(changes: Iterable[SettingChange]) -> str:
    """*changes* in words, with commas between."""
    return ", ".join(map(str, changes))


def unusual(settings: Mapping[str, Any]) -> tuple[SettingChange, ...]:
    """Those of *settings* that differ from their defaults; settings of another version that are unknown are ignored."""
    of_this_version = {key: value for key, value in settings.items() if key in SETTINGS}
    return changes_between({}, of_this_version).all


def slugs_of(key: str) -> tuple[str, ...]:
    """The slugs of LEFT_OUT that the setting *key* lets in."""
    return tuple(slug for slug, one in LEFT_OUT.items() if key in _keys(one.option))


def shown(value: object) -> str:
    """A setting's *value*, for people."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value != "" else "none"


def _keys(option: str) -> set[str]:
    """The keys of the flags in ``--include, --exclude``, ``--images all`` or ``--no-obey-noai``."""
    flags = (word for part in option.split(",") if (word := part.strip().partition(" ")[0]))
    return {flag.removeprefix("--").removeprefix("no-").replace("-", "_") for flag in flags}


def _lets_in(key: str, before: Any, after: Any) -> bool:
    try:
        return key in EFFECTS and EFFECTS[key].lets_in(before, after)
    except TypeError:  # another type in an earlier version: nothing is known of it
        return False


def _is_another_place(change: SettingChange) -> bool:
    """``local`` and ``manager`` are the same folder, on the machine of the manager."""
    here = ("local", "manager")
    return not (change.key == "storage" and change.before in here and change.after in here)


def _plain(value: Any) -> Any:
    """*value* as JSON has it: a list in place of a tuple."""
    return list(value) if isinstance(value, tuple) else value
