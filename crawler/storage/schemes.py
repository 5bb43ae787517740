"""Which storage a crawl's setting ``storage`` stands for.

To add one, add here how it is opened, read and checked, and its scheme to the pattern of the setting. Each is imported
when it is asked for: most processes save no images, and not every installation has the library of object stores.
"""

from __future__ import annotations

import hashlib
import platform
import threading
from importlib import import_module
from types import ModuleType

from crawler.config import StorageConfig
from crawler.crawlfile.file_names import CLAIMS
from crawler.errors import UsageError
from crawler.extras import install
from crawler.storage import Storage, StorageContext, StorageReader


def open_storage(context: StorageContext) -> Storage:
    """The storage that the settings in *context* stand for. Raises UsageError when it can't be used here."""
    config = context.config
    if is_object_store(config):
        objects = _objects(config)
        storage: Storage = objects.ObjectStorage(objects.bucket_of(config, context.stop))
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
    if is_object_store(config):
        _objects(config).check(config)


def open_reader(config: StorageConfig) -> StorageReader | None:
    """The images of a crawl, for reading; None for those in its folder."""
    if not is_object_store(config):
        return None
    objects = _objects(config)
    reader: StorageReader = objects.ObjectReader(objects.bucket_of(config, threading.Event()))
    return reader


def is_object_store(config: StorageConfig) -> bool:
    """Whether images are kept neither in the crawl's folder nor in a worker's own."""
    return "://" in config.storage


def _objects(config: StorageConfig) -> ModuleType:
    try:
        return import_module("crawler.storage.objects")
    except ModuleNotFoundError as exc:
        if exc.name != "obstore":
            raise
        raise UsageError(
            f"the storage {config.storage} takes the library {exc.name}, which is not installed: {install('object')}"
        ) from exc
