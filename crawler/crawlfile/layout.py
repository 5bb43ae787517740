"""The folder of a crawl: what lies in it, its lock, and how others find the crawl that runs there."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crawler.config import Config, to_toml
from crawler.crawlfile import file_names
from crawler.errors import FolderError, StorageFull
from crawler.text.plain_errors import plain
from crawler.urls import show_address

_SEEDS_SHOWN = 100
_LOCK_PATIENCE_S = 5.0  # for a predecessor that was killed a moment ago


class CrawlFolder:
    """The folder at *path*. Nothing is created before ``prepare``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = path / file_names.DATABASE
        self.settings = path / file_names.SETTINGS_FILE
        self.images = path / file_names.IMAGES_FOLDER
        self.index = path / file_names.INDEX_FOLDER
        self.gallery = path / file_names.GALLERY
        self._lock = path / file_names.LOCK
        self._address = path / file_names.ADDRESS
        self.authkey = path / file_names.AUTHKEY

    @property
    def holds_a_crawl(self) -> bool:
        return self.ledger.is_file()

    def prepare(self) -> None:
        """Create the folder. Raises FolderError if it can't hold a crawl."""
        if self.path.exists() and not self.path.is_dir():
            raise FolderError(f"the output folder {self.path} is a file; choose another with -o")
        if not self.holds_a_crawl and (self.images.exists() or self.index.exists()):
            raise FolderError(
                f"{self.path} has an images folder that belongs to no crawl; choose another folder with -o"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise FolderError(
                f"can't make the output folder {self.path}: {plain(exc)}; choose another with -o"
            ) from exc

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock, which the system releases however the process ends.

        Raises FolderError if another process holds it.
        """
        from filelock import FileLock, Timeout  # slow to come, and who only looks at a folder does without

        lock = FileLock(self._lock, timeout=_LOCK_PATIENCE_S, thread_local=False)
        try:
            lock.acquire()
        except Timeout as exc:
            raise FolderError(
                f"{self.path} is in use by a running crawl; wait for it, or stop it first"
            ) from exc
        except OSError as exc:
            raise FolderError(
                f"can't write to the output folder {self.path}: {plain(exc)}; choose another with -o"
            ) from exc
        try:
            yield
        finally:
            lock.release()

    def wipe(self) -> None:
        """Remove everything that a crawl has made here. The folder holds a crawl, and the caller holds its lock."""
        for tree in (self.images, self.index, self.gallery):
            shutil.rmtree(tree, ignore_errors=True)
        for suffix in ("", "-wal", "-shm"):
            self.ledger.with_name(self.ledger.name + suffix).unlink(missing_ok=True)
        self.settings.unlink(missing_ok=True)

    def publish(self, address: tuple[str, int], authkey: bytes) -> None:
        """Write the address and the key (ASCII) of the manager, by which processes of the same user join."""
        _write_secret(self.authkey, authkey.decode("ascii"))
        _write_secret(self._address, show_address(address))

    def publish_url(self, url: str) -> None:
        """Write the *url* (ASCII) of the queue in Redis, login included, by which processes of the same user join."""
        _write_secret(self._address, url)

    def unpublish(self) -> None:
        for file in (self._address, self.authkey):
            file.unlink(missing_ok=True)

    def address(self) -> str:
        """``HOST:PORT`` of the manager of the crawl that runs here, or the URL of its queue.

        Raises FolderError when none does.
        """
        try:
            return self._address.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise FolderError(f"no crawl runs in {self.path}; start it with image-crawler crawl") from exc

    def write_settings(self, config: Config, seeds: tuple[str, ...]) -> None:
        header = (
            "The settings of this crawl's last run; inspect --runs has those of each.\nSeeds:\n"
            + "\n".join(f"  {seed}" for seed in seeds[:_SEEDS_SHOWN])
        )
        if len(seeds) > _SEEDS_SHOWN:
            header += f"\n  and {len(seeds) - _SEEDS_SHOWN:,} more"
        with _explained(self.settings):
            self.settings.write_text(to_toml(config, header=header), encoding="utf-8")


def _write_secret(file: Path, text: str) -> None:
    with _explained(file):
        file.unlink(missing_ok=True)  # one that others may read would stay so
        file.touch(mode=0o600)
        file.write_text(text + "\n", encoding="ascii")


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """An OSError about *file* is StorageFull, or else a FolderError."""
    try:
        yield
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull(
                f"no room for {file} ({plain(exc)}); free some space and run the same command again"
            ) from exc
        raise FolderError(f"can't write {file}: {plain(exc)}") from exc
