"""Renders one page without a queue, for ``extract --render``."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

from crawler.config import Config
from crawler.errors import NoBrowser
from crawler.harvest.handler import reading_here
from crawler.http import Transport
from crawler.models import Task, TaskKind
from crawler.render import behaviours
from crawler.render.browsers import Browsers
from crawler.render.chromium import find
from crawler.render.handler import Compared, RenderHandler
from crawler.render.network import Network
from crawler.render.page import Rendered
from crawler.scope import Scope
from crawler.task_handler import HandlerContext


def open_once(url: str, config: Config, transport: Transport) -> tuple[Rendered, Compared]:
    """The page at *url*, rendered with all behaviours, beside what it gives without scripts.

    Raises NoBrowser without a browser; a TaskError when the page can't be had; ConfigError.
    """
    program = find(config.machine.chromium)
    if program is None:
        raise NoBrowser("no browser was found; install Chromium, or say --chromium FILE")
    scope = Scope((url.partition("#")[0],), config.scope)
    browsers = Browsers(program, page_memory_bytes=config.render.render_memory_bytes)
    handler = RenderHandler(
        HandlerContext(transport=transport, scope=scope, config=config, worker_id=""),
        read=reading_here(scope, config, now=lambda: datetime.now(UTC)),
        browsers=browsers,
        network=Network(transport, config=config),
        script=behaviours.source(behaviours.read_file(config.machine.behaviours)),
    )
    task = Task(id=0, serial=0, kind=TaskKind.RENDER, url=url, depth=0, attempt=2)
    with closing(handler):
        rendered = handler.opened(task)
        return rendered, handler.compared(task, rendered)
