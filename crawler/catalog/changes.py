"""What a refreshed crawl found to be another than before."""

from __future__ import annotations

from collections.abc import Iterator

from crawler.catalog.database import Catalog
from crawler.models import ImageRecord, Revisit, Value


class Version(Value):
    """What an image URL gave once."""

    path: str
    """Where its bytes still are, relative to the crawl's folder."""
    sha256: str
    size_bytes: int
    etag: str
    last_modified: str
    finished_at: str
    """When it was last seen to be so, UTC."""


class RecordChange(Value):
    """An image URL that is new, or whose last visit did not find what the one before had found."""

    url: str
    revisit: Revisit
    """``new``, ``changed``, ``gone`` or ``failed``."""
    detail: str
    """Why it was not to be had; empty for the others."""
    now: Version
    """What is kept of it: its latest bytes."""
    earlier: tuple[Version, ...] = ()
    """What it gave before these, the latest first."""


def changes(catalog: Catalog) -> Iterator[RecordChange]:
    """Every image that the latest refresh found new, changed, gone or failing; unchanged ones are not listed."""
    wanted = "revisit NOT IN ('', 'unchanged') AND status IN ('saved', 'duplicate')"
    for record in catalog.where(ImageRecord, wanted):
        yield RecordChange(
            url=record.url,
            revisit=record.revisit,
            detail=record.detail,
            now=version(record),
            earlier=tuple(version(before) for before in catalog.history(record.url)),
        )


def version(record: ImageRecord) -> Version:
    return Version(**{name: getattr(record, name) for name in Version.__struct_fields__})
