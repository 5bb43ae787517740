"""TLS of web servers: the trusted authorities, and errors in words."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crawler.errors import ConfigError, TlsFailed
from crawler.text.plain_errors import plain, quoted

_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_ANYWAY = "to fetch from it all the same, say --no-verify-tls"
_OWN_AUTHORITY = "if that is an authority of yours, name its file in SSL_CERT_FILE; or say --no-verify-tls"
_SHOWN_NAMES = 3

_CERTIFICATE_TROUBLES = {
    9: ("the certificate of {host} is not valid yet (or the clock of this machine is wrong)", _ANYWAY),
    10: ("the certificate of {host} has expired", _ANYWAY),
    18: ("the certificate of {host} is signed by itself", _OWN_AUTHORITY),
    19: ("the certificate of {host} is of an authority that signed itself and is not known", _OWN_AUTHORITY),
    20: ("the certificate of {host} is of an unknown authority", _OWN_AUTHORITY),
    21: ("the certificate of {host} is of an unknown authority", _OWN_AUTHORITY),
    23: ("the certificate of {host} has been revoked", _ANYWAY),
}
"""Texts and advice by OpenSSL's X509_V_ERR numbers."""
_NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)
_TROUBLES = {
    **dict.fromkeys(
        ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "VERSION_TOO_LOW", "NO_PROTOCOLS_AVAILABLE"),
        "{host} speaks no version of TLS that is safe (1.2 and later)",
    ),
    **dict.fromkeys(
        (
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "SSL/TLS_ALERT_HANDSHAKE_FAILURE",
            "NO_SHARED_CIPHER",
            "DH_KEY_TOO_SMALL",
        ),
        "{host} and this machine have no safe way to encrypt in common",
    ),
    **dict.fromkeys(
        ("TLSV1_UNRECOGNIZED_NAME", "TLSV1_ALERT_UNRECOGNIZED_NAME"),
        "the server at {host} does not go by that name",
    ),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "{host} demands a certificate of its visitors",
}
"""Texts by OpenSSL's reasons."""


def authorities(environment: Mapping[str, str] = os.environ) -> str:
    """The file or folder of trusted authorities that the environment names, or ``""``.

    It replaces the usual ones: the first of SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE. Raises ConfigError.
    """
    for name in _VARIABLES:
        if path := environment.get(name, ""):
            if not Path(path).exists():
                raise ConfigError(
                    f"the environment variable {name} names {quoted(path)}, which does not exist"
                )
            return path
    return ""


def usual_authorities() -> str:
    """The file of the authorities that browsers trust."""
    import certifi

    return certifi.where()


def context_of(path: str, *, verify: bool) -> ssl.SSLContext:
    """A context of TLS 1.2 or later, with the authorities in the file or folder *path*.

    It does not check host names: its user has to, and can then name those of a certificate. Raises ConfigError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.hostname_checks_common_name = False
    if not verify:
        context.verify_mode = ssl.CERT_NONE
        return context
    folder = Path(path).is_dir()
    try:
        context.load_verify_locations(cafile=None if folder else path, capath=path if folder else None)
    except OSError as exc:  # ssl.SSLError is one
        why = "it holds no certificates" if isinstance(exc, ssl.SSLError) else plain(exc)
        raise ConfigError(f"can't read the certificate authorities in {path}: {why}") from exc
    return context


def tls_failed(exc: ssl.SSLError, host: str, port: int) -> TlsFailed:
    """The error of a failed handshake with *host*, in a sentence."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return refused_certificate(exc.verify_code, exc.verify_message, host)
    return failed_handshake(exc.reason or "", plain(exc), host, port)


def refused_certificate(code: int, message: str, host: str) -> TlsFailed:
    """The error of a certificate that OpenSSL does not accept, by its X509_V_ERR number and the *message* for it."""
    if known := _CERTIFICATE_TROUBLES.get(code):
        text, advice = known
        return TlsFailed(f"{text.format(host=host)}; {advice}")
    return TlsFailed(f"the certificate of {host} is not accepted: {message}; {_ANYWAY}")


def failed_handshake(reason: str, otherwise: str, host: str, port: int) -> TlsFailed:
    """The error of a handshake that failed for a *reason* of OpenSSL, such as ``NO_SHARED_CIPHER``; it may be empty."""
    if reason in _NOT_TLS:
        return TlsFailed(f"{host} does not speak TLS at port {port}; perhaps http:// is meant")
    if reason in _TROUBLES:
        return TlsFailed(_TROUBLES[reason].format(host=host))
    return TlsFailed(
        f"TLS with {host} port {port} failed: {reason.replace('_', ' ').lower() or otherwise}"[:300]
    )


def misnamed(certificate: Mapping[str, Any] | None, host: str, port: int) -> TlsFailed:
    """The error of a *certificate* (as of SSLSocket.getpeercert) that is for other hosts than *host*."""
    names = [str(value) for _, value in (certificate or {}).get("subjectAltName", ())]
    return misnamed_for(names, host, port)


def misnamed_for(names: Sequence[str], host: str, port: int) -> TlsFailed:
    """The error of a certificate that is for *names*, and not for *host*."""
    shown = ", ".join(names[:_SHOWN_NAMES]) + (" and others" if len(names) > _SHOWN_NAMES else "")
    return TlsFailed(
        f"the certificate of {host} port {port} is for {shown[:200] or 'no host at all'}, not for {host}; {_ANYWAY}"
    )
