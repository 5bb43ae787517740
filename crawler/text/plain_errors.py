"""Errors of Python and of libraries in words for people, by what they mean.

``[Errno 111] Connection refused``, ``ConnectionResetError(104, …)`` and ``Expected `int`, got `str` - at `$.a` `` are
for programmers. No text of a foreign exception is shown as it is: whoever wraps one shows :func:`plain` of it, and
:func:`quoted` of foreign text (test_plain_errors.py holds the whole package to it).
"""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
import struct
import tomllib
from collections.abc import Callable
from typing import Any
from xml.parsers.expat import ExpatError

import msgspec

from crawler.text.display import one_line

MOST_QUOTED = 200
_CLOSED = "the other side closed the connection"
_REFUSED = "the connection is refused, nothing listens there"
_LATE = "no answer came in time"
_UNKNOWN = "the cause is not known"

_SYSTEM = {
    **dict.fromkeys(("EACCES", "EPERM"), "permission denied"),
    **dict.fromkeys(("ECONNRESET", "ECONNABORTED", "EPIPE", "ESHUTDOWN", "ENOTCONN"), _CLOSED),
    **dict.fromkeys(("ETIMEDOUT", "ETIME"), _LATE),
    **dict.fromkeys(("EHOSTUNREACH", "EHOSTDOWN"), "there is no way to that machine"),
    **dict.fromkeys(("ENETUNREACH", "ENETDOWN"), "there is no way to that network; is this machine online?"),
    **dict.fromkeys(("EMFILE", "ENFILE"), "too many files are open (ulimit -n)"),
    "ECONNREFUSED": _REFUSED,
    "EADDRINUSE": "another program has that port",
    "EADDRNOTAVAIL": "this machine has no such address",
    "EAFNOSUPPORT": "this machine has no addresses of that kind (IPv6?)",
    "ENOENT": "there is no such file or folder",
    "EISDIR": "it is a folder",
    "ENOTDIR": "a part of its path is a file, and no folder",
    "EEXIST": "it exists already",
    "ENOTEMPTY": "the folder is not empty",
    "ENOSPC": "the disk is full",
    "EDQUOT": "the disk quota is used up",
    "EROFS": "the file system is read-only",
    "ENAMETOOLONG": "the name is too long",
    "ELOOP": "its symbolic links lead in a circle",
    "EFBIG": "the file would be too large",
    "EIO": "the disk could not read or write it",
    "ENOMEM": "there is not enough memory",
    "EAGAIN": "the system is short of processes or memory at the moment",
    "ENOEXEC": "it is no program for this machine",
}
"""By the name of errno: not every system has all of them."""
_BY_ERRNO = {number: words for name, words in _SYSTEM.items() if (number := getattr(errno, name, None))}
NO_SUCH_NAME = frozenset(
    code for name in ("EAI_NONAME", "EAI_NODATA") if (code := getattr(socket, name, None)) is not None
)
"""Codes of socket.gaierror by which a name server says that there is no such name."""
_SQLITE = (
    ("locked", "another program is using it"),
    ("busy", "another program is using it"),
    ("not a database", "it is no SQLite database"),
    ("malformed", "its content is damaged"),
    ("disk is full", "the disk is full"),
    ("disk I/O", "the disk could not read or write it"),
    ("unable to open", "it can't be opened"),
    ("readonly", "it may not be written to"),
    ("no such table", "a table is missing in it"),
    ("no such column", "a column is missing in it"),
    ("too big", "a value in it is too large"),
)
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "bytes": "bytes",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
    "datetime": "a moment",
}
_XML = {
    "not well-formed (invalid token)": "a character that can't stand there",
    "mismatched tag": "another element is closed than is open",
    "no element found": "it ends early",
    "unclosed token": "it ends within a tag",
    "unclosed CDATA section": "it ends within a CDATA section",
    "undefined entity": "an entity that nobody has declared",
    "partial character": "it ends within a character",
}
_PLACE = re.compile(r" - at `(?:key in )?\$?\.?([^`]*)`$")
_EXPECTED = re.compile(r"^Expected `([^`]+)`(?: of length)?(.*)$")
_FIELD = re.compile(r"^Object (missing required|contains unknown) field `([^`]+)`")
_ENUM = re.compile(r"^Invalid enum value (.+)")
_TOO = re.compile(r"^ (>=|<=|>|<) (\S+)$")
_BOUNDS = {">=": "of {} or more", "<=": "of {} or less", ">": "above {}", "<": "below {}"}

_OF_PROGRAMS = re.compile(
    r"\[Errno|\[WinError|\[SSL|\(_ssl|<[a-z_]\w*[. ][^>]*>|\b0x[0-9a-f]{6,}\b|Traceback|ConnectionPool\(|object at "
    r"|[Mm]ax retries|\b[A-Z][A-Za-z]+(?:Error|Exception|Warning)\b|\bb'|\bb\"|\\x[0-9a-f]{2}|`\$|Expected `"
    r"|\bnet::|\bNone\b|\bTrue\b|\bFalse\b|\b\w+\(\)|__\w+__|\bcrawler\.[a-z]+\.|\.py\b|EAI_|SQLITE_|\{'|\['"
)
"""Signs of text that programs address to programmers."""


def exit_status(code: int) -> str:
    """Why a child process ended, by its exit code as ``subprocess`` has it: negative for a signal."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def plain(exc: BaseException) -> str:
    """The meaning of *exc* in a few words without a full stop: for use after a colon, or within brackets.

    An error of our own is its text. The text of an unknown error is not shown: the log has it, with its traceback.
    """
    for known in type(exc).__mro__:
        if (words := _BY_NAME.get(f"{known.__module__}.{known.__qualname__}")) is not None:
            return words(exc)
    for kind, words in _KINDS:
        if isinstance(exc, kind):
            return words(exc)
    said = one_line(str(exc)).rstrip(".")
    if type(exc).__module__ == "sqlite3":
        return next((words for sign, words in _SQLITE if sign in said), "it can't be used")
    if said.startswith("unknown encoding"):
        return "its encoding is none that is known"
    if isinstance(exc, LookupError) or not said or not is_plain(said):
        return _UNKNOWN
    return said[:MOST_QUOTED]


def quoted(value: object, most: int = MOST_QUOTED) -> str:
    """Foreign text in quotes and on one line, its first *most* characters."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    shown = "".join(char if char.isprintable() else " " for char in text)
    return f"'{shown[:most]}{'…' if len(shown) > most else ''}'"


def listed(values: object) -> str:
    """The value of a setting, much as a person has written it."""
    if isinstance(values, str):
        return quoted(values)
    if isinstance(values, bool):
        return str(values).lower()
    if isinstance(values, (tuple, list)):
        return ", ".join(quoted(value) for value in values) or "nothing"
    return "nothing" if values is None else one_line(str(values))[:MOST_QUOTED]


def is_plain(text: str) -> bool:
    """Whether *text* has no signs of programmers' language."""
    return _OF_PROGRAMS.search(text) is None


def _system(exc: OSError) -> str:
    if exc.errno in _BY_ERRNO:
        return _BY_ERRNO[exc.errno]
    if isinstance(exc, ConnectionRefusedError):
        return _REFUSED
    if isinstance(exc, ConnectionError):
        return _CLOSED
    told = one_line(exc.strerror or (str(exc) if exc.errno is None else ""))
    told = (told[:1].lower() + told[1:]).rstrip(".")
    return told[:MOST_QUOTED] if told and is_plain(told) else _UNKNOWN


def _name(exc: socket.gaierror) -> str:
    return "there is no such name" if exc.errno in NO_SUCH_NAME else "the name service does not answer"


def _tls(exc: ssl.SSLError) -> str:
    if isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return _CLOSED
    if isinstance(exc, ssl.SSLCertVerificationError):
        why = one_line(getattr(exc, "verify_message", "") or "no reason is given")
        return f"its certificate is not accepted: {why}"
    reason = one_line(getattr(exc, "reason", "") or "").replace("_", " ").lower()
    return f"the encryption failed: {reason}" if reason else "the encryption failed"


def _incomplete(exc: BaseException) -> str:
    partial: object = getattr(exc, "partial", b"")
    expected: object = getattr(exc, "expected", None)
    got = len(partial) if isinstance(partial, bytes) else partial
    if isinstance(got, int) and isinstance(expected, int) and expected:
        return f"{got:,} bytes came, and {expected:,} more were announced"
    return "it ends early"


def _not_text(exc: UnicodeError) -> str:
    encoding = getattr(exc, "encoding", "")
    if encoding in {"idna", "punycode"} or not encoding:
        return "it has characters that can't be there"
    return f"it is no text in {encoding.upper()}, from byte {getattr(exc, 'start', 0):,} on"


def _json(exc: json.JSONDecodeError) -> str:
    return f"it is no JSON, from line {exc.lineno} on"


def _toml(exc: BaseException) -> str:
    said = one_line(str(exc)).rstrip(".")
    return said[:1].lower() + said[1:] if is_plain(said) else "it can't be read"


def _xml(exc: ExpatError) -> str:
    what = _XML.get(str(exc).partition(":")[0], one_line(str(exc).partition(":")[0]))
    line = getattr(exc, "lineno", 0)
    return f"{what}, at line {line}, column {getattr(exc, 'offset', 0) + 1}" if line else what


def typed(said: str) -> str:
    """Msgspec's message about a value of a wrong type, in words for people."""
    place = _PLACE.search(said)
    where = f", at {place[1]}" if place and place[1] else ""
    said = _PLACE.sub("", said)
    if match := _EXPECTED.match(said):
        text = _expected(match[1], match[2], is_length=" of length" in said)
    elif match := _FIELD.match(said):
        text = f"{match[2]} is {'missing' if match[1].startswith('miss') else 'not known'}"
    elif match := _ENUM.match(said):
        text = f"{match[1]} is none of those that there are"
    elif "truncated" in said:
        text = "it ends early"
    elif "malformed" in said:
        text = "it is damaged"
    else:
        said = said.strip(" .")
        text = f"{said[:1].lower()}{said[1:]}" if said and is_plain(said) else "it is not what it should be"
    return text + where


def _expected(types: str, rest: str, *, is_length: bool) -> str:
    wanted = " or ".join(_TYPES.get(name.strip(), name.strip()) for name in types.split("|"))
    if rest.startswith(", got `"):
        got = rest[len(", got `") :].rstrip("`")
        return f"expected {wanted}, not {_TYPES.get(got, got)}"
    if bound := _TOO.match(rest):
        within = _BOUNDS[bound[1]].format(bound[2].removesuffix(".0"))
        return f"expected {wanted} {within}{' characters' if is_length else ''}"
    return f"expected {wanted}"


_KINDS: tuple[tuple[type[BaseException], Callable[[Any], str]], ...] = (
    (ssl.SSLError, _tls),
    (socket.gaierror, _name),
    (TimeoutError, lambda _: _LATE),
    (OSError, _system),
    (EOFError, lambda _: _CLOSED),
    (MemoryError, lambda _: "there is not enough memory"),
    (RecursionError, lambda _: "it is nested too deeply"),
    (json.JSONDecodeError, _json),
    (tomllib.TOMLDecodeError, _toml),
    (UnicodeError, _not_text),
    (msgspec.MsgspecError, lambda exc: typed(one_line(str(exc)))),
    (struct.error, lambda _: "its figures make no sense"),
    (ExpatError, _xml),
)
"""Error classes and their texts; the first that fits is used."""
_BY_NAME: dict[str, Callable[[BaseException], str]] = {
    "http.client.IncompleteRead": _incomplete,
    "http.client.RemoteDisconnected": lambda _: "the server closed the connection without an answer",
}
"""Classes by name, of a module that half of our processes do not import: it takes 20 ms."""
