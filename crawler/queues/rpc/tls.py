"""TLS between workers and the manager: 1.3 only, a private CA, certificates on both sides."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from socket import socket

from crawler.errors import AuthenticationFailed, ProtocolError, QueueError, UsageError
from crawler.text.plain_errors import plain, quoted

SERVER_NAME = "manager.image-crawler.internal"
"""The name in every manager's certificate, whatever its address: within a private CA the name tells the role.

``.internal`` is reserved for private use (ICANN, 2024); Consul and Nomad name their servers in the same way.
"""

SSLSocket = ssl.SSLSocket


@dataclass(frozen=True, kw_only=True)
class Tls:
    """The PEM files of one side.

    A manager accepts every client certificate of the authority *ca*. A worker accepts a server certificate of *ca* for
    *server_name*. OpenSSL refuses a worker's certificate as a manager's (extended key usage, RFC 5280, 4.2.1.12).
    """

    cert: Path
    key: Path
    ca: Path
    server_name: str = SERVER_NAME

    def check(self, *, server_side: bool) -> None:
        """Raise UsageError when a manager (*server_side*), or else a worker, can't use the files or the server's name.

        Files may be missing, be of the wrong kind, belong to the other side, or have expired.
        """
        for file in (self.cert, self.key, self.ca):
            try:
                file.open("rb").close()
            except OSError as exc:
                raise UsageError(f"can't use {file}: {plain(exc)}") from exc
        self.load(server_side=server_side)
        try:
            _rehearse(self, server_side=server_side)
        except ssl.SSLCertVerificationError as exc:
            if exc.verify_code in _UNFIT:
                role = "manager" if server_side else "worker"
                raise UsageError(f"{self.cert} won't do for a {role}: {_verdict(exc)}") from exc
        except (ValueError, TypeError) as exc:
            raise UsageError(
                f"the server name {quoted(self.server_name)} is no host name (--tls-server-name)"
            ) from exc

    def load(self, *, server_side: bool) -> None:
        """Read the files; later changes have no effect. Raises UsageError."""
        _context(self, server_side=server_side)

    def on_server(self, sock: socket) -> ssl.SSLSocket:
        """*sock* as the manager's TLS socket, before the handshake."""
        context = _context(self, server_side=True)
        return context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def on_client(self, sock: socket) -> ssl.SSLSocket:
        """*sock* as a worker's TLS socket, before the handshake."""
        context = _context(self, server_side=False)
        return context.wrap_socket(sock, server_hostname=self.server_name, do_handshake_on_connect=False)


def refusal(error: BaseException) -> QueueError | None:
    """The final error that *error* of a connection means; None if it is not of TLS, or another try may help."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return AuthenticationFailed(
            f"its certificate is not one that we trust ({_verdict(error)}); are --tls-ca (or --keys) and"
            " --tls-server-name those of this crawl?"
        )
    reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
    if reason is None:
        return None
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return AuthenticationFailed(f"it does not accept our certificate ({_words(reason)})")
    if reason in _NO_TLS:
        return ProtocolError(
            f"it does not speak TLS 1.3 ({_words(reason)}); does it serve with --insecure-plaintext?"
        )
    return None


_UNFIT = {9, 10, 26}
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID, …_CERT_HAS_EXPIRED, …_INVALID_PURPOSE."""
_NO_TLS = {
    "WRONG_VERSION_NUMBER",
    "UNSUPPORTED_PROTOCOL",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "RECORD_LAYER_FAILURE",
}


def _verdict(error: ssl.SSLCertVerificationError) -> str:
    return error.verify_message.rstrip(".")


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")


@lru_cache(maxsize=16)
def _context(tls: Tls, *, server_side: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    if server_side:
        context.num_tickets = 0  # connections are kept, not resumed
    try:
        context.load_cert_chain(tls.cert, tls.key, password=_no_password)
    except (OSError, ValueError) as exc:
        raise UsageError(f"can't use the certificate {tls.cert} with the key {tls.key}: {_why(exc)}") from exc
    try:
        context.load_verify_locations(tls.ca)
    except OSError as exc:
        raise UsageError(f"can't use {tls.ca} as the certificate of an authority: {_why(exc)}") from exc
    return context


def _rehearse(tls: Tls, *, server_side: bool) -> None:
    """Do a handshake in memory, with a peer that trusts our authority and checks nothing but our certificate."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    for context, looks in ((server, not server_side), (client, server_side)):
        context.load_cert_chain(tls.cert, tls.key)
        context.load_verify_locations(tls.ca)
        context.verify_mode = ssl.CERT_REQUIRED if looks else ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=tls.server_name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (near, far, near, far):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()


def _no_password() -> str:
    raise ValueError("the key is encrypted; a crawl can't ask for its password")


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return "it is no PEM file of the right kind"
    return plain(error)
