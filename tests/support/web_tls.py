"""Certificates of web servers, and servers that have them."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.faultserver import FaultServer


class Authority:
    """Signs certificates, for whoever it is told, and is trusted by who has its file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.file = folder / "ca.pem"
        certificate = self._signed(
            self._name, self._key, days=(-1, 2), extension=x509.BasicConstraints(True, None)
        )
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, *names: str, days: tuple[int, int] = (-1, 2), common_name: str = "Test server") -> Path:
        """A file with a key and a certificate for *names*, good from one day to another, counted from today.

        Without *names* it has nothing but a *common_name*.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        held = [
            x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        extension = x509.SubjectAlternativeName(held) if held else x509.BasicConstraints(False, None)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        certificate = self._signed(subject, key, days=days, extension=extension)
        pem = self._folder / f"{secrets.token_hex(4)}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
        return pem

    def _signed(
        self, subject: x509.Name, key: Any, *, days: tuple[int, int], extension: x509.ExtensionType
    ) -> x509.Certificate:
        start, end = (datetime.now(UTC) + timedelta(days=day) for day in days)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = (
            builder.not_valid_before(start).not_valid_after(end).add_extension(extension, critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())


@contextmanager
def tls_server(pem: Path, context: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    context = context or ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    with FaultServer() as server:
        server._server.socket = context.wrap_socket(
            server._server.socket, server_side=True, do_handshake_on_connect=False
        )
        server.url = f"https://localhost:{server._server.server_address[1]}"
        yield server
