"""A RENDER task in, its result out: opened in a browser, read once more, and compared with what was there before."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from zlib import crc32

import msgspec

from crawler.errors import (
    BrowserFailed,
    NoBrowser,
    NoGain,
    OutOfScope,
    PageCrashed,
    PageTimeout,
    ReaderCrashed,
    TooMuchMemory,
)
from crawler.harvest.link_filter import LinkFilter
from crawler.harvest.links import ATTACHED
from crawler.harvest.reader_pool import Read
from crawler.harvest.reader_protocol import Head
from crawler.harvest.render_choice import TemplateQueue, route_task
from crawler.harvest.script_signs import ScriptSigns, with_route
from crawler.http import Fetched, packed
from crawler.http.turns import NotYet, TurnQueue
from crawler.logs.events import RENDER_UNREADABLE, tell
from crawler.models import (
    MAX_ALTERNATIVES,
    NewTask,
    Origin,
    RenderOutcome,
    RenderStatus,
    Revisit,
    Task,
    TaskKind,
    TemplateVerdict,
)
from crawler.render import behaviours
from crawler.render.browsers import Browsers
from crawler.render.chromium import find
from crawler.render.network import Network
from crawler.render.page import OpenPage, Rendered
from crawler.scope import EXCLUDED
from crawler.task_handler import HandlerContext, TaskHandler, Visit
from crawler.urls import canonical, host_key

log = logging.getLogger(__name__)

FOUND_IN = "render"
"""Where an image or a link was found that reading without scripts does not find."""
IN_DOCUMENT = "document"
"""The stage of images that the document names in the end, and that the page has not asked for."""
_MOST_TOLD = 256
_NO_BROWSER = "it wants a browser, and none was found; install Chromium, then say the same command again"


class Templates(TemplateQueue, Protocol):
    """What of a TaskQueue is asked here."""

    def tell_template(self, *, host: str, name: str, outcome: RenderOutcome) -> None: ...


class RenderQueue(Templates, TurnQueue, Protocol):
    """What a renderer asks of the TaskQueue."""


_Read = tuple[Head, list[NewTask], Sequence[NewTask]]
"""What a document says of itself, all that is found on it, and of this the links."""


def make(context: HandlerContext, *, read: Read, queue: RenderQueue, stop: threading.Event) -> TaskHandler:
    """The handler of a renderer: one that refuses all pages where there is no browser.

    Raises ConfigError for a ``chromium`` or ``behaviours`` that can't be used.
    """
    config = context.config
    extra = behaviours.read_file(config.machine.behaviours)
    program = find(config.machine.chromium)
    if program is None or config.render.render == "never":
        return RefusingHandler(context)
    return RenderHandler(
        context,
        read=read,
        templates=queue,
        browsers=Browsers(program, page_memory_bytes=config.render.render_memory_bytes),
        network=Network(context.transport, config=config, queue=queue, robots=context.robots, stop=stop),
        script=behaviours.source(extra),
    )


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a page gave in the browser."""

    head: Head
    static: tuple[NewTask, ...]
    """The images that reading it without scripts finds."""
    images: tuple[NewTask, ...]
    """All images of the page; what is new among them was found in FOUND_IN."""
    pages: tuple[NewTask, ...]
    """Links that are not on the page without scripts."""
    stages: Mapping[str, str]
    """New images, each with what brought it: LOAD, a behaviour, or IN_DOCUMENT."""

    @property
    def new_links(self) -> tuple[str, ...]:
        """To pages; what belongs to the page, as its style sheets do, are none."""
        return tuple(found.url for found in self.pages if not found.kept_out_by and not _is_attached(found))


class RefusingHandler(TaskHandler):
    """Of a renderer without a browser: each page is named in the books, with what to do."""

    def __init__(self, context: HandlerContext) -> None:
        super().__init__(context)
        never = context.config.render.render == "never"
        self._why = "no page is to be opened in a browser (--render never)" if never else _NO_BROWSER

    def visit(self, _: Visit) -> None:
        raise NoBrowser(self._why)


class RenderHandler(TaskHandler):
    """Opens pages in *browsers*.

    *read* says what is found in a document, *network* answers what the page asks for, *script* has the behaviours;
    *templates* says what was learned of pages of its kind, if anything is.
    """

    def __init__(
        self,
        context: HandlerContext,
        *,
        read: Read,
        browsers: Browsers,
        network: Network,
        script: str,
        templates: Templates | None = None,
    ) -> None:
        super().__init__(context)
        self._read = read
        self._templates = templates
        self._browsers = browsers
        self._network = network
        self._script = script
        self._link_filter = LinkFilter(context.scope, context.config.scope, now=self._now)

    def close(self) -> None:
        self._browsers.close()

    def visit(self, visit: Visit) -> None:
        task = visit.task
        template = task.origin.template if task.origin else ""
        wanted = self._wanted(task, template)
        try:
            rendered = self.opened(task, wanted, visit)
            compared = self.compared(task, rendered)
        except NotYet:
            raise
        except BaseException:
            self._tell(task, template, RenderOutcome(task=task.id, failed=True))
            raise
        gains = dict(Counter(compared.stages.values()))
        new_links = compared.new_links
        visit.record.update(
            {
                "status": RenderStatus.RENDERED,
                "final_url": rendered.document.final_url,
                "http_status": rendered.document.http_status,
                "title": compared.head.title,
                "images": len(compared.stages),
                "links": len(new_links),
                "gains": gains,
                "requests": rendered.requests,
                "left_out": {**compared.head.left_out, **rendered.left_out},
                "size_bytes": rendered.received_bytes,
            }
        )
        visit.outcome = Revisit.CHANGED if task.known is not None else Revisit.NONE
        visit.discovered = (*compared.images, *compared.pages)
        brought = (*compared.stages, *new_links)
        found = tuple(crc32(url.encode()) for url in brought[:_MOST_TOLD])
        self._tell(task, template, RenderOutcome(task=task.id, found=found, gains=gains))

    def _wanted(self, task: Task, template: str) -> tuple[str, ...] | None:
        """The dear behaviours that are worth it; None for all. Raises NotYet and NoGain."""
        if not template or self._templates is None:
            return None
        answer = self._templates.template(host=host_key(task.url), name=template, task=task.id)
        if self._config.render.render == "auto":
            if answer.verdict is TemplateVerdict.WAIT:
                raise NotYet(task.url, answer.again_s)
            if answer.verdict is TemplateVerdict.SKIP:
                raise NoGain(
                    f"{answer.renders} pages of its kind were opened in a browser, which brought nothing"
                )
        return answer.behaviours

    def _tell(self, task: Task, template: str, outcome: RenderOutcome) -> None:
        if template and self._templates is not None:
            self._templates.tell_template(host=host_key(task.url), name=template, outcome=outcome)

    def opened(
        self, task: Task, wanted: tuple[str, ...] | None = None, visit: Visit | None = None
    ) -> Rendered:
        """The page in a browser, with the dear behaviours that are *wanted*. Raises a TaskError, or NotYet; *visit* is
        told of the images that a page had asked for before it crashed.
        """
        page: OpenPage | None = None
        try:
            with (
                self._browsers.tab(host_key(task.url)) as tab,
                self._network.page(task) as network,
            ):
                page = OpenPage(
                    tab,
                    network,
                    url=task.url,
                    config=self._config.render,
                    script=self._script,
                    max_html_chars=self._config.harvest.max_page_bytes,
                    check=partial(self._check_scope, task),
                )
                return page.run(wanted)
        except PageCrashed as exc:
            if task.attempt > 1:
                if visit is not None and page is not None:
                    visit.discovered = tuple(self._before_crash(task, *page.seen))
                raise
            # the tab of another page may have been in the same process
            raise BrowserFailed(f"{exc.detail}; it is opened once more") from exc

    def _check_scope(self, task: Task, url: str) -> None:
        if self._scope.refusal(url) not in ("", EXCLUDED):
            raise OutOfScope(f"{task.url} redirects to {url}, which is outside of this crawl")

    def compared(self, task: Task, rendered: Rendered) -> Compared:
        """What the page gave in the browser, beside what reading it without scripts finds."""
        document = rendered.document
        first = self._reading(task, document)
        sent, static, _ = first
        before = {url for found in static for url in _urls(found)}
        head, tasks, links = self._in_the_end(task, rendered, first)
        named = {url for found in tasks for url in _urls(found)}
        images = [_with_place(found, before) for found in tasks if found.kind is TaskKind.IMAGE]
        images += self._unnamed(task, rendered, head, named | before)
        # a link to a place on the page itself, as scripts make for headings, is nothing new: with one of its own on
        # each page of a manual, nearly all of its 5,751 pages were rendered
        known = before | {task.url, canonical(document.final_url) or ""}
        pages = [found for found in links if found.url not in known]
        pages += self._left_for(task, rendered, {found.url for found in links} | known)
        pages += self._routes(task, head.looks, document.final_url)
        # what the owner has said scripts don't take back
        images = [_kept_out(found, sent.against_images) for found in images]
        against = sent.against_links or head.against_links
        pages = [
            found if _is_attached(found) else _kept_out(found, against or self._too_deep(found))
            for found in pages
        ]
        images = [_with_answer(found, rendered.held) for found in images]
        new = [found for found in images if found.url not in before and not found.kept_out_by]
        return Compared(
            head=head,
            static=tuple(found for found in static if found.kind is TaskKind.IMAGE),
            images=tuple(images),
            pages=tuple(pages),
            stages={found.url: rendered.seen.get(found.url, IN_DOCUMENT) for found in new},
        )

    def _too_deep(self, found: NewTask) -> str:
        return "max-depth" if found.depth > self._config.scope.max_depth else ""

    def _in_the_end(self, task: Task, rendered: Rendered, first: _Read) -> _Read:
        """What the document says that scripts have made of what *first* tells of; that again where there is none, or
        where it can't be read: it may be as large, and as deep, as a script likes.
        """
        if not rendered.html:
            return first
        try:
            return self._reading(task, _as_rendered(rendered))
        except (PageTimeout, ReaderCrashed, TooMuchMemory) as exc:
            tell(log, RENDER_UNREADABLE, url=task.url, reason=exc)
            head, tasks, links = first
            return msgspec.structs.replace(head, left_out={**head.left_out, "markup-cut": 1}), tasks, links

    def _reading(self, task: Task, fetched: Fetched) -> _Read:
        """With the links judged."""
        with self._read(task, fetched) as reading:
            head = reading.head
            tasks = [found for part in reading.tasks for found in part]
            links = self._link_filter.filtered(
                head.kind,
                fetched.final_url,
                task_url=task.url,
                images={found.url for found in tasks if found.kind is TaskKind.IMAGE} - head.dots,
                links=[found for found in tasks if found.kind is not TaskKind.IMAGE],
                shingles=reading.words,
            )
        return head, tasks, links

    def _before_crash(
        self, task: Task, document: Fetched | None, seen: Mapping[str, str]
    ) -> Iterator[NewTask]:
        if document is not None:
            head, tasks, _ = self._reading(task, document)
            named = {url for found in tasks for url in _urls(found)}
            yield from self._unnamed(task, Rendered(document=document, html="", seen=seen), head, named)

    def _unnamed(self, task: Task, rendered: Rendered, head: Head, named: set[str]) -> Iterator[NewTask]:
        """Images that the page has asked for, and that its document names nowhere."""
        for url in rendered.seen:
            if url in named:
                continue
            yield NewTask(
                kind=TaskKind.IMAGE,
                url=url,
                depth=task.depth,
                origin=Origin(page_url=rendered.document.final_url, found_in=FOUND_IN, page_title=head.title),
                kept_out_by=head.against_images or self._scope.image_refusal(url),
            )

    def _routes(self, task: Task, looks: ScriptSigns | None, page_url: str) -> Iterator[NewTask]:
        """Links that a script alone can follow."""
        if looks is None:
            return
        for url in looks.routes:
            if url != task.url and not self._scope.refusal(url.partition("#")[0]):
                yield route_task(url, depth=task.depth + 1, page_url=page_url, looks=looks)

    def _left_for(self, task: Task, rendered: Rendered, known: set[str]) -> Iterator[NewTask]:
        """Where the page would have gone, and what its scripts have called its address."""
        for told in rendered.left_for:
            url = canonical(told)
            if url is None or (refusal := self._scope.refusal(url)) not in ("", EXCLUDED):
                continue
            route = with_route(url, told.partition("#")[2])
            if (route or url) in known or task.url in (told, route):
                continue
            known.add(route or url)
            template = task.origin.template if task.origin else ""
            origin = Origin(page_url=rendered.document.final_url, found_in=FOUND_IN)
            if route:
                origin = msgspec.structs.replace(origin, template=template, signs="route")
            yield NewTask(
                kind=TaskKind.RENDER if route else TaskKind.PAGE,
                url=route or url,
                depth=task.depth + 1,
                origin=origin,
                kept_out_by=refusal,
            )


def _as_rendered(rendered: Rendered) -> Fetched:
    """The document as it is in the end, with the headers that it came with."""
    document = rendered.document
    return msgspec.structs.replace(
        document,
        content=rendered.html.encode("utf-8", "replace"),
        headers={**document.headers, "content-type": "text/html; charset=utf-8"},
    )


def _is_attached(found: NewTask) -> bool:
    return found.origin is not None and found.origin.found_in in ATTACHED


def _kept_out(found: NewTask, by: str) -> NewTask:
    return found if found.kept_out_by or not by else msgspec.structs.replace(found, kept_out_by=by)


def _with_place(found: NewTask, before: set[str]) -> NewTask:
    if found.url in before or found.origin is None:
        return found
    return msgspec.structs.replace(found, origin=msgspec.structs.replace(found.origin, found_in=FOUND_IN))


def _with_answer(found: NewTask, held: Mapping[str, Fetched]) -> NewTask:
    """With what a script of the page has fetched of it, so that nobody has to once more."""
    if found.url not in held or found.kept_out_by or found.origin is None:
        return found
    origin = msgspec.structs.replace(found.origin, content=packed(held[found.url]))
    return msgspec.structs.replace(found, origin=origin)


def _urls(found: NewTask) -> Iterator[str]:
    yield found.url
    if found.origin is not None:
        yield from (other.url for other in found.origin.alternatives[:MAX_ALTERNATIVES])
