"""Decides which pages are rendered in a browser as well, by their signs and by what was learned of their template."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from crawler.harvest.script_signs import ScriptSigns, is_strong, route_template
from crawler.models import NewTask, Origin, Task, TaskKind, TemplateAnswer, TemplateVerdict
from crawler.scope import Scope
from crawler.urls import host_key

QUEUED, STATIC, NO_GAIN, NO_BROWSER, NEVER = "queued", "static", "no-gain", "no-browser", "never"
"""Decisions in a page's record: keys of RENDERINGS."""
_KNOWN_S = 60.0
"""Seconds for which an answer SKIP of the queue is cached."""
_UNSURE_S = 0.5
"""Seconds for which any other answer is cached. A page queued in vain costs a task; a page not queued is lost."""
_MOST_KNOWN = 5000


class TemplateQueue(Protocol):
    """The part of a TaskQueue that is used here."""

    def template(self, *, host: str, name: str, task: int | None = None) -> TemplateAnswer: ...


class RenderChoice:
    """Decides for one harvester; safe to be used by several threads. *setting* is ``render``.

    Without a *queue* nothing was learned, and no renderer is known.
    """

    def __init__(
        self,
        setting: str,
        scope: Scope,
        queue: TemplateQueue | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setting = setting
        self._scope = scope
        self._queue = queue
        self._clock = clock
        self._mutex = threading.Lock()
        self._known: OrderedDict[tuple[str, str], tuple[float, TemplateAnswer]] = OrderedDict()

    def of(self, task: Task, looks: ScriptSigns | None, *, url: str) -> tuple[str, list[NewTask]]:
        """The decision on a page with the signs *looks* and the final URL *url*, for its record; its RENDER tasks."""
        if self._setting == "never":
            return NEVER, []
        if looks is None and self._setting == "auto":
            return STATIC, []
        looks = looks or ScriptSigns(template="static/static", signs=())
        if self._setting == "always":
            looks = msgspec.structs.replace(looks, signs=("always", *looks.signs))
        routes = list(self._routes(task, looks, url))
        why_not = self._why_not(url, looks.template, looks.signs)
        if why_not:
            return why_not, routes
        own = NewTask(
            kind=TaskKind.RENDER,
            url=task.url,
            depth=task.depth,
            origin=Origin(
                page_url=task.origin.page_url if task.origin else "",
                found_in=task.origin.found_in if task.origin else "",
                template=looks.template,
                signs=",".join(looks.signs),
            ),
        )
        return QUEUED, [own, *routes]

    def _routes(self, task: Task, looks: ScriptSigns, url: str) -> Iterator[NewTask]:
        """RENDER tasks for routes of scripts: other fragments of this or another page's URL."""
        for route in looks.routes:
            template = route_template(looks.template, route)
            if self._scope.refusal(route.partition("#")[0]) or self._why_not(url, template, ("hash-route",)):
                continue
            yield route_task(route, depth=task.depth + 1, page_url=url, looks=looks)

    def _why_not(self, url: str, template: str, signs: tuple[str, ...]) -> str:
        """NO_GAIN or NO_BROWSER, or nothing if a page with these signs is to be rendered."""
        if self._queue is None:
            return "" if is_strong(signs) else NO_BROWSER
        if self._setting == "always":
            return ""
        answer = self._answer(host_key(url), template)
        if answer.verdict is TemplateVerdict.SKIP:
            return NO_GAIN
        return "" if answer.has_renderer or is_strong(signs) else NO_BROWSER

    def _answer(self, host: str, template: str) -> TemplateAnswer:
        assert self._queue is not None
        key, now = (host, template), self._clock()
        with self._mutex:
            until, answer = self._known.get(key, (0.0, None))
            if answer is not None and now < until:
                return answer
        answer = self._queue.template(host=host, name=template)
        until = now + (_KNOWN_S if answer.verdict is TemplateVerdict.SKIP else _UNSURE_S)
        with self._mutex:
            self._known[key] = (until, answer)
            self._known.move_to_end(key)
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return answer


def route_task(url: str, *, depth: int, page_url: str, looks: ScriptSigns) -> NewTask:
    """The RENDER task for a route *url*, which has a fragment; *looks* are those of the page that links to it."""
    template = route_template(looks.template, url)
    origin = Origin(page_url=page_url, found_in="a", template=template, signs="hash-route")
    return NewTask(kind=TaskKind.RENDER, url=url, depth=depth, origin=origin)
