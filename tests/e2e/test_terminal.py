"""Every command on a terminal, while all that others say is hostile: it gets nothing but our own sequences."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from crawler.cli import COMMANDS
from crawler.config import Config, FetchConfig, QueueConfig, ScopeConfig
from crawler.crawlfile.layout import CrawlFolder
from crawler.crawlfile.schema import COLUMNS
from crawler.models import Counts, HostStatus, Stats, Status, TaskKind, WorkerStatus
from crawler.queues import Plan
from tests.support.crawls import SEED, garden
from tests.support.queues import AUTHKEY, embedded, served

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals"),
]

HOSTILE = (
    "\x1b[35m[red]X[/red][link=http://e.example]Y[/link]\x1b]0;title\x07\x1b]8;;http://e.example\x1b\\Z\x1b]8;;\x1b\\"
    "\x9b31m\x90q\x9c\x7f\x08\x0b\x0c\x1bc\x1b[2J\rFORGED\u202e\u2066\u200f\u061c\u2028\u2029"
)
OURS = re.compile(
    rb"\x1b\[(?:0|(?:[12];)*(?:[1-4]|3[1-46]))m"  # colours, but for that of the text above
    rb"|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A"  # what a live picture does with the cursor
    rb"|\x1b\[\?1049[hl]|\x1b\[H"  # a screen of its own, for status --watch
    rb"|\x1b\]8;(?:id=\d+;file://[\w./%~+-]+|;)\x1b\\"  # a link to a folder of this machine, and its end
    rb"|\r(?=\n|\x1b\[(?:2K|1A))|\n|\t"
)
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]")
KEPT = {"status", "revisit", "dhash", "alternatives", "left_out", "final_url"}
"""Columns that a hostile value would make unreadable; the first is tried by itself."""


@dataclass(frozen=True)
class Shown:
    code: int
    raw: bytes

    @property
    def text(self) -> str:
        return self.raw.decode("utf-8", "surrogateescape")

    def check(self, what: object) -> None:
        rest = OURS.sub(b"", self.raw).decode("utf-8", "surrogateescape")
        found = UNSAFE.search(rest)
        assert found is None, f"{what}: {rest[max(0, found.start() - 80) : found.end() + 40]!r}"
        assert "Traceback" not in rest, f"{what}: {self.text}"


def on_a_terminal(
    *arguments: str | bytes | Path,
    folder: Path,
    columns: int = 80,
    program: Sequence[str] = ("-m", "crawler"),
) -> Shown:
    """What a command writes to the terminal that it runs on."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {
        name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}
    }
    environment |= {"TERM": "xterm-256color", "COLUMNS": str(columns)}
    process = subprocess.Popen(
        [sys.executable, *program, *map(os.fsencode, arguments)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    os.close(slave)
    parts = []
    try:
        while part := os.read(master, 65536):
            parts.append(part)
    except OSError:  # the other end has been closed
        pass
    os.close(master)
    return Shown(process.wait(60), b"".join(parts))


@pytest.fixture(name="hostile", scope="module")
def a_hostile_crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crawl in whose folder each text that is not one of a few words is hostile."""
    folder = garden(tmp_path_factory.mktemp("crawls") / f"garden{HOSTILE.replace('/', '|')}")
    with sqlite3.connect(folder / "crawl.db") as db:
        for table, kind in (("images", TaskKind.IMAGE), ("pages", TaskKind.PAGE)):
            texts = [
                row[1]
                for row in db.execute(f"PRAGMA table_info({table})")
                if row[2] == "TEXT" and row[1] in COLUMNS[kind] and row[1] not in KEPT
            ]
            assert {"reason", "detail", "worker", "url", "content_type"} <= set(texts)
            assert kind is TaskKind.PAGE or {"alt", "title", "caption", "page_title", "path"} <= set(texts)
            db.execute(
                f"UPDATE {table} SET " + ", ".join(f"{name} = {name} || ?" for name in texts),
                [HOSTILE] * len(texts),
            )
        db.execute("UPDATE tasks SET url = url || ?", (HOSTILE,))
        db.execute("UPDATE hosts SET name = name || ?", (HOSTILE,))
        db.execute("INSERT INTO dropped VALUES (?, 3)", (f"max-depth{HOSTILE}",))
        db.execute("UPDATE meta SET value = ? WHERE key = 'seeds'", (json.dumps([SEED + HOSTILE]),))
    db.close()
    (folder / "images" / f"orphan{HOSTILE.replace('/', '|')}.png").write_bytes(b"orphan")
    return folder


PAGE = f"""<!DOCTYPE html><title>T{HOSTILE}</title><meta charset=utf-8>
<img src="a.png" alt="A{HOSTILE}" title="{HOSTILE}">
<a href="http://h{HOSTILE}/">x</a><a href="/b.html?{HOSTILE}">y</a>"""

ON_A_FOLDER = [
    ("status",), ("status", "--json"),
    ("inspect",), ("inspect", "--json"), ("gallery",),
    *(("inspect", f"--{flag}", *more) for flag in ("failures", "duplicates", "similar", "changes", "verify")
      for more in ((), ("--json",))),
    ("export",), ("export", "--records", "pages"),
    *(("export", "--format", "csv", "--records", records, *more) for records in ("images", "pages")
      for more in ((), ("--raw-cells",))),
    ("retry",), ("retry", "--pages"), ("retry", "--reason", HOSTILE),
    ("pause",), ("resume",), ("stop",), ("work",), ("harvest",), ("render",),
]  # fmt: skip
WITH_A_TEXT: list[tuple[str | bytes, ...]] = [
    *(("explain", ".", url + HOSTILE, *more) for url in ("http://garden.example/i/rose.png", "/nowhere", SEED)
      for more in ((), ("--json",))),
    ("explain", ".", b"not\xfftext"), ("explain", ".", b"not\xfftext", "--json"),
    ("crawl", f"http://a.example{HOSTILE}/"), ("crawl", HOSTILE), ("crawl", "http://127.0.0.1:9/", "--header", HOSTILE),
    ("crawl", "http://127.0.0.1:9/", "--images", HOSTILE), ("crawl", "http://127.0.0.1:9/", "--config", f"x{HOSTILE}"),
    ("serve", "http://127.0.0.1:9/", "--bind", HOSTILE), ("serve", "http://127.0.0.1:9/", "--queue", HOSTILE),
    ("work", HOSTILE), ("work", "192.0.2.7", "--keys", f"keys{HOSTILE}"), ("harvest", HOSTILE), ("render", HOSTILE),
    ("work", "127.0.0.1:9", "--trust", HOSTILE),
    ("collect", HOSTILE), ("collect", f"redis://127.0.0.1:9/0#{HOSTILE}"),
    *((command, HOSTILE) for command in ("status", "pause", "resume", "stop", "inspect", "retry", "export", "extract")),
    ("extract", b"not\xfftext"), ("extract", f"http://h{HOSTILE}.example/"),
    ("keygen", "keys", f"--days={HOSTILE}"), ("keygen", f"keys{HOSTILE}", "--authkey-only"), ("demo", HOSTILE),
    ("inspect", "--similar", f"--distance={HOSTILE}", "."),
    (f"--{HOSTILE}",), (HOSTILE,), ("crawl", f"--{HOSTILE}"), (f"http://h.example/{HOSTILE}",), (b"\xff",),
]  # fmt: skip


def name_of(arguments: Sequence[str | bytes]) -> str:
    return " ".join(re.sub(r"[^ -~]+", "_", str(word))[:24] for word in arguments)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("columns", [44, 200])
@pytest.mark.parametrize("arguments", ON_A_FOLDER, ids=name_of)
def test_of_a_hostile_crawl_nothing_drives_the_terminal(
    hostile: Path, arguments: tuple[str, ...], columns: int
) -> None:
    command, *more = arguments
    shown = on_a_terminal(command, hostile, *more, folder=hostile, columns=columns)
    shown.check(arguments)
    assert shown.raw, "it said something"
    if command in {"inspect", "export"} and arguments != ("inspect", "--changes"):
        assert shown.code == ("--verify" in arguments)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("arguments", WITH_A_TEXT, ids=name_of)
def test_of_what_is_given_nothing_drives_the_terminal(
    hostile: Path, arguments: tuple[str | bytes, ...]
) -> None:
    shown = on_a_terminal(*arguments, folder=hostile)
    shown.check(arguments)
    assert shown.raw


def test_every_command_is_tried() -> None:
    assert {str(arguments[0]) for arguments in (*ON_A_FOLDER, *WITH_A_TEXT)} >= set(COMMANDS)


def test_what_stands_there_is_there_as_text(hostile: Path) -> None:
    shown = on_a_terminal("inspect", hostile, "--failures", folder=hostile, columns=200)
    assert "[red]X[/red][link=http://e.example]Y[/link]" in shown.text, "and is no markup"
    rows = on_a_terminal("inspect", hostile, "--failures", "--json", folder=hostile, columns=200).text
    details = [json.loads(line)["detail"] for line in rows.splitlines() if line.startswith("{")]
    assert details
    assert all(detail.endswith(HOSTILE) for detail in details), "JSON tells it exactly"


def test_a_word_that_is_none_is_told_of(hostile: Path, tmp_path: Path) -> None:
    folder = garden(tmp_path / "garden")
    with sqlite3.connect(folder / "crawl.db") as db:
        db.execute("UPDATE images SET status = ? WHERE status = 'failed'", (f"failed{HOSTILE}",))
    db.close()
    for command in ("export", "status", "inspect"):
        on_a_terminal(command, folder, folder=tmp_path).check(command)


def test_pages_from_files(tmp_path: Path) -> None:
    file = tmp_path / f"page{HOSTILE.replace('/', '|')}.html"
    file.write_text(PAGE, encoding="utf-8")
    for more in ((), ("--links",), ("--links", "--json")):
        shown = on_a_terminal("extract", file, *more, folder=tmp_path)
        shown.check(more)
        assert "a.png" in shown.text


# --- a server ---


@contextmanager
def hostile_server() -> Iterator[str]:
    """What it says is hostile: its pages, headers, reasons."""
    import socketserver

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().split()[1].decode()
            while self.rfile.readline().strip():
                pass
            text = HOSTILE.replace("\r", "").encode()
            if path == "/":
                body = PAGE.encode()
                head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html"
            elif path == "/robots.txt":
                body, head = b"", b"HTTP/1.1 404 no"
            else:
                body, head = text, b"HTTP/1.1 404 " + text
            extra = b"\r\nX-Text: " + text + b"\r\nContent-Type: a/" + text
            length = b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
            self.wfile.write(head + (extra if path != "/" else b"") + length + body)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("verbosity", [(), ("-vv",)])
def test_a_crawl_of_a_hostile_server_with_its_live_picture(
    tmp_path: Path, verbosity: tuple[str, ...]
) -> None:
    folder = f"pics{HOSTILE.replace('/', '|')}"
    with hostile_server() as url:
        shown = on_a_terminal(
            "crawl", url, "-o", folder, "--scope", "any", "--tries", "1", "--max-depth", "1", *verbosity,
            folder=tmp_path,
        )  # fmt: skip
        shown.check(verbosity)
        assert b"\x1b[?25l" in shown.raw, "the picture was live"
        assert shown.code in {0, 1}
        on_a_terminal("extract", url, "--links", folder=tmp_path).check("extract")


# --- a manager ---


def stats(kind: type[Stats], **facts: object) -> Stats:
    worker = WorkerStatus(
        id=f"w{HOSTILE}",
        kind=TaskKind.IMAGE,
        machine=f"box{HOSTILE}",
        version=f"1{HOSTILE}"[:64],
        busy=(f"http://a.example/{HOSTILE}",),
        threads=4,
        running=2,
    )
    known: dict[str, object] = {
        "pages": Counts(ready=1, done=1),
        "images": Counts(ready=1, done=3),
        "image_status": {"saved": 2, HOSTILE: 1},
        "page_reasons": {HOSTILE: 1},
        "image_reasons": {f"not-found{HOSTILE}": 1},
        "dropped": {HOSTILE: 1},
        "workers": (worker,),
        "worker_count": 1,
        **facts,
    }
    if kind is Status:
        known["hosts"] = (
            HostStatus(name=f"http://{HOSTILE}", images=1, trouble="down", last_reason=HOSTILE[:100]),
            HostStatus(name="http://b", images=1, trouble=HOSTILE[:100], last_reason=HOSTILE[:100]),
        )
    return kind(**known)  # type: ignore[arg-type]


@contextmanager
def hostile_manager(folder: Path, plan: Plan, **facts: object) -> Iterator[None]:
    """Whoever has the key may run one that says what it likes."""
    files = CrawlFolder(folder)
    folder.mkdir()
    with embedded(files.ledger, queue=QueueConfig(), scope=ScopeConfig()) as (ledger, queues):
        tasks = queues.tasks
        tasks.plan = lambda: plan  # type: ignore[method-assign]
        tasks.stats = lambda: stats(Stats, **facts)  # type: ignore[method-assign]
        tasks.status = lambda: stats(Status, **facts)  # type: ignore[method-assign, assignment, return-value]
        with served(tasks, queues.results, crawl=plan.id, tick=ledger.tick) as server:
            files.publish(server.listener.address, AUTHKEY)
            yield


PLAN = Plan(id="1", seeds=(f"http://127.0.0.1:9/{HOSTILE}",), networks=(f"10.0.0.0/8@{HOSTILE}", HOSTILE))
GREEDY = Config(fetch=FetchConfig(netrc=True, allow_addresses=(HOSTILE.replace(" ", "").replace("@", ""),)))


@pytest.mark.parametrize("columns", [44, 80, 200])
def test_a_hostile_manager_is_looked_at(tmp_path: Path, columns: int) -> None:
    folder = tmp_path / "crawl"
    with hostile_manager(folder, PLAN, drained=True):
        for more in ((), ("--json",), ("--watch",), ("--watch", "--json")):
            shown = on_a_terminal("status", folder, *more, folder=tmp_path, columns=columns)
            shown.check(more)
            assert shown.code == 0, shown.text
        if columns == 200:
            wide = on_a_terminal("status", folder, folder=tmp_path, columns=columns)
            assert "box [35m[red]X[/red]" in wide.text, "it is there, as text"


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("plan", "facts", "more"),
    [
        (PLAN, {"halted": f"full{HOSTILE}"}, ()),
        (PLAN, {}, ("--trust", "none")),
        (Plan(id="1", seeds=PLAN.seeds, config=GREEDY), {}, ("--trust", "none")),
        (Plan(id="1", seeds=(HOSTILE,)), {}, ()),
        (Plan(id=HOSTILE, seeds=PLAN.seeds), {"halted": HOSTILE}, ("-vv",)),
    ],
    ids=["halted", "networks", "greedy", "seeds", "id"],
)
@pytest.mark.parametrize("command", ["work", "harvest", "render"])
def test_a_hostile_manager_is_worked_for(
    tmp_path: Path, command: str, plan: Plan, facts: dict[str, object], more: tuple[str, ...]
) -> None:
    folder = tmp_path / "crawl"
    with hostile_manager(folder, plan, **facts):
        shown = on_a_terminal(command, folder, *more, folder=tmp_path)
    shown.check(plan)
    assert shown.code in {1, 2}, shown.text
    assert "error:" in shown.text


# --- whoever else writes ---


def odd(tmp_path: Path, code: str) -> Shown:
    """A command that does what none of ours does, with HOSTILE as ``text``."""
    script = tmp_path / "odd.py"
    script.write_text(
        f"import sys, os, warnings, threading, logging, click\ntext = {HOSTILE!r}\n"
        "from crawler import cli\n"
        "@click.command()\ndef odd():\n"
        + "".join(f"    {line}\n" for line in code.splitlines())
        + "cli.Commands.resolve_command = lambda self, ctx, args: ('odd', odd, args[1:])\n"
        "sys.argv = ['image-crawler', 'odd']\nif __name__ == '__main__':\n    sys.exit(cli.main())\n",
        encoding="utf-8",
    )
    return on_a_terminal(folder=tmp_path, program=(str(script),))


@pytest.mark.parametrize(
    "code",
    [
        "print(text)",
        "print(text, file=sys.stderr)",
        "sys.stdout.write(text)",
        "sys.stdout.buffer.write(text.encode())",
        "sys.stderr.buffer.write(text.encode()[:7]); sys.stderr.buffer.write(text.encode()[7:])",
        "sys.stdout.writelines([text, text])",
        "click.echo(text); click.echo(text.encode()); click.echo(text, err=True)",
        "click.secho(text, fg='green')",
        "warnings.warn(text)",
        "logging.getLogger('x').warning(text)",
        "raise click.UsageError(text)",
        "raise click.ClickException(text)",
        "raise SystemExit(text)",
        "from rich.console import Console\nConsole().print(text); Console(stderr=True).print(text)",
        """from crawler.cli import tables
from rich.text import Text
out = tables.console()
out.print(text); out.print(Text(text, 'link http://e.example')); out.print(text, style='red'); out.out(text)""",
        """from crawler.cli import tables, output
from rich.text import Text
with output.live(tables.console()) as live:
    live.update(Text(text), refresh=True)
    logging.getLogger('x').warning(text); print(text, file=sys.stderr); print(text); warnings.warn(text)
    sys.stderr.write('begun ' + text)""",
    ],
)
def test_whoever_writes_is_cleaned(tmp_path: Path, code: str) -> None:
    shown = odd(tmp_path, code)
    shown.check(code)
    assert b"FORGED" in shown.raw


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError(text)",
        "t = threading.Thread(target=lambda: open(text)); t.start(); t.join(); print('FORGED')",
        "import atexit\natexit.register(lambda: print(text))",
    ],
)
def test_so_is_what_comes_after_the_end(tmp_path: Path, code: str) -> None:
    shown = odd(tmp_path, code)
    rest = OURS.sub(b"", shown.raw).decode("utf-8", "surrogateescape")
    assert UNSAFE.search(rest) is None
    assert "FORGED" in rest
