"""An IMAGE task in, its result out: fetched, verified, named, stored."""

from __future__ import annotations

import hashlib
from typing import Any

from crawler.config import Config
from crawler.download.naming import image_path
from crawler.download.verify import verify
from crawler.errors import InvalidUrl, OutOfScope, TooLarge
from crawler.models import ImageStatus, Task
from crawler.scope import Scope
from crawler.storage import Storage
from crawler.urls import DATA_HOST
from crawler.visit import TaskHandler, Visit
from crawler.web import Fetched, Transport, optouts
from crawler.web.robots import product_token

ACCEPT = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
"""What browsers send for an image, so that a server gives us what it gives them."""


class ImageHandler(TaskHandler):
    """Downloads images; *handler* is what every TaskHandler wants to know.

    Raises StorageFull and StorageFailed, which concern the whole crawl.
    """

    def __init__(
        self, transport: Transport, storage: Storage, scope: Scope, *, config: Config, **handler: Any
    ) -> None:
        super().__init__(transport, config=config, **handler)
        self._storage = storage
        self._scope = scope
        self._images = config.images
        self._obeyed = config.obey.obeyed
        self._agent = product_token(config.fetch.user_agent)

    def visit(self, visit: Visit) -> None:
        fetched = self._fetched(visit)
        visit.facts.update(
            etag=fetched.headers.get("etag", ""), last_modified=fetched.headers.get("last-modified", "")
        )
        self._check(visit.task, fetched)
        info = verify(fetched.content, max_pixels=self._images.max_pixels)
        sha256 = hashlib.sha256(fetched.content).hexdigest()
        path = image_path(visit.task.url, info.extension)
        kept_at = self._storage.save(path, fetched.content, sha256=sha256)
        visit.facts.update(
            status=ImageStatus.SAVED if kept_at == path else ImageStatus.DUPLICATE,
            path=kept_at,
            sha256=sha256,
            format=info.format,
            width_px=info.width_px,
            height_px=info.height_px,
        )

    def _fetched(self, visit: Visit) -> Fetched:
        if visit.task.url.startswith(DATA_HOST):
            fetched = _held_by_page(visit.task, max_bytes=self._images.max_image_bytes)
            visit.answered(fetched)
            return fetched
        return self.fetch(visit, max_bytes=self._images.max_image_bytes, accept=ACCEPT)

    def _check(self, task: Task, fetched: Fetched) -> None:
        """Raise a Rejection for what is not to be taken, image or not."""
        if not self._scope.holds_image(fetched.final_url):
            raise OutOfScope(f"{task.url} redirects to {fetched.final_url}, which is outside of this crawl")
        asked = optouts.of_headers(fetched.headers, agent=self._agent) & self._obeyed
        if (refusal := optouts.refusal(asked)) is not None:
            raise refusal


def _held_by_page(task: Task, *, max_bytes: int) -> Fetched:
    """What was in a ``data:`` URL, as if it had been fetched."""
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
