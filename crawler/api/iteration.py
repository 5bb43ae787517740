"""The iterator that ``crawler.crawl`` returns, for ``for`` and for ``async for``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Self

from crawler.models import ImageRecord


class Records(Iterator[ImageRecord]):
    """The records of a crawl, as they come, for ``for`` and ``async for`` (asyncio); the crawl starts with the first.

    Leaving the loop, cancelling its task, or ``close`` stops the crawl cleanly: workers finish what they have begun,
    and nothing is lost. With asyncio a thread watches over the crawl, so that the event loop goes on with other tasks.
    """

    def __init__(self, found: Generator[ImageRecord]) -> None:
        self._found = found

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ImageRecord:
        return next(self._found)

    def close(self) -> None:
        """Stop the crawl if it runs, and wait until it has stopped."""
        self._found.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aiter__(self) -> AsyncGenerator[ImageRecord]:
        thread = ThreadPoolExecutor(1, thread_name_prefix="crawl")
        loop = asyncio.get_running_loop()
        try:
            # whoever is cancelled while it waits leaves a call behind that ends by itself, before the next begins
            while (record := await loop.run_in_executor(thread, next, self._found, None)) is not None:
                yield record
        finally:
            closed = loop.run_in_executor(thread, self.close)
            thread.shutdown(wait=False)  # it ends once it has done so, which the interpreter's exit waits for
            await _done(closed)


async def _done(future: asyncio.Future[None]) -> None:
    """Wait for it, even if that is cancelled: then be so once it is done. A second time is meant."""
    try:
        await asyncio.shield(future)
    except asyncio.CancelledError:
        with suppress(asyncio.CancelledError):
            await asyncio.shield(future)
        raise
