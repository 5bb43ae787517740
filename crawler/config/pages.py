"""Settings of pages: which are visited, how they are read, which are opened in a browser."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from crawler.config.section import Patterns, Section


class ScopeConfig(Section):
    """Which pages are visited, and which images are taken."""

    scope: Annotated[
        str,
        Meta(
            pattern="^(host|domain|prefix|any)$",
            description="Pages to visit: host, those on the hosts of the seeds; domain, on their registrable"
            " domains; prefix, below the paths of the seeds; any, on any host.",
        ),
    ] = "host"
    include: Annotated[
        Patterns,
        Meta(
            description="Patterns of the pages to visit; all others are left out. * stands for any characters."
        ),
    ] = ()
    exclude: Annotated[Patterns, Meta(description="Patterns of pages that are not visited.")] = ()
    images_from: Annotated[
        str,
        Meta(
            pattern="^(any|scope)$", description="Hosts to take images from: any, or only those in the scope."
        ),
    ] = "any"
    include_images: Annotated[
        Patterns, Meta(description="Patterns of the images to take, by their URLs; all others are left out.")
    ] = ()
    exclude_images: Annotated[
        Patterns, Meta(description="Patterns of images that are not taken, by their URLs.")
    ] = ()
    strip_tracking: Annotated[
        bool, Meta(description="Remove tracking parameters (utm_*, fbclid and the like) from URLs.")
    ] = False
    avoid_traps: Annotated[
        bool, Meta(description="Skip what goes on without end: calendars, ever deeper paths, repeated pages.")
    ] = True
    max_depth: Annotated[
        int,
        Meta(
            ge=0,
            description="Maximum number of links from a seed to a page; links to next and previous pages do not"
            " count. 0 visits the seeds alone.",
        ),
    ] = 20
    max_pages: Annotated[int, Meta(ge=1, description="Maximum number of pages to visit.")] = 100_000
    max_images: Annotated[
        int, Meta(ge=0, description="Maximum number of image URLs to take; 0 for no limit.")
    ] = 0
    max_links_per_page: Annotated[
        int,
        Meta(
            ge=0,
            le=20_000,
            description="Maximum number of links, and of images, to take from one page; 0 for 10,000 links and all"
            " images.",
        ),
    ] = 0


class HarvestConfig(Section):
    """How pages are read."""

    parser: Annotated[
        str,
        Meta(
            pattern="^(fast|beautifulsoup)$", description="HTML parser: fast (HTML5, in C) or beautifulsoup."
        ),
    ] = "fast"
    sitemaps: Annotated[
        bool, Meta(description="Read the sitemaps of a site for further pages and images.")
    ] = True
    script_urls: Annotated[
        bool, Meta(description="Take what looks like the URL of an image in a script, too. That is a guess.")
    ] = False
    feeds: Annotated[bool, Meta(description="Read the feeds (RSS, Atom, JSON) that pages name.")] = True
    harvesters: Annotated[
        int, Meta(ge=1, le=64, description="Number of harvester processes, which read pages.")
    ] = 1
    harvester_threads: Annotated[
        int, Meta(ge=1, le=256, description="Number of pages that one harvester handles at a time.")
    ] = 4
    max_page_bytes: Annotated[
        int, Meta(ge=1024, description="Maximum size of a page in bytes, after decompression.")
    ] = 16 * 2**20
    page_timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds to read one page, without the wait for memory.")
    ] = 60.0


class RenderConfig(Section):
    """Which pages are opened in a browser, and the limits of each of them there."""

    render: Annotated[
        str,
        Meta(
            pattern="^(never|auto|always)$",
            description="Open pages in a browser (Chromium): never; auto, where it brought more on pages of the"
            " same kind; or always.",
        ),
    ] = "auto"
    renderers: Annotated[
        int, Meta(ge=1, le=64, description="Number of renderer processes, each with a browser.")
    ] = 1
    renderer_threads: Annotated[
        int, Meta(ge=1, le=32, description="Number of pages that one renderer opens at a time.")
    ] = 4
    render_timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds for one page in the browser, without the delays that its host asks for.",
        ),
    ] = 15.0
    render_requests: Annotated[
        int,
        Meta(
            ge=1,
            description="Maximum number of requests of one page in the browser; requests for images do not count.",
        ),
    ] = 60
    render_bytes: Annotated[
        int, Meta(ge=1024, description="Maximum number of bytes that one page receives in the browser.")
    ] = 20 * 2**20
    render_scrolls: Annotated[
        int, Meta(ge=0, description="Maximum number of screens to scroll down on one page.")
    ] = 40
    render_clicks: Annotated[
        int, Meta(ge=0, description="Maximum number of clicks on one page (load more, next, tabs).")
    ] = 60
    render_memory_bytes: Annotated[
        int, Meta(ge=64 * 2**20, description="Maximum memory of one page in the browser, in bytes.")
    ] = 512 * 2**20
    render_posts: Annotated[
        str,
        Meta(
            pattern="^(none|site|any)$",
            description="POST requests for data that the scripts of a page may make: none; site, to hosts of its"
            " own domain; or any.",
        ),
    ] = "site"
