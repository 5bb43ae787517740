"""Where an image goes: a path that people can read, from its URL alone.

Two URLs never share a file, nor is a file ever another one's folder, not even on disks that ignore case or
normalise Unicode. A name is plain when it says all of its URL; whenever anything was changed or left out in
making it, the stem ends in ``~`` and twelve characters of the URL's SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from crawler.urls import DATA_HOST

_ROOT = "images"
_SYNONYMS = {
    "jpg": ("jpg", "jpeg", "jpe", "jfif"),
    "tif": ("tif", "tiff"),
    "png": ("png", "apng"),
    "gif": ("gif",),
    "webp": ("webp",),
    "avif": ("avif",),
    "bmp": ("bmp", "dib"),
    "ico": ("ico",),
    "svg": ("svg",),
}
_FORMAT_OF = {name: extension for extension, names in _SYNONYMS.items() for name in names}
_MAX_SEGMENT_BYTES = 200
_MAX_FOLDERS = 12
_MAX_FOLDERS_BYTES = 600
# WHATWG URL, path percent-encode set: what is not encoded in a canonical URL, beside letters and digits
_PATH_SAFE = "!$%&'()*+,-./:;=@[\\]_|~"
_ILLEGAL = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_SUFFIX = re.compile(r"~[a-z2-7]{12}(?:$|\.)", re.IGNORECASE)
_AMBIGUOUS_HOST = re.compile(r"ipv6_.*|.*_\d+(?:_https)?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def image_path(url: str, extension: str) -> str:
    """The relative path, with ``/``, of the image at a canonical *url* whose bytes call for *extension*.

    ``images/<host>/<folders>/<name>.<extension>``, at most 240 bytes each and 1,100 in all. https on its own
    port is ``host``, http ``host_80``, other ports ``host_8080`` and, for https, ``host_8443_https``. The
    URL's own extension stays when it stands for the same format (``jpeg`` for ``jpg``).

    What a page holds itself (``data:``) is ``images/data/image~<digest>.<extension>``.

    Raises ValueError for an extension that no kept format has.
    """
    if extension not in _SYNONYMS:
        raise ValueError(f"{extension!r} is no image extension; known are {', '.join(_SYNONYMS)}")
    if url.startswith(DATA_HOST):
        return f"{_ROOT}/data/image~{_digest(url)}.{extension}"
    parts = urlsplit(url)
    host, altered = _host_folder(parts)
    *raw_folders, raw_name = parts.path.removeprefix("/").split("/")
    altered |= bool(parts.query) or url.endswith("?")
    folders = []
    for raw in raw_folders:
        folder, changed = _readable(raw)
        if _FORMAT_OF.get(folder.rpartition(".")[2].casefold()):
            folder, changed = f"{folder}_", True  # only files end like this
        folders.append(folder)
        altered |= changed
    if "" in folders:
        folders, altered = [folder for folder in folders if folder], True
    kept = _shortened(folders)
    name, changed = _readable(raw_name)
    stem, own_extension = _split_extension(name, extension)
    altered |= changed or kept != folders or not own_extension
    if altered:
        stem = f"{stem}~{_digest(url)}"
    return "/".join([_ROOT, host, *kept, f"{stem}.{own_extension or extension}"])


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


def _readable(segment: str) -> tuple[str, bool]:
    """A segment of a URL's path as a file name of any system, and whether that took more than decoding it."""
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        text = segment
    name = unicodedata.normalize("NFC", _ILLEGAL.sub("_", text)).strip(" ").rstrip(". ")
    if name.startswith("."):
        name = f"_{name[1:]}"
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    name = _clipped(name, _MAX_SEGMENT_BYTES)
    plain = (
        name == segment.lower() == segment
        if segment.isascii() and "%" not in segment
        else name == text and quote(text, safe=_PATH_SAFE) == segment
    )
    plain = plain and name == unicodedata.normalize("NFC", name.casefold()) and not _SUFFIX.search(name)
    return name, not plain


def _split_extension(name: str, extension: str) -> tuple[str, str]:
    """The stem, and the name's own extension if it stands for the format of *extension*, else ``""``."""
    stem, dot, own = name.rpartition(".")
    own_format = _FORMAT_OF.get(own.casefold()) if dot else None
    if own_format is None:
        return name or "image", ""
    return stem or "image", own if own_format == extension and stem else ""


def _clipped(text: str, limit_bytes: int) -> str:
    data = text.encode()
    if len(data) <= limit_bytes:
        return text
    return data[:limit_bytes].decode(errors="ignore").rstrip(". ")


def _shortened(folders: list[str]) -> list[str]:
    """*folders* without those in the middle, where they are too many or too long in all."""
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
