"""Which storage a crawl's setting ``storage`` stands for.

A module is imported when its storage is asked for: most processes save no images, and not every installation has the
library of object stores.
"""

from __future__ import annotations

import hashlib
import platform
from importlib import import_module
from typing import Any, NamedTuple

from crawler.config import StorageConfig
from crawler.crawlfile.file_names import CLAIMS
from crawler.errors import UsageError
from crawler.extras import install
from crawler.storage import Storage, StorageContext, StorageReader


class _Scheme(NamedTuple):
    module: str
    """It has ``open_storage``, ``open_reader`` and ``check``; see storage/objects.py."""
    library: str
    """What the module takes, and the extra that brings it."""
    extra: str


SCHEMES = dict.fromkeys(("s3", "gs", "az"), _Scheme("crawler.storage.objects", "obstore", "object"))
"""The one place to add a storage that all machines reach by a URL, by the scheme of that."""


def open_storage(context: StorageContext) -> Storage:
    """The storage that the settings in *context* stand for. Raises UsageError when it can't be used here."""
    config = context.config
    if config.url:
        storage: Storage = _module(config).open_storage(config, context.stop)
        return storage
    if config.storage == "manager" and context.inbox is not None:
        from crawler.storage.manager import ManagerStorage

        return ManagerStorage(context.inbox())
    from crawler.storage.local import LocalStorage

    claims = CLAIMS if context.inbox is None else f"{_machine_name()}-{CLAIMS}"
    storage = LocalStorage(
        context.folder, fsync=config.fsync, min_free_bytes=config.min_free_bytes, claims=claims
    )
    if context.inbox is not None:
        storage.renew_claims()
    return storage


def _machine_name() -> str:
    """Stands for this machine in a folder that several machines may have mounted."""
    return hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:8]


def check(config: StorageConfig) -> None:
    """Find out that images can be kept, before any is downloaded; a crawl's own folder needs no check.

    Takes up to about ten seconds when nothing answers. Raises UsageError and StorageFailed.
    """
    if config.url:
        _module(config).check(config)


def open_reader(config: StorageConfig) -> StorageReader | None:
    """The images of a crawl, for reading; None for those in its folder."""
    if not config.url:
        return None
    reader: StorageReader = _module(config).open_reader(config)
    return reader


def _module(config: StorageConfig) -> Any:
    scheme = SCHEMES[config.url.partition("://")[0]]
    try:
        return import_module(scheme.module)
    except ModuleNotFoundError as exc:
        if exc.name != scheme.library:
            raise
        raise UsageError(
            f"the storage {config.url} takes the library {exc.name}, which is not installed: {install(scheme.extra)}"
        ) from exc
