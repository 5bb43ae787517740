"""The command line itself: help, errors, exit codes, logging and settings."""

from __future__ import annotations

import importlib
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import crawler.cli
from crawler import __version__
from crawler.cli import COMMANDS, EXIT_BROKEN_PIPE, CommandEntry, cli, main
from crawler.cli.crawl_run import _same_command
from crawler.cli.exit_signals import Terminated
from crawler.cli.options import Command
from crawler.cli.setting_options import config_options
from crawler.config import SETTINGS, Config
from crawler.errors import CrawlError, FolderError
from crawler.logs import setup
from crawler.process_end import EXIT_INTERRUPTED, EXIT_TERMINATED
from crawler.run.supervisor import Crawl
from tests.support.crawls import garden, keep, saved

THIS = __name__


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


@click.command(cls=Command)
@click.argument("how")
def fail(how: str) -> int | None:
    """Fail in some way."""
    log = logging.getLogger("crawler.test")
    log.debug("a detail")
    log.info("a step")
    log.warning("a warning")
    match how:
        case "usage":
            raise FolderError("x is a file; name a folder")
        case "crawl":
            raise CrawlError("nothing was saved")
        case "interrupt":
            raise KeyboardInterrupt
        case "terminate":
            raise Terminated
        case "bug":
            raise ZeroDivisionError
        case "one":
            return 1
    return None


@click.command(cls=Command, examples=(("to see", "image-crawler show --max-depth 3"),))
@click.option("--own", help="Of its own.")
@config_options
def show(*, own: str | None, config: Config) -> None:
    """Show three settings."""
    click.echo(f"{own} {config.scope.max_depth} {config.storage.fsync} {config.queue.delay_s}")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fail", "show"):
        monkeypatch.setitem(COMMANDS, name, CommandEntry(THIS, "For a test."))
    for name in list(os.environ):
        if name.startswith("IMAGE_CRAWLER_"):
            monkeypatch.delenv(name)


# --- the whole ---


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command_and_ends_with_examples(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([flag]) == 0
    out = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert f"  {name} " in out
        assert entry.help in " ".join(out.split())
    assert out.index("Commands:") < out.index("Examples:")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_loaded_and_has_help_with_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = COMMANDS[name].module
    assert isinstance(getattr(importlib.import_module(module), name), Command)
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: image-crawler {name} ")
    assert f"\n  image-crawler {name}" in out[out.index("Examples:") :]


SHORT = ("crawl", "serve", "work", "harvest", "render")


@pytest.mark.parametrize("name", SHORT)
def test_help_is_one_screen_and_help_all_is_everything(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([name, "--help"]) == 0
    short = capsys.readouterr().out
    assert len(short.splitlines()) <= 40
    assert main([name, "--help-all"]) == 0
    whole = capsys.readouterr().out
    command = cli.get_command(click.Context(cli), name)
    assert isinstance(command, Command)
    named = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", short, re.MULTILINE)
    assert len(named) >= 7
    for param in command.params:
        if isinstance(param, click.Option):
            assert re.search(rf"(?<![\w-]){param.opts[0]}(?![\w-])", whole), param.opts
    for purpose, line in command.examples:
        assert f"\n  {line}\n      {purpose}" in whole
    assert "IMAGE_CRAWLER_KEYS" in whole
    assert "IMAGE_CRAWLER" not in short


@pytest.mark.parametrize("name", SHORT)
@pytest.mark.parametrize("columns", [44, 60, 80, 200])
def test_help_keeps_to_the_terminal(
    name: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    prose = out[: out.index("Examples:")].partition("\n\n")[
        2
    ]  # usage and examples are to be copied: not broken
    assert max(map(len, prose.splitlines())) <= min(columns, 110)


def test_every_command_takes_help_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--help"]) == 0
    assert main(["inspect", "--help-all"]) == 0
    out = capsys.readouterr().out
    assert out[: len(out) // 2] == out[len(out) // 2 :]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"image-crawler, version {__version__}\n"


def test_without_a_command_there_is_help_and_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    streams = capsys.readouterr()
    assert "Commands:" in streams.err
    assert streams.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explode"], "No such command 'explode'"),
        (["--explode"], "No such option"),
        (["inspect"], "Missing argument 'DIR'"),
        (["inspect", ".", "--explode"], "No such option"),
        (["export", ".", "--format", "xls"], "is not one of"),
        (["https://example.org/"], "to crawl a site, say: image-crawler crawl https://example.org/"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    streams = capsys.readouterr()
    assert said in " ".join(streams.err.split())
    assert streams.out == ""


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("usage", 2, "image-crawler: error: x is a file; name a folder"),
        ("crawl", 1, "image-crawler: error: nothing was saved"),
        ("interrupt", EXIT_INTERRUPTED, "image-crawler: interrupted"),
        ("terminate", EXIT_TERMINATED, "image-crawler: terminated"),
        ("one", 1, ""),
        ("not at all", 0, ""),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    how: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fail", how]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line and "WARNING" not in line]
    assert lines == ([said] if said else [])


@pytest.mark.usefixtures("commands")
def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        main(["fail", "bug"])


def test_codes_are_those_of_the_documentation() -> None:
    assert (EXIT_INTERRUPTED, EXIT_BROKEN_PIPE, EXIT_TERMINATED) == (130, 141, 143)


@pytest.mark.skipif(os.name != "posix", reason="pipes")
@pytest.mark.parametrize("lines", [1, 200])
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path, lines: int) -> None:
    keep(
        tmp_path, *(saved(tmp_path, f"http://a.example/{n}.png", b"x", title="t" * 200) for n in range(lines))
    )
    read, write = os.pipe()
    os.close(read)
    run = subprocess.run(
        [sys.executable, "-m", "crawler", "export", str(tmp_path)],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert run.stderr == b""
    assert run.returncode == EXIT_BROKEN_PIPE


def test_the_module_is_the_program(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "crawler", "status", str(tmp_path / "none")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.startswith("image-crawler: error: there is no folder")


# --- logging ---


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize(
    ("arguments", "levels"),
    [
        (["fail", "x"], ["WARNING"]),
        (["-v", "fail", "x"], ["INFO", "WARNING"]),
        (["fail", "x", "-v"], ["INFO", "WARNING"]),
        (["-v", "fail", "x", "-v"], ["DEBUG", "INFO", "WARNING"]),
        (["fail", "-vvv", "x"], ["DEBUG", "INFO", "WARNING"]),
    ],
)
def test_verbose_may_stand_anywhere(
    arguments: list[str], levels: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    streams = capsys.readouterr()
    assert [line.split()[1] for line in streams.err.splitlines()] == levels
    assert streams.out == ""


def test_other_libraries_details_are_shown_only_when_every_detail_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for verbosity, shown in ((0, 0), (1, 0), (2, 1)):
        setup.configure(verbosity)
        logging.getLogger("urllib3.connectionpool").warning("retrying")
        assert capsys.readouterr().err.count("retrying") == shown


# --- settings ---


@pytest.mark.usefixtures("commands")
def test_every_setting_is_a_flag_below_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--help"]) == 0
    out = capsys.readouterr().out
    text = "".join(out.split())
    for setting in SETTINGS.values():
        flags = ", ".join((setting.flag, *setting.also))
        assert f"  {flags} " in out
        assert setting.environment in text
        assert "".join(setting.description.split()) in text
        assert out.index(f"[{setting.section}]") < out.index(f"  {flags} ")
    assert "--fsync / --no-fsync" in out
    assert out.index("--own") < out.index("--config") < out.index("--max-depth") < out.index("Examples:")


@pytest.mark.usefixtures("commands")
def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[scope]\nmax_depth = 1\n[storage]\nfsync = true\n[queue]\ndelay_s = 1.5\n")
    arguments = ["show", "--own", "me", "--config", str(file)]
    assert main(arguments) == 0
    monkeypatch.setenv("IMAGE_CRAWLER_MAX_DEPTH", "2")
    assert main(arguments) == 0
    assert main([*arguments, "--max-depth", "3", "--no-fsync", "--delay-s", "0.25"]) == 0
    assert capsys.readouterr().out.splitlines() == ["me 1 True 1.5", "me 2 True 1.5", "me 3 False 0.25"]


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-depth", "many"], "option --max-depth: max_depth = 'many' won't do"),
        (["--max-pages", "0"], "option --max-pages"),
        (["--parser", "regex"], "option --parser"),
        (["--config", "none.toml"], "can't read the configuration file none.toml"),
    ],
)
def test_a_wrong_setting_is_named(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("commands")
def test_a_wrong_variable_is_named_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGE_CRAWLER_MAX_DEPHT", "3")
    assert main(["show"]) == 2
    assert "did you mean 'max_depth'?" in capsys.readouterr().err


# --- passwords ---


def test_no_password_is_in_the_command_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["image-crawler", "crawl", "http://joe:s3cret@127.0.0.1/a?b=c:d@e", "--fresh", "--max-depth", "3"]
    flags = [
        flag for setting in SETTINGS.values() if setting.secret for flag in (setting.flag, *setting.also)
    ]
    assert {"--login", "--header", "--headers", "--proxy", "--queue"} <= set(flags)
    for flag in flags:
        typed += [flag, "me:s3cret", f"{flag}=me: s3cret=1"]
    monkeypatch.setattr(sys, "argv", [*typed, "--header", "--login", "-o", "me:s", "--user-agent", "a@b"])
    _, *again = _same_command(Path("c"))
    assert "s3cret" not in " ".join(again)
    assert again[:4] == ["crawl", "http://…@127.0.0.1/a?b=c:d@e", "--max-depth", "3"]
    assert again[4:] == [
        *(word for flag in flags for word in (flag, "…", f"{flag}=…")),
        *("--header", "…", "-o", "me:s", "--user-agent", "a@b"),
    ]


def test_of_a_queue_only_the_login_is_left_out_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "rediss://joe:s3c@ret@redis.example/0#flowers"
    typed = ["image-crawler", "collect", url, "--queue", url, f"--queue={url}", "--queue", "s3cret"]
    monkeypatch.setattr(sys, "argv", typed)
    shown = "rediss://…@redis.example/0#flowers"
    assert _same_command(Path("c"))[1:] == [
        "collect",
        shown,
        "--queue",
        shown,
        f"--queue={shown}",
        "--queue",
        "…",
    ]


@pytest.mark.parametrize(
    ("typed", "again"),
    [
        (["crawl", "-I", "-", "-v"], ["crawl", "-v", "-o", "c"]),
        (["crawl", "a.example", "-", "-o", "d"], ["crawl", "a.example", "-o", "d"]),
        (["crawl", "-i", "l", "--input", "-", "--output=d"], ["crawl", "-i", "l", "--output=d"]),
    ],
)
def test_what_came_by_a_pipe_is_not_asked_for_once_more(
    monkeypatch: pytest.MonkeyPatch, typed: list[str], again: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["image-crawler", *typed])
    assert _same_command(Path("c"))[1:] == again


@pytest.mark.parametrize("proxy", ["http://joe:s3cret@127.0.0.1:99999", "http://joe:s3cret@:80"])
def test_a_proxy_that_is_none_is_told_before_anything_begins(
    tmp_path: Path, proxy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "crawl"
    assert main(["crawl", "http://127.0.0.1:9/", "-o", str(folder), "--proxy", proxy]) == 2
    told = capsys.readouterr().err
    assert "proxy" in told
    assert "s3cret" not in told
    assert not folder.exists()


@pytest.mark.parametrize(
    ("seeds", "named"),
    [
        (["http://joe:s3cret@127.0.0.1/a", "http://127.0.0.1/b"], "http://127.0.0.1/a"),
        ([" HTTP:/\\s3cret@127.0.0.1/a"], "http://127.0.0.1/a"),
        (["http://127.0.0.1/a@b", "http://127.0.0.1?s3cret:b@c"], ""),
    ],
)
def test_a_user_name_in_a_seed_is_not_dropped_silently(
    tmp_path: Path, seeds: list[str], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    Crawl(seeds, folder=tmp_path / "crawl", config=Config())
    text = f"the user name in the seed {named} is not used; say --login USER:PASSWORD"
    assert caplog.messages == ([text] if named else [])


def test_the_table_of_commands_is_the_only_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each module of a command is in the table: nobody writes a command that can't be called."""
    folder = Path(crawler.cli.__file__).parent
    modules = {
        path.stem for path in folder.glob("*.py") if "@click.command(" in path.read_text(encoding="utf-8")
    }
    assert modules == {entry.module.rpartition(".")[2] for entry in COMMANDS.values()}
    assert main(["inspect", str(garden(tmp_path))]) == 0
    assert "books balance" in capsys.readouterr().out
