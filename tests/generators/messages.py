"""Every message that people are told, made by the code that makes them: ``python -m tests.generators.messages``.

One table, to be read as somebody who wants pictures; test_messages.py holds each to what can be told by a machine.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from crawler import seeds
from crawler.catalog import Catalog
from crawler.cli import main
from crawler.config import SETTINGS, AccessConfig, Config, FetchConfig, ImagesConfig, load
from crawler.download.filters import unwanted_file, unwanted_picture
from crawler.download.formats import ImageInfo
from crawler.download.verify import verify
from crawler.errors import CrawlerError, TaskError
from crawler.http.address_guard import AddressGuard
from crawler.http.dns_cache import _asked
from crawler.http.requests_transport import RequestsTransport
from crawler.http.status import proxy_error, status_error
from crawler.queues.redis.address import parse
from crawler.render.navigation_errors import why_not_opened
from crawler.run import endpoints, keygen, redis_endpoint
from crawler.run.supervisor import Crawl
from tests.e2e.test_faults import FAULTS
from tests.support.faultserver import FaultServer
from tests.support.hostile import MADE, hostile
from tests.support.images import rarities, samples

MAX_PIXELS = 1_000_000
SLOW = (
    "/drip",
    "/stall",
    "/silent",
    "/endless",
    "/continues",
    "/slow",
    "/bomb",
    "/large",
    "/header-flood/20",
)
"""Paths of the fault server whose waiting is told by the two that are asked with little patience."""
PATIENT = ("/silent", "/drip/100/plain.png")
OTHER_BYTES = {
    "page": b"<!DOCTYPE html><title>Not here</title>",
    "json": b'{"error": "not found"}',
    "text": b"hotlinking is forbidden",
    "pdf": b"%PDF-1.7",
    "zip": b"PK\x03\x04",
    "film": b"\0\0\0\x20ftypisom",
    "psd": b"8BPS",
    "zeros": b"\0" * 64,
    "noise": bytes(range(128, 255)),
    "short": b"\x89PNG",
    "svg-cut": b"<svg xmlns='http://www.w3.org/2000/svg'><g",
    "svg-broken": b"<svg><g></svg>",
    "svg-encoding": b"<?xml version='1.0' encoding='x-none'?><svg/>",
}


class Message(NamedTuple):
    source: str
    """What was done."""
    kind: str
    """The reason of a TaskError, or the class of the error."""
    text: str


def messages() -> list[Message]:
    found: list[Message] = []
    for gather in (answers, faults, unwanted, pictures, settings, files, addresses, commands):
        found += gather()
    return found


def told(source: str, call: Callable[[], object]) -> Iterator[Message]:
    """The message that *call* ends with; none if it does not fail. What is no error of ours is a fault."""
    try:
        call()
    except TaskError as exc:
        yield Message(source, exc.reason, exc.detail)
    except CrawlerError as exc:
        yield Message(source, type(exc).__name__, str(exc))


# --- the web ---


def answers() -> Iterator[Message]:
    challenged = {"cf-mitigated": "challenge"}
    for status in range(100, 600):
        if (error := status_error(status, {}, "http://a.example/")) is not None:
            yield Message(f"status {status}", error.reason, error.detail)
    for headers in (challenged, {"x-amzn-waf-action": "captcha"}, {"www-authenticate": "Negotiate"}):
        error = status_error(401, headers, "http://a.example/")
        assert error is not None
        yield Message(f"401 with {next(iter(headers))}", error.reason, error.detail)
    for status in (403, 407, 502):
        error = proxy_error(status, "proxy.example:3128", "a.example:443")
        yield Message(f"proxy {status}", error.reason, error.detail)
    for word in (
        "ERR_TOO_MANY_REDIRECTS",
        "ERR_INVALID_REDIRECT",
        "ERR_UNSAFE_REDIRECT",
        "ERR_ABORTED",
        "ERR_ODD",
    ):
        error = why_not_opened(f"net::{word}")
        yield Message(f"Chromium {word}", error.reason, error.detail)


def faults() -> Iterator[Message]:
    transport = RequestsTransport(
        FetchConfig(
            total_timeout_s=3, connect_timeout_s=1, max_redirects=5, allow_addresses=("127.0.0.0/8",)
        ),
        AddressGuard(("127.0.0.0/8",)),
        rate_grace_s=0.3,
    )
    with FaultServer() as server:
        for path in FAULTS:
            if path.startswith(SLOW) and path not in PATIENT:
                continue
            yield from told(path[:60], lambda path=path: _image(transport, server.url + path))
        for url in (
            "http://127.0.0.1:1/",
            "http://127.0.0.1:6667/",
            f"{server.url}/reset",
            "ftp://a.example/",
        ):
            yield from told(url, lambda url=url: _image(transport, url))
        tls = server.url.replace("http://", "https://")
        yield from told("https of a server without", lambda: _image(transport, tls))
    transport.close()


def _image(transport: RequestsTransport, url: str) -> None:
    fetched = transport.fetch(url, max_bytes=2**20, accept="image/*")
    verify(fetched.content, max_pixels=MAX_PIXELS)


# --- images ---


def unwanted() -> Iterator[Message]:
    images = ImagesConfig(
        min_width_px=100, min_image_bytes=1000, formats=("png",), max_aspect=2.0, max_width_px=300
    )
    for name, size in (("jpeg", 5000), ("png", 10), ("svg", 2**30), ("png", 2**31)):
        if (error := unwanted_file(name, size, images)) is not None:
            yield Message(f"{name} of {size} bytes", error.reason, error.detail)
    for width, height in ((10, 10), (400, 300), (250, 100)):
        info = ImageInfo(format="png", extension="png", width_px=width, height_px=height, frames=1)
        if (error := unwanted_picture(info, images)) is not None:
            yield Message(f"{width} x {height} pixels", error.reason, error.detail)
    if isinstance(error := _asked("a..b"), TaskError):  # which no resolver is asked for
        yield Message("host a..b", error.reason, error.detail)


def pictures() -> Iterator[Message]:
    whole = {**samples(), **rarities(), **{name: hostile(name) for name in MADE}}
    for name, data in whole.items():
        yield from told(name, lambda data=data: verify(data, max_pixels=MAX_PIXELS))
    for name, data in samples().items():
        for part in (0.02, 0.3, 0.6, 0.95):
            cut = data[: int(len(data) * part)]
            yield from told(f"{name}, {part:.0%} of it", lambda cut=cut: verify(cut, max_pixels=MAX_PIXELS))
        for at in range(8, min(len(data), 200), 7):
            odd = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
            yield from told(f"{name}, byte {at} changed", lambda odd=odd: verify(odd, max_pixels=MAX_PIXELS))
    for name, data in OTHER_BYTES.items():
        yield from told(f"no image: {name}", lambda data=data: verify(data, max_pixels=MAX_PIXELS))


# --- settings and files ---

VALUES: tuple[Any, ...] = (
    "",
    "nonsense",
    "-1",
    "1.5",
    "9" * 30,
    "nan",
    "ü",
    "a\nb",
    True,
    -1,
    [3],
    ["a", "b"],
    {},
    None,
)


def settings() -> Iterator[Message]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "settings.toml"
        for key in SETTINGS:
            for value in VALUES:
                yield from told(
                    f"{key} = {str(value)[:30]}",
                    lambda key=key, value=value: load(environment={}, flags={key: value}),
                )
        for text in (
            b"[scope\n",
            b"[scop]\nmax_depth = 1",
            b"max_depth = 1",
            b"scope = 3",
            b"\xff",
            b"a = " + b"9" * 5000,
        ):
            file.write_bytes(text)
            yield from told(f"TOML {text[:20].decode('latin-1')}", lambda: load(file=file, environment={}))
        yield from told("no such TOML", lambda: load(file=Path(folder) / "none.toml", environment={}))
        yield from told("a folder as TOML", lambda: load(file=Path(folder), environment={}))


def files() -> Iterator[Message]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_bytes(b"no database")
        (folder / "broken").mkdir()
        (folder / "broken" / "crawl.db").write_bytes(b"SQLite format 3\0" + b"no database" * 200)
        (folder / "text").mkdir()
        (folder / "text" / "crawl.db").write_bytes(b"no database" * 200)
        for place in ("none", "file", "broken", "text"):
            yield from told(f"catalog of {place}", lambda place=place: list(Catalog(folder / place).images()))
        for place in ("file", "broken", "text"):
            yield from told(f"crawl into {place}", lambda place=place: _begun(folder / place))
        yield from told("keys where a file is", lambda: keygen.make_keys(folder / "file" / "keys", tls=False))
        yield from told(
            "keys twice", lambda: [keygen.make_keys(folder / "keys", tls=False) for _ in range(2)]
        )
        yield from told("keys for no name", lambda: keygen.make_keys(folder / "new", names=["a b"], tls=True))
        yield from told("no authkey", lambda: endpoints.read_authkey(folder / "none"))
        yield from told("a short authkey", lambda: endpoints.read_authkey(folder / "file"))


def _begun(folder: Path) -> None:
    with Crawl(["http://127.0.0.1:1/"], folder=folder, config=Config()):
        pass


# --- what is typed ---

SEEDS = (
    "",
    "cookies.txt",
    "example",
    "ftp://a.example/",
    "http://",
    "http:///foo",
    "http://a b/",
    "mailto:a@b.example",
    "ü",
)


def addresses() -> Iterator[Message]:
    for text in SEEDS:
        yield from told(f"seed '{text}'", lambda text=text: seeds.seed_of(text))
    for text in (
        "",
        "redis://",
        "redis://a:b:c",
        "redis://h/x",
        "redis://h?x=1",
        "http://h",
        "redis+sentinel://h",
    ):
        yield from told(f"queue '{text}'", lambda text=text: parse(text))
        yield from told(
            f"queue '{text}', asked", lambda text=text: redis_endpoint.read_redis(text, AccessConfig(), {})
        )
    for text in ("me@host", "10.0.0.1/8", "a b", "[::1", "300.1.1.1/8"):
        yield from told(f"address '{text}'", lambda text=text: AddressGuard((text,)))
    for text in ("", "a:b", "host:99999", ":::"):
        yield from told(f"worker's '{text}'", lambda text=text: main_of("work", text))


COMMANDS = (
    ("crawl",), ("crawl", "cookies.txt"), ("crwl",), ("crawl", "http://127.0.0.1:1/", "--max-depht", "3"),
    ("crawl", "http://127.0.0.1:1/", "--per-host", "0"), ("extract", "none.html"), ("extract", "/etc/passwd"),
    ("extract", "."), ("status", "none"), ("inspect", "none"), ("export", "none"), ("retry", "none"),
    ("retry", "none", "--reason", "x"), ("explain", "none", "x"), ("pause", "none"), ("resume", "none"),
    ("stop", "none"), ("work", "127.0.0.1:1", "--authkey-file", "none"), ("harvest", "none"), ("render", "none"),
    ("collect", "none"), ("serve", "http://127.0.0.1:1/", "--bind", "nonsense"), ("keygen", "/proc/none"),
    ("demo", "-o", "/proc/none"), ("crawl", "http://127.0.0.1:1/", "-o", "/dev/null"),
    ("crawl", "http://127.0.0.1:1/", "--config", "none.toml"), ("crawl", "http://127.0.0.1:1/", "--storage", "s4://x"),
)  # fmt: skip


def commands() -> Iterator[Message]:
    for words in COMMANDS:
        text = main_of(*words)
        lines = [line for line in text.splitlines() if "rror: " in line]
        for line in lines[-1:]:
            yield Message(" ".join(words), "exit 1 or 2", line.partition("rror: ")[2])


def main_of(*words: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        main(words)
    return err.getvalue()


def table() -> str:
    unlike: dict[tuple[str, str], Message] = {}
    for message in messages():
        unlike.setdefault((message.kind, message.text), message)
    rows = sorted(unlike.values(), key=lambda message: (message.kind, message.text))
    lines = ["| reason or error | what is told | for example at |", "|---|---|---|"]
    lines += [
        f"| {row.kind} | {row.text.replace('|', '/')} | {row.source.replace('|', '/')} |" for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
