"""Marks of sizes in the name of the file, on any host or on certain ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf

from crawler.sizes.place import MAX_PX, Found, Place, is_google, px_of, px_of_box
from crawler.sizes.query import default_of

_EXTENSION = r"(?P<extension>\.(?:jpe?g|png|gif|webp|avif|bmp|tiff?|heic)(?:\.(?:webp|avif))?)$"
_WORDPRESS = re.compile(rf"-(?P<w>\d{{2,5}})x(?P<h>\d{{2,5}}){_EXTENSION}", re.IGNORECASE)
"""https://developer.wordpress.org/reference/functions/image_make_intermediate_size/; also icons of all kinds."""
_LEAST_IN_NAME_PX = 100
"""Of the longer side: ``poster-24x36.jpg`` and ``tile-30x60.jpg`` are inches and centimetres of other things."""
_SCALED = re.compile(rf"-scaled{_EXTENSION}", re.IGNORECASE)
"""WordPress 5.3 and later: what was larger than 2,560 px."""
_SHOPIFY = re.compile(
    r"_(?:(?P<w>\d{2,4})x(?P<h>\d{2,4})?|x(?P<only_h>\d{2,4})|(?P<name>pico|icon|thumb|small|compact|medium|large|grande))"
    rf"(?:_crop_(?:center|top|bottom|left|right))?(?:@(?P<density>[23])x)?(?:\.progressive)?{_EXTENSION}",
    re.IGNORECASE,
)
"""https://shopify.dev/docs/api/liquid/filters/img_url"""
_SHOPIFY_PX = {
    "pico": 16, "icon": 32, "thumb": 50, "small": 100, "compact": 160, "medium": 240, "large": 480, "grande": 600,
}  # fmt: skip
_GOOGLE = re.compile(r"(?P<name>[\w-]+)=(?:s|w|h)(?P<px>\d{1,5})(?:-[a-zA-Z0-9]{1,20}){0,12}")
_GOOGLE_DEFAULT_PX = 512.0
_THUMB = re.compile(r"(?P<px>\d{2,5})px-(?P<name>.+)")
"""https://www.mediawiki.org/wiki/Manual:Thumb.php; page1-220px- and the like are parts of a document."""
_EBAY = re.compile(r"s-l(?P<px>\d{2,4})(?P<extension>\.(?:jpe?g|png|webp))", re.IGNORECASE)
_AMAZON = re.compile(
    r"\._(?:[A-Z]{2}\d{0,4}_)*?(?:S[XYLSR]|U[XYLS]|AC_S[XYLR]|AC_U[LYSX])(?P<px>\d{2,4})[A-Z0-9_,]{0,60}_"
    rf"{_EXTENSION}"
)
_FLICKR = re.compile(
    r"(?P<name>\d{5,20}_[0-9a-f]{6,20})(?:_(?P<size>[a-z]|[3-6]k))?(?P<extension>\.(?:jpg|png|gif))"
)
_FLICKR_PX = {
    "s": 75, "t": 100, "q": 150, "m": 240, "n": 320, "w": 400, None: 500, "z": 640, "c": 800, "b": 1024, "h": 1600,
    "k": 2048, "3k": 3072, "4k": 4096, "f": 4096, "5k": 5120, "6k": 6144,
}  # fmt: skip
"""https://www.flickr.com/services/api/misc.urls.html; the original has another secret."""
_YOUTUBE_PX = {
    "default": 120, "mqdefault": 320, "hqdefault": 480, "sddefault": 640, "hq720": 1280, "maxresdefault": 1280,
}  # fmt: skip
_FANDOM = {("scale-to-width",), ("scale-to-width-down",), ("scale-to-height-down",)}
"""``/a.png/revision/latest/scale-to-width-down/300`` is a size of ``/a.png/revision/latest``."""
_WIX = re.compile(
    r"w_(?P<w>\d{1,5}),h_(?P<h>\d{1,5})"
    r"(?:,(?:al_[a-z]{1,3}|q_\d{1,3}|usm_[\d._]+|blur_\d{1,3}|lg_\d|enc_[a-z]+|quality_[a-z]+|fp_[\d._]+))*"
)
"""``/media/ID.jpg/v1/fill/w_300,h_200,al_c,q_80/cat.jpg`` is a size of ``/media/ID.jpg``:
https://dev.wix.com/docs/rest/assets/media/media-manager/introduction; with ``x_`` and ``y_`` a part is cut out.
"""
_NUMBER = re.compile(r"[0-9]{1,5}")
_SCENE7_DEFAULT_PX = 400.0


def by_name(place: Place) -> Found | None:
    """A mark in the name of the file, on any host."""
    return next((found for rule in _ANYWHERE if (found := rule(place, place.path[-1])) is not None), None)


def _wordpress(place: Place, name: str) -> Found | None:
    uploaded = "uploads" in place.path or place.host.endswith((".wp.com", ".files.wordpress.com"))
    if (match := _WORDPRESS.search(name)) and max(int(match["w"]), int(match["h"])) >= _LEAST_IN_NAME_PX:
        return _renamed(place, match, px_of_box(match["w"], match["h"], any_aspect=uploaded))
    if uploaded and (match := _SCALED.search(name)):
        return _renamed(place, match, 2560.0)
    return None


def _google(place: Place, name: str) -> Found | None:
    match = _GOOGLE.fullmatch(name)
    if match is None:
        return None
    whole = not int(match["px"])  # =s0
    px = float(MAX_PX) if whole else px_of(match["px"])
    return None if px is None else (place.named(match["name"]), px)


def _ebay(place: Place, name: str) -> Found | None:
    match = _EBAY.fullmatch(name)
    px = px_of(match["px"]) if match else None
    return None if px is None else (place.named(f"s-l.{name.rpartition('.')[2]}"), px)


def _mediawiki(place: Place, name: str) -> Found | None:
    """``/thumb/a/ab/X.svg/220px-X.svg.png`` is a size of ``/a/ab/X.svg``."""
    match = _THUMB.fullmatch(name)
    *folders, original = place.path[:-1] or ("",)
    if (
        match is None
        or "thumb" not in folders
        or not original
        or not f"{match['name']}.".startswith(f"{original}.")
    ):
        return None
    px = px_of(match["px"])
    at = len(folders) - 1 - folders[::-1].index("thumb")
    return None if px is None else (place._replace(path=(*folders[:at], *folders[at + 1 :], original)), px)


def _fandom(place: Place, name: str) -> Found | None:
    px = px_of(name) if _NUMBER.fullmatch(name) and place.path[-2:-1] in _FANDOM and place.path[:-2] else None
    return None if px is None else (place._replace(path=place.path[:-2]), px)


def _wix(place: Place, name: str) -> Found | None:
    match place.path:
        case (*_, "media", _, "v1", "fill" | "fit", options, _) if name and (made := _WIX.fullmatch(options)):
            px = px_of(made["w"], made["h"])
            return None if px is None else (place._replace(path=place.path[:-4]), px)
        case _:
            return None


_ANYWHERE = (_wordpress, _google, _ebay, _mediawiki, _fandom, _wix)


def _renamed(place: Place, mark: re.Match[str], px: float | None) -> Found | None:
    """The place without a *mark* that ends at the extension; None if the name is nothing else."""
    if px is None or not mark.start():
        return None
    return place.named(mark.string[: mark.start()] + mark["extension"]), px


def by_host(place: Place) -> Found | None:
    """A mark that certain hosts write."""
    if place.path[:2] == ("cdn", "shop"):
        return _shopify(place, place.path[-1])
    for hosts, rule in _HOSTS:
        if place.host.endswith(hosts):
            return rule(place, place.path[-1])
    return None


def _shopify(place: Place, name: str) -> Found | None:
    match = _SHOPIFY.search(name)
    if match is None:
        return None
    named = _SHOPIFY_PX.get((match["name"] or "").lower())
    px = px_of(match["w"], match["h"], match["only_h"]) if named is None else float(named)
    return _renamed(place, match, px and px * int(match["density"] or 1))


def _flickr(place: Place, name: str) -> Found | None:
    match = _FLICKR.fullmatch(name)
    if match is None or not match["size"] or match["size"] not in _FLICKR_PX:
        return None
    return place.named(match["name"] + match["extension"]), float(_FLICKR_PX[match["size"]])


def _youtube(place: Place, name: str) -> Found | None:
    stem, _, extension = name.rpartition(".")
    if stem == "default" or stem not in _YOUTUBE_PX or place.path[0] != "vi":
        return None
    return place.named(f"default.{extension}"), float(_YOUTUBE_PX[stem])


def _amazon(place: Place, name: str) -> Found | None:
    match = _AMAZON.search(name)
    return _renamed(place, match, px_of(match["px"])) if match else None


_YOUTUBE_HOSTS = (".ytimg.com", ".youtube.com")
_HOSTS: tuple[tuple[str | tuple[str, ...], Callable[[Place, str], Found | None]], ...] = (
    ("//cdn.shopify.com", _shopify),
    (".staticflickr.com", _flickr),
    (_YOUTUBE_HOSTS, _youtube),
    ((".media-amazon.com", ".images-amazon.com", ".ssl-images-amazon.com"), _amazon),
)


def size_without_marks(place: Place) -> float:
    """The size of a URL without marks: that of the original, but for servers that then give a small one."""
    name = place.path[-1]
    if is_google(place.host) and len(place.path) == 1 and name and "." not in name:
        return _GOOGLE_DEFAULT_PX
    if place.host.endswith(".staticflickr.com") and _FLICKR.fullmatch(name):
        return float(_FLICKR_PX[None])
    if place.host.endswith(_YOUTUBE_HOSTS) and place.path[0] == "vi" and name.startswith("default."):
        return float(_YOUTUBE_PX["default"])
    if place.path[:2] == ("is", "image"):
        return _SCENE7_DEFAULT_PX
    return float(default_of(place.host)) or inf
