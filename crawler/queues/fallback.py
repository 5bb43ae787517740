"""The next best size of a picture, in place of an image that failed."""

from __future__ import annotations

import msgspec

from crawler.models import ImageRecord, ImageStatus, NewTask, Origin, Record, TaskKind, image_words

_IN_VAIN = {ImageStatus.REJECTED, ImageStatus.FAILED, ImageStatus.DEAD}


def with_next_size(record: Record) -> tuple[Record, NewTask | None]:
    """*record* as it is kept once its task is settled, and the task that takes its place.

    That is the first alternative of a failed image, if it has any; the others travel on with it. The kept record names
    it, and no longer has the bytes of data: URLs.
    """
    if not isinstance(record, ImageRecord) or not record.alternatives:
        return record, None
    without_bytes = tuple(msgspec.structs.replace(other, content=b"") for other in record.alternatives)
    kept = msgspec.structs.replace(record, alternatives=without_bytes)
    if record.status not in _IN_VAIN:
        return kept, None
    first, *others = record.alternatives
    task = NewTask(
        kind=TaskKind.IMAGE,
        url=first.url,
        depth=record.depth,
        origin=Origin(
            found_in=first.found_in,
            instead_of=record.url,
            alternatives=tuple(others),
            content=first.content,
            **{name: getattr(record, name) for name in ("page_url", *image_words.NAMES)},
        ),
    )
    return msgspec.structs.replace(kept, replaced_by=first.url), task
