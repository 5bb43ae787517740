"""Slugs of what never became a task of its own, as a limit, a rule or a wish kept it out."""

from __future__ import annotations

from typing import NamedTuple


class Omission(NamedTuple):
    """What a slug of LEFT_OUT stands for."""

    meaning: str
    """What was not taken, as a noun: it comes after a number."""
    option: str = ""
    """The flag that lets it in; empty where none does."""


LEFT_OUT: dict[str, Omission] = {
    # limits of the crawl
    "max-depth": Omission(
        "links to pages further away than wanted, each with all that hangs on it", "--max-depth"
    ),
    "max-pages": Omission("links to pages beyond so many", "--max-pages"),
    "max-images": Omission("image URLs beyond so many", "--max-images"),
    "max-links-per-page": Omission("links and images beyond so many of one page", "--max-links-per-page"),
    "smaller-size": Omission("sizes of a picture that is saved larger", "--images all"),
    "image-pages": Omission("times that an image is named by a page beyond 1,000"),
    # its scope
    "out-of-scope": Omission("pages that waited when the scope was made narrower", "--scope"),
    "excluded": Omission("links to pages that a pattern keeps out", "--include, --exclude"),
    "image-excluded": Omission("image URLs that a pattern keeps out", "--include-images, --exclude-images"),
    "image-out-of-scope": Omission("image URLs on hosts outside of the scope", "--images-from any"),
    # what owners ask
    "nofollow": Omission("links of pages whose owner asks that none be followed", "--no-obey-nofollow"),
    "rel-nofollow": Omission("links whose page asks that they be not followed", "--no-obey-rel-nofollow"),
    "noindex": Omission("images of pages whose owner asks for noindex", "--no-obey-noindex"),
    "noimageindex": Omission("images of pages whose owner asks for noimageindex", "--no-obey-noimageindex"),
    "noai": Omission("images of pages whose owner asks for noai", "--no-obey-noai"),
    "noimageai": Omission("images of pages whose owner asks for noimageai", "--no-obey-noimageai"),
    "tdm-reservation": Omission(
        "images of pages whose owner reserves text and data mining", "--no-obey-tdm-reservation"
    ),
    # where a site goes on without end
    "trap-deep-path": Omission("links with a path of very many segments", "--no-avoid-traps"),
    "trap-repeated-path": Omission(
        "links with a path in which the same segments come again and again", "--no-avoid-traps"
    ),
    "trap-calendar": Omission(
        "links to a date more than a year away, of pages that bring nothing new", "--no-avoid-traps"
    ),
    "trap-endless-query": Omission("links with a query that repeats itself", "--no-avoid-traps"),
    "trap-repeated-page": Omission(
        "links of what brings nothing new after many of its like", "--no-avoid-traps"
    ),
    "session-id": Omission("repeats of a known URL with another session id"),
    # what a worker says that can't be right
    "malformed": Omission("URLs that a worker named in a way that can't be right"),
    # what a list of URLs says (-i, --image-list)
    "list-line": Omission("lines of lists that name no URL"),
    # what is in a document beyond the limits of what is read
    "url-too-long": Omission("references of more than 8,192 characters"),
    "page-cut": Omission("documents larger than wanted, read up to there", "--max-page-bytes"),
    "markup-cut": Omission("documents whose markup would hold up a parser, read with less of it"),
    "data-too-large": Omission("images that pages hold themselves, of more than 2 MiB"),
    "srcdoc-cut": Omission("documents within a page, beyond so many"),
    "template-cut": Omission("templates within templates, too deep to be looked into"),
    "widths-cut": Omission("sizes of a picture, beyond so many"),
    "json-cut": Omission("data within a page, beyond what is read of it"),
    "json-broken": Omission("data within a page that can't be read"),
    "script-cut": Omission("strings of scripts, beyond so many"),
    "css-cut": Omission("style sheets larger than what is read of them"),
    "import-depth": Omission("style sheets that others import, too deep"),
    "feed-cut": Omission("feeds beyond the limits of what is read"),
    "feed-broken": Omission("feeds that can't be read to their end"),
    "manifest-broken": Omission("manifests that can't be read"),
    "sitemap-cut": Omission("entries of sitemaps, beyond so many"),
    "sitemap-broken": Omission("sitemaps that can't be read to their end"),
    "sitemap-nested": Omission("sitemap indexes within sitemap indexes"),
    # what a page in the browser may take
    "render-time": Omission(
        "pages whose scripts were still at work when their time was up", "--render-timeout-s"
    ),
    "render-requests": Omission("requests of rendered pages, beyond so many", "--render-requests"),
    "render-bytes": Omission(
        "answers that rendered pages did not get, beyond so many bytes", "--render-bytes"
    ),
    "render-scrolls": Omission("rendered pages that go on below so many screens", "--render-scrolls"),
    "render-clicks": Omission("rendered pages with more to click at than so much", "--render-clicks"),
    "render-images": Omission("images and links of rendered pages, beyond so many"),
    "render-drawn": Omission("pictures that scripts have drawn, too many or too large"),
    # what a page in the browser wants, and does not get
    "render-robots": Omission("requests of rendered pages that robots.txt forbids", "--no-obey-robots-txt"),
    "render-guard": Omission("requests of rendered pages to addresses that are private", "--allow-addresses"),
    "render-waits": Omission("requests of rendered pages to hosts that want to be left alone for long"),
    "render-posts": Omission("requests of rendered pages that would send something", "--render-posts"),
    "render-media": Omission("films and sounds of rendered pages"),
    "render-sockets": Omission("connections of rendered pages (WebSocket, WebRTC, event streams)"),
    "render-beacons": Omission("reports of rendered pages on their visitors (beacons, pings)"),
    "render-prefetch": Omission("requests of rendered pages for what may be wanted later (prefetch)"),
    "render-downloads": Omission("downloads that rendered pages began"),
    "render-forms": Omission("forms that rendered pages would send"),
    "render-popups": Omission("windows that rendered pages would open"),
    "render-away": Omission(
        "times that rendered pages would have left for another address, which is a link then"
    ),
    "render-dialogs": Omission("dialogs of rendered pages that were closed"),
}
"""Every slug by which something is counted that a page offers and that is not taken on; beside REASONS the other closed
list. What keeps out a URL is counted once for each time that it was found.
"""
