"""The values that travel between the parts of the crawler, on the wire and in the files alike.

All are frozen, and keyword-only to the type checker. Durations end in ``_s`` (seconds), sizes in ``_bytes`` or
``_px``; a moment is only ever ``finished_at``, for people to read: no decision is taken on another machine's clock.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self, dataclass_transform

import msgspec
from msgspec import Meta

from crawler.crawlfile.image_paths import is_image_path, on_disk
from crawler.models.readable import Readable


# for type checkers: what derives from it is frozen as well
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all values: changed by ``msgspec.structs.replace``, never in place."""


# What crosses the wire is bounded here, for whoever decodes it, of a manager or of Redis, and so are rows of crawl.db.
# The bounds are far above what an honest peer says; NaN is within none.
Seconds = Annotated[float, Meta(ge=0, le=1e8)]
"""Of a result: no worker can have a task wait for ever."""
Patience = Annotated[float, Meta(ge=0, le=3600)]
"""That a worker may ask for in a host's name."""
Duration = Annotated[float, Meta(ge=0, le=1e15)]
"""For people to read."""
MAX_COUNT = 2**53
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
"""What a float, as of JSON or Lua, holds exactly."""
Total = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A sum of such, or a number that SQLite has given."""
MAX_SIZE_BYTES = 2**40
Size = Annotated[int, Meta(ge=0, le=MAX_SIZE_BYTES)]
"""Of one image or page, in bytes; eight million of the largest have a sum of 63 bits."""
Pixels = Annotated[int, Meta(ge=0, le=2**31 - 1)]
MAX_DEPTH = 2**24 - 1
Depth = Annotated[int, Meta(ge=0, le=MAX_DEPTH)]
Small = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Slug = Annotated[str, Meta(max_length=100)]
Url = Annotated[str, Meta(max_length=8192)]
"""As urls.MAX_URL_CHARS."""
Text = Annotated[str, Meta(max_length=2**18)]
"""Servers choose how long their headers are, up to http.http1.MAX_HEADER_BYTES."""
MAX_PATH_CHARS = 1024
"""As keys of object stores (see download.naming)."""
Moment = Annotated[str, Meta(max_length=64)]
WorkerId = Annotated[str, Meta(max_length=512)]
KeptBy = Annotated[str, Meta(pattern=r"^(\?|[0-9a-f]{16} [^:\x00-\x1f]{0,255}:[^\x00-\x1f]{0,4096})?$")]
SettingValue = bool | Total | Annotated[float, Meta(ge=0, le=2**63)] | Text | tuple[Text, ...]
"""Of a setting, as JSON has it: within the bounds of config."""
SHOWN_TASKS = 3
SHOWN_URL = 300


class TaskKind(StrEnum):
    PAGE = "page"
    """Fetched by a harvester: an HTML page or a style sheet that images are found in."""
    IMAGE = "image"
    """Fetched by a downloader."""
    RENDER = "render"
    """Opened by a renderer, in a browser: a page once more, for what its scripts make of it."""


class TaskState(StrEnum):
    """Every task is in exactly one of these; their sum only changes when a task is added."""

    READY = "ready"
    DELAYED = "delayed"
    LEASED = "leased"
    DONE = "done"
    DEAD = "dead"


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


class Alternative(Value):
    """Another size of a picture, to be taken when those before it are not to be had."""

    url: Url
    found_in: Text
    """As of an Origin."""
    rule: Slug
    """Why it was not chosen: a key of :data:`ALTERNATIVE_RULES`."""
    content: bytes = b""
    """As of an Origin."""


ALTERNATIVE_RULES = {
    "smaller": "its page, or its URL, says that it is smaller",
    "thumbnail": "it stands in a link to the picture in full",
    "placeholder": "it is shown until the picture has come",
    "type": "it is of a type that is not kept, or not wanted",
    "insecure": "it is asked for by https first, as its page wants it",
    "later": "its page says nothing of sizes, and names it later",
}
"""Why one of several sizes of a picture was preferred to another one, and what that means."""
MAX_ALTERNATIVES = 16
"""Of one picture."""
Alternatives = Annotated[tuple[Alternative, ...], Meta(max_length=4 * MAX_ALTERNATIVES)]


class Purpose(StrEnum):
    """What the images of a crawl are for: it decides which wishes of their owners are obeyed."""

    ARCHIVE = "archive"
    """To be kept and looked at."""
    SEARCH = "search"
    """To be indexed, and found again where they are."""
    TRAIN = "train"
    """To train models, or as input of them."""


MAX_OPT_OUTS = 16
"""Of one image: what is more is counted."""
MAX_OPT_OUT_CHARS = 500


class OptOut(Value):
    """What an owner says of the use of an image, obeyed or not, as it was read."""

    signal: Slug
    """A key of :data:`crawler.opt_outs.purposes.SIGNALS`."""
    place: Annotated[str, Meta(max_length=200)]
    """Where it stands: ``header Content-Usage``, ``robots.txt, line 3``, ``tdmrep.json``, ``xmp plus:DataMining`` …"""
    text: Annotated[str, Meta(max_length=MAX_OPT_OUT_CHARS)]
    """As it stands there, up to so many characters."""
    forbids: Annotated[tuple[Purpose, ...], Meta(max_length=8)] = ()
    """For whom it says no; nobody, for what allows, or names a license."""


class Origin(Value):
    """Where a URL was found, and what its page says of it."""

    page_url: Url
    found_in: Text
    """The rule that found it: ``img``, ``srcset``, ``css``, ``a`` …; of an image all that did, between commas."""
    alt: Text = ""
    title: Text = ""
    caption: Text = ""
    heading: Text = ""
    page_title: Text = ""
    instead_of: Url = ""
    """The URL of another size of the picture, which was tried before and is not to be had."""
    alternatives: Alternatives = ()
    """Other sizes of the picture, the best first; each is a task of its own once all before it have failed for good."""
    content: bytes = b""
    """The bytes of an image that its page holds itself, in a ``data:`` URL; no record keeps them. Of any other URL the
    whole answer, as ``web.packed`` has it: a script of the page has fetched it as data.
    """
    template: Slug = ""
    """Of a page to be rendered: how it is made (see harvest/looks.py). Pages of one template share what is learned."""
    signs: Slug = ""
    """What speaks for rendering it, between commas: keys of :data:`SIGNS`."""


SIGNS = {
    "always": "every page is to be rendered",
    "scripts": "it has scripts",
    "empty": "its body has next to nothing in it but scripts",
    "mount": "it has an empty element in which scripts build pages",
    "noscript": "it says that it needs JavaScript",
    "placeholders": "all its images are placeholders",
    "no-images": "it has scripts, and names no image at all",
    "frame": "it shows a document of another site",
    "hash-route": "its address is one that scripts alone know",
    "route": "a script made the link to it",
}
"""What speaks for rendering a page; all but ``scripts`` do so strongly."""


class NewTask(Value):
    """A URL to visit. The queue keeps one task per kind and URL, however often it is put."""

    kind: TaskKind
    url: Url
    depth: Depth = 0
    """Links away from the seed; an image has the depth of its page."""
    origin: Origin | None = None
    """None for a seed."""
    kept_out_by: Slug = ""
    """What forbids to visit it (``max-depth``, ``nofollow``, a trap …): it is counted, unless its URL is known, and
    not queued.
    """


class Task(Value):
    """A URL on lease. ``(id, serial)`` is the fencing token: no other lease ever has the same pair."""

    id: Total
    serial: Total
    kind: TaskKind
    url: Url
    depth: Depth
    attempt: Small
    """1 for the first lease."""
    origin: Origin | None = None
    host_delay_s: Seconds = 0.0
    """The time from one request to its host to the next, as the queue knows it: with any, each has to wait its turn."""
    known: Record | None = None
    """The record of an earlier visit, in a crawl that is refreshed; None for a URL that has not been visited."""

    @property
    def token(self) -> Token:
        return Token(id=self.id, serial=self.serial)


class Token(Value, array_like=True):
    id: Total
    serial: Total


class Batch(Value):
    """Tasks of one host, leased together: at most ``slots`` of them may be in flight at a time."""

    host: Url
    slots: Small
    tasks: tuple[Task, ...]


class Lease(Value):
    """What a worker got. No batches and not ``drained`` means: nothing is due yet, ask again."""

    batches: tuple[Batch, ...] = ()
    drained: bool = False
    """Nothing is ready, delayed or leased, of any kind: the crawl has ended."""
    halted: Text | None = None
    """Why the queue gives out no more work (a full disk, a stop), or None."""
    cookies: tuple[Cookie, ...] = ()
    """News for the worker: what others were sent since it last heard of any."""
    cookies_seen: Total = 0
    """To be said with the next call: how far these go."""


ASK_AGAIN_S = 0.1
"""After so long one asks the queue again for a file that somebody else fetches, or for a slot of a host that has none
free."""
ROBOTS_TXT = "robots.txt"
MOST_FILE_BYTES = 512 * 1024
"""Of a HostFile."""


class HostFile(Value):
    """What a host says of all that it has (robots.txt and the like), or why it does not: asked for once for a crawl."""

    name: Annotated[str, Meta(max_length=100)]
    """Its path, without the ``/`` it begins with."""
    content: Annotated[bytes, Meta(max_length=MOST_FILE_BYTES)] = b""
    is_cut: bool = False
    """There was more of it."""
    reason: Slug = ""
    """Why it is not to be had: the slug of an error; empty if it is there."""
    detail: Annotated[str, Meta(max_length=2000)] = ""
    http_status: Small = 0
    kept_s: Annotated[float, Meta(ge=0, le=7 * 86400)] = 0.0
    """How long this may go on to count."""
    delay_s: Patience = 0.0
    """What it asks for between two requests."""


class FileAnswer(Value):
    """What the queue says to who needs a HostFile: here it is; or fetch it, for everybody; or ask again, for somebody
    else is fetching it.
    """

    file: HostFile | None = None
    is_yours: bool = False
    again_s: Seconds = 0.0


class Heartbeat(Value):
    """What a worker is told when it gives a sign of life."""

    lost: tuple[Token, ...] = ()
    """What it thinks it holds, and does not any more."""
    paused: bool = False
    """It shall give back what it has not begun; there will be more later."""
    left_alone: tuple[Url, ...] = ()
    """The same, of these hosts (``scheme://host[:port]``): they are in trouble, or ask to be left alone for a while."""
    halted: Text | None = None
    """As in Lease."""


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
    left_out: dict[Slug, Small] = {}
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
    gains: Gains = {}
    """How many images each behaviour of the browser brought: ``load``, ``scroll``, ``more`` …"""
    requests: Small = 0
    """That the page made and that were answered from the network or the renderer's cache; images are none."""
    left_out: dict[Slug, Small] = {}
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


class Cookie(Value):
    """One that a server set (RFC 6265), as all workers of a crawl share it."""

    domain: Annotated[str, Meta(max_length=255)]
    """In lower case, without a leading dot."""
    path: Annotated[str, Meta(max_length=4096)]
    name: Annotated[str, Meta(max_length=4096)]
    value: Annotated[str, Meta(max_length=4096)] = ""
    host_only: bool = False
    """For *domain* alone, not for the hosts below it."""
    secure: bool = False
    """For https only."""
    expires_in_s: Annotated[float, Meta(ge=0, le=1e10)] | None = None
    """None: it is good for as long as the crawl."""
    deleted: bool = False
    """The server took it back."""

    def __repr__(self) -> str:  # its value may be as good as a password
        return f"Cookie(domain={self.domain!r}, path={self.path!r}, name={self.name!r}, value=…)"


class Result(Value):
    """A worker's answer to one task, which is also its acknowledgement.

    With ``retry_in_s`` the task goes back and is due again after that many seconds, unless its attempts are used
    up: then ``record`` stands. Without it the record is final.
    """

    token: Token
    record: Record
    discovered: tuple[NewTask, ...] = ()
    retry_in_s: Seconds | None = None
    """With ``untouched`` that is no attempt."""
    host_pause_s: Patience | None = None
    """The whole host wants to be left alone for so long: its robots.txt is not to be had."""
    refused_for_s: Seconds | None = None
    """The answer was a refusal, whose Retry-After asked for so long; 0 for one without. The URL's own, and evidence of
    how fast its host may be asked: see crawler/queues/throttle.py.
    """
    untouched: bool = False
    """It was not its turn: the task goes back as if it had not been leased."""
    host_delay_s: Patience | None = None
    """What the task's host asks for between two requests (Crawl-delay), 0 if nothing; None when that is not known."""
    cookies: Annotated[tuple[Cookie, ...], Meta(max_length=1000)] = ()
    """What servers have set since the worker's last result."""


class RenderOutcome(Value):
    """What rendering one page brought, told to the queue, for all renderers and harvesters to learn from."""

    task: Total
    found: Annotated[tuple[Annotated[int, Meta(ge=0, le=2**32 - 1)], ...], Meta(max_length=256)] = ()
    """Of each image and link that only rendering found, a hash of its URL (CRC-32); not all, if they are very many."""
    gains: Gains = {}
    """Images by the behaviour that brought them."""
    failed: bool = False
    """It says nothing of its template: the page could not be opened."""


class Verdict(StrEnum):
    UNKNOWN = "unknown"
    """Too few pages of the template have been rendered so far."""
    RENDER = "render"
    SKIP = "skip"
    """Rendering its pages brings nothing."""
    WAIT = "wait"
    """Others are about to find out: ask again in ``again_s`` seconds."""


class TemplateAnswer(Value):
    """What the queue says of a template."""

    verdict: Verdict
    behaviours: Annotated[tuple[Slug, ...], Meta(max_length=64)] | None = None
    """The dear ones that pay for its pages; None: try all."""
    again_s: Seconds = 0.0
    renders: Small = 0
    """How many of its pages have been rendered."""
    has_renderer: bool = True
    """Somebody renders, or will when there is something to render."""


class WorkerState(Value):
    """What a worker says of itself with every call."""

    id: WorkerId
    """Unique per run."""
    kind: TaskKind
    machine: Annotated[str, Meta(max_length=255)] = ""
    """Its host name, which others may share."""
    machine_id: Annotated[str, Meta(max_length=32)] = ""
    """What tells it from these: see crawler/machine_id.py."""
    pid: Count = 0
    version: Annotated[str, Meta(max_length=64)] = ""
    threads: Count = 0
    running: Count = 0
    """Tasks that its threads are at right now."""
    busy: Annotated[tuple[Annotated[str, Meta(max_length=SHOWN_URL)], ...], Meta(max_length=SHOWN_TASKS)] = ()
    """The URLs of some of these, cut to SHOWN_URL characters."""
    done: Count = 0
    received_bytes: Count = 0
    cookies_seen: Total = 0
    """As of its last Lease: which of the crawl's cookies it has heard of."""
    short_of_memory: Count = 0
    """Tasks that wait for memory of its machine."""


class WorkerStatus(WorkerState):
    """A worker as the queue sees it."""

    held: Count = 0
    """Tasks on lease to it: running, waiting in its hand, or with a result on the way."""
    seen_s: Duration = 0.0
    """Seconds since it last said anything."""
    done_per_s: Duration = 0.0
    """Over the last half minute."""


class HostStatus(Value):
    """What waits for one host, and when it is due."""

    name: Url
    """``scheme://host[:port]``"""
    pages: Count = 0
    images: Count = 0
    renders: Count = 0
    """Ready to be leased as soon as the host is due."""
    in_flight: Count = 0
    due_s: Duration = 0.0
    """Seconds until something more may be asked of it (a delay, Retry-After, back-off); 0 for at once."""
    delay_s: Duration = 0.0
    """Between two requests: the longest of what was configured, what the host itself asks for, and the pace that was
    learned from its refusals.
    """
    crawl_delay_s: Duration = 0.0
    """Of that, what the host itself asks for (Crawl-delay)."""
    trouble: Slug = ""
    """``backing off``, ``only errors``, ``down``, ``recovering`` or ``slowed``; empty for one that is well."""
    failures: Count = 0
    """In a row, of one in trouble; of one that is slowed, all of its refusals since it is."""
    last_reason: Slug = ""
    """Of these the latest: a slug from :data:`crawler.errors.REASONS`."""
    trouble_s: Duration = 0.0
    """How long ago they began."""


class Retry(Value):
    """A task that waits to be tried again: of the next ones of a host, the one that is due first."""

    host: Url
    """``scheme://host[:port]``"""
    kind: TaskKind
    due_s: Duration = 0.0
    tries_left: Count = 0
    reason: Slug = ""
    """Why its latest try failed; empty when that is not known any more, or it only was not its turn."""
    http_status: Small = 0


class RunKind(StrEnum):
    CRAWL = "crawl"
    """The first run of a crawl, or one that went on with it."""
    REFRESH = "refresh"
    """Everything was visited once more."""


class RunOutcome(StrEnum):
    FINISHED = "finished"
    """Nothing was left to be done."""
    STOPPED = "stopped"
    """By somebody, or by an error; what was left is for the next run."""
    UNKNOWN = ""
    """It goes on, or it was killed."""


class Run(Value):
    """One run of a crawl: from the start of its manager, or collector, to its end."""

    number: Total
    """1 for the first."""
    begun_at: Moment
    """UTC, ISO 8601."""
    ended_at: Moment = ""
    """The same; empty while it goes on, and if it was killed."""
    kind: RunKind = RunKind.CRAWL
    outcome: RunOutcome = RunOutcome.UNKNOWN
    version: Slug = ""
    """Of this program."""
    settings: dict[Slug, SettingValue] = {}
    """Those of the crawl, by their keys; of a secret one only whether it was given (``"…"``)."""
    notes: tuple[Text, ...] = ()
    """What other settings than those of the run before it meant for what was done already."""


class Counts(Value):
    """Tasks of one kind, by state."""

    ready: Total = 0
    delayed: Total = 0
    leased: Total = 0
    done: Total = 0
    dead: Total = 0

    @property
    def discovered(self) -> int:
        return self.ready + self.delayed + self.leased + self.done + self.dead

    @property
    def unsettled(self) -> int:
        return self.ready + self.delayed + self.leased


class Stats(Value):
    """The queue at a glance."""

    pages: Counts = Counts()
    images: Counts = Counts()
    renders: Counts = Counts()
    page_status: dict[str, Total] = {}
    """Page records by status."""
    image_status: dict[str, Total] = {}
    """Image records by status."""
    page_reasons: dict[str, Total] = {}
    """Reason slugs of pages that were not harvested."""
    image_reasons: dict[str, Total] = {}
    """Reason slugs of images that were not saved."""
    render_status: dict[str, Total] = {}
    """Records of rendered pages by status."""
    render_reasons: dict[str, Total] = {}
    """Reason slugs of pages that were not rendered."""
    dropped: dict[str, Total] = {}
    """How often URLs were found and not queued, by what kept them out."""
    saved_bytes: Total = 0
    workers: tuple[WorkerStatus, ...] = ()
    """Some of them, if they are very many."""
    worker_count: Count = 0
    drained: bool = False
    paused: bool = False
    paused_by: Text = ""
    """Who wanted it so, if that is known: ``alice on host7``."""
    halted: Text | None = None
    """Why no more work is given out."""
    stopped: bool = False
    """Halted because somebody asked for it; nothing is wrong."""
    up_s: Duration = 0.0
    """Since the manager was started; 0 for what is read from a folder."""
    waiting: Annotated[tuple[HostStatus, ...], Meta(max_length=64)] = ()
    """Some hosts that are not asked as fast as we could: in trouble, or with a time between two requests; those with
    the most to do first. crawler/monitoring/wait_reasons.py says in words what these and the following stand for.
    """
    retries: Annotated[tuple[Retry, ...], Meta(max_length=64)] = ()
    """The next tasks that are tried again, one of each host, the one that is due first coming first."""
    held_images: Total = 0
    """Of the delayed ones, those that wait until no page may name a larger size of the same picture."""
    backlogged: bool = False
    """So many images wait that no more pages are read before some of these are done."""
    silent_s: Duration = 0.0
    """So long nobody has answered who watches: all of this is older than that. No queue says so of itself."""

    @property
    def balanced(self) -> bool:
        """Discovered = saved + duplicate + rejected + failed + dead, once nothing is unsettled."""
        return self.images.unsettled == 0 and self.images.discovered == sum(self.image_status.values())


class Status(Stats):
    """The queue in detail, for who operates it."""

    hosts: tuple[HostStatus, ...] = ()
    """Those with the most to do."""
    host_count: Count = 0
    """Hosts with anything to do."""
    pages_per_s: Duration = 0.0
    """Settled, over the last half minute; the other rates as well."""
    images_per_s: Duration = 0.0
    renders_per_s: Duration = 0.0
    saved_bytes_per_s: Duration = 0.0
    mean_pages_per_s: Duration = 0.0
    """The same over all of ``up_s``."""
    mean_images_per_s: Duration = 0.0
    mean_renders_per_s: Duration = 0.0
    mean_saved_bytes_per_s: Duration = 0.0
