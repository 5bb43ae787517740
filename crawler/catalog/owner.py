"""What robots.txt says about a URL, as the crawl has fetched it, and which line decides."""

from __future__ import annotations

import msgspec

from crawler.catalog.database import Catalog
from crawler.crawlfile.columns import UNREADABLE, unpacked_file
from crawler.http.robots_file import RobotsFile
from crawler.models import ROBOTS_TXT, HostFile, Value
from crawler.urls import host_key


class RobotsTxt(Value):
    """What the robots.txt of a host says about one URL."""

    host: str
    """``scheme://host[:port]``"""
    reason: str = ""
    """The slug of the error, if it could not be fetched; empty if it was, or there is none."""
    detail: str = ""
    http_status: int = 0
    is_there: bool = False
    allowed: bool = True
    line: str = ""
    """The line that decides; empty if none does."""
    number: int = 0
    delay_s: float = 0.0
    """Seconds that it asks for between two requests (Crawl-delay)."""
    delay_line: str = ""
    delay_number: int = 0


def robots_txt(catalog: Catalog, url: str, *, agent: str) -> RobotsTxt | None:
    """What the robots.txt of a canonical *url*'s host said to *agent* when the crawl fetched it; None if it has not."""
    host = host_key(url)
    if not next(catalog.rows("SELECT 1 FROM sqlite_master WHERE name = 'host_files'"), None):
        return None  # of an earlier version
    rows = catalog.rows(
        "SELECT f.file FROM host_files f JOIN hosts h ON h.id = f.host_id WHERE h.name = ? AND f.name = ?",
        (host, ROBOTS_TXT),
    )
    for (packed,) in rows:
        try:
            return _read(unpacked_file(packed), host, url, agent)
        except (*UNREADABLE, TypeError):
            return None  # something else has written it
    return None


def _read(file: HostFile, host: str, url: str, agent: str) -> RobotsTxt:
    if file.reason:
        return RobotsTxt(host=host, reason=file.reason, detail=file.detail, http_status=file.http_status)
    rules = RobotsFile(file.content, agent=agent, is_cut=file.is_cut)
    return RobotsTxt(
        host=host,
        http_status=file.http_status,
        is_there=bool(file.content),
        **msgspec.structs.asdict(rules.verdict(url)),
        delay_s=rules.delay_s,
        delay_line=rules.delay_line,
        delay_number=rules.delay_number,
    )
