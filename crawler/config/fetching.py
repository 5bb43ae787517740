"""Settings of requests: which opt-outs are obeyed, and how pages and images are fetched."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from crawler import __version__
from crawler.config.section import Headers, Hosts, Section


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
            " port, and at the origins of the seeds."
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
