"""Marks of sizes in the query, server by server."""

from __future__ import annotations

import re
from math import inf

from crawler.sizes.place import MAX_PX, Found, Place, px_of

_WIDTHS = {"w", "width", "imwidth", "wid", "maxwidth", "max-width", "max_width", "mw", "sw", "sz", "size"}
"""imgix, Contentful, Sanity, Next.js ``w``; Shopify ``width``; Akamai ``imwidth``; Scene7 ``wid``; Sitecore ``mw``;
Demandware ``sw``; Google Drive ``sz``; Discord ``size``.
"""
_HEIGHTS = {"h", "height", "imheight", "hei", "maxheight", "max-height", "max_height", "mh", "sh"}
_BOXES = {"resize", "fit", "size"}
"""Photon (WordPress.com, Jetpack): ``resize=300,200``, ``fit=300,200``; static maps: ``size=300x200``."""
_SHORT = {"w", "h", "size", "sz", "mw", "mh", "sw", "sh"}
"""Names that scripts use for other things as well: beside them, something must name a picture."""
_SIDE = re.compile(r"[wsh]?(\d{1,5})(?:px)?|(\d{1,5})\.\d{1,9}")
_BOX = re.compile(r"(\d{1,5})(?:,|%2c|x|%7c)(\d{1,5})", re.IGNORECASE)
_DENSITY = re.compile(r"[1-5](?:\.\d{1,4})?")
_FORMATS = """
auto avif bmp compress enhance format gif heic jpe?g jpg jxl lossless lossy original pjpe?g pjpg png(?:8|24|32)?
progressive redeye smart tiff? true webp(?:ll|ly)? web
"""
_CUTS = """
bottom bounds box carve center centre clamp clip contain containbox cover crop cut east edges entropy face
facearea faces fill fillmax fit focalpoint inside left limit lfill max maxfit middle min n ne north none nw
outside pad resize right s scale scaledown se smart south srgb stretch strip sw thumb tinysrgb top west
"""


def _words_of(names: str) -> re.Pattern[str]:
    word = f"(?:{'|'.join(names.split())})"
    return re.compile(rf"{word}(?:(?:,|-|%2c){word}){{0,4}}", re.IGNORECASE)


_HOW = {
    **dict.fromkeys(("q", "quality", "qlt"), re.compile(r"\d{1,3}")),
    **dict.fromkeys(("fm", "fmt", "format", "auto", "f", "fl"), _words_of(_FORMATS)),
    **dict.fromkeys(("fit", "crop", "mode", "sm", "cs", "gravity"), _words_of(_CUTS)),
    **dict.fromkeys(("upscale", "enlarge", "ixlib", "ixid"), re.compile(r"[\w.|%=-]*")),
}
"""Parameters of how a picture is made. A cut by numbers (``crop=0,0,9,9``, ``rect``) is another picture."""
_SIGNATURE = re.compile(
    r"(?:sig|sign|signature|token|hash|hmac|expires|expiry|exp|policy|key-pair-id|x-amz-[\w-]{1,40}|x-goog-[\w-]{1,40})"
    r"=.*|s=(?:[0-9a-f]{32}|[0-9a-f]{40}|none)",
    re.IGNORECASE | re.DOTALL,
)
_OSS = re.compile(
    r"x-oss-process=image/resize,(?:m_[a-z]+,)?[wl]_(\d{1,5})(?:,h_\d{1,5})?"
    r"(?:/(?:quality,[qQ]_\d{1,3}|format,[a-z]+|interlace,\d))*"
)
"""Alibaba Cloud OSS: https://www.alibabacloud.com/help/en/oss/user-guide/resize-images-4"""
_QINIU = re.compile(r"imageView2/\d/w/(\d{1,5})(?:/h/\d{1,5})?(?:/(?:q/\d{1,3}|format/[a-z]+|interlace/\d))*")
"""Qiniu: https://developer.qiniu.com/dora/1279/basic-processing-images-imageview2"""
_SQUARESPACE = re.compile(r"format=(\d{2,4})w")
_OF_SERVERS = {"x-oss-process": _OSS, "imageview2": _QINIU, "format": _SQUARESPACE}
_DEFAULT_QUERY_PX = {"gravatar.com": 80, "avatars.githubusercontent.com": 460}
"""Hosts on which ``s`` is a size, and their size without it (docs.gravatar.com: 80 px)."""
_TWITTER_PX = {
    "thumb": 150, "240x240": 240, "360x360": 360, "small": 680, "900x900": 900, "medium": 1200, "large": 2048,
    "4096x4096": 4096, "orig": MAX_PX,
}  # fmt: skip
_IMAGE = re.compile(r"\.(?:jpe?g|png|gif|webp|avif|bmp|tiff?|svg|heic|jxl)$", re.IGNORECASE)
_SCRIPT = re.compile(r"\.(?:php\d?|aspx?|ashx|axd|cgi|pl|jspx?|do|dll)$", re.IGNORECASE)


def by_query(place: Place) -> Found | None:
    width = height = inf
    density = 1.0
    rest: list[str] = []
    signed: list[str] = []
    names: set[str] = set()
    for item in place.query:
        name, _, value = item.partition("=")
        name = name.lower()
        if (side := _side_of(place.host, name, value, item)) is not None:
            names.add(name)
            width, height = min(width, side[0]), min(height, side[1])
        elif _is_density(place.host, name, value):
            density = float(value)
        elif _SIGNATURE.fullmatch(item):
            signed.append(item)
        elif not ((how := _HOW.get(name)) and how.fullmatch(value)):
            rest.append(item)
    if not names:
        return None
    if not _names_a_picture(place, rest):
        rest = signed  # a hash may be its name
        if not rest and names <= _SHORT and len(names) == 1:
            return None
    return place._replace(query=tuple(rest)), (width if width < inf else height) * density


def _is_density(host: str, name: str, value: str) -> bool:
    of_photon = name == "zoom" and host.endswith(".wp.com")  # elsewhere it is that of a map
    return (name in {"dpr", "scale"} or of_photon) and bool(_DENSITY.fullmatch(value))


def _side_of(host: str, name: str, value: str, item: str) -> tuple[float, float] | None:
    """Width and height in a parameter, math.inf for one that it does not give; None if it gives neither."""
    if name in _BOXES and (box := _BOX.fullmatch(value)):
        px = px_of(*box.groups())
        return None if px is None else (px, inf)
    if name in _WIDTHS or name in _HEIGHTS or (name == "s" and default_of(host)):
        side = _SIDE.fullmatch(value)
        px = px_of(*side.groups()) if side else None
        return None if px is None else (inf, px) if name in _HEIGHTS else (px, inf)
    if name == "name" and host.endswith("//pbs.twimg.com") and value in _TWITTER_PX:
        return float(_TWITTER_PX[value]), inf
    pattern = _OF_SERVERS.get(name.partition("/")[0])
    match = pattern.fullmatch(item) if pattern else None
    px = px_of(match[1]) if match else None
    return None if px is None else (px, inf)


def _names_a_picture(place: Place, rest: list[str]) -> bool:
    """Whether a URL without its sizes and signatures still names a picture."""
    name = place.path[-1]
    if rest or _IMAGE.search(name):
        return True
    return not _SCRIPT.search(name) and any(character.isdigit() for character in name)


def default_of(host: str) -> int:
    name = host.rpartition("//")[2]
    return next((px for of, px in _DEFAULT_QUERY_PX.items() if name == of or name.endswith(f".{of}")), 0)
