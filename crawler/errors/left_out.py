"""Slugs of what never became a task of its own, as a limit, a rule or a wish kept it out."""

from __future__ import annotations

from typing import NamedTuple


class LeftOut(NamedTuple):
    """What a slug of LEFT_OUT stands for."""

    meaning: str
    """What was not taken, as a noun: it comes after a number."""
    option: str = ""
    """The flag that lets it in; empty where none does."""


LEFT_OUT: dict[str, LeftOut] = {
    # limits of the crawl
    "max-depth": LeftOut(
        "links to pages further away than wanted, each with all that hangs on it", "--max-depth"
    ),
    "max-pages": LeftOut("links to pages beyond so many", "--max-pages"),
    "max-images": LeftOut("image URLs beyond so many", "--max-images"),
    "max-links-per-page": LeftOut("links and images beyond so many of one page", "--max-links-per-page"),
    "smaller-size": LeftOut("sizes of a picture that is saved larger", "--images all"),
    # its scope
    "out-of-scope": LeftOut("pages that waited when the scope was made narrower", "--scope"),
    "excluded": LeftOut("links to pages that a pattern keeps out", "--include, --exclude"),
    "image-excluded": LeftOut("image URLs that a pattern keeps out", "--include-images, --exclude-images"),
    "image-out-of-scope": LeftOut("image URLs on hosts outside of the scope", "--images-from any"),
    # what owners ask
    "nofollow": LeftOut("links of pages whose owner asks that none be followed", "--no-obey-nofollow"),
    "rel-nofollow": LeftOut("links whose page asks that they be not followed", "--no-obey-rel-nofollow"),
    "noindex": LeftOut("images of pages whose owner asks for noindex", "--no-obey-noindex"),
    "noimageindex": LeftOut("images of pages whose owner asks for noimageindex", "--no-obey-noimageindex"),
    "noai": LeftOut("images of pages whose owner asks for noai", "--no-obey-noai"),
    "noimageai": LeftOut("images of pages whose owner asks for noimageai", "--no-obey-noimageai"),
    "tdm-reservation": LeftOut(
        "images of pages whose owner reserves text and data mining", "--no-obey-tdm-reservation"
    ),
    # where a site goes on without end
    "trap-deep-path": LeftOut("links with a path of very many segments", "--no-avoid-traps"),
    "trap-repeated-path": LeftOut(
        "links with a path in which the same segments come again and again", "--no-avoid-traps"
    ),
    "trap-calendar": LeftOut(
        "links to a date more than a year away, of pages that bring nothing new", "--no-avoid-traps"
    ),
    "trap-endless-query": LeftOut("links with a query that repeats itself", "--no-avoid-traps"),
    "trap-repeated-page": LeftOut(
        "links of what brings nothing new after many of its like", "--no-avoid-traps"
    ),
    "session-id": LeftOut("repeats of a known URL with another session id"),
    # what a worker says that can't be right
    "malformed": LeftOut("URLs that a worker named in a way that can't be right"),
    # what a list of URLs says (-i, --image-list)
    "list-line": LeftOut("lines of lists that name no URL"),
    # what is in a document beyond the limits of what is read
    "url-too-long": LeftOut("references of more than 8,192 characters"),
    "page-cut": LeftOut("documents larger than wanted, read up to there", "--max-page-bytes"),
    "markup-cut": LeftOut("documents whose markup would hold up a parser, read with less of it"),
    "data-too-large": LeftOut("images that pages hold themselves, of more than 2 MiB"),
    "srcdoc-cut": LeftOut("documents within a page, beyond so many"),
    "template-cut": LeftOut("templates within templates, too deep to be looked into"),
    "widths-cut": LeftOut("sizes of a picture, beyond so many"),
    "json-cut": LeftOut("data within a page, beyond what is read of it"),
    "json-broken": LeftOut("data within a page that can't be read"),
    "script-cut": LeftOut("strings of scripts, beyond so many"),
    "css-cut": LeftOut("style sheets larger than what is read of them"),
    "import-depth": LeftOut("style sheets that others import, too deep"),
    "feed-cut": LeftOut("feeds beyond the limits of what is read"),
    "feed-broken": LeftOut("feeds that can't be read to their end"),
    "manifest-broken": LeftOut("manifests that can't be read"),
    "sitemap-cut": LeftOut("entries of sitemaps, beyond so many"),
    "sitemap-broken": LeftOut("sitemaps that can't be read to their end"),
    "sitemap-nested": LeftOut("sitemap indexes within sitemap indexes"),
    # what a page in the browser may take
    "render-time": LeftOut(
        "pages whose scripts were still at work when their time was up", "--render-timeout-s"
    ),
    "render-requests": LeftOut("requests of rendered pages, beyond so many", "--render-requests"),
    "render-bytes": LeftOut(
        "answers that rendered pages did not get, beyond so many bytes", "--render-bytes"
    ),
    "render-scrolls": LeftOut("rendered pages that go on below so many screens", "--render-scrolls"),
    "render-clicks": LeftOut("rendered pages with more to click at than so much", "--render-clicks"),
    "render-images": LeftOut("images and links of rendered pages, beyond so many"),
    "render-drawn": LeftOut("pictures that scripts have drawn, too many or too large"),
    # what a page in the browser wants, and does not get
    "render-robots": LeftOut("requests of rendered pages that robots.txt forbids", "--no-obey-robots-txt"),
    "render-guard": LeftOut("requests of rendered pages to addresses that are private", "--allow-addresses"),
    "render-waits": LeftOut("requests of rendered pages to hosts that want to be left alone for long"),
    "render-posts": LeftOut("requests of rendered pages that would send something", "--render-posts"),
    "render-media": LeftOut("films and sounds of rendered pages"),
    "render-sockets": LeftOut("connections of rendered pages (WebSocket, WebRTC, event streams)"),
    "render-beacons": LeftOut("reports of rendered pages on their visitors (beacons, pings)"),
    "render-prefetch": LeftOut("requests of rendered pages for what may be wanted later (prefetch)"),
    "render-downloads": LeftOut("downloads that rendered pages began"),
    "render-forms": LeftOut("forms that rendered pages would send"),
    "render-popups": LeftOut("windows that rendered pages would open"),
    "render-away": LeftOut(
        "times that rendered pages would have left for another address, which is a link then"
    ),
    "render-dialogs": LeftOut("dialogs of rendered pages that were closed"),
}
"""Every slug by which something is counted that a page offers and that is not taken on; beside REASONS the other closed
list. What keeps out a URL is counted once for each time that it was found.
"""
