"""Names the file of an image: a readable path from its URL alone.

Two URLs never share a file, and a file is never another one's folder, not even on disks that ignore case or normalise
Unicode. A name is plain when it holds all of its URL, a short query of plain words and numbers included: ``/0?w=1600``
is ``0.w1600.jpg``, ``/cat.jpg?v=2&w=800`` is ``cat.jpg.v=2-w800.jpg``. When anything was changed or left out, the stem
ends in ``~`` and twelve characters of the URL's SHA-256.

That is the layout ``site``. In ``flat`` all files are in one folder, so every stem has that end. In ``hash`` the path
is a digest of the bytes, without the URL.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from functools import lru_cache
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from crawler.crawlfile.file_names import IMAGES_FOLDER
from crawler.crawlfile.image_paths import FORMAT_OF, ILLEGAL, RESERVED, SYNONYMS
from crawler.text.plain_errors import quoted
from crawler.urls import DATA_HOST

_MAX_SEGMENT_BYTES = 200
_MAX_FOLDERS = 12
_MAX_FOLDERS_BYTES = 400
# WHATWG URL, path percent-encode set: what is not encoded in a canonical URL, beside letters and digits
_PATH_SAFE = "!$%&'()*+,-./:;=@[\\]_|~"
_SHORT_NAME = re.compile(r"[^.]{1,6}~\d{1,6}(?:\.[^.]{0,3})?")
"""Windows gives each long name such a short one (``LONGNA~1.JPG``): a file of that name may be another file."""
_SUFFIX = re.compile(r"~[a-z2-7]{12}(?:$|\.)", re.IGNORECASE)
_NUMBERED = "w|h|width|height|wid|hei|imwidth|size|sz|dpr|q|quality|id|page"
"""Parameters whose numbers are readable without ``=``. Not ``v``: ``logo.v2.png`` is a name without a query."""
_SHORT_ITEM = re.compile(rf"({_NUMBERED})=([0-9]{{1,8}})")
_ITEM = re.compile(r"[a-z][a-z_]{0,15}=[a-z0-9_]{0,16}")
_MAX_ITEMS = 5
_TOLD_QUERY = re.compile(
    rf"\.(?:(?:{_NUMBERED})[0-9]{{1,8}}|{_ITEM.pattern})(?:-(?:(?:{_NUMBERED})[0-9]{{1,8}}|{_ITEM.pattern}))*$"
)
"""The end of a stem that holds a query; no other stem may end so."""
_AMBIGUOUS_HOST = re.compile(r"ipv6_.*|.*_\d+(?:_https)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def image_path(url: str, extension: str, *, layout: str = "site", sha256: str = "", version: str = "") -> str:
    """The relative path, with ``/``, of the image at the canonical *url* whose bytes need *extension*.

    ``site``: ``images/<host>/<folders>/<name>.<extension>``, at most 240 bytes each and 900 in all (keys of object
    stores end at 1,024). https on its own port is ``host``, http ``host_80``, other ports ``host_8080`` and, for https,
    ``host_8443_https``. The URL's own extension stays when it stands for the same format (``jpeg`` for ``jpg``). The
    image of a ``data:`` URL is ``images/data/image~<digest>.<extension>``.

    ``flat``: ``images/<name>~<digest>.<extension>``. ``hash``: ``images/ab/cd/<sha256>.<extension>``, which needs
    *sha256*: the same bytes are always at the same path.

    *version* tells apart the images that one URL gave at different times: the stem ends in ``~`` and twelve characters
    more, a digest of URL and version together. (Characters of the version alone would not do: whoever chooses URLs and
    bytes can make them equal the digest of another URL.) So no two pairs of URL and version share a path, nor does a
    pair share one with a URL that has no version. The layout ``hash`` ignores *version*.

    Raises ValueError for an extension of no kept format, an unknown layout, and a malformed SHA-256.

    Example::

        image_path("https://example.org/a/cat.jpeg", "jpg")  # images/example.org/a/cat.jpeg
    """
    if extension not in SYNONYMS:
        raise ValueError(f"{quoted(extension)} is no image extension; known are {', '.join(SYNONYMS)}")
    match layout:
        case "hash":
            if not _SHA256.fullmatch(sha256):
                raise ValueError(f"the layout hash needs a SHA-256, and got {quoted(sha256)}")
            return f"{IMAGES_FOLDER}/{sha256[:2]}/{sha256[2:4]}/{sha256}.{extension}"
        case "site":
            folders, stem, own_extension = _site_path(url, extension)
        case "flat":
            _, stem, own_extension = _site_path(url, extension)
            stem = stem.removesuffix(f"~{_digest(url)}") + f"~{_digest(url)}"
            folders = []
        case _:
            raise ValueError(f"{quoted(layout)} is no layout; known are site, hash, flat")
    if version:
        stem = f"{stem}~{_digest(f'{url} {version}')}"  # no canonical URL has a space
    return "/".join([IMAGES_FOLDER, *folders, f"{stem}.{own_extension}"])


def _site_path(url: str, extension: str) -> tuple[list[str], str, str]:
    """Folders, stem and extension in the layout ``site``."""
    if url.startswith(DATA_HOST):
        return ["data"], f"image~{_digest(url)}", extension
    parts = urlsplit(url)
    host, altered = _host_folder(parts)
    *raw_folders, raw_name = parts.path.removeprefix("/").split("/")
    folders = []
    for raw in raw_folders:
        folder, changed = _readable(raw)
        if FORMAT_OF.get(folder.rpartition(".")[2].casefold()):
            folder, changed = f"{folder}_", True  # only files end like this
        folders.append(folder)
        altered |= changed
    if "" in folders:
        folders, altered = [folder for folder in folders if folder], True
    kept = _shortened(folders)
    name, changed = _readable(raw_name)
    altered |= changed or kept != folders
    told = "" if altered or not name else _told(parts.query)
    if told and len(name) + len(told) < _MAX_SEGMENT_BYTES:
        return [host, *kept], f"{name}.{told}", extension
    stem, own_extension = _split_extension(name, extension)
    altered |= bool(parts.query) or url.endswith("?") or not own_extension or bool(_TOLD_QUERY.search(stem))
    if altered:
        stem = f"{stem}~{_digest(url)}"
    return [host, *kept], stem, own_extension or extension


def _told(query: str) -> str:
    """*query* as a part of a name, or ``""`` where it is too long, or not plain."""
    items = query.split("&", _MAX_ITEMS)
    if len(items) > _MAX_ITEMS or not all(map(_ITEM.fullmatch, items)):
        return ""
    return "-".join(_SHORT_ITEM.sub(r"\1\2", item) if _SHORT_ITEM.fullmatch(item) else item for item in items)


def _host_folder(parts: SplitResult) -> tuple[str, bool]:
    host = parts.hostname or ""
    if ":" in host:
        folder, altered = f"ipv6_{host.replace(':', '-')}", False
    else:
        folder, altered = _readable(host)
        altered |= bool(_AMBIGUOUS_HOST.fullmatch(host))
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    if parts.scheme == "http":
        folder += f"_{port}"
    elif port != _DEFAULT_PORTS["https"]:
        folder += f"_{port}_https"
    return folder or "_", altered


@lru_cache(maxsize=1024)
def _readable(segment: str) -> tuple[str, bool]:
    """A path segment as a file name on any system, and whether that took more than decoding it.

    Cached, as many images share a host and folders.
    """
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        text = segment
    name = unicodedata.normalize("NFC", ILLEGAL.sub("_", text)).strip(" ").rstrip(". ")
    if name.startswith("."):
        name = f"_{name[1:]}"
    if RESERVED.fullmatch(name):
        name = f"_{name}"
    name = _clipped(name, _MAX_SEGMENT_BYTES)
    plain = (
        name == segment.lower() == segment
        if segment.isascii() and "%" not in segment
        else name == text and quote(text, safe=_PATH_SAFE) == segment
    )
    plain = plain and name == unicodedata.normalize("NFC", name.casefold())
    plain = plain and not _SUFFIX.search(name) and not _SHORT_NAME.fullmatch(name)
    return name, not plain


def _split_extension(name: str, extension: str) -> tuple[str, str]:
    """The stem, and the name's own extension if it stands for the format of *extension*, else ``""``."""
    stem, dot, own = name.rpartition(".")
    own_format = FORMAT_OF.get(own.casefold()) if dot else None
    if own_format is None:
        return name or "image", ""
    return stem or "image", own if own_format == extension and stem else ""


def _clipped(text: str, limit_bytes: int) -> str:
    data = text.encode()
    if len(data) <= limit_bytes:
        return text
    return data[:limit_bytes].decode(errors="ignore").rstrip(". ")


def _shortened(folders: list[str]) -> list[str]:
    """*folders* without the middle ones, where they are too many or too long."""
    half = _MAX_FOLDERS // 2
    kept = folders[:half] + folders[-half:] if len(folders) > _MAX_FOLDERS else list(folders)
    while sum(len(folder.encode()) for folder in kept) > _MAX_FOLDERS_BYTES:
        del kept[len(kept) // 2]
    if len(kept) == len(folders):
        return folders
    middle = (len(kept) + 1) // 2
    return [*kept[:middle], "~", *kept[middle:]]


def _digest(url: str) -> str:
    return base64.b32encode(hashlib.sha256(url.encode()).digest())[:12].decode().lower()
