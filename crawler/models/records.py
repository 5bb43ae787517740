"""Records: the outcome of each URL, as it is sent, stored and shown."""

from __future__ import annotations

import stat
from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, cast

import msgspec
from msgspec import Meta, field

from crawler.models.origins import MAX_OPT_OUTS, Alternatives, OptOut, Origin
from crawler.models.readable import Readable
from crawler.models.values import (
    MAX_PATH_CHARS,
    Depth,
    KeptBy,
    Moment,
    Pixels,
    Seconds,
    Size,
    Slug,
    Small,
    TaskKind,
    Text,
    Url,
    Value,
    WorkerId,
)


class ImageStatus(StrEnum):
    """What became of an image URL. Once a crawl has ended, ``discovered`` is the sum over all statuses."""

    SAVED = "saved"
    DUPLICATE = "duplicate"
    """The same bytes were saved before, under the path that the record names."""
    REJECTED = "rejected"
    """It is not wanted (no image, truncated, too large), or its owner forbids it (robots.txt …)."""
    FAILED = "failed"
    """It could not be fetched, in all attempts that it has."""
    DEAD = "dead"
    """No worker came back with it, in ``max_attempts`` leases."""


class PageStatus(StrEnum):
    HARVESTED = "harvested"
    REJECTED = "rejected"
    FAILED = "failed"
    DEAD = "dead"


class RenderStatus(StrEnum):
    RENDERED = "rendered"
    REJECTED = "rejected"
    FAILED = "failed"
    DEAD = "dead"


class Revisit(StrEnum):
    """How the latest visit compares with the one before it, since the crawl was last refreshed."""

    NONE = ""
    """It was not visited since then, or the crawl has never been refreshed."""
    NEW = "new"
    """This was its first visit, or nothing had come of earlier ones."""
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    """Its bytes have changed; the earlier record is kept as history."""
    GONE = "gone"
    """The server no longer has it (404, 410). The earlier file and its record are kept."""
    FAILED = "failed"
    """It could not be fetched this time. The earlier file and its record are kept."""


MAX_PAGES = 100
"""Number of pages of an image that its record and an export name; further ones are counted."""


class ImagePages(NamedTuple):
    """Pages on which an image stands."""

    urls: tuple[str, ...]
    """The one that its record names first, then the others in the order in which they were read."""
    more: int
    """Number of further ones. crawl.db keeps 1,000 pages; one beyond these counts each time that it was read."""


class ImageRecord(Readable, Value, tag_field="kind", tag="image", dict=True):
    """The outcome of one image URL, saved or not. A URL has one record."""

    url: Url
    status: ImageStatus
    reason: Slug = ""
    """A slug from :data:`crawler.errors.REASONS`; empty for saved and duplicate."""
    final_url: Text = ""
    """The URL after all redirects."""
    path: Annotated[str, Meta(max_length=MAX_PATH_CHARS)] = ""
    """Path of the file, relative to the crawl's folder, with ``/``; empty if there is none."""
    sha256: Annotated[str, Meta(max_length=64)] = ""
    format: Slug = ""
    """The format that the bytes have: ``jpeg``, ``png``, ``svg`` …"""
    width_px: Pixels = 0
    height_px: Pixels = 0
    size_bytes: Size = 0
    http_status: Small = 0
    content_type: Text = ""
    etag: Text = ""
    last_modified: Text = ""
    page_url: Url = ""
    found_in: Text = ""
    alt: Text = ""
    title: Text = ""
    caption: Text = ""
    heading: Text = ""
    page_title: Text = ""
    instead_of: Url = ""
    alternatives: Alternatives = ()
    replaced_by: Url = ""
    """The URL of the size that was queued in its place, if it could not be fetched."""
    depth: Depth = 0
    attempts: Small = 0
    worker: WorkerId = ""
    elapsed_s: Seconds = 0.0
    finished_at: Moment = ""
    """End of the visit: UTC, ISO 8601."""
    detail: Text = ""
    """The reason in a sentence, for people."""
    dhash: Annotated[str, Meta(pattern="^([0-9a-f]{16})?$")] = ""
    """Difference hash of the pixels, 16 hexadecimal digits: pictures that look alike differ in few bits. Empty without
    pixels (SVG) or structure (one colour).
    """
    incomplete: bool = False
    """The file lacks its end, but no pixel, and was saved because of the setting ``incomplete``."""
    revisit: Revisit = Revisit.NONE
    """What the latest refresh found."""
    revisit_reason: Slug = ""
    """The reason of GONE and FAILED; ``reason`` is that of the record that stands."""
    opt_outs: Annotated[tuple[OptOut, ...], Meta(max_length=MAX_OPT_OUTS)] = ()
    """What its owner says about its use: in robots.txt, tdmrep.json, response headers and the image itself."""
    more_opt_outs: Small = 0
    """Number of further opt-outs, those in metadata too large to be read included."""
    kept_by: KeptBy = ""
    """The folder that holds the file: ``ID MACHINE:FOLDER`` of a worker that keeps images (crawlfile/keepers.py); empty
    for the crawl's own folder or object store; ``?`` if an earlier version did not record it.
    """

    # The crawl's folder is no field: it is neither stored nor sent, nor does it count when records are compared.

    def within(self, folder: Path) -> Self:
        """A copy that knows the crawl's *folder*, for ``file``."""
        copy = msgspec.structs.replace(self)
        copy.__dict__["folder"] = folder.absolute()
        return copy

    @property
    def file(self) -> Path | None:
        """Absolute path of the file; None if this disk has none: the image was not saved, is kept by another machine
        or in an object store, or was removed.

        None as well for a record that neither ``crawl`` nor a ``Catalog`` has yielded.
        """
        from crawler.crawlfile.image_paths import is_image_path, on_disk  # few who handle records need it

        folder: Path | None = self.__dict__.get("folder")
        if folder is None or not is_image_path(self.path):
            return None
        file = folder / on_disk(self.path)
        try:
            status = file.stat()
        except OSError:
            return None
        # another machine may have given the same name to what it keeps
        is_it = not self.kept_by or status.st_size == self.size_bytes
        return file if is_it and stat.S_ISREG(status.st_mode) else None

    @property
    def pages(self) -> ImagePages:
        """MAX_PAGES of the pages on which the image stands, and the number of further ones, as far as crawl.db knows
        them at this moment; just ``page_url`` for a record that neither ``crawl`` nor a ``Catalog`` has yielded.

        It opens crawl.db each time. ``Catalog.pages_of`` is quicker for many records, and has
        all that are kept. Raises as
        ``Catalog``.
        """
        folder: Path | None = self.__dict__.get("folder")
        if folder is None:
            return ImagePages((self.page_url,) if self.page_url else (), 0)
        catalog = import_module("crawler.catalog.image_pages")  # by name, as it imports all records
        return cast("ImagePages", catalog.pages_now(folder, self, most=MAX_PAGES))

    def _brief(self) -> str:
        if not self.path:
            return ""
        return f"{self.path} {self.width_px}x{self.height_px} {self.size_bytes:,} bytes"

    def __copy__(self) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[..., ImageRecord], tuple[Any, ...]]:
        return _image_record, (msgspec.structs.asdict(self), self.__dict__.get("folder"))


def _image_record(fields: dict[str, Any], folder: Path | None) -> ImageRecord:
    """Unpickles a record with its folder."""
    record = ImageRecord(**fields)
    return record if folder is None else record.within(folder)


class PageRecord(Readable, Value, tag_field="kind", tag="page"):
    """The outcome of one page URL."""

    url: Url
    status: PageStatus
    reason: Slug = ""
    final_url: Text = ""
    title: Text = ""
    images: Small = 0
    """Number of image URLs on it, those of other pages included."""
    links: Small = 0
    """Number of pages and style sheets that it links to, those of other pages included."""
    left_out: dict[Slug, Small] = field(default_factory=dict)
    """How much of its content was not read or not taken, by slugs of :data:`crawler.errors.LEFT_OUT`. Links that were
    kept out one by one are not counted here.
    """
    size_bytes: Size = 0
    http_status: Small = 0
    content_type: Text = ""
    page_url: Url = ""
    """The page that linked to it; empty for a seed."""
    found_in: Text = ""
    depth: Depth = 0
    attempts: Small = 0
    worker: WorkerId = ""
    elapsed_s: Seconds = 0.0
    finished_at: Moment = ""
    detail: Text = ""
    etag: Text = ""
    last_modified: Text = ""
    revisit: Revisit = Revisit.NONE
    revisit_reason: Slug = ""
    render: Slug = ""
    """Whether a browser opens it as well, and why not: a key of :data:`RENDERINGS`."""


RENDERINGS = {
    "": "",
    "queued": "it is opened in a browser as well",
    "static": "it has no scripts, which a browser would run",
    "no-gain": "pages of its template were opened in a browser, which brought nothing new",
    "no-browser": "nothing but its scripts speaks for a browser, and there is none; with one, --refresh looks again",
    "never": "no page is to be opened in a browser (--render never)",
}
"""Values of PageRecord.render, and what each means."""

Gains = Annotated[dict[Slug, Small], Meta(max_length=64)]
"""Number of images by the behaviour of the browser that brought them."""


class RenderRecord(Readable, Value, tag_field="kind", tag="render"):
    """The outcome of one page in a browser. Its PageRecord tells what was read without scripts."""

    url: Url
    """The URL, with its fragment if that is a route of a script (``#/about``)."""
    status: RenderStatus
    reason: Slug = ""
    final_url: Text = ""
    title: Text = ""
    images: Small = 0
    """Number of image URLs that reading without scripts does not find."""
    links: Small = 0
    """Number of pages that reading without scripts does not find."""
    gains: Gains = field(default_factory=dict)
    """Number of images that each behaviour brought: ``load``, ``scroll``, ``more`` …"""
    requests: Small = 0
    """Number of requests that were answered, by the network or the renderer's cache, without those for images."""
    left_out: dict[Slug, Small] = field(default_factory=dict)
    """What the page did not get, and what its limits cut off, by slugs of :data:`crawler.errors.LEFT_OUT`."""
    size_bytes: Size = 0
    """Bytes of all answers together."""
    http_status: Small = 0
    page_url: Url = ""
    """The page that linked to it; empty for a seed."""
    found_in: Text = ""
    template: Slug = ""
    signs: Slug = ""
    depth: Depth = 0
    attempts: Small = 0
    worker: WorkerId = ""
    elapsed_s: Seconds = 0.0
    finished_at: Moment = ""
    detail: Text = ""
    revisit: Revisit = Revisit.NONE
    revisit_reason: Slug = ""


Record = ImageRecord | PageRecord | RenderRecord
RECORDS: dict[TaskKind, type[Record]] = {
    TaskKind.IMAGE: ImageRecord,
    TaskKind.PAGE: PageRecord,
    TaskKind.RENDER: RenderRecord,
}
KIND_OF = {record: kind for kind, record in RECORDS.items()}
WORKER_NAMES = {TaskKind.PAGE: "harvester", TaskKind.IMAGE: "downloader", TaskKind.RENDER: "renderer"}
STATUSES: dict[TaskKind, type[ImageStatus | PageStatus | RenderStatus]] = {
    TaskKind.IMAGE: ImageStatus,
    TaskKind.PAGE: PageStatus,
    TaskKind.RENDER: RenderStatus,
}
WORTH_KEEPING = frozenset(
    {ImageStatus.SAVED, ImageStatus.DUPLICATE, PageStatus.HARVESTED, RenderStatus.RENDERED}
)
"""Statuses of records that stand for something, which have no reason."""
_ONLY_OF_RENDERS = ("template", "signs")
ORIGIN_FIELDS: dict[TaskKind, tuple[str, ...]] = {
    TaskKind.IMAGE: tuple(
        name for name in Origin.__struct_fields__ if name not in {"content", *_ONLY_OF_RENDERS}
    ),
    TaskKind.PAGE: ("page_url", "found_in"),
    TaskKind.RENDER: ("page_url", "found_in", *_ONLY_OF_RENDERS),
}
"""Fields of a task's origin that its record keeps. A page's record has the page's own title, not that of the link."""
