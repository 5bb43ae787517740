"""What one visit tells of the host that it ended at. Pure, for every engine."""

from __future__ import annotations

from enum import Enum

from crawler import errors
from crawler.models import PageRecord, Record, Revisit
from crawler.urls import DATA_HOST, host_key


class Evidence(Enum):
    """What one visit tells of a host; the values are for scripts, see note() in redis/lua/shared/host_health.lua."""

    NOTHING = "n"
    """The host was not asked (robots.txt forbids it, an address that is not allowed …)."""
    ANSWER = "a"
    """A response of any kind, 404 included: the host is up."""
    BROKEN = "b"
    """The host is up, and says that this URL makes it fail."""
    TROUBLE = "t"
    """The host is overloaded, or its gateway finds no server behind it, or the transfer breaks off."""
    UNREACHED = "u"
    NO_SUCH_HOST = "x"
    """The name service says that there is no such name."""


_UNREACHED = (errors.NameLookupFailed, errors.ConnectFailed, errors.ConnectTimeout)
_TROUBLE = (
    errors.BotChallenge,  # one among answers is its URL's own; where nothing else comes, asking on is in vain
    errors.ServerError,
    errors.RequestTimeout,
    errors.DeadlineExceeded,
    errors.TooSlow,
    errors.ConnectionLost,
    errors.TruncatedTransfer,
    errors.BadResponse,
    errors.RobotsUnavailable,
)
_BY_REASON = {
    errors.HostNotFound.reason: Evidence.NO_SUCH_HOST,
    errors.TlsFailed.reason: Evidence.ANSWER,
    errors.RateLimited.reason: Evidence.ANSWER,  # the request rate is the business of throttle.py
    **{cls.reason: Evidence.UNREACHED for cls in _UNREACHED},
    **{cls.reason: Evidence.TROUBLE for cls in _TROUBLE},
}


_BROKEN = frozenset({500, 506, 508, 510})
"""Internal error, and mistakes in the configuration of one URL. 502 to 504 are a gateway's word for a server that is
down or too slow, 507 is a full disk; of the statuses that nobody has registered, 520 to 530 are gateways', and 509 and
529 say that it is too much.
"""


def evidence(record: Record) -> Evidence:
    """What *record* tells of the host that the visit ended at."""
    reason = reason_of(record)
    if reason == errors.ServerError.reason and record.http_status in _BROKEN:
        return Evidence.BROKEN
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    answered = record.http_status or not (reason or record.url.startswith(DATA_HOST))
    return Evidence.ANSWER if answered else Evidence.NOTHING


def reason_of(record: Record) -> str:
    """Why the latest visit failed; empty if it did not."""
    return record.revisit_reason if record.revisit is Revisit.FAILED else record.reason


def is_seed(record: Record) -> bool:
    return isinstance(record, PageRecord) and not (record.depth or record.page_url)


def ended_elsewhere(record: Record) -> str | None:
    """The host that a redirect led to, ``scheme://host[:port]``, or ``?`` for an unreadable URL; None if the visit
    ended at the URL's own host.
    """
    if not record.final_url or record.final_url == record.url:
        return None
    name = _host_named(record.final_url)
    return None if name == _host_named(record.url) else name


def _host_named(url: str) -> str:
    try:
        return host_key(url)
    except ValueError:  # no URL, as workers may send it
        return "?"
