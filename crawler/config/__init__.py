"""The settings of a crawl: small sections, one name for a setting everywhere.

A setting comes from, in rising order: its default, a TOML file, the environment, a flag. The key ``max_depth`` in
the section ``scope`` is ``[scope] max_depth`` in a file, ``IMAGE_CRAWLER_MAX_DEPTH`` in the environment and
``--max-depth`` as a flag; keys are unique over all sections, so the section is never part of the name.
``config/default.toml`` lists them all. To add one, add a field here with its description; the rest follows.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, dataclass_transform, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from crawler import __version__
from crawler.errors import ConfigError
from crawler.text import foreign_options
from crawler.text.plain_errors import listed, plain, quoted, typed
from crawler.text.suggestions import did_you_mean, guesses

ENVIRONMENT_PREFIX = "IMAGE_CRAWLER_"
AUTHKEY_VARIABLE = ENVIRONMENT_PREFIX + "AUTHKEY"
"""Holds the key itself, for lack of a file; no setting, so that it is never written or shown."""
QUEUE_PASSWORD_VARIABLE = ENVIRONMENT_PREFIX + "QUEUE_PASSWORD"
"""The same for the password of a Redis."""
_NO_SETTINGS = (AUTHKEY_VARIABLE, QUEUE_PASSWORD_VARIABLE)
GIVEN = "…"
"""In place of a secret that is given, where settings are written down."""


# for type checkers: what derives from it is frozen as well
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sections."""


Patterns = tuple[str, ...]
"""URLs in which ``*`` stands for any characters; each has to match a whole URL."""
Headers = tuple[Annotated[str, Meta(pattern="^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ -~]*$")], ...]
"""``Name: value`` (RFC 9110, section 5.1)."""
Hosts = tuple[Annotated[str, Meta(pattern="^[^ @]+$")], ...]
"""Names, addresses and networks (``10.1.0.0/16``)."""
Formats = tuple[Annotated[str, Meta(pattern="^(jpeg|png|gif|webp|avif|bmp|tiff|ico|svg|heic)$")], ...]
Trusts = tuple[
    Annotated[
        str,
        Meta(pattern="^(all|none|manager-network|networks|proxy|insecure-tls|netrc|storage|posts|limits)$"),
    ],
    ...,
]
"""The words of ``trusted.Trust``, ``all`` and ``none``."""
SYNONYMS = {"jpg": "jpeg", "tif": "tiff"}
_QUEUE_HINT = (
    "redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS, redis+cluster://HOST,HOST or"
    " redis+sentinel://HOST,HOST/SERVICE"
)


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
        bool,
        Meta(description="Remove tracking parameters (utm_*, fbclid and the like) from URLs."),
    ] = False
    avoid_traps: Annotated[
        bool,
        Meta(description="Skip what goes on without end: calendars, ever deeper paths, repeated pages."),
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


class ObeyConfig(Section):
    """Opt-outs of the owners of pages and images, and which of them are obeyed."""

    purpose: Annotated[
        str,
        Meta(
            pattern="^(archive|search|train)$",
            description="Purpose of the crawl: archive, to keep images; search, to index them; train, to train"
            " models. What an owner says of one use is obeyed by a crawl for that use, and only recorded"
            " by the others.",
        ),
    ] = "archive"
    obey_robots_txt: Annotated[
        bool,
        Meta(
            description="Obey robots.txt: request nothing that it disallows, and no faster than its Crawl-delay."
        ),
    ] = True
    obey_nofollow: Annotated[
        bool, Meta(description="Obey nofollow (X-Robots-Tag, meta robots): follow no link of such a page.")
    ] = True
    obey_rel_nofollow: Annotated[bool, Meta(description="Obey rel=nofollow: do not follow such a link.")] = (
        True
    )
    obey_noindex: Annotated[
        bool, Meta(description="Obey noindex: take no such image, and no image of such a page.")
    ] = True
    obey_noimageindex: Annotated[
        bool, Meta(description="Obey noimageindex: take no such image, and no image of such a page.")
    ] = True
    obey_noai: Annotated[
        bool, Meta(description="Obey noai: take no such image, and no image of such a page.")
    ] = True
    obey_noimageai: Annotated[
        bool, Meta(description="Obey noimageai: take no such image, and no image of such a page.")
    ] = True
    obey_tdm_reservation: Annotated[
        bool, Meta(description="Obey tdm-reservation: 1: take no such image, and no image of such a page.")
    ] = True
    obey_tdmrep: Annotated[
        bool,
        Meta(
            description="Obey tdmrep.json: with the purposes search and train, take no image that its host"
            " reserves."
        ),
    ] = True
    record_tdmrep: Annotated[
        bool,
        Meta(
            description="Request the tdmrep.json of each host where it is only recorded, too: one more request a"
            " host."
        ),
    ] = False
    obey_content_usage: Annotated[
        bool,
        Meta(
            description="Obey Content-Usage (header, robots.txt): take no image for which it says no to the"
            " purpose."
        ),
    ] = True
    obey_content_signal: Annotated[
        bool,
        Meta(
            description="Obey Content-Signal (robots.txt, header): take no image for which it says no to the"
            " purpose."
        ),
    ] = True
    obey_data_mining: Annotated[
        bool,
        Meta(description="Obey plus:DataMining (XMP): keep no image that says no to the purpose with it."),
    ] = True
    obey_training_mining: Annotated[
        bool,
        Meta(
            description="Obey training and data mining assertions (CAWG, C2PA): keep no image that says no to the"
            " purpose with one."
        ),
    ] = True

    @property
    def obeyed(self) -> frozenset[str]:
        """What is obeyed, as its flag has it: ``robots-txt``, ``noindex`` …"""
        return frozenset(
            name.removeprefix("obey_").replace("_", "-")
            for name, on in msgspec.structs.asdict(self).items()
            if on and name.startswith("obey_")
        )


class FetchConfig(Section):
    """How pages and images are fetched."""

    user_agent: Annotated[str, Meta(min_length=1, description="User-Agent header: a name and a contact.")] = (
        f"image-crawler/{__version__} (+https://github.com/image-crawler/image-crawler)"
    )
    connect_timeout_s: Annotated[float, Meta(gt=0, description="Seconds to open a connection.")] = 10.0
    total_timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds for one fetch, all redirects included.")
    ] = 120.0
    min_rate_bytes_s: Annotated[
        int,
        Meta(
            ge=0,
            description="Minimum rate of a transfer in bytes per second; a slower one is given up after 10 s. 0 for"
            " no limit.",
        ),
    ] = 1024
    limit_rate_bytes_s: Annotated[
        int,
        Meta(
            ge=0,
            description="Maximum rate in bytes per second, from all sites together to all workers of the crawl; 0"
            " for no limit.",
            extra={"also": ("--limit-rate",)},
        ),
    ] = 0
    max_redirects: Annotated[
        int, Meta(ge=0, le=50, description="Maximum number of redirects of one URL.")
    ] = 10
    tries: Annotated[
        int,
        Meta(
            ge=1,
            le=10,
            description="Number of tries within one lease, seconds apart, before the task goes back to the queue.",
        ),
    ] = 3
    verify_tls: Annotated[bool, Meta(description="Check the certificates of https servers.")] = True
    headers: Annotated[
        Headers,
        Meta(
            description="Header to send with every request; Authorization and Cookie go to the seeds' hosts only.",
            extra={"item": "NAME: VALUE", "also": ("--header",), "secret": True, "hint": "NAME: VALUE"},
        ),
    ] = ()
    keep_cookies: Annotated[
        bool,
        Meta(
            description="Keep the cookies that servers set, for the whole crawl, and send them back; --cookies does"
            " so as well."
        ),
    ] = False
    login: Annotated[
        str,
        Meta(
            pattern="^$|^[^:]+:.*$",
            description="USER:PASSWORD for the seeds' hosts (HTTP basic authentication).",
            extra={"secret": True, "hint": "USER:PASSWORD"},
        ),
    ] = ""
    netrc: Annotated[
        bool,
        Meta(
            description="Log in where the ~/.netrc of the worker has an entry for the host: by https at its usual"
            " port, and at the origins of the seeds.",
        ),
    ] = False
    proxy: Annotated[
        str,
        Meta(
            pattern="^$|^environment$|^(https?|socks5h?)://[^/?#]+/?$",
            description="Proxy for every request: http://[USER:PASSWORD@]HOST:PORT, socks5://, or socks5h://, which"
            " looks up names as well; environment, for those of HTTPS_PROXY and the like.",
            extra={
                "secret": True,
                "hint": "http://[USER:PASSWORD@]HOST:PORT, socks5://…, socks5h://… or environment",
            },
        ),
    ] = ""
    allow_addresses: Annotated[
        Hosts,
        Meta(
            description="Hosts, addresses or networks that may be requested although they are private; others are"
            " refused, except for those of the seeds.",
            extra={"item": "HOST", "hint": "names, addresses, or networks such as 10.1.0.0/16"},
        ),
    ] = ()


class ImagesConfig(Section):
    """Which images are kept."""

    images: Annotated[
        str,
        Meta(
            pattern="^(best|all)$",
            description="Sizes to take of one picture that comes in several (srcset, picture, thumbnails): best,"
            " the largest; or all.",
        ),
    ] = "best"
    downloaders: Annotated[
        int,
        Meta(
            ge=0,
            le=256,
            description="Number of downloader processes, which fetch images; 0 for one per core, at most 4.",
        ),
    ] = 0
    downloader_threads: Annotated[
        int, Meta(ge=1, le=256, description="Number of images that one downloader handles at a time.")
    ] = 4
    max_image_bytes: Annotated[int, Meta(ge=1, description="Maximum size of an image in bytes.")] = 64 * 2**20
    max_svg_bytes: Annotated[
        int,
        Meta(
            ge=1, description="Maximum size of an SVG in bytes; reading one takes many times that in memory."
        ),
    ] = 16 * 2**20
    max_pixels: Annotated[
        int, Meta(ge=1, description="Maximum number of pixels of an image: width times height times frames.")
    ] = 178_956_970
    decode_timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds to decode one image, which is how it is verified.")
    ] = 30.0
    incomplete: Annotated[
        str,
        Meta(
            pattern="^(reject|keep)$",
            description="A file that lacks only its end, with all of its pixels there: reject it; or keep it, and"
            " say so in its record.",
        ),
    ] = "reject"
    formats: Annotated[
        Formats,
        Meta(description="Formats to keep; all of them if none is given.", extra={"item": "FORMAT"}),
    ] = ()
    min_width_px: Annotated[int, Meta(ge=0, description="Minimum width of an image in pixels.")] = 0
    max_width_px: Annotated[
        int, Meta(ge=0, description="Maximum width of an image in pixels; 0 for no limit.")
    ] = 0
    min_height_px: Annotated[int, Meta(ge=0, description="Minimum height of an image in pixels.")] = 0
    max_height_px: Annotated[
        int, Meta(ge=0, description="Maximum height of an image in pixels; 0 for no limit.")
    ] = 0
    min_image_bytes: Annotated[int, Meta(ge=0, description="Minimum size of an image in bytes.")] = 0
    max_aspect: Annotated[
        float,
        Meta(
            ge=0, description="Maximum ratio of the longer side of an image to the shorter; 0 for no limit."
        ),
    ] = 0.0


class StorageConfig(Section):
    """How images are saved."""

    storage: Annotated[
        str,
        Meta(
            pattern="^local$|^manager$|^(s3|gs|az)://[^/?#]+(/[^?#]*)?$",
            description="Place of the images: local, the crawl's folder, and for workers on other machines a folder"
            " of their own; manager, the crawl's folder for all of them, with the bytes sent over the"
            " queue's connection; or an object store, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX,"
            " az://CONTAINER/PREFIX.",
            extra={"hint": "local, manager, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"},
        ),
    ] = "local"
    layout: Annotated[
        str,
        Meta(
            pattern="^(site|hash|flat)$",
            description="Names of image files: site, as on the site; hash, by their SHA-256; flat, all in one"
            " folder.",
        ),
    ] = "site"
    storage_patience_s: Annotated[
        float,
        Meta(ge=0, description="Seconds to wait for an object store that does not answer."),
    ] = 600.0
    fsync: Annotated[bool, Meta(description="Force each image to the disk before it counts as saved.")] = (
        False
    )
    min_free_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Minimum free space on the disk in bytes; below it the crawl stops.",
            extra={"also": ("--min-free",)},
        ),
    ] = 64 * 2**20


class QueueConfig(Section):
    """Leases, retries and politeness."""

    per_host: Annotated[
        int,
        Meta(
            ge=1, le=1024, description="Maximum number of requests in flight to one host, over all workers."
        ),
    ] = 8
    per_domain: Annotated[
        int,
        Meta(
            ge=1,
            le=65536,
            description="Maximum number of requests in flight to all hosts of one registrable domain (img1 …"
            " img99.example), over all workers.",
        ),
    ] = 32
    delay_s: Annotated[float, Meta(ge=0, description="Seconds between two requests to one host.")] = 0.0
    lease_s: Annotated[
        float, Meta(gt=0, description="Seconds of silence after which a worker loses its tasks.")
    ] = 60.0
    max_lease_s: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds after which a worker loses a task, even though it is alive.",
        ),
    ] = 1800.0
    heartbeat_s: Annotated[
        float, Meta(gt=0, description="Seconds between two signs of life (heartbeats) of a worker.")
    ] = 20.0
    lease_batch: Annotated[int, Meta(ge=1, le=256, description="Maximum number of tasks per lease.")] = 32
    max_attempts: Annotated[
        int, Meta(ge=1, le=100, description="Number of leases of one task after which it counts as lost.")
    ] = 5
    retry_delay_s: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds before the second attempt at a task; they double with each further one.",
        ),
    ] = 2.0
    host_patience_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds after which a host that can't be reached at all is given up; what waits for it"
            " fails.",
        ),
    ] = 120.0
    image_backlog: Annotated[
        int, Meta(ge=1, description="Number of waiting images above which no further page is read.")
    ] = 50_000
    result_backlog: Annotated[
        int,
        Meta(
            ge=1,
            description="Number of uncollected records above which no further task is given out; with --queue only.",
        ),
    ] = 100_000
    queue_shards: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Number of parts (shards) of the queue, each for some of the hosts, which may lie on"
            " several servers of a cluster; fixed when the crawl is first started, with --queue only.",
        ),
    ] = 1


class ManagerConfig(Section):
    """How other machines find the crawl."""

    bind: Annotated[
        str,
        Meta(
            description="Address at which workers may join, HOST or HOST:PORT (9733 if no port is given); none for"
            " this machine only."
        ),
    ] = ""
    queue: Annotated[
        str,
        Meta(
            pattern="^$|^(redis|valkey)s?([+](cluster|sentinel))?://[^ ]+$",
            description="Redis or Valkey that holds the queue in place of the manager (redis://HOST/0, rediss://,"
            " redis+cluster://HOST,HOST …).",
            extra={"secret": True, "hint": _QUEUE_HINT},
        ),
    ] = ""


class RunConfig(Section):
    """Limits and cookies of one run; given by whoever starts it, not to workers."""

    max_time_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds after which this run ends; the same command goes on for as long again. 0 for no"
            " limit.",
            extra={"also": ("--max-time",)},
        ),
    ] = 0.0
    max_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Number of saved bytes after which this run ends; what workers have in hand by then is"
            " still finished. 0 for no limit.",
        ),
    ] = 0
    cookies: Annotated[
        str,
        Meta(
            description="File of cookies to send (cookies.txt, Netscape format), each to its hosts, by all workers;"
            " it is read at the start of each run. Cookies that servers set are kept, too.",
            extra={"hint": "the path of a file"},
        ),
    ] = ""


class AccessConfig(Section):
    """Keys, certificates and rights between machines; each machine's own, never part of a crawl."""

    keys: Annotated[
        str,
        Meta(
            description="Folder with authkey, ca.pem, cert.pem and key.pem, as image-crawler keygen makes it."
        ),
    ] = ""
    authkey_file: Annotated[
        str, Meta(description="File with the secret that all machines share, 32 bytes or more.")
    ] = ""
    tls_cert: Annotated[str, Meta(description="File with the certificate of this machine, PEM.")] = ""
    tls_key: Annotated[str, Meta(description="File with the private key of that certificate, PEM.")] = ""
    tls_ca: Annotated[
        str, Meta(description="File with the authority that has signed the other side's certificate, PEM.")
    ] = ""
    tls_server_name: Annotated[
        str,
        Meta(
            description="Name that the manager's certificate has to be for; by default the one that keygen writes."
        ),
    ] = ""
    queue_password_file: Annotated[
        str, Meta(description="File with the password of the Redis or Valkey that holds the queue.")
    ] = ""
    insecure_plaintext: Annotated[
        bool,
        Meta(
            description="Use no TLS between machines: whoever is on the path can read and change everything."
        ),
    ] = False
    trust: Annotated[
        Trusts,
        Meta(
            description="Rights that a crawl which is run elsewhere has on this machine, beside manager-network and"
            " limits: networks, proxy, insecure-tls, netrc, storage, posts or all; none takes these two"
            " away. docs/cluster.md has what each means.",
            extra={"item": "NAME"},
        ),
    ] = ()
    reconnect_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds without an answer of the manager after which a worker gives up.",
        ),
    ] = 600.0


class MachineConfig(Section):
    """Resources of this machine; each machine's own, never part of a crawl."""

    memory_budget_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Memory in bytes that reading pages and decoding images may take together on this machine;"
            " 0 for half of what it has.",
            extra={"also": ("--memory-budget",)},
        ),
    ] = 0
    chromium: Annotated[
        str,
        Meta(
            description="Path of the Chromium or Chrome that opens pages; by default the one on PATH.",
            extra={"hint": "the path of a program"},
        ),
    ] = ""
    behaviours: Annotated[
        str,
        Meta(
            description="File with further behaviours for pages in the browser, in JavaScript; docs/rendering.md"
            " says how they are written.",
            extra={"hint": "the path of a file"},
        ),
    ] = ""


class LogConfig(Section):
    """Where the log goes, and its format; each machine's own, never part of a crawl."""

    log_file: Annotated[
        str,
        Meta(
            description="File to append the log to: a line for each finished task; with -vv every detail.",
            extra={"hint": "the path of a file"},
        ),
    ] = ""
    log_format: Annotated[
        str,
        Meta(
            pattern="^(text|json)$",
            description="Format of the log, in its file, or on stderr without one: text, for people; or json, one"
            " JSON object a line (docs/logging.md).",
        ),
    ] = "text"


class Config(Section):
    """All sections; what a crawl runs with, and what crawl.toml keeps."""

    scope: ScopeConfig = ScopeConfig()
    harvest: HarvestConfig = HarvestConfig()
    render: RenderConfig = RenderConfig()
    obey: ObeyConfig = ObeyConfig()
    fetch: FetchConfig = FetchConfig()
    images: ImagesConfig = ImagesConfig()
    storage: StorageConfig = StorageConfig()
    queue: QueueConfig = QueueConfig()
    run: RunConfig = RunConfig()
    manager: ManagerConfig = ManagerConfig()
    access: AccessConfig = AccessConfig()
    machine: MachineConfig = MachineConfig()
    log: LogConfig = LogConfig()

    @property
    def keeps_cookies(self) -> bool:
        """Whether anybody remembers what servers set: those of a file may be renewed."""
        return self.fetch.keep_cookies or bool(self.run.cookies)

    def of_the_crawl(self) -> Config:
        """Without what is the business of one machine."""
        fetch = self.fetch
        if self.keeps_cookies:
            fetch = msgspec.structs.replace(fetch, keep_cookies=True)
        return msgspec.structs.replace(
            self,
            fetch=fetch,
            manager=ManagerConfig(),
            access=AccessConfig(),
            machine=MachineConfig(),
            log=LogConfig(),
        )

    def for_workers(self) -> Config:
        """… nor the business of one run: what every worker of the crawl is told."""
        return msgspec.structs.replace(self.of_the_crawl(), run=RunConfig())


_PATTERN = "PATTERN"
_SIZE_HINT = "a number of bytes, or such as 500 MB or 1.5 GiB"
_TIME_HINT = "a number of seconds, or such as 90s, 10m or 1h30m"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One key, as the command line and the documentation need it."""

    section: str
    key: str
    type: type
    default: Any
    description: str
    choices: tuple[str, ...] = ()
    """The only values that there are, if they are so few."""
    words: tuple[str, ...] = ()
    """The only ones for each value of a list, if they are so few."""
    hint: str = ""
    """What a value looks like, for who has written another one; instead of its pattern."""
    item: str = ""
    """What each value of a list is."""
    also: tuple[str, ...] = ()
    """Other flags that mean the same."""
    secret: bool = False
    """Not to be shown, nor written to a file."""

    @property
    def environment(self) -> str:
        return ENVIRONMENT_PREFIX + self.key.upper()

    @property
    def flag(self) -> str:
        return "--" + self.key.replace("_", "-")

    @property
    def is_list(self) -> bool:
        """Several values: a flag is given once for each, the environment has them with spaces between."""
        return get_origin(self.type) is tuple


_CHOICES = re.compile(r"\^\([\w|-]+\)\$")
"""A pattern that is nothing but a list of words."""


def settings() -> Iterator[Setting]:
    """Every setting there is, in the order of the sections."""
    for section in msgspec.structs.fields(Config):
        hints = get_type_hints(section.type, include_extras=True)
        for field in msgspec.structs.fields(section.type):
            hint = hints[field.name]
            base, meta = get_args(hint) if get_origin(hint) is Annotated else (hint, Meta())
            extra = meta.extra or {}
            yield Setting(
                section=section.name,
                key=field.name,
                type=base,
                default=field.default,
                description=meta.description or "",
                choices=_words(meta),
                words=_words(*get_args(get_args(base)[0])[1:]) if get_origin(base) is tuple else (),
                hint=extra.get("hint", _hint(field.name)),
                item=extra.get("item", _PATTERN) if get_origin(base) is tuple else "",
                also=extra.get("also", ()),
                secret=extra.get("secret", False),
            )


def _hint(key: str) -> str:
    """What a value looks like, by the unit in its name."""
    return _SIZE_HINT if "_bytes" in key else _TIME_HINT if key.endswith("_s") else ""


def _words(*metas: Meta) -> tuple[str, ...]:
    """The values that a pattern such as ``^(one|two)$`` allows; none for one that does not list them."""
    patterns = [meta.pattern for meta in metas if meta.pattern and _CHOICES.fullmatch(meta.pattern)]
    return tuple(word for pattern in patterns for word in pattern[2:-2].split("|"))


SETTINGS: dict[str, Setting] = {setting.key: setting for setting in settings()}


def load(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """The configuration that results from a file, the environment and flags.

    *flags* maps keys to values; None means not given. Raises ConfigError, which names source, key and value, or two
    settings that contradict each other.
    """
    config = Config() if file is None else _from_file(file)
    for name, text in (environment or {}).items():
        if name.startswith(ENVIRONMENT_PREFIX) and name not in _NO_SETTINGS:
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower()
            config = _with_value(config, key, text, source=f"environment variable {name}")
    for key, value in (flags or {}).items():
        if value is not None:
            flag = SETTINGS[key].flag if key in SETTINGS else key
            config = _with_value(config, key, value, source=f"option {flag}")
    if contradiction := _contradiction(config.images):
        raise ConfigError(contradiction)
    return config


def _contradiction(images: ImagesConfig) -> str:
    """Why no image whatever would be kept; empty if some may be."""
    for least, most in (
        ("min_width_px", "max_width_px"),
        ("min_height_px", "max_height_px"),
        ("min_image_bytes", "max_image_bytes"),
    ):
        low, high = getattr(images, least), getattr(images, most)
        if low > high > 0:
            return f"{least} = {low} and {most} = {high} contradict each other: no image would be kept; change one"
    if 0 < images.max_aspect < 1:
        return (
            f"max_aspect = {images.max_aspect} won't do: the longer side of an image is at least once the shorter, so"
            " none would be kept; give 1 or more, or 0 for no limit"
        )
    return ""


def _from_file(file: Path) -> Config:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(
            f"can't read the configuration file {file}: {plain(exc)}; give another with --config"
        ) from exc
    except (ValueError, RecursionError) as exc:  # also of numbers with thousands of digits
        raise ConfigError(
            f"{file} is not valid TOML: {plain(exc)}; put it right, see config/default.toml"
        ) from exc
    return from_tables(tables, source=str(file))


def from_tables(tables: Mapping[str, Any], *, source: str) -> Config:
    """A configuration from ``{section: {key: value}}``; raises ConfigError."""
    sections = [field.name for field in msgspec.structs.fields(Config)]
    config = Config()
    for name, table in tables.items():
        if name not in sections:
            where = SETTINGS.get(name)
            hint = f"put it below [{where.section}]" if where else _did_you_mean(name, sections)
            raise ConfigError(f"{source}: unknown section [{name}]; {hint}")
        if not isinstance(table, Mapping):
            raise ConfigError(f"{source}: {name} must be a table, such as [{name}]")
        for key, value in table.items():
            if key == "cookies" and isinstance(value, bool):
                raise ConfigError(f"{source}, [{name}]: {_NO_BOOLEAN}")
            if key in SETTINGS and SETTINGS[key].section != name:
                raise ConfigError(
                    f"{source}: {key} does not belong below [{name}] but below [{SETTINGS[key].section}]"
                )
            config = _with_value(config, key, value, source=f"{source}, [{name}]")
    return config


_BOOLEANS = ("true", "false", "1", "0", "yes", "no", "on", "off")
_NO_BOOLEAN = (
    "cookies is the path of a file (cookies.txt), in the section [run]; to keep those that servers set, say"
    " keep_cookies = true, or --keep-cookies"
)


def _with_value(config: Config, key: str, value: object, *, source: str) -> Config:
    setting = SETTINGS.get(key)
    if setting is None:
        raise ConfigError(f"{source}: unknown key {quoted(key)}; {_did_you_mean(key, list(SETTINGS))}")
    if key == "cookies" and isinstance(value, bool | str) and str(value).lower() in _BOOLEANS:
        raise ConfigError(f"{source}: {_NO_BOOLEAN}")
    section = getattr(config, setting.section)
    shown = "…" if setting.secret else listed(value)
    # as values come from the environment and the command line; only headers have spaces
    if setting.is_list and isinstance(value, str):
        value = value.splitlines() if " " in setting.item else value.split()
    if setting.words and isinstance(value, list | tuple):
        value = [word for item in value for word in _split(item)]
    if isinstance(value, str):
        value = _measured(key, value)
    changed = msgspec.structs.asdict(section) | {key: value}
    try:
        section = msgspec.convert(changed, type(section), strict=not isinstance(value, str))
    except msgspec.ValidationError as exc:
        problem = _problem(setting, value, str(exc).partition(" - at ")[0])
        raise ConfigError(f"{source}: {key} = {shown} won't do: {problem}. {setting.description}") from (
            None if setting.secret else exc
        )
    converted = getattr(section, key)
    problem = _unusable(converted, ascii_only=setting.section not in (*_LOCAL, "run") and not setting.secret)
    if setting.item == _PATTERN:
        problem = problem or next(filter(None, (_unmatched(pattern) for pattern in converted)), "")
    shown = "…" if setting.secret else listed(converted)
    if problem:
        raise ConfigError(f"{source}: {key} = {shown} won't do: {problem}. {setting.description}")
    return msgspec.structs.replace(config, **{setting.section: section})


def _problem(setting: Setting, value: object, told: str) -> str:
    """What is wrong with *value*, for people; *told* is how msgspec has it, which would show them patterns."""
    words = setting.choices or setting.words
    if " matching regex " in told or (setting.choices and isinstance(value, str)):
        return f"expected one of {', '.join(words)}" if words else f"expected {setting.hint}"
    if setting.hint in (_SIZE_HINT, _TIME_HINT) and not _COMPARED.search(told):
        return f"expected {setting.hint}"
    return typed(told)


def _split(item: object) -> list[object]:
    """``jpg,png`` is two words; another name of one is that one."""
    if not isinstance(item, str):
        return [item]
    return [SYNONYMS.get(word, word) for word in item.replace(",", " ").split()] or [item]


_COMPARED = re.compile(r"[<>]=? ?\d")
_SIZE = re.compile(r"(\d{1,18}) ?b|(\d{1,18}(?:\.\d{1,18})?) ?([kmgt])(i?)b?", re.IGNORECASE)


_DURATION = re.compile(r"(\d{1,18}(?:\.\d{1,18})?) ?(ms|s|min|m|h|d)", re.IGNORECASE)
_UNIT_S = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _measured(key: str, text: str) -> str:
    """*text* in the unit of *key*, if it names another one."""
    if "_bytes" in key:
        return _bytes(text.strip().removesuffix("/s") if key.endswith("_s") else text)
    return _seconds(text) if key.endswith("_s") else text


def _seconds(text: str) -> str:
    """``90s``, ``10 min``, ``1h30m`` and ``1.5 h`` as a number of seconds; anything else as it is."""
    total_s, at, text_left = 0.0, 0, text.strip()
    while match := _DURATION.match(text_left, at):
        total_s += float(match[1]) * _UNIT_S[match[2].lower()]
        at = match.end() + (text_left[match.end() : match.end() + 1] == " ")
    return repr(total_s) if 0 < at == len(text_left) else text


def _bytes(text: str) -> str:
    """``500 MB``, ``1.5GiB`` and ``500B`` as a number of bytes; anything else as it is."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return text
    plain, number, prefix, binary = match.groups()
    if plain:
        return str(int(plain))
    return str(int(float(number) * (1024 if binary else 1000) ** ("kmgt".index(prefix.lower()) + 1)))


_LOCAL = ("manager", "access", "machine", "log")
"""Sections with addresses and paths of this machine, which have characters of any kind."""


def _unusable(value: str | float | bool | tuple[str, ...], *, ascii_only: bool) -> str:  # noqa: FBT001 - a value of any setting's type
    """Why neither a header nor a TOML file could carry *value*, which its type allows; empty if they can."""
    if isinstance(value, tuple):
        problems = (_unusable(item, ascii_only=ascii_only) for item in value)
        return next(filter(None, problems), "")
    if isinstance(value, str):
        usable = value.isprintable() and (value.isascii() or not ascii_only)
        return "" if usable else f"expected printable {'ASCII ' if ascii_only else ''}characters"
    # which nan is not, either
    return "" if abs(value) < 2**63 else "expected a finite number below 2 to the power of 63"


def _unmatched(pattern: str) -> str:
    if pattern.startswith(("*", "http:", "https:")):
        return ""
    guess = f"*{pattern}*"
    return f"{quoted(pattern)} can't match a whole URL; perhaps {quoted(guess)} is meant"


def _did_you_mean(word: str, known: list[str]) -> str:
    if (told := foreign_options.advice(word)) is not None and known == list(SETTINGS):
        return _FLAG.sub(lambda flag: _FLAGS.get(flag[0], flag[0]), told)
    if question := did_you_mean([quoted(guess) for guess in guesses(word, known)]):
        return question
    return f"known are: {', '.join(known)}"


_FLAG = re.compile("--[a-z][a-z0-9-]+")
_FLAGS = {flag: setting.key for setting in SETTINGS.values() for flag in (setting.flag, *setting.also)}


def settings_of(config: Config) -> dict[str, Any]:
    """Every setting of a crawl by its key, as JSON has it, without those that are each machine's own; of a secret one
    only whether it is given (GIVEN).
    """
    found: dict[str, Any] = {}
    for key, setting in SETTINGS.items():
        if setting.section not in _LOCAL:
            value = getattr(getattr(config, setting.section), key)
            found[key] = (
                GIVEN if setting.secret and value else list(value) if isinstance(value, tuple) else value
            )
    return found


_MOST_FILE_BYTES = 16 * 2**20


def values_in(file: Path) -> dict[str, Any]:
    """What can be read of a crawl's own crawl.toml, by key: another version may have written it, and a run that was
    killed half of it. What is no setting of this version, or no value of one, is passed over.
    """
    try:
        if not file.is_file() or file.stat().st_size > _MOST_FILE_BYTES:
            return {}
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    told = {
        key: value for table in tables.values() if isinstance(table, Mapping) for key, value in table.items()
    }
    if isinstance(told.get("cookies"), bool):  # as it was called once
        told["keep_cookies"] = told.pop("cookies")
    return {key: value for key, value in settings_of(config_of(told)).items() if key in told}


def config_of(values: Mapping[str, Any]) -> Config:
    """The configuration of settings by their keys, as a run was noted with them; what can't be used is at its default,
    and so is what is secret.
    """
    config = Config()
    for key, value in values.items():
        if key in SETTINGS and not SETTINGS[key].secret:
            with suppress(ConfigError):
                config = _with_value(config, key, value, source=key)
    return config


def to_toml(config: Config, *, header: str = "") -> str:
    """*config* as a commented TOML document that :func:`load` reads back."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    section = ""
    for setting in SETTINGS.values():
        if setting.section != section:
            section = setting.section
            lines += ["", f"[{section}]"]
        value = getattr(getattr(config, section), setting.key)
        hidden = "# " if setting.secret and value else ""
        lines += [
            f"# {setting.description}",
            f"{setting.key} = {_toml_value(value)}"
            if not hidden
            else f'# {setting.key} = "…" is not written down',
        ]
    return "\n".join(lines).lstrip("\n") + "\n"


def _toml_value(value: str | float | bool | tuple[str, ...]) -> str:  # noqa: FBT001 - a value of any setting's type
    # TOML's basic strings escape as JSON does, and its numbers, booleans and arrays are written as JSON's
    return msgspec.json.encode(value).decode()
