"""Request headers: user agent, Referer, validators, cookies and passwords; and which hosts get the secrets."""

from __future__ import annotations

import netrc
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from crawler.config import FetchConfig
from crawler.errors import ConfigError
from crawler.http import BrowserRequest, Validators
from crawler.http.browser_headers import joined_cookies, passed_on
from crawler.http.content_encoding import ACCEPT_ENCODING
from crawler.http.proxies import basic
from crawler.urls import authority, canonical, host_key

if TYPE_CHECKING:
    from crawler.http.cookies import CookieJar

_OURS = frozenset(
    {
        "user-agent", "accept", "accept-encoding", "referer", "if-none-match", "if-modified-since", "cookie",
        "authorization",
    }
)  # fmt: skip
_SECRET = ("authorization", "cookie")
"""Headers that only the origins of the seeds get, wherever a redirect leads."""
_REFUSED = frozenset(
    {
        "host", "content-length", "transfer-encoding", "connection", "proxy-authorization", "proxy-connection", "te",
        "trailer", "upgrade", "expect", "keep-alive",
    }
)  # fmt: skip
"""Headers of the framing and the connection: settings must not set them."""
_CONTROL = re.compile(r"[^\x20-\x7e\x80-\xff]")
_MAX_VALIDATOR_CHARS = 1024


class RequestHeaders:
    """Makes the headers of each request. Thread-safe.

    *seeds* are canonical URLs: only their origins get the configured passwords and cookies. Raises ConfigError for
    headers that can't be sent, and for a .netrc that can't be read.
    """

    def __init__(
        self, config: FetchConfig, *, seeds: Iterable[str] = (), jar: CookieJar | None = None
    ) -> None:
        self._user_agent = config.user_agent
        self._jar = jar
        self._origins = frozenset(map(host_key, seeds))
        configured = _configured(config.headers)
        self._everywhere = {name: value for name, value in configured.items() if name.lower() not in _SECRET}
        self._secrets = {name: value for name, value in configured.items() if name.lower() in _SECRET}
        if config.login:
            self._secrets.setdefault("Authorization", basic(*config.login.split(":", 1)))
        self._logins = _netrc_logins() if config.netrc else {}

    def headers_for(
        self, url: str, *, accept: str, referer: str = "", unless: Validators | None = None
    ) -> dict[str, str]:
        """The headers of a GET of a canonical URL that was found on the page *referer*."""
        headers = {
            "Host": authority(url),  # http.client's own lacks the dot at the end of a name that has one
            "User-Agent": self._user_agent,
            "Accept": accept,
            "Accept-Encoding": ACCEPT_ENCODING,
        }
        if told := referer_for(url, referer):
            headers["Referer"] = told
        if unless is not None and asks_unless(unless, url):
            if etag := _sendable(unless.etag):
                headers["If-None-Match"] = etag
            if last_modified := _sendable(unless.last_modified):
                headers["If-Modified-Since"] = last_modified
        self._add_ours(headers, url)
        return headers

    def headers_of(self, request: BrowserRequest, url: str) -> dict[str, str]:
        """The headers of a browser's *request* for a canonical URL: those of the page that are sent on, and ours.

        A request of another origin gets none of our passwords and cookies: its script may be allowed to read the answer
        because the browser takes it for a request without them. The page's own cookies come from the browser.
        """
        theirs = passed_on(request.headers)
        folded = {name.lower(): name for name in theirs}
        cookies, authorization, origin = (
            theirs.pop(folded[name], "") if name in folded else ""
            for name in ("cookie", "authorization", "origin")
        )
        for name in self._everywhere:
            theirs.pop(folded.get(name.lower(), ""), None)
        headers = {
            "Host": authority(url),
            "User-Agent": self._user_agent,
            "Accept-Encoding": ACCEPT_ENCODING,
            **theirs,
        }
        if origin:
            headers["Origin"] = origin
        if request.method == "POST":
            headers["Content-Length"] = str(len(request.body))
        self._add_ours(headers, url, secrets=origin in ("", host_key(url)))
        if authorization:
            headers["Authorization"] = authorization
        if cookies := joined_cookies(headers.get("Cookie", ""), cookies):
            headers["Cookie"] = cookies
        return headers

    def _add_ours(self, headers: dict[str, str], url: str, *, secrets: bool = True) -> None:
        """Add the configured headers and, with *secrets*, passwords and the cookies that servers have set."""
        headers.update(self._everywhere)
        if not secrets:
            return
        if self._secrets and host_key(url) in self._origins:
            headers.update(self._secrets)
        elif self._logins and (login := self._login(url)):
            headers["Authorization"] = login
        if self._jar is not None and (cookies := self._jar.header(url)):
            headers["Cookie"] = f"{headers['Cookie']}; {cookies}" if "Cookie" in headers else cookies

    def _login(self, url: str) -> str:
        """The login of ``.netrc`` for *url*, which is given by host alone.

        A foreign page may link to any port of it, or to http. So it is for https at the usual port, and for the seeds.
        """
        parts = urlsplit(url)
        is_meant = (parts.scheme == "https" and parts.port is None) or host_key(url) in self._origins
        return self._logins.get(parts.hostname or "", "") if is_meant else ""


def asks_unless(unless: Validators | None, url: str) -> bool:
    """Whether a request for *url* sends validators, so that 304 is an answer."""
    return unless is not None and unless.url == url and bool(unless.etag or unless.last_modified)


def referer_for(url: str, page_url: str) -> str:
    """The Referer for *url*, linked from *page_url*, by the browsers' default policy.

    Its own origin gets the page's whole URL, others its origin alone; a request from https to http has none. Never
    contains a fragment or a user name. Source: W3C Referrer Policy, strict-origin-when-cross-origin.
    """
    page = canonical(page_url) if page_url else None
    if page is None or (page.startswith("https:") and url.startswith("http:")):
        return ""
    origin = host_key(page)
    return page if origin == host_key(url) else f"{origin}/"


def _configured(headers: Iterable[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    spelling: dict[str, str] = {}
    for text in headers:
        name, _, value = text.partition(":")
        folded, value = name.strip().lower(), value.strip()
        if folded in _REFUSED:
            hint = "; a proxy's password belongs to --proxy" if folded.startswith("proxy-") else ""
            raise ConfigError(f"headers: {name.strip()} can't be set: each request needs its own{hint}")
        if _CONTROL.search(value):
            raise ConfigError(f"headers: the value of {name.strip()} has characters that can't be sent")
        name = spelling.setdefault(folded, folded.title() if folded in _OURS else name.strip())
        between = "; " if folded == "cookie" else ", "
        values[name] = f"{values[name]}{between}{value}" if name in values else value
    return values


def _netrc_logins(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Authorization by host name, from the file that NETRC names, ~/.netrc or ~/_netrc.

    Its ``default`` entry is ignored: it would send a password to every host.
    """
    named = environment.get("NETRC", "")
    candidates = [Path(named)] if named else [Path("~/.netrc"), Path("~/_netrc")]
    for path in (candidate.expanduser() for candidate in candidates):
        if not path.is_file():
            continue
        try:
            hosts = netrc.netrc(str(path)).hosts
        except (netrc.NetrcParseError, OSError, UnicodeError) as exc:
            # the text of the error may quote a password
            line = f", line {exc.lineno}" if isinstance(exc, netrc.NetrcParseError) else ""
            raise ConfigError(f"can't read {path}{line}: put it right, or go without --netrc") from None
        return {
            host.lower(): basic(user or account or "", password or "")
            for host, (user, account, password) in hosts.items()
            if host != "default"
        }
    return {}


def _sendable(value: str) -> str:
    """A validator without control characters; empty if it is too long."""
    return _CONTROL.sub("", value) if len(value) <= _MAX_VALIDATOR_CHARS else ""
