"""Units of values, and why a value will not do, in words: pure."""

from __future__ import annotations

import re
from typing import Any

from crawler.config.images import ImagesConfig
from crawler.config.settings import LOCAL_SECTIONS, PATTERN, SETTINGS, SIZE_HINT, TIME_HINT, Setting
from crawler.text.plain_errors import quoted, typed


def contradiction_in(images: ImagesConfig) -> str:
    """Why two settings together would keep no image at all; empty if they may keep some."""
    for least, most in (
        ("min_width_px", "max_width_px"),
        ("min_height_px", "max_height_px"),
        ("min_image_bytes", "max_image_bytes"),
    ):
        low, high = getattr(images, least), getattr(images, most)
        if low > high > 0:
            return f"{least} = {low} and {most} = {high} contradict each other: no image would be kept; change one"
    if 0 < images.max_aspect < 1:
        return (
            f"max_aspect = {images.max_aspect} won't do: the longer side of an image is at least once the shorter, so"
            " none would be kept; give 1 or more, or 0 for no limit"
        )
    return ""


def problem_with(setting: Setting, value: object, message: str) -> str:
    """What is wrong with *value*, in words; *message* is msgspec's message, which would show patterns."""
    words = setting.choices or setting.words
    if " matching regex " in message or (setting.choices and isinstance(value, str)):
        return f"expected one of {', '.join(words)}" if words else f"expected {setting.hint}"
    if setting.hint in (SIZE_HINT, TIME_HINT) and not _COMPARED.search(message):
        return f"expected {setting.hint}"
    return typed(message)


_COMPARED = re.compile(r"[<>]=? ?\d")
_SIZE = re.compile(r"(\d{1,18}) ?b|(\d{1,18}(?:\.\d{1,18})?) ?([kmgt])(i?)b?", re.IGNORECASE)
_DURATION = re.compile(r"(\d{1,18}(?:\.\d{1,18})?) ?(ms|s|min|m|h|d)", re.IGNORECASE)
_UNIT_S = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def measured(key: str, text: str) -> str:
    """*text* as a number in the unit of *key*, if it has a unit; otherwise unchanged."""
    if "_bytes" in key:
        return _bytes(text.strip().removesuffix("/s") if key.endswith("_s") else text)
    return _seconds(text) if key.endswith("_s") else text


def _seconds(text: str) -> str:
    """``90s``, ``10 min``, ``1h30m`` and ``1.5 h`` as a number of seconds; anything else as it is."""
    total_s, at, text_left = 0.0, 0, text.strip()
    while match := _DURATION.match(text_left, at):
        total_s += float(match[1]) * _UNIT_S[match[2].lower()]
        at = match.end() + (text_left[match.end() : match.end() + 1] == " ")
    return repr(total_s) if 0 < at == len(text_left) else text


def _bytes(text: str) -> str:
    """``500 MB``, ``1.5GiB`` and ``500B`` as a number of bytes; anything else as it is."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return text
    plain, number, prefix, binary = match.groups()
    if plain:
        return str(int(plain))
    return str(int(float(number) * (1024 if binary else 1000) ** ("kmgt".index(prefix.lower()) + 1)))


def unusable(setting: Setting, value: Any) -> str:
    """Why a *value* of the right type won't do: no header or TOML file can carry it, or no URL matches it; or empty."""
    ascii_only = setting.section not in (*LOCAL_SECTIONS, "run") and not setting.secret
    for item in value if isinstance(value, tuple) else (value,):
        if problem := _unwritable(item, ascii_only=ascii_only):
            return problem
    return next(filter(None, map(_unmatched, value)), "") if setting.item == PATTERN else ""


def _unwritable(value: str | float | bool, *, ascii_only: bool) -> str:  # noqa: FBT001 - a value of any setting's type
    if isinstance(value, str):
        usable = value.isprintable() and (value.isascii() or not ascii_only)
        return "" if usable else f"expected printable {'ASCII ' if ascii_only else ''}characters"
    # which nan is not, either
    return "" if abs(value) < 2**63 else "expected a finite number below 2 to the power of 63"


def _unmatched(pattern: str) -> str:
    if pattern.startswith(("*", "http:", "https:")):
        return ""
    guess = f"*{pattern}*"
    return f"{quoted(pattern)} can't match a whole URL; perhaps {quoted(guess)} is meant"


def suggested(word: str, known: list[str]) -> str:
    """What may be meant by *word*, which is none of the *known* ones."""
    from crawler.text import foreign_options  # tables that only mistakes need
    from crawler.text.suggestions import did_you_mean, guesses

    if (advice := foreign_options.advice(word)) is not None and known == list(SETTINGS):
        return _FLAG.sub(lambda flag: _FLAGS.get(flag[0], flag[0]), advice)
    if question := did_you_mean([quoted(guess) for guess in guesses(word, known)]):
        return question
    return f"known are: {', '.join(known)}"


_FLAG = re.compile("--[a-z][a-z0-9-]+")

_FLAGS = {flag: setting.key for setting in SETTINGS.values() for flag in (setting.flag, *setting.also)}
