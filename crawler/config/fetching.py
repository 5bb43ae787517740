"""Settings of requests: which opt-outs are obeyed, and how pages and images are fetched."""

from __future__ import annotations

from typing import Annotated

import msgspec

from crawler import __version__
from crawler.config.section import Headers, Hosts, Section, about


class ObeyConfig(Section):
    """Opt-outs of the owners of pages and images, and which of them are obeyed."""

    purpose: Annotated[
        str,
        about(
            "Purpose of the crawl: archive, to keep images; search, to index them; train, to train"
            " models. What an owner says of one use is obeyed by a crawl for that use, and only"
            " recorded by the others.",
            pattern="^(archive|search|train)$",
        ),
    ] = "archive"
    obey_robots_txt: Annotated[
        bool,
        about("Obey robots.txt: request nothing that it disallows, and no faster than its Crawl-delay."),
    ] = True
    obey_nofollow: Annotated[
        bool, about("Obey nofollow (X-Robots-Tag, meta robots): follow no link of such a page.")
    ] = True
    obey_rel_nofollow: Annotated[bool, about("Obey rel=nofollow: do not follow such a link.")] = True
    obey_noindex: Annotated[bool, about("Obey noindex: take no such image, and no image of such a page.")] = (
        True
    )
    obey_noimageindex: Annotated[
        bool, about("Obey noimageindex: take no such image, and no image of such a page.")
    ] = True
    obey_noai: Annotated[bool, about("Obey noai: take no such image, and no image of such a page.")] = True
    obey_noimageai: Annotated[
        bool, about("Obey noimageai: take no such image, and no image of such a page.")
    ] = True
    obey_tdm_reservation: Annotated[
        bool, about("Obey tdm-reservation: 1: take no such image, and no image of such a page.")
    ] = True
    obey_tdmrep: Annotated[
        bool,
        about("Obey tdmrep.json: with the purposes search and train, take no image that its host reserves."),
    ] = True
    record_tdmrep: Annotated[
        bool,
        about(
            "Request the tdmrep.json of each host where it is only recorded, too: one more request a host."
        ),
    ] = False
    obey_content_usage: Annotated[
        bool,
        about("Obey Content-Usage (header, robots.txt): take no image for which it says no to the purpose."),
    ] = True
    obey_content_signal: Annotated[
        bool,
        about("Obey Content-Signal (robots.txt, header): take no image for which it says no to the purpose."),
    ] = True
    obey_data_mining: Annotated[
        bool,
        about("Obey plus:DataMining (XMP): keep no image that says no to the purpose with it."),
    ] = True
    obey_training_mining: Annotated[
        bool,
        about(
            "Obey training and data mining assertions (CAWG, C2PA): keep no image that says no to the"
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

    transport: Annotated[
        str,
        about(
            "Library that sends requests: requests; curl (libcurl, with the extra fast); or auto, for"
            " curl where it is installed.",
            pattern="^(auto|requests|curl)$",
        ),
    ] = "auto"
    user_agent: Annotated[str, about("User-Agent header: a name and a contact.", min_length=1)] = (
        f"image-crawler/{__version__} (+https://github.com/image-crawler/image-crawler)"
    )
    connect_timeout_s: Annotated[float, about("Seconds to open a connection.", gt=0)] = 10.0
    total_timeout_s: Annotated[float, about("Seconds for one fetch, all redirects included.", gt=0)] = 120.0
    min_rate_bytes_s: Annotated[
        int,
        about(
            "Minimum rate of a transfer in bytes per second; a slower one is given up after 10 s. 0"
            " for no limit.",
            ge=0,
        ),
    ] = 1024
    limit_rate_bytes_s: Annotated[
        int,
        about(
            "Maximum rate in bytes per second, from all sites together to all workers of the crawl; 0"
            " for no limit.",
            ge=0,
            also=("--limit-rate",),
        ),
    ] = 0
    max_redirects: Annotated[int, about("Maximum number of redirects of one URL.", ge=0, le=50)] = 10
    tries: Annotated[
        int,
        about(
            "Number of tries within one lease, seconds apart, before the task goes back to the queue.",
            ge=1,
            le=10,
        ),
    ] = 3
    verify_tls: Annotated[bool, about("Check the certificates of https servers.")] = True
    headers: Annotated[
        Headers,
        about(
            "Header to send with every request; Authorization and Cookie go to the seeds' hosts only.",
            item="NAME: VALUE",
            also=("--header",),
            secret=True,
            hint="NAME: VALUE",
        ),
    ] = ()
    keep_cookies: Annotated[
        bool,
        about(
            "Keep the cookies that servers set, for the whole crawl, and send them back; --cookies"
            " does so as well."
        ),
    ] = False
    login: Annotated[
        str,
        about(
            "USER:PASSWORD for the seeds' hosts (HTTP basic authentication).",
            pattern="^$|^[^:]+:.*$",
            secret=True,
            hint="USER:PASSWORD",
        ),
    ] = ""
    netrc: Annotated[
        bool,
        about(
            "Log in where the ~/.netrc of the worker has an entry for the host: by https at its usual"
            " port, and at the origins of the seeds."
        ),
    ] = False
    proxy: Annotated[
        str,
        about(
            "Proxy for every request: http://[USER:PASSWORD@]HOST:PORT, socks5://, or socks5h://,"
            " which looks up names as well; environment, for those of HTTPS_PROXY and the like.",
            pattern="^$|^environment$|^(https?|socks5h?)://[^/?#]+/?$",
            secret=True,
            hint="http://[USER:PASSWORD@]HOST:PORT, socks5://…, socks5h://… or environment",
        ),
    ] = ""
    allow_addresses: Annotated[
        Hosts,
        about(
            "Hosts, addresses or networks that may be requested although they are private; others are"
            " refused, except for those of the seeds.",
            item="HOST",
            hint="names, addresses, or networks such as 10.1.0.0/16",
        ),
    ] = ()
