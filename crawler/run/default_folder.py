"""Where a crawl lives that was given no folder: ``data/<host>``, ``data/<host>_<path>``, ``data/<name of a list>``.

The name is made of the first seed, for people to foresee; ``_and_2_more`` is behind it where there are others. Two
crawls never share a folder: where another one has it already, ``~`` and eight characters that stand for our own seeds
are behind the name. The same command finds its crawl again by what crawl.db says of it, in whichever of these it is.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from crawler.catalog.database import Catalog
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import CrawlerError, FolderError
from crawler.seeds import Seed, whole
from crawler.urls import host_key

DATA = Path("data")
_MOST_CHARS = 100
"""Of a name; file systems have room for 255 bytes, and images lie deeper."""
_HASH_BYTES = 5
_UNFIT = re.compile(r"[^A-Za-z0-9.-]+")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|_|$)", re.IGNORECASE)
"""What Windows takes for a device, whatever comes behind the first dot."""
_OF_LISTS = re.compile(r"\.(?:txt|csv|tsv|jsonl|ndjson|json|list|urls|gz)$", re.IGNORECASE)


def home(seeds: Sequence[Seed], lists: Sequence[Path] = (), *, data: Path = DATA) -> Path:
    """The folder of the crawl from *seeds*, and of what is in *lists*: that in which it was begun, or a free one.

    Raises FolderError when none can be named after them.
    """
    names = [*_names(seeds, lists)]
    for name in names:
        if _is_ours(data / name, seeds, lists):
            return data / name
    # the last of them is what earlier versions would have taken
    return next(
        (data / name for name in names[:-1] if not CrawlFolder(data / name).holds_a_crawl), data / names[0]
    )


def remote_home(seeds: Sequence[str], crawl: str, *, data: Path = DATA) -> Path:
    """The folder in which another machine keeps images of the crawl with that id: named as the crawl's own would be.

    Raises FolderError, or SeedError, for seeds of a manager that name no folder.
    """
    if seeds:
        return home([whole(seed) for seed in seeds], data=data)
    return data / f"list~{_hash(crawl.partition('-')[0])}"


def _names(seeds: Sequence[Seed], lists: Sequence[Path]) -> Iterator[str]:
    """What the folder may be called, the best first."""
    if seeds:
        first = seeds[0].urls[-1]  # without the port that a scheme has anyway
        legacy = host_key(first).partition("//")[2].replace(":", "_").replace("[", "").replace("]", "")
        if not legacy.strip("._"):  # a manager says what its seeds are, and ``..`` is a host to browsers
            raise FolderError(f"no folder can be named after {first}; choose one with -o")
        more = f"_and_{len(seeds) - 1}_more" if len(seeds) > 1 else ""
        name = _fit(f"{legacy}{_path_of(first)}")[: _MOST_CHARS - len(more)].rstrip(".") + more
    else:
        legacy = name = _fit(_name_of_list(lists[0]))
        if not name.strip("._-"):
            raise FolderError(f"no folder can be named after {lists[0]}; choose one with -o")
    if _RESERVED.match(name):
        name = f"_{name}"
    yield name
    begins_with = [*sorted(seed.urls[0] for seed in seeds), *sorted(map(str, lists))]
    for variant in range(9):
        yield f"{name}~{_hash(*begins_with, *[''] * variant)}"
    yield legacy


def _hash(*words: str) -> str:
    text = "\n".join(words).encode(errors="surrogatepass")
    return base64.b32encode(hashlib.blake2b(text, digest_size=_HASH_BYTES).digest()).decode().lower()


def _path_of(url: str) -> str:
    """What comes behind the host, with ``_`` in front of each part; empty for the root of a site."""
    parts = urlsplit(url)
    told = [*unquote(parts.path).split("/"), unquote(parts.query)]
    return "".join(f"_{fit}" for part in told if (fit := _UNFIT.sub("-", part).strip(".-")))


def _name_of_list(path: Path) -> str:
    name = path.name
    while (shorter := _OF_LISTS.sub("", name)) != name:
        name = shorter
    return name


def _fit(name: str) -> str:
    """*name* of what every file system takes: ASCII, no dot at its end."""
    return _NOT_PLAIN.sub("-", name)[:_MOST_CHARS].rstrip(".")


def _is_ours(folder: Path, seeds: Sequence[Seed], lists: Sequence[Path]) -> bool:
    """Whether the crawl in *folder* is the one from *seeds* and *lists*; one that can't be read may be."""
    if not CrawlFolder(folder).holds_a_crawl:
        return False
    try:
        with Catalog(folder) as catalog:
            known, listed = catalog.seeds(), catalog.lists()
    except CrawlerError:  # whoever opens it in earnest says what is wrong
        return True
    if not known and not listed:
        return True  # it was killed before it had begun
    if lists:
        return {str(path) for path in lists} <= set(listed) and all(seed.known(known) for seed in seeds)
    return {seed.known(known) for seed in seeds} == set(known)
