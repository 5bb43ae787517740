"""Which paths an image may have: pure. download.naming makes them; all others check what they are sent."""

from __future__ import annotations

import os
import re
from functools import lru_cache

from crawler.crawlfile.file_names import IMAGES_FOLDER

SYNONYMS = {
    "jpg": ("jpg", "jpeg", "jpe", "jfif"),
    "tif": ("tif", "tiff"),
    "png": ("png", "apng"),
    "gif": ("gif",),
    "webp": ("webp",),
    "avif": ("avif",),
    "bmp": ("bmp", "dib"),
    "ico": ("ico",),
    "svg": ("svg",),
    "heic": ("heic", "heif"),
}
"""The extension of each format that is kept, and the others that stand for it."""
MEDIA_TYPES = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "jpe": "image/jpeg", "jfif": "image/jpeg", "png": "image/png",
    "apng": "image/apng", "gif": "image/gif", "webp": "image/webp", "avif": "image/avif", "bmp": "image/bmp",
    "dib": "image/bmp", "ico": "image/x-icon", "svg": "image/svg+xml", "tif": "image/tiff", "tiff": "image/tiff",
    "heic": "image/heic", "heif": "image/heif",
}  # fmt: skip
"""Media types by extension (IANA; and image/x-icon, by which browsers know Windows' icons)."""
FORMAT_OF = {name: extension for extension, names in SYNONYMS.items() for name in names}
# what some system does not allow, what is not seen, and what a disk may ignore (ext4 with casefold, HFS+): Unicode's
# Default_Ignorable_Code_Point, without which two names could be one, or a folder's a file's
ILLEGAL = re.compile(
    r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e'
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff]"
)
RESERVED = re.compile(
    r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?: *\..*)?", re.IGNORECASE
)
"""Names that mean a device to Windows."""
_PLAIN = re.compile(r"[A-Za-z0-9_-]{9,200}\.([A-Za-z]{3,4})")  # without IGNORECASE, which takes twice as long
"""Most names: too long for a device's, and without anything else that has to be looked for."""
_MAX_PATH_BYTES = 1024
_MAX_FOLDERS = 20
_MAX_NAME_BYTES = 255


def on_disk(path: str) -> str:
    """An image's *path* as this Python opens the file. Names on the disk are UTF-8 whatever the locale is, so that a
    folder can be read under another one. Without that, an umlaut cost an image under LC_ALL=C.
    """
    return os.fsdecode(path.encode("utf-8", "surrogateescape"))


def from_disk(path: str) -> str:
    """The reverse of :func:`on_disk`."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def extension_of(path: str) -> str:
    """The extension of the format that the name of *path* stands for (``jpg`` for ``cat.jpeg``); "" for none."""
    stem, _, extension = path.rpartition(".")
    return FORMAT_OF.get(extension.casefold(), "") if stem else ""


def is_image_path(path: str) -> bool:
    """Whether *path* could be one that ``naming.image_path`` has made, of whatever URL; never raises.

    It is below ``images/`` and has the extension of a format that is kept. No name begins with a dot or is forbidden on
    some system. No folder is named like an image, in whose way it would be.
    """
    folder, _, name = path.rpartition("/")
    plain = _PLAIN.fullmatch(name)
    return (
        len(path) <= _MAX_PATH_BYTES  # first: folders are remembered
        and (plain[1].casefold() in FORMAT_OF if plain else extension_of(name) != "" and _is_name(name))
        and _is_folder(folder)
        and (path.isascii() or len(path.encode("utf-8", "replace")) <= _MAX_PATH_BYTES)
    )


def plain_suffix(path: str) -> str | None:
    """The suffix of most paths for which ``is_image_path`` is true; None for all others, and some of these."""
    folder, _, name = path.rpartition("/")
    plain = _PLAIN.fullmatch(name)
    if plain is None or len(path) > _MAX_PATH_BYTES or not (path.isascii() and _is_folder(folder)):
        return None
    suffix = plain[1]
    return suffix if suffix in FORMAT_OF else None


@lru_cache(maxsize=4096)
def _is_folder(path: str) -> bool:
    """Cached, as many images share a folder."""
    root, *folders = path.split("/")
    return (
        root == IMAGES_FOLDER
        and len(folders) <= _MAX_FOLDERS
        and all(_is_name(name) and not extension_of(name) for name in folders)
    )


def _is_name(name: str) -> bool:
    return (
        name != ""
        and name[0] not in ". "
        and name[-1] not in ". "
        and ILLEGAL.search(name) is None
        and RESERVED.fullmatch(name) is None
        and len(name) <= _MAX_NAME_BYTES
        and (name.isascii() or len(name.encode("utf-8", "replace")) <= _MAX_NAME_BYTES)
    )
