"""What the path of an image may look like: pure. download.naming makes them, everyone else holds others to it."""

from __future__ import annotations

import re

ROOT = "images"
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
FORMAT_OF = {name: extension for extension, names in SYNONYMS.items() for name in names}
# what some system does not allow, what is not seen, and what a disk may ignore (ext4 with casefold, HFS+): Unicode's
# Default_Ignorable_Code_Point, without which two names could be one, or a folder's a file's
_ILLEGAL_CHARS = (
    r'\x00-\x1f\x7f-\x9f<>:"/\\|?*\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e'
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff"
)
ILLEGAL = re.compile(f"[{_ILLEGAL_CHARS}]")
_RESERVED_NAMES = r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³])"
RESERVED = re.compile(rf"{_RESERVED_NAMES}(?: *\..*)?", re.IGNORECASE)
"""Names that mean a device to Windows."""
_MAX_PATH_BYTES = 1024
_MAX_NAME_BYTES = 255
_EXTENSIONS = "|".join(FORMAT_OF)
_NAME = rf"(?![. ])(?!{_RESERVED_NAMES}(?: *\.[^/]*)?(?:/|$))[^{_ILLEGAL_CHARS}]{{1,255}}(?<![. ])"
_IMAGE_PATH = re.compile(rf"{ROOT}/(?:{_NAME}/){{0,20}}{_NAME}", re.IGNORECASE)
# a folder of a file's name would stand in that file's way
_FOLDER_LIKE_A_FILE = re.compile(rf"\.(?:{_EXTENSIONS})/", re.IGNORECASE)


def extension_of(path: str) -> str:
    """The extension of the format that the name of *path* stands for (``jpg`` for ``cat.jpeg``); "" for none."""
    return FORMAT_OF.get(path.rpartition(".")[2].casefold(), "")


def is_image_path(path: str) -> bool:
    """Whether *path* could be one that ``naming.image_path`` has made, of whatever URL; never raises.

    It is below ``images/``, has the extension of a format that is kept, no name that begins with a dot, nor any that
    some system does not allow, and no folder that is called like an image.
    """
    return (
        path.startswith(f"{ROOT}/")
        and _IMAGE_PATH.fullmatch(path) is not None
        and extension_of(path) != ""
        and not _FOLDER_LIKE_A_FILE.search(path)
        and _is_short_enough(path)
    )


def _is_short_enough(path: str) -> bool:
    try:
        names = [len(name.encode()) for name in path.split("/")]
    except UnicodeEncodeError:
        return False
    return max(names) <= _MAX_NAME_BYTES and sum(names) + len(names) <= _MAX_PATH_BYTES
