"""References and URLs: canonical ones, what they are known by, sizes of pictures, and paths of files."""

from __future__ import annotations

import re
from math import inf

from crawler import urls
from crawler.config import ScopeConfig
from crawler.download.naming import image_path
from crawler.errors import LEFT_OUT, SeedError
from crawler.harvest.tasks import upgraded
from crawler.harvest.traps import url_trap
from crawler.scope import Scope
from crawler.sizes import size_of
from crawler.storage import plain_parts
from tests.fuzz.drawn import Drawn

_BASES = (
    "https://example.org/",
    "http://example.org/a/b/c.html?x=1",
    "https://xn--nxasmq6b.example:8443/a//b/",
    "http://[2001:db8::7]/",
)
_EXTENSIONS = ("jpg", "png", "tif", "svg", "heic")
_PATH = re.compile(r"images(/[^/]{1,240})+")
_SCOPE = Scope(("https://example.org/a/",), ScopeConfig())


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    base = drawn.one_of(_BASES)
    reference = drawn.rest().decode("utf-8", "replace")
    url = urls.resolve(reference, base)
    assert urls.Base(base).resolve(reference) == url, "the short way leads elsewhere"
    if url is not None:
        check(url)
        assert not urls.is_too_long(reference, base)
    absolute = urls.canonical(reference)
    if absolute is not None:
        check(absolute)
    try:
        assert urls.canonical(urls.canonical_seed(reference)) is not None
    except SeedError as exc:
        assert str(exc)
    urls.without_login(reference)
    escaped = urls.with_bytes_escaped(reference.encode().decode("latin-1"))
    assert escaped.isascii()


def check(url: str) -> None:
    assert url.startswith(("http://", "https://"))
    assert len(url) <= urls.MAX_URL_CHARS
    assert "#" not in url
    assert url.isascii()
    assert urls.canonical(url) == url
    assert urls.Base(url).resolve("") == urls.resolve("", url)
    host = urls.host_key(url)
    assert "@" not in host
    assert urls.authority(url)
    assert url.startswith(f"{host}/")
    known_by = urls.identity(url)
    assert urls.identity(known_by) == known_by
    assert urls.task_key("page", url) == urls.task_key("page", known_by)
    tidy = urls.without_tracking(url)
    assert urls.without_tracking(tidy) == tidy
    for changed in (known_by, tidy):
        assert urls.canonical(changed) == changed, f"{changed!r} is no URL that anybody could fetch"
        assert urls.host_key(changed) == host
    by_https = upgraded(url)
    assert not by_https or urls.canonical(by_https) == by_https.replace(":443/", "/", 1)
    trap = url_trap(url, year=2026)
    assert not trap or trap in LEFT_OUT
    assert not _SCOPE.refusal(url) or isinstance(_SCOPE.refusal(url), str)
    size = size_of(url)
    assert urls.canonical(size.picture) == size.picture
    assert size_of(size.picture).picture == size.picture, "a picture is a size of itself"
    assert 0 < size.px <= inf
    paths(url)


def paths(url: str) -> None:
    sha256 = "0f" * 32
    for extension in _EXTENSIONS:
        found = {
            image_path(url, extension, layout=layout, sha256=sha256, version=version)
            for layout in ("site", "flat")
            for version in ("", sha256)
        }
        assert len(found) == 4
        for path in (*found, image_path(url, extension, layout="hash", sha256=sha256)):
            assert _PATH.fullmatch(path), path
            assert len(path.encode()) <= 1000
            assert all(len(part.encode()) <= 240 for part in path.split("/"))
            assert "/".join(plain_parts(path)) == path
            assert not any(part.startswith(".") for part in path.split("/"))
