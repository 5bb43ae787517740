"""Object stores' environment variables: what obstore does not check itself, and the names that errors give.

obstore reads credentials, region and endpoint by itself: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
AWS_ENDPOINT_URL …; GOOGLE_SERVICE_ACCOUNT …; AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY …. It panics at some
endpoints, and leaves plain http to us.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from crawler.errors import UsageError
from crawler.text.plain_errors import quoted

ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
    "gs": "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def allows_http(scheme: str, variables: Mapping[str, str]) -> bool:
    """Whether plain http is allowed: to this machine, and where the environment says so.

    Raises UsageError for an endpoint that is no URL.
    """
    for name in ENDPOINTS[scheme]:
        if endpoint := variables.get(name, ""):
            try:
                parts = urlsplit(endpoint)
                host, _ = parts.hostname, parts.port
            except ValueError:
                host = None
            if not host or parts.scheme not in {"http", "https"}:
                raise UsageError(
                    f"{name} = {quoted(endpoint)} is no endpoint; give http://HOST:PORT or https://HOST"
                )
            if host in _LOOPBACK:
                return True
    if variables.get("AZURE_STORAGE_USE_EMULATOR", "").lower() in {"1", "true"} and scheme == "az":
        return True
    return variables.get(ALLOW_HTTP[scheme], "").lower() in {"1", "true"}
