"""A browser for tests, in every process that has this folder on PYTHONPATH: Python imports this module at its start.

A page at ``/app-N.html`` brings the picture ``/images/of-app-N.png`` once its scripts have run. All else is as ever:
the task, its lease, the handler's frame, the record.
"""

from __future__ import annotations

import sys
import types
from typing import Any

_PACKAGE = "crawler.render"


def _find(setting: str) -> object:
    from pathlib import Path

    return Path(setting or sys.executable)


def _make(context: Any, **_: object) -> object:
    import logging
    from urllib.parse import urljoin, urlsplit

    from crawler.errors import NoBrowser
    from crawler.models import NewTask, Origin, RenderStatus, TaskKind
    from crawler.task_handler import TaskHandler, Visit

    logging.getLogger("crawler.render.namespaces").warning("with a dead proxy and no resolver")

    class Rendering(TaskHandler):
        def visit(self, visit: Visit) -> None:
            url = visit.task.url
            name = urlsplit(url).path.rpartition("/")[2].removesuffix(".html")
            if context.config.render.render == "never":
                raise NoBrowser("no page is to be opened in a browser (--render never)")
            visit.record.update(
                {
                    "status": RenderStatus.RENDERED,
                    "final_url": url,
                    "http_status": 200,
                    "images": 1,
                    "gains": {"load": 1},
                    "requests": 2,
                    "title": context.config.machine.chromium,
                }
            )
            visit.discovered = (
                NewTask(
                    kind=TaskKind.IMAGE,
                    url=urljoin(url, f"/images/of-{name}.png"),
                    depth=visit.task.depth,
                    origin=Origin(page_url=url, found_in="render"),
                ),
            )

    return Rendering(context)


for _name, _function in {"chromium": _find, "handler": _make}.items():
    _module = types.ModuleType(f"{_PACKAGE}.{_name}")
    setattr(_module, _function.__name__.removeprefix("_"), _function)
    sys.modules[_module.__name__] = _module
