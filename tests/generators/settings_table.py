"""docs/settings.md, made of crawler/config: ``python -m tests.generators.settings_table``.

test_keywords.py compares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from crawler.config import AUTHKEY_VARIABLE, QUEUE_PASSWORD_VARIABLE, SETTINGS, Config, Setting

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
_UNITS = {"_bytes_s": "bytes/s", "_bytes": "bytes", "_px": "pixels", "_s": "seconds"}
_ESCAPES = str.maketrans({char: f"\\{char}" for char in "*|<"})
_HEAD = """\
# Settings

Made of `crawler/config` by `python -m tests.generators.settings_table`.

A setting has one name everywhere. A flag wins over the environment, which wins over the file of `--config`:

| in a file | in the environment | as a flag | from Python |
|---|---|---|---|
| `[queue]`<br>`delay_s = 0.5` | `IMAGE_CRAWLER_DELAY_S=0.5` | `--delay-s 0.5` | `crawler.crawl(…, delay_s=0.5)` |

- An unknown key is an error, with a suggestion, wherever it comes from.
- Bytes may be written as `500 MB` (1,000) or `1.5 GiB` (1,024), seconds as `90s`, `10m` or `1h30m`.
- A switch is turned off by `--no-…`. The flag of a list is given once for each value; in the environment they have
  spaces between them.
- A secret is written to no file and shown nowhere.
- `%s` holds the key between machines, `%s` the password of a Redis; neither has
  a flag.

[config/default.toml](../config/default.toml) is a file with all of them, to be copied."""


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD % (AUTHKEY_VARIABLE, QUEUE_PASSWORD_VARIABLE)
    for name, group in groupby(SETTINGS.values(), key=lambda setting: setting.section):
        yield ""
        yield f"## [{name}]"
        yield ""
        yield _about(name)
        yield ""
        yield "| key, flag, variable | default | values | |"
        yield "|---|---|---|---|"
        for setting in group:
            told = setting.description.translate(_ESCAPES)
            yield f"| {_names(setting)} | {_default(setting)} | {_values(setting)} | {told} |"


def _about(section: str) -> str:
    types = {field.name: field.type for field in msgspec.structs.fields(Config)}
    return str(types[section].__doc__)


def _names(setting: Setting) -> str:
    flags = [setting.flag, *setting.also]
    if setting.type is bool:
        flags.append(setting.flag.replace("--", "--no-", 1))
    return "<br>".join(f"`{name}`" for name in (setting.key, *flags, setting.environment))


def _default(setting: Setting) -> str:
    value = setting.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (str, tuple)):
        return f"`{value}`" if value else "none"
    return f"`{value:,}`" if isinstance(value, int) else f"`{value:g}`"


def _values(setting: Setting) -> str:
    """What a value is: its unit, its words, or its kind."""
    if setting.type is bool:
        return "a switch"
    if setting.choices or setting.words:
        words = " ".join(f"`{word}`" for word in setting.choices or setting.words)
        return f"any of {words}" if setting.is_list else words
    unit = next((unit for end, unit in _UNITS.items() if setting.key.endswith(end)), "")
    if unit:
        return unit
    if setting.is_list:
        return f"a list of {setting.item}"
    return {int: "a number", float: "a number"}.get(setting.type, "text")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
