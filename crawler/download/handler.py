"""The handler of IMAGE tasks: fetches, verifies, names and stores an image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from crawler.config import ImagesConfig
from crawler.download.filters import unwanted_file, unwanted_picture
from crawler.download.formats import ImageInfo
from crawler.download.naming import image_path
from crawler.download.sniff import recognised
from crawler.errors import InvalidUrl, NotAnImage, OutOfScope, TooLarge
from crawler.harvest.sniffing import kind_of
from crawler.http import Fetched, unpacked
from crawler.http.bot_challenges import challenger
from crawler.http.robots import product_token
from crawler.http.status import challenged
from crawler.metrics.figures import Stage
from crawler.models import MAX_OPT_OUTS, ImageRecord, ImageStatus, NewTask, OptOut, Origin, Task, TaskKind
from crawler.opt_outs import directives
from crawler.opt_outs.of_image import GatheredOptOuts, ImageOptOuts, of_host
from crawler.opt_outs.tdmrep_files import TdmrepFiles
from crawler.scope import OUT_OF_SCOPE
from crawler.storage import Storage
from crawler.task_handler import HandlerContext, TaskHandler, Visit
from crawler.urls import DATA_HOST

ACCEPT = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
"""The ``Accept`` header of browsers for images, so that servers give us what they give them."""


_LINKS = frozenset({"a", "area", "iframe"})
"""Values of ``found_in`` of URLs that may lead to a page, whatever their extension says."""


class ImageHandler(TaskHandler):
    """Downloads images into *storage*.

    *verify* says of bytes which image they are, or raises a Rejection: that of :class:`~.decoder.Decoders` for the
    bytes of strangers. Without it they are decoded in this very process. *tdmrep_files* gives the tdmrep.json of
    hosts; without it they are not asked for any. *kept_by* is what records say of where *storage* keeps files.

    Raises StorageFull and StorageFailed, which concern the whole crawl.
    """

    def __init__(
        self,
        context: HandlerContext,
        storage: Storage,
        *,
        verify: Callable[[bytes], ImageInfo] | None = None,
        tdmrep_files: TdmrepFiles | None = None,
        kept_by: str = "",
    ) -> None:
        super().__init__(context)
        config = context.config
        self._storage = storage
        self._kept_by = kept_by
        self._images = config.images
        self._layout = config.storage.layout
        self._max_depth = config.scope.max_depth
        self._verify = verify or _verified_here(config.images)
        self._wishes = ImageOptOuts(
            config.obey, statements=self._robots.statements if self._robots else None, files=tdmrep_files
        )
        self._agent = product_token(config.fetch.user_agent)

    def visit(self, visit: Visit) -> None:
        opt_outs = GatheredOptOuts(self._wishes)
        try:
            self._visit(visit, opt_outs)
        finally:
            visit.record.update({"opt_outs": opt_outs.recorded, "more_opt_outs": opt_outs.more})

    def _visit(self, visit: Visit, opt_outs: GatheredOptOuts) -> None:
        fetched = self._fetched(visit, opt_outs)
        self._check(visit.task, fetched)
        is_page = _is_linked(visit) and kind_of(fetched.content_type, fetched.content) == "html"
        told = directives.told_by(fetched.headers, agent=self._agent)
        opt_outs.add(one for one in told if not is_page or one.signal in directives.AGAINST_IMAGES)
        if is_page:
            page = self._page(visit.task)
            visit.discovered = (page,) if page.kept_out_by != OUT_OF_SCOPE else ()
            raise NotAnImage(f"a link that promised an image leads to a page, at {fetched.final_url}")
        if fetched.http_status == HTTPStatus.NOT_MODIFIED:
            opt_outs.add(*_said_before(visit.task))
            visit.record["kept_by"] = self._kept_by  # the request was conditional because the file is there
            visit.unchanged()
            return
        if vendor := challenger(fetched.http_status, fetched.headers, fetched.content):
            raise challenged(vendor, fetched.http_status, fetched.final_url)
        info = self._wanted(visit, fetched.content, opt_outs)
        sha256 = hashlib.sha256(fetched.content).hexdigest()
        kept_at, path = self._keep(visit, info, fetched.content, sha256=sha256)
        visit.record.update(
            {
                "status": ImageStatus.SAVED if kept_at == path else ImageStatus.DUPLICATE,
                "path": kept_at,
                "sha256": sha256,
                "kept_by": self._kept_by,
            }
        )

    def _wanted(self, visit: Visit, content: bytes, opt_outs: GatheredOptOuts) -> ImageInfo:
        """Verify *content*. Raises a Rejection; *visit* then has what was known by then.

        Format and size are judged before anything is decoded.
        """
        name = recognised(content)
        if (refusal := unwanted_file(name, len(content), self._images)) is not None:
            visit.record["format"] = name
            raise refusal
        with self.working_on_answer(visit):
            info = self._verify(content)
        visit.record.update(
            {
                "format": info.format,
                "width_px": info.width_px,
                "height_px": info.height_px,
                "dhash": info.dhash,
                "incomplete": info.incomplete,
            }
        )
        opt_outs.add(info.opt_outs, unread=info.unread_metadata)
        if (refusal := unwanted_picture(info, self._images)) is not None:
            raise refusal
        return info

    def _keep(self, visit: Visit, info: ImageInfo, content: bytes, *, sha256: str) -> tuple[str, str]:
        """Save *content*; returns the path where the bytes are kept, and the path that its URL gives.

        An image that is unchanged since an earlier visit stays where it is, whatever its URL gives now.
        """
        known = visit.task.known
        if isinstance(known, ImageRecord) and known.sha256 == sha256:
            with self.timed(Stage.STORE, visit):
                kept_at = self._storage.save(known.path, content, sha256=sha256)  # the file may be gone
            if kept_at == known.path:
                visit.unchanged()
            return kept_at, known.path
        path = image_path(
            visit.task.url,
            info.extension,
            layout=self._layout,
            sha256=sha256,
            version=sha256 if known else "",
        )
        with self.timed(Stage.STORE, visit):
            return self._storage.save(path, content, sha256=sha256), path

    def _fetched(self, visit: Visit, opt_outs: GatheredOptOuts) -> Fetched:
        if visit.task.url.startswith(DATA_HOST):
            fetched = _held_by_page(visit.task, max_bytes=self._images.max_image_bytes)
            visit.answered(fetched)
            return fetched
        if (brought := self._brought(visit, opt_outs)) is not None:
            return brought
        known = visit.task.known
        is_there = isinstance(known, ImageRecord) and self._storage.has(
            known.path, size_bytes=known.size_bytes
        )
        return self.fetch(
            visit,
            max_bytes=self._images.max_image_bytes,
            accept=ACCEPT,
            unless_known=is_there,
            also_check=partial(opt_outs.add_host, turn=visit.turn),
        )

    def _brought(self, visit: Visit, opt_outs: GatheredOptOuts) -> Fetched | None:
        """The answer that a rendered page has fetched already, if robots.txt and the opt-outs still permit it."""
        task = visit.task
        content = task.origin.content if task.origin is not None and task.known is None else b""
        brought = unpacked(content, url=task.url) if content else None
        if brought is None or len(brought.content) > self._images.max_image_bytes:
            return None
        if self._robots is not None:
            self._robots.check(task.url, visit.turn)
        opt_outs.add_host(task.url, turn=visit.turn)
        visit.answered(brought)
        return brought

    def _page(self, task: Task) -> NewTask:
        """The PAGE task for a link that promised an image: one link further away than the image would have been."""
        is_too_far = task.depth >= self._max_depth
        return NewTask(
            kind=TaskKind.PAGE,
            url=task.url,
            depth=task.depth + 1,
            origin=Origin(page_url=task.origin.page_url if task.origin else "", found_in="a"),
            kept_out_by=self._scope.refusal(task.url) or ("max-depth" if is_too_far else ""),
        )

    def _check(self, task: Task, fetched: Fetched) -> None:
        """Raise a Rejection for what is not to be taken, image or not."""
        if not self._scope.holds_image(fetched.final_url):
            raise OutOfScope(f"{task.url} redirects to {fetched.final_url}, which is outside of this crawl")


def _said_before(task: Task) -> tuple[list[OptOut], int]:
    """The opt-outs that the image itself declared before, and the number of unread ones; the host's are asked anew."""
    known = task.known
    if not isinstance(known, ImageRecord):
        return [], 0
    is_full = len(known.opt_outs) == MAX_OPT_OUTS
    return [one for one in known.opt_outs if not of_host(one)], 0 if is_full else known.more_opt_outs


def _is_linked(visit: Visit) -> bool:
    """Whether it is linked, not shown."""
    return not _LINKS.isdisjoint(visit.found_in.split(", "))


def _verified_here(images: ImagesConfig) -> Callable[[bytes], ImageInfo]:
    from crawler.download.verify import verify, verify_lenient

    lenient = images.incomplete == "keep"
    return partial(verify_lenient if lenient else verify, max_pixels=images.max_pixels)


def _held_by_page(task: Task, *, max_bytes: int) -> Fetched:
    """The content of a ``data:`` URL, as if it had been fetched."""
    content = task.origin.content if task.origin else b""
    if not content:
        raise InvalidUrl(
            f"{task.url} names an image that its page held; its bytes are only there in a first try"
        )
    if len(content) > max_bytes:
        raise TooLarge(f"{len(content):,} bytes are more than the {max_bytes:,} allowed (max_image_bytes)")
    media_type = task.url[len(DATA_HOST) :].partition(";")[0]
    return Fetched(
        url=task.url, final_url=task.url, http_status=0, headers={"content-type": media_type}, content=content
    )
