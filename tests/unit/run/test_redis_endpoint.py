"""How one is let in where the queue lies in Redis: whence a password comes, and what each kind of address demands."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from crawler import config
from crawler.cli import connect
from crawler.config import QUEUE_PASSWORD_VARIABLE, AccessConfig
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import FolderError, UsageError
from crawler.queues.redis.address import RedisAddress, parse
from crawler.run import backends, redis_endpoint
from crawler.run.backends import _credentials
from crawler.run.redis_endpoint import RedisEndpoint, read_redis
from crawler.run.supervisor import Crawl


def read(text: str, environment: dict[str, str] | None = None, **settings: Any) -> RedisAddress:
    return read_redis(text, AccessConfig(**settings), environment or {}).address


@pytest.fixture(name="keys")
def a_folder_with_keys(tmp_path: Path) -> Path:
    for name in ("ca", "cert", "key"):
        (tmp_path / f"{name}.pem").write_text(name)
    return tmp_path


@pytest.fixture(name="password_file")
def a_password_file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("of the file\n")
    file.chmod(0o600)
    return file


# --- passwords ---


def test_where_a_password_comes_from(password_file: Path) -> None:
    url = "redis://joe:of-the-url@127.0.0.1"
    variable = {QUEUE_PASSWORD_VARIABLE: "of the environment"}
    assert read(url).password == "of-the-url"
    assert read(url, variable).password == "of the environment"
    assert read(url, variable, queue_password_file=str(password_file)).password == "of the file"
    assert read(url, variable).user == "joe"


@pytest.mark.parametrize(
    ("content", "said"), [(b"\n", "is empty"), (b"\xff", "holds no text in UTF-8"), (None, "no such file")]
)
def test_a_password_file_that_has_none(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=rf"the password file {file}.* {said}"):
        read("redis://127.0.0.1", queue_password_file=str(file))


def test_a_password_that_others_may_read_is_told_of_and_never_shown(
    password_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    password_file.chmod(0o644)
    with caplog.at_level(logging.DEBUG):
        endpoint = read_redis(
            "redis://127.0.0.1", AccessConfig(queue_password_file=str(password_file)), environment={}
        )
    assert f"others may read the password in {password_file}; chmod 600 it" in caplog.text
    assert "of the file" not in caplog.text + repr(endpoint) + str(endpoint)


# --- what is demanded ---


@pytest.mark.parametrize(
    "text", ["redis://127.0.0.1", "redis://[::1]", "redis+cluster://localhost,127.0.0.1"]
)
def test_loopback_demands_nothing(text: str) -> None:
    assert not read(text).password


def test_any_other_address_demands_tls_and_a_password_or_a_word(keys: Path) -> None:
    for text in ("redis://:pw@192.0.2.7", "redis+cluster://:pw@127.0.0.1,192.0.2.7"):
        with pytest.raises(
            UsageError, match=r"on the path to 192\.0\.2\.7 can .* rediss:.* --insecure-plain"
        ):
            read(text)
        assert read(text, insecure_plaintext=True).password == "pw"
    assert not read("redis://192.0.2.7", insecure_plaintext=True).password
    with pytest.raises(UsageError, match=r"192\.0\.2\.7 can be reached by others, .* --queue-password-file"):
        read("rediss://192.0.2.7")
    assert read("rediss://:pw@192.0.2.7").tls
    assert read("rediss://192.0.2.7", {QUEUE_PASSWORD_VARIABLE: "pw"}).password == "pw"
    certificate = {name: str(keys / f"{name.removeprefix('tls_')}.pem") for name in ("tls_cert", "tls_key")}
    assert read("rediss://192.0.2.7", **certificate).cert == keys / "cert.pem"
    with pytest.raises(UsageError, match=r"--insecure-plaintext and rediss://192.* exclude each other"):
        read("rediss://:pw@192.0.2.7", insecure_plaintext=True)


# --- certificates ---


def test_certificates_come_from_flags_the_url_or_the_folder_with_keys(keys: Path, tmp_path: Path) -> None:
    url = f"rediss://127.0.0.1?ca={keys}/cert.pem"
    plain = read("rediss://127.0.0.1")
    assert (plain.ca, plain.cert, plain.key) == (None, None, None), "the system's authorities will do"
    assert read(url).ca == keys / "cert.pem"
    assert read(url, tls_ca=str(keys / "key.pem")).ca == keys / "key.pem"
    found = read("rediss://127.0.0.1", keys=str(keys))
    assert (found.ca, found.cert, found.key) == (keys / "ca.pem", keys / "cert.pem", keys / "key.pem")
    (keys / "ca.pem").unlink()
    assert read("rediss://127.0.0.1", keys=str(keys)).ca is None
    assert read("redis://127.0.0.1", keys=str(keys)).cert is None, "which are for a manager, perhaps"


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("redis://127.0.0.1", ["tls_ca"], r"certificates are for TLS, and redis://127\.0\.0\.1:6379/0 is without"),
        ("rediss://127.0.0.1", ["tls_cert"], "a certificate and its key belong together; --tls-key is missing"),
        ("rediss://127.0.0.1", ["tls_key"], "a certificate and its key belong together; --tls-cert is missing"),
        ("rediss://127.0.0.1?ca=/none/there.pem", [], "can't use /none/there.pem: there is no such file"),
    ],
)  # fmt: skip
def test_certificates_that_won_t_do(keys: Path, text: str, settings: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(text, **{name: str(keys / f"{name.removeprefix('tls_')}.pem") for name in settings})


# --- the extra, and what does not go together ---


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith("crawler.queues.redis.") or name.partition(".")[0] == "redis":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(UsageError, match=r"install 'redis>=5.2'"):
        RedisEndpoint(address=parse("redis://127.0.0.1")).client(reconnect_s=1.0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bind": "127.0.0.1"}, "--bind 127.0.0.1 is for a manager, and with --queue there is none"),
        ({"storage": "manager"}, "--storage manager keeps images on the machine of the manager, and with --queue"),
        ({"queue": "redis://:1"}, "':1' is no host"),
        ({"queue": "redis://192.0.2.7"}, "without TLS"),
    ],
)  # fmt: skip
def test_a_crawl_that_can_not_have_its_queue_there_is_refused_before_anything_is_made(
    settings: dict[str, str], said: str, tmp_path: Path
) -> None:
    flags = {"queue": "redis://127.0.0.1/0", **settings}
    with pytest.raises(UsageError, match=said):
        Crawl(["http://127.0.0.1/"], folder=tmp_path / "crawl", config=config.load(flags=flags))
    assert list(tmp_path.iterdir()) == []


class Client:
    def __init__(self, address: RedisAddress) -> None:
        self.address = address


@pytest.fixture
def _no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_endpoint.RedisEndpoint, "client", lambda self, **_: Client(self.address))


@pytest.mark.usefixtures("_no_client")
@pytest.mark.parametrize(
    ("url", "name"), [("redis://127.0.0.1/2", "my_flowers"), ("redis://127.0.0.1/2#trees", "trees")]
)
def test_a_crawl_is_called_as_its_folder_unless_it_is_said(url: str, name: str, tmp_path: Path) -> None:
    flags = {"queue": url.replace("//", "//:pw@"), "reconnect_s": 7}
    running = Crawl(
        ["http://127.0.0.1/"],
        folder=tmp_path / "my flowers",
        config=config.load(flags=flags),
        downloads=False,
    )
    assert running.public is None
    assert running._backend.reconnect_s == 7
    assert running._backend.endpoint == RedisEndpoint(
        address=RedisAddress(hosts=(("127.0.0.1", 6379),), password="pw", db=2, name=name)
    )


@pytest.mark.parametrize(
    ("address", "flags"),
    [
        ("redis://127.0.0.1", ""),
        ("redis://:pw@127.0.0.1", " --queue-password-file …"),
        ("redis://192.0.2.7", " --insecure-plaintext"),
        (
            "rediss://:pw@192.0.2.7?ca=/a&cert=/b&key=/c",
            " --queue-password-file … --tls-ca … --tls-cert … --tls-key …",
        ),
    ],
)
def test_workers_are_told_which_flags_they_need_and_no_secret(address: str, flags: str) -> None:
    assert _credentials(parse(address)) == flags


# --- finding it ---


def test_a_url_is_as_good_as_an_address_or_a_folder(tmp_path: Path) -> None:
    folder = CrawlFolder(tmp_path)
    url = "redis://joe:pw@192.0.2.7:6379/0#flowers"
    with pytest.raises(FolderError, match="no crawl runs in"):
        connect.endpoint_of(str(tmp_path), AccessConfig())
    folder.publish_url(url)
    assert (tmp_path / "crawl.address").stat().st_mode & 0o777 == 0o600
    by_folder = connect.endpoint_of(str(tmp_path), AccessConfig())
    assert by_folder == RedisEndpoint(address=parse(url)), (
        "whoever began it has said that it may be plaintext"
    )
    with pytest.raises(UsageError, match="--insecure-plaintext"):
        connect.endpoint_of(url, AccessConfig())
    assert connect.endpoint_of(url, AccessConfig(insecure_plaintext=True)) == by_folder
    folder.unpublish()
    assert list(tmp_path.iterdir()) == []


def test_a_client_knows_what_the_crawl_is_called() -> None:
    endpoint = RedisEndpoint(address=parse("redis://127.0.0.1"))
    named = parse("redis://127.0.0.1#flowers")
    assert endpoint.pinned_to(Client(named)) == RedisEndpoint(address=named)  # type: ignore[arg-type]


def test_both_engines_keep_what_the_protocol_promises(tmp_path: Path) -> None:
    engine = backends.backend_for(config.Config(), CrawlFolder(tmp_path))
    assert isinstance(engine, backends.ManagerBackend)
    assert engine.is_complete()
