"""How machines are let in: what counts as an address and as a key, and what each kind of address demands."""

from __future__ import annotations

import errno
import logging
from pathlib import Path
from typing import Any

import pytest

from crawler import config
from crawler.config import AUTHKEY_VARIABLE, AccessConfig
from crawler.errors import UsageError
from crawler.queues.rpc.tls import SERVER_NAME
from crawler.run import endpoints
from crawler.run.endpoints import Access, demand, is_loopback, parse_address, read_access, read_authkey
from crawler.run.keygen import make_keys
from crawler.run.supervisor import Crawl
from tests.support import certificates

KEY = "0123456789abcdef" * 4


def read(
    environment: dict[str, str] | None = None, *, manager: bool = False, **settings: Any
) -> Access | None:
    return read_access(AccessConfig(**settings), environment or {}, manager=manager)


# --- addresses ---


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", ("192.0.2.7", 9733)),
        ("192.0.2.7:80", ("192.0.2.7", 80)),
        ("manager.example", ("manager.example", 9733)),
        ("manager:0", ("manager", 0)),
        ("2001:db8::7", ("2001:db8::7", 9733)),
        ("[2001:db8::7]", ("2001:db8::7", 9733)),
        ("[2001:db8::7]:65535", ("2001:db8::7", 65535)),
        ("::", ("::", 9733)),
        ("::1", ("::1", 9733)),
        ("[::1]:1", ("::1", 1)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "a:",
        "a:b",
        "a:65536",
        "a:-1",
        "a:8 0",
        "a:\uff18\uff10",
        "a/b",
        "http://a:80",
        "[]:80",
        "[::1]:x",
        "a..b",
        "x" * 64,
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not an address such as 192\.0\.2\.7:9733"):
        parse_address(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("2001:db8::7", False),
        ("there-is-no-such-name.invalid", False),
    ],
)
def test_which_addresses_are_this_machines_own(host: str, loopback: bool) -> None:  # noqa: FBT001
    assert is_loopback(host) is loopback


# --- what is demanded ---


def test_loopback_demands_nothing() -> None:
    demand(None, "127.0.0.1", insecure_plaintext=False)
    demand(Access(authkey=KEY.encode()), "::1", insecure_plaintext=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_any_other_address_demands_a_key_and_tls_or_a_word(host: str, tmp_path: Path) -> None:
    plain = Access(authkey=KEY.encode())
    for insecure in (True, False):
        with pytest.raises(UsageError, match=r"needs a key: --keys DIR .* --authkey-file"):
            demand(None, host, insecure_plaintext=insecure)
    with pytest.raises(UsageError, match=r"without TLS whoever is on the path .* --insecure-plaintext"):
        demand(plain, host, insecure_plaintext=False)
    demand(plain, host, insecure_plaintext=True)
    demand(Access(authkey=KEY.encode(), tls=certificates.make(tmp_path)[0]), host, insecure_plaintext=False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bind": "0.0.0.0"}, "needs a key"),
        ({"bind": "nonsense:"}, "is not an address"),
        ({"bind": "127.0.0.1:0", "authkey_file": "none"}, "can't read the authkey file none"),
    ],
)
def test_a_crawl_that_can_not_be_bound_like_that_is_refused_before_anything_is_made(
    settings: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        Crawl(["http://127.0.0.1/"], folder=tmp_path / "crawl", config=config.load(flags=settings))
    assert list(tmp_path.iterdir()) == []


# --- keys ---


def test_a_key_is_the_text_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    for content, key in (
        (f"{KEY}\n", KEY.encode()),
        (" \r\n" + KEY, KEY.encode()),
        (b"\xff" * 32, b"\xff" * 32),
    ):
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        file.chmod(0o600)
        assert read_authkey(file) == key


@pytest.mark.parametrize("content", ["", "\n", "x" * 31, f"{'x' * 31}   \n"])
def test_a_key_has_32_bytes_or_more(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(
        UsageError, match=rf"the authkey file {file} holds \d+ bytes, and a key has 32 or more"
    ):
        read_authkey(file)
    if content:
        with pytest.raises(UsageError, match=f"the environment variable {AUTHKEY_VARIABLE} holds"):
            read({AUTHKEY_VARIABLE: content})


@pytest.mark.parametrize(("manager", "side"), [(True, "manager"), (False, "worker")])
@pytest.mark.parametrize("given", ["keys", "worker", "keys/", "keys/none"])
def test_the_folder_that_is_meant_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, side: str, *, manager: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    make_keys(Path("keys"), tls=False)
    with pytest.raises(UsageError) as caught:
        read_access(AccessConfig(keys=given), {}, manager=manager)
    if given == "keys/none":
        assert "can't read the authkey file keys/none/authkey" in str(caught.value)
        return
    meant = Path("keys", side)
    assert str(caught.value) == f"there is no key in {Path(given)}; did you mean --keys {meant}?"
    assert read_access(AccessConfig(keys=str(meant)), {}, manager=manager) is not None


def test_a_folder_that_may_not_be_read_is_an_error_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", denied)
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(UsageError, match=r"can't read the authkey file .*(?i:permission denied)"):
        read(keys=str(tmp_path))


def test_a_key_that_systemd_lends_is_not_open_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # it gives its user an access list, whose mask is shown as the rights of a group
    (tmp_path / "authkey").write_text(KEY)
    (tmp_path / "authkey").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read(authkey_file=str(tmp_path / "authkey")) is not None
    assert caplog.text == ""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "another"))
    assert read(authkey_file=str(tmp_path / "authkey")) is not None
    assert "others may read the key" in caplog.text


def test_a_key_that_others_may_read_is_told_of_and_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o644)
    with caplog.at_level(logging.DEBUG):
        found = read(authkey_file=str(file))
    assert f"others may read the key in {file}; chmod 600 it" in caplog.text
    assert KEY not in caplog.text
    assert found is not None
    assert KEY not in repr(found)
    assert KEY not in repr(endpoints.ManagerEndpoint(address=("a", 1), access=found))


def test_where_a_key_comes_from(tmp_path: Path) -> None:
    keys = certificates.make(tmp_path)[1].cert.parent
    file = tmp_path / "key"
    file.write_text("f" * 64)
    file.chmod(0o600)
    variable = {AUTHKEY_VARIABLE: "e" * 64}

    def key(environment: dict[str, str], **settings: str) -> bytes | None:
        found = read(environment, **settings)
        return found and found.authkey

    assert key({}) is None
    assert key(variable) == b"e" * 64
    assert key({}, keys=str(keys)) == (keys / "authkey").read_bytes().strip()
    assert key(variable, keys=str(keys)) == (keys / "authkey").read_bytes().strip(), (
        "it was asked for by name"
    )
    (keys / "authkey").unlink()
    assert key(variable, keys=str(keys)) == b"e" * 64
    assert key(variable, keys=str(keys), authkey_file=str(file)) == b"f" * 64


def test_the_variable_with_the_key_is_no_setting() -> None:
    loaded = config.load(environment={AUTHKEY_VARIABLE: KEY})
    assert loaded == config.Config()
    assert KEY not in config.to_toml(loaded)


# --- certificates ---


def test_a_folder_of_keys_is_all_that_it_takes(tmp_path: Path) -> None:
    for tls, manager in zip(certificates.make(tmp_path), (True, False), strict=True):
        found = read(keys=str(tls.cert.parent), manager=manager)
        assert found is not None
        assert found.tls == tls
        assert tls.server_name == SERVER_NAME


def test_each_file_may_be_given_by_itself(tmp_path: Path) -> None:
    ours, _ = certificates.make(tmp_path / "ours")
    theirs, _ = certificates.make(tmp_path / "theirs")
    found = read(keys=str(ours.cert.parent), tls_ca=str(theirs.ca), tls_server_name="a.example", manager=True)
    assert found is not None
    assert found.tls is not None
    assert (found.tls.cert, found.tls.ca, found.tls.server_name) == (ours.cert, theirs.ca, "a.example")


def test_half_of_tls_is_refused(tmp_path: Path) -> None:
    tls, _ = certificates.make(tmp_path)
    key = str(tls.cert.parent / "authkey")
    with pytest.raises(UsageError, match="--tls-key and --tls-ca is missing"):
        read(authkey_file=key, tls_cert=str(tls.cert))
    with pytest.raises(UsageError, match="a certificate without a key is not enough: give --authkey-file"):
        read(tls_cert=str(tls.cert), tls_key=str(tls.key), tls_ca=str(tls.ca), manager=True)


def test_plaintext_wins_over_a_folder_with_certificates_but_not_over_certificates(tmp_path: Path) -> None:
    tls, _ = certificates.make(tmp_path)
    found = read(keys=str(tls.cert.parent), insecure_plaintext=True)
    assert found is not None
    assert found.tls is None
    with pytest.raises(UsageError, match="exclude each other"):
        read(keys=str(tls.cert.parent), tls_ca=str(tls.ca), insecure_plaintext=True)


def test_the_other_sides_folder_is_noticed(tmp_path: Path) -> None:
    manager, worker = certificates.make(tmp_path)
    with pytest.raises(UsageError, match="won't do for a manager"):
        read(keys=str(worker.cert.parent), manager=True)
    with pytest.raises(UsageError, match="won't do for a worker"):
        read(keys=str(manager.cert.parent))


# --- what stays on its machine ---


def test_neither_workers_nor_the_folder_learn_where_keys_lie() -> None:
    loaded = config.load(flags={"keys": "/secret/place", "bind": "127.0.0.1:1", "max_depth": 3})
    assert loaded.of_the_crawl() == config.load(flags={"max_depth": 3})


def test_paths_may_have_letters_of_any_kind() -> None:
    assert config.load(flags={"keys": "schlüssel/東京"}).access.keys == "schlüssel/東京"
    with pytest.raises(config.ConfigError, match="expected printable characters"):
        config.load(flags={"keys": "a\nb"})
