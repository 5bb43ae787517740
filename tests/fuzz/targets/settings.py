"""Configuration files, the environment, keys and addresses: what won't do is said so, in one kind of error."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from pathlib import Path

from crawler.config import ENVIRONMENT_PREFIX, SETTINGS, Config, from_tables, load, to_toml
from crawler.errors import CrawlerError, UsageError
from crawler.http.proxies import Proxies
from crawler.http.request_headers import RequestHeaders
from crawler.queues.redis import address as redis_address
from crawler.queues.rpc.tls import SERVER_NAME, Tls
from crawler.run.endpoints import MIN_AUTHKEY_BYTES, parse_address, read_authkey
from crawler.run.trust import allowed
from crawler.scope import Scope
from crawler.urls import show_address
from tests.fuzz.books import memory
from tests.fuzz.drawn import Drawn

_KEYS = tuple(SETTINGS)


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    what = drawn.one_of((_file, _environment, _flags, _keys, _address, _redis))
    folder = Path(tempfile.mkdtemp(dir=memory()))
    try:
        what(drawn, folder)
    finally:
        shutil.rmtree(folder)


def _file(drawn: Drawn, folder: Path) -> None:
    file = folder / "crawler.toml"
    file.write_bytes(drawn.rest())
    try:
        config = load(file=file)
    except UsageError as exc:
        assert str(exc)
        return
    _check(config)


def _environment(drawn: Drawn, _: Path) -> None:
    key = drawn.one_of(_KEYS)
    text = drawn.rest().decode("utf-8", "replace").replace("\0", "")
    try:
        config = load(environment={f"{ENVIRONMENT_PREFIX}{key.upper()}": text})
    except UsageError as exc:
        assert key in str(exc)
        return
    _check(config)


def _flags(drawn: Drawn, _: Path) -> None:
    flags = {}
    while drawn.left:
        key = drawn.one_of(_KEYS)
        flags[key] = drawn.one_of(
            (drawn.text, drawn.integer, drawn.real, lambda: (drawn.text(), drawn.text()))
        )()
    try:
        config = load(flags=flags)
    except UsageError as exc:
        assert str(exc)
        return
    _check(config)


def _check(config: Config) -> None:
    again = from_tables(tomllib.loads(to_toml(config)), source="its own file")
    assert to_toml(again) == to_toml(from_tables(tomllib.loads(to_toml(again)), source="the same"))
    for setting in SETTINGS.values():
        if not setting.secret:
            assert getattr(getattr(again, setting.section), setting.key) == getattr(
                getattr(config, setting.section), setting.key
            )
    try:
        allowed(config.access.trust)
        scope = Scope(("https://example.org/a/",), config.scope)
        scope.refusal("https://example.org/a/b.html")
        scope.image_refusal("https://example.org/a/b.png")
        Proxies(config.fetch.proxy)
        RequestHeaders(config.fetch, seeds=("https://example.org/a/",), jar=None)
    except CrawlerError as exc:
        assert str(exc)


def _keys(drawn: Drawn, folder: Path) -> None:
    size = drawn.byte()
    (folder / "authkey").write_bytes(drawn.bytes(size))
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (folder / name).write_bytes(drawn.rest() if name == "ca.pem" else drawn.bytes(drawn.byte()))
        (folder / name).chmod(0o600)
    (folder / "authkey").chmod(0o600)
    try:
        assert len(read_authkey(folder / "authkey")) >= MIN_AUTHKEY_BYTES
    except UsageError as exc:
        assert str(exc)
    tls = Tls(cert=folder / "cert.pem", key=folder / "key.pem", ca=folder / "ca.pem", server_name=SERVER_NAME)
    for server_side in (True, False):
        try:
            tls.check(server_side=server_side)
        except UsageError as exc:
            assert str(exc)


def _address(drawn: Drawn, _: Path) -> None:
    text = drawn.rest().decode("utf-8", "replace")
    try:
        host, port = parse_address(text)
    except UsageError as exc:
        assert str(exc)
        return
    assert host
    assert 0 <= port < 2**16
    assert parse_address(show_address((host, port))) == (host, port)


def _redis(drawn: Drawn, _: Path) -> None:
    text = drawn.one_of(
        ("", "redis://", "rediss://", "redis+sentinel://", "redis+cluster://")
    ) + drawn.rest().decode("utf-8", "replace")
    redis_address.is_redis(text)
    redis_address.without_password(text)
    try:
        address = redis_address.parse(text)
    except UsageError as exc:
        assert str(exc)
        return
    assert address.hosts
    assert all(host and 0 < port < 2**16 for host, port in address.hosts)
    assert redis_address.parse(address.url) == address
