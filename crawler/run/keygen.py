"""Generates the keys of a crawl's machines: an authkey, and certificates for TLS."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.errors import UsageError
from crawler.extras import install
from crawler.queues.rpc.tls import SERVER_NAME
from crawler.text.plain_errors import plain, quoted

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

DAYS = 730
MAX_DAYS = 36_500
_AUTHKEY_BYTES = 32
_CLOCKS_DIFFER = timedelta(days=1)
_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
"""All that a key may be used for (RFC 5280, section 4.2.1.3)."""
_HOST_NAME = re.compile(  # RFC 1123, 2.1; what ends in a number is no name but a mistyped address
    r"(?=.{1,253}\Z)(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)*(?!-)(?=[0-9-]*[a-z])[a-z0-9-]{1,63}(?<!-)",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The folders that were made: one for the manager's machine, one to be copied to every other machine."""

    manager: Path
    worker: Path
    valid_until: datetime | None
    """When the certificates expire; None if there are none."""


def make_keys(folder: Path, *, names: Sequence[str] = (), days: int = DAYS, tls: bool) -> Keys:
    """Make ``manager`` and ``worker`` in *folder*, with the same ``authkey`` in both.

    With *tls* each also has ``cert.pem`` and ``key.pem``, the one for a server and the other for clients only, and the
    ``ca.pem`` by which either knows the other, valid for *days*. *names* are host names or addresses that the manager's
    certificate is for, beside ``queues.rpc.tls.SERVER_NAME``. The authority's own key is never written: nobody, you
    included, can make a further certificate that these two sides would accept.

    Only the owner can read the files. Nothing is overwritten; a failure leaves neither folder. Raises UsageError.
    """
    made = Keys(
        manager=folder / "manager", worker=folder / "worker", valid_until=_valid_until(days) if tls else None
    )
    for taken in (made.manager, made.worker):
        if os.path.lexists(taken):
            raise UsageError(f"{taken} exists, and keys are never overwritten; choose another folder")
    authkey = {"authkey": f"{secrets.token_hex(_AUTHKEY_BYTES)}\n".encode()}
    manager, worker = (authkey, authkey)
    if made.valid_until is not None:
        try:
            authority = _Authority(made.valid_until)
            manager = authkey | authority.server([SERVER_NAME, *names])
            worker = authkey | authority.client()
        except ImportError as exc:
            raise UsageError(
                "making certificates takes the library cryptography, which is not installed; say --authkey-only, for a"
                f" network that nobody else can listen to, or install it: {install('tls')}"
            ) from exc
    try:
        _write(folder, {"manager": manager, "worker": worker})
    except OSError as exc:
        raise UsageError(f"can't write keys to {folder}: {plain(exc)}; choose another folder") from exc
    return made


def _valid_until(days: int) -> datetime:
    if not 1 <= days <= MAX_DAYS:
        raise UsageError(f"certificates can't be valid for {days} days; say 1 to {MAX_DAYS}")
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


# --- certificates ---


class _Authority:
    """A certificate authority whose key is never written: it issues certificates as long as the object lives.

    The certificates suit OpenSSL's strict mode (RFC 5280, section 4.2; Python 3.13's default). Raises ImportError.
    """

    def __init__(self, valid_until: datetime) -> None:
        from cryptography import x509

        self._valid_until = valid_until
        self._key = _new_key()
        self._name = _name("image-crawler authority")
        self._key_id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = self._builder(self._name, self._key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_only_for("key_cert_sign"), critical=True)
        builder = builder.add_extension(self._key_id, critical=False)
        self._ca = self._pem(builder)

    def server(self, names: Sequence[str]) -> dict[str, bytes]:
        """The files of a manager that is found under each of *names*; a worker can't use them."""
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID

        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in dict.fromkeys(names)])
        return self._issue("manager", ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def client(self) -> dict[str, bytes]:
        """The files of a worker; a manager can't use them."""
        from cryptography.x509.oid import ExtendedKeyUsageOID

        return self._issue("worker", ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self, role: str, usage: x509.ObjectIdentifier, *extensions: x509.ExtensionType
    ) -> dict[str, bytes]:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        key = _new_key()
        builder = self._builder(_name(f"image-crawler {role}"), key)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_only_for("digital_signature"), critical=True)
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._key_id)
        for extension in (x509.ExtendedKeyUsage([usage]), authority, *extensions):
            builder = builder.add_extension(extension, critical=False)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {"ca.pem": self._ca, "cert.pem": self._pem(builder), "key.pem": private}

    def _builder(self, subject: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        from cryptography import x509

        return (
            x509.CertificateBuilder()
            .issuer_name(self._name)
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - _CLOCKS_DIFFER)
            .not_valid_after(self._valid_until)
        )

    def _pem(self, builder: x509.CertificateBuilder) -> bytes:
        """The certificate, signed."""
        from cryptography.hazmat.primitives import hashes, serialization

        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _only_for(use: str) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(**{each: each == use for each in _USES})


def _alternative(name: str) -> x509.GeneralName:
    """A host name or an address as a certificate has it. Raises UsageError."""
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if _HOST_NAME.fullmatch(name) is None:
            raise UsageError(
                f"{quoted(name)} is neither a host name, such as crawl.example.org, nor an IP address"
            ) from None
        return x509.DNSName(name)


# --- files ---


def _write(folder: Path, sets: Mapping[str, Mapping[str, bytes]]) -> None:
    """Make a folder of files for each of *sets*, all or none. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".keys-", dir=folder) as temporary, ExitStack() as undo:
        for name, files in sets.items():
            part = Path(temporary, name)
            part.mkdir(mode=0o700)
            for file, content in files.items():
                _create(part / file, content)
        for name in sets:
            Path(temporary, name).rename(folder / name)
            undo.callback((folder / name).rename, Path(temporary, name))
        undo.pop_all()


def _create(path: Path, content: bytes) -> None:
    """Private from the start: a chmod afterwards would come too late for who has opened it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
