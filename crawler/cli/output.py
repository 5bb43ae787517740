"""What goes to stdout for machines, and what keeps foreign text from driving a person's terminal."""

from __future__ import annotations

import sys

import click
import msgspec


def write_json(value: object) -> None:
    """*value* as one line of JSON, with every field of the structs in it, also those at their defaults."""
    click.echo(msgspec.json.encode(_plain(value)))


def is_terminal() -> bool:
    """Whether a person reads stdout, rather than a file or a program."""
    return sys.stdout.isatty()


def clean(text: str) -> str:
    """*text* from a web page on one line, without control characters: an ESC must not move the cursor."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
