"""Configurations from a file, the environment and flags, and from the notes of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from crawler.config.checks import contradiction_in, measured, problem_with, suggested, unusable
from crawler.config.config import Config
from crawler.config.section import SYNONYMS
from crawler.config.settings import (
    AUTHKEY_VARIABLE,
    ENVIRONMENT_PREFIX,
    QUEUE_PASSWORD_VARIABLE,
    SETTINGS,
    settings_of,
)
from crawler.errors import ConfigError
from crawler.text.plain_errors import listed, plain, quoted

_SECRET_VARIABLES = (AUTHKEY_VARIABLE, QUEUE_PASSWORD_VARIABLE)


def load(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """The configuration that results from a file, the environment and flags.

    *flags* maps keys to values; None: not given. Raises ConfigError, with source, key and value, or a contradiction.
    """
    config = Config() if file is None else _from_file(file)
    for name, text in (environment or {}).items():
        if name.startswith(ENVIRONMENT_PREFIX) and name not in _SECRET_VARIABLES:
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower()
            config = _with_value(config, key, text, source=f"environment variable {name}")
    for key, value in (flags or {}).items():
        if value is not None:
            config = _with_value(config, key, value, source=f"option {_flags(key)}")
    if contradiction := contradiction_in(config.images):
        raise ConfigError(contradiction)
    return config


def _from_file(file: Path) -> Config:
    try:
        tables = _tables_in(file)
    except OSError as exc:
        raise ConfigError(
            f"can't read the configuration file {file}: {plain(exc)}; give another with --config"
        ) from exc
    except (ValueError, RecursionError) as exc:  # also of numbers with thousands of digits
        raise ConfigError(
            f"{file} is not valid TOML: {plain(exc)}; put it right, see config/default.toml"
        ) from exc
    return from_tables(tables, source=str(file))


def _tables_in(file: Path) -> dict[str, Any]:
    import tomllib  # most processes are handed their settings, and read no file

    return tomllib.loads(file.read_text(encoding="utf-8"))


def from_tables(tables: Mapping[str, Any], *, source: str) -> Config:
    """A configuration from ``{section: {key: value}}``; raises ConfigError."""
    sections = [field.name for field in msgspec.structs.fields(Config)]
    config = Config()
    for name, table in tables.items():
        if name not in sections:
            where = SETTINGS.get(name)
            hint = f"put it below [{where.section}]" if where else suggested(name, sections)
            raise ConfigError(f"{source}: unknown section [{name}]; {hint}")
        if not isinstance(table, Mapping):
            raise ConfigError(f"{source}: {name} must be a table, such as [{name}]")
        for key, value in table.items():
            if key == "cookies" and isinstance(value, bool):
                raise ConfigError(f"{source}, [{name}]: {_NO_BOOLEAN}")
            if key in SETTINGS and SETTINGS[key].section != name:
                raise ConfigError(
                    f"{source}: {key} does not belong below [{name}] but below [{SETTINGS[key].section}]"
                )
            config = _with_value(config, key, value, source=f"{source}, [{name}]")
    return config


def _flags(key: str) -> str:
    """The flag of a setting, with those that mean the same: whoever gave ``--max-time`` knows no ``--max-time-s``."""
    if key not in SETTINGS:
        return key
    setting = SETTINGS[key]
    return setting.flag + "".join(f", {other}" for other in setting.also)


_BOOLEANS = ("true", "false", "1", "0", "yes", "no", "on", "off")
_NO_BOOLEAN = (
    "cookies is the path of a file (cookies.txt), in the section [run]; to keep those that servers set, say"
    " keep_cookies = true, or --keep-cookies"
)


def _with_value(config: Config, key: str, value: object, *, source: str) -> Config:
    setting = SETTINGS.get(key)
    if setting is None:
        raise ConfigError(f"{source}: unknown key {quoted(key)}; {suggested(key, list(SETTINGS))}")
    if key == "cookies" and isinstance(value, bool | str) and str(value).lower() in _BOOLEANS:
        raise ConfigError(f"{source}: {_NO_BOOLEAN}")
    section = getattr(config, setting.section)
    shown = "…" if setting.secret else listed(value)
    # as values come from the environment and the command line; only headers have spaces
    if setting.is_list and isinstance(value, str):
        value = value.splitlines() if " " in setting.item else value.split()
    if setting.words and isinstance(value, list | tuple):
        value = [word for item in value for word in _split(item)]
    if isinstance(value, str):
        value = measured(key, value)
    changed = msgspec.structs.asdict(section) | {key: value}
    try:
        section = msgspec.convert(changed, type(section), strict=not isinstance(value, str))
    except msgspec.ValidationError as exc:
        problem = problem_with(setting, value, str(exc).partition(" - at ")[0])
        raise ConfigError(f"{source}: {key} = {shown} won't do: {problem}. {setting.description}") from (
            None if setting.secret else exc
        )
    converted = getattr(section, key)
    if problem := unusable(setting, converted):
        shown = "…" if setting.secret else listed(converted)
        raise ConfigError(f"{source}: {key} = {shown} won't do: {problem}. {setting.description}")
    return msgspec.structs.replace(config, **{setting.section: section})


def _split(item: object) -> list[object]:
    """The words of ``jpg,png``, each by its standard name (SYNONYMS)."""
    if not isinstance(item, str):
        return [item]
    return [SYNONYMS.get(word, word) for word in item.replace(",", " ").split()] or [item]


_MOST_FILE_BYTES = 16 * 2**20


def values_in(file: Path) -> dict[str, Any]:
    """The settings in a crawl's own crawl.toml, by key. Another version may have written it, or a run that was killed:
    what is not a setting of this version, or not a value of one, is ignored.
    """
    try:
        if not file.is_file() or file.stat().st_size > _MOST_FILE_BYTES:
            return {}
        tables = _tables_in(file)
    except (OSError, ValueError, RecursionError):
        return {}
    values = {
        key: value for table in tables.values() if isinstance(table, Mapping) for key, value in table.items()
    }
    if isinstance(values.get("cookies"), bool):  # as it was called once
        values["keep_cookies"] = values.pop("cookies")
    return {key: value for key, value in settings_of(config_of(values)).items() if key in values}


def config_of(values: Mapping[str, Any]) -> Config:
    """The configuration of a run by the settings noted for it; unusable and secret ones are at their defaults."""
    config = Config()
    for key, value in values.items():
        if key in SETTINGS and not SETTINGS[key].secret:
            with suppress(ConfigError):
                config = _with_value(config, key, value, source=key)
    return config
