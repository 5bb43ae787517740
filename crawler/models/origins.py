"""Where a URL was found, what its page says of it, and what its owner says about its use."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from crawler.models.values import Slug, Text, Url, Value


class Alternative(Value):
    """Another size of a picture, taken when the sizes before it can't be had."""

    url: Url
    found_in: Text
    """The rules that found it, as in Origin."""
    rule: Slug
    """Why another size was preferred: a key of :data:`ALTERNATIVE_RULES`."""
    content: bytes = b""
    """The bytes of a ``data:`` URL, as in Origin."""


ALTERNATIVE_RULES = {
    "smaller": "its page, or its URL, says that it is smaller",
    "thumbnail": "it stands in a link to the picture in full",
    "placeholder": "it is shown until the picture has come",
    "type": "it is of a type that is not kept, or not wanted",
    "insecure": "it is asked for by https first, as its page wants it",
    "later": "its page says nothing of sizes, and names it later",
}
"""Why one size of a picture was preferred to another, and what each word means."""
MAX_ALTERNATIVES = 16
"""Number of alternatives that are kept of one picture."""
Alternatives = Annotated[tuple[Alternative, ...], Meta(max_length=4 * MAX_ALTERNATIVES)]


class Purpose(StrEnum):
    """What the images of a crawl are used for; it decides which opt-outs of their owners are obeyed."""

    ARCHIVE = "archive"
    """The images are kept and looked at."""
    SEARCH = "search"
    """The images are indexed, to be found again where they are."""
    TRAIN = "train"
    """The images train models, or are input of models."""


MAX_OPT_OUTS = 16
"""Number of opt-outs that are kept of one image; further ones are counted."""
MAX_OPT_OUT_CHARS = 500


class OptOut(Value):
    """What an owner says about the use of an image, as it was read, obeyed or not."""

    signal: Slug
    """A key of :data:`crawler.opt_outs.purposes.SIGNALS`."""
    place: Annotated[str, Meta(max_length=200)]
    """Where it was read: ``header Content-Usage``, ``robots.txt, line 3``, ``tdmrep.json``, ``xmp plus:DataMining``."""
    text: Annotated[str, Meta(max_length=MAX_OPT_OUT_CHARS)]
    """The first MAX_OPT_OUT_CHARS characters of its text."""
    forbids: Annotated[tuple[Purpose, ...], Meta(max_length=8)] = ()
    """The purposes that it forbids; none if it allows, or names a license."""


class Origin(Value):
    """Where a URL was found, and the words of its page about it."""

    page_url: Url
    found_in: Text
    """The rules that found it, with commas between: ``img``, ``srcset``, ``css``, ``a`` …; a link has one."""
    alt: Text = ""
    title: Text = ""
    caption: Text = ""
    heading: Text = ""
    page_title: Text = ""
    instead_of: Url = ""
    """The URL of another size of the picture, which was tried before this one and can't be had."""
    alternatives: Alternatives = ()
    """Other sizes of the picture, the best first; each becomes a task once all before it have failed for good."""
    content: bytes = b""
    """The bytes of an image in a ``data:`` URL; no record keeps them. For another URL the whole response, as
    http.packed has it: a script of the page has fetched it as data.
    """
    template: Slug = ""
    """The template of a page to be rendered (harvest/script_signs.py); its pages share what is learned of one."""
    signs: Slug = ""
    """Why it may need a browser: keys of :data:`SIGNS`, with commas between."""


SIGNS = {
    "always": "every page is to be rendered",
    "scripts": "it has scripts",
    "empty": "its body has next to nothing in it but scripts",
    "mount": "it has an empty element in which scripts build pages",
    "noscript": "it says that it needs JavaScript",
    "placeholders": "all its images are placeholders",
    "no-images": "it has scripts, and names no image at all",
    "frame": "it shows a document of another site",
    "hash-route": "its address is one that scripts alone know",
    "route": "a script made the link to it",
}
"""Signs that a page needs a browser; each but ``scripts`` is a strong one."""
