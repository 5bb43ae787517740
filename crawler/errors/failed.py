"""Reasons of URLs with the status "failed": nothing usable came from the network."""

from __future__ import annotations

from crawler.errors.base import TaskError


class FetchError(TaskError):
    """Nothing usable came from the network."""


class HostNotFound(FetchError, reason="host-not-found"):
    """The host name does not exist (EAI_NONAME): asking again would not change that."""


class NameLookupFailed(FetchError, reason="name-lookup-failed", retryable=True):
    """The name service did not answer. That says nothing about the name: it is an outage, most often our own."""


class ConnectFailed(FetchError, reason="connect-failed", retryable=True):
    """No connection: refused, or no route to the host."""


class ConnectTimeout(FetchError, reason="connect-timeout", retryable=True):
    """No connection in time (connect_timeout_s)."""


class TlsFailed(FetchError, reason="tls-failed"):
    """The host's certificate is not accepted, or the host speaks no TLS that is accepted here."""


class ConnectionLost(FetchError, reason="connection-lost", retryable=True):
    """The connection broke before the end of the answer."""


class DeadlineExceeded(FetchError, reason="deadline-exceeded", retryable=True):
    """The fetch took longer than total_timeout_s."""


class TooSlow(FetchError, reason="too-slow", retryable=True):
    """The transfer was slower than min_rate_bytes_s."""


class TruncatedTransfer(FetchError, reason="truncated-transfer", retryable=True):
    """The answer ended before the end that it had announced."""


class BadResponse(FetchError, reason="bad-response", retryable=True):
    """The answer is not HTTP, or has an encoding that can't be undone."""


class TooManyRedirects(FetchError, reason="too-many-redirects"):
    """Redirects in a circle, or more than max_redirects."""


class BadRedirect(FetchError, reason="bad-redirect"):
    """A redirect to something that is not an http(s) URL."""


class InvalidUrl(FetchError, reason="invalid-url"):
    """The URL to fetch is not an http(s) URL."""


class NotFound(FetchError, reason="not-found"):
    """404 or 410."""


class LoginRequired(FetchError, reason="login-required"):
    """401: a login is needed. Give --login, or the cookies of a browser that is logged in (--cookies)."""


class Forbidden(FetchError, reason="forbidden"):
    """403: the server refuses it, and does not say why."""


class BotChallenge(FetchError, reason="bot-challenge"):
    """A protection against bots answered in place of the content (Cloudflare, AWS WAF, DataDome, Anubis …). It is not
    requested again. Give the cookies of a browser that was let through (--cookies), or ask the site's owner.
    """


class ClientError(FetchError, reason="client-error"):
    """Another status of 400 to 499."""


class RequestTimeout(FetchError, reason="request-timeout", retryable=True):
    """408 or 425."""


class RateLimited(FetchError, reason="rate-limited", retryable=True):
    """429: too many requests."""


class ServerError(FetchError, reason="server-error", retryable=True):
    """A status of 500 to 599."""


class UnexpectedStatus(FetchError, reason="unexpected-status"):
    """A status of success or redirect without content to keep (204, 206, 304 …)."""


class RobotsUnavailable(FetchError, reason="robots-unavailable", retryable=True):
    """The host does not deliver its robots.txt, which forbids everything for a while (RFC 9309, 2.3.1.4)."""


class HostDown(FetchError, reason="host-down"):
    """Not requested: for host_patience_s, and at several tries for other URLs, its host could not be reached, or
    answered with nothing but errors.
    """


class BrowserFailed(FetchError, reason="browser-failed", retryable=True):
    """The browser could not be started, or died while the page was open, and not because of the page."""


FAULT = "a fault of this program, and not of the server; the log tells where, for a report"
"""What is told of an exception that nobody has thought of; its name would tell nobody anything."""


class InternalError(FetchError, reason="internal-error"):
    """A fault of this program; the log has its traceback."""


class OutOfMemory(FetchError, reason="out-of-memory", retryable=True):
    """The system killed the process that worked on it, as happens when memory is short."""


class LeaseExpired(FetchError, reason="lease-expired"):
    """Each worker that took the task vanished or was too late."""
