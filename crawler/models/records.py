"""Records: the outcome of each URL, as it is sent, stored and shown."""

from __future__ import annotations

import stat
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

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
    """What became of an image URL. ``discovered`` is the sum of these once a crawl has ended."""

    SAVED = "saved"
    DUPLICATE = "duplicate"
    """The same bytes are already kept, under the path that the record names."""
    REJECTED = "rejected"
    """Not wanted: not an image, truncated, too large; or its owner asks that it be left alone (robots.txt …)."""
    FAILED = "failed"
    """Not fetched: the host, the network or the server said no until the attempts were used up."""
    DEAD = "dead"
    """Every worker that took it vanished: no answer at all after ``max_attempts`` leases."""


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
    """There was none since then, or the crawl has never been refreshed."""
    NEW = "new"
    """Visited for the first time, or nothing had come of the visits before."""
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    """It has other bytes than before; the record of those is kept as history."""
    GONE = "gone"
    """The server has it no longer (404, 410); what was saved before is kept, and so is its record."""
    FAILED = "failed"
    """It was not to be had this time; the same."""


class ImageRecord(Readable, Value, tag_field="kind", tag="image", dict=True):
    """The outcome of one image URL, saved or not: one per URL."""

    url: Url
    status: ImageStatus
    reason: Slug = ""
    """A slug from :data:`crawler.errors.REASONS`; empty for saved and duplicate."""
    final_url: Text = ""
    """After redirects."""
    path: Annotated[str, Meta(max_length=MAX_PATH_CHARS)] = ""
    """Of the file that holds the bytes, relative to the crawl's folder, with ``/``."""
    sha256: Annotated[str, Meta(max_length=64)] = ""
    format: Slug = ""
    """What the bytes are: ``jpeg``, ``png``, ``svg`` …"""
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
    """The URL of the size that was taken on in its place, of one that was not to be had."""
    depth: Depth = 0
    attempts: Small = 0
    worker: WorkerId = ""
    elapsed_s: Seconds = 0.0
    finished_at: Moment = ""
    """UTC, ISO 8601."""
    detail: Text = ""
    """The reason in a sentence, for people."""
    dhash: Annotated[str, Meta(pattern="^([0-9a-f]{16})?$")] = ""
    """Of what it looks like: 16 hexadecimal digits, equal or nearly so for pictures that look alike; empty for those
    that have no pixels (SVG) or no structure (of one colour).
    """
    incomplete: bool = False
    """The file lacks its end, and no pixel: it was saved as the setting ``incomplete`` wants it."""
    revisit: Revisit = Revisit.NONE
    """What became of it when the crawl was refreshed."""
    revisit_reason: Slug = ""
    """For GONE and FAILED, why: as ``reason``, which is that of the record that stands."""
    opt_outs: Annotated[tuple[OptOut, ...], Meta(max_length=MAX_OPT_OUTS)] = ()
    """What its owner says of its use, in robots.txt, tdmrep.json, the answer's headers and the image itself."""
    more_opt_outs: Small = 0
    """How much was said beyond that, or stands in metadata too large to be read."""
    kept_by: KeptBy = ""
    """Which folder holds the file, if not the crawl's own or its object store: ``ID MACHINE:FOLDER``, of a worker that
    keeps images itself (see crawler/crawlfile/keepers.py); ``?`` in a crawl of an earlier version, which did not tell.
    """

    # whoever yields a record knows the folder it is of; it is no field, neither stored nor sent, nor does it count when
    # records are compared

    def within(self, folder: Path) -> Self:
        """The same record, which knows from then on that it is of the crawl in *folder*."""
        found = msgspec.structs.replace(self)
        found.__dict__["folder"] = folder.absolute()
        return found

    @property
    def file(self) -> Path | None:
        """The file that holds the bytes, absolute; None where there is none on this disk: not saved, kept by another
        machine or in an object store, or removed since.

        Only records that ``crawl`` or a ``Catalog`` has yielded know of it.
        """
        from crawler.crawlfile.image_paths import is_image_path, on_disk  # few who handle records need it

        folder: Path | None = self.__dict__.get("folder")
        if folder is None or not is_image_path(self.path):
            return None
        file = folder / on_disk(self.path)
        try:
            found = file.stat()
        except OSError:
            return None
        # another machine may have given the same name to what it keeps
        is_it = not self.kept_by or found.st_size == self.size_bytes
        return file if is_it and stat.S_ISREG(found.st_mode) else None

    def _brief(self) -> str:
        if not self.path:
            return ""
        return f"{self.path} {self.width_px}x{self.height_px} {self.size_bytes:,} bytes"

    def __copy__(self) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[..., ImageRecord], tuple[Any, ...]]:
        return _image_record, (msgspec.structs.asdict(self), self.__dict__.get("folder"))


def _image_record(fields: dict[str, Any], folder: Path | None) -> ImageRecord:
    """What was copied or pickled, with what is no field."""
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
    """Image URLs found on it, repeats of other pages included."""
    links: Small = 0
    """Pages and style sheets found on it, repeats of other pages included."""
    left_out: dict[Slug, Small] = field(default_factory=dict)
    """How much of it was not read or not taken, by a slug of :data:`crawler.errors.LEFT_OUT`; links that are kept out
    for themselves are not among it.
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
    """Whether it is opened in a browser as well, and why, or why not: a key of :data:`RENDERINGS`."""


RENDERINGS = {
    "": "",
    "queued": "it is opened in a browser as well",
    "static": "it has no scripts, which a browser would run",
    "no-gain": "pages of its template were opened in a browser, which brought nothing new",
    "no-browser": "nothing but its scripts speaks for a browser, and there is none; with one, --refresh looks again",
    "never": "no page is to be opened in a browser (--render never)",
}
"""What a page's record says of a browser, and what that means."""


Gains = Annotated[dict[Slug, Small], Meta(max_length=64)]
"""Images by what a browser did for them."""


class RenderRecord(Readable, Value, tag_field="kind", tag="render"):
    """What came of opening one page in a browser; beside the PageRecord, which says what was read without scripts."""

    url: Url
    """With its fragment, where that is a route of a script (``#/about``)."""
    status: RenderStatus
    reason: Slug = ""
    final_url: Text = ""
    title: Text = ""
    images: Small = 0
    """Image URLs that reading the page without scripts does not find."""
    links: Small = 0
    """Pages, the same."""
    gains: Gains = field(default_factory=dict)
    """How many images each behaviour of the browser brought: ``load``, ``scroll``, ``more`` …"""
    requests: Small = 0
    """That the page made and that were answered from the network or the renderer's cache; images are none."""
    left_out: dict[Slug, Small] = field(default_factory=dict)
    """What the page wanted and did not get, and what its limits cut, by a slug of :data:`crawler.errors.LEFT_OUT`."""
    size_bytes: Size = 0
    """Of all answers together."""
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
WORKER_NAMES = {TaskKind.PAGE: "harvester", TaskKind.IMAGE: "downloader", TaskKind.RENDER: "renderer"}
STATUSES: dict[TaskKind, type[ImageStatus | PageStatus | RenderStatus]] = {
    TaskKind.IMAGE: ImageStatus,
    TaskKind.PAGE: PageStatus,
    TaskKind.RENDER: RenderStatus,
}
_ONLY_OF_RENDERS = ("template", "signs")
ORIGIN_FIELDS: dict[TaskKind, tuple[str, ...]] = {
    TaskKind.IMAGE: tuple(
        name for name in Origin.__struct_fields__ if name not in {"content", *_ONLY_OF_RENDERS}
    ),
    TaskKind.PAGE: ("page_url", "found_in"),
    TaskKind.RENDER: ("page_url", "found_in", *_ONLY_OF_RENDERS),
}
"""What a record keeps of its task's origin; a page's own title is another thing than that of a link to it."""
