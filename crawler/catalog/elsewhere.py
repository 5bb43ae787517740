"""Files of a crawl that are not in its folder: those that other machines keep, and those that are gone."""

from __future__ import annotations

import os

from crawler.catalog.database import Catalog
from crawler.crawlfile.columns import sane_size
from crawler.crawlfile.image_paths import on_disk
from crawler.crawlfile.keepers import UNTOLD, Here, Keeper, keeper_of
from crawler.models import Value


class KeeperSum(Value):
    """The files in one folder of a worker on another machine."""

    machine: str
    """The host name, which other machines may share."""
    folder: str
    """The absolute path on that machine; empty if an earlier version did not record it."""
    id: str
    """The id of the folder; empty if an earlier version did not record it."""
    files: int
    size_bytes: int


class Expected:
    """Which files the folder of *catalog* on this machine should have, by their keepers."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._here = Here(catalog.folder)
        self._named: dict[str, bool] = {}

    def here(self, keeper: Keeper) -> bool:
        """Whether the folder should have the files of *keeper*.

        One of which only the machine's name is known may be this machine, named otherwise: then its first file is here.
        """
        if keeper.id or self._here.keeps(keeper):
            return self._here.keeps(keeper)
        machine, folder = keeper.machine, self._catalog.folder
        if machine not in self._named:
            paths = self._catalog.rows(
                "SELECT CAST(path AS BLOB) FROM images WHERE status = 'saved' AND path != ''"
                " AND substr(worker, 1, ?) = ? ORDER BY seq LIMIT 1",
                (len(machine) + 1, f"{machine}:"),
            )
            self._named[machine] = any((folder / os.fsdecode(path)).is_file() for (path,) in paths)
        return self._named[machine]


def elsewhere(catalog: Catalog) -> tuple[KeeperSum, ...]:
    """The sums by folder, those with the most files first; empty if no other machine keeps files."""
    expected = Expected(catalog)
    kept_by = "kept_by" if catalog.has("kept_by") else f"'{UNTOLD}'"
    # as bytes, which any value can be read as
    rows = catalog.rows(
        "SELECT CAST(keeper AS BLOB), CAST(worker AS BLOB), count(*), sum(size) FROM ("  # noqa: S608 - our own
        f"SELECT {kept_by} AS keeper, worker, {sane_size('size_bytes')} AS size FROM images WHERE status = 'saved')"
        f" WHERE keeper != '' GROUP BY keeper, iif(keeper = '{UNTOLD}', worker, '')"
    )
    sums: dict[Keeper, list[int]] = {}
    named: dict[str, Keeper] = {}
    for text, worker, files, size_bytes in rows:
        keeper = keeper_of(text.decode("utf-8", "replace"), worker.decode("utf-8", "replace"))
        if expected.here(keeper):
            continue
        # a folder that several machines have mounted has many names
        one = named.setdefault(keeper.id, keeper) if keeper.id else keeper
        so_far = sums.setdefault(one, [0, 0])
        so_far[0] += files
        so_far[1] += size_bytes
    return tuple(
        KeeperSum(machine=keeper.machine, folder=keeper.folder, id=keeper.id, files=files, size_bytes=size)
        for keeper, (files, size) in sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    )


def gone(catalog: Catalog) -> tuple[int, str]:
    """How many files that were saved in the folder of *catalog* are not there any more, and the path of the first."""
    expected = Expected(catalog)
    kept_by = "kept_by" if catalog.has("kept_by") else f"'{UNTOLD}'"
    rows = catalog.rows(
        f"SELECT CAST(path AS TEXT), CAST({kept_by} AS TEXT), CAST(worker AS TEXT) FROM images"  # noqa: S608 - our own
        " WHERE status = 'saved' AND path != '' ORDER BY seq"
    )
    is_here: dict[tuple[str, str], bool] = {}
    folder, count, first = f"{catalog.folder}{os.sep}", 0, ""
    for path, keeper, worker in rows:
        by = (keeper, worker if keeper == UNTOLD else "")
        if (here := is_here.get(by)) is None:
            here = is_here[by] = expected.here(keeper_of(keeper, worker))
        if here and not os.path.lexists(folder + on_disk(path)):
            count += 1
            first = first or path
    return count, first
