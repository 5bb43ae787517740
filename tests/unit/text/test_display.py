"""Text of others is clean before people see it: what is taken out of it, and that no module goes another way."""

from __future__ import annotations

import ast
import io
import json
import sys
import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

import crawler
from crawler.cli.output import Screen, live, write_json
from crawler.text import display

PACKAGE = Path(crawler.__file__).parent
ANY_TEXT = st.text(st.characters())  # halves of pairs, too
DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


# --- what is clean ---


def test_what_unicode_calls_a_control_or_a_direction_is_taken_out_and_nothing_that_is_read() -> None:
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        unsafe = (
            unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
            or unicodedata.bidirectional(char) in DIRECTIONS
            or char in "\u061c\u200e\u200f"
        ) and char not in "\n\t"
        if unsafe:
            assert display.clean(char) == " ", hex(number)
        elif not 0x206A <= number <= 0x206F:
            assert display.clean(char) == char, hex(number)


@given(ANY_TEXT)
def test_it_stays_as_long_and_is_clean_once_and_for_all(text: str) -> None:
    clean = display.clean(text)
    assert len(clean) == len(text)
    assert display.clean(clean) == clean
    assert display.is_clean(clean)
    assert display.is_clean(display.one_line(text))
    assert "\n" not in display.one_line(text)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_tells_the_same_and_is_clean(value: object) -> None:
    escaped = display.escaped(msgspec.json.encode(value))
    assert json.loads(escaped) == value
    assert display.is_clean(escaped.decode())


# --- streams ---


@given(st.lists(ANY_TEXT))
def test_a_stream_lets_nothing_else_through(parts: list[str]) -> None:
    below = io.StringIO(newline="")
    stream = display.CleanStream(below)
    for part in parts:
        assert stream.write(part) == len(part)
    assert below.getvalue() == display.clean("".join(parts))


@given(st.lists(st.binary(max_size=3)))
def test_nor_do_its_bytes_however_they_are_cut(parts: list[bytes]) -> None:
    below = io.StringIO(newline="")
    stream = display.CleanStream(below)
    for part in parts:
        assert stream.buffer.write(part) == len(part)
    assert display.is_clean(below.getvalue())


def test_stdout_is_data_where_it_is_no_terminal_and_stderr_never_is() -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), display.clean_streams():
        print("\x1b[2J")
        print("\x1b[2J", file=sys.stderr)
    assert out.getvalue() == "\x1b[2J\n"
    assert err.getvalue() == " [2J\n"
    tty = Tty()
    with redirect_stdout(tty), display.clean_streams(), display.clean_streams():
        assert sys.stdout.isatty()
        print("\x1b[2J")
    assert tty.getvalue() == " [2J\n"


def test_a_program_without_a_console_has_no_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with display.clean_streams():
        assert sys.stdout is sys.stderr is None


@given(st.lists(ANY_TEXT))
def test_lines_come_whole(parts: list[str]) -> None:
    seen: list[str] = []
    lines = display.CleanLines(seen.append)
    for part in parts:
        lines.write(part)
    lines.finish()
    assert all(display.is_clean(line) and "\n" not in line for line in seen)
    assert "\n".join(seen) == display.clean("".join(parts)).removesuffix("\n")


# --- consoles ---


def wide() -> tuple[Screen, Tty]:
    tty = Tty()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COLUMNS", "100")
        patched.setenv("TERM", "dumb-but-not-quite")
        patched.delenv("NO_COLOR", raising=False)
        return Screen(tty), tty


def a_table(text: str) -> Table:
    table = Table(title=text, caption=text)
    table.add_column(text)
    table.add_column(Text(text))
    table.add_row(text, Text(text, "bold link http://e.example"))
    return table


@pytest.mark.parametrize(
    "made",
    [
        lambda text: text,
        Text,
        a_table,
        lambda text: Group(Panel(text, title=text), Text.assemble((text, "red"))),
    ],
    ids=["str", "text", "table", "group"],
)
def test_whatever_is_printed_its_text_is_clean(made: object) -> None:
    hostile = "\x1b]8;;http://e\x07[red]\x9b31m\u202e\u2028\x7f\x0b[/red]"
    out, tty = wide()
    out.print(made(hostile))  # type: ignore[operator]
    raw = tty.getvalue()
    for colour in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[3m", "\x1b[31m", "\x1b[2;3m"):
        raw = raw.replace(colour, "")
    assert display.is_clean(raw), raw
    assert "[red]" in raw, "markup is text"
    assert "e.example" not in raw, "there are no links"


def test_columns_are_as_wide_as_what_is_seen_in_them() -> None:
    out, tty = wide()
    table = Table("a\x1bb", "c")
    table.add_row("d\x9be", "f")
    out.print(table)
    rows = [line.split() for line in Text.from_ansi(tty.getvalue()).plain.splitlines()]
    assert ["┃", "a", "b", "┃", "c", "┃"] in rows
    assert ["│", "d", "e", "│", "f", "│"] in rows


def test_what_is_said_while_a_picture_is_live_is_above_it_and_clean() -> None:
    out, tty = wide()
    with redirect_stderr(tty), live(out) as picture:
        picture.update("picture\x1b[2J", refresh=True)
        print("said \x1b]8;;http://e\x1b\\\x1b[35m", file=sys.stderr)
        sys.stderr.write("begun")
    raw = tty.getvalue()
    assert "said  ]8;;http://e \\ [35m" in raw
    assert "\x1b]" not in raw
    assert raw.rindex("begun") > raw.index("said")


def test_json_for_machines_is_clean_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"a": "\x1b\u202e\x9b\u2028"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"a": "\x1b\u202e\x9b\u2028"}
    assert display.is_clean(out)


# --- no other way ---

WAYS = {
    "print": {"logs/setup.py"},  # its handler
    "Console": set(),
    "Screen": {"cli/tables.py"},
    "Live": {"cli/output.py"},
    "below": {"cli/output.py", "tracing/spans.py"},  # there it is a context below a span
    "from_ansi": set(),
    "from_markup": set(),
    "print_exc": set(),
    "print_exception": set(),
    "secho": set(),
    "style": set(),
    "echo_via_pager": set(),
    "progressbar": set(),
    "__stdout__": set(),
    "__stderr__": set(),
}
"""Names of what writes to a terminal, or knows how to drive it, and the files that may use each."""


TO_PIPES = {"render/launch.py", "api/progress.py", "__main__.py"}
"""A process of its own, whose output its parent reads; a crawl's figures for who runs it in Python, on streams that are
not ours, without a word of others; and one word of our own, said while what writes to the terminal is not there yet.
"""


WITH_SEQUENCES = {"cli/terminal.py"}
"""It gives the terminal back from within a signal's handler, where rich must not be called."""


def used(tree: ast.AST) -> set[str]:
    """Names that are called, and attributes with two underscores."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                names.add(function.id)
            elif isinstance(function, ast.Attribute) and not _of_console(function):
                names.add(function.attr)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("__std"):
            names.add(node.attr)
        elif isinstance(node, ast.Attribute) and node.attr == "write" and "std" in ast.unparse(node.value):
            names.add(ast.unparse(node))
    return names


def _of_console(function: ast.Attribute) -> bool:
    """``console.print`` and the like."""
    return function.attr == "print" and ast.unparse(function.value).rpartition(".")[2] in {
        "out", "_out", "console", "_console",
    }  # fmt: skip


def test_no_module_goes_another_way_to_the_terminal() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        text = path.read_text(encoding="utf-8")
        names = used(ast.parse(text))
        forbidden = {way for way, files in WAYS.items() if name not in files}
        assert not names & forbidden, name
        if name not in TO_PIPES:
            assert not {way for way in names if way.startswith(("sys.stdout", "sys.stderr"))}, name
        assert "markup=True" not in text, name
        if name not in WITH_SEQUENCES:
            assert "\\x1b" not in text, f"{name}: no sequences of our own"


@pytest.mark.parametrize(
    "code",
    [
        "print(1)", "sys.stdout.write(1)", "sys.stderr.buffer.write(1)", "rich.console.Console()",
        "Console(stderr=True)",
        "sys.__stderr__.write(1)", "Text.from_ansi(a)", "traceback.print_exc()", "builtins.print(1)", "Live(a)",
    ],
)  # fmt: skip
def test_that_would_be_noticed(code: str) -> None:
    names = used(ast.parse(code))
    assert names & set(WAYS) or any(name.startswith("sys.std") for name in names)


# --- what an encoding lacks ---

ENCODINGS = ["ascii", "cp1252", "cp437", "cp850", "cp932", "koi8-r", "iso8859-1", "gb2312", "utf-8", "utf-16"]


class Console(io.TextIOWrapper):
    """A stream of some encoding, strict as Python opens it."""

    def __init__(self, encoding: str, *, tty: bool) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", newline="\n")
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty

    def said(self) -> bytes:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


@pytest.mark.parametrize("tty", [True, False], ids=["terminal", "file"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=ANY_TEXT)
def test_every_encoding_takes_every_text(encoding: str, tty: bool, text: str) -> None:  # noqa: FBT001
    out, err = Console(encoding, tty=tty), Console(encoding, tty=tty)
    with redirect_stdout(out), redirect_stderr(err), display.clean_streams():
        print(text, end="")
        print(text, end="", file=sys.stderr)
        Screen(sys.stdout).print(Panel(text))
    assert out.errors == err.errors == "strict", "as they were"
    if text.isascii() and text.isprintable():
        assert out.said().decode(encoding).startswith(text)


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1252"])
def test_our_own_signs_have_stand_ins_of_the_same_width(encoding: str) -> None:
    out = Console(encoding, tty=True)
    with redirect_stdout(out), display.clean_streams():
        print("".join(display.STAND_INS), end="")
    said = out.said().decode(encoding)
    assert "?" not in said
    assert "\\" not in said
    assert cell_len(said) == cell_len("".join(display.STAND_INS))


@pytest.mark.parametrize("text", ["日本語", "🌹 rose", "e\u0301té"])
def test_on_a_terminal_what_is_lacking_takes_as_many_columns(text: str) -> None:
    out = Console("ascii", tty=True)
    with redirect_stdout(out), display.clean_streams():
        print(text, end="")
    assert cell_len(out.said().decode("ascii")) == cell_len(text)


def test_in_a_file_nothing_is_lost() -> None:
    out = Console("cp1252", tty=False)
    with redirect_stdout(out), display.clean_streams():
        print("caf\u00e9 \u65e5 …", end="")
    assert out.said() == b"caf\xe9 \\u65e5 \x85"
    out = Console("ascii", tty=False)
    with redirect_stdout(out), display.clean_streams():
        print("s3://… \udcff", end="")
    assert out.said() == b"s3://... \xff", "bytes of a file's name are themselves"


def test_who_has_said_what_becomes_of_it_is_obeyed() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="xmlcharrefreplace")
    with redirect_stdout(out), display.clean_streams():
        print("é", end="")
        out.flush()
    assert out.buffer.getvalue() == b"&#233;"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("count", "words", "expected"),
    [
        (0, ("page",), "0 pages"),
        (1, ("page",), "1 page"),
        (2000, ("page",), "2,000 pages"),
        (1, ("page waits", "pages wait"), "1 page waits"),
        (2, ("page waits", "pages wait"), "2 pages wait"),
    ],
)
def test_plurals(count: int, words: tuple[str, ...], expected: str) -> None:
    assert display.counted(count, *words) == expected


def test_every_sign_of_the_command_line_has_a_stand_in() -> None:
    strays = set()
    for path in [path for name in ("cli", "config", "errors") for path in (PACKAGE / name).rglob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
                strays |= {char for char in node.value if not char.isascii()}
    assert strays
    assert strays <= set(display.STAND_INS)


def test_json_has_the_names_of_files_whatever_they_are(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    name = "日本".encode().decode("ascii", "surrogateescape")
    write_json({"folder": name, "of": [("\udcff.png", 3)], name: "\ud83d"})
    said = json.loads(capsysbinary.readouterr().out)
    assert said == {"folder": "日本", "of": [["\ufffd.png", 3]], "日本": "?"}
