"""Folders of crawls that never ran: records of one's choice, in books kept by the real ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile.image_paths import extension_of
from crawler.models import (
    ORIGIN_FIELDS,
    RECORDS,
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    PageRecord,
    PageStatus,
    Record,
    RenderRecord,
    RenderStatus,
    Result,
    TaskKind,
    WorkerState,
)
from crawler.queues.ledger import Ledger

_FORMATS = {"jpg": "jpeg", "tif": "tiff"}
SITE = "http://garden.example"
SEED = f"{SITE}/"


def keep(
    folder: Path,
    *records: Record,
    waiting: Sequence[NewTask] = (),
    leased: bool = False,
    max_pages: int = 100,
    refreshed: Sequence[Record] = (),
) -> Path:
    """Make *folder* a crawl with these records, and with *waiting* to be done, or *leased* to a worker.

    With *refreshed* it was visited once more, and these are what has become of some.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(
        folder / "crawl.db",
        queue=QueueConfig(per_host=1000),
        scope=ScopeConfig(max_pages=max_pages),
        new_run=True,
    )
    try:
        ledger.set_seeds([SEED])
        outcomes = {(_kind(record), record.url): record for record in records}
        for (kind, url), record in outcomes.items():
            ledger.put([NewTask(kind=kind, url=url, depth=record.depth, origin=_origin(record))])
        _settle(ledger, outcomes)
        if refreshed:
            ledger.refresh()
            _settle(ledger, outcomes | {(_kind(record), record.url): record for record in refreshed})
        ledger.put(waiting)
        if leased:
            ledger.lease(
                WorkerState(id="test:slow", kind=TaskKind.IMAGE), count=100, slots=100, wait_s=0, held=()
            )
    finally:
        ledger.close()
    return folder


def _settle(ledger: Ledger, outcomes: Mapping[tuple[TaskKind, str], Record]) -> None:
    for kind in TaskKind:
        worker = WorkerState(id=f"test:{kind}", kind=kind)
        while True:
            lease = ledger.lease(worker, count=100, slots=100, wait_s=0, held=())
            tasks = [task for batch in lease.batches for task in batch.tasks]
            if not tasks:
                break
            ledger.settle([Result(token=task.token, record=outcomes[task.kind, task.url]) for task in tasks])


def saved(folder: Path, url: str, data: bytes, **facts: object) -> ImageRecord:
    """The record of an image that is really there."""
    path = f"images/{url.partition('://')[2]}"
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    known: dict[str, object] = {
        "url": url,
        "status": ImageStatus.SAVED,
        "final_url": url,
        "path": path,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "format": _FORMATS.get(extension_of(path)) or extension_of(path) or "png",
        "width_px": 4,
        "height_px": 3,
        "http_status": 200,
        "content_type": "image/png",
        "page_url": SEED,
        "found_in": "img",
        "attempts": 1,
        "finished_at": "2026-01-02T03:04:05.000000Z",
    }
    return ImageRecord(**{**known, **facts})  # type: ignore[arg-type]


def page(url: str, **facts: object) -> PageRecord:
    return PageRecord(
        **{"url": url, "status": PageStatus.HARVESTED, "http_status": 200, "attempts": 1, **facts}
    )  # type: ignore[arg-type]


def render(url: str, **facts: object) -> RenderRecord:
    return RenderRecord(
        **{
            "url": url,
            "status": RenderStatus.RENDERED,
            "http_status": 200,
            "attempts": 1,
            "template": "f00d/cafe",
            "signs": "scripts,mount",
            **facts,
        }
    )  # type: ignore[arg-type]


def garden(folder: Path) -> Path:
    """A finished crawl with an image of every status."""
    rose = saved(folder, f"{SITE}/i/rose.png", b"rose", alt="A rose", caption="In June")
    fern = saved(folder, f"{SITE}/i/fern.jpg", b"fern fern", format="jpeg", page_url=f"{SITE}/plants.html")
    copy = saved(folder, f"{SITE}/i/rose-again.png", b"rose", status=ImageStatus.DUPLICATE)
    (folder / copy.path).unlink()
    return keep(
        folder,
        page(SEED, title="Home", images=3, links=2),
        page(f"{SITE}/plants.html", title="Plants", page_url=SEED, found_in="a", depth=1),
        page(
            f"{SITE}/gone.html",
            status=PageStatus.FAILED,
            reason="not-found",
            page_url=SEED,
            found_in="a",
            depth=1,
            http_status=404,
        ),
        rose,
        fern,
        ImageRecord(**{**_facts(copy), "path": rose.path}),
        _lost("i/text.png", ImageStatus.REJECTED, "not-an-image", http_status=200, detail="it is HTML"),
        _lost("i/none.png", ImageStatus.FAILED, "not-found", http_status=404, detail="no \x1b[31mred\tink"),
        _lost("i/poison.png", ImageStatus.DEAD, "lease-expired", attempts=5),
    )


def read_json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def _lost(path: str, status: ImageStatus, reason: str, **facts: object) -> ImageRecord:
    known: dict[str, object] = {"page_url": f"{SITE}/plants.html", "found_in": "css", "depth": 1, **facts}
    return ImageRecord(url=f"{SITE}/{path}", status=status, reason=reason, **known)  # type: ignore[arg-type]


def _kind(record: Record) -> TaskKind:
    return next(kind for kind, of_it in RECORDS.items() if isinstance(record, of_it))


def _origin(record: Record) -> Origin | None:
    if isinstance(record, RenderRecord):
        return Origin(**{name: getattr(record, name) for name in ORIGIN_FIELDS[TaskKind.RENDER]})
    return Origin(page_url=record.page_url, found_in=record.found_in) if record.page_url else None


def _facts(record: ImageRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}
