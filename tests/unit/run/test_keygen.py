"""Keys as keygen makes them: who may read them, what the certificates say, and what a failure leaves behind."""

from __future__ import annotations

import builtins
import ipaddress
import re
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from crawler.errors import UsageError
from crawler.queues.rpc import tls as tls_module
from crawler.queues.rpc.tls import SERVER_NAME, Tls
from crawler.queues.rpc.transport import RpcTransport
from crawler.run import keygen as keys_module
from crawler.run.keygen import MAX_DAYS, Keys, make_keys
from crawler.text.plain_errors import quoted
from tests.support.certificates import held_in
from tests.support.peer import dial
from tests.support.queues import AUTHKEY, in_thread

NAMES = ("crawl.example.org", "192.0.2.7", "2001:db8::7")


@pytest.fixture(name="keys", scope="module")
def some_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys") / "of" / "a crawl", names=NAMES, days=30, tls=True)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def certificate(path: Path) -> x509.Certificate:
    (only,) = x509.load_pem_x509_certificates(path.read_bytes())
    return only


def extension(cert: x509.Certificate, kind: type[x509.ExtensionType], *, critical: bool) -> Any:
    found = cert.extensions.get_extension_for_class(kind)
    assert found.critical is critical
    return found.value


def allowed(usage: x509.KeyUsage) -> set[str]:
    """What the key may be used for; the rest of RFC 5280, 4.2.1.3 belongs to key agreement."""
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    return {name for name in (*names, "key_agreement", "key_cert_sign", "crl_sign") if getattr(usage, name)}


# --- files ---


def test_each_side_has_its_files_and_nobody_else_can_read_them(keys: Keys) -> None:
    four = ["authkey", "ca.pem", "cert.pem", "key.pem"]
    folder = keys.manager.parent
    assert files(folder) == sorted(
        ["manager", "worker", *(f"{side}/{name}" for side in ("manager", "worker") for name in four)]
    )
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_lax_umask_makes_no_difference(tmp_path: Path) -> None:
    script = (
        "import os, sys, pathlib; from crawler.run.keygen import make_keys; os.umask(0);"
        "make_keys(pathlib.Path(sys.argv[1]), tls=False)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "new")], check=True)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "new", *tmp_path.rglob("*")]}
    assert modes == {0o700, 0o600}


def test_the_authkey_is_the_same_on_both_sides_and_new_each_time(keys: Keys, tmp_path: Path) -> None:
    text = (keys.manager / "authkey").read_text(encoding="ascii")
    assert re.fullmatch(r"[0-9a-f]{64}\n", text)
    assert (keys.worker / "authkey").read_text(encoding="ascii") == text
    other = make_keys(tmp_path, tls=False)
    assert (other.worker / "authkey").read_text(encoding="ascii") != text


def test_without_tls_there_are_authkeys_only(tmp_path: Path) -> None:
    made = make_keys(tmp_path, tls=False)
    assert made == Keys(manager=tmp_path / "manager", worker=tmp_path / "worker", valid_until=None)
    assert files(tmp_path) == ["manager", "manager/authkey", "worker", "worker/authkey"]


# --- certificates ---


def test_the_authority_may_only_sign_certificates(keys: Keys) -> None:
    ca = certificate(keys.manager / "ca.pem")
    assert (keys.worker / "ca.pem").read_bytes() == (keys.manager / "ca.pem").read_bytes()
    assert extension(ca, x509.BasicConstraints, critical=True) == x509.BasicConstraints(
        ca=True, path_length=0
    )
    assert allowed(extension(ca, x509.KeyUsage, critical=True)) == {"key_cert_sign"}
    assert extension(ca, x509.SubjectKeyIdentifier, critical=False)
    assert ca.issuer == ca.subject
    ca.verify_directly_issued_by(ca)


@pytest.mark.parametrize(
    ("side", "usage"),
    [("manager", ExtendedKeyUsageOID.SERVER_AUTH), ("worker", ExtendedKeyUsageOID.CLIENT_AUTH)],
)
def test_a_certificate_is_for_one_role(keys: Keys, side: str, usage: x509.ObjectIdentifier) -> None:
    folder = keys.manager.parent / side
    ca, cert = certificate(folder / "ca.pem"), certificate(folder / "cert.pem")
    cert.verify_directly_issued_by(ca)
    assert isinstance(key := cert.public_key(), ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert list(extension(cert, x509.ExtendedKeyUsage, critical=False)) == [usage]
    assert extension(cert, x509.BasicConstraints, critical=True).ca is False
    assert allowed(extension(cert, x509.KeyUsage, critical=True)) == {"digital_signature"}
    known_as = extension(ca, x509.SubjectKeyIdentifier, critical=False).digest
    assert extension(cert, x509.AuthorityKeyIdentifier, critical=False).key_identifier == known_as


def test_a_manager_has_its_names_and_a_worker_has_none(keys: Keys) -> None:
    names = extension(certificate(keys.manager / "cert.pem"), x509.SubjectAlternativeName, critical=False)
    assert names.get_values_for_type(x509.DNSName) == [SERVER_NAME, "crawl.example.org"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(name) for name in NAMES[1:]]
    with pytest.raises(x509.ExtensionNotFound):
        extension(certificate(keys.worker / "cert.pem"), x509.SubjectAlternativeName, critical=False)


def test_certificates_hold_from_yesterday_for_as_long_as_was_asked(keys: Keys) -> None:
    assert keys.valid_until is not None
    assert abs(keys.valid_until - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=10)
    for path in (keys.manager / "ca.pem", keys.manager / "cert.pem", keys.worker / "cert.pem"):
        cert = certificate(path)
        assert cert.not_valid_after_utc == keys.valid_until
        assert cert.not_valid_after_utc - cert.not_valid_before_utc - timedelta(days=31) < timedelta(
            seconds=2
        )


def test_nobody_has_the_authoritys_key(keys: Keys) -> None:
    ca = certificate(keys.manager / "ca.pem").public_key()
    written = {
        path: serialization.load_pem_private_key(path.read_bytes(), None).public_key()
        for path in keys.manager.parent.rglob("*")
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes()
    }
    assert set(written) == {keys.manager / "key.pem", keys.worker / "key.pem"}
    assert ca not in written.values()
    for path, public in written.items():
        assert certificate(path.with_name("cert.pem")).public_key() == public


@contextmanager
def strict() -> Iterator[None]:
    """Both sides check what Python 3.13 checks."""
    made = tls_module._context

    def context(tls: Tls, *, server_side: bool) -> ssl.SSLContext:
        found = made.__wrapped__(tls, server_side=server_side)
        found.verify_flags |= ssl.VERIFY_X509_STRICT
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tls_module, "_context", context)
        yield


@pytest.mark.parametrize("name", [SERVER_NAME, *NAMES])
def test_they_pass_the_strictest_of_checks_under_each_of_their_names(keys: Keys, name: str) -> None:
    server = RpcTransport(held_in(keys.manager))
    worker = replace(held_in(keys.worker), server_name=name)
    listener = server.listen(("127.0.0.1", 0))

    def serve() -> str | None:
        peer = listener.accept()
        server.welcome(peer, AUTHKEY)
        version: str | None = peer._sock.version()  # type: ignore[attr-defined]
        peer.close()
        return version

    with strict(), in_thread(serve) as outcome:
        dial(listener.address, authkey=AUTHKEY, tls=worker).close()
    listener.close()
    assert outcome == ["TLSv1.3"]


# --- what can't be done ---


@pytest.mark.parametrize("side", ["manager", "worker"])
def test_keys_are_never_overwritten(tmp_path: Path, side: str) -> None:
    (tmp_path / side).mkdir()
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / side)) + ".*choose another folder"):
        make_keys(tmp_path, tls=True)
    assert files(tmp_path) == [side]


def test_a_link_to_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "worker").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="exists"):
        make_keys(tmp_path, tls=False)
    assert files(tmp_path) == ["worker"]


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    make_keys(tmp_path, tls=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manager", "notes", "worker"]


def test_a_folder_that_can_t_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UsageError, match=r"can't write keys to .*file: it exists already; choose another folder"
    ):
        make_keys(tmp_path / "file", tls=False)


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a..b", ".a", "a.", "-a.example", "a-.example", "*.example.org", "http://a.example/", "a:1",
     "192.0.2.256", "1.2.3", "b\u00fccher.example", "\u212a.example", "a" * 64, "a." * 126 + "ab", "a\n"],
)  # fmt: skip
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=re.escape(quoted(name))):
        make_keys(tmp_path / "new", names=[name], tls=True)
    assert files(tmp_path) == []


@pytest.mark.parametrize("name", ["a", "a-1.2.example", "xn--bcher-kva.example", "4u", "a." * 126 + "a"])
def test_any_host_name_will_do(tmp_path: Path, name: str) -> None:
    made = make_keys(tmp_path, names=[name, name], tls=True)
    names = extension(certificate(made.manager / "cert.pem"), x509.SubjectAlternativeName, critical=False)
    assert names.get_values_for_type(x509.DNSName) == [SERVER_NAME, name]


@pytest.mark.parametrize("days", [-1, 0, MAX_DAYS + 1])
def test_days_have_a_range(tmp_path: Path, days: int) -> None:
    with pytest.raises(UsageError, match=f"for {days} days; say 1 to {MAX_DAYS}"):
        make_keys(tmp_path / "new", days=days, tls=True)
    assert files(tmp_path) == []


@pytest.mark.parametrize("days", [1, MAX_DAYS])
def test_the_ends_of_the_range_will_do(tmp_path: Path, days: int) -> None:
    made = make_keys(tmp_path, days=days, tls=True)
    assert certificate(made.worker / "cert.pem").not_valid_after_utc == made.valid_until


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = builtins.__import__

    def without(name: str, *args: Any, **kwds: Any) -> Any:
        if name.partition(".")[0] == "cryptography":
            raise ModuleNotFoundError(f"No module named {name!r}")
        return installed(name, *args, **kwds)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"--authkey-only.*install 'cryptography>=44'"):
        make_keys(tmp_path / "new", tls=True)
    assert files(tmp_path) == []
    make_keys(tmp_path / "new", tls=False)


def test_the_library_is_not_imported_before_it_is_needed() -> None:
    script = "import sys, crawler.run.keygen, crawler.cli.keygen; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# --- failures midway ---


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("nth", range(1, 9))
def test_a_failure_at_any_file_leaves_nothing_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int, error: BaseException
) -> None:
    create, calls = keys_module._create, 0

    def failing(path: Path, content: bytes) -> None:
        nonlocal calls
        calls += 1
        create(path, content[: len(content) // 2] if calls == nth else content)
        if calls == nth:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(keys_module, "_create", failing)
        expected = UsageError if isinstance(error, OSError) else KeyboardInterrupt
        with pytest.raises(expected):
            make_keys(tmp_path, tls=True)
    assert calls == nth
    assert files(tmp_path) == []
    make_keys(tmp_path, tls=False)


@pytest.mark.parametrize("side", ["manager", "worker"])
def test_a_folder_that_comes_meanwhile_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    """Two at once: one of them has both folders, the other one none."""
    create = keys_module._create

    def meanwhile(path: Path, content: bytes) -> None:
        create(path, content)
        (tmp_path / side).mkdir(exist_ok=True)
        (tmp_path / side / "theirs").touch()

    monkeypatch.setattr(keys_module, "_create", meanwhile)
    with pytest.raises(UsageError, match="can't write keys"):
        make_keys(tmp_path, tls=False)
    assert files(tmp_path) == [side, f"{side}/theirs"]
