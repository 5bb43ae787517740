"""How the log is written: as text or JSON, to stderr or a file, and from child processes to their parent."""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from crawler.config import LogConfig
from crawler.errors import UsageError
from crawler.logs.events import (
    DEBUG,
    ERROR,
    EVENTS,
    INFO,
    LOG_LINES_LOST,
    NOTICE,
    STDERR,
    WARNING,
    Message,
    hushed,
    tell,
)
from crawler.text import display
from crawler.text.plain_errors import plain

LEVELS = (WARNING, INFO, DEBUG)
"""The levels of no ``-v``, of ``-v``, and of ``-vv``."""
OTHER = "log"
"""The event of lines that are not ours but of libraries."""
_ROOT = logging.getLogger("crawler")
_SYSLOG = {DEBUG: 7, INFO: 6, NOTICE: 5, WARNING: 4, ERROR: 3, logging.CRITICAL: 2}
"""Severities (RFC 5424, section 6.2.1), as a line for the journal begins (sd-daemon(3))."""
_WAITING_MOST = 20_000
_LAST_WORDS_S = 2.0


# --- a record as a line ---


class TextFormatter(logging.Formatter):
    """``TIME LEVEL event: sentence``, in UTC; with *clock* in local time; with *journal* as systemd's journal wants it,
    which records time and level itself. Further lines are indented: foreign text can't pass for a line of its own.
    """

    def __init__(self, *, clock: bool = False, journal: bool = False) -> None:
        super().__init__()
        self._clock, self._journal = clock, journal

    def format(self, record: logging.LogRecord) -> str:
        text = "\n    ".join(_text_of(record).splitlines())
        name = getattr(record, "event", record.name)
        if self._journal:
            severity = f"<{_SYSLOG.get(record.levelno, 6)}>"
            return f"{severity}{name}: {text}".replace("\n", f"\n{severity}")
        when = self.formatTime(record, "%H:%M:%S") if self._clock else moment(record)
        return f"{when} {record.levelname} {name}: {text}"


class JsonFormatter(logging.Formatter):
    """One object a line: ``time``, ``level``, ``event``, its facts, ``message``, ``logger`` and ``process``."""

    def format(self, record: logging.LogRecord) -> str:
        facts: Mapping[str, Any] = getattr(record, "facts", {})
        line = {
            "time": moment(record),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", OTHER),
            **facts,
            "message": display.clean(hushed(_sentence(record))),
            "logger": record.name,
            "process": getattr(record, "child", "main"),
        }
        if trace := _trace(record):
            line["traceback"] = trace
        return display.escaped(msgspec.json.encode(line)).decode()


def moment(record: logging.LogRecord) -> str:
    """``2026-11-30T01:22:03.123Z`` (ISO 8601, RFC 3339)."""
    when = datetime.fromtimestamp(record.created, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def _sentence(record: logging.LogRecord) -> str:
    """The message, without a traceback that is a fact: that has a key of its own."""
    if isinstance(record.msg, Message):
        return record.msg.event.text.format_map(record.msg.facts)
    return record.getMessage()


def _text_of(record: logging.LogRecord) -> str:
    """The message with its traceback; a line of a child's stderr begins with the child's name."""
    text = display.clean(hushed(record.getMessage()))
    if getattr(record, "event", "") == STDERR.word and (child := getattr(record, "child", "")):
        text = f"{child}: {text}"
    trace = _trace(record)
    return f"{text}\n{trace}" if trace else text


def _trace(record: logging.LogRecord) -> str:
    """The traceback of the record; empty for none."""
    if record.exc_info and not record.exc_text:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    return display.clean(hushed(record.exc_text)) if record.exc_text else ""


# --- where lines go ---


class StderrHandler(logging.Handler):
    """Writes to the current ``sys.stderr``, which a live display replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)  # noqa: T201 - stderr is for talk


_File: type[logging.FileHandler] = (
    logging.FileHandler if sys.platform == "win32" else logging.handlers.WatchedFileHandler
)


class LogFile(_File):  # type: ignore[misc,valid-type] # which of the two depends on the system
    """Appends lines to a file, opened again after it was moved away (logrotate(8)). A full disk is reported once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, mode="a", encoding="utf-8", errors="backslashreplace")
        self.path = path
        self._complained = False

    def emit(self, record: logging.LogRecord) -> None:
        """The base class raises if the file has to be opened again and can't be; that is handled as any error."""
        try:
            super().emit(record)
        except (OSError, ValueError):
            self.handleError(record)

    def close(self) -> None:
        """Lines for which the disk has no room are lost."""
        with suppress(OSError, ValueError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's own
        if not self._complained:
            self._complained = True
            exc = sys.exc_info()[1]
            why = plain(exc) if exc is not None else "the cause is not known"
            print(f"can't write the log file {self.path}: {why}", file=sys.stderr)  # noqa: T201


def configure(verbosity: int, log: LogConfig | None = None, *, least: int = WARNING) -> None:
    """Log warnings to stderr; with *verbosity* 1 finished tasks, with 2 every detail; the level *least* in any case.

    A file gets each finished task at least. Raises UsageError if it can't be written to.
    """
    level = min(least, LEVELS[min(verbosity, len(LEVELS) - 1)])
    log = log or LogConfig()
    file = _opened(log) if log.log_file else None
    handler = StderrHandler()
    handler.setLevel(level)
    handler.setFormatter(_for_stderr(log))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if file is not None:
        file.setLevel(min(level, INFO))
        logging.getLogger().addHandler(file)
        logging.getLogger().setLevel(min(level, INFO))
    # other libraries' own details only where every detail is asked for
    logging.getLogger("urllib3").setLevel(level if verbosity > 1 else ERROR)


def speaks_json(log: LogConfig) -> bool:
    """Whether these settings send JSON to stderr."""
    return log.log_format == "json" and not log.log_file


def is_json() -> bool:
    """Whether JSON is sent to stderr now."""
    handlers = (each for each in logging.getLogger().handlers if isinstance(each, StderrHandler))
    return any(isinstance(each.formatter, JsonFormatter) for each in handlers)


def _for_stderr(log: LogConfig) -> logging.Formatter:
    if speaks_json(log):
        return JsonFormatter()
    if in_journal():
        return TextFormatter(journal=True)
    return TextFormatter(clock=sys.stderr is not None and sys.stderr.isatty())


def in_journal() -> bool:
    """Whether stderr is systemd's journal (systemd.exec(5), JOURNAL_STREAM)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        here = os.fstat(2)
    except OSError:
        return False
    return (device, inode) == (str(here.st_dev), str(here.st_ino))


def _opened(log: LogConfig) -> LogFile:
    path = Path(log.log_file)
    if log.log_file == "-":
        raise UsageError("log_file = '-' won't do: the log is on stderr as it is; name a file")
    try:
        file = LogFile(path)
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise UsageError(f"can't write the log file {path}: {why}; name another one with --log-file") from exc
    file.setFormatter(JsonFormatter() if log.log_format == "json" else TextFormatter())
    return file


@contextmanager
def written(log: LogConfig) -> Iterator[None]:
    """Within the block our lines go to the log file of *log*, for programs that use this one as a library. What their
    own handlers get does not change.

    Does nothing without a file, or if the file is open already. Raises UsageError if it can't be written to.
    """
    handlers = (*logging.getLogger().handlers, *_ROOT.handlers)
    path = Path(log.log_file)
    if not log.log_file or any(isinstance(each, LogFile) and each.path == path for each in handlers):
        yield
        return
    file, level, passes = _opened(log), _ROOT.level, _ROOT.propagate
    onward = _Onward(_ROOT.getEffectiveLevel())
    file.setLevel(INFO)
    _ROOT.addHandler(file)
    if passes:
        _ROOT.addHandler(onward)
    _ROOT.propagate = False
    _ROOT.setLevel(min(INFO, _ROOT.getEffectiveLevel()))
    try:
        yield
    finally:
        _ROOT.setLevel(level)
        _ROOT.propagate = passes
        _ROOT.removeHandler(onward)
        _ROOT.removeHandler(file)
        file.close()


class _Onward(logging.Handler):
    """Passes to the program's handlers what they would get without ``written``."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger().callHandlers(record)


# --- from a child process to its parent ---


class LogLine(msgspec.Struct, frozen=True):
    """A log record on its way to the parent process."""

    name: str
    level: int
    created: float
    event: str = ""
    facts: dict[str, str | int | float | None] = {}
    text: str = ""
    """The message of a line that is no event of ours."""
    trace: str = ""


class Sender(logging.Handler):
    """Passes each record to *send* in a thread of its own: a caller that holds a lock must not wait for the reader of
    the log, who may need that lock. When _WAITING_MOST records wait, further ones are dropped, and counted.
    """

    def __init__(self, send: Callable[[LogLine], None]) -> None:
        super().__init__()
        self._send = send
        self._waiting: queue.Queue[LogLine] = queue.Queue(_WAITING_MOST)
        self._lost = 0
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._thread is None:  # within the handler's lock; most children say nothing
            self._thread = threading.Thread(target=self._carry, name="log", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(_line(record))
        except queue.Full:
            self._lost += 1

    def _carry(self) -> None:
        while True:
            try:
                self._send(self._waiting.get())
            except Exception:  # noqa: BLE001 - a line that can't be sent must not be the last one
                self._lost += 1
            finally:
                self._waiting.task_done()
            if self._lost and self._waiting.empty():
                lost, self._lost = self._lost, 0
                tell(logging.getLogger(__name__), LOG_LINES_LOST, lines=lost)

    def flush(self) -> None:
        """Wait until all records are sent, for _LAST_WORDS_S at most."""
        with self._waiting.all_tasks_done:
            self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, _LAST_WORDS_S)


def _line(record: logging.LogRecord) -> LogLine:
    is_event = isinstance(record.msg, Message)
    return LogLine(
        name=record.name,
        level=record.levelno,
        created=record.created,
        event=getattr(record, "event", ""),
        facts=getattr(record, "facts", {}),
        text="" if is_event else display.clean(record.getMessage()),
        trace=_trace(record),
    )


def heard(line: LogLine, *, child: str) -> None:
    """Log here what the process *child* has logged."""
    log = logging.getLogger(line.name)
    if not log.isEnabledFor(line.level):
        return
    event = EVENTS.get(line.event)
    message = f"{child}: {line.text}" if event is None else Message(event, line.facts)
    record = logging.LogRecord(line.name, line.level, "", 0, message, (), None)
    record.created, record.exc_text, record.child = line.created, line.trace or None, child
    record.msecs = (line.created % 1) * 1000
    if event is not None:
        record.event, record.facts = line.event, line.facts
    log.handle(record)
