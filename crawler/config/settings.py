"""Every setting as one value: its key, flag and variable, its type, default, description and unit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Meta

from crawler.config.config import Config

ENVIRONMENT_PREFIX = "IMAGE_CRAWLER_"
AUTHKEY_VARIABLE = ENVIRONMENT_PREFIX + "AUTHKEY"
"""The variable with the key itself, for machines without a file. It is no setting, so it is never written or shown."""

QUEUE_PASSWORD_VARIABLE = ENVIRONMENT_PREFIX + "QUEUE_PASSWORD"
"""The variable with the password of a Redis; no setting either."""
GIVEN = "…"
"""Stands for a secret where settings are written down."""
LOCAL_SECTIONS = ("manager", "access", "machine", "log", "monitoring")
"""Sections that each machine has for itself; their addresses and paths may have any characters."""
PATTERN = "PATTERN"
SIZE_HINT = "a number of bytes, or such as 500 MB or 1.5 GiB"
TIME_HINT = "a number of seconds, or such as 90s, 10m or 1h30m"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting, as the command line and the documentation need it."""

    section: str
    key: str
    type: type
    default: Any
    description: str
    choices: tuple[str, ...] = ()
    """All values, if they are a closed list."""
    words: tuple[str, ...] = ()
    """All items that a list may have, if they are a closed list."""
    hint: str = ""
    """What a value looks like, for error messages; its pattern would say little to people."""
    item: str = ""
    """What each item of a list is, for help texts; empty for a setting that is no list."""
    also: tuple[str, ...] = ()
    """Further flags of the same meaning."""
    secret: bool = False
    """Its value is neither shown nor written to a file."""

    @property
    def environment(self) -> str:
        return ENVIRONMENT_PREFIX + self.key.upper()

    @property
    def flag(self) -> str:
        return "--" + self.key.replace("_", "-")

    @property
    def is_list(self) -> bool:
        """Whether it takes several values: the flag is repeated, the variable has spaces between."""
        return get_origin(self.type) is tuple


_CHOICES = re.compile(r"\^\([\w|-]+\)\$")
"""Matches patterns that are a list of words."""


def settings() -> Iterator[Setting]:
    """Every setting there is, in the order of the sections."""
    for section in msgspec.structs.fields(Config):
        for field in msgspec.structs.fields(section.type):
            annotated = get_origin(field.type) is Annotated
            base, meta = get_args(field.type) if annotated else (field.type, Meta())
            extra = meta.extra or {}
            yield Setting(
                section=section.name,
                key=field.name,
                type=base,
                default=field.default,
                description=meta.description or "",
                choices=_words(meta),
                words=_words(*get_args(get_args(base)[0])[1:]) if get_origin(base) is tuple else (),
                hint=extra.get("hint", _hint(field.name)),
                item=extra.get("item", PATTERN) if get_origin(base) is tuple else "",
                also=extra.get("also", ()),
                secret=extra.get("secret", False),
            )


def _hint(key: str) -> str:
    """What a value looks like, by the unit in its key."""
    return SIZE_HINT if "_bytes" in key else TIME_HINT if key.endswith("_s") else ""


def _words(*metas: Meta) -> tuple[str, ...]:
    """The values that a pattern such as ``^(one|two)$`` allows; none for one that does not list them."""
    patterns = [meta.pattern for meta in metas if meta.pattern and _CHOICES.fullmatch(meta.pattern)]
    return tuple(word for pattern in patterns for word in pattern[2:-2].split("|"))


SETTINGS: dict[str, Setting] = {setting.key: setting for setting in settings()}


def settings_of(config: Config) -> dict[str, Any]:
    """The settings of a crawl by key, as JSON has them: without LOCAL_SECTIONS, and with GIVEN in place of secrets."""
    found: dict[str, Any] = {}
    for key, setting in SETTINGS.items():
        if setting.section not in LOCAL_SECTIONS:
            value = getattr(getattr(config, setting.section), key)
            as_json = list(value) if isinstance(value, tuple) else value
            found[key] = GIVEN if setting.secret and value else as_json
    return found


def to_toml(config: Config, *, header: str = "") -> str:
    """*config* as a commented TOML document that :func:`load` reads back."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    section = ""
    for setting in SETTINGS.values():
        if setting.section != section:
            section = setting.section
            lines += ["", f"[{section}]"]
        value = getattr(getattr(config, section), setting.key)
        # TOML's basic strings escape as JSON does, and its numbers, booleans and arrays are written as JSON's
        line = f"{setting.key} = {msgspec.json.encode(value).decode()}"
        if setting.secret and value:
            line = f'# {setting.key} = "…" is not written down'
        lines += [f"# {setting.description}", line]
    return "\n".join(lines).lstrip("\n") + "\n"
