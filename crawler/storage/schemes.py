"""Which storage a crawl's setting ``storage`` stands for. To add one, add its module and its line here.

A module has ``open_storage(place)``. One that is named by a URL has ``check(config)``, which raises UsageError or
StorageFailed when images could not be kept there, and ``open_shelf(config)``, since its images are not in the crawl's
folder.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from crawler.config import StorageConfig
from crawler.errors import ConfigError, UsageError
from crawler.extras import install
from crawler.storage import Storage, StorageContext, StorageReader
from crawler.text.plain_errors import quoted


class _Module(Protocol):
    def open_storage(self, place: StorageContext) -> Storage: ...


class _ElsewhereModule(_Module, Protocol):
    def check(self, config: StorageConfig) -> None: ...

    def open_shelf(self, config: StorageConfig) -> StorageReader: ...


SCHEMES = {
    "local": "local",
    "manager": "manager",
    "s3": "objects",
    "gs": "objects",
    "az": "objects",
}
_EXTRAS = {"obstore": "object"}
"""Libraries that have to be asked for when installing, and how."""


def open_storage(place: StorageContext) -> Storage:
    """The storage at *place*. Raises UsageError when it can't be used here."""
    return _module(place.config).open_storage(place)


def check(config: StorageConfig) -> None:
    """See that images can be kept, before any is downloaded; for those in the crawl's folder nothing is to be done.

    Takes up to about ten seconds when nothing answers. Raises UsageError and StorageFailed.
    """
    if is_elsewhere(config):
        cast("_ElsewhereModule", _module(config)).check(config)


def open_shelf(config: StorageConfig) -> StorageReader | None:
    """The images of a crawl, for reading; None for those in its folder."""
    return cast("_ElsewhereModule", _module(config)).open_shelf(config) if is_elsewhere(config) else None


def is_elsewhere(config: StorageConfig) -> bool:
    """Whether images are kept neither in the crawl's folder nor in a worker's own."""
    return "://" in config.storage


def _module(config: StorageConfig) -> _Module:
    scheme = config.storage.partition("://")[0]
    if scheme not in SCHEMES:
        raise ConfigError(f"storage = {quoted(config.storage)} won't do; known are {', '.join(SCHEMES)}")
    try:
        return cast("_Module", import_module(f"crawler.storage.{SCHEMES[scheme]}"))
    except ModuleNotFoundError as exc:
        if exc.name not in _EXTRAS:
            raise
        raise UsageError(
            f"the storage {config.storage} takes the library {exc.name}, which is not installed:"
            f" {install(_EXTRAS[exc.name])}"
        ) from exc
