"""robots.txt: what the owner of a host allows to be asked for (RFC 9309), and how often.

One file a host, asked for when the first URL of the host is to be visited, and kept for a day. A host without one
(a 4xx status) allows everything; one that fails to give its own (a 5xx status, a broken answer) allows nothing
for a while, and what waited for it is tried again.
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
    """The name by which robots.txt and the like speak of a user agent: ``image-crawler`` of
    ``image-crawler/1.0 (+https://…)`` (RFC 9309, section 2.2.1). Without one it is ``image-crawler``.
    """
    found = _TOKEN.match(user_agent)
    return found[0].lower() if found else "image-crawler"


class Robots:
    """The robots.txt files of all hosts, as far as they have been needed; safe to be used by several threads.

    *agent* is our product token. *store* keeps the files for all workers of a crawl; without one each host is asked by
    each of them. *clock* is monotonic, in seconds.
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
        """Return if *url* may be asked for; asks its host for the file if need be, when it is the host's *turn*.

        Raises RobotsDisallowed if not; RobotsUnavailable, or why the host can't be reached, when that can't be said.
        """
        host = host_key(url)
        verdict = self._files.get(host, turn).verdict(url)
        if verdict.line and log.isEnabledFor(DEBUG):
            event = ROBOTS_ALLOWS if verdict.allowed else ROBOTS_FORBIDS
            tell(log, event, url=url, line=verdict.number, rule=verdict.line)
        if not verdict.allowed:
            raise RobotsDisallowed(
                f'robots.txt of {host}, line {verdict.number}, "{verdict.line}", forbids {self._agent} to ask for'
                f" {url}; to take it all the same, say --no-obey-robots-txt"
            )

    def delay_s(self, url: str) -> float | None:
        """The Crawl-delay of the URL's host in seconds, 0 if it asks for none; None when that is not known. Asks
        nobody.
        """
        file = self._files.at_hand(host_key(url))
        return file.delay_s if file is not None else None

    def sitemaps(self, url: str, turn: Turn | None = None) -> tuple[str, ...]:
        """What the robots.txt of the URL's host names as sitemaps, as written; empty when that can't be said."""
        try:
            return self._files.get(host_key(url), turn).sitemaps
        except TaskError:
            return ()

    def statements(self, url: str) -> tuple[UsageLine, ...]:
        """The lines of its host's robots.txt that say what may be done with what is at *url*; none when that can't be
        said. To be asked after :meth:`check`.
        """
        file = self._files.at_hand(host_key(url))
        return file.statements(url) if file is not None else ()

    def _read(self, url: str, file: HostFile) -> RobotsFile:
        rules = RobotsFile(file.content, agent=self._agent, is_cut=file.is_cut)
        if rules.left_out:
            tell(log, ROBOTS_LINES_LEFT_OUT, url=url, lines=rules.left_out)
        return rules
