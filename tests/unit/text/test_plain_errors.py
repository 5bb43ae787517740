"""No exception of Python or of a library is told to people as it is, nor a repr(): the whole source is looked at."""

from __future__ import annotations

import ast
import errno
import http.client
import json
import socket
import sqlite3
import ssl
import struct
import tomllib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.parsers import expat

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crawler
from crawler.errors import NotFound
from crawler.text import display
from crawler.text.plain_errors import is_plain, listed, plain, quoted, typed

PACKAGE = Path(crawler.__file__).parent
QUIET = frozenset({"debug", "exception"})
"""Of a logger: what is for who looks for a fault of this program."""

REVIEWED = {
    # numbers on their way to Redis and back, digit by digit
    ("queues/redis/settling.py", "repr(record.elapsed_s)"),
    ("queues/redis/settling.py", "repr(duration_s)"),
    ("queues/redis/queue.py", "repr(ago_s)"),
    ("queues/redis/adding.py", "repr(file.kept_s)"),
    ("queues/redis/scripts.py", "repr(value)"),
    ("queues/redis/scripts.py", "{value!r}"),
    ("queues/redis/adding.py", "repr(file.delay_s)"),
    # looked at, and not told
    ("download/decoding.py", "repr(exc)"),
    ("download/containers.py", "str(exc)"),
    ("crawlfile/sqlite_errors.py", "str(exc)"),
    ("queues/redis/connection.py", "str(exc)"),
    ("queues/redis/connection.py", "str(error)"),
    # made plain by what is done with it: the seams of msgspec, obstore and redis
    ("config/loading.py", "str(exc)"),
    ("config/checks.py", "repr(total_s)"),
    ("storage/bucket.py", "str(exc)"),
    ("queues/redis/connection.py", "str(error)"),
    # of one exception another one, for who reads bytes
    ("crawlfile/columns.py", "str(exc)"),
    ("render/devtools_messages.py", "str(exc)"),
    # on the wire, made plain at its other end; and what kind of error of ours it is
    ("queues/rpc/wire.py", "str(error)"),
    ("queues/rpc/wire.py", "type(error).__name__"),
    ("run/children.py", "type(exc).__name__"),
    # a ValueError of our own, about what another machine has sent
    ("storage/uploads.py", "{exc}"),
    # who writes programs with it has a traceback, and wants repr() where he asks for it
    ("models/readable.py", "repr(text)"),
    ("models/readable.py", "type(self).__name__"),
    ("api/crawl.py", "type(seed).__name__"),
    ("models/shared.py", "{self.domain!r}"),
    ("models/shared.py", "{self.path!r}"),
    ("models/shared.py", "{self.name!r}"),
    # by which a file is known again
    ("lists/reading.py", "repr((there.st_size, there.st_mtime_ns, found.columns, *decides))"),
    ("__init__.py", "{__name__!r}"),
    ("__init__.py", "{name!r}"),
}
"""Places that the rules below would refuse, each looked at: the module, and the expression."""


# --- the rules ---


class Strays(ast.NodeVisitor):
    """Where a foreign exception, or the repr() of anything, becomes text."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[str] = []
        self._ours = {"errors"}
        self._names: list[str] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("crawler"):
                self._ours |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.ClassDef):
                self._ours.add(node.name)
        self.visit(tree)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._within(node, [node.name] if node.name and not self._is_ours(node.type) else [])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        arguments = [*node.args.args, *node.args.kwonlyargs]
        foreign = [
            argument.arg
            for argument in arguments
            if argument.annotation is not None and self._is_foreign(ast.unparse(argument.annotation))
        ]
        self._within(node, foreign)

    def _within(self, node: ast.AST, names: list[str]) -> None:
        self._names += names
        self.generic_visit(node)
        del self._names[len(self._names) - len(names) :]

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        if node.conversion in {ord("r"), ord("a")}:
            self.found.append(f"{{{ast.unparse(node.value)}!r}}")
        elif self._is_exception(node.value):
            self.found.append(f"{{{ast.unparse(node.value)}}}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func)
        if called == "repr" or (
            called in {"str", "format"} and any(self._is_exception(argument) for argument in node.args)
        ):
            self.found.append(ast.unparse(node))
        if called.startswith(("log.", "logging.")) and called.rpartition(".")[2] not in QUIET:
            self.found += [f"log {ast.unparse(each)}" for each in node.args if self._is_exception(each)]
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if (
            node.attr == "__name__"
            and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func) == "type"
        ):
            self.found.append(ast.unparse(node))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and "%r" in node.value:
            self.found.append(node.value)

    def _is_exception(self, node: ast.AST) -> bool:
        if isinstance(node, ast.BoolOp):
            return any(self._is_exception(value) for value in node.values)
        if isinstance(node, ast.Attribute):
            told = node.attr in {"strerror", "args", "msg", "reason", "message", "stderr", "output"}
            return told and self._is_exception(node.value)
        return isinstance(node, ast.Name) and node.id in self._names

    def _is_ours(self, kinds: ast.expr | None) -> bool:
        if kinds is None:
            return False
        each = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
        return all(ast.unparse(kind).partition(".")[0] in self._ours for kind in each)

    def _is_foreign(self, annotation: str) -> bool:
        kinds = [kind.strip().rpartition(".")[2] for kind in annotation.split("|")]
        foreign = any(kind.endswith(("Error", "Exception")) for kind in kinds)
        return (
            foreign and not any(kind in self._ours for kind in kinds) and not annotation.startswith("errors.")
        )


def strays(source: str) -> list[str]:
    return Strays(ast.parse(source)).found


def all_strays() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name != "text/plain_errors.py":
            yield from ((name, stray) for stray in strays(path.read_text(encoding="utf-8")))


@pytest.mark.slow
def test_no_foreign_exception_and_no_repr_is_told() -> None:
    new = sorted(set(all_strays()) - REVIEWED)
    assert new == [], (
        "say plain(exc) or quoted(value) of crawler.text.plain_errors; or have it reviewed, and name it above"
    )


@pytest.mark.slow
def test_what_was_reviewed_is_there() -> None:
    assert REVIEWED - set(all_strays()) == set()


@pytest.mark.parametrize(
    "line",
    [
        "f'can not: {exc}'",
        "f'can not: {exc!s}'",
        "f'can not: {exc.strerror}'",
        "f'can not: {exc.reason or exc}'",
        "f'can not: {exc!r}'",
        "str(exc)",
        "repr(exc)",
        "log.warning('can not: %s', exc)",
        "f'{type(exc).__name__} came'",
        "f'{anything!r} is no number'",
        "'%r is no number' % anything",
        "repr(anything)",
    ],
)
def test_the_rules_find(line: str) -> None:
    assert strays(f"try:\n    pass\nexcept OSError as exc:\n    {line}")


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    pass\nexcept OSError as exc:\n    f'can not: {plain(exc)}'",
        "try:\n    pass\nexcept OSError as exc:\n    log.debug('can not: %s', exc)",
        "from crawler.errors import TaskError\ntry:\n    pass\nexcept TaskError as exc:\n    f'{exc}'",
        "try:\n    pass\nexcept errors.QueueError as exc:\n    f'{exc}'",
        "class Own(Exception):\n    pass\ntry:\n    pass\nexcept Own as exc:\n    f'{exc}'",
        "def told(error: CrawlError) -> str:\n    return f'{error}'\nclass CrawlError(Exception):\n    pass",
    ],
)
def test_the_rules_let_pass(text: str) -> None:
    assert strays(text) == []


def test_the_rules_look_into_functions_that_are_handed_one() -> None:
    assert strays("def told(error: ssl.SSLError) -> str:\n    return f'{error}'") == ["{error}"]


# --- what is said ---


def raised(function: Callable[..., Any], *arguments: Any) -> Exception:
    try:
        function(*arguments)
    except Exception as exc:  # noqa: BLE001 - any kind
        return exc
    raise AssertionError("nothing was raised")


class Point(msgspec.Struct):
    x: int
    y: list[str] = []


EXCEPTIONS = [
    *(OSError(number, "a name in C", "/some/file") for number in errno.errorcode),
    *(OSError(number, "odd") for number in (0, 99999)),
    OSError("no more than a text"),
    OSError(),
    ConnectionRefusedError(),
    ConnectionResetError(104, "Connection reset by peer"),
    BrokenPipeError(),
    TimeoutError("timed out"),
    TimeoutError(),
    EOFError(),
    socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
    ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:1006)"),
    ssl.SSLCertVerificationError(
        1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:1006)"
    ),
    http.client.RemoteDisconnected("Remote end closed connection without response"),
    http.client.IncompleteRead(b"abc", 7),
    http.client.BadStatusLine("\x15\x03\x01"),
    raised(json.loads, "{,}"),
    raised(tomllib.loads, "a = ["),
    raised(msgspec.convert, {"x": "1"}, Point),
    raised(msgspec.convert, {}, Point),
    raised(msgspec.convert, {"x": 1, "y": [3]}, Point),
    raised(msgspec.msgpack.decode, b"\xc1"),
    raised(msgspec.msgpack.decode, b"\x93\x01"),
    raised(struct.unpack, "<I", b"abc"),
    raised(zlib.decompress, b"no zlib"),
    raised(b"\xff".decode, "utf-8"),
    raised("a..b".encode, "idna"),
    raised(sqlite3.connect(":memory:").execute, "SELECT * FROM nothing"),
    sqlite3.DatabaseError("database disk image is malformed"),
    sqlite3.OperationalError("something new (0x7f3a)"),
    expat.ExpatError("not well-formed (invalid token): line 1, column 5"),
    MemoryError(),
    RecursionError("maximum recursion depth exceeded"),
    KeyError("x"),
    IndexError("list index out of range"),
    AttributeError("'NoneType' object has no attribute 'x'"),
    TypeError("unsupported operand type(s) for /: 'str' and 'str'"),
    ValueError("cannot identify image file <_io.BytesIO object at 0x7f0e4c0a1b20>"),
    RuntimeError(
        "HTTPSConnectionPool(host='a', port=443): Max retries exceeded with url: / (Caused by NameResolutionError"
    ),
    Exception(),
]


@pytest.mark.parametrize("exc", EXCEPTIONS, ids=lambda exc: f"{type(exc).__name__}-{str(exc)[:30]}")
def test_an_exception_is_told_plainly(exc: Exception) -> None:
    said = plain(exc)
    assert said
    assert is_plain(said), said
    assert said == display.one_line(said)
    assert not said.endswith("."), "more follows"
    assert "a name in C" not in said or exc.errno not in {errno.ENOENT, errno.EACCES, errno.ENOSPC}  # type: ignore[attr-defined]


def test_an_error_of_ours_is_its_own_text() -> None:
    assert plain(NotFound("the server answered 404 Not Found")) == "the server answered 404 Not Found"


@pytest.mark.parametrize(
    ("exc", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EADDRINUSE, "Address already in use"), "another program has that port"),
        (ConnectionResetError(104, "Connection reset by peer"), "the other side closed the connection"),
        (http.client.IncompleteRead(b"abc", 7), "3 bytes came, and 7 more were announced"),
        (raised(b"ab\xff".decode, "utf-8"), "it is no text in UTF-8, from byte 2 on"),
        (raised(msgspec.convert, {"x": "1"}, Point), "expected a whole number, not text, at x"),
        (raised(msgspec.convert, {}, Point), "x is missing"),
        (sqlite3.OperationalError("database is locked"), "another program is using it"),
    ],
)
def test_what_it_says(exc: Exception, said: str) -> None:
    assert plain(exc) == said


@given(st.text(st.characters()))
def test_any_text_is_told_or_not_on_one_plain_line(text: str) -> None:
    for exc in (
        RuntimeError(text),
        OSError(text),
        sqlite3.OperationalError(text),
        msgspec.ValidationError(text),
    ):
        said = plain(exc)
        assert said
        assert is_plain(said)
        assert display.is_clean(said)
        assert "\n" not in said


@given(st.text(st.characters()) | st.binary())
def test_what_is_quoted_is_one_clean_line_and_not_long(value: str | bytes) -> None:
    said = quoted(value, 20)
    assert said[0] == said[-1] == "'"
    assert len(said) <= 23
    assert display.is_clean(said)
    assert "\n" not in said


def test_values_are_told_as_they_are_written() -> None:
    assert listed(("a", "b")) == "'a', 'b'"
    assert listed(True) == "true"
    assert listed(3) == "3"
    assert listed(()) == listed(None) == "nothing"
    assert typed("Expected `str` of length >= 1") == "expected text of 1 or more characters"
    assert (
        typed("Expected `int | null`, got `str` - at `$.a.b`")
        == "expected a whole number or nothing, not text, at a.b"
    )


@pytest.mark.parametrize(
    "text",
    [
        "[Errno 2] No such file",
        "it starts with b'<!DOCTYPE html>'",
        "ConnectionResetError(104, 'Connection reset by peer')",
        "<urllib3.connection.HTTPConnection object at 0x7f>: Failed",
        "HTTPSConnectionPool(host='a', port=443)",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:1006)",
        "Expected `int`, got `str` - at `$.scope`",
        "KeyError: 'x'",
        "['jpeg', 'png'] won't do",
        "crawler.http.requests_transport failed",
        "Traceback (most recent call last)",
        "got None",
    ],
)
def test_the_words_of_programs_are_known(text: str) -> None:
    assert not is_plain(text)
