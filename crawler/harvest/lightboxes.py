"""Tells which links show an image over their page, whatever their addresses look like."""

from __future__ import annotations

import re
from collections.abc import Mapping

from crawler.harvest.extensions import leads_elsewhere, names_page

_KINDS = ("data-type", "data-vbtype", "data-fancybox-type", "data-mfp-type", "data-lity-type", "type")
"""Attributes that say what a link shows (fancybox, GLightbox, VenoBox …); ``type`` is a media type."""
_SHOWN_IN = frozenset({"data-lightbox", "data-pswp-width"})
"""Attributes of lightboxes that show nothing but images (Lightbox2, PhotoSwipe 5)."""
_SIZE = re.compile(r"[0-9]{2,5}x[0-9]{2,5}")
"""The size of an image, in ``data-size`` (PhotoSwipe 4)."""
_RELATION = re.compile(r"(?:^|\s)lightbox(?:\[|\s|$)", re.IGNORECASE)
PROMISING = _SHOWN_IN.union(_KINDS, ("rel", "data-size"))
"""A link that has none of these promises no image, as nearly all; asked before the call, which takes as long again."""
_NO_ADDRESS = ("#", "javascript:", "mailto:")
_FILM = re.compile(r"youtu\.?be|vimeo\.com|/maps[/?]", re.IGNORECASE)


def promises_image(attributes: Mapping[str, str]) -> bool:
    """Whether the link with these attributes shows an image by what a lightbox wants."""
    return _is_promised(attributes) and _may_be_image(attributes.get("href", ""))


def _is_promised(attributes: Mapping[str, str]) -> bool:
    return (
        not _SHOWN_IN.isdisjoint(attributes)
        or any(attributes.get(name, "").partition("/")[0].strip().lower() == "image" for name in _KINDS)
        or _RELATION.search(attributes.get("rel", "")) is not None
        or _SIZE.fullmatch(attributes.get("data-size", "").strip()) is not None
    )


def _may_be_image(reference: str) -> bool:
    reference = reference.strip()
    return bool(
        reference
        and not reference.lower().startswith(_NO_ADDRESS)
        and not names_page(reference)
        and not leads_elsewhere(reference)
        and not _FILM.search(reference)
    )
