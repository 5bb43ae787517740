"""robots.txt: which URLs the owner of a host allows to request, and how often (RFC 9309).

The file of a host is requested before its first URL, and kept for a day. A host without one (4xx) allows everything. A
host that fails to give its file (5xx, a broken answer) allows nothing for a while; its tasks are retried.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from crawler.errors import RobotsDisallowed, TaskError
from crawler.http import Transport
from crawler.http.host_files import HostFiles, HostFileStore
from crawler.http.robots_file import MAX_BYTES, RobotsFile, UsageLine
from crawler.http.turns import Turn
from crawler.logs.events import DEBUG, ROBOTS_ALLOWS, ROBOTS_FORBIDS, ROBOTS_LINES_LEFT_OUT, tell
from crawler.models import ROBOTS_TXT, HostFile
from crawler.urls import host_key

log = logging.getLogger(__name__)

_ACCEPT = "text/plain,*/*;q=0.5"
_TOKEN = re.compile(r"[A-Za-z_-]+")


def product_token(user_agent: str) -> str:
    """The product token of a user agent (RFC 9309, section 2.2.1); ``image-crawler`` if it has none.

    >>> product_token("image-crawler/1.0 (+https://example.org)")
    'image-crawler'
    """
    found = _TOKEN.match(user_agent)
    return found[0].lower() if found else "image-crawler"


class Robots:
    """The robots.txt files of all hosts that were needed so far. Thread-safe.

    *agent* is our product token. *store* keeps the files for all workers of a crawl; without one each worker requests
    them itself. *clock* is monotonic, in seconds.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        agent: str,
        store: HostFileStore | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._agent = agent
        self._files = HostFiles(
            ROBOTS_TXT,
            self._read,
            transport,
            accept=_ACCEPT,
            max_bytes=MAX_BYTES,
            store=store,
            delay_of=lambda file: file.delay_s,
            clock=clock,
        )

    def check(self, url: str, turn: Turn | None = None) -> None:
        """Return if *url* may be requested. The file of its host is requested if need be, when it is the host's *turn*.

        Raises RobotsDisallowed; RobotsUnavailable, or why the host can't be reached, when the file can't be had.
        """
        host = host_key(url)
        file = self._files.get(host, turn)
        if turn is not None and file.delay_s:
            turn.heed(host, file.delay_s)
        verdict = file.verdict(url)
        if verdict.line and log.isEnabledFor(DEBUG):
            event = ROBOTS_ALLOWS if verdict.allowed else ROBOTS_FORBIDS
            tell(log, event, url=url, line=verdict.number, rule=verdict.line)
        if not verdict.allowed:
            raise RobotsDisallowed(
                f'robots.txt of {host}, line {verdict.number}, "{verdict.line}", forbids {self._agent} to ask for'
                f" {url}; to take it all the same, say --no-obey-robots-txt"
            )

    def delay_s(self, url: str) -> float | None:
        """The Crawl-delay of the URL's host in seconds, 0 without one; None when it is not known. Makes no request."""
        file = self._files.at_hand(host_key(url))
        return file.delay_s if file is not None else None

    def sitemaps(self, url: str, turn: Turn | None = None) -> tuple[str, ...]:
        """The sitemaps in the robots.txt of the URL's host, as written; empty when the file can't be had."""
        try:
            return self._files.get(host_key(url), turn).sitemaps
        except TaskError:
            return ()

    def statements(self, url: str) -> tuple[UsageLine, ...]:
        """The lines of the host's robots.txt about the use of *url*; none if they are unknown. Call ``check`` first."""
        file = self._files.at_hand(host_key(url))
        return file.statements(url) if file is not None else ()

    def _read(self, url: str, file: HostFile) -> RobotsFile:
        rules = RobotsFile(file.content, agent=self._agent, is_cut=file.is_cut)
        if rules.left_out:
            tell(log, ROBOTS_LINES_LEFT_OUT, url=url, lines=rules.left_out)
        return rules
