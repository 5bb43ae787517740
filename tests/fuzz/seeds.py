"""``python -m tests.fuzz.seeds``: put what the other tests have of good and of odd inputs into the corpus."""

from __future__ import annotations

import gzip
import random
import zlib
from pathlib import Path

import brotli

from tests.fuzz.registry import CORPUS
from tests.support import credentials
from tests.support.hostile import hostile
from tests.support.images import rarities, samples

_MOST_BYTES = 8 * 1024


def images() -> dict[str, bytes]:
    small = ("circle.tif", "laughs.svg", "external.svg", "script.svg", "canvas.gif", "page.gif")
    return samples() | rarities() | credentials.samples() | {name: hostile(name) for name in small}


_CASES = Path(__file__).parents[1] / "cases"
_LETTERS = {
    ".html": b"a",
    ".xhtml": b"c",
    ".css": b"e",
    ".xml": b"f",
    ".txt": b"g",
    ".feed": b"i",
    ".webmanifest": b"j",
}


def cases() -> dict[str, bytes]:
    return {
        file.name: file.read_bytes()
        for file in sorted(_CASES.iterdir())
        if file.suffix in _LETTERS and file.is_file()
    }


def documents() -> dict[str, bytes]:
    found = {}
    for number, (name, data) in enumerate(cases().items()):
        kind = b"h" if name.startswith("feed-") and name.endswith(".xml") else _LETTERS[Path(name).suffix]
        found[name] = kind + b"abcd"[number % 4 :][:1] + b"a" + data
    link = b"<a.png>; rel=preload; as=image"
    found["headers"] = b"aac" + bytes((len(link),)) + link + b"<img src=b.png>"
    found["sitemap.gz"] = b"faa" + gzip.compress(cases()["sitemap.xml"], mtime=0)
    found["utf-16"] = b"baa" + cases()["img.html"].decode().encode("utf-16")
    return found


def html() -> dict[str, bytes]:
    odd = {
        "svg": b"<svg><template><a xlink:href=x><image href=a.png></svg>",
        "tables": b"<table><a><tr><td><b><p></b><table><img src=a.png>",
        "unclosed": b"<a '<img src=\"a.png<!--<p style='background:url(b.png)",
        "formats": b"<b><i><u><s><code><p></b></i>" * 3,
    }
    return {name: data for name, data in cases().items() if name.endswith(("html", "xhtml"))} | odd


def grammars() -> dict[str, bytes]:
    return {
        "srcset": b"aa.png 1x, b,c.png 2x,d.png 100w 50h, e(,).png 1.5x",
        "css": b"ba{background:url(a.png)}@import 'b.css';@font-face{src:url(c)}b{x:image-set('d.png' 2x)}",
        "json": b'c<!--{"a":["b.png",{"c":"\\ud83d\\ude00"},],}-->;',
        "js": b'dwindow.__STATE__={a:\'b.png\',c:[1,2,`d`],"e":"\\u002F"};',
        "script": b'e{"@type":"ImageObject","contentUrl":"a.png","image":["b.jpg",{"url":"c.webp","width":100}]}',
        "attributes": b"fimage/a-{width}.png 100w, b.png",
        "inline": b"gimage/png;base64,iVBORw0KGgo=",
        "link": b'h<a.png>; rel="preload next"; as=image; imagesrcset="b.png 2x"; title*=UTF-8\'\'a%20b, <c>; anchor=x',
        "refresh": b"h0; url='next.html'",
    }


def xml() -> dict[str, bytes]:
    found = {
        name: b"b" + data
        for name, data in cases().items()
        if name.endswith((".xml", ".feed", ".txt", ".webmanifest"))
    }
    found["twice.gz"] = b"d" + gzip.compress(gzip.compress(cases()["sitemap.xml"], mtime=0), mtime=0)
    found["entities"] = (
        b"b<!DOCTYPE a [<!ENTITY b 'c'>]><urlset><url><loc>http://e.org/&b;&amp;&#x26;</loc></url></urlset>"
    )
    return found


def encodings() -> dict[str, bytes]:
    text = "<meta charset=shift_jis><p>\u6e29\u6cc9 \u00e9?\u6e29=\u00e9"
    labels = (
        "utf-8",
        "utf-16le",
        "utf-16be",
        "shift_jis",
        "euc-jp",
        "iso-2022-jp",
        "gb18030",
        "big5",
        "euc-kr",
    )
    return {
        label: bytes((ord("b") + n,)) + text.encode(label, "replace") for n, label in enumerate(labels)
    } | {
        "declared": b"a" + text.encode("shift_jis", "replace"),
        "css": b'a@charset "windows-1252";a{b:url(\xe9)}',
    }


def urls() -> dict[str, bytes]:
    texts = (
        "../b.png?x=1&utm_source=a#f", "//cdn.example/a%20b.jpg", "http://user:pw@h\u00f6st.example:80/\u6e29?\u6e29",
        "https://example.org/a;jsessionid=0123?phpsessid=a1b2c3d4e5f6a7b8c9d0e1&s=0123456789abcdef01234",
        "https://example.org/wp-content/a-300x200.jpg?w=300&h=200", "https://i0.wp.com/a.b/c.jpg?resize=100,200",
        "https://upload.wikimedia.org/wikipedia/commons/thumb/a/ab/C.jpg/220px-C.jpg",
        "https://res.cloudinary.com/a/image/upload/w_100,h_100/v1/b.jpg", "https://lh3.googleusercontent.com/a=s96-c",
        "https://example.org/(S(abc123))/p.aspx", "http://0x7f.1/", "http://example.org/" + "a/" * 30,
        "https://example.org/calendar?month=13&year=2100", "data:image/png;sha256=00", "http://example.org/CON.png",
    )  # fmt: skip
    return {f"{n:02}": b"a" + text.encode() for n, text in enumerate(texts)}


def framing() -> dict[str, bytes]:
    ok = b"aHTTP/1.1 200 OK\r\n"
    return {
        "length": ok + b"Content-Type: image/png\r\nContent-Length: 5\r\n\r\nhello",
        "chunks": ok
        + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: a\r\n\r\n",
        "interim": b"aHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.0 404 No\r\n\r\nnone",
        "folded": ok + b"X: a\r\n b\r\nbad line\r\nContent-Length: 1, 1\r\nConnection: close\r\n\r\nx",
        "both": ok + b"Content-Length: 3\r\nTransfer-Encoding: identity, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "head": b"bHTTP/1.1 200\nContent-Length: 99\n\n",
        "not modified": b"aHTTP/1.1 304 X\r\nContent-Length: 7\r\n\r\n",
    }


def decoding() -> dict[str, bytes]:
    from tests.fuzz.targets.decoding import _PACKERS, zstd

    text = b"hello, hello, hello " * 20
    found = {
        name: b"abcd"[n : n + 1] + b"\x20" + pack(text) for n, (name, pack) in enumerate(_PACKERS.items())
    }
    found["wrapped"] = b"b\x01" + zlib.compress(text)
    found["members.gz"] = b"a\x07" + gzip.compress(b"a", mtime=0) * 3 + b"padding"
    found["frames.zst"] = b"d\x07" + zstd.compress(b"a") * 2 + b"\x50\x2a\x4d\x18\1\0\0\0x"
    found["twice"] = b"e\x10" + brotli.compress(gzip.compress(text, mtime=0))
    found["bomb.gz"] = b"a\xff" + gzip.compress(bytes(1_500_000), mtime=0)
    return found


def answers() -> dict[str, bytes]:
    cookie = (
        b"a=b; Domain=.example.org; Path=/; Max-Age=100; Secure\nc=d; Expires=Sun, 06 Nov 2033 08:49:37 GMT"
    )
    return {
        "cookies": b"aa" + bytes((len(cookie) // 4 + 1,)) + cookie,
        "prefix": b"aa\x20__Host-a=b; Secure; Path=/\n__Secure-c=d; Domain=co.uk; secure\n=x\ny",
        "seconds": b"b\x01\x45\x00120",
        "date": b"b\x01\x93\x1dSun, 06 Nov 2033 08:49:37 GMTSun, 06 Nov 2033 09:49:37 GMT",
        "robots": b"c\x011image-crawler: noindex, nofollow\nunavailable_after: 25 Jun 2010 15:00:00 PST, noai",
        "wishes": b'c\x011train-ai=n, search=(n "x");a=?1, b=:aGk=:\nnoai, <a>;type=application/rsl+xml;rel=license',
        "tdmrep": b'c\x02/a[{"location":"/*a$","tdm-reservation":1,"tdm-policy":"https://e.x/p"}]',
        "redirect": b"da//b.example/\xc3\xa9?\xe9#x",
    }


def robots() -> dict[str, bytes]:
    return {
        "usual": b"User-agent: *\nDisallow: /a/*.png$\nAllow: /a/b\nCrawl-delay: 2.5\nSitemap: /sitemap.xml\n",
        "ours": b"\xef\xbb\xbfUser-Agent: image-crawler\r\nDisallow: /\r\nRequest-rate: 1/10s\nVisit-time: 0600-0845\n",
        "uses": b"License: https://l/\nUser-agent: *\nContent-Signal: ai-train=no\nContent-Usage: /a/ train-ai=n\n",
        "odd": b"disallow /\0\nuser-agent:\nDisallow: /%E6%B8%A9*?*$$\nCrawl-delay: 1e400\nCrawl-delay: nan\n",
    }


def guard() -> dict[str, bytes]:
    hosts = (
        "127.0.0.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "localhost.",
        "a.localhost", "169.254.169.254", "[fe80::1%25eth0]", "10.0.0.1:81", "\uff11\uff12\uff17.1", "example.org:25",
    )  # fmt: skip
    allowed = ("10.1.0.0/16", "intranet:8080", "[fd00::1]", "169.254.169.254", "10.1.2.3/8", "a b")
    found = {f"host-{n:02}": b"a" + host.encode() for n, host in enumerate(hosts)}
    found |= {f"allowed-{n:02}": b"b" + text.encode() for n, text in enumerate(allowed)}
    return found | {"packed": b"c\x0a\x42\0\x09", "mapped": b"c" + bytes(10) + b"\xff\xff\x7f\0\0\1"}


def fetch() -> dict[str, bytes]:
    found = {name: b"a" + data[1:] for name, data in framing().items()}
    packed = gzip.compress(b"hello" * 10, mtime=0)
    found["gzip"] = (
        b"aHTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    )
    found["redirect"] = (
        b"aHTTP/1.1 302 X\r\nLocation: /b\r\nSet-Cookie: a=b\r\n\r\n\x1eHTTP/1.1 200 OK\r\n\r\nthere"
    )
    found["cut"] = b"bHTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n" + brotli.compress(bytes(100_000))
    found["later"] = b"aHTTP/1.1 503 X\r\nRetry-After: 120\r\nContent-Length: 2\r\n\r\nno"
    return found


def wire() -> dict[str, bytes]:
    import msgspec

    lease = {"worker": {"id": "w1", "kind": "image"}, "count": 3, "slots": 2, "wait_s": 0.0, "held": []}
    record = {"kind": "image", "url": "http://victim.example/0.png", "status": "saved"}
    result = {"token": [1, 1], "record": record, "discovered": [{"kind": "page", "url": "http://b.example/"}]}
    calls = (
        (
            "get_task_queue",
            "put",
            [],
            {"tasks": [{"kind": "image", "url": "http://a.example/x-100x100.png"}]},
        ),
        ("get_task_queue", "lease", [], lease),
        ("get_result_queue", "put", [], {"results": [result]}),
        ("get_task_queue", "leave", [], {"worker_id": "victim", "charged": True}),
        ("get_result_queue", "get", [], {"after": 0, "limit": 5}),
        ("get_inbox", "has", [], {"path": "images/a", "size_bytes": 1}),
    )
    packed = [msgspec.msgpack.encode(call) for call in calls]
    return {
        "calls": b"a" + b"\n\n".join(packed),
        "lengths": b"b" + b"".join(len(one).to_bytes(4, "big") + one for one in packed),
        "too long": b"b\xff\xff\xff\xff",
        "nested": b"a" + b"\x91" * 5000,
        "no greeting": b"c" + len(packed[0]).to_bytes(4, "big") + packed[0],
    }


def handshake() -> dict[str, bytes]:
    return {
        "digest": b"aa" + b"0" * 16,
        "sha256": b"aa{sha256}" + b"0" * 32,
        "rogue": b"ba#CHALLENGE#" + b"0" * 20 + b"\n\n#WELCOME#\n\n" + b"0" * 16,
        "newer rogue": b"ba#CHALLENGE#{sha256}" + b"0" * 40 + b"\n\n#WELCOME#\n\n{sha256}" + b"0" * 32,
        "a browser": b"abGET / HTTP/1.1\r\n\r\n",
        "giant": b"bb\x7f\xff\xff\xff",
    }


def drawn(*lengths: int) -> dict[str, bytes]:
    """For targets whose input is nothing but choices: some of several lengths."""
    dice = random.Random(1)
    return {f"dice-{n}": dice.randbytes(length) for n, length in enumerate(lengths)}


def calls() -> dict[str, bytes]:
    return drawn(*range(20, 620, 20)) | {
        f"one-{n:02}": b"%c" % (ord("a") + n) + b"\0" * 60 for n in range(16)
    }


def packed() -> dict[str, bytes]:
    import msgspec

    text = ["/a.png", "/p.html", "img", "an alt"]
    return {
        "text": b"ba" + msgspec.msgpack.encode(text),
        "entry": b"c" + b"\1a\1c\1e\1e\1e\1e" + bytes(10),
        **{name: b"a" + data for name, data in drawn(20, 60, 100, 200).items()},
    }


def database() -> dict[str, bytes]:
    rows = {f"rows-{n}": b"a" + data for n, data in enumerate(drawn(*range(4, 60, 4)).values())}
    return rows | {f"bytes-{n}": b"b" + data for n, data in enumerate(drawn(*range(4, 60, 6)).values())}


def export() -> dict[str, bytes]:
    texts = (
        "=1+1",
        "\x1b]0;x\x07\u202e",
        "a\r\n@b",
        ",=c;-d|+e",
        "\uff1dHYPERLINK(1)",
        '"=x"',
        "\x7f\x9b\u2028",
    )
    records = {name: b"\0" + data for name, data in drawn(*range(20, 320, 20)).items()}
    return records | {f"text-{n}": b"\1\0" + text.encode() for n, text in enumerate(texts)}


def settings() -> dict[str, bytes]:
    toml = (Path(__file__).parents[2] / "config" / "redis.toml").read_bytes()
    return {
        "file": b"a" + toml,
        "tables": b"a[scope]\nmax_pages = 10\n[queue]\ndelay_s = 0.5\n[images]\nformats = ['jpg,png']\n",
        "nested": b"a" + b"x = [" * 20,
        "environment": b"b\x05500 MB",
        "authkey": b"d\x20"
        + b"k" * 32
        + b"\0\0-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "address": b"e[2001:db8::7]:9733",
        "redis": b"fbuser:p%40ss@host:6379/2#name",
        "sentinels": b"fda.example,b.example:26380/service/1",
        "cluster": b"fe[::1]:7000,h\xc3\xb6st?ca=/a%20b",
        **{f"flags-{n}": b"c" + data for n, data in enumerate(drawn(8, 30, 60).values())},
    }


def child() -> dict[str, bytes]:
    import msgspec

    def said(*messages: tuple[int, bytes]) -> bytes:
        return b"".join(bytes((kind,)) + len(data).to_bytes(4, "little") + data for kind, data in messages)

    info = b'{"info":{"format":"gif","extension":"gif","width_px":1,"height_px":1,"frames":1}}'
    head = msgspec.msgpack.encode({"title": "x", "images": 1, "left_out": {"json-cut": 1}})
    tasks = msgspec.msgpack.encode([{"kind": "image", "url": "https://example.org/a.png"}])
    return {
        "protocol": b"a" + said((3, b"part"), (2, (2**30).to_bytes(8, "little")), (4, b"")),
        "no memory": b"a" + said((6, b"")),
        "giant": b"a\3\xff\xff\xff\xff",
        "pool": b"b" + said((3, info), (4, b"")),
        "needs": b"b" + said((2, b"\xff" * 8), (2, b"\xff" * 200), (5, b"")),
        "verdict": b"c" + info,
        "refusal": b'c{"reason":"corrupt-image","detail":"x"}',
        "other refusal": b'c{"reason":"not-found","detail":"x"}',
        "harvest": b"d" + head + b"\n\n" + tasks,
        "fault": b"d" + msgspec.msgpack.encode({"fault": "Traceback", "detail": "x"}),
        "reason": b"d" + msgspec.msgpack.encode({"reason": "too-large", "detail": "x"}),
    }


def inside() -> dict[str, bytes]:
    import msgspec

    task = {"id": 1, "serial": 1, "kind": "page", "url": "https://example.org/", "depth": 0, "attempt": 1}
    fetched = {
        "url": task["url"],
        "final_url": task["url"],
        "http_status": 200,
        "headers": {"content-type": "text/html"},
    }
    found = {"image": b"a" + samples()["plain.gif"]}
    for about in ("read", "words"):
        question = msgspec.msgpack.encode(
            {"about": about, "task": task, "fetched": fetched | {"content": b""}}
        )
        found[about] = (
            b"b" + len(question).to_bytes(4, "little") + question + b"<p>x<img src=a.png><a href=b>"
        )
    request = (4).to_bytes(8, "little") + bytes(8) + b"data"
    return found | {
        "requests": b"c" + request * 3,
        "half": b"c" + request + request[:-2],
        "size": b"c" + b"\xff" * 30,
    }


def inbox() -> dict[str, bytes]:
    paths = (
        "images/a.png",
        "../a",
        "/a",
        ".index/a",
        "c:/a",
        "images//a",
        "a\\b",
        "images/./a",
        "a/../b",
        "\0",
    )
    found = {f"path-{n}": b"b" + path.encode() for n, path in enumerate(paths)}
    return found | {name: b"a" + data for name, data in drawn(*range(20, 400, 20)).items()}


SEEDS = {
    "inbox": inbox,
    "packed": packed,
    "database": database,
    "export": export,
    "settings": settings,
    "child": child,
    "inside": inside,
    "wire": wire,
    "handshake": handshake,
    "calls": calls,
    "replies": lambda: drawn(*range(4, 304, 10)),
    "images": images,
    "image_parts": images,
    "documents": documents,
    "html": html,
    "grammars": grammars,
    "xml": xml,
    "encodings": encodings,
    "urls": urls,
    "framing": framing,
    "decoding": decoding,
    "answers": answers,
    "robots": robots,
    "guard": guard,
    "fetch": fetch,
}


def main() -> None:
    for name, seeds in SEEDS.items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, data in seeds().items():
            if len(data) <= _MOST_BYTES and not (folder / file).exists():  # some encoders write the time
                (folder / file).write_bytes(data)


if __name__ == "__main__":
    main()
