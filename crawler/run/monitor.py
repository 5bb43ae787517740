"""What lets others watch a process that runs a crawl or its workers: the board, and the server that reads it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, Self

from crawler import __version__
from crawler.config import MonitoringConfig
from crawler.crawlfile.schema import SCHEMA_VERSION
from crawler.errors import UsageError
from crawler.extras import install
from crawler.logs.events import METRICS_OPEN, tell
from crawler.metrics.board import Board
from crawler.metrics.series import Told, series
from crawler.models import Stats, TaskKind
from crawler.queues.rpc.calls import PROTOCOL
from crawler.run.endpoints import parse_address
from crawler.urls import show_address

if TYPE_CHECKING:
    from crawler.metrics.figures import WorkerFigures
    from crawler.metrics.server import Answer, MetricsServer

log = logging.getLogger(__name__)

FRESH_S = 1.0
"""A text is given out so long: more scrapes a second cost no more."""
_PATHS = "/metrics, /healthz and /readyz are here"


class _Workers(Protocol):
    """A WorkerPool."""

    @property
    def deaths(self) -> int: ...
    def figures(self) -> Mapping[TaskKind, WorkerFigures]: ...
    def processes(self) -> Mapping[TaskKind, int]: ...


class Monitor:
    """A context manager that serves metrics and health at ``config.metrics``, if that names an address.

    *watches* says whether the process watches the queue itself. Raises UsageError for an address that can't be
    listened at, and when the extra ``metrics`` is not installed.
    """

    def __init__(
        self, config: MonitoringConfig, *, watches: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = config.metrics
        self._traces = bool(config.traces)
        self._clock = clock
        self._board = Board(watches=watches, clock=clock)
        self._series = tuple(
            one
            for one in series(version=__version__, protocol=PROTOCOL, schema=SCHEMA_VERSION)
            if watches or one.told is not Told.QUEUE
        )
        self._kept: dict[str, tuple[float, Answer]] = {}
        self._making = threading.Lock()
        self._server: MetricsServer | None = None

    @property
    def url(self) -> str:
        """Where the metrics are; empty if nobody wants them."""
        return "" if self._server is None else f"http://{show_address(self._server.address)}/metrics"

    def __enter__(self) -> Self:
        if self._traces:
            _demand("opentelemetry.exporter.otlp.proto.http", "--traces", "otel")
        if not self._address:
            return self
        _demand("prometheus_client", "--metrics", "metrics")
        from crawler.metrics.server import MetricsServer

        where = address_of(self._address)
        try:
            self._server = MetricsServer(where, self._answer)
        except OSError as exc:
            problem = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else exc.strerror
            raise UsageError(
                f"can't serve metrics at {show_address(where)}: {problem}; choose another address with --metrics"
            ) from exc
        tell(log, METRICS_OPEN, where=self.url)
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    # --- for the loop ---

    def turned(self, pool: _Workers | None) -> None:
        """The loop has come round; *pool* has the workers of this process."""
        self._board.turned()
        if pool is not None and self._server is not None:
            self._board.note_workers(pool.figures(), pool.processes(), deaths=pool.deaths)

    def note(self, stats: Stats) -> None:
        """The queue has answered."""
        self._board.note(stats)

    def drain(self) -> None:
        """The process is about to end."""
        self._board.drain()

    # --- for the server, in its thread ---

    def _answer(self, path: str, accept: str) -> Answer:
        from crawler.metrics.server import Answer

        match path:
            case "/metrics":
                return self._metrics(accept)
            case "/healthz":
                wrong = self._board.hangs()
            case "/readyz":
                wrong = self._board.not_ready()
            case _:
                return Answer(HTTPStatus.NOT_FOUND, f"there is nothing here; {_PATHS}\n".encode())
        status = HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK
        return Answer(status, f"{wrong or 'ok'}\n".encode())

    def _metrics(self, accept: str) -> Answer:
        from crawler.metrics.exposition import exposition
        from crawler.metrics.server import Answer

        is_open = "application/openmetrics-text" in accept
        with self._making:
            made, answer = self._kept.get(key := accept if is_open else "", (0.0, None))
            if answer is None or self._clock() - made >= FRESH_S:
                body, media_type = exposition(self._series, self._board.snapshot(), accept)
                answer = Answer(HTTPStatus.OK, body, media_type)
                self._kept = {key: (self._clock(), answer)}
            return answer


def _demand(library: str, flag: str, extra: str) -> None:
    """Raises UsageError where an extra is not installed: here, and not in the children, or at the first scrape."""
    try:
        is_there = find_spec(library) is not None
    except ModuleNotFoundError:  # the package that it would be in
        is_there = False
    if not is_there:
        raise UsageError(f"{flag} takes the library {library}, which is not installed: {install(extra)}")


def address_of(text: str) -> tuple[str, int]:
    """``HOST:PORT``, or a port of this machine alone. Raises UsageError."""
    return parse_address(f"127.0.0.1:{text}" if text.isdecimal() else text)
