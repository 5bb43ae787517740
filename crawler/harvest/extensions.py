"""Tells by a URL's extension what it may lead to, before anything is fetched."""

from __future__ import annotations

from functools import lru_cache

_IMAGES = (
    "apng avif bmp cur dib gif heic heif ico j2k jfif jp2 jpe jpeg jpf jpg jpx jxl pjp pjpeg png svg svgz tif"
)
IMAGE_EXTENSIONS = frozenset(f"{_IMAGES} tiff webp".split())
_FIRST_LETTERS = "".join(sorted({name[0] for name in IMAGE_EXTENSIONS}))
IMAGE_NAME = rf"\.(?=[{_FIRST_LETTERS}])(?:{'|'.join(sorted(IMAGE_EXTENSIONS))})\b"
"""Pattern of an image's extension anywhere in a text. Testing the first letter by itself halves the time."""

_ARCHIVES_AND_PROGRAMS = "7z apk bin bz2 cab deb dmg exe gz iso jar msi pkg rar rpm tar tgz whl xz zip zst"
_DOCUMENTS = "csv doc docx epub mobi odp ods odt pdf pps ppsx ppt pptx ps rtf tex txt xls xlsx"
_MEDIA = "3gp aac avi flac flv m3u8 m4a m4v mkv mov mp3 mp4 mpeg mpg ogg ogv opus wav webm wma wmv"
_PARTS_OF_PAGES = (
    "css eot exr glb gltf hdr htc js json jsonld map mjs otf swf ttf usdz wasm webmanifest woff woff2"
)
_FOR_OTHER_READERS = "atom ics rss torrent vcf xml xsd xsl yaml yml"

OTHER_EXTENSIONS = frozenset(
    f"{_ARCHIVES_AND_PROGRAMS} {_DOCUMENTS} {_MEDIA} {_PARTS_OF_PAGES} {_FOR_OTHER_READERS}".split()
)
"""Extensions of neither images nor pages."""
_NO_PAGES = IMAGE_EXTENSIONS | OTHER_EXTENSIONS
_PAGES = frozenset({"htm", "html", "xhtml"})
_FORMATS = {
    "jpeg": "jfif jpe jpeg jpg pjp pjpeg",
    "png": "apng png",
    "gif": "gif",
    "webp": "webp",
    "avif": "avif",
    "bmp": "bmp dib",
    "tiff": "tif tiff",
    "ico": "cur ico vnd.microsoft.icon x-icon",
    "svg": "svg svg+xml",
    "heic": "heic heif",
}
_FORMAT_OF = {name: format_ for format_, names in _FORMATS.items() for name in names.split()}
KEPT_FORMATS = frozenset(_FORMATS) - {"heic"}
"""Formats that every downloader keeps; HEIC needs an extra."""


def format_of_type(media_type: str) -> str:
    """The format of an image by its media type: ``jpeg`` …, or its own name for one never kept (``jxl``)."""
    name = media_type.partition(";")[0].strip().lower().removeprefix("image/")
    return _FORMAT_OF.get(name, name)


def format_of_extension(reference: str) -> str:
    """The format of an image by the extension of its URL; empty without one."""
    suffix = extension(reference)
    return _FORMAT_OF.get(suffix, suffix) if suffix in IMAGE_EXTENSIONS else ""


def extension(reference: str) -> str:
    """The extension of a reference's path in lower case, or ``""``.

    A last segment with a colon has none: ``/wiki/File:Cat.jpg`` is a page about an image.
    """
    # cached: several rules look at each link, and pages share links; long references are not worth it
    return _known_extension(reference) if len(reference) <= _REMEMBERED_CHARS else _extension(reference)


def _extension(reference: str) -> str:
    path = reference.partition("#")[0].partition("?")[0].rstrip()
    before, _, segment = path.rpartition("/")
    if before == "/" or before.endswith(":/"):
        return ""  # a host name
    stem, dot, suffix = segment.rpartition(".")
    return suffix.lower() if dot and stem and ":" not in stem else ""


_REMEMBERED_CHARS = 256
_known_extension = lru_cache(maxsize=8192)(_extension)


def leads_to_image(reference: str) -> bool:
    if reference.partition("#")[0][-5:] == ".html" and "?" not in reference:
        return False  # as most links, which are asked several times: this takes less than to look up an extension
    return extension(reference) in IMAGE_EXTENSIONS


def leads_elsewhere(reference: str) -> bool:
    """Whether a reference plainly leads to neither an image nor a page."""
    return extension(reference) in OTHER_EXTENSIONS


def names_page(reference: str) -> bool:
    """Whether a reference is that of a page by its extension."""
    return extension(reference) in _PAGES


def may_lead_to_page(reference: str) -> bool:
    if reference.partition("#")[0][-5:] == ".html" and "?" not in reference:
        return True
    return extension(reference) not in _NO_PAGES
