"""The crawl's own storage, for workers on other machines: they send images to the manager's inbox, in parts."""

from __future__ import annotations

import secrets

from crawler.errors import StorageFailed, UploadLost
from crawler.storage import Chunk, Inbox

PART_BYTES = 2**20
_TRIES = 5


class ManagerStorage:
    """A Storage behind *inbox*; see :class:`crawler.storage.Storage` for what it promises.

    Sends an image in parts of at most PART_BYTES, and stops once the image is known to be kept. Raises QueueError, too.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def save(self, path: str, data: bytes, *, sha256: str) -> str:
        upload = secrets.token_hex(16)
        lost: UploadLost | None = None
        for _ in range(_TRIES):
            try:
                return self._send(upload, path, data, sha256)
            except UploadLost as exc:
                lost = exc
        raise StorageFailed(
            f"the manager has lost parts of {path} at each of {_TRIES} tries to send it ({lost}); see to the"
            " machine that it runs on and start the crawl again"
        ) from lost

    def has(self, path: str, *, size_bytes: int) -> bool:
        return self._inbox.has(path, size_bytes)

    def _send(self, upload: str, path: str, data: bytes, sha256: str) -> str:
        for offset in range(0, max(len(data), 1), PART_BYTES):
            part = data[offset : offset + PART_BYTES]
            holder = self._inbox.store(
                Chunk(upload=upload, path=path, sha256=sha256, size_bytes=len(data), offset=offset, data=part)
            )
            if holder:
                return holder
        raise UploadLost(f"all parts of {path} were taken, and it is not kept")
