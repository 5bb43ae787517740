"""Events of tasks; logs/outcomes.py logs them."""

from __future__ import annotations

from crawler.logs.events.event import info

_IMAGE = ("found_in", "page_url", "http_status", "attempts", "elapsed_s", "worker", "revisit")
_PAGE = ("http_status", "attempts", "elapsed_s", "worker", "revisit", "depth")
_WHY = "{url}: {reason}: {detail}"

IMAGE_SAVED = info(
    "image-saved",
    "{path} ({size}, {width_px}x{height_px} {format}) {url}",
    means="An image was saved.",
    more=("status", "size_bytes", "sha256", *_IMAGE),
)
IMAGE_DUPLICATE = info(
    "image-duplicate",
    "{url} has the same bytes as {path}",
    means="The same bytes are kept already.",
    more=("status", "size_bytes", "sha256", *_IMAGE),
)
IMAGE_REJECTED = info(
    "image-rejected",
    _WHY,
    means="The image is not wanted: not an image, too small, its owner forbids it.",
    more=("status", *_IMAGE),
)
IMAGE_FAILED = info(
    "image-failed",
    _WHY,
    means="The image was not fetched, after all tries. In a refresh, what was saved before stands.",
    more=("status", *_IMAGE),
)
IMAGE_DEAD = info(
    "image-dead",
    _WHY,
    means="No worker came back with the image, in max_attempts leases.",
    more=("status", *_IMAGE),
)
IMAGE_UNCHANGED = info(
    "image-unchanged",
    "{url} is still {path}",
    means="A refresh found the image as it was.",
    more=("status", "reason", *_IMAGE),
)
IMAGE_GONE = info(
    "image-gone",
    _WHY,
    means="A refresh found that the server no longer has the image; what was saved is kept.",
    more=("status", "path", *_IMAGE),
)
PAGE_HARVESTED = info(
    "page-harvested",
    "{url}: {images} images, {links} links",
    means="A page was read.",
    more=("status", *_PAGE),
)
PAGE_REJECTED = info("page-rejected", _WHY, means="A page is not to be read.", more=("status", *_PAGE))
PAGE_FAILED = info(
    "page-failed", _WHY, means="A page was not fetched, after all tries.", more=("status", *_PAGE)
)
PAGE_DEAD = info(
    "page-dead",
    _WHY,
    means="No worker came back with a page, in max_attempts leases.",
    more=("status", *_PAGE),
)
PAGE_UNCHANGED = info(
    "page-unchanged",
    "{url}: {images} images, {links} links, as before",
    means="A refresh found a page as it was.",
    more=("status", "reason", *_PAGE),
)
PAGE_GONE = info(
    "page-gone", _WHY, means="A refresh found that a page is no longer there.", more=("status", *_PAGE)
)
RENDER_RENDERED = info(
    "render-rendered",
    "{url}: {images} images more than without a browser, {requests} requests",
    means="A page was opened in the browser, and read.",
    more=("status", "links", *_PAGE),
)
RENDER_REJECTED = info(
    "render-rejected", _WHY, means="A page is not to be opened in the browser.", more=("status", *_PAGE)
)
RENDER_FAILED = info(
    "render-failed", _WHY, means="A page could not be opened in the browser.", more=("status", *_PAGE)
)
RENDER_DEAD = info(
    "render-dead",
    _WHY,
    means="No renderer came back with a page, in max_attempts leases.",
    more=("status", *_PAGE),
)
RENDER_UNCHANGED = info(
    "render-unchanged",
    "{url}: {images} images more than without a browser, as before",
    means="A refresh found a page in the browser as it was.",
    more=("status", "reason", *_PAGE),
)
RENDER_GONE = info(
    "render-gone", _WHY, means="A refresh found that a page is no longer there.", more=("status", *_PAGE)
)
TASK_RETRIED = info(
    "task-retried",
    "{url}: {reason}: {detail}; next try in {retry_in_s:.0f} s",
    means="A try has failed, and there will be another one.",
    more=("kind", "http_status", "attempts", "worker"),
)
