"""Where a URL was found, what its page says of it, and what its owner says of its use."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from crawler.models.values import Slug, Text, Url, Value


class Alternative(Value):
    """Another size of a picture, to be taken when those before it are not to be had."""

    url: Url
    found_in: Text
    """As of an Origin."""
    rule: Slug
    """Why it was not chosen: a key of :data:`ALTERNATIVE_RULES`."""
    content: bytes = b""
    """As of an Origin."""


ALTERNATIVE_RULES = {
    "smaller": "its page, or its URL, says that it is smaller",
    "thumbnail": "it stands in a link to the picture in full",
    "placeholder": "it is shown until the picture has come",
    "type": "it is of a type that is not kept, or not wanted",
    "insecure": "it is asked for by https first, as its page wants it",
    "later": "its page says nothing of sizes, and names it later",
}
"""Why one of several sizes of a picture was preferred to another one, and what that means."""
MAX_ALTERNATIVES = 16
"""Of one picture."""
Alternatives = Annotated[tuple[Alternative, ...], Meta(max_length=4 * MAX_ALTERNATIVES)]


class Purpose(StrEnum):
    """What the images of a crawl are for: it decides which wishes of their owners are obeyed."""

    ARCHIVE = "archive"
    """To be kept and looked at."""
    SEARCH = "search"
    """To be indexed, and found again where they are."""
    TRAIN = "train"
    """To train models, or as input of them."""


MAX_OPT_OUTS = 16
"""Of one image: what is more is counted."""
MAX_OPT_OUT_CHARS = 500


class OptOut(Value):
    """What an owner says of the use of an image, obeyed or not, as it was read."""

    signal: Slug
    """A key of :data:`crawler.opt_outs.purposes.SIGNALS`."""
    place: Annotated[str, Meta(max_length=200)]
    """Where it stands: ``header Content-Usage``, ``robots.txt, line 3``, ``tdmrep.json``, ``xmp plus:DataMining`` …"""
    text: Annotated[str, Meta(max_length=MAX_OPT_OUT_CHARS)]
    """As it stands there, up to so many characters."""
    forbids: Annotated[tuple[Purpose, ...], Meta(max_length=8)] = ()
    """For whom it says no; nobody, for what allows, or names a license."""


class Origin(Value):
    """Where a URL was found, and what its page says of it."""

    page_url: Url
    found_in: Text
    """The rule that found it: ``img``, ``srcset``, ``css``, ``a`` …; of an image all that did, between commas."""
    alt: Text = ""
    title: Text = ""
    caption: Text = ""
    heading: Text = ""
    page_title: Text = ""
    instead_of: Url = ""
    """The URL of another size of the picture, which was tried before and is not to be had."""
    alternatives: Alternatives = ()
    """Other sizes of the picture, the best first; each is a task of its own once all before it have failed for good."""
    content: bytes = b""
    """The bytes of an image that its page holds itself, in a ``data:`` URL; no record keeps them. Of any other URL the
    whole answer, as ``web.packed`` has it: a script of the page has fetched it as data.
    """
    template: Slug = ""
    """Of a page to be rendered: how it is made (see harvest/looks.py). Pages of one template share what is learned."""
    signs: Slug = ""
    """What speaks for rendering it, between commas: keys of :data:`SIGNS`."""


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
"""What speaks for rendering a page; all but ``scripts`` do so strongly."""
