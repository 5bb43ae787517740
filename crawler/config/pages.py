"""Settings of pages: which are visited, how they are read, which are opened in a browser."""

from __future__ import annotations

from typing import Annotated

from crawler.config.section import Patterns, Section, about


class ScopeConfig(Section):
    """Which pages are visited, and which images are taken."""

    scope: Annotated[
        str,
        about(
            "Pages to visit: host, those on the hosts of the seeds; domain, on their registrable"
            " domains; prefix, below the paths of the seeds; any, on any host.",
            pattern="^(host|domain|prefix|any)$",
        ),
    ] = "host"
    include: Annotated[
        Patterns,
        about("Patterns of the pages to visit; all others are left out. * stands for any characters."),
    ] = ()
    exclude: Annotated[Patterns, about("Patterns of pages that are not visited.")] = ()
    images_from: Annotated[
        str,
        about("Hosts to take images from: any, or only those in the scope.", pattern="^(any|scope)$"),
    ] = "any"
    include_images: Annotated[
        Patterns, about("Patterns of the images to take, by their URLs; all others are left out.")
    ] = ()
    exclude_images: Annotated[Patterns, about("Patterns of images that are not taken, by their URLs.")] = ()
    strip_tracking: Annotated[
        bool, about("Remove tracking parameters (utm_*, fbclid and the like) from URLs.")
    ] = False
    avoid_traps: Annotated[
        bool, about("Skip what goes on without end: calendars, ever deeper paths, repeated pages.")
    ] = True
    max_depth: Annotated[
        int,
        about(
            "Maximum number of links from a seed to a page; links to next and previous pages do not"
            " count. 0 visits the seeds alone.",
            ge=0,
        ),
    ] = 20
    max_pages: Annotated[int, about("Maximum number of pages to visit.", ge=1)] = 100_000
    max_images: Annotated[int, about("Maximum number of image URLs to take; 0 for no limit.", ge=0)] = 0
    max_links_per_page: Annotated[
        int,
        about(
            "Maximum number of links, and of images, to take from one page; 0 for 10,000 links and"
            " all images.",
            ge=0,
            le=20_000,
        ),
    ] = 0


class HarvestConfig(Section):
    """How pages are read."""

    parser: Annotated[
        str,
        about("HTML parser: fast (HTML5, in C) or beautifulsoup.", pattern="^(fast|beautifulsoup)$"),
    ] = "fast"
    sitemaps: Annotated[bool, about("Read the sitemaps of a site for further pages and images.")] = True
    script_urls: Annotated[
        bool, about("Take what looks like the URL of an image in a script, too. That is a guess.")
    ] = False
    feeds: Annotated[bool, about("Read the feeds (RSS, Atom, JSON) that pages name.")] = True
    harvesters: Annotated[
        int,
        about(
            "Number of harvester processes, which read pages; 0 for one, and more while very many pages wait, up to one"
            " per core.",
            ge=0,
            le=64,
        ),
    ] = 0
    harvester_threads: Annotated[
        int,
        about(
            "Most pages that one harvester handles at a time; where servers answer fast it handles fewer.",
            ge=1,
            le=256,
        ),
    ] = 32
    max_page_bytes: Annotated[
        int, about("Maximum size of a page in bytes, after decompression.", ge=1024)
    ] = 16 * 2**20
    page_timeout_s: Annotated[
        float, about("Seconds to read one page, without the wait for memory.", gt=0)
    ] = 60.0


class RenderConfig(Section):
    """Which pages are opened in a browser, and the limits of each of them there."""

    render: Annotated[
        str,
        about(
            "Open pages in a browser (Chromium): never; auto, where it brought more on pages of the"
            " same kind; or always.",
            pattern="^(never|auto|always)$",
        ),
    ] = "auto"
    renderers: Annotated[int, about("Number of renderer processes, each with a browser.", ge=1, le=64)] = 1
    renderer_threads: Annotated[
        int, about("Number of pages that one renderer opens at a time.", ge=1, le=32)
    ] = 4
    render_timeout_s: Annotated[
        float,
        about("Seconds for one page in the browser, without the delays that its host asks for.", gt=0),
    ] = 15.0
    render_requests: Annotated[
        int,
        about(
            "Maximum number of requests of one page in the browser; requests for images do not count.", ge=1
        ),
    ] = 60
    render_bytes: Annotated[
        int, about("Maximum number of bytes that one page receives in the browser.", ge=1024)
    ] = 20 * 2**20
    render_scrolls: Annotated[int, about("Maximum number of screens to scroll down on one page.", ge=0)] = 40
    render_clicks: Annotated[
        int, about("Maximum number of clicks on one page (load more, next, tabs).", ge=0)
    ] = 60
    render_memory_bytes: Annotated[
        int, about("Maximum memory of one page in the browser, in bytes.", ge=64 * 2**20)
    ] = 512 * 2**20
    render_posts: Annotated[
        str,
        about(
            "POST requests for data that the scripts of a page may make: none; site, to hosts of its"
            " own domain; or any.",
            pattern="^(none|site|any)$",
        ),
    ] = "site"
