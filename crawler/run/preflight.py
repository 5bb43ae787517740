"""Checks of the settings of requests before a crawl starts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from crawler.config import Config
from crawler.http import transports
from crawler.http.address_guard import AddressGuard
from crawler.http.proxies import Proxies, unused
from crawler.http.request_headers import RequestHeaders
from crawler.logs.events import COOKIES_UNUSED, LOGIN_UNUSED, PROXY_UNUSED, tell
from crawler.models import Cookie
from crawler.seeds import Seed
from crawler.urls import without_login

log = logging.getLogger(__name__)


def checked(
    config: Config, typed: Sequence[Seed], seeds: Sequence[str]
) -> tuple[Proxies, tuple[Cookie, ...]]:
    """The proxies, and the cookies of the user's file, for a crawl of *seeds*, which were *typed* so.

    Logs cookies, proxies and logins that the crawl will not use. Raises ConfigError for settings that can't be used.
    """
    AddressGuard(config.fetch.allow_addresses)
    RequestHeaders(config.fetch)
    transports.check(config.fetch)
    proxies = Proxies(config.fetch.proxy)
    cookies: tuple[Cookie, ...] = ()
    if config.run.cookies:
        from crawler.http import cookie_file  # few crawls have one, and it is slow to come

        file = cookie_file.read(config.run.cookies, seeds)
        cookies = file.cookies
        for note in file.notes:
            tell(log, COOKIES_UNUSED, text=note)
    if not_used := unused(config.fetch, seeds):
        tell(log, PROXY_UNUSED, text=not_used)
    if named := [seed.urls[0] for seed in typed if without_login(seed.text) != seed.text]:
        tell(log, LOGIN_UNUSED, seeds=", ".join(named))
    return proxies, cookies
