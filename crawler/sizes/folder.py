"""Marks of sizes in folders of the path, server by server."""

from __future__ import annotations

import re
from collections.abc import Iterator

from crawler.sizes.place import Found, Place, is_google, px_of, px_of_box

_FOLDER_BOX = re.compile(r"(\d{1,5})x(\d{1,5})")
_DIGIT = re.compile(r"[0-9]")
_NUMBER = re.compile(r"[0-9]{1,5}")
_PXIMG_BOX = re.compile(r"(\d{1,5})x(\d{1,5})(?:_[a-z0-9]{1,8}){0,4}")
_BEFORE_BOX = {"fit-in", "full-fit-in", "adaptive-fit-in", "resize", "c"}
"""thumbor (https://thumbor.readthedocs.io/en/latest/usage.html), pximg ``/c/300x200/``."""
_THUMBOR_HMAC = re.compile(r"[\w-]{27}=")
_CLOUDINARY = re.compile(
    r"[wh]_\d{1,5}|c_[a-z_]{3,20}|g_[a-z_:]{2,30}|dpr_(?:auto|[1-5](?:\.\d)?)|fl_[a-z_.:]{2,30}"
    r"|q_(?:auto(?::[a-z]+)?|\d{1,3})|f_(?:auto|jpg|png|webp|avif|gif)"
)
"""https://cloudinary.com/documentation/transformation_reference"""
_CLOUDINARY_SIGNATURE = re.compile(r"s--[\w-]{8,32}--")
_BLOGGER = re.compile(r"(?:s|w)(\d{2,5})(?:-h(\d{2,5}))?(?:-[a-z0-9]{1,12}){0,8}")
_PICASA_PX = {320, 400, 512, 576, 640, 720, 800, 912, 1024, 1152, 1280, 1440, 1600, 2048}
"""Values of ``/s1600/`` on hosts that are not known for it: elsewhere ``/s20/`` is a series, or a season."""
_DRUPAL_STYLE = re.compile(r"(?:[a-z]+_){0,4}(\d{2,5})x(\d{2,5})(?:_[a-z]+){0,4}")
"""``max_1300x1300`` and the like: https://www.drupal.org/docs/8/core/modules/image"""
_IMGPROXY = re.compile(
    r"(?:rs|resize):(?:fit|fill|fill-down|force|auto):(\d{1,5})(?::(\d{1,5}))?(?::[01t]?)*"
    r"|(?:s|size):(\d{1,5}):(\d{1,5})|(?:w|width):(\d{1,5})"
)
"""https://docs.imgproxy.net/usage/processing; Medium as well."""
_IMGPROXY_SIGNATURE = re.compile(r"[\w-]{43}")
_CLOUDFLARE = re.compile(
    r"(?:(?:w|width)=(?P<w>\d{1,5})|(?:h|height)=(?P<h>\d{1,5})|dpr=[1-5](?:\.\d)?|(?:q|quality)=[a-z0-9-]+"
    r"|(?:f|format|fit|onerror|metadata|g|gravity|anim|sharpen)=[a-z0-9.-]+)"
)
"""https://developers.cloudflare.com/images/transform-images/transform-via-url/"""


def by_folder(place: Place) -> Found | None:
    """The first mark in a folder."""
    folders = place.path[:-1]
    for at, folder in enumerate(folders):
        if not _DIGIT.search(folder):
            continue
        for start, end, px in _folder_marks(place, at, folder):
            if px is not None and place.path[-1]:
                left = (*_without_signature(folders[:start], folder), *folders[end:], place.path[-1])
                # without Drupal's signature
                query = tuple(item for item in place.query if not item.startswith("itok="))
                return place._replace(path=left, query=query), px
    return None


def _folder_marks(place: Place, at: int, folder: str) -> Iterator[tuple[int, int, float | None]]:
    """Marks in *folder*: the range of folders that each takes up, and its size."""
    before = place.path[at - 1] if at else ""
    if box := (_PXIMG_BOX if before == "c" else _FOLDER_BOX).fullmatch(folder):
        yield at - (before in _BEFORE_BOX), at + 1, px_of_box(box[1], box[2])
    elif before in {"resize", "width"} and _NUMBER.fullmatch(folder):
        yield at - 1, at + 1, px_of(folder)
    elif before == "styles" and place.path[at + 1] == "public" and (style := _DRUPAL_STYLE.fullmatch(folder)):
        yield at - 1, at + 2, px_of(*style.groups())
    elif before == "image" and at > 1 and place.path[at - 2] == "cdn-cgi":
        remote = place.path[at + 1].endswith(":")  # the original is of another host, and named here
        yield at - 2 * (not remote), at + 1, _of_options(_CLOUDFLARE, folder, "w", "h")
    elif blogger := _BLOGGER.fullmatch(folder):
        if blogger[2] or is_google(place.host) or int(blogger[1]) in _PICASA_PX:
            yield at, at + 1, px_of(*blogger.groups())
    elif "_" in folder:
        yield at, _end_of_cloudinary(place.path, at), _cloudinary_px(folder)
    elif ":" in folder and (imgproxy := _IMGPROXY.fullmatch(folder)):
        yield at, at + 1, px_of(*imgproxy.groups())


def _of_options(pattern: re.Pattern[str], folder: str, *names: str) -> float | None:
    matches = [pattern.fullmatch(option) for option in folder.split(",")]
    if not all(matches):
        return None
    sides = {name: match[name] for match in matches if match for name in names if match[name]}
    return px_of(*(sides.get(name) for name in names))


def _cloudinary_px(folder: str) -> float | None:
    options = folder.split(",")
    if not all(map(_CLOUDINARY.fullmatch, options)):
        return None
    sides = dict(option.split("_", 1) for option in options)
    px = px_of(sides.get("w"), sides.get("h"))
    return px and px * float(sides["dpr"]) if "dpr" in sides and sides["dpr"] != "auto" else px


def _end_of_cloudinary(path: tuple[str, ...], at: int) -> int:
    """The index behind folders that follow and have no size: ``f_auto,q_auto``."""
    end = at + 1
    while end < len(path) - 1 and all(map(_CLOUDINARY.fullmatch, path[end].split(","))):
        if _cloudinary_px(path[end]) is not None:
            break
        end += 1
    return end


def _without_signature(folders: tuple[str, ...], mark: str) -> tuple[str, ...]:
    """The folders before a mark, without the signature of servers that sign paths."""
    if not folders:
        return folders
    pattern = _IMGPROXY_SIGNATURE if ":" in mark else _CLOUDINARY_SIGNATURE if "_" in mark else _THUMBOR_HMAC
    return folders[:-1] if pattern.fullmatch(folders[-1]) else folders
