"""Changes that the latest refresh of a crawl has found."""

from __future__ import annotations

from collections.abc import Iterator

from crawler.catalog.database import Catalog
from crawler.models import ImageRecord, Revisit, Value


class Version(Value):
    """What an image URL delivered at one time."""

    path: str
    """Path of the file, which is still there, relative to the crawl's folder."""
    sha256: str
    size_bytes: int
    etag: str
    last_modified: str
    finished_at: str
    """Time of the last visit that found it so, UTC."""


class RecordChange(Value):
    """An image URL that is new, or that the last visit found other than before."""

    url: str
    revisit: Revisit
    """``new``, ``changed``, ``gone`` or ``failed``."""
    detail: str
    """Why it could not be fetched; empty for ``new`` and ``changed``."""
    now: Version
    """Its latest version that is kept."""
    earlier: tuple[Version, ...] = ()
    """Its versions before that, the latest first."""


def changes(catalog: Catalog) -> Iterator[RecordChange]:
    """Every image that the latest refresh found new, changed, gone or failing."""
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
