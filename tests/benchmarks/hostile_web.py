"""The web of the hostile soak: honest hosts, and beside them one host for each kind of harm, all of them on loopback.

Honest pages stand at 127.0.0.1 and the addresses after it, in chains that go on until the time is up; their images are
known by their URLs. Each kind of harm has an address of its own from 127.0.1.1 on, so that the trouble of one is no
trouble of another. An honest page names what is hostile, so much in all and evenly over the time. What follows of it on
its own host is bounded too: the same few URLs many times, or a site that goes on for some hundreds of pages.
"""

from __future__ import annotations

import contextlib
import gzip
import html
import json
import random
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from http.server import BaseHTTPRequestHandler
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import brotli

from tests.benchmarks.soaking import Server, image
from tests.support.faultserver import MEDIA_TYPES, zstd
from tests.support.hostile import MADE, deflated_zeros, hostile, of_its_own
from tests.support.images import bitmap, jpeg, png, tiff

CHAINS = 4
HONEST_HOSTS = 6
IMAGES_PER_PAGE = 10
PAGE_S = 1.0
"""How long an honest page takes, so that there are not more images at the end than can be looked at."""
NESTED = 40
"""How many URLs a page names over and over."""
ENDLESS = 300
"""Pages after which a site without end has one."""
MIB = 2**20
PRIVATE = ("10.0.0.1", "192.168.1.1", "172.16.9.9", "169.254.169.254", "100.64.0.1", "[fd00::1]")


class Answer(NamedTuple):
    body: bytes
    media_type: str = "text/html"
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200


class Ask(NamedTuple):
    """A request at a hostile host."""

    round: str
    """Which of the times that this kind is offered."""
    rest: str
    """The path below it."""
    handler: BaseHTTPRequestHandler


Make = Callable[[Ask], "Answer | None"]
"""None when it has been answered by hand."""
_GZIP = (("Content-Encoding", "gzip"),)


class Kind(NamedTuple):
    name: str
    make: Make
    file: str = ""
    """Of an image; pages have none."""


# --- pages that are heavy: a beginning, a part that comes again and again, an end ------------------------------------

REPEATED: dict[str, tuple[bytes, bytes, int, bytes]] = {
    "tables": (b"", b"<table><a>", 1_500_000, b""),
    "tables-and-images": (b"", b"<table><img src=k1.png>", 600_000, b""),
    "svg-templates": (b"", b"<svg><template>", 70_000, b""),
    "svg-templates-15mb": (b"", b"<svg><template>", 1_000_000, b""),
    "templates": (b"", b"<template><img src=k2.png>", 500_000, b""),
    "divs": (b"", b"<div>", 3_000_000, b""),
    "formatting": (b"", b"<b><i><u><font><a>", 800_000, b""),
    "adoption": (b"", b"<a><p></a>", 1_500_000, b""),
    "lists": (b"", b"<ul><li><dl><dt>", 900_000, b""),
    "selects": (b"", b"<select><option>", 900_000, b""),
    "links": (b"", b"<a href=k.html>", 1_000_000, b""),
    "entities": (b"", b"&amp;&lt;&nosuch", 1_000_000, b""),
    "entity-in-attribute": (b"<img alt='", b"&quot;&#x10ffff;", 900_000, b"' src=k3.png>"),
    "comments": (b"", b"<!--x-->", 1_800_000, b""),
    "half-comments": (b"", b"<!-", 5_000_000, b""),
    "half-tags": (b"", b"<a ", 5_000_000, b""),
    "cdata": (b"<svg>", b"<![CDATA[", 1_600_000, b""),
    "long-attribute": (b"<img src=k4.png alt='", b"x", 15_000_000, b"'>"),
    "long-url": (b"<img src='", b"x/", 7_500_000, b"'>"),
    "scripts": (b"", b'<script>{"', 1_500_000, b""),
    "styles": (b"<style>", b"a{background:url(k5.png)}", 600_000, b"</style>"),
    "style-attributes": (b"", b"<p style=background:url(k6.png)>", 450_000, b""),
    "noscripts": (b"", b"<noscript><img src=k7.png>", 580_000, b""),
    "srcdocs": (b"", b"<iframe srcdoc='<img src=k8.png>'></iframe>", 340_000, b""),
    "math": (b"", b"<math><mi><svg><desc>", 700_000, b""),
    "zeros": (b"<img src=k9.png>", b"\0", 15_000_000, b""),
    "refreshes": (b"", b"<meta http-equiv=refresh content='0;url=k.html'>", 300_000, b""),
    "bases": (b"", b"<base href=/x/><img src=k10.png>", 450_000, b""),
    "headings": (b"", b"<h1><figure><img src=k11.png><figcaption>", 360_000, b""),
    "captions": (b"<div class=caption>", b"<p>word <img src=k12.png>", 580_000, b""),
    "pictures": (b"", b"<picture><source srcset='k13.png 2x'><img src=k14.png>", 280_000, b""),
    "srcset": (b"<img srcset='", b"k15.png 1x,", 1_300_000, b"'>"),
    "json-deep": (b"<script type=application/ld+json>", b"[", 10_000_000, b"</script>"),
    "json-wide": (b"<script type=application/json>[", b'{"image":"k16.png"},', 700_000, b"0]</script>"),
    "json-in-attributes": (b"", b"<p data-x='{\"image\":\"k17.png\"}'>", 450_000, b""),
    "microdata": (b"", b"<p itemscope itemprop=image><img itemprop=image src=k18.png>", 250_000, b""),
}  # fmt: skip


@cache
def squeezed(name: str) -> bytes:
    head, unit, count, tail = REPEATED[name]
    packer = zlib.compressobj(6, wbits=31)
    parts = [packer.compress(head)]
    whole = unit * min(count, 50_000)
    parts.extend(packer.compress(whole) for _ in range(count // min(count, 50_000)))
    parts += [packer.compress(tail), packer.flush()]
    return b"".join(parts)


def repeated(name: str, ask: Ask) -> Answer:
    return Answer(squeezed(name), headers=_GZIP)


@cache
def packed(make: Callable[[], str]) -> bytes:
    return gzip.compress(make().encode(), 6)


def of(make: Callable[[], str], media_type: str = "text/html") -> Make:
    return lambda ask: Answer(packed(make), media_type, _GZIP)


def _million_images() -> str:
    return "".join(f"<img src=k{n % NESTED}.png>" for n in range(900_000))


def _attributes() -> str:
    return f"<img src=k1.png {' '.join(f'a{n:x}=1' for n in range(1_000_000))}>"


def _srcdoc_in_srcdoc() -> str:
    inner = "<img src=k2.png>"
    for _ in range(18):
        inner = f'<iframe srcdoc="{html.escape(inner)}"></iframe>'
        if len(inner) > 12 * MIB:
            break
    return inner


def _data_urls() -> str:
    """A hundred images in the page itself, some of them too large, and a flood of what is none."""
    import base64

    small = [base64.b64encode(of_its_own(f"data {n}")).decode() for n in range(60)]
    large = base64.b64encode(png() + bytes(3 * MIB)).decode()
    own = "".join(f"<img src='data:image/png;base64,{data}'>" for data in small)
    return (
        own
        + f"<img src='data:image/png;base64,{large}'>"
        + "<img src='data:image/png;base64,AAAA'>" * 100_000
    )


def _next_data() -> str:
    data = json.dumps({"a": [{"image": {"url": "k3.png"}}] * 300_000})
    return f"<script id=__NEXT_DATA__ type=application/json>{data}</script>"


def _many_hosts() -> str:
    return "".join(f"<img src=http://{host}/x.png><a href=http://{host}:22/>x</a>" for host in PRIVATE)


# --- what names other documents --------------------------------------------------------------------------------------


def _feed() -> str:
    items = "".join(
        f"<item><enclosure url='k{n % NESTED}.png' type='image/png'/></item>" for n in range(200_000)
    )
    return f"<?xml version='1.0'?><rss version='2.0'><channel>{items}</channel></rss>"


def _sheet() -> str:
    return "".join(f"a{{background:url(k{n % NESTED}.png)}}" for n in range(500_000))


def _sitemap() -> str:
    urls = "".join(f"<url><loc>http://127.0.0.1/k{n % NESTED}.html</loc></url>" for n in range(200_000))
    return f"<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{urls}</urlset>"


def _laughs(root: str) -> str:
    entities = "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
    return f"<?xml version='1.0'?><!DOCTYPE {root} [<!ENTITY a0 'ha'>{entities}]>"


def _laughing_sitemap() -> str:
    return f"{_laughs('urlset')}<urlset><url><loc>&a11;</loc></url></urlset>"


def _xhtml() -> str:
    return f"{_laughs('html')}<html xmlns='http://www.w3.org/1999/xhtml'><body>&a11;<img src='k4.png'/></body></html>"


def names(kind: str, media_type: str, make: Callable[[], str]) -> Make:
    """A page that names one document of another kind."""

    def answer(ask: Ask) -> Answer:
        if ask.rest.startswith("other"):
            return Answer(packed(make), media_type, _GZIP)
        return Answer(f"<link rel='{kind}' type='{media_type}' href=other><img src=k5.png>Hello".encode())

    return answer


def imports(ask: Ask) -> Answer:
    """Each style sheet imports five more."""
    if not ask.rest:
        return Answer(b"<link rel=stylesheet href=s.css>Hello")
    below = [f"@import '{random.Random(f'{ask.rest}{n}').randrange(10**9)}.css';" for n in range(5)]
    return Answer(
        ("".join(below) if endless(ask) else "").encode() + b"a{background:url(k6.png)}", "text/css"
    )


def feeds_of_feeds(ask: Ask) -> Answer:
    number = random.Random(ask.rest).randrange(10**9)
    if ask.rest.startswith("feed"):
        items = "".join(f"<item><link>post{number}{n}</link></item>" for n in range(3 if endless(ask) else 0))
        return Answer(f"<rss><channel>{items}</channel></rss>".encode(), "application/rss+xml")
    return Answer(f"<link rel=alternate type=application/rss+xml href=feed{number}>A post".encode())


# --- sites without end -----------------------------------------------------------------------------------------------

_given: Counter[tuple[str, str]] = Counter()
_lock = threading.Lock()


def endless(ask: Ask) -> bool:
    """Whether it goes on: not for ever, as it would."""
    with _lock:
        key = (ask.handler.connection.getsockname()[0], ask.round)
        _given[key] += 1
        return _given[key] < ENDLESS


def facets(ask: Ask) -> Answer:
    _, _, query = ask.rest.partition("?")
    chosen = [item for item in query.split("&") if item]
    left = {f"f{n}" for n in range(7)} - {item.partition("=")[0] for item in chosen}
    links = [f"shop?{'&'.join([*chosen, f'{name}={value}'])}" for name in sorted(left) for value in "abcde"]
    return _site(ask, links)


def deep(ask: Ask) -> Answer:
    rng = random.Random(ask.rest)
    return _site(ask, [f"{rng.randrange(10**6)}/" for _ in range(5)])


def calendar(ask: Ask) -> Answer:
    number = int("".join(filter(str.isdigit, ask.rest)) or "202601")
    return _site(ask, [f"month-{number + 1}.html", f"month-{number - 1}.html"])


def sessions(ask: Ask) -> Answer:
    token = random.randbytes(16).hex()
    return _site(ask, [f"page{n}.html?PHPSESSID={token}" for n in range(5)])


def _site(ask: Ask, links: list[str]) -> Answer:
    goes_on = "".join(f"<a href='{link}'>x</a>" for link in links) if endless(ask) else ""
    return Answer(f"<!DOCTYPE html><h1>Shop</h1><img src=k7.png>{goes_on}".encode())


# --- answers that are wrong ------------------------------------------------------------------------------------------


@cache
def bomb(coding: str) -> bytes:
    zeros = bytes(MIB)
    if coding == "gzip":
        packer = zlib.compressobj(9, wbits=31)
        return b"".join(packer.compress(zeros) for _ in range(400)) + packer.flush()
    if coding == "br":
        compressor = brotli.Compressor(quality=5)
        return b"".join(compressor.process(zeros) for _ in range(400)) + compressor.finish()
    squeezer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    return b"".join(squeezer.compress(zeros) for _ in range(400)) + squeezer.flush()


def bomb_of(coding: str, media_type: str) -> Make:
    return lambda ask: Answer(bomb(coding), media_type, (("Content-Encoding", coding),))


def redirect(target: str) -> Make:
    return lambda ask: Answer(b"", headers=(("Location", target),), status=302)


def redirects(ask: Ask) -> Answer:
    number = int(ask.rest.strip("r") or 0)
    return Answer(b"", headers=(("Location", f"r{number + 1}"),), status=302)


def cookies(ask: Ask) -> Answer:
    flood = tuple(("Set-Cookie", f"c{n}={'x' * 3000}; Path=/") for n in range(60))
    return Answer(b"<img src=k8.png>Hello", headers=flood)


def small_cookies(ask: Ask) -> Answer:
    flood = tuple(("Set-Cookie", f"c{ask.round}-{n}=x; Path=/{n}; Domain=127.0.0.1") for n in range(90))
    return Answer(b"<img src=k8.png>Hello", headers=flood)


def raw(said: bytes, *, again: int = 1, pause_s: float = 0.0, media_type: str = "") -> Make:
    """These bytes in place of an answer, or as one of that media type, so many times or until it is hung up on."""

    def answer(ask: Ask) -> None:
        handler = ask.handler
        handler.close_connection = True
        if media_type:
            handler.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\n\r\n".encode())
        for _ in range(again):
            handler.wfile.write(said)
            if pause_s:
                handler.wfile.flush()
                time.sleep(pause_s)

    return answer


def silent(ask: Ask) -> None:
    time.sleep(60)
    ask.handler.close_connection = True


def reset(ask: Ask) -> None:
    ask.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ask.handler.close_connection = True
    ask.handler.rfile.close()
    ask.handler.connection.close()


def plain(body: bytes, media_type: str = "text/html", **headers: str) -> Make:
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda ask: Answer(body, media_type, given)


_FOREVER = 10**9
_WRONG: dict[str, Make] = {
    "gzip-bomb": bomb_of("gzip", "text/html"),
    "br-bomb": bomb_of("br", "text/html"),
    "zstd-bomb": bomb_of("zstd", "text/html"),
    "endless": raw(b"<a href=k.html>x</a>" * 3000, again=_FOREVER, media_type="text/html"),
    "drip": raw(b"<", again=5000, pause_s=0.1, media_type="text/html"),
    "drip-header": raw(b"X", again=5000, pause_s=0.1),
    "silent": silent,
    "reset": reset,
    "not-http": raw(b"220 mail.example.org\r\n"),
    "continues": raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, again=_FOREVER, pause_s=0.005),
    "hints": raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" * 500, again=200),
    "header-flood": raw(b"HTTP/1.1 200 OK\r\n" + b"X-Flood: " + b"x" * 60_000 + b"\r\n", again=300),
    "status-line": raw(b"HTTP/1.1 200 " + b"O" * 10_000_000 + b"\r\n\r\n"),
    "chunk-line": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 20_000_000),
    "trailers": raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X-T: x\r\n" * 2_000_000
    ),
    "binary": plain(random.Random(1).randbytes(15_000_000)),
    "utf-16": plain(b"\xff\xfe" + "<img src=k9.png>".encode("utf-16le") * 470_000),
    "an-image-as-html": plain(jpeg()),
    "to-itself": redirects,
    "to-a-file": redirect("file:///etc/passwd"),
    "to-a-script": redirect("javascript:alert(1)"),
    "to-a-long-url": redirect("/" + "x" * 60_000),
    **{f"to-{host}": redirect(f"http://{host}/x") for host in PRIVATE},
    "cookies": cookies,
    "small-cookies": small_cookies,
    "retry-after": lambda ask: Answer(b"busy", headers=(("Retry-After", "8"),), status=503),
    "links-headers": plain(b"Hello", Link=", ".join(["<k10.png>; rel=preload; as=image"] * 1500)),
}
_DOCUMENTS: dict[str, Make] = {
    "million-images": of(_million_images),
    "attributes": of(_attributes),
    "srcdoc-in-srcdoc": of(_srcdoc_in_srcdoc),
    "data-urls": of(_data_urls),
    "next-data": of(_next_data),
    "private-addresses": of(_many_hosts),
    "xhtml-laughs": of(_xhtml, "application/xhtml+xml"),
    "feed": names("alternate", "application/rss+xml", _feed),
    "sheet": names("stylesheet", "text/css", _sheet),
    "sitemap": names("sitemap", "application/xml", _sitemap),
    "sitemap-laughs": names("sitemap", "application/xml", _laughing_sitemap),
    "imports": imports,
    "feeds-of-feeds": feeds_of_feeds,
    "facets": facets,
    "deep": deep,
    "calendar": calendar,
    "sessions": sessions,
}
ROBOTS: dict[str, Make] = {
    "robots-endless": raw(b"Disallow: /x\n" * 5000, again=_FOREVER, media_type="text/plain"),
    "robots-bomb": bomb_of("gzip", "text/plain"),
    "robots-stars": plain(b"User-agent: *\n" + b"Disallow: /" + b"*a" * 5000 + b"$\n" + b"Disallow: /*?*=*&*\n" * 5000),
    "robots-drip": raw(b"#", again=5000, pause_s=0.1, media_type="text/plain"),
    "robots-redirects": redirects,
    "robots-private": redirect("http://10.0.0.1/robots.txt"),
    "robots-down": lambda ask: Answer(b"no", status=503),
    "robots-binary": plain(random.Random(2).randbytes(400_000), "text/plain"),
    "robots-slow": plain(b"User-agent: *\nCrawl-delay: 2\n", "text/plain"),
    "robots-never": plain(b"User-agent: *\nCrawl-delay: 1e400\n", "text/plain"),
    "robots-no": plain(b"User-agent: *\nDisallow: /\n", "text/plain"),
    "robots-sitemaps": plain(b"".join(b"Sitemap: /s%d.xml\n" % n for n in range(3000)), "text/plain"),
}  # fmt: skip
"""What robots.txt is, of kinds whose page is an honest one."""

# --- images ----------------------------------------------------------------------------------------------------------


def webp_of(width_px: int, height_px: int) -> bytes:
    """Of one colour, in 34 bytes: a lossless one whose five codes have a symbol each, and so no bits for any pixel."""
    bits = (width_px - 1) | (height_px - 1) << 14
    length = 35
    for _ in range(5):
        bits |= 1 << length
        length += 4
    payload = b"\x2f" + bits.to_bytes((length + 7) // 8, "little")
    payload = payload.ljust(14, b"\0")
    body = b"VP8L" + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


_SVG = b"<svg xmlns='http://www.w3.org/2000/svg'>"
_OF_BYTES: dict[str, Callable[[], bytes]] = {
    "pixels.webp": lambda: webp_of(16383, 10800),
    "more-pixels.webp": lambda: webp_of(16383, 16383),
    "attributes.svg": lambda: _SVG + b"<g a='b' c='d'/>" * 900_000 + b"</svg>",
    "groups.svg": lambda: _SVG + b"<g>" * 2_000_000 + b"</g>" * 2_000_000 + b"</svg>",
    "attribute.svg": lambda: _SVG + b"<g a='" + b"x" * 15_000_000 + b"'/></svg>",
    "truncated.jpg": lambda: jpeg()[:-200],
    "corrupt.png": lambda: png()[:60] + b"\xff\xff" + png()[62:],
    "page.png": lambda: b"<!DOCTYPE html><p>Sorry.",
    "empty.gif": lambda: b"",
    "large.bmp": lambda: bitmap(24, b"", width_px=30_000, height_px=30_000),
    "many.ico": lambda: b"\0\0\1\0\xff\xff" + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, 1000, 22) * 65535,
    "zeros.avif": lambda: b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf\x7f\xff\xff\xffmeta" + bytes(10_000),
    "heavy.jpg": lambda: jpeg(width_px=600, height_px=600) + bytes(20 * MIB),
    "deflate.tif": lambda: tiff(deflated_zeros(165), width_px=13_000, height_px=13_000, extra={259: (3, 8)}),
}  # fmt: skip
_IMAGES: dict[str, Make] = {
    "bomb.png": bomb_of("gzip", "image/png"),
    "bomb-br.jpg": bomb_of("br", "image/jpeg"),
    "bomb-zstd.gif": bomb_of("zstd", "image/gif"),
    "endless.png": raw(bytes(2**16), again=_FOREVER, media_type="image/png"),
    "drip.png": raw(b"\x89", again=5000, pause_s=0.1, media_type="image/png"),
    "private.png": redirect("http://10.0.0.1/x.png"),
    "silent.png": silent,
}


@cache
def made(name: str) -> bytes:
    return hostile(name) if name in MADE else _OF_BYTES[name]()


def sent(name: str, ask: Ask) -> Answer:
    return Answer(made(name), MEDIA_TYPES[name.rpartition(".")[2]])


def _robots_page(ask: Ask) -> Answer:
    return Answer(b"<!DOCTYPE html><img src=k11.png>Hello")


KINDS: tuple[Kind, ...] = (
    *(Kind(name, partial(repeated, name)) for name in REPEATED),
    *(Kind(name, make) for name, make in {**_DOCUMENTS, **_WRONG}.items()),
    *(Kind(name, _robots_page) for name in ROBOTS),
    *(Kind(name, partial(sent, name), name) for name in (*MADE, *_OF_BYTES)),
    *(Kind(name, make, name) for name, make in _IMAGES.items()),
)


def host_of(number: int) -> str:
    return f"127.0.1.{1 + number}"


def kind_of(url: str) -> str:
    """Whose host is that of *url*; empty for an honest one, or one of no kind."""
    host = url.partition("://")[2].partition("/")[0].partition(":")[0]
    start, _, last = host.rpartition(".")
    return KINDS[int(last) - 1].name if start == "127.0.1" and int(last) <= len(KINDS) else ""


def urls(turn: int, port: int) -> list[tuple[str, bool]]:
    """All kinds once, in an order of its own for each *turn*; with whether it is an image."""
    order = list(range(len(KINDS)))
    random.Random(turn).shuffle(order)
    return [(f"http://{host_of(n)}:{port}/{turn}/{KINDS[n].file}", bool(KINDS[n].file)) for n in order]


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 20.0

    def log_message(self, *_: Any) -> None:
        pass

    def give(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in (
            ("Content-Type", answer.media_type),
            ("Content-Length", str(len(answer.body))),
            *answer.headers,
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()


class HostileHandler(_Quiet):
    def __init__(self, kind: Kind, *args: Any) -> None:
        self.kind = kind
        super().__init__(*args)

    def do_GET(self) -> None:
        turn, _, rest = self.path[1:].partition("/")
        name = rest.rpartition("/")[2]
        make = self.kind.make
        if self.path == "/robots.txt" or self.kind.name == "robots-redirects":
            make = ROBOTS.get(self.kind.name, lambda _: Answer(b"none", status=404))
        elif not self.kind.file and name.startswith("k") and name.endswith(".png"):
            make = lambda _: Answer(of_its_own(f"{self.kind.name}{self.path}"), "image/png")  # noqa: E731
        answer = make(Ask(turn, rest, self))
        if answer is not None:
            self.give(answer)


def _listen(host: str, port: int, make: Callable[..., Any]) -> int:
    server = Server((host, port), make)
    threading.Thread(target=server.serve_forever, args=(0.5,), daemon=True).start()
    return int(server.server_address[1])


def serve_harm(pipe: Connection) -> None:
    """Says its port; ends when the pipe does."""
    port = 0
    for number, kind in enumerate(KINDS):
        port = _listen(host_of(number), port, partial(HostileHandler, kind))
    pipe.send(port)
    with contextlib.suppress(EOFError):
        pipe.recv()


# --- the honest hosts ------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """What the honest server has seen, at its end."""

    pages: frozenset[str]
    """Paths of those that were sent whole."""
    offered: tuple[str, ...]
    """The hostile URLs that their pages have named."""
    gaps_s: dict[str, float]
    """The longest time, while it was not over, in which no page, no image, nothing at all was sent."""
    images: int
    """How many were sent, repeats included."""
    open_ends: tuple[str, ...]
    """Pages that were named, and never sent whole."""


def images_of(page_path: str, port: int) -> list[str]:
    """URLs of the images on an honest page, spread over its hosts."""
    found = [f"/image{page_path}/{number}.png" for number in range(IMAGES_PER_PAGE)]
    return [f"http://127.0.0.{1 + zlib.crc32(path.encode()) % HONEST_HOSTS}:{port}{path}" for path in found]


class Honest:
    """What the honest hosts share. What is hostile is named in *due* time, one thing after the other."""

    def __init__(self, *, minutes: float, harm: list[tuple[str, bool]], robots: bytes) -> None:
        self.port = 0
        self.robots = robots
        self.began = time.monotonic()
        self.until = self.began + minutes * 60
        self._harm = harm
        self._each_s = 0.85 * minutes * 60 / max(1, len(harm))
        self._html: dict[str, bytes] = {}
        self._pages: set[str] = set()
        self._named = {"/", *(f"/{chain}/0" for chain in range(CHAINS))}
        self._offered = 0
        self._images = 0
        self._last: dict[str, float] = {}
        self._gaps_s: dict[str, float] = {"page": 0.0, "image": 0.0, "anything": 0.0}
        self._lock = threading.Lock()

    def page(self, path: str) -> bytes:
        """The same each time."""
        with self._lock:
            if path not in self._html:
                self._html[path] = self._made(path).encode()
            return self._html[path]

    def _made(self, path: str) -> str:
        if path == "/":
            return "".join(
                f"<a href=http://127.0.0.{1 + chain % HONEST_HOSTS}:{self.port}/{chain}/0>chain</a>"
                for chain in range(CHAINS)
            )
        chain, _, number = path[1:].partition("/")
        found = "".join(f'<img src="{url}">' for url in images_of(path, self.port))
        now = time.monotonic()
        due = min(len(self._harm), int((now - self.began) / self._each_s))
        for url, is_image in self._harm[self._offered : due]:
            found += f'<img src="{url}">' if is_image else f'<a href="{url}">look</a>'
        self._offered = max(due, self._offered)
        goes_on = ""
        if now < self.until:
            self._named.add(after := f"/{chain}/{int(number) + 1}")
            goes_on = f'<a href="{after}">next</a>'
        return f"<!DOCTYPE html><title>Page {number} of {chain}</title>{found}{goes_on}"

    def sent(self, what: str, path: str) -> None:
        with self._lock:
            now = time.monotonic()
            if what == "page":
                self._pages.add(path)
            else:
                self._images += 1
            if now > self.until:
                return
            for name in (what, "anything"):
                last = self._last.get(name, now)
                self._gaps_s[name] = max(self._gaps_s[name], now - last)
                self._last[name] = now

    def told(self) -> Told:
        with self._lock:
            offered = tuple(url for url, _ in self._harm[: self._offered])
            open_ends = tuple(self._named - self._pages)
            return Told(frozenset(self._pages), offered, dict(self._gaps_s), self._images, open_ends)


class HonestHandler(_Quiet):
    def __init__(self, honest: Honest, *args: Any) -> None:
        self.honest = honest
        super().__init__(*args)

    def do_GET(self) -> None:
        if self.path.startswith("/image/"):
            self.give(Answer(image(self.path), "image/png"))
            self.honest.sent("image", self.path)
        elif self.path == "/" or (self.path.count("/") == 2 and self.path.rpartition("/")[2].isdigit()):
            time.sleep(PAGE_S)
            self.give(Answer(self.honest.page(self.path)))
            self.honest.sent("page", self.path)
        elif self.path == "/robots.txt":
            self.give(Answer(self.honest.robots, "text/plain"))
        else:
            self.give(Answer(b"none", status=404))


def serve_honest(pipe: Connection, minutes: float, harm: list[tuple[str, bool]], robots: bytes) -> None:
    """Says its port; then, each time that it is asked, what it has seen."""
    honest = Honest(minutes=minutes, harm=harm, robots=robots)
    for number in range(HONEST_HOSTS):
        honest.port = _listen(f"127.0.0.{1 + number}", honest.port, partial(HonestHandler, honest))
    pipe.send(honest.port)
    with contextlib.suppress(EOFError):
        while True:
            pipe.recv()
            pipe.send(honest.told())


def honest_urls(told: Told, port: int) -> Iterator[str]:
    """Of all images that the pages name which were sent."""
    for path in told.pages:
        if path != "/":
            yield from images_of(path, port)
