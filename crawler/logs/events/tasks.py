"""Events of tasks; logs/outcomes.py logs them."""

from __future__ import annotations

from crawler.logs.events.event import Event, info

_OF_ALL = ("http_status", "attempts", "elapsed_s", "worker", "revisit")
_WHY = "{url}: {reason}: {detail}"


def _image(word: str, text: str, means: str, *more: str) -> Event:
    return info(word, text, means=means, more=("status", *more, "found_in", "page_url", *_OF_ALL))


def _page(word: str, text: str, means: str, *more: str) -> Event:
    return info(word, text, means=means, more=("status", *more, *_OF_ALL, "depth"))


IMAGE_SAVED = _image(
    "image-saved",
    "{path} ({size}, {width_px}x{height_px} {format}) {url}",
    "An image was saved.",
    "size_bytes",
    "sha256",
)
IMAGE_DUPLICATE = _image(
    "image-duplicate",
    "{url} has the same bytes as {path}",
    "The same bytes are kept already.",
    "size_bytes",
    "sha256",
)
IMAGE_REJECTED = _image(
    "image-rejected", _WHY, "The image is not wanted: not an image, too small, its owner forbids it."
)
IMAGE_FAILED = _image(
    "image-failed",
    _WHY,
    "The image was not fetched, after all tries. In a refresh, what was saved before stands.",
)
IMAGE_DEAD = _image("image-dead", _WHY, "No worker came back with the image, in max_attempts leases.")
IMAGE_UNCHANGED = _image(
    "image-unchanged", "{url} is still {path}", "A refresh found the image as it was.", "reason"
)
IMAGE_GONE = _image(
    "image-gone",
    _WHY,
    "A refresh found that the server no longer has the image; what was saved is kept.",
    "path",
)
PAGE_HARVESTED = _page("page-harvested", "{url}: {images} images, {links} links", "A page was read.")
PAGE_REJECTED = _page("page-rejected", _WHY, "A page is not to be read.")
PAGE_FAILED = _page("page-failed", _WHY, "A page was not fetched, after all tries.")
PAGE_DEAD = _page("page-dead", _WHY, "No worker came back with a page, in max_attempts leases.")
PAGE_UNCHANGED = _page(
    "page-unchanged",
    "{url}: {images} images, {links} links, as before",
    "A refresh found a page as it was.",
    "reason",
)
PAGE_GONE = _page("page-gone", _WHY, "A refresh found that a page is no longer there.")
RENDER_RENDERED = _page(
    "render-rendered",
    "{url}: {images} images more than without a browser, {requests} requests",
    "A page was opened in the browser, and read.",
    "links",
)
RENDER_REJECTED = _page("render-rejected", _WHY, "A page is not to be opened in the browser.")
RENDER_FAILED = _page("render-failed", _WHY, "A page could not be opened in the browser.")
RENDER_DEAD = _page("render-dead", _WHY, "No renderer came back with a page, in max_attempts leases.")
RENDER_UNCHANGED = _page(
    "render-unchanged",
    "{url}: {images} images more than without a browser, as before",
    "A refresh found a page in the browser as it was.",
    "reason",
)
RENDER_GONE = _page("render-gone", _WHY, "A refresh found that a page is no longer there.")
TASK_RETRIED = info(
    "task-retried",
    "{url}: {reason}: {detail}; next try in {retry_in_s:.0f} s",
    means="A try has failed, and there will be another one.",
    more=("kind", "http_status", "attempts", "worker"),
)
