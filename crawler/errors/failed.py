"""Reasons of URLs with the status "failed": nothing usable came from the network."""

from __future__ import annotations

from crawler.errors.base import TaskError


class FetchError(TaskError):
    """Nothing usable came from the network."""


class HostNotFound(FetchError):
    """The host name does not exist (EAI_NONAME): asking again would not change that."""

    reason = "host-not-found"


class NameLookupFailed(FetchError):
    """The name service did not answer. That says nothing about the name: it is an outage, most often our own."""

    reason = "name-lookup-failed"
    retryable = True


class ConnectFailed(FetchError):
    """No connection: refused, or no route to the host."""

    reason = "connect-failed"
    retryable = True


class ConnectTimeout(FetchError):
    """No connection in time (connect_timeout_s)."""

    reason = "connect-timeout"
    retryable = True


class TlsFailed(FetchError):
    """The host's certificate is not accepted, or the host speaks no TLS that is accepted here."""

    reason = "tls-failed"


class ConnectionLost(FetchError):
    """The connection broke before the end of the answer."""

    reason = "connection-lost"
    retryable = True


class DeadlineExceeded(FetchError):
    """The fetch took longer than total_timeout_s."""

    reason = "deadline-exceeded"
    retryable = True


class TooSlow(FetchError):
    """The transfer was slower than min_rate_bytes_s."""

    reason = "too-slow"
    retryable = True


class TruncatedTransfer(FetchError):
    """The answer ended before the end that it had announced."""

    reason = "truncated-transfer"
    retryable = True


class BadResponse(FetchError):
    """The answer is not HTTP, or has an encoding that can't be undone."""

    reason = "bad-response"
    retryable = True


class TooManyRedirects(FetchError):
    """Redirects in a circle, or more than max_redirects."""

    reason = "too-many-redirects"


class BadRedirect(FetchError):
    """A redirect to something that is not an http(s) URL."""

    reason = "bad-redirect"


class InvalidUrl(FetchError):
    """The URL to fetch is not an http(s) URL."""

    reason = "invalid-url"


class NotFound(FetchError):
    """404 or 410."""

    reason = "not-found"


class LoginRequired(FetchError):
    """401: a login is needed. Give --login, or the cookies of a browser that is logged in (--cookies)."""

    reason = "login-required"


class Forbidden(FetchError):
    """403: the server refuses it, and does not say why."""

    reason = "forbidden"


class BotChallenge(FetchError):
    """A protection against bots answered in place of the content (Cloudflare, AWS WAF, DataDome, Anubis …). It is not
    requested again. Give the cookies of a browser that was let through (--cookies), or ask the site's owner.
    """

    reason = "bot-challenge"


class ClientError(FetchError):
    """Another status of 400 to 499."""

    reason = "client-error"


class RequestTimeout(FetchError):
    """408 or 425."""

    reason = "request-timeout"
    retryable = True


class RateLimited(FetchError):
    """429: too many requests."""

    reason = "rate-limited"
    retryable = True


class ServerError(FetchError):
    """A status of 500 to 599."""

    reason = "server-error"
    retryable = True


class UnexpectedStatus(FetchError):
    """A status of success or redirect without content to keep (204, 206, 304 …)."""

    reason = "unexpected-status"


class RobotsUnavailable(FetchError):
    """The host does not deliver its robots.txt, which forbids everything for a while (RFC 9309, 2.3.1.4)."""

    reason = "robots-unavailable"
    retryable = True


class HostDown(FetchError):
    """Not requested: for host_patience_s, and at several tries for other URLs, its host could not be reached, or
    answered with nothing but errors.
    """

    reason = "host-down"


class BrowserFailed(FetchError):
    """The browser could not be started, or died while the page was open, and not because of the page."""

    reason = "browser-failed"
    retryable = True


FAULT = "a fault of this program, and not of the server; the log tells where, for a report"
"""What is told of an exception that nobody has thought of; its name would tell nobody anything."""


class InternalError(FetchError):
    """A fault of this program; the log has its traceback."""

    reason = "internal-error"


class OutOfMemory(FetchError):
    """The system killed the process that worked on it, as happens when memory is short."""

    reason = "out-of-memory"
    retryable = True


class LeaseExpired(FetchError):
    """Each worker that took the task vanished or was too late."""

    reason = "lease-expired"
